"""The design: the operator a block of rows applies between coefficients and linear predictors.

Kernels never index the columns themselves. They ask the design to predict, to take an adjoint or a Gram matrix, so a sparse or a
categorical design can take the place of a dense one without a second copy of any algorithm.

Products of many rows are written ``np.dot``: ``@`` keeps Python's lock where the result is small, and threads would wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from gradline.base.types import Array, IntArray


class Design(Protocol):
    """What a kernel may ask of the columns of a block (m rows, P columns, the intercept first where there is one)."""

    @property
    def n_rows(self) -> int: ...

    @property
    def n_columns(self) -> int: ...

    @property
    def intercept(self) -> bool: ...

    @property
    def sparse(self) -> bool:
        """Whether it holds what is not zero only, and is not to be written out or moved."""

    def predict(self, coefficients: Array) -> Array:
        """Linear predictors ``X B``: (P, k) -> (m, k)."""

    def adjoint(self, gradient: Array) -> Array:
        """``X' G``: (m, k) -> (P, k)."""

    def gram(self, curvature: Array | None) -> Array:
        """``sum_i H_i (x) x_i x_i'``: (m, k, k) -> (kP, kP), blocks ordered by linear predictor; None stands for H_i = 1."""

    def squares(self, weights: Array | None = None) -> Array:
        """The sum of each column's squares, (P,); with weights (m, k), ``sum_i w_ia x_ij^2``, (P, k)."""

    def row_squares(self) -> Array:
        """The sum of each row's squares, (m,)."""

    def largest(self) -> Array:
        """Each column's largest absolute value, (P,); zero without rows."""

    def column_moments(self, weights: Array) -> tuple[Array, Array, Array]:
        """Of columns weighted by (m,): mean; sum of squares about it; sum of squares about zero; (P,) each."""

    def absolute(self) -> Design:
        """The design of the columns' absolute values, by which sums of sizes are taken."""

    def take(self, rows: IntArray) -> Design:
        """The design of the given rows."""

    def changed(self, origin: Array, unit: Array) -> Design:
        """The design with column j at (x_j - origin_j) unit_j, (P,) each; only of the columns of ``numbers``, and not of the intercept."""

    def less_shares(self, places: IntArray, shares: Array, unit: Array) -> Design:
        """The design whose columns at ``places`` (c,) are (x_j - sum_k shares_kj x_k) unit_j, shares (P, c); only of columns of
        ``numbers``, and not of the intercept."""

    def beside(self, columns: Array) -> Design:
        """The design with columns (m, c) more, put last."""

    def numbers(self) -> Array:
        """The columns that are held as numbers, which come first, the intercept among them: (m, D)."""

    def slopes(self) -> Array:
        """The columns without the intercept, (m, p) float64, as they are held: a matrix of SciPy's where they are sparse."""

    def dense(self) -> Array:
        """The block as an (m, P) float64 array, intercept column included; for small blocks and compiled loops."""


def is_sparse(values: Any) -> bool:
    """Whether columns are held as a sparse matrix in compressed rows."""
    return hasattr(values, "indptr")


