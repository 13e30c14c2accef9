"""The same rows fitted again with some coefficients left out: what likelihood ratios compare."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.warnings import GradlineWarning
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.objective.objective import Problem
from gradline.solvers.centring import centred
from gradline.solvers.protocol import Solution
from gradline.solvers.registry import automatic, solve, takes_any_columns

if TYPE_CHECKING:
    from gradline.model.record import Model


@dataclass
class Refits:
    """Fits of a model without some coefficients, each found once. problem: over the rows of the model, given again."""

    model: Model
    problem: Problem
    found: dict[frozenset[int], FitStatistics] = field(default_factory=dict)

    def without(self, places: Iterable[int]) -> FitStatistics:
        """The sums of the fit without the coefficients at these places of B stacked. Raises InferenceError where it has not converged."""
        key = frozenset(places)
        if key not in self.found:
            self.found[key] = self._fit(key)
        return self.found[key]

    def _fit(self, places: frozenset[int]) -> FitStatistics:
        problem = restricted(self.model, self.problem, places)
        if not problem.movable.any():
            nothing = np.zeros(problem.shape)
            return fit_statistics(problem, nothing, problem.free)
        coefficients, aliased = minimum(problem, self.model.solution.coefficients)
        free = problem.free.without(aliased) if aliased else problem.free
        return fit_statistics(problem, coefficients, free)


def refuse_constraints(model: Model, what: str) -> None:
    """Raises InferenceError for a fit within constraints, whose likelihood need not be at its maximum."""
    if model.constraints is not None:
        raise InferenceError(
            f"{what} is not defined for a fit within constraints, whose likelihood need not be at its maximum: ask the fit without them"
        )


def restricted(model: Model, problem: Problem, places: Iterable[int]) -> Problem:
    """The problem without the coefficients at these places, nor those that the model left out as aliased."""
    size, k = problem.shape
    gone = np.zeros(size * k, dtype=np.bool_)
    gone[list(places)] = True
    mask = problem.movable & ~gone.reshape(k, size).T
    mask[list(model.solution.aliased)] = False
    return replace(problem, mask=mask)


def minimum(problem: Problem, start: Array) -> tuple[Array, tuple[int, ...]]:
    """(coefficients (P, k), aliased columns) of the least objective. Raises InferenceError where no solver gets there."""
    solver = automatic(problem)
    moved = centred(problem) if takes_any_columns(solver) else None
    place = np.where(np.isfinite(start), start, 0.0)
    # Of centred columns a slope that is left out takes nothing with it; as they are, a year's would leave an intercept far from any row.
    begin = np.where(problem.movable, place if moved is None else moved.change.to_changed(place), 0.0)

    def from_start(given: Array | None) -> Solution:
        return solve(solver, problem, given) if moved is None else moved.solution(solve(solver, moved.problem, given))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradlineWarning)  # what does not converge is an error below
        solution = from_start(begin)
        if not solution.certificate.converged:
            solution = from_start(None)
    if not solution.certificate.converged:
        raise InferenceError(f"a fit without some of the terms has not converged: {solution.certificate.reason}")
    return solution.coefficients, solution.aliased


def statistics_of(model: Model, problem: Problem) -> FitStatistics:
    """The sums of the model itself."""
    held = model.inference
    if held is not None:
        return held.statistics
    return fit_statistics(problem, model.solution.coefficients, free_coefficients(problem, model.solution))
