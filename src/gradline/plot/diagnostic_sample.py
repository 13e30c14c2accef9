"""The rows that pictures of diagnostics are drawn from: all of a small table, a fixed sample of a large one, and its extreme rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.inference.diagnostics import RowDiagnosticsKernel, split_rows
from gradline.losses.protocol import Loss
from gradline.model.attach_data import AttachedData
from gradline.plot.style import MAX_POINTS
from gradline.rows.block import Block
from gradline.rows.kernel import RowKernel

EXTREMES = 10
"""Rows kept of each kind of extreme: most influential, and farthest above and below in each target."""

ResidualKind = Literal["standardised", "quantile", "Pearson", "raw"]


@dataclass(frozen=True)
class DiagnosticSample:
    """m rows of n, in row order.

    numbers (m,): from 0, in the whole data. predictors (m, k), targets, predictions (m, q), weights, frequencies (m,). leverage (m, k) and
    cooks_distance (m,): NaN where the rows are not the fit's. residuals (m, q): observed less predicted, times the root of the weight.
    pearson (m, q): over their standard errors, NaN where the loss
    implies none. deviates (m, q): what ``kind`` says, with a variance of one (other than "raw") where the model is right. sampled (m,): the
    uniform sample; the others are extremes. top, bottom (up to EXTREMES, q): places among the m of the largest and smallest deviates, the
    most extreme first. influential: places of the largest Cook's distances. left_out: rows that are incomplete or of weight zero.
    """

    numbers: IntArray
    predictors: Array
    targets: Array
    predictions: Array
    weights: Array
    frequencies: Array
    leverage: Array
    cooks_distance: Array
    residuals: Array
    pearson: Array
    deviates: Array
    kind: ResidualKind
    n: int
    left_out: int
    sampled: np.ndarray[tuple[int], np.dtype[np.bool_]]
    top: IntArray
    bottom: IntArray
    influential: IntArray

    @property
    def weighted(self) -> bool:
        """Whether rows have precision weights other than one."""
        return bool((self.weights != 1).any())

    @property
    def drawn(self) -> int:
        """Rows of the uniform sample."""
        return int(self.sampled.sum())


class _Layout(NamedTuple):
    """How many numbers of each kind a row has side by side."""

    k: int
    q: int
    residuals: int
    """Residuals of a row: one for each target, one where two targets are one observation."""

    def split(self, found: Array) -> list[Array]:
        """predictors, targets, weights, frequencies, and the rest."""
        return np.split(found, np.cumsum([self.k, self.q, 1, 1]), axis=1)


@dataclass(frozen=True)
class _SeenKernel:
    coefficients: Array
    diagnostics: RowDiagnosticsKernel | None

    def map(self, block: Block) -> Array:
        counts = block.row_counts
        weights = block.precision
        parts = [block.linear_predictors(self.coefficients), block.targets, weights[:, None], counts[:, None]]
        if self.diagnostics is not None:
            parts.append(self.diagnostics.map(block))
        found = np.concatenate(parts, axis=1)
        found[counts == 0] = np.nan
        return found


def see_rows(
    rows: AttachedData, loss: Loss, coefficients: Array, kernel: RowDiagnosticsKernel | None, dispersion: Array | None
) -> DiagnosticSample:
    """One pass in bounded memory; the same rows every time, however they are read.

    kernel: None for rows that are not the fit's. dispersion (q,): of the fit. Raises ValueError where the loss has no residual of one
    target, and where no row counts.
    """
    q = rows.problem.rows.n_targets
    layout = _Layout(coefficients.shape[1], q, 1 if loss.takes_pairs else q)
    chooser = _Chooser(loss, layout, dispersion, kernel)
    start = 0
    for found in rows.iterate(_SeenKernel(coefficients, kernel)):
        chooser.add(start, found)
        start += len(found)
    return chooser.seen()


class _Chooser:
    """Keeps a uniform sample, by the smallest of random keys, and the extreme rows of all that were seen."""

    def __init__(self, loss: Loss, layout: _Layout, dispersion: Array | None, diagnostics: RowDiagnosticsKernel | None) -> None:
        self.loss, self.layout, self.diagnostics = loss, layout, diagnostics
        self.dispersion = np.ones(layout.residuals) if dispersion is None else dispersion
        self.keys, self.uniform = np.random.default_rng(0), np.random.default_rng(1)
        self.kind: ResidualKind | None = None
        self.n, self.left_out = 0, 0
        k, _, q = layout
        # Columns of a kept row: number, key, then the kernel's, then residuals, Pearson ones and deviates.
        self.kept = np.empty((0, 2 + k + q + 2 + k + 1 + 3 * q))

    def add(self, start: int, found: Array) -> None:
        k, _, q = self.layout
        keys, uniform = self.keys.random(len(found)), self.uniform.random((len(found), q))
        present = np.flatnonzero(~np.isnan(found[:, 0]))
        self.n += len(present)
        self.left_out += len(found) - len(present)
        found, keys, uniform = found[present], keys[present], uniform[present]
        predictors, targets, weights, counts, rest = self.layout.split(found)
        if self.kind is None and len(found):
            self.kind = _kind(self.loss, targets, weights) if self._has_spread else "raw"
        predictions = _predictions(self.loss, predictors, q)
        observed = self.loss.observed(targets)
        residuals = np.sqrt(weights) * (observed - predictions)
        if self.diagnostics is None:
            leverage, cook = np.full((len(found), k), np.nan), np.full((len(found), 1), np.nan)
            standardised = _without_leverage(self.loss, residuals, targets, predictors, self.dispersion)
        else:
            parts = split_rows(rest, self.diagnostics)
            leverage, cook, standardised = parts.leverage, parts.cooks_distance[:, None], parts.standardised
        deviates = residuals
        if self.kind == "quantile":
            assert self.loss.distribution is not None
            deviates = self.loss.distribution.quantile_residuals(targets, predictors, uniform, self.dispersion / weights)
        elif self.kind != "raw":
            deviates = standardised
        numbers = (start + present).astype(np.float64)
        rows = np.concatenate(
            [numbers[:, None], keys[:, None], predictors, observed, weights, counts, leverage, cook, residuals, standardised, deviates],
            axis=1,
        )
        self.kept = self._pruned(np.concatenate([self.kept, rows]))

    @property
    def _has_spread(self) -> bool:
        """Whether there is a dispersion to measure residuals by, where the loss leaves it to the fit: a perfect one has none."""
        estimated = self.loss.squared_scale() is not None or self.loss.has_free_dispersion
        return not estimated or bool((self.dispersion > 0).all())

    def seen(self) -> DiagnosticSample:
        """What was kept. Raises ValueError where no row counted."""
        if self.kind is None:
            raise ArgumentError("no row of the data is complete and counts, so there is nothing to diagnose")
        k, _, q = self.layout
        kept = self.kept[np.argsort(self.kept[:, 0], kind="stable")]
        numbers, keys, predictors, targets, weights, counts, leverage, cook, residuals, pearson, deviates = np.split(
            kept, np.cumsum([1, 1, k, q, 1, 1, k, 1, q, q]), axis=1
        )
        sampled = np.zeros(len(kept), dtype=np.bool_)
        sampled[_lowest(keys[:, 0], MAX_POINTS)] = True
        extremes = min(EXTREMES, len(kept))
        return DiagnosticSample(
            numbers[:, 0].astype(np.int64),
            predictors,
            targets,
            _predictions(self.loss, predictors, q),
            weights[:, 0],
            counts[:, 0],
            leverage,
            cook[:, 0],
            residuals,
            pearson,
            deviates,
            self.kind,
            self.n,
            self.left_out,
            sampled,
            np.stack([_lowest(-deviates[:, j], extremes) for j in range(q)], axis=1),
            np.stack([_lowest(deviates[:, j], extremes) for j in range(q)], axis=1),
            _lowest(-cook[:, 0], extremes),
        )

    def _pruned(self, rows: Array) -> Array:
        """The rows that can still be chosen."""
        q = self.layout.residuals
        chosen = [_lowest(rows[:, 1], MAX_POINTS), _lowest(-rows[:, -1 - 3 * q], EXTREMES)]
        for j in range(1, q + 1):
            chosen += [_lowest(rows[:, -j], EXTREMES), _lowest(-rows[:, -j], EXTREMES)]
        return np.asarray(rows[np.unique(np.concatenate(chosen))])


def _lowest(values: Array, count: int) -> IntArray:
    """Places of the smallest, the smallest first and earlier rows first among equals; NaN last."""
    if len(values) <= count:
        return np.argsort(values, kind="stable")
    # All that could be among them, ties at the edge included, so that the choice does not depend on how rows arrive.
    edge = np.partition(values, count - 1)[count - 1]
    near = np.flatnonzero(values <= edge) if not np.isnan(edge) else np.arange(len(values))
    return np.asarray(near[np.argsort(values[near], kind="stable")[:count]])


def _kind(loss: Loss, targets: Array, weights: Array) -> ResidualKind:
    if loss.squared_scale() is not None:
        return "standardised"
    if loss.distribution is not None:
        # The weight of a count or a label changes its distribution in ways only the user knows; so does a count that is not whole.
        plain = not loss.distribution.in_whole_numbers or bool((weights == 1).all() and (targets == np.round(targets)).all())
        if plain:
            return "quantile"
    if loss.variance(np.zeros((1, loss.n_predictors(targets.shape[1])))) is not None:
        return "Pearson"
    return "raw"


def _predictions(loss: Loss, predictors: Array, q: int) -> Array:
    """(m, q). Raises ValueError where a prediction is not one number for each target."""
    found = np.asarray(loss.predict(predictors), dtype=np.float64).reshape(len(predictors), -1)
    if found.shape[1] != q:
        raise ArgumentError(
            f"the loss {loss.name!r} predicts {found.shape[1]} numbers per row for {q} target{'s' if q > 1 else ''}, so that there is no"
            " residual of one target to draw" + ("; gl.plot.calibration draws its classes" if loss.target_kind == "class" else "")
        )
    return found


def _without_leverage(loss: Loss, residuals: Array, targets: Array, predictors: Array, dispersion: Array) -> Array:
    """Weighted residuals over their standard deviation, for rows that had no part in the fit; NaN where the loss implies none."""
    variance = np.ones(residuals.shape) if loss.squared_scale() is not None else loss.observed_variance(targets, predictors)
    if variance is None or variance.shape != residuals.shape:
        return np.full(residuals.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(residuals / np.sqrt(np.where(dispersion > 0, dispersion, np.nan) * variance))


def sample_rows(rows: AttachedData, kernel: RowKernel) -> tuple[Array, int]:
    """A kernel's results for a uniform sample of the rows that count, in row order, and how many rows count. One pass in bounded memory;
    a row that does not count has NaN first."""
    random = np.random.default_rng(0)
    keys, kept, n = np.empty(0), np.empty((0, 0)), 0
    for found in rows.iterate(kernel):
        drawn = random.random(len(found))
        present = np.flatnonzero(~np.isnan(found[:, 0]))
        n += len(present)
        keys = np.concatenate([keys, drawn[present]])
        kept = found[present] if not kept.size else np.concatenate([kept, found[present]])
        chosen = np.sort(_lowest(keys, MAX_POINTS))
        keys, kept = keys[chosen], kept[chosen]
    return kept, n