@dataclass(frozen=True, slots=True)
class DenseDesign:
    """Columns held as an array, with an intercept column that is never stored.

    ``values`` is (m, p) float64 in any memory order; P = p + 1 with an intercept, p without.
    """

    sparse: ClassVar[bool] = False

    values: Array
    intercept: bool

    @property
    def n_rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.values.shape[1]) + int(self.intercept)

    def predict(self, coefficients: Array) -> Array:
        if not self.intercept:
            return _product(self.values, coefficients)
        predictors = _product(self.values, coefficients[1:])
        predictors += coefficients[0]
        return predictors

    def adjoint(self, gradient: Array) -> Array:
        # This way round BLAS reads the block as it lies, also for several columns.
        slopes: Array = np.dot(self.values.T, gradient[:, 0])[:, None] if gradient.shape[1] == 1 else np.dot(gradient.T, self.values).T
        if not self.intercept:
            return slopes
        return np.concatenate([gradient.sum(axis=0)[None, :], slopes])

    def gram(self, curvature: Array | None) -> Array:
        if curvature is None:
            return self._weighted_gram(None)
        k = curvature.shape[1]
        if k == 1:
            return self._weighted_gram(curvature[:, 0, 0])
        size = self.n_columns
        if size <= min(PREDICTORS_A_COLUMN * k, MOST_PRODUCT_COLUMNS):
            return self._gram_of_products(curvature)
        total = np.zeros((k, size, k, size))
        for a in range(k):
            for b in range(a + 1):
                h = curvature[:, a, b]
                if a != b and not h.any():
                    continue
                part = self._weighted_gram(h)
                total[a, :, b, :] = part
                total[b, :, a, :] = part
        return total.reshape(k * size, k * size)

    def squares(self, weights: Array | None = None) -> Array:
        if weights is not None:
            return DenseDesign(np.square(self.values), self.intercept).adjoint(weights)
        slopes: Array = np.einsum("ij,ij->j", self.values, self.values)
        return np.append(float(self.n_rows), slopes) if self.intercept else slopes

    def largest(self) -> Array:
        slopes: Array = np.abs(self.values).max(axis=0, initial=0.0)
        return np.append(float(self.n_rows > 0), slopes) if self.intercept else slopes

    def row_squares(self) -> Array:
        return np.asarray(np.einsum("ij,ij->i", self.values, self.values) + float(self.intercept))

    def column_moments(self, weights: Array) -> tuple[Array, Array, Array]:
        return moments_of(self.dense(), weights)

    def absolute(self) -> DenseDesign:
        return DenseDesign(np.abs(self.values), self.intercept)

    def take(self, rows: IntArray) -> DenseDesign:
        return DenseDesign(self.values[rows], self.intercept)

    def changed(self, origin: Array, unit: Array) -> DenseDesign:
        first = int(self.intercept)
        values = np.subtract(self.values, origin[first:])
        values *= unit[first:]
        return DenseDesign(values, self.intercept)

    def less_shares(self, places: IntArray, shares: Array, unit: Array) -> DenseDesign:
        first = int(self.intercept)
        values = self.values.copy()
        own = values[:, places - first] - np.dot(self.values, shares[first:])
        values[:, places - first] = (own - shares[0] if self.intercept else own) * unit
        return DenseDesign(values, self.intercept)

    def beside(self, columns: Array) -> DenseDesign:
        return DenseDesign(np.concatenate([self.values, columns], axis=1), self.intercept)

    def slopes(self) -> Array:
        return self.values

    def numbers(self) -> Array:
        return self.dense()

    def dense(self) -> Array:
        if not self.intercept:
            return np.ascontiguousarray(self.values)
        full = np.empty((self.n_rows, self.n_columns))
        full[:, 0] = 1.0
        full[:, 1:] = self.values
        return full

    def _gram_of_products(self, curvature: Array) -> Array:
        """``gram`` by one product of matrices for all pairs of linear predictors: curvatures against products of two columns."""
        m, k, size = len(curvature), curvature.shape[1], self.n_columns
        first, second = np.triu_indices(size)
        step = max(64, PRODUCT_NUMBERS // (k * k + len(first)))
        total = np.zeros((k * k, len(first)))
        for start in range(0, m, step):
            rows = slice(start, start + step)
            columns = DenseDesign(self.values[rows], self.intercept).dense()
            total += np.dot(curvature[rows].reshape(-1, k * k).T, columns[:, first] * columns[:, second])
        full = np.empty((k, size, k, size))
        full[:, first, :, second] = full[:, second, :, first] = total.T.reshape(-1, k, k)
        return full.reshape(k * size, k * size)

    def _weighted_gram(self, h: Array | None) -> Array:
        values = self.values
        if h is None:
            core, first = np.dot(values.T, values), values.sum(axis=0)
            corner = float(self.n_rows)
        elif h.min(initial=0.0) < 0.0:
            # Two symmetric products, of the rows that curve upwards and of those that curve downwards.
            return self._weighted_gram(np.maximum(h, 0.0)) - self._weighted_gram(np.maximum(-h, 0.0))
        else:
            # A symmetric product costs half a general one; NumPy calls BLAS syrk when both factors are one buffer.
            with np.errstate(invalid="ignore"):  # a NaN hides rows that curve downwards from the question above
                root = np.sqrt(h)
            used = np.flatnonzero(root)
            # Rows beyond the bend of a robust loss have no curvature: copying the others costs what scaling all would.
            some = len(used) < MOSTLY_USED * len(root)
            if some:
                values, root = some_rows(values, used), root[used]
            scaled = values if (root == 1.0).all() else np.multiply(values, root[:, None], out=values if some else None)
            core, first, corner = np.dot(scaled.T, scaled), np.dot(scaled.T, root), float(h.sum())
        if not self.intercept:
            return np.asarray(core)
        full = np.empty((self.n_columns, self.n_columns))
        full[0, 0] = corner
        full[0, 1:] = full[1:, 0] = first
        full[1:, 1:] = core
        return full


def moments_of(columns: Array, weights: Array) -> tuple[Array, Array, Array]:
    """``Design.column_moments`` of columns (m, P) written out."""
    total = float(weights.sum())
    mean = np.dot(weights, columns) / total if total > 0 else np.zeros(columns.shape[1])
    return mean, np.dot(weights, np.square(columns - mean)), np.dot(weights, np.square(columns))


def weighted_gram(design: Design, curvature: Array, constant: tuple[bool, ...]) -> Array:
    """``design.gram(curvature)``; constant: which linear predictors have an intercept only, none where empty."""
    return gram_with_constants(design, curvature, constant) if any(constant) else design.gram(curvature)


def gram_with_constants(design: Design, curvature: Array, constant: tuple[bool, ...]) -> Array:
    """``design.gram(curvature)`` where some linear predictors have an intercept only, for which a product with a column is enough.

    constant: one flag a linear predictor. The design's first column is the intercept; entries of columns that such a predictor does not
    have are left zero.
    """
    k, size = len(constant), design.n_columns
    full, single = [j for j in range(k) if not constant[j]], [j for j in range(k) if constant[j]]
    total = np.zeros((k, size, k, size))
    places, columns = np.array(full), np.arange(size)
    part = design.gram(_picked(_picked(curvature, full, 1), full, 2))
    total[np.ix_(places, columns, places, columns)] = part.reshape(len(full), size, len(full), size)
    for a in single:
        for b in full:
            total[a, 0, b, :] = total[b, :, a, 0] = design.adjoint(curvature[:, a, b][:, None])[:, 0]
        for b in single:
            total[a, 0, b, 0] = float(curvature[:, a, b].sum())
    return total.reshape(k * size, k * size)


def adjoint_with_constants(design: Design, gradient: Array, constant: tuple[bool, ...]) -> Array:
    """``design.adjoint(gradient)`` where some linear predictors have an intercept only (see ``gram_with_constants``): (P, k)."""
    full = [j for j in range(len(constant)) if not constant[j]]
    total = np.zeros((design.n_columns, len(constant)))
    total[:, full] = design.adjoint(_picked(gradient, full, 1))
    total[0] = gradient.sum(axis=0)
    return total


def _picked(values: Array, places: list[int], axis: int) -> Array:
    """Some places along an axis; a view where it is a single one."""
    if len(places) > 1:
        return values.take(places, axis=axis)
    return values[(slice(None),) * axis + (slice(places[0], places[0] + 1),)]


PREDICTORS_A_COLUMN = 3
"""Columns for each linear predictor up to which all pairs of predictors are summed by one product of matrices: as measured, that is then
faster than a symmetric product for each pair, ten times and more where columns are few and classes many."""

MOST_PRODUCT_COLUMNS = 48

PRODUCT_NUMBERS = 2**17
"""Numbers of the factors of such a product, which stay near the core."""

MOSTLY_USED = 0.9
"""Share of rows with a weight in a Gram matrix from which the others are left in."""

FEW_COLUMNS = 3
"""Up to here BLAS multiplies a block by one column after another faster than by all at once, for which it would copy the block."""


def some_rows(values: np.ndarray[Any, Any], rows: IntArray) -> np.ndarray[Any, Any]:
    """Some rows, in the memory order of all: NumPy copies an array whole before it takes rows of one that lies by columns."""
    return values.T.take(rows, axis=1).T if values.strides[0] < values.strides[1] else values.take(rows, axis=0)


def _product(values: Array, coefficients: Array) -> Array:
    """``values @ coefficients``: (m, p), (p, k) -> (m, k), in the memory order of the coefficients. A predictor without slopes costs
    nothing."""
    k = coefficients.shape[1]
    if k == 1:
        return np.asarray(np.dot(values, coefficients[:, 0])[:, None])
    used = np.flatnonzero(coefficients.any(axis=0))
    if used.size > FEW_COLUMNS and coefficients.strides[0] < coefficients.strides[1]:
        return np.asarray(np.dot(coefficients.T, values.T)).T
    if used.size > FEW_COLUMNS:
        return np.asarray(np.dot(values, coefficients))
    # Column by column, as they are written here and read by losses of several predictors.
    product = np.zeros((k, len(values))).T
    for j in used:
        product[:, j] = np.dot(values, np.ascontiguousarray(coefficients[:, j]))
    return product
