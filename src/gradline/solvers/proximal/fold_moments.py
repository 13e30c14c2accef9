"""Second moments of each fold, in one pass: what a path of squared loss with folds needs of the rows.

A block's rows are sorted by fold as they are copied, so that each fold's are together and its sums are one symmetric product. All
folds of a chunk have one shift: their sums are added to others' with few steps, however many folds there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block
from gradline.rows.folds import Folds, picked
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.second_moments import (
    MomentsKernel,
    SecondMoments,
    columns_of,
    exponents_of,
    shift_of,
)

FEW_COLUMNS = 30
"""Up to so many columns general products of few rows take half the time of a symmetric one, which BLAS packs first."""

SMALL_PRODUCT = 900_000
"""Columns squared times rows, up to which BLAS multiplies without packing (OpenBLAS: 100^3)."""

WASTE = 1.25
"""Folds are made as long as each other where that is at most so many times the rows."""


def sums_of_folds(rows: Rows, folds: Folds) -> list[SecondMoments | None]:
    """The second moments of each fold, None of one without rows: a pass."""
    if rows.sparse_columns:
        return rows.reduce(_PickedFolds(folds))
    found = rows.reduce(kernel_of_folds(folds))
    return [found.of(fold) for fold in range(folds.count)]


@dataclass(frozen=True)
class _FoldMoments:
    """As ``SecondMoments``, of K folds about one shift: shift, exponents (M,); sums (K, M); products (K, M, M); weight, count, log_weight
    and rows (K,). given (K,): rows, those of weight zero too."""

    shift: Array
    exponents: IntArray
    sums: Array
    products: Array
    weight: Array
    count: Array
    log_weight: Array
    rows: IntArray
    given: IntArray
    steps: int

    @classmethod
    def nothing(cls, folds: int, shift: Array, exponents: IntArray) -> _FoldMoments:
        width = len(shift)
        none = np.zeros(folds, dtype=np.int64)
        weight = np.zeros(folds)
        return cls(
            shift,
            exponents,
            np.zeros((folds, width)),
            np.zeros((folds, width, width)),
            weight,
            weight.copy(),
            weight.copy(),
            none,
            none.copy(),
            0,
        )

    def of(self, fold: int) -> SecondMoments | None:
        if not self.given[fold]:
            return None
        products = self.products[fold]
        return SecondMoments(
            self.shift,
            self.exponents,
            self.sums[fold],
            # A general product need not be symmetric to the bit.
            0.5 * products + 0.5 * products.T,
            float(self.weight[fold]),
            float(self.count[fold]),
            float(self.log_weight[fold]),
            int(self.rows[fold]),
            self.steps,
        )

    def about(self, shift: Array, exponents: IntArray) -> _FoldMoments:
        """The same sums with another shift and scale; the arrays are changed in place."""
        if not np.array_equal(exponents, self.exponents):
            scale = np.ldexp(1.0, self.exponents - exponents)
            np.multiply(self.sums, scale, out=self.sums)
            np.multiply(self.products, np.outer(scale, scale), out=self.products)
        if not np.array_equal(shift, self.shift):
            offset = np.ldexp(self.shift - shift, -exponents)
            for sums, products, weight in zip(self.sums, self.products, self.weight, strict=True):
                cross = np.multiply.outer(offset, sums + 0.5 * weight * offset)
                products += cross
                products += cross.T
                sums += weight * offset
        return replace(self, shift=shift, exponents=exponents)


@dataclass(frozen=True)
class _FoldMomentsKernel(Kernel[_FoldMoments]):
    """The pass over columns that can be written out. Blocks after the first of a chunk are shifted as the first was."""

    folds: Folds

    def map(self, block: Block) -> _FoldMoments:
        shift = shift_of(block)
        found = self.add(_FoldMoments.nothing(self.folds.count, shift, np.zeros(len(shift), dtype=np.int64)), block)
        exponents = exponents_of(block, shift, np.einsum("kii->i", found.products))
        return self.add(_FoldMoments.nothing(self.folds.count, shift, exponents), block) if exponents.any() else found

    def add(self, state: _FoldMoments, block: Block) -> _FoldMoments:
        """The arrays of the state are added to."""
        count, (values, targets) = self.folds.count, columns_of(block)
        p, owner, weights = values.shape[1], self.folds.of(block), block.row_weights
        # Few bits: these NumPy sorts by counting.
        order = np.argsort(owner.astype(np.min_scalar_type(count)), kind="stable")
        found = np.bincount(owner, minlength=count)
        sizes = found.tolist()
        pieces = _pieces(sizes, len(owner), len(state.shift) + 1)
        if pieces:
            order = _as_long(order, sizes, pieces)
        # Overflow is left to show in the sums, where the caller looks for it.
        with np.errstate(over="ignore", invalid="ignore"):
            x = _shifted(values, targets, order, state.shift)
            if state.exponents.any():
                np.ldexp(x[:, :-1], -state.exponents, out=x[:, :-1])
            x[:, -1] = 1.0 if weights is None else self._weighted(x[:, :p], x[:, p:-1], weights[order])
            if pieces:
                sums = _even_products(x, sizes, pieces)
                np.add(state.products, sums[:, :-1], out=state.products)
                np.add(state.sums, sums[:, -1], out=state.sums)
            else:
                end = 0
                for fold, size in enumerate(sizes):
                    if size:
                        end += size
                        sums = _product(x[end - size : end])
                        state.products[fold] += sums[:-1, :-1]
                        state.sums[fold] += sums[-1, :-1]
        self._count(state, block, owner, found)
        return replace(state, steps=state.steps + 1)

    def merge(self, first: _FoldMoments, second: _FoldMoments) -> _FoldMoments:
        exponents = np.maximum(first.exponents, second.exponents)
        first, second = first.about(first.shift, exponents), second.about(first.shift, exponents)
        for mine, other in (
            (first.sums, second.sums),
            (first.products, second.products),
            (first.weight, second.weight),
            (first.count, second.count),
            (first.log_weight, second.log_weight),
        ):
            mine += other
        for held, more in ((first.rows, second.rows), (first.given, second.given)):
            held += more
        return replace(first, steps=max(first.steps, second.steps) + 1)

    @staticmethod
    def _weighted(x: Array, t: Array, weights: Array) -> Array:
        """Columns and targets times the roots of the rows' weights, in place; these roots."""
        root = np.sqrt(weights)
        for part in (x, t):
            part *= root[:, None]
            if not weights.all():
                part[weights == 0] = 0.0
        return np.asarray(root)

    @staticmethod
    def _count(state: _FoldMoments, block: Block, owner: IntArray, found: IntArray) -> None:
        state.given[:] += found
        weights = block.row_weights
        if weights is None:
            state.weight[:] += found
            state.count[:] += found
            state.rows[:] += found
            return
        k, positive = len(found), weights > 0
        held = np.ones(len(weights)) if block.frequencies is None else block.frequencies
        used, mine = held[positive], owner[positive]
        state.weight[:] += np.bincount(owner, weights, minlength=k)
        state.count[:] += np.bincount(mine, used, minlength=k)
        state.rows[:] += np.bincount(mine, minlength=k)
        if block.weights is not None:
            state.log_weight[:] += np.bincount(mine, used * np.log(block.weights[positive]), minlength=k)


