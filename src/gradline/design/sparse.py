"""The design of a sparse matrix: it is never written out, and never centred.

Only what is not zero is held and multiplied. An intercept is a border of the operator, and whoever wants other origins and units of the
columns puts a rank-one shift and a diagonal around its products. Products release Python's lock, so that blocks run on threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_array, hstack

from gradline.base.types import Array, IntArray

LARGEST_INT32 = 2**31 - 1

try:
    from scipy.sparse._sparsetools import csr_matmat, csr_todense
except ImportError:  # SciPy keeps these to itself, and may move them
    csr_matmat = csr_todense = None

PANELS = 4
"""A Gram matrix is symmetric, and is taken in so many panels of rows, each from its diagonal on."""

FEWEST_IN_PANELS = 200
"""Columns below which panels save nothing."""


@dataclass(frozen=True, slots=True)
class SparseDesign:
    """A matrix (m, p) in compressed rows, without duplicates, and an intercept column that is never stored; P = p + 1 with an intercept."""

    sparse: ClassVar[bool] = True

    matrix: csr_array
    intercept: bool

    @property
    def n_rows(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.matrix.shape[1]) + int(self.intercept)

    def predict(self, coefficients: Array) -> Array:
        first = int(self.intercept)
        if coefficients.shape[1] == 1:
            predictors = np.asarray(self.matrix @ coefficients[first:, 0])[:, None]
        else:
            predictors = np.asarray(self.matrix @ np.ascontiguousarray(coefficients[first:]))
        if self.intercept:
            predictors += coefficients[0]
        return predictors

    def adjoint(self, gradient: Array) -> Array:
        if gradient.shape[1] == 1:
            slopes = np.asarray(self.matrix.T @ gradient[:, 0])[:, None]
        else:
            slopes = np.asarray(self.matrix.T @ np.ascontiguousarray(gradient))
        return np.concatenate([gradient.sum(axis=0)[None, :], slopes]) if self.intercept else slopes

    def gram(self, curvature: Array | None) -> Array:
        across = self.matrix.T.tocsr()
        if curvature is None:
            return self._weighted_gram(across, None)
        k = curvature.shape[1]
        if k == 1:
            return self._weighted_gram(across, curvature[:, 0, 0])
        size = self.n_columns
        total = np.zeros((k, size, k, size))
        for a in range(k):
            for b in range(a + 1):
                h = curvature[:, a, b]
                if a == b or h.any():
                    total[a, :, b, :] = total[b, :, a, :] = self._weighted_gram(across, h)
        return total.reshape(k * size, k * size)

    def squares(self, weights: Array | None = None) -> Array:
        squared = self._with_data(np.square(self.matrix.data))
        if weights is not None:
            return SparseDesign(squared, self.intercept).adjoint(weights)
        slopes = np.asarray(squared.sum(axis=0), dtype=np.float64).ravel()
        return np.append(float(self.n_rows), slopes) if self.intercept else slopes

    def row_squares(self) -> Array:
        """The sum of each row's squares, (m,)."""
        return np.asarray(self._with_data(np.square(self.matrix.data)).sum(axis=1), dtype=np.float64).ravel() + float(self.intercept)

    def largest(self) -> Array:
        slopes = np.zeros(self.matrix.shape[1])
        np.maximum.at(slopes, self.matrix.indices, np.abs(self.matrix.data))
        return np.append(float(self.n_rows > 0), slopes) if self.intercept else slopes

    def column_moments(self, weights: Array) -> tuple[Array, Array, Array]:
        """Of columns weighted by (m,): mean; squares about it; squares about zero; (P,) each, without a difference of large sums."""
        total, size = float(weights.sum()), self.matrix.shape[1]
        entry = np.repeat(weights, np.diff(self.matrix.indptr))
        places, data = self.matrix.indices, self.matrix.data

        def sums(values: Array) -> Array:
            # Of nothing NumPy counts in integers.
            return np.bincount(places, values, size).astype(np.float64, copy=False)

        mean = sums(entry * data) / total if total > 0 else np.zeros(size)
        about = sums(entry * np.square(data - mean[places])) + np.maximum(total - sums(entry), 0.0) * np.square(mean)
        squares = sums(entry * np.square(data))
        if not self.intercept:
            return mean, about, squares
        return np.append(1.0, mean), np.append(0.0, about), np.append(total, squares)

    def absolute(self) -> SparseDesign:
        return SparseDesign(self._with_data(np.abs(self.matrix.data)), self.intercept)

    def take(self, rows: IntArray) -> SparseDesign:
        return SparseDesign(self.matrix[rows], self.intercept)

    def changed(self, origin: Array, unit: Array) -> SparseDesign:
        """Itself: no column is among ``numbers``."""
        return self

    def less_shares(self, places: IntArray, shares: Array, unit: Array) -> SparseDesign:
        """Itself, for the same reason."""
        return self

    def beside(self, columns: Array) -> SparseDesign:
        """With columns (m, c) more, put last."""
        return SparseDesign(csr_array(hstack([self.matrix, csr_array(columns)], format="csr")), self.intercept)

    def numbers(self) -> Array:
        """None: a column that is moved is no longer sparse."""
        return np.zeros((self.n_rows, 0))

    def slopes(self) -> Any:
        return self.matrix

    def dense(self) -> Array:
        full = np.empty((self.n_rows, self.n_columns))
        if self.intercept:
            full[:, 0] = 1.0
        full[:, int(self.intercept) :] = self.matrix.toarray()
        return full

    def _with_data(self, data: Array) -> csr_array:
        return _assembled(data, self.matrix.indices, self.matrix.indptr, self.matrix.shape)

    def _weighted_gram(self, across: csr_array, h: Array | None) -> Array:
        """across: the matrix by columns."""
        weighted = across if h is None else _assembled(across.data * h[across.indices], across.indices, across.indptr, across.shape)
        core = _symmetric_product(weighted, across, self.matrix)
        if not self.intercept:
            return core
        full = np.empty((self.n_columns, self.n_columns))
        full[0, 0] = float(self.n_rows) if h is None else float(h.sum())
        full[0, 1:] = full[1:, 0] = np.asarray(weighted.sum(axis=1), dtype=np.float64).ravel()
        full[1:, 1:] = core
        return full


