"""A model of squared loss from second moments alone: the fit of all rows that were ever summed, without any of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError, DataError, InferenceError
from gradline.base.names import INTERCEPT
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.constraints.arguments import bound_to
from gradline.constraints.columns import ConstraintColumns
from gradline.constraints.specs import as_spec
from gradline.inference.absent import NoInference
from gradline.inference.asked import PendingInference, is_none, names_a_kind
from gradline.inference.tests import coefficient_labels
from gradline.losses.families.robust import squared
from gradline.model.record import Model
from gradline.objective.objective import Problem
from gradline.penalties.arguments import as_penalty, left_to_data, settled
from gradline.penalties.kinds import ridge_strength
from gradline.penalties.kinked_penalty import PenaltyColumns
from gradline.penalties.protocol import Penalty
from gradline.rows.arrays import ArrayRows
from gradline.rows.fingerprint import MODULUS
from gradline.solvers.least_squares.least_squares import moments_solution
from gradline.solvers.least_squares.normal_equations import NormalEquations, solve_normal_equations
from gradline.solvers.least_squares.second_moments import SecondMoments
from gradline.solvers.protocol import Solution
from gradline.solvers.registry import automatic, check_in_range, solve
from gradline.solvers.squared_sums import SquaredSums, WeightSums

FEW_DIGITS = 8.0
"""Below which a fit from sums says that it has few."""


@dataclass(frozen=True)
class RowSums:
    """All that squared loss needs of rows: moments of p columns, then q targets, each less its offset.

    names (p), target_names (q). n_rows: those given; fingerprint: of them, whatever their order. row_columns: what came beside columns
    and targets. named: whether the data named its columns.
    """

    moments: SecondMoments
    names: tuple[str, ...]
    target_names: tuple[str, ...]
    n_rows: int
    fingerprint: int
    row_columns: Mapping[str, str | None]
    named: bool

    def __add__(self, other: RowSums) -> RowSums:
        """The sums of both sets of rows. Raises ValueError where the sums overflow."""
        moments = self.moments + other.moments
        if not moments.finite():
            raise DataError("the columns' squares overflow although every value is finite: divide the largest columns by a power of ten")
        return replace(
            self,
            moments=moments,
            n_rows=self.n_rows + other.n_rows,
            fingerprint=(self.fingerprint + other.fingerprint) % MODULUS,
            row_columns={**self.row_columns, **other.row_columns},
        )


def fit_sums(sums: RowSums, *, intercept: bool, penalty: Any, covariance: Any, constraints: Any = None) -> Model:
    """The model of squared loss that ``gl.fit`` finds on the rows themselves, to the digits that sums of products hold.

    Raises ValueError for what needs the rows: strengths left to the data, standard errors other than the classical ones.
    """
    started = time.perf_counter()
    if names_a_kind(covariance) and covariance != "classical":
        raise InferenceError(
            f'covariance={covariance!r} needs the rows again, which sums do not hold: leave it at "classical", or ask later by'
            " result_.with_covariance(kind, X, y)"
        )
    bound = _bound(penalty, sums)
    strength = ridge_strength(bound)
    slopes = len(sums.names)
    if constraints is not None:
        solution = _constrained(sums, bound, constraints, intercept)
        uncertainty: Any = NoInference("within constraints they need the rows, and a fit from sums has none")
    elif strength is None:
        solution = _penalised(sums, bound, intercept)
        uncertainty = NoInference("with this penalty they need the rows, and a fit from sums has none")
    else:
        moments = sums.moments
        places = np.arange(len(moments.shift))
        ridge = moments.weight * strength / 2.0
        fit = solve_normal_equations(moments, places[:slopes], places[slopes:], intercept=intercept, ridge=ridge)
        _warn_of_few_digits(fit, sums)
        solution = moments_solution(fit, moments, fit.squares, strength, intercept=intercept, passes=1)
        solution = replace(solution, sums=_squared_sums(fit, sums, intercept))
        uncertainty = _pending(solution, strength, intercept, bound is not None)
    if is_none(covariance):
        uncertainty = NoInference(f"none were wanted (covariance={covariance!r})")
    names = ((INTERCEPT,) if intercept else ()) + sums.names
    used = sums.moments.rows
    check_in_range(_shape_of(sums, names, intercept), solution)
    if solution.aliased and used >= len(names):
        left_out = ", ".join(repr(names[i]) for i in solution.aliased)
        warn(f"left out of the model, since constant or determined by earlier columns: {left_out}. Predictions do without")
    return Model(
        names,
        sums.target_names,
        squared,
        solution,
        used,
        {} if used == sums.n_rows else {"weight zero": sums.n_rows - used},
        named=sums.named,
        penalty=bound,
        uncertainty=uncertainty,
        seconds=time.perf_counter() - started,
        row_columns=sums.row_columns,
        fingerprint=sums.fingerprint,
    )


def _bound(penalty: Any, sums: RowSums) -> Penalty | None:
    """The penalty of these columns. Raises ValueError for one whose strength is left to the data."""
    moments, p = sums.moments, len(sums.names)

    def deviations() -> Array:
        return np.asarray(np.ldexp(np.sqrt(np.maximum(np.diag(moments.centred()), 0.0) / moments.weight), moments.exponents)[:p])

    predictors = ("prediction",) if len(sums.target_names) == 1 else sums.target_names

    def columns() -> PenaltyColumns:
        return PenaltyColumns(sums.names, sums.names, predictors, deviations)

    def choose() -> tuple[float, float]:
        raise ArgumentError(
            'a strength of "auto" is chosen by rows that are held out, which sums do not hold: give the strength, or find it by gl.path'
        )

    given = as_penalty(penalty)
    if left_to_data(given) is not None:
        choose()
    return settled(given, columns, choose)


def _rows_of(sums: RowSums, intercept: bool) -> ArrayRows:
    """As few rows as there are columns, whose mean of products is that of all rows, about the means where there is an intercept.

    Their squared loss is, at every coefficient, that of all rows with the intercept at its best.
    """
    moments, p = sums.moments, len(sums.names)
    centred = moments.centred() / moments.weight
    if not intercept:
        means = np.ldexp(moments.means, -moments.exponents)
        centred = centred + np.outer(means, means)
    size = np.sqrt(np.maximum(np.diag(centred), 0.0))
    unit = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(centred / np.outer(unit, unit))
    root = np.sqrt(np.maximum(values, 0.0) * len(values))[:, None] * vectors.T * unit
    root = np.ldexp(root, moments.exponents)
    return ArrayRows(np.ascontiguousarray(root[:, :p]), np.ascontiguousarray(root[:, p:]), intercept=False)


def _penalised(sums: RowSums, penalty: Penalty | None, intercept: bool) -> Solution:
    """The minimum with any penalty, by whichever solver takes it."""
    problem = Problem(_rows_of(sums, intercept), squared, penalty, sums.names)
    found = solve(automatic(problem), problem)
    if not intercept:
        return replace(found, sums=None, curvature=None, extra=())
    means, p = sums.moments.means, len(sums.names)
    first = means[p:] - means[:p] @ found.coefficients
    coefficients = np.concatenate([first[None, :], found.coefficients])
    aliased = tuple(j + 1 for j in found.aliased)
    return replace(found, coefficients=coefficients, aliased=aliased, digits=None, sums=None, curvature=None, extra=())


def _constrained(sums: RowSums, penalty: Penalty | None, constraints: Any, intercept: bool) -> Solution:
    """The minimum within constraints, on rows of the same means and products of which each has its mirror image about the means."""
    rows, p = _rows_of(sums, intercept), len(sums.names)
    if intercept:
        apart = np.concatenate([rows.values, rows.targets], axis=1)
        both = sums.moments.means + np.concatenate([apart, -apart])
        rows = ArrayRows(np.ascontiguousarray(both[:, :p]), np.ascontiguousarray(both[:, p:]), intercept=True)
    names = ((INTERCEPT,) if intercept else ()) + sums.names
    problem = Problem(rows, squared, penalty, names)
    predictors = squared.predictor_names(len(sums.target_names))
    labels = coefficient_labels(names, predictors)
    columns = ConstraintColumns(names, predictors, labels, names, intercept, problem.movable.T.ravel())
    problem = replace(problem, constraints=bound_to(as_spec(constraints), columns))
    found = solve(automatic(problem), problem)
    return replace(found, digits=None, sums=None, curvature=None, extra=(), unconstrained=None, passes=1)


def _squared_sums(fit: NormalEquations, sums: RowSums, intercept: bool) -> SquaredSums:
    """What classical standard errors follow from; of several targets the products of their residuals too."""
    moments, p = sums.moments, len(sums.names)
    weights = WeightSums(moments.rows, moments.count, moments.weight, moments.log_weight)
    products = fit.squares[:, None]
    if len(fit.squares) > 1:
        unit = np.ldexp(1.0, moments.exponents)
        centred = moments.centred() * np.outer(unit, unit)
        if not intercept:
            centred = centred + moments.weight * np.outer(moments.means, moments.means)
        residual = np.concatenate([-fit.coefficients[int(intercept) :], np.eye(len(moments.shift) - p)])
        products = residual.T @ centred @ residual
        products[np.diag_indices(len(products))] = fit.squares
    return SquaredSums(np.ldexp(fit.root, -fit.exponents[:, None]), products, fit.total_squares, weights)


def _pending(solution: Solution, strength: float, intercept: bool, penalised: bool) -> PendingInference:
    assert solution.sums is not None
    return PendingInference(solution.sums, solution.aliased, solution.coefficients, squared.name, 1.0, strength, intercept, penalised)


def _warn_of_few_digits(fit: NormalEquations, sums: RowSums) -> None:
    """Where an error that is no part of a coefficient is a part of its standard error too."""
    spare = max(sums.moments.count - len(fit.coefficients), 1.0)
    errors = np.ldexp(np.sqrt(np.outer(np.diag(fit.inverse), fit.squares / spare)), -fit.exponents[:, None])
    few = fit.error > 10.0**-FEW_DIGITS * np.maximum(np.abs(fit.coefficients), errors)
    if few.any() and sums.moments.rows >= len(fit.coefficients):
        warn(
            f"sums of products leave fewer than {FEW_DIGITS:.0f} digits of a coefficient, since columns are nearly dependent: fit(X, y) of"
            " all rows together has every digit"
        )


def _shape_of(sums: RowSums, names: tuple[str, ...], intercept: bool) -> Problem:
    """A problem of such columns, for messages."""
    rows = ArrayRows(np.zeros((1, len(sums.names))), np.zeros((1, len(sums.target_names))), intercept=intercept)
    return Problem(rows, squared, None, names)
