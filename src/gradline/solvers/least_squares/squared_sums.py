"""What least squares leaves behind of the rows: the sums from which classical standard errors follow, without another pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.scaled_rows import Scales, find_scales, scale_rows, scaled_ridge
from gradline.solvers.least_squares.triangular_factor import independent_columns, triangular_factor, with_ridge

SMALLEST_PIVOT = 1e-4
"""Of a triangle's columns at unit length: rounding enters the inverse divided by it, so that at least eleven digits are left."""


ROUNDING = 16.0 * 2.0**-52
"""Of the root mean square of the targets: up to which what a fit leaves of them is rounding."""


def without_rounding(squares: Array, sizes: Array) -> Array:
    """Sums of squares (q,), with zero for those that are rounding beside the sums of squares of the targets themselves.

    R warns of such an "essentially perfect fit" (summary.lm).
    """
    return np.asarray(np.where(squares <= ROUNDING**2 * sizes, 0.0, squares))


@dataclass(frozen=True)
class SquaredSums:
    """root (P, d): (X' F W X + ridge)^-1 = root root', zero rows for aliased columns. products (q, q): of weighted residuals.
    total_squares (q,): of the targets less the offset, about their weighted mean with an intercept and about zero without. weights."""

    root: Array
    products: Array
    total_squares: Array
    weights: WeightSums


class WeightSums(NamedTuple):
    """rows: those of positive weight; copies: sum f over them; weight: sum f w; log_weight: sum f log w."""

    rows: int
    copies: float
    weight: float
    log_weight: float


def weight_sums_of(rows: Rows) -> WeightSums:
    """Of all rows: a glance where weights lie in memory, otherwise a pass."""
    known = rows.row_columns
    return rows.reduce(WeightSumsKernel()) if known is None else weight_sums(rows.n_rows, known.weights, known.frequencies)


def weight_sums(n: int, weights: Array | None, frequencies: Array | None) -> WeightSums:
    """Of n rows with weights and frequencies (n,), None for ones."""
    if weights is None and frequencies is None:
        return WeightSums(n, float(n), float(n), 0.0)
    counts = np.ones(n) if frequencies is None else frequencies
    if weights is None:
        return WeightSums(int(np.count_nonzero(counts)), float(counts.sum()), float(counts.sum()), 0.0)
    used = (weights > 0) & (counts > 0)
    counts, weights = counts[used], weights[used]
    return WeightSums(int(used.sum()), float(counts.sum()), float(counts @ weights), float(counts @ np.log(weights)))


@dataclass(frozen=True)
class WeightSumsKernel(Kernel[WeightSums]):
    """The same by a pass."""

    def map(self, block: Block) -> WeightSums:
        return weight_sums(block.n_rows, block.weights, block.frequencies)

    def merge(self, first: WeightSums, second: WeightSums) -> WeightSums:
        (rows, *sums), (more, *others) = first, second
        return WeightSums(rows + more, *(a + b for a, b in zip(sums, others, strict=True)))


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
