"""The covariance of the coefficients, for every loss: classical, or a sandwich of bread A^-1 and a meat of the rows' scores.

Sandwich: A^-1 M A^-1 (Huber 1967; White 1980, Econometrica 48). HC0: M = sum f s s'; HC1: times n / (n - p); HC2, HC3: scores scaled up
for leverage (MacKinnon and White 1985), which for other losses than squared is one Newton step of the jackknife. Clusters: scores summed
by cluster, times G / (G - 1) (n - 1) / (n - p) (Liang and Zeger 1986; Stata's factor); two ways: one plus the other less their
intersection (Cameron, Gelbach and Miller 2011, JBES 29). Newey-West: Bartlett weights 1 - l / (L + 1), no factor (1987, Econometrica 55).

Classical: squared loss sigma^2 (X'WX)^-1; likelihoods the inverse information, expected where that differs from the observed, times the
Pearson dispersion where it is free; losses of y - eta the form that holds for errors of one distribution, Huber (1973), Ann. Statist. 1.
With a ridge the estimate is A^-1 applied to data around the penalised optimum: the covariance is that of this estimate, bias not
included, with the total penalty n s taken as fixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.bread import Bread, compute_bread
from gradline.inference.covariance.bayesian import bayesian_factor
from gradline.inference.covariance.classical import classical_factor
from gradline.inference.covariance.clusters import Groups
from gradline.inference.covariance.kinds import CovarianceKind, as_kind, default_kind
from gradline.inference.covariance.meat import ClusterKernel, GramKernel, LagKernel, ScoreKernel, sum_by_code
from gradline.inference.kinked import RowLoss, row_loss
from gradline.inference.perfect import PERFECT, BoolArray, perfect_targets, require_spread
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.solvers.protocol import Solution

WHITENED = 2_000_000
"""n P up to which scores are whitened row by row; beyond, a Gram matrix a third of the price is whitened once."""


LITTLE = 2**18
"""Numbers of which copies cost nothing to speak of."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """The covariance of the coefficients.

    kind: such as "classical" or "HC1". description: what it is and every factor in it, for a summary. factor (k P, r) and signs (r,):
    covariance of vec(B) = factor diag(signs) factor'; signs is None for ones, as everywhere but in two-way clusters. shape: (P, k).
    estimated (k P,): which coefficients were estimated; the others (aliased, or held fixed) have NaN. degrees_of_freedom: of Student's t
    for statistics and intervals; None: the normal. clusters: how many, for each way.
    """

    kind: str
    description: str
    factor: Array
    shape: tuple[int, int]
    estimated: np.ndarray[Any, np.dtype[np.bool_]]
    degrees_of_freedom: float | None
    clusters: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    signs: Array | None = None
    estimates: Array | None = None
    """(P, k): what the errors are about, where that is not the coefficients."""

    @property
    def matrix(self) -> Array:
        """(k P, k P), rows in the order of the columns of B stacked; NaN for coefficients that were not estimated."""
        signed = self.factor if self.signs is None else self.factor * self.signs
        matrix: Array = signed @ self.factor.T
        left_out = ~self.estimated
        if left_out.any():
            matrix[left_out] = np.nan
            matrix[:, left_out] = np.nan
        return matrix

    @property
    def standard_errors(self) -> Array:
        """(P, k); NaN for coefficients that were not estimated."""
        errors = self.root_of_squares(self.factor)
        return np.where(self.estimated, errors, np.nan).reshape(self.shape[::-1]).T

    def root_of_squares(self, images: Array) -> Array:
        """Standard errors of combinations of the coefficients, given as combinations of the factor's rows, (..., r) -> (...)."""
        rows = max(LITTLE // max(images.shape[-1], 1), 1)
        if images.ndim == 2 and len(images) > rows:
            # Some rows at a time: of thousands of coefficients a copy would be as large as the covariance.
            return np.concatenate([self.root_of_squares(images[i : i + rows]) for i in range(0, len(images), rows)])
        # Squares of what is near 1e300 or 1e-300 would leave the range of a double.
        largest = np.abs(images).max(axis=-1, initial=0.0)
        unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        squares = np.square(images / unit[..., None])
        return np.asarray(unit * np.sqrt(squares.sum(axis=-1) if self.signs is None else np.maximum(squares @ self.signs, 0.0)))

    @property
    def dependent(self) -> bool:
        """Whether some coefficients follow from the others: a loss that does not identify its linear predictors leaves fewer free."""
        return bool(self.estimated.sum() > self.factor.shape[1])

    def without_targets(self, perfect: BoolArray) -> Covariance:
        """The same without standard errors of the targets (q,) that are fitted perfectly; q is k."""
        if not perfect.any():
            return self
        which = " and ".join(f"target {j + 1}" for j in np.flatnonzero(perfect))
        note = f"the coefficients of {which} have no standard errors: {PERFECT}"
        return replace(self, estimated=self.estimated & np.repeat(~perfect, self.shape[0]), notes=(*self.notes, note))

    @property
    def factors(self) -> Array:
        """The factor for each linear predictor, (k, P, r)."""
        return self.factor.reshape(self.shape[1], self.shape[0], -1)


def free_coefficients(problem: Problem, solution: Solution) -> CoefficientMap:
    """The coefficients that were estimated: those the problem leaves free, without the aliased columns."""
    return problem.free.without(solution.aliased) if solution.aliased else problem.free


def covariance(
    problem: Problem,
    solution: Solution,
    kind: Any = None,
    *,
    bread: Bread | None = None,
    statistics: FitStatistics | None = None,
    loss: RowLoss | None = None,
    meat: Array | None = None,
) -> Covariance:
    """The covariance of a fit's coefficients. kind: see ``kinds.as_kind``; None: the loss's default (``kinds.default_kind``).

    bread, statistics, loss: the bread, the statistics and the rows' derivatives where the caller has them already; each saves a pass.
    meat: what ``score_products`` found, where HC0 or HC1 is asked for and it is known.

    Raises ValueError for a kind that cannot be had: too few rows for a degree of freedom, leverage of exactly 1 (HC2, HC3), one cluster
    only, a loss that has no classical form, and what ``bread`` and ``row_loss`` raise.
    """
    if solution.without_errors:
        raise InferenceError(f"no standard errors: {solution.without_errors}")
    found = _of_kind(problem, solution, kind, bread, statistics, loss, meat)
    q = problem.rows.n_targets
    if q == 1 or q != problem.shape[1]:
        return found
    if statistics is not None and statistics.squared and statistics.squares is not None:
        return found.without_targets(statistics.squares == 0.0)
    return found.without_targets(perfect_targets(problem, solution.coefficients))


def _of_kind(
    problem: Problem,
    solution: Solution,
    kind: Any,
    bread: Bread | None,
    statistics: FitStatistics | None,
    loss: RowLoss | None,
    meat: Array | None,
) -> Covariance:
    chosen = as_kind(default_kind(problem.loss) if kind is None else kind, problem.rows.n_rows)
    free = free_coefficients(problem, solution)
    coefficients = solution.coefficients
    loss = row_loss(problem, coefficients) if loss is None else loss
    if chosen.name == "constant-density":
        require_spread(problem, coefficients, "standard errors")
        return _constant_density(problem, solution, free, loss, statistics)
    if bread is None:
        bread = compute_bread(problem, coefficients, free, loss)
    if statistics is None:
        statistics = fit_statistics(problem, coefficients, free, bread)
    if statistics.squared and not (statistics.squares is None or statistics.squares.any()) and statistics.degrees_of_freedom > 0:
        raise InferenceError(f"no standard errors: {PERFECT}")
    if chosen.name != "classical" and not statistics.squared:
        # Scores of rounding errors make standard errors of them.
        require_spread(problem, coefficients, "standard errors")
    if chosen.name == "classical":
        factor, description = classical_factor(problem, coefficients, bread, statistics, loss)
        return _covariance(chosen.name, description, factor, bread, _degrees(statistics))
    if chosen.name == "bayesian":
        factor, description = bayesian_factor(problem, coefficients, bread, statistics, loss)
        return _covariance(chosen.name, description, factor, bread, _degrees(statistics))
    if chosen.name == "cluster":
        return _clustered(problem, coefficients, bread, statistics, loss, chosen)
    if chosen.name == "newey-west":
        return _newey_west(problem, coefficients, bread, statistics, loss, chosen)
    degrees = _degrees(statistics)
    if chosen.name in ("HC0", "HC1"):
        if meat is None:
            meat = score_products(problem, coefficients, bread, loss)
        scale, words = 1.0, "A^-1 (sum of s s') A^-1"
        if chosen.name == "HC1":
            scale = statistics.count / _spare(statistics, "HC1")
            words += f", times n / (n - p) = {_whole(statistics.count)} / {_whole(statistics.degrees_of_freedom)}"
    else:
        power = 0.5 if chosen.name == "HC2" else 1.0
        meat = problem.rows.reduce(ScoreKernel(loss, coefficients, bread.roots, power))
        scale = 1.0
        words = "A^-1 (sum of s s') A^-1, scores over " + ("the root of 1 - leverage" if power == 0.5 else "1 - leverage")
        if power == 1.0 and not statistics.squared:
            words = "one-step jackknife, the form of HC3: " + words
    return _covariance(chosen.name, words + _with_density(problem, loss), sandwich_factor(bread, scale * meat), bread, degrees)


def score_products(problem: Problem, coefficients: Array, bread: Bread, loss: RowLoss) -> Array:
    """The meat of HC0 and HC1: sum f u u' of whitened scores, (d, d), by one pass."""
    if problem.rows.n_rows * problem.rows.n_columns <= WHITENED:
        return problem.rows.reduce(ScoreKernel(loss, coefficients, bread.roots))
    gram = problem.rows.reduce(GramKernel(loss, coefficients))
    return np.asarray(bread.root.T @ gram @ bread.root)


def sandwich_factor(bread: Bread, meat: Array) -> Array:
    """F (k P, d) with F F' = root meat root', meat (d, d); negative directions of an indefinite meat count as zero."""
    values, vectors = np.linalg.eigh(0.5 * (meat + meat.T))
    return np.asarray(bread.root @ (vectors * np.sqrt(np.maximum(values, 0.0))))


def _covariance(
    kind: str,
    description: str,
    factor: Array,
    bread: Bread,
    degrees: float | None,
    clusters: tuple[int, ...] = (),
    notes: tuple[str, ...] = (),
) -> Covariance:
    estimated = np.asarray(abs(bread.free.matrix).sum(axis=1)).ravel() > 0
    return Covariance(kind, description, factor, bread.shape, estimated, degrees, clusters, notes)


def _degrees(statistics: FitStatistics) -> float | None:
    return _spare(statistics, "Student's t") if statistics.squared else None


def _spare(statistics: FitStatistics, use: str) -> float:
    spare = statistics.degrees_of_freedom
    if not spare > 0:
        raise InferenceError(
            f"no standard errors: {_whole(statistics.count)} rows leave no degree of freedom after"
            f" {_whole(statistics.count - spare)} coefficients, and {use} needs one; give more rows or leave columns out"
        )
    return spare


def _whole(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.2f}"


def _at_penalised(problem: Problem) -> str:
    return "" if problem.penalty is None else "; at the penalised optimum, the total penalty taken as fixed, bias not included"


def _with_density(problem: Problem, loss: RowLoss) -> str:
    """Whose density makes the bread of a loss with kinks, and what is conditioned on."""
    density = "; A by Powell's kernel at the kink, with Hall and Sheather's bandwidth" if loss.kinks else ""
    return density + _at_penalised(problem)


def _clustered(
    problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, loss: RowLoss, kind: CovarianceKind
) -> Covariance:
    assert kind.groups is not None
    ways = 1 if len(kind.groups.sizes) == 1 else 3
    spare = _spare(statistics, "the factor (n - 1) / (n - p)")
    total = np.zeros((bread.root.shape[1],) * 2)
    counts = list[int]()
    for way in range(ways):
        meat, count = _cluster_meat(problem, coefficients, bread, loss, kind.groups, way)
        if count < 2:
            raise InferenceError("there is one cluster only; standard errors by cluster need at least two, and are good with some thirty")
        counts.append(count)
        total += (-1.0 if way == 2 else 1.0) * count / (count - 1.0) * (statistics.count - 1.0) / spare * meat
    fewest = min(counts)
    words = f"scores summed by cluster ({' x '.join(f'{count:,}' for count in counts[:2])} clusters), times G / (G - 1) (n - 1) / (n - p)"
    notes = list[str]()
    factor, signs = sandwich_factor(bread, total), None
    if ways == 3:
        words += "; one way plus the other less their intersection, each with its own G"
        factor, signs, note = _possibly_indefinite(bread, total)
        notes += [note] if note else []
    if fewest <= bread.free.size:
        notes.append(f"{fewest} clusters and {bread.free.size} coefficients: tests of many coefficients at once have no meaning")
    degrees = float(fewest - 1) if statistics.squared else None
    found = _covariance("cluster", words + _with_density(problem, loss), factor, bread, degrees, tuple(counts[:2]), tuple(notes))
    return found if signs is None else replace(found, signs=signs)


def _possibly_indefinite(bread: Bread, meat: Array) -> tuple[Array, Array | None, str]:
    """(factor, signs, note): a difference of matrices need not be a covariance. It is kept as it is while every variance is positive, as
    others do; otherwise negative eigenvalues are set to zero (Cameron, Gelbach and Miller 2011, section 2.3)."""
    values, vectors = np.linalg.eigh(0.5 * (meat + meat.T))
    if values[0] >= -1e-9 * values[-1]:
        return sandwich_factor(bread, meat), None, ""
    factor = np.asarray(bread.root @ (vectors * np.sqrt(np.abs(values))))
    estimated = np.square(bread.root).sum(axis=1) > 0
    if (np.square(factor[estimated]) @ np.sign(values) > 0).all():
        return (
            factor,
            np.sign(values),
            "the two-way covariance is not positive semidefinite: some tests of several coefficients do not exist",
        )
    note = "the two-way covariance gave a variance below zero, so its negative eigenvalues were set to zero"
    return sandwich_factor(bread, meat), None, note


def _cluster_meat(problem: Problem, coefficients: Array, bread: Bread, loss: RowLoss, groups: Groups, way: int) -> tuple[Array, int]:
    """(sum over clusters of their scores' products, number of clusters)."""
    rows = groups.rows(problem.rows)
    codes, sums = sum_by_code(*rows.reduce(ClusterKernel(loss, coefficients, bread.roots, groups.in_blocks, way)).joined())
    return sums.T @ sums, len(codes)


def _newey_west(
    problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, loss: RowLoss, kind: CovarianceKind
) -> Covariance:
    block = problem.rows.take(np.arange(1))
    if block.frequencies is not None:
        raise InferenceError("newey-west needs rows in the order of time, and rows with frequencies have none: repeat the rows instead")
    # The rule of thumb of Newey and West (1994), Review of Economic Studies 61.
    lags = math.floor(4.0 * (statistics.count / 100.0) ** (2.0 / 9.0)) if kind.lags is None else kind.lags
    lags = min(lags, statistics.rows - 1)
    sums = problem.rows.reduce(LagKernel(loss, coefficients, bread.roots, lags)).sums
    meat = sums[0].copy()
    for lag in range(1, lags + 1):
        meat += (1.0 - lag / (lags + 1.0)) * (sums[lag] + sums[lag].T)
    words = f"Newey-West with {lags} lags, Bartlett weights, no small-sample factor" + _with_density(problem, loss)
    return _covariance("newey-west", words, sandwich_factor(bread, meat), bread, _degrees(statistics))


def _constant_density(
    problem: Problem, solution: Solution, free: CoefficientMap, loss: RowLoss, statistics: FitStatistics | None
) -> Covariance:
    """The sandwich whose bread has one density for all rows: statsmodels' vcov="robust" for quantile regression (Greene 2008)."""
    from gradline.inference.covariance.classical import score_moments

    if not loss.kinks:
        raise InferenceError(f"constant-density is for losses with kinks, such as quantile; {problem.loss.name!r} has none")
    moments = score_moments(problem, solution.coefficients, loss)
    constant = replace(loss, constant=moments.curvature / moments.copies)
    bread = compute_bread(problem, solution.coefficients, free, constant)
    meat = problem.rows.reduce(ScoreKernel(loss, solution.coefficients, bread.roots))
    words = (
        "A^-1 (sum of s s') A^-1, the residuals' density at the kink taken as the same for all rows (kernel, Hall and Sheather's bandwidth)"
    )
    return _covariance("constant-density", words + _at_penalised(problem), sandwich_factor(bread, meat), bread, None)
