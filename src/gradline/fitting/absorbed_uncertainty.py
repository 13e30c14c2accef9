"""Standard errors of a fit with absorbed levels: those of the transformed columns, with the levels counted among the parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError, SolverError
from gradline.base.types import Array, IntArray
from gradline.inference.absent import ASK, NoInference
from gradline.inference.asked import is_none, names_a_kind
from gradline.inference.bread import Bread, compute_bread, row_terms
from gradline.inference.covariance.clusters import Groups, HeldGroups, ReadGroups
from gradline.inference.covariance.estimate import covariance, free_coefficients
from gradline.inference.covariance.kinds import CovarianceKind, as_kind, default_kind
from gradline.inference.covariance.meat import adjust
from gradline.inference.inference import Inference, all_sums, in_one_pass, infer
from gradline.inference.kinked import RowLoss, row_loss
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.level_equations import LevelEquations
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.levelled import RowNumbers
from gradline.rows.within_rows import WithinRows
from gradline.solvers.protocol import Solution
from gradline.tables.beside import written

if TYPE_CHECKING:
    from gradline.fitting.request import FitRequest

KINDS = ("classical", "HC0", "HC1", "HC2", "HC3", "cluster")

POWERS = {"HC2": 0.5, "HC3": 1.0}
"""Of 1 - leverage, by which scores are divided."""

READ_ROWS = 2**16
"""Rows whose leverages are worked out at a time."""


@dataclass(frozen=True, eq=False)
class _LeveragedScores(Kernel[Array]):
    """``ScoreKernel`` with the levels' part of each row's leverage, which comes as the last target. scale: of the curvature in the levels'
    own equations."""

    writes_columns: ClassVar[bool] = True

    loss: RowLoss
    coefficients: Array
    roots: Array
    power: float
    scale: float

    def map(self, block: Block) -> Array:
        own = replace(block, targets=block.targets[:, :1])
        terms = row_terms(self.loss, self.coefficients, own)
        image = own.design.predict(self.roots[0])
        forms = np.einsum("ij,ij->i", image, image) + block.targets[:, 1] / self.scale
        # Of a row that counts for nothing there is nothing to take.
        forms[terms.frequencies == 0] = 0.0
        rows = adjust(terms, forms[:, None, None], self.power, own) * image
        rows *= np.sqrt(terms.frequencies)[:, None]
        return np.asarray(np.dot(rows.T, rows))

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


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


class AbsorbedUncertainty(NamedTuple):
    """inference: of the coefficients. share: explained of what the levels leave. kind: of the covariance. counted: the sums behind it."""

    inference: Inference | NoInference
    share: float
    kind: CovarianceKind
    counted: FitStatistics


def absorbed_uncertainty(request: FitRequest, given: AbsorbedProblem, solution: Solution, equations: LevelEquations) -> AbsorbedUncertainty:
    """What is found of the coefficients' uncertainty.

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
    totals = own.with_levels(degrees, given.total_squares)
    none = ""
    if is_none(request.covariance):
        none = f"none were wanted (covariance={request.covariance!r}): {ASK}"
    elif not solution.certificate.converged and request.covariance is None:
        none = "the fit has not converged, so its coefficients are no minimum whose errors could be told"
    if none:
        return AbsorbedUncertainty(NoInference(none), share, kind, totals)
    used = own.with_levels(given.counted, given.total_squares) if kind.name == "cluster" else totals
    power = POWERS.get(kind.name)
    asked = kind if power is None else CovarianceKind("HC0")
    found = infer(problem, solution, asked, keep_meat=True, bread=bread, statistics=used, meat=meat)
    if power is not None:
        meat = _leveraged(given, solution, bread, loss, equations, power)
        own_kind = covariance(problem, solution, asked, bread=bread, statistics=used, loss=loss, meat=meat)
        words = f"A^-1 (sum of s s') A^-1, scores over {'the root of ' if power < 1.0 else ''}1 - leverage, that of the levels among it"
        found = replace(found, covariance=replace(own_kind, kind=kind.name, description=words))
    return AbsorbedUncertainty(replace(found, statistics=totals, residuals=None), share, kind, used)


def _leveraged(given: AbsorbedProblem, solution: Solution, bread: Bread, loss: RowLoss, equations: LevelEquations, power: float) -> Array:
    """The meat of HC2 and HC3: leverage is that of the transformed columns and that of the levels (Frisch, Waugh and Lovell)."""
    levelled = given.within.levelled
    starts = range(0, levelled.n_rows, READ_ROWS)
    try:
        parts = (equations.leverages(levelled.levels(start, min(start + READ_ROWS, levelled.n_rows))) for start in starts)
        beside = (written(parts, np.float64),)
    except SolverError as error:
        name = "HC2" if power < 1.0 else "HC3"
        raise InferenceError(f'covariance {name!r} needs the leverage of each row, and {error}: ask for "HC1" or "cluster"') from error
    squared = given.problem.loss.squared_scale()
    scale = 1.0 if squared is None else 2.0 * squared
    kernel = _LeveragedScores(loss, solution.coefficients, bread.roots, power, scale)
    return replace(given.within, beside=beside).reduce(kernel)


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
    if not names_a_kind(asked):
        return CovarianceKind(default_kind(loss) if informed else "HC1")
    kind = as_kind(asked, problem.rows.n_rows)
    if kind.name not in KINDS:
        raise InferenceError(
            f'covariance {kind.name!r} is not worked out beside absorbed levels: ask for "HC1" or "cluster", or write C(...) for them'
        )
    if kind.name == "classical" and not informed:
        raise InferenceError(
            f'covariance "classical" of the loss {loss.name!r} is not worked out beside absorbed levels: ask for "HC1" or "cluster"'
        )
    return kind


def _numbered(codes: IntArray) -> IntArray:
    """Clusters that the rows have, numbered from 0."""
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)


def _share(own: FitStatistics) -> float:
    found = own.r_squared
    return float("nan") if found is None else float(found[0])
