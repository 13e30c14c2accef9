"""A fit that set coefficients to zero, or holds them by constraints, seen from the coefficients that it left free."""

from __future__ import annotations

from dataclasses import replace

from gradline.base.types import Array
from gradline.constraints.held import HeldConstraints
from gradline.inference.bread import compute_bread
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import OnSupport, as_kinked
from gradline.solvers.protocol import Solution


def on_support(problem: Problem, coefficients: Array) -> Problem:
    """The problem of the coefficients (P, k) that are not zero, the others held there; any other problem as it is.

    Around its solution the two are the same as long as no coefficient leaves zero or comes to it: leverages, and what a fit without one row
    would be, are those of the smaller one.
    """
    penalty = as_kinked(problem.penalty)
    if penalty is None:
        return problem
    kept, first = problem.movable.copy(), int(problem.rows.intercept)
    kept[first:] &= penalty.support(coefficients[first:])
    return replace(problem, penalty=OnSupport(penalty), mask=kept)


def support_statistics(problem: Problem, solution: Solution) -> FitStatistics:
    """The sums of a fit that set coefficients to zero: the parameters are those that it kept."""
    kept = on_support(problem, solution.coefficients)
    try:
        bread = compute_bread(kept, solution.coefficients, kept.free)
    except ValueError:
        bread = None
    return fit_statistics(kept, solution.coefficients, kept.free, bread)


def on_face(problem: Problem, held: HeldConstraints, solution: Solution) -> Problem:
    """The problem of the coefficients that move while the constraints that bind hold, and what a penalty set to zero stays there."""
    problem = on_support(problem, solution.coefficients)
    movable = problem.movable
    if solution.aliased:
        movable[list(solution.aliased)] = False
    return replace(problem, constraints=None, face=held.face(movable, solution.coefficients))
