"""Rows as the exact solvers see them, scaled by powers of two and without those of weight zero; and their triangular factor.

With x = 2^e_j x^, y = 2^e_y y^ and w = 2^e_w w^ the coefficients are b = 2^(e_y - e_j) b^. Powers of two change no bits, and keep squares
of columns of size 1e200 or 1e-200, and the splitting of products, inside the range of a double.

Their triangular factor is found block by block (TSQR): a QR of stacked triangles is the QR of the stacked rows (Demmel, Grigori, Hoemmen
and Langou, SIAM J. Sci. Comput. 34, 2012). Only R is kept: the refinement that follows needs no Q.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg import double_double as dd
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.squared_sums import SquaredSums, WeightSums, weight_sums, without_rounding

FEW_COLUMNS = 32

SMALL = 2**17
"""Numbers up to which rows in memory are handled as one block, without threads: starting them would cost more than the work."""

ALIAS_TOLERANCE = 8.0 * 2.0**-52
"""Times P: the part of a column's norm that must be left after earlier columns. NIST's Filip keeps all its columns, by a factor of 100."""

LAST_DIGITS = 4.0 * 2.0**-52
"""A relative change of the columns that rounding can make. Columns dependent but for their rounding were seen to need a quarter of it;
NIST's Filip needs a million times as much."""

DOUBTFUL = 1e-6
"""A column that keeps more than this of its norm is independent, and is looked at no further."""

SMALLEST_PIVOT = 1e-4
"""Of a triangle's columns at unit length: rounding enters the inverse divided by it, so that at least eleven digits are left."""


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
    # Of few columns, to compare one row with the next takes ten times as long as to write each column in one piece first.
    columns = np.ascontiguousarray(values.T) if values.shape[1] <= FEW_COLUMNS else values.T
    sizes = np.maximum(columns.max(axis=1, initial=0.0), -columns.min(axis=1, initial=0.0))
    return _Extremes(sizes, np.abs(targets).max(axis=1, initial=0.0), weight, rows, total)


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


@dataclass(frozen=True)
class FactorKernel(Kernel[list[Array]]):
    """Stacked rows, or their triangle once there are enough: [R z; 0 s] of the columns and targets, (up to 4 (P + k), P + k)."""

    writes_columns: ClassVar[bool] = True

    scales: Scales

    def map(self, block: Block) -> list[Array]:
        return [compress([scale_rows(block, self.scales).weighted()])]

    def merge(self, first: list[Array], second: list[Array]) -> list[Array]:
        stack = first + second
        size = stack[0].shape[1]
        return [compress(stack)] if sum(part.shape[0] for part in stack) > 4 * size else stack


def compress(stack: list[Array]) -> Array:
    """The R factor of stacked rows; fewer rows than twice the columns are left as they are."""
    rows = stack[0] if len(stack) == 1 else np.concatenate(stack)
    if len(stack) == 1 and rows.shape[0] <= 2 * rows.shape[1]:
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"))


def triangular_factor(rows: Rows, scales: Scales, held: ScaledRows | None) -> Array:
    """R of [sqrt(w) X, sqrt(w) Y] in scaled units: (min(n, P + k), P + k), upper triangular."""
    if held is not None:
        return _triangle(held.weighted())
    stack = rows.reduce(FactorKernel(scales))
    return np.asarray(np.linalg.qr(stack[0] if len(stack) == 1 else np.concatenate(stack), mode="r"))


def _triangle(rows: Array) -> Array:
    """R of rows that nobody else holds, in the order of columns: without the copies that NumPy's own QR takes, as long as the work where
    rows are few. It keeps Python's lock, so that it is for one block only."""
    from scipy.linalg.lapack import dgeqrf

    n, size = rows.shape
    factored = dgeqrf(rows, lwork=64 * size, overwrite_a=True)[0]
    return np.triu(np.ascontiguousarray(factored[: min(n, size)]))


def with_ridge(factor: Array, ridge: Array) -> Array:
    """The triangle with the rows of a ridge worked in. ridge (P,): its diagonal, in the units of the triangle."""
    if not ridge.any():
        return factor
    rows = np.zeros((len(ridge), factor.shape[1]))
    np.fill_diagonal(rows, np.sqrt(ridge))
    return np.asarray(np.linalg.qr(np.concatenate([factor, rows]), mode="r"))


def independent_columns(factor: Array, n_columns: int) -> tuple[Array, list[int], tuple[int, ...]]:
    """(R, kept, aliased): the triangle of the columns kept with the targets beside it, (size, len(kept) + k).

    A column is aliased if what is left of it after the kept columns before it is below 8 P eps times its norm, or no more than a change
    in the last digit of the columns could leave: |x_j - X c| <= 4 eps (|x_j| + sum |c_i| |x_i|), its distance from dependence column by
    column (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 20.1). Where large columns cancel, as a spline's do that
    add up to a column of mean 1e4 and spread 1, that is far more than eps times its own norm. The triangle is restored without the column,
    so that no later one is judged against rounding noise.
    """
    norms = np.sqrt(np.einsum("ij,ij->j", factor, factor))[:n_columns]
    if factor.shape[0] >= n_columns and (np.abs(factor.diagonal()[:n_columns]) > DOUBTFUL * norms).all():
        return factor, list(range(n_columns)), ()
    kept, aliased = list(range(n_columns)), list[int]()
    position = 0
    while (dependent := _first_dependent(factor, kept, position, norms)) is not None:
        position = dependent
        aliased.append(kept.pop(position))
        factor = np.delete(factor, position, axis=1)
        if position < factor.shape[0]:
            factor[position:, position:] = _retriangulate(factor[position:, position:])
    return factor, kept, tuple(aliased)


