"""Standard errors of a fit with absorbed levels: those of the transformed columns, with the levels counted among the parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.types import Array, IntArray
from gradline.inference.absent import ASK, NoInference
from gradline.inference.asked import is_default, is_none
from gradline.inference.bread import compute_bread
from gradline.inference.covariance.clusters import HeldGroups
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.covariance.kinds import CovarianceKind, as_kind, default_kind
from gradline.inference.inference import Inference, infer
from gradline.inference.kinked import row_loss
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.objective.objective import Problem
from gradline.rows.block import weight_of_rows
from gradline.solvers.protocol import Solution

if TYPE_CHECKING:
    from gradline.fitting.request import FitRequest

KINDS = ("classical", "HC0", "HC1", "cluster")
"""What follows from scores and curvature alone."""


def absorbed_uncertainty(
    request: FitRequest, problem: Problem, solution: Solution, targets: Array, degrees: int, counted: int, groups: IntArray | None
) -> tuple[Inference | NoInference, float]:
    """(what is found of the coefficients' uncertainty, the share explained of what the levels leave).

    problem: in transformed columns. targets (n, 1): as they were. degrees, counted: the degrees of freedom of the levels, and those
    counted for clusters. groups (n, ways). Raises InferenceError for kinds that need each row's leverage, and without a degree of freedom.
    """
    kind = _kind(request, problem, groups)
    coefficients = solution.coefficients
    free = free_coefficients(problem, solution)
    loss = row_loss(problem, coefficients)
    bread = compute_bread(problem, coefficients, free, loss)
    own = fit_statistics(problem, coefficients, free, bread)
    share = _share(own)
    if not own.count - own.parameters - degrees > 0:
        raise ArgumentError(
            f"the absorbed levels leave no degree of freedom: {own.count:,.0f} rows, {degrees:,} levels and {own.parameters:,}"
            " coefficients; absorb fewer levels, or give more rows"
        )
    totals = _counting(own, degrees, problem, targets)
    if is_none(request.covariance):
        return NoInference(f"none were wanted (covariance={request.covariance!r}): {ASK}"), share
    if not solution.certificate.converged and request.covariance is None:
        return NoInference("the fit has not converged, so its coefficients are no minimum whose errors could be told"), share
    used = _counting(own, counted, problem, targets) if kind.name == "cluster" else totals
    found = infer(problem, solution, kind, keep_meat=True, bread=bread, statistics=used)
    return replace(found, statistics=totals, residuals=None), share


def _kind(request: FitRequest, problem: Problem, groups: IntArray | None) -> CovarianceKind:
    if groups is not None:
        return CovarianceKind("cluster", groups=HeldGroups(np.stack([_numbered(way) for way in groups.T], axis=1)))
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


def _counting(own: FitStatistics, levels: int, problem: Problem, targets: Array) -> FitStatistics:
    """With the levels among the parameters, and squares about the mean of the targets as they were."""
    spare = own.count - own.parameters - levels
    weights = weight_of_rows(problem.rows.row_columns.weights, problem.rows.row_columns.frequencies)  # type: ignore[union-attr]
    centred = targets - np.average(targets, axis=0, weights=weights)
    total = np.square(centred).sum(axis=0) if weights is None else weights @ np.square(centred)
    dispersion = None if own.dispersion is None or own.squares is None else own.squares / spare
    return replace(
        own,
        parameters=own.parameters + levels,
        effective_parameters=own.effective_parameters + levels,
        degrees_of_freedom=spare,
        intercept=True,
        total_squares=np.asarray(total),
        dispersion=dispersion,
    )


def _share(own: FitStatistics) -> float:
    found = own.r_squared
    return float("nan") if found is None else float(found[0])
