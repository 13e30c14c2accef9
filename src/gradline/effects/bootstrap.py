"""The bootstrap of a fit: its coefficients over and over, of rows or clusters drawn anew, or of scores with random signs.

Cases: rows drawn with replacement (Efron 1979, Annals of Statistics 7). Clusters: whole clusters drawn so. Wild: the rows stay, and each
row's score, or each cluster's, gets a random sign; a step of Newton's method from the fit then gives the coefficients (the score
bootstrap of Kline and Santos 2012, J. Econometric Methods 1, which for squared loss is Wu's wild bootstrap, 1986, Annals of Statistics
14). Of smooth losses all replications take their steps together: one pass over the rows a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.effects.estimates import percentiles, share_beyond
from gradline.effects.intervals import TestedInterval
from gradline.effects.many_newton import minima
from gradline.effects.many_points import stacked, unstacked
from gradline.effects.refits import minimum, statistics_of
from gradline.effects.resampling import DrawnCounts, WildSigns
from gradline.inference.bread import compute_bread, forms_of_images, row_terms
from gradline.inference.covariance.clusters import Groups
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.covariance.kinds import as_kind
from gradline.inference.covariance.meat import adjust
from gradline.inference.kinked import RowLoss, row_loss
from gradline.model.attach_data import AttachedData, attach_data
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.summary.content import shown_coefficients
from gradline.summary.result_table import ResultTable

if TYPE_CHECKING:
    from gradline.model.record import Model

BootstrapKind = Literal["cases", "clusters", "wild"]

TOGETHER = 64
"""Replications that one pass works out."""

MOST_DRAWN = 2**26
"""Counts of rows that are held at once, 256 MiB."""

MOST_REPLICATIONS = 100_000


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What ``Fit.bootstrap`` returns: coefficients (R, P, k) of the replications that have some; estimate (P, k): of the fit. failed: how
    many have none. kind, seed: how they were drawn. names, predictors: of the coefficients. clusters: how many, or None."""

    coefficients: Array
    estimate: Array
    kind: BootstrapKind
    seed: int
    failed: int
    names: tuple[str, ...]
    predictors: tuple[str, ...]
    clusters: int | None = None
    shown: tuple[tuple[int, int], ...] | None = None
    """The coefficients that the model has, (column, linear predictor); None for all."""

    @property
    def replications(self) -> int:
        """R, those that failed left out."""
        return len(self.coefficients)

    @property
    def standard_errors(self) -> Array:
        """The standard deviations over the replications, (P,) or (P, k)."""
        return _squeezed(self.coefficients.std(axis=0, ddof=1))

    @property
    def covariance(self) -> Array:
        """Of the coefficients over the replications, (k P, k P), rows in the order of the columns of B stacked."""
        return np.asarray(np.atleast_2d(np.cov(stacked(self.coefficients).T)))

    def interval(self, level: float = 0.95, ends: Literal["percentile", "basic"] = "percentile") -> TestedInterval:
        """Confidence intervals of the coefficients, with p-values.

        ends: the percentiles of the replications themselves; or "basic", the estimate less how far they lie above it (Davison and
        Hinkley 1997, section 5.2). Raises ValueError for a level that is none, and other ends.
        """
        if ends not in ("percentile", "basic"):
            raise InferenceError(f'ends must be "percentile" or "basic", not {ends!r}')
        lower, upper = percentiles(self.coefficients, level)
        p_values = share_beyond(self.coefficients)
        if ends == "basic":
            lower, upper = 2.0 * self.estimate - upper, 2.0 * self.estimate - lower
            p_values = share_beyond(2.0 * self.estimate - self.coefficients)
        how = f"bootstrap of {self.kind}, {self.replications:,} replications, {ends} ends, seed {self.seed}"
        return TestedInterval(_squeezed(lower), _squeezed(upper), _squeezed(p_values), how)

    def table(self, level: float = 0.95, ends: Literal["percentile", "basic"] = "percentile") -> ResultTable:
        """The coefficients with their errors, intervals and p-values by the bootstrap."""
        found, (size, k) = self.interval(level, ends), self.estimate.shape
        places = [(i, j) for j in range(k) for i in range(size)] if self.shown is None else self.shown
        labels: dict[str, list[Any]] = {}
        if k > 1:
            labels["predictor"] = [self.predictors[j] for _, j in places]
        labels["name"] = [self.names[i] for i, _ in places]
        numbers = {
            "estimate": self.estimate,
            "standard_error": self.standard_errors,
            "p_value": found.p_values,
            "lower": found.lower,
            "upper": found.upper,
        }
        columns = {name: [float(np.reshape(values, (size, k))[place]) for place in places] for name, values in numbers.items()}
        failed = () if not self.failed else (f"{self.failed:,} replications had no optimum and are left out",)
        return ResultTable({**labels, **columns}, "Coefficients", (found.method, *failed), level, len(labels))

    def __repr__(self) -> str:
        of = "" if self.clusters is None else f" of {self.clusters:,} clusters"
        return f"Bootstrap({self.replications:,} replications, {self.kind}{of}, seed {self.seed})"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def bootstrap(
    model: Model,
    data: Any,
    target: Any,
    *,
    replications: int,
    kind: BootstrapKind | None,
    groups: Any,
    seed: int,
    webb: bool,
    rows: dict[str, Any],
) -> Bootstrap:
    """See :meth:`gradline.Fit.bootstrap`."""
    if data is None:
        raise InferenceError("a bootstrap draws the rows anew, and a Fit holds none: give them, data=...")
    if model.constraints is not None:
        raise InferenceError(
            "a fit within constraints is not drawn anew: the bootstrap fails where they bind; fit.interval() draws by what binds"
        )
    kind = ("cases" if groups is None else "clusters") if kind is None else kind
    _check(kind, replications, groups, seed)
    found, clusters = _attached(model, data, target, groups, rows)
    problem = found.problem
    if problem.joint:
        raise InferenceError(f"the loss {model.loss_name!r} is one number of all rows together, which cannot be drawn one by one")
    if clusters is not None and len(clusters.sizes) != 1:
        raise InferenceError("a bootstrap draws clusters of one kind: name one column in groups=")
    count = None if clusters is None else clusters.sizes[0]
    if count is not None and count < 2:
        raise InferenceError("there is one cluster only, and drawing it again gives the fit itself")
    if kind == "wild":
        drawn = _wild(model, problem, clusters, replications, seed, webb)
    elif _is_smooth(problem):
        drawn = _drawn(model, problem, clusters, replications, seed)
    else:
        drawn = _one_by_one(model, problem, clusters, replications, seed)
    kept = np.isfinite(drawn).all(axis=(1, 2))
    failed = int((~kept).sum())
    if failed > replications // 2:
        raise InferenceError(
            f"{failed:,} of {replications:,} replications have no optimum, as where rows drawn lack a level or are told apart by a column:"
            ' take kind="wild", which leaves the rows as they are'
        )
    if failed:
        warn(f"{failed:,} of {replications:,} replications have no optimum, and are left out of intervals and errors")
    names, predictors = model.names, model.predictor_names
    shown = tuple((i, j) for j in range(len(predictors)) for i in shown_coefficients(model, j) if i not in model.solution.aliased)
    return Bootstrap(drawn[kept], model.solution.coefficients.copy(), kind, seed, failed, names, predictors, count, shown)