def _first_dependent(factor: Array, kept: list[int], first: int, norms: Array) -> int | None:
    """The first place from ``first`` on whose column the ones before it determine; all places before it are settled."""
    from scipy.linalg import solve_triangular

    size = norms[kept]
    pivots = np.zeros(len(kept))
    inside = min(len(kept), factor.shape[0])
    pivots[:inside] = np.abs(factor.diagonal()[:inside])
    for place in np.flatnonzero(~(pivots > DOUBTFUL * size)):
        if place < first:
            continue
        if not pivots[place] > ALIAS_TOLERANCE * len(norms) * size[place]:
            return int(place)
        combination = solve_triangular(factor[:place, :place], factor[:place, place], check_finite=False)
        if pivots[place] <= LAST_DIGITS * (size[place] + np.abs(combination) @ size[:place]):
            return int(place)
    return None


def _retriangulate(part: Array) -> Array:
    triangle = np.zeros_like(part)
    reduced = np.asarray(np.linalg.qr(part, mode="r"))
    triangle[: reduced.shape[0]] = reduced
    return triangle


@dataclass(frozen=True)
class SquaredFactor:
    """What the sums are made of, in scaled units: factor [R z; 0 s] of the kept columns and the targets. Holds no rows.

    coefficients (P, k), in the user's units: those the residuals are of. ridge (P,): the diagonal worked into R. squares (k,): the
    residuals' sums of squares, where they are known more exactly than the factor tells.
    """

    factor: Array
    kept: list[int]
    scales: Scales
    weights: WeightSums
    coefficients: Array
    intercept: bool
    ridge: Array
    squares: Array | None = None

    @property
    def is_accurate(self) -> bool:
        """Whether enough digits are left in the inverse of R."""
        size = len(self.kept)
        triangle = self.factor[:size, :size]
        norms = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
        return bool((np.abs(triangle.diagonal()) > SMALLEST_PIVOT * norms).all())

    def sums(self) -> SquaredSums:
        """Worked out when somebody looks: on small data this would take a fifth of the fit."""
        from scipy.linalg.lapack import dtrtri

        size, scales = len(self.kept), self.scales
        triangle, rest = self.factor[:size, :size], self.factor[:, size:]
        half = math.ldexp(1.0, scales.weight // 2) * (math.sqrt(2.0) if scales.weight % 2 else 1.0)
        root = np.zeros((len(scales.columns), size))
        if size:
            root[self.kept] = np.ldexp(np.triu(dtrtri(triangle)[0]), -scales.columns[self.kept, None]) / half
        left = rest.copy()
        with np.errstate(over="ignore"):
            scaled = np.ldexp(self.coefficients[self.kept], scales.columns[self.kept, None] - scales.targets[None, :])
            left[:size] -= triangle @ scaled
            # The ridge's own rows are no residuals.
            products = left.T @ left - (scaled * self.ridge[self.kept, None]).T @ scaled
            if self.squares is not None:
                np.fill_diagonal(products, self.squares)
            # The first row of an orthogonal triangle holds what an intercept explains.
            about = rest[1:] if self.intercept and self.kept[:1] == [0] else rest
            total, sizes = np.einsum("ij,ij->j", about, about), np.einsum("ij,ij->j", rest, rest)
            # What is rounding of the targets is nothing: a perfect fit leaves no squares, and a constant target has none to explain.
            total = without_rounding(total, sizes)
            np.fill_diagonal(products, without_rounding(np.diag(products), sizes))
            units = scales.targets
            products = np.ldexp(products, scales.weight + units[:, None] + units[None, :])
            return SquaredSums(root, products, np.ldexp(total, scales.weight + 2 * units), self.weights)


def factor_of_block(rows: Rows, block: Block, strength: float, coefficients: Array) -> SquaredFactor | None:
    """The sums of rows held as one block, for coefficients (P, k) that another solver found. strength: of a ridge on the squares.

    None where the triangle leaves too few digits, and where there are fewer rows than columns.
    """
    scales = find_scales(rows, block)
    ridge = scaled_ridge(scales, strength, rows.intercept)[0]
    factor = with_ridge(triangular_factor(rows, scales, scale_rows(block, scales)), ridge)
    if factor.shape[0] < rows.n_columns:
        return None
    factor, kept, aliased = independent_columns(factor, rows.n_columns)
    if aliased:
        return None
    found = SquaredFactor(
        factor, kept, scales, weight_sums(block.n_rows, block.weights, block.frequencies), coefficients, rows.intercept, ridge
    )
    return found if found.is_accurate else None
