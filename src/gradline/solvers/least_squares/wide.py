"""Least squares of very many columns in the memory of one Gram matrix: filled a panel at a time, factored in place, corrected by residuals.

A pass for a panel of columns costs what its share of the Gram matrix costs, and no thread holds more than a panel. The Cholesky factor
takes the Gram matrix's place. What normal equations lose beside QR is won back by corrections, as for a sparse matrix (``sparse_columns``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array
from gradline.linalg.double_double import UNIT
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.refinement import claimed_digits
from gradline.solvers.least_squares.sparse_columns import LAST_DIGIT, MOST_CORRECTIONS, ResidualsKernel
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.squared_sums import SquaredSums, WeightSums, weight_sums_of, without_rounding

WIDE = 1000
"""Columns from which the memory of a few Gram matrices is worth saving."""

PANEL, PANELS = 64, 32
"""Columns of a panel at least, and panels at most: threads hold a few between them."""

SMALLEST_PIVOT = 1e-4
"""Of a column about its mean: rounding enters standard errors divided by its square, so that eight digits are left."""

CERTAIN = 8.0
"""Times the last correction: it is rounding, of the same kind and size as what is left."""


@dataclass(frozen=True)
class _MeansKernel(Kernel[Array]):
    """Weighted sums of the design's columns, then of the targets less their offset: (P + q,)."""

    def map(self, block: Block) -> Array:
        weights = block.weight_of_each_row
        targets = block.targets_less_offset
        targets = np.where(weights[:, None] > 0, targets, 0.0)
        return np.concatenate([block.design.adjoint(weights[:, None])[:, 0], weights @ targets])

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


@dataclass(frozen=True)
class PanelKernel(Kernel[Array]):
    """Rows first to last of the Gram matrix of the columns about their origin (P,), from the diagonal on."""

    origin: Array
    first: int
    last: int

    def map(self, block: Block) -> Array:
        values = block.design.changed(self.origin, np.ones_like(self.origin)).slopes()
        left = values[:, self.first : self.last]
        if block.row_weights is not None:
            left = block.row_weights[:, None] * left
        return np.asarray(np.dot(left.T, values[:, self.first :]))

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


def is_wide(rows: Rows, strength: float) -> bool:
    """Whether rows are for this way: dense in memory, and no fewer than the columns or with a ridge."""
    held = rows.resident and not rows.sparse_columns and not rows.coded_levels
    return held and rows.n_columns >= WIDE and (rows.n_rows > rows.n_columns or strength > 0)