def _check(kind: str, replications: Any, groups: Any, seed: Any) -> None:
    if kind not in ("cases", "clusters", "wild"):
        raise InferenceError(f'kind must be "cases", "clusters" or "wild", not {kind!r}')
    if kind == "clusters" and groups is None:
        raise InferenceError('kind="clusters" draws whole clusters: say which, groups="firm", or labels beside arrays')
    if kind == "cases" and groups is not None:
        raise InferenceError('kind="cases" draws rows by themselves; with groups= take kind="clusters" or "wild"')
    for word, value, least, most in (("replications", replications, 2, MOST_REPLICATIONS), ("seed", seed, 0, 2**63 - 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
            raise ArgumentError(f"{word} must be a whole number from {least} to {most:,}, not {value!r}")


def _attached(model: Model, data: Any, target: Any, groups: Any, rows: dict[str, Any]) -> tuple[AttachedData, Groups | None]:
    if groups is None:
        return attach_data(model, data, target, **rows), None
    if target is not None:
        found = attach_data(model, data, target, **rows)
        kind = as_kind(("cluster", groups), found.problem.rows.n_rows)
        return found, kind.groups
    from gradline.preparing.table_clusters import ClusterColumns, group_columns

    labels = group_columns(groups)
    found = attach_data(model, data, target, labels=labels, **rows)
    assert found.source is not None
    return found, ClusterColumns(found.source, labels).groups(found.problem.rows, found.problem.n_predictors)


def _is_smooth(problem: Problem) -> bool:
    return problem.loss.kinks() is None and problem.penalty_kind != "proximal"


def _counts(problem: Problem, clusters: Groups | None, replications: Sequence[int], seed: int) -> DrawnCounts:
    rows = problem.rows
    held = rows.row_columns
    own = None if held is None else held.frequencies
    if clusters is None and not rows.resident and rows.take(np.arange(1)).frequencies is not None:
        raise InferenceError(
            "rows with frequencies that are read anew at each pass cannot be drawn row by row: repeat them, or draw clusters"
        )
    return DrawnCounts(seed, tuple(replications), rows.n_rows if rows.resident else 0, clusters, own)


def _drawn(model: Model, problem: Problem, clusters: Groups | None, replications: int, seed: int) -> Array:
    """Refits of a smooth loss, many at a time."""
    start = stacked(model.solution.coefficients[None])[0]
    flags = np.asarray(abs(free_coefficients(problem, model.solution).matrix).sum(axis=1)).ravel() > 0
    parts = []
    together = max(1, min(TOGETHER, MOST_DRAWN // problem.rows.n_rows))
    for first in range(0, replications, together):
        numbers = range(first, min(replications, first + together))
        count = len(numbers)
        counts = _counts(problem, clusters, numbers, seed)
        found = minima(problem, np.repeat(start[None], count, axis=0), np.repeat(flags[None], count, axis=0), counts)
        parts.append(unstacked(found.theta, problem.shape))
    return np.concatenate(parts)


def _one_by_one(model: Model, problem: Problem, clusters: Groups | None, replications: int, seed: int) -> Array:
    """Refits of a loss or a penalty with kinks, by the solver of each, of rows in memory."""
    block = problem.rows.in_memory()
    if block is None or problem.rows.coded_levels:
        raise InferenceError(
            f"the loss {model.loss_name!r} is fitted anew in memory for each replication, and these rows are not held there:"
            ' take kind="wild", which makes one pass'
        )
    found = np.full((replications, *problem.shape), np.nan)
    for number in range(replications):
        counts = _counts(problem, clusters, (number,), seed)
        _, times = counts.split(block)
        own = times[:, 0] if clusters is None or block.frequencies is None else times[:, 0] * block.frequencies
        drawn = np.flatnonzero(own)
        try:
            found[number], aliased = minimum(replace(problem, rows=_part(block, drawn, own[drawn])), model.solution.coefficients)
        except ValueError:
            continue
        if set(aliased) - set(model.solution.aliased):
            found[number] = np.nan
    return found


def _part(block: Block, rows: np.ndarray[Any, Any], counts: Array) -> Rows:
    def own(column: Array | None) -> Array | None:
        return None if column is None else column[rows]

    part = block.design.take(rows)
    return ArrayRows(
        part.slopes(),
        block.targets[rows],
        weights=own(block.weights),
        frequencies=counts,
        offset=own(block.offset),
        intercept=block.design.intercept,
    )


def _wild(model: Model, problem: Problem, clusters: Groups | None, replications: int, seed: int, webb: bool) -> Array:
    """B - A^-1 sum v s, s the scores, each over 1 - leverage, so that the variance over replications is HC3's; of clusters with their usual
    factor."""
    coefficients = model.solution.coefficients
    held, loss = model.inference, row_loss(problem, coefficients)
    bread = held.bread if held is not None and held.bread is not None else None
    if bread is None:
        bread = compute_bread(problem, coefficients, free_coefficients(problem, model.solution), loss)
    statistics = statistics_of(model, problem)
    spare = statistics.degrees_of_freedom
    if not spare > 0:
        raise InferenceError("the rows leave no degree of freedom, so their residuals tell nothing of errors")
    factor = 1.0
    if clusters is not None:
        size = clusters.sizes[0]
        factor = size / (size - 1.0) * (statistics.count - 1.0) / spare
    signs = WildSigns(seed, clusters, webb)
    rows, parts = signs.rows(problem.rows), []
    most = 4 * TOGETHER
    for first in range(0, replications, most):
        numbers = tuple(range(first, min(replications, first + most)))
        sums = rows.reduce(_SignedScores(loss, coefficients, signs, numbers, bread.roots))
        moved = stacked(sums) @ bread.inverse
        parts.append(coefficients - np.sqrt(factor) * unstacked(moved, problem.shape))
    return np.concatenate(parts)


@dataclass(frozen=True)
class _SignedScores(Kernel[Array]):
    """sum v s (x) x for each replication's v: (S, P, k). roots: of the bread, by which leverage is told."""

    loss: RowLoss
    coefficients: Array
    signs: WildSigns
    replications: tuple[int, ...]
    roots: Array

    def map(self, block: Block) -> Array:
        block, units = self.signs.split(block)
        terms = row_terms(self.loss, self.coefficients, block)
        if self.signs.groups is None:
            forms = forms_of_images([block.design.predict(root) for root in self.roots])
            # Copies of a row have a sign each, whose sum has the variance of the root of their number times one.
            score = np.sqrt(terms.frequencies)[:, None] * adjust(terms, forms, 1.0, block)
        else:
            score = terms.frequencies[:, None] * terms.score
        drawn = self.signs.weights(units, self.replications)
        m, k = score.shape
        count = len(self.replications)
        signed = (drawn[:, :, None] * score[:, None, :]).reshape(m, count * k)
        return np.ascontiguousarray(block.design.adjoint(signed).reshape(-1, count, k).transpose(1, 0, 2))

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


def _squeezed(array: Array) -> Array:
    return array[:, 0] if array.shape[1] == 1 else array
