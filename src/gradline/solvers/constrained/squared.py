"""Squared loss within constraints: the sums of one pass, the face they lead to, and its last digits where more passes are cheap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.constraints.polyhedron import Polyhedron
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.solvers.columns import gram
from gradline.solvers.constrained.beside import apart
from gradline.solvers.constrained.ending import constrained_solution, not_constrained
from gradline.solvers.constrained.squared_model import SquaredModel
from gradline.solvers.constrained.working import WorkingRows, without_rounding
from gradline.solvers.least_squares.least_squares import EXACT_NUMBERS, SquaresKernel, scaled_solution, solution_of_moments
from gradline.solvers.least_squares.normal_equations import solve_normal_equations
from gradline.solvers.least_squares.second_moments import MomentsKernel, MomentsOfRows
from gradline.solvers.protocol import Solution

ENOUGH = 1e-10
"""The share of the coefficients that rounding of the sums may take before passes follow for the gradient."""

MOST_REFINED = 6
"""Passes for digits, at most."""

SMALL_REST = 1e-6
"""Of the target's squares: where the residuals' are less, they are summed themselves."""


def solve_squared(problem: Problem, polyhedron: Polyhedron) -> Solution:
    """The minimum of c |y - X b|^2 a row, a penalty and constraints. One pass; where data is small, or the sums keep too few digits,
    a few more for the gradient."""
    rows = problem.rows
    found = rows.reduce(MomentsKernel())
    scale = problem.loss.squared_scale()
    assert scale is not None
    moments = found.sums
    if not moments.finite():
        raise SolverError("the columns' squares overflow although every value is finite: divide the largest columns by a power of ten")
    movable = problem.movable
    aliased: tuple[int, ...] = ()
    slopes, k = rows.n_columns - int(rows.intercept), rows.n_targets
    if problem.penalty is None:
        fit = solve_normal_equations(moments, np.arange(slopes), np.arange(slopes, slopes + k), intercept=rows.intercept)
        aliased = not_constrained(fit.aliased, polyhedron, lambda: gram(rows))
        movable[list(aliased)] = False
    model = SquaredModel(moments, rows.intercept, movable, scale)
    problem, absolute = apart(problem)
    working = WorkingRows.of(polyhedron, model.free, absolute)
    problem.__dict__.setdefault("total_weight", moments.weight)
    coefficients, passes = np.zeros(problem.shape), 1
    curvature, gradient = model.curvature, model.gradient(coefficients)
    step, steepest = None, 0.0
    for turn in range(MOST_REFINED + 1):
        bend, slope = _penalty(problem, model.free, coefficients)
        whole, steepest = without_rounding(gradient + slope, curvature + bend, steepest)
        step = working.step(coefficients, curvature + bend, whole, None if step is None else step.program.held)
        last, coefficients = coefficients, working.moved(coefficients, step.change, step.program)
        if turn == 0:
            first = step
            exact = rows.resident and rows.n_rows * rows.n_columns <= EXACT_NUMBERS
            refines = exact or model.claim > ENOUGH
        settled = problem.penalty_kind in (None, "quadratic") and np.array_equal(last, coefficients)
        if settled or (turn > 1 and step.length <= 1e-16 * first.length):
            break
        if not refines:
            gradient = model.gradient(coefficients)
            if turn >= 1 and problem.penalty_kind in (None, "quadratic"):
                break
            continue
        of_rows = replace(problem, penalty=None).evaluate(coefficients, 1).gradient
        assert of_rows is not None
        gradient, passes = model.in_centred(of_rows), passes + 1
    assert step is not None
    bend, slope = _penalty(problem, model.free, coefficients)
    loss, passes = _loss(problem, model, coefficients, passes)
    loss += working.charge(coefficients)
    coefficients = working.without_dust(coefficients, curvature + bend, loss)
    solution = constrained_solution(
        problem, working, coefficients, loss, gradient + slope, step, (True, "the model of squared loss is exact"), passes, aliased
    )
    return solution if absolute is not None else replace(solution, unconstrained=_unconstrained(problem, found, scale))


def _penalty(problem: Problem, free: CoefficientMap, coefficients: Array) -> tuple[Array | float, Array | float]:
    """(curvature (d, d), gradient (d,)) of the penalty over free coefficients; zeros where there is none."""
    if problem.penalty is None:
        return 0.0, 0.0
    terms = problem.penalty_terms(coefficients, 2)
    assert terms.gradient is not None
    assert terms.curvature is not None
    bend = terms.curvature
    matrix = np.diag(bend.T.ravel()) if bend.shape == coefficients.shape else bend
    return free.restrict_curvature(matrix), free.restrict_gradient(terms.gradient)


def _loss(problem: Problem, model: SquaredModel, coefficients: Array, passes: int) -> tuple[float, int]:
    """(the objective, passes): from the sums, or from the residuals where the sums are nearly all cancelled."""
    squares = model.squares(coefficients)
    if (squares < SMALL_REST * model.target_squares).any():
        squares, passes = problem.rows.reduce(SquaresKernel(coefficients)) / model.moments.weight, passes + 1
    penalty = 0.0 if problem.penalty is None else problem.penalty_terms(coefficients, 0).value
    return model.scale * float(squares.sum()) + penalty, passes


def _unconstrained(problem: Problem, found: MomentsOfRows, scale: float) -> Solution | None:
    """What the same sums say without the constraints; None on data so small that exact least squares costs nothing, and where the sums do
    not say it."""
    rows, strength = problem.rows, problem.ridge_strength
    small = rows.n_rows * rows.n_columns <= EXACT_NUMBERS
    if small or strength is None or not problem.all_free or found.sums.rows < rows.n_columns:
        return None
    solution = solution_of_moments(rows, found, strength / scale)
    return None if solution is None else scaled_solution(solution, scale)