def _symmetric_product(weighted: csr_array, across: csr_array, matrix: csr_array) -> Array:
    """``weighted @ matrix``, (p, p), of which the part below the diagonal is that above it; across: the matrix by columns."""
    size = matrix.shape[1]
    panels = PANELS if size >= FEWEST_IN_PANELS else 1
    full = np.empty((size, size))
    for panel in range(panels):
        start, stop = size * panel // panels, size * (panel + 1) // panels
        rest = matrix if start == 0 else across[start:].T.tocsr()
        part = dense_product(weighted[start:stop], rest)
        full[start:stop, start:] = part
        full[stop:, start:stop] = part[:, stop - start :].T
    return full


def dense_product(first: csr_array, second: csr_array) -> Array:
    """``(first @ second).toarray()``. SciPy's own loop is called where it is found: ``@`` runs it once more to count what it will fill."""
    if csr_matmat is None or first.indices.dtype != second.indices.dtype:
        return np.asarray((first @ second).toarray())
    m, p = first.shape[0], second.shape[1]
    index = first.indices.dtype
    most = int(min(m * p, np.diff(second.indptr)[first.indices].sum(dtype=np.int64)))
    starts, places, values = np.empty(m + 1, dtype=index), np.empty(most, dtype=index), np.empty(most)
    ends = [part.astype(index, copy=False) for part in (first.indptr, second.indptr)]
    csr_matmat(m, p, ends[0], first.indices, first.data, ends[1], second.indices, second.data, starts, places, values)
    full = np.zeros((m, p))
    csr_todense(m, p, starts, places, values, full)
    return full


def rows_between(matrix: csr_array, start: int, stop: int) -> csr_array:
    """Consecutive rows, as float64; nothing is copied where they are that already."""
    first, last = int(matrix.indptr[start]), int(matrix.indptr[stop])
    data = np.asarray(matrix.data[first:last], dtype=np.float64)
    return _assembled(data, matrix.indices[first:last], matrix.indptr[start : stop + 1] - first, (stop - start, matrix.shape[1]))


def _assembled(data: Array, indices: IntArray, indptr: IntArray, shape: tuple[int, ...]) -> csr_array:
    """A matrix of the parts of one that has been checked: without duplicates and out-of-range places.

    The parts are put in place of an empty matrix's, since SciPy copies them where they are a smaller part of what they lie in.
    """
    found = csr_array(shape, dtype=np.float64)
    # Places of 64 bits stay where 32 do not hold them.
    index = np.int32 if shape[1] < LARGEST_INT32 and len(data) < LARGEST_INT32 else np.int64
    found.data, found.indices = data, indices.astype(index, copy=False)
    found.indptr = indptr.astype(index, copy=False)
    found.has_canonical_format = True
    return found