def _pieces(sizes: list[int], rows: int, columns: int) -> int:
    """Into how many pieces a fold's rows are cut, so that each makes a small product; 0 where folds are too unlike, or columns too many."""
    most = max(sizes)
    if columns > FEW_COLUMNS or most * len(sizes) > WASTE * rows:
        return 0
    return -(-most * columns**2 // SMALL_PRODUCT)


def _as_long(order: IntArray, sizes: list[int], pieces: int) -> IntArray:
    """The rows of each fold, one fold after another, with the first row behind them as often as makes all folds as long as each other,
    in so many pieces."""
    places = np.zeros((len(sizes), -(-max(sizes) // pieces) * pieces), dtype=order.dtype)
    end = 0
    for fold, size in enumerate(sizes):
        end += size
        places[fold, :size] = order[end - size : end]
    return places.ravel()


def _even_products(x: Array, sizes: list[int], pieces: int) -> Array:
    """Products of the columns of each fold's rows in ``_as_long``, the last of which is only multiplied with the others: (K, k, k - 1).

    Of a stack NumPy lets go of Python's lock for all products at once.
    """
    folds, (n, k) = len(sizes), x.shape
    stack = x.reshape(folds, n // folds, k)
    for fold, size in enumerate(sizes):
        stack[fold, size:] = 0.0
    stack = x.reshape(folds * pieces, n // (folds * pieces), k)
    found = np.matmul(stack.transpose(0, 2, 1), stack[:, :, :-1])
    return np.asarray(found.reshape(folds, pieces, k, k - 1).sum(axis=1) if pieces > 1 else found)


def _product(part: Array) -> Array:
    """Products of a fold's columns (r, k): (k, k)."""
    if not part.flags.c_contiguous:
        # Rows of columns that lie far apart: BLAS takes twice the time for their product.
        part = np.asfortranarray(part)
    # np.dot and not @, which would keep Python's lock; of one buffer, half the work of a general product.
    return np.asarray(np.dot(part.T, part))


def _shifted(values: Array, targets: Array, order: IntArray, shift: Array) -> Array:
    """The rows in another order (m, p + q + 1): columns, and beside them targets, less the shift; the last column is for ones, of which
    come all sums. One buffer, in the memory order of the columns."""
    m, p, q = len(order), values.shape[1], targets.shape[1]
    if values.strides[0] < values.strides[1]:
        lying = np.empty((p + q + 1, m))
        # With "raise" NumPy would write into a buffer of its own first; no number is out of bounds.
        values.T.take(order, axis=1, out=lying[:p], mode="clip")
        lying[:p] -= shift[:p, None]
        np.subtract(targets[order].T, shift[p:, None], out=lying[p:-1])
        return lying.T
    x = np.empty((m, p + q + 1))
    np.subtract(values.take(order, axis=0), shift[:p], out=x[:, :p])
    np.subtract(targets[order], shift[p:], out=x[:, p:-1])
    return x


def kernel_of_folds(folds: Folds) -> Kernel[_FoldMoments]:
    """What sums the folds of columns that can be written out, for a pass that takes it along: ``sums_of_folds`` of these asks for it."""
    return _FoldMomentsKernel(folds)


@dataclass(frozen=True)
class _PickedFolds(Kernel[list[SecondMoments | None]]):
    """The pass over sparse columns, by the design's own products of each fold's rows."""

    folds: Folds

    def map(self, block: Block) -> list[SecondMoments | None]:
        return self.add([None] * self.folds.count, block)

    def add(self, state: list[SecondMoments | None], block: Block) -> list[SecondMoments | None]:
        owner, kernel = self.folds.of(block), MomentsKernel()
        for fold in range(self.folds.count):
            rows = np.flatnonzero(owner == fold)
            if rows.size:
                own, held = kernel.map(picked(block, rows)).sums, state[fold]
                state[fold] = own if held is None else held + own
        return state

    def merge(self, first: list[SecondMoments | None], second: list[SecondMoments | None]) -> list[SecondMoments | None]:
        return [b if a is None else a if b is None else a + b for a, b in zip(first, second, strict=True)]