def solve_wide(rows: Rows, strength: float) -> Solution | None:
    """The minimum of ``sum f w |y - X b|^2 / sum f w + strength / 2 sum b^2``; None where QR is needed to tell columns apart."""
    from scipy.linalg import cho_solve

    first, size, k = int(rows.intercept), rows.n_columns, rows.n_targets
    weights = weight_sums_of(rows)
    means = rows.reduce(_MeansKernel()) / weights.weight
    origin = np.where(np.arange(size) < first, 0.0, means[:size]) if first else np.zeros(size)
    ridge = weights.weight * strength / 2.0
    found = _factor(rows, origin, ridge)
    if found is None:
        return None
    lower, unit = found

    def solved(right: Array) -> Array:
        """The inverse of X' W X with the ridge, times (P, c)."""
        slopes = right[first:] - origin[first:, None] * right[:1] if first else right
        slopes = cho_solve((lower, True), slopes / unit[:, None], check_finite=False) / unit[:, None]
        if not first:
            return np.asarray(slopes)
        return np.concatenate([(right[:1] / weights.weight - origin[1:] @ slopes), slopes])

    charged = np.where(np.arange(size) < first, 0.0, ridge)[:, None]
    b = np.zeros((size, k))
    b[:first] = means[size:]
    at, last, converged, total = rows.reduce(ResidualsKernel(b)), np.inf, False, np.zeros(0)
    for passes in range(MOST_CORRECTIONS + 2):
        if passes == 0:
            total = np.diag(at.products).copy()
        step = solved(at.gradient - charged * b)
        if not np.isfinite(step).all():
            return None
        length = float(np.abs(step[first:] * unit[:, None]).max(initial=0.0))
        reach = float(np.abs(b[first:] * unit[:, None]).max(initial=0.0))
        if passes and (length <= LAST_DIGIT * reach or length > 0.5 * last):
            converged = length <= 1e-10 * reach
            break
        b, last = b + step, length
        at = rows.reduce(ResidualsKernel(b))
    if not converged:
        return None
    left = at.gradient - charged * b
    objective = float(np.trace(at.products)) / weights.weight + strength / 2.0 * float(np.square(b[first:]).sum())
    norm = float(np.linalg.norm(left)) * 2.0 / weights.weight
    certificate = Certificate(True, norm, "normal equations solved, and corrected by residuals")
    error = np.full_like(b, 2.0 * UNIT) * np.abs(b)
    error[first:] += CERTAIN * length / unit[:, None]
    error[:first] += np.abs(origin[first:]) @ error[first:]
    squares = total + weights.weight * np.square(means[size:]) * first
    products = at.products
    np.fill_diagonal(products, without_rounding(np.diag(products), squares))
    sums = WideFactor(lower, unit, origin, first, products, without_rounding(total, squares), weights)
    return Solution(
        b, objective, "least_squares", certificate, passes - (-size // _width(size)) + 2, digits=claimed_digits(b, error), sums=sums
    )


def _width(size: int) -> int:
    """Columns of a panel."""
    return max(PANEL, -(-size // PANELS))


def _factor(rows: Rows, origin: Array, ridge: float) -> tuple[Array, Array] | None:
    """(lower Cholesky factor of the Gram matrix about the origin at unit diagonal, roots of the diagonal); None for a pivot too small."""
    from scipy.linalg.lapack import dpotrf

    size = rows.n_columns - int(rows.intercept)
    gram = np.empty((size, size))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, size, _width(size)):
            stop = min(start + _width(size), size)
            gram[start:stop, start:] = rows.reduce(PanelKernel(origin, start, stop))
    spread = np.diag(gram).copy()
    if not (np.isfinite(spread).all() and (spread > 0).all()):
        return None
    gram[np.diag_indices(size)] += ridge
    unit = np.sqrt(spread + ridge)
    gram /= unit[:, None]
    gram /= unit
    # Read by columns, what is filled is the lower triangle: LAPACK takes it as it lies.
    lower, failed = dpotrf(gram.T, lower=1, clean=0, overwrite_a=1)
    return (lower, unit) if failed == 0 and (np.diag(lower) > SMALLEST_PIVOT).all() else None


@dataclass(frozen=True, eq=False)
class WideFactor:
    """What standard errors are made of. lower (p, p): the Cholesky factor at unit diagonal; unit (p,); origin (P,); first: whether there is
    an intercept; products (k, k) and total_squares (k,) as ``SquaredSums`` has them. Holds no rows."""

    lower: Array
    unit: Array
    origin: Array
    first: int
    products: Array
    total_squares: Array
    weights: WeightSums

    def sums(self) -> SquaredSums:
        """Worked out when somebody looks, which takes another matrix of this size."""
        from scipy.linalg.lapack import dtrtri

        inverse = dtrtri(self.lower, lower=1)[0]
        size = len(inverse) + self.first
        root = np.zeros((size, size))
        slopes = root[self.first :, self.first :]
        for i, unit in enumerate(self.unit):
            # A row at a time: what stands in the other triangle is no part of the inverse, and a copy would be as large as all of it.
            slopes[i, i:] = inverse[i:, i] / unit
        if self.first:
            root[0, 0], root[0, 1:] = 1.0 / np.sqrt(self.weights.weight), -(self.origin[1:] @ slopes)
        return SquaredSums(root, self.products, self.total_squares, self.weights)
