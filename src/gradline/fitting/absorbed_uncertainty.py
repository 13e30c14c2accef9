"""Standard errors of a fit with absorbed levels: those of the transformed columns, with the levels counted among the parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.types import Array, IntArray
from gradline.inference.absent import ASK, NoInference
from gradline.inference.asked import is_default, is_none
from gradline.inference.bread import Bread, compute_bread
from gradline.inference.covariance.clusters import Groups, HeldGroups, ReadGroups
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.covariance.kinds import CovarianceKind, as_kind, default_kind
from gradline.inference.inference import Inference, all_sums, in_one_pass, infer
from gradline.inference.kinked import RowLoss, row_loss
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.level_equations import LevelEquations
from gradline.objective.objective import Problem
from gradline.rows.levelled import RowNumbers
from gradline.rows.within_rows import WithinRows
from gradline.solvers.protocol import Solution

if TYPE_CHECKING:
    from gradline.fitting.request import FitRequest

KINDS = ("classical", "HC0", "HC1", "cluster")
"""What follows from scores and curvature alone."""


@dataclass(frozen=True, eq=False)
class AbsorbedProblem:
    """problem: in transformed columns. within: its rows, read as often as needed. degrees, counted: the degrees of freedom of the levels,
    and those counted for clusters. groups, sizes: the clusters' codes by way, and how many there are. total_squares: of the target, less
    its offset, about its mean; NaN where the loss is not squared."""

    problem: Problem
    within: WithinRows
    degrees: int
    counted: int
    groups: tuple[RowNumbers, ...]
    sizes: tuple[int, ...]
    total_squares: float

    def clusters(self) -> Groups:
        """The clusters of the rows."""
        if self.problem.rows.resident:
            n = self.problem.rows.n_rows
            return HeldGroups(np.stack([_numbered(np.asarray(own.part(0, n), dtype=np.int64)) for own in self.groups], axis=1))
        return ReadGroups(replace(self.within, beside=self.groups), 1, self.sizes)


def absorbed_uncertainty(
    request: FitRequest, given: AbsorbedProblem, solution: Solution, equations: LevelEquations
) -> tuple[Inference | NoInference, float]:
    """(what is found of the coefficients' uncertainty, the share explained of what the levels leave).

    Raises InferenceError for kinds that are not worked out, and ArgumentError without a degree of freedom.
    """
    problem, degrees = given.problem, given.degrees
    kind = _kind(request, given)
    coefficients = solution.coefficients
    free = free_coefficients(problem, solution)
    loss = row_loss(problem, coefficients)
    bread, own, meat = _sums(problem, solution, free, loss)
    share = _share(own)
    if not own.count - own.parameters - degrees > 0:
        raise ArgumentError(
            f"the absorbed levels leave no degree of freedom: {own.count:,.0f} rows, {degrees:,} levels and {own.parameters:,}"
            " coefficients; absorb fewer levels, or give more rows"
        )
    totals = _counting(own, degrees, given.total_squares)
    if is_none(request.covariance):
        return NoInference(f"none were wanted (covariance={request.covariance!r}): {ASK}"), share
    if not solution.certificate.converged and request.covariance is None:
        return NoInference("the fit has not converged, so its coefficients are no minimum whose errors could be told"), share
    used = _counting(own, given.counted, given.total_squares) if kind.name == "cluster" else totals
    found = infer(problem, solution, kind, keep_meat=True, bread=bread, statistics=used, meat=meat)
    return replace(found, statistics=totals, residuals=None), share


def _sums(problem: Problem, solution: Solution, free: CoefficientMap, loss: RowLoss) -> tuple[Bread, FitStatistics, Array | None]:
    """(bread, statistics, meat of HC0 and HC1 or None): one pass for all three where rows are many."""
    if in_one_pass(problem, None, keep_meat=True):
        return all_sums(problem, solution, free, loss, None)
    bread = compute_bread(problem, solution.coefficients, free, loss)
    return bread, fit_statistics(problem, solution.coefficients, free, bread), None


def _kind(request: FitRequest, given: AbsorbedProblem) -> CovarianceKind:
    problem = given.problem
    if given.groups:
        return CovarianceKind("cluster", groups=given.clusters())
    asked = request.covariance
    loss = problem.loss
    informed = loss.squared_scale() is not None or (
        (loss.is_likelihood or loss.has_free_dispersion) and not loss.uses_expected_information and not loss.has_tuning_scale
    )
    if asked is None or is_default(asked) or is_none(asked):
        return CovarianceKind(default_kind(loss) if informed else "HC1")
    kind = as_kind(asked, problem.rows.n_rows)
    if kind.name not in KINDS:
        why = "needs the leverage of each row, of which absorbed levels are a part" if kind.name in ("HC2", "HC3") else "is not worked out"
        raise InferenceError(f'covariance {kind.name!r} {why} beside absorbed levels: ask for "HC1" or "cluster", or write C(...) for them')
    if kind.name == "classical" and not informed:
        raise InferenceError(
            f'covariance "classical" of the loss {loss.name!r} is not worked out beside absorbed levels: ask for "HC1" or "cluster"'
        )
    return kind


def _numbered(codes: IntArray) -> IntArray:
    """Clusters that the rows have, numbered from 0."""
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)


def _counting(own: FitStatistics, levels: int, total_squares: float) -> FitStatistics:
    """With the levels among the parameters, and squares about the mean of the targets as they were."""
    spare = own.count - own.parameters - levels
    dispersion = None if own.dispersion is None or own.squares is None else own.squares / spare
    return replace(
        own,
        parameters=own.parameters + levels,
        effective_parameters=own.effective_parameters + levels,
        degrees_of_freedom=spare,
        intercept=True,
        total_squares=own.total_squares if np.isnan(total_squares) else np.array([total_squares]),
        dispersion=dispersion,
    )


def _share(own: FitStatistics) -> float:
    found = own.r_squared
    return float("nan") if found is None else float(found[0])
