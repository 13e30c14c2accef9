"""Shifted, scaled second moments of columns and targets in one pass: all that squared loss needs to know of the rows.

With z = (v - shift) 2^-exponent for every column and target v the sums are W = sum w, sum w z and sum w z z'. The shift is the mean of
the first block of a chunk, so that nothing cancels when columns sit far from zero; sums with different shifts are merged by the
parallel-axis formula of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for computing sample variances", 1979).
The power of two matters only to columns whose squares would leave the range of a double.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

SAFE_EXPONENT = 200
"""Columns of size 2^-200 to 2^200 keep exponent 0: products of two, summed over any number of rows, stay far inside the range."""

SHIFT_ROWS = 256
"""About as many rows of a block give its shift."""


@dataclass(frozen=True)
class SecondMoments:
    """Sums over rows of M columns: the design's without the intercept, then the targets (offset subtracted).

    shift, exponents, sums (M,); products (M, M). weight: sum f w. count: sum f over rows of positive weight. log_weight: sum f log w.
    rows: those of positive weight. steps: additions behind a sum, for bounds of rounding.
    """

    shift: Array
    exponents: IntArray
    sums: Array
    products: Array
    weight: float
    count: float
    log_weight: float
    rows: int
    steps: int

    @property
    def means(self) -> Array:
        """Weighted means of the columns, (M,)."""
        return np.asarray(self.shift + np.ldexp(self.sums / self.weight, self.exponents))

    def centred(self) -> Array:
        """``sum w (z - mean) (z - mean)'``, (M, M), in scaled units."""
        return np.asarray(self.products - np.outer(self.sums, self.sums) / self.weight)

    def finite(self) -> bool:
        """Whether no sum overflowed."""
        return bool(np.isfinite(self.products).all() and np.isfinite(self.sums).all() and np.isfinite(self.weight))

    def select(self, columns: IntArray) -> SecondMoments:
        """The sums of some columns, in that order."""
        return replace(
            self,
            shift=self.shift[columns],
            exponents=self.exponents[columns],
            sums=self.sums[columns],
            products=self.products[np.ix_(columns, columns)],
        )

    def about(self, shift: Array, exponents: IntArray) -> SecondMoments:
        """The same sums with another shift and scale."""
        sums, products = self.sums, self.products
        if not np.array_equal(exponents, self.exponents):
            scale = np.ldexp(1.0, self.exponents - exponents)
            sums, products = sums * scale, products * np.outer(scale, scale)
        if np.array_equal(shift, self.shift):
            return replace(self, exponents=exponents, sums=sums, products=products)
        offset = np.ldexp(self.shift - shift, -exponents)
        cross = np.outer(offset, sums + 0.5 * self.weight * offset)
        products = products + cross
        products += cross.T
        return replace(self, shift=shift, exponents=exponents, sums=sums + self.weight * offset, products=products)

    def __add__(self, other: SecondMoments) -> SecondMoments:
        return self._combine(other, 1)

    def __sub__(self, other: SecondMoments) -> SecondMoments:
        return self._combine(other, -1)

    def _combine(self, other: SecondMoments, sign: int) -> SecondMoments:
        exponents = np.maximum(self.exponents, other.exponents)
        first, second = self.about(self.shift, exponents), other.about(self.shift, exponents)
        return SecondMoments(
            first.shift,
            exponents,
            first.sums + sign * second.sums,
            first.products + sign * second.products,
            self.weight + sign * other.weight,
            self.count + sign * other.count,
            self.log_weight + sign * other.log_weight,
            self.rows + sign * other.rows,
            max(self.steps, other.steps) + 1,
        )


@dataclass(frozen=True)
class MomentsOfRows:
    """sums: second moments. plain: whether all rows are dense, without weights and offset."""

    sums: SecondMoments
    plain: bool


class MomentsKernel(Kernel[MomentsOfRows]):
    """The pass. Blocks after the first of a chunk are shifted as the first was."""

    def map(self, block: Block) -> MomentsOfRows:
        return MomentsOfRows(_opened(block), is_plain(block))

    def add(self, state: MomentsOfRows, block: Block) -> MomentsOfRows:
        return MomentsOfRows(_accumulate(state.sums, block), state.plain and is_plain(block))

    def merge(self, first: MomentsOfRows, second: MomentsOfRows) -> MomentsOfRows:
        return MomentsOfRows(first.sums + second.sums, first.plain and second.plain)


