"""Rows as the exact solvers see them: columns, targets and weights scaled by powers of two, rows of weight zero left out.

With x = 2^e_j x^, y = 2^e_y y^ and w = 2^e_w w^ the coefficients are b = 2^(e_y - e_j) b^. Powers of two change no bits, and keep squares
of columns of size 1e200 or 1e-200, and the splitting of products, inside the range of a double.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg import double_double as dd
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

SMALL = 2**17
"""Numbers up to which rows in memory are handled as one block, without threads: starting them would cost more than the work."""


@dataclass(frozen=True)
class Scales:
    """columns (P,), targets (k,): exponents of two; weight: one exponent. rows: those of positive weight.

    total_weight: sum f w in two words, (2,), unscaled.
    """

    columns: IntArray
    targets: IntArray
    weight: int
    rows: int
    total_weight: Array

    def coefficients(self, scaled: Array) -> Array:
        """(k, P) in scaled units to (P, k) in the user's."""
        with np.errstate(over="ignore"):  # gl.fit refuses infinity
            return np.asarray(np.ldexp(scaled, self.targets[:, None] - self.columns[None, :]).T)


@dataclass(frozen=True)
class ScaledRows:
    """values (P, m), a column of the design a row; targets (k, words, m), offset subtracted exactly; weights (words, m) or None."""

    values: Array
    targets: Array
    weights: Array | None

    def weighted(self) -> Array:
        """Square roots of the weights times columns and targets, (m, P + k), in doubles: what is factored."""
        stacked = np.concatenate([self.values, self.targets[:, 0]])
        if self.weights is not None:
            stacked *= np.sqrt(self.weights[0])
        return stacked.T


@dataclass(frozen=True)
class _Extremes:
    columns: Array
    targets: Array
    weight: float
    rows: int
    total_weight: Array


class ScanKernel(Kernel[_Extremes]):
    """Largest size of every column (with its weight), of every target and of the weights; and the total weight."""

    writes_columns: ClassVar[bool] = True

    def map(self, block: Block) -> _Extremes:
        values, targets = block.design.dense(), _exact_targets(block)[:, 0]
        weights = block.row_weights
        if weights is None:
            return _extremes(values, targets, 1.0, values.shape[0], np.array([float(values.shape[0]), 0.0]))
        kept = weights > 0
        largest = float(weights.max(initial=0.0))
        root = np.sqrt(weights[kept] / largest)[:, None]
        exact = _exact_weights(block)
        assert exact is not None
        ones = np.ones((1, len(weights)))
        words = exact if len(exact) == 2 else np.concatenate([exact, np.zeros_like(exact)])
        total = dd.product_sum(ones, *dd.split(ones), words[:, None, :], 1)[:, 0]
        return _extremes(np.abs(values[kept]) * root, targets[:, kept], largest, int(kept.sum()), total)

    def merge(self, first: _Extremes, second: _Extremes) -> _Extremes:
        weight = max(first.weight, second.weight)

        def rescaled(part: _Extremes) -> Array:
            return part.columns * np.sqrt(part.weight / weight) if weight > 0 else part.columns

        return _Extremes(
            np.maximum(rescaled(first), rescaled(second)),
            np.maximum(first.targets, second.targets),
            weight,
            first.rows + second.rows,
            dd.add(first.total_weight, second.total_weight),
        )


def _extremes(values: Array, targets: Array, weight: float, rows: int, total: Array) -> _Extremes:
    columns = np.maximum(values.max(axis=0, initial=0.0), -values.min(axis=0, initial=0.0))
    return _Extremes(columns, np.abs(targets).max(axis=1, initial=0.0), weight, rows, total)


def find_scales(rows: Rows, block: Block | None) -> Scales:
    """One pass, over the block where everything is held in one."""
    kernel = ScanKernel()
    found = kernel.map(block) if block is not None else rows.reduce(kernel)
    # A power of two above the largest weight, but one for rows without weights: those are never scaled.
    weight = int(np.frexp(found.weight)[1]) - 1
    return Scales(dd.power_of_two(found.columns), dd.power_of_two(found.targets), weight, found.rows, found.total_weight)


def scale_rows(block: Block, scales: Scales) -> ScaledRows:
    """The block's rows of positive weight in scaled units."""
    dense = block.design.dense()
    targets, weights = _exact_targets(block), _exact_weights(block)
    if weights is not None:
        kept = weights[0] > 0
        if not kept.all():
            dense, targets, weights = dense[kept], targets[:, :, kept], weights[:, kept]
        weights = np.ldexp(weights, -scales.weight)
    values = np.empty((dense.shape[1], dense.shape[0]))
    exponents = -scales.columns[:, None]
    if np.abs(exponents).max(initial=0) < 1000:
        np.multiply(dense.T, np.ldexp(1.0, exponents), out=values)
    else:
        np.ldexp(dense.T, exponents, out=values)
    return ScaledRows(values, np.ldexp(targets, -scales.targets[:, None, None]), weights)


def scaled_ridge(scales: Scales, strength: float, intercept: bool) -> Array:
    """sum(f w) strength / 2 in scaled units, two words a design column, (2, P); nothing for the intercept."""
    if strength == 0:
        return np.zeros((2, len(scales.columns)))
    total = dd.multiply(scales.total_weight[:, None], np.array([[strength / 2.0]]), 2)
    # Beyond these exponents the ridge is all or nothing; inside them its square root and reciprocal stay finite.
    exponents = np.clip(-scales.weight - 2 * scales.columns, -900, 900)
    ridge = np.ldexp(total, exponents[None, :])
    if intercept:
        ridge[:, 0] = 0.0
    return np.asarray(ridge)


def _exact_targets(block: Block) -> Array:
    """Targets less the offset, (q, words, m)."""
    targets = block.targets.T
    if block.offset is None or block.offset.shape[1] != len(targets):
        # Several linear predictors a target are no least squares: the rows are here for their columns.
        return targets[:, None, :]
    return np.stack(dd.two_sum(targets, -np.broadcast_to(block.offset.T, targets.shape)), axis=1)


def _exact_weights(block: Block) -> Array | None:
    """f w exactly, (words, m), or None for ones."""
    if block.weights is not None and block.frequencies is not None:
        # Frequencies are whole numbers far below 2^996, but weights may be of any size: split them near one.
        exponent = int(np.frexp(block.weights.max(initial=0.0))[1])
        return np.asarray(np.ldexp(np.stack(dd.two_product(np.ldexp(block.weights, -exponent), block.frequencies)), exponent))
    weights = block.row_weights
    return None if weights is None else weights[None, :]


def in_one_block(rows: Rows) -> Block | None:
    """All rows as one block where they are few and in memory, and no sparse matrix."""
    if rows.sparse_columns:
        return None
    return rows.in_memory() if rows.n_rows * (rows.n_columns + rows.n_targets) <= SMALL else None


def chunks(values: Array, width: int) -> Iterator[tuple[slice, Array]]:
    """Column slices of (P, m) of at most ``width`` rows of data."""
    for start in range(0, values.shape[1], width):
        part = slice(start, start + width)
        yield part, values[:, part]