def is_plain(block: Block) -> bool:
    """Whether the block is dense, without weights and offset."""
    return isinstance(block.design, DenseDesign) and block.row_weights is None and block.offset is None


def columns_of(block: Block) -> tuple[Array, Array]:
    """Design columns without the intercept, (m, p), and targets less the offset, (m, q)."""
    return block.design.slopes(), block.targets_less_offset


def _opened(block: Block) -> SecondMoments:
    """The sums of a chunk's first block, with the shift and scale that suit it."""
    if block.design.sparse:
        return _of_sparse(_shifted_targets(block), block)
    shift = shift_of(block)
    sums = _accumulate(_nothing(shift, np.zeros(len(shift), dtype=np.int64)), block)
    exponents = exponents_of(block, shift, sums.products.diagonal())
    return _accumulate(_nothing(shift, exponents), block) if exponents.any() else sums


def shift_of(block: Block) -> Array:
    """A number near the mean of each column and target of a dense block, (M,)."""
    parts = _that_count(block)
    # A shift need not be the very mean: a part of the rows is near enough.
    step = max(1, block.n_rows // SHIFT_ROWS)
    with np.errstate(over="ignore", invalid="ignore"):
        shift = np.concatenate([part[::step].mean(axis=0) for part in parts])
    if not np.isfinite(shift).all():
        # The sum overflowed: any value of the column is a shift as good.
        shift = np.where(np.isfinite(shift), shift, np.concatenate([part[0] for part in parts]))
    return np.asarray(shift)


def exponents_of(block: Block, shift: Array, squares: Array) -> IntArray:
    """The exponents (M,) that a block's columns need, by the sums of their squares without any: zero nearly always."""
    exponents = np.zeros(len(shift), dtype=np.int64)
    doubtful = _doubtful(squares, block)
    if doubtful.size:
        # One column at a time: looking at all would take as long as their products.
        columns, targets = _that_count(block)
        p = columns.shape[1]
        for j in doubtful:
            column = columns[:, j] if j < p else targets[:, j - p]
            exponents[j] = _exponent(column, float(shift[j]))
    return exponents


def _that_count(block: Block) -> tuple[Array, Array]:
    """``columns_of`` of the rows that count, where any does."""
    parts, weights = columns_of(block), block.row_weights
    if weights is not None and not weights.all() and weights.any():
        return parts[0][weights > 0], parts[1][weights > 0]
    return parts


def _nothing(shift: Array, exponents: IntArray) -> SecondMoments:
    width = len(shift)
    return SecondMoments(shift, exponents, np.zeros(width), np.zeros((width, width)), 0.0, 0.0, 0.0, 0, 0)


def _doubtful(squares: Array, block: Block) -> IntArray:
    """The columns whose squares do not tell that their size is within 2^-SAFE_EXPONENT and 2^SAFE_EXPONENT."""
    least, most, weights = 1.0, float(block.n_rows), block.row_weights
    if weights is not None:
        least, most = (float(weights[weights > 0].min()), float(weights.sum())) if weights.any() else (1.0, 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        known = (squares / least <= 4.0**SAFE_EXPONENT) & (squares / most >= 4.0**-SAFE_EXPONENT)
    return np.flatnonzero(~known)


def _exponent(column: Array, shift: float) -> int:
    """The power of two of the largest difference from the shift; 0 where squares of that size do no harm."""
    with np.errstate(over="ignore"):
        size = max(float(column.max(initial=-np.inf)) - shift, shift - float(column.min(initial=np.inf)))
    exponent = int(np.frexp(size)[1])
    return exponent if abs(exponent) > SAFE_EXPONENT else 0


def _accumulate(total: SecondMoments, block: Block) -> SecondMoments:
    """The sums with a block's rows added; the arrays of ``total`` are reused."""
    if block.design.sparse:
        return _of_sparse(total, block)
    values, targets = columns_of(block)
    m, p = values.shape
    # Overflow is left to show in the sums, where the caller looks for it.
    with np.errstate(over="ignore", invalid="ignore"):
        # Two buffers: the symmetric product of the columns alone suits BLAS better than one of a few columns more.
        x, t = values - total.shift[:p], targets - total.shift[p:]
        if total.exponents.any():
            np.ldexp(x, -total.exponents[:p], out=x)
            np.ldexp(t, -total.exponents[p:], out=t)
        weights = block.row_weights
        weight, count, logs, kept = float(m), float(m), 0.0, m
        if weights is None:
            root = ones(m)
        else:
            root = np.sqrt(weights)
            for part in (x, t):
                part *= root[:, None]
                if not weights.all():
                    part[weights == 0] = 0.0
            weight = float(weights.sum())
            count, logs, kept = counts_of(block, weights)
        # np.dot and not @, which would keep Python's lock (see design/dense.py).
        sums = np.concatenate([np.dot(root, x), np.dot(root, t)])
        products = total.products
        # NumPy calls BLAS syrk, half the work of a general product, because both factors are one buffer.
        products[:p, :p] += np.dot(x.T, x)
        for j in range(t.shape[1]):
            cross = np.dot(t[:, j], x)
            products[:p, p + j] += cross
            products[p + j, :p] += cross
        products[p:, p:] += np.dot(t.T, t)
    return SecondMoments(
        total.shift,
        total.exponents,
        total.sums + sums,
        products,
        total.weight + weight,
        total.count + count,
        total.log_weight + logs,
        total.rows + kept,
        total.steps + 1,
    )


def _shifted_targets(block: Block) -> SecondMoments:
    """Nothing yet, of sparse columns, which stay where they are, and targets about their mean: zero says most of a sparse column."""
    targets = block.targets_less_offset
    weights = block.row_weights
    if weights is not None and weights.any():
        targets = targets[weights > 0]
    p = block.design.n_columns - int(block.design.intercept)
    shift = np.concatenate([np.zeros(p), targets.mean(axis=0)])
    return _nothing(np.where(np.isfinite(shift), shift, 0.0), np.zeros(len(shift), dtype=np.int64))


def _of_sparse(total: SecondMoments, block: Block) -> SecondMoments:
    """``_accumulate`` by the design's own products."""
    design, weights, first = block.design, block.row_weights, int(block.design.intercept)
    p = design.n_columns - first
    # Columns lie at zero; where a merge has moved them the sums are brought back, which loses nothing that zero had kept.
    total = total.about(np.concatenate([np.zeros(p), total.shift[p:]]), np.zeros_like(total.exponents))
    m = block.n_rows
    with np.errstate(over="ignore", invalid="ignore"):
        t = block.targets_less_offset - total.shift[p:]
        weight, count, logs, kept = float(m), float(m), 0.0, m
        weighted = t
        if weights is not None:
            t = np.where(weights[:, None] > 0, t, 0.0)
            weighted = weights[:, None] * t
            weight = float(weights.sum())
            count, logs, kept = counts_of(block, weights)
        gram = design.gram(None if weights is None else weights[:, None, None])
        cross = design.adjoint(weighted)[first:]
        slopes = gram[0, 1:] if first else design.adjoint((ones(m) if weights is None else weights)[:, None])[:, 0]
        products = total.products
        products[:p, :p] += gram[first:, first:]
        products[:p, p:] += cross
        products[p:, :p] += cross.T
        products[p:, p:] += np.dot(t.T, weighted)
        sums = np.concatenate([slopes, weighted.sum(axis=0)])
    return SecondMoments(
        total.shift,
        total.exponents,
        total.sums + sums,
        products,
        total.weight + weight,
        total.count + count,
        total.log_weight + logs,
        total.rows + kept,
        total.steps + 1,
    )


@lru_cache(maxsize=4)
def ones(n: int) -> Array:
    """(n,), made once for the blocks of a pass; to be read only."""
    values = np.ones(n)
    values.flags.writeable = False
    return values


def counts_of(block: Block, row_weights: Array) -> tuple[float, float, int]:
    """(sum f, sum f log w, rows) over rows of positive weight."""
    positive = row_weights > 0
    frequencies = np.ones(len(row_weights)) if block.frequencies is None else block.frequencies
    count = float(frequencies[positive].sum())
    if block.weights is None:
        return count, 0.0, int(positive.sum())
    return count, float(frequencies[positive] @ np.log(block.weights[positive])), int(positive.sum())
