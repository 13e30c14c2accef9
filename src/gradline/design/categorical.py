"""The design of one categorical variable, kept as codes: ten thousand levels never become ten thousand columns of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign

Codes = npt.NDArray[np.int32]
_Total = Callable[[Array | None], Array]


@dataclass(frozen=True, slots=True)
class CategoricalDesign:
    """Column j of row i is ``values[i]`` where ``codes[i] == j`` and zero elsewhere.

    codes (m,) int32, -1 for a row with no column of its own (the reference level). n_columns: L, the levels without the reference.
    values (m,), for a slope a level; None for ones.
    """

    codes: Codes
    n_columns: int
    values: Array | None = None

    @property
    def n_rows(self) -> int:
        return int(self.codes.shape[0])

    def predict(self, coefficients: Array) -> Array:
        # Code -1 picks the row of zeros put last.
        table = np.concatenate([coefficients, np.zeros((1, coefficients.shape[1]))])
        predictors: Array = table[self.codes]
        if self.values is not None:
            predictors *= self.values[:, None]
        return predictors

    def adjoint(self, gradient: Array) -> Array:
        bins = self._bins()
        return np.stack([self._sums(bins, gradient[:, a]) for a in range(gradient.shape[1])], axis=1)

    def gram(self, curvature: Array | None) -> Array:
        """The (kL, kL) matrix with its zeros written out; ``diagonal`` holds all there is in it."""
        blocks = self.diagonal(curvature)
        size, k = blocks.shape[:2]
        full = np.zeros((k, size, k, size))
        level = np.arange(size)
        for a in range(k):
            for b in range(k):
                full[a, level, b, level] = blocks[:, a, b]
        return full.reshape(k * size, k * size)

    def diagonal(self, curvature: Array | None) -> Array:
        """``sum_i H_i x_ij^2`` for each column j: (m, k, k) -> (L, k, k); two levels never meet in one row. None stands for H_i = 1."""
        bins = self._bins()
        squared = None if self.values is None else np.square(self.values)

        def total(h: Array | None) -> Array:
            if squared is None:
                return self._count(bins, h)
            return self._count(bins, squared if h is None else squared * h)

        return _symmetric(curvature, total)

    def cross_dense(self, other: DenseDesign, curvature: Array | None) -> Array:
        """``sum_i x_ij H_i z_i'`` with the rows z of a dense design of P columns: (m, k, k) -> (L, k, k, P)."""
        bins, first = self._bins(), int(other.intercept)

        def total(h: Array | None) -> Array:
            weights = _product(self.values, h)
            sums = np.empty((self.n_columns, other.n_columns))
            if other.intercept:
                sums[:, 0] = self._count(bins, weights)
            for j in range(other.values.shape[1]):
                column = other.values[:, j]
                sums[:, first + j] = self._count(bins, column if weights is None else weights * column)
            return sums

        return _symmetric(curvature, total)

    def cross_categorical(self, other: CategoricalDesign, curvature: Array | None) -> Array:
        """``sum_i x_ij H_i z_il`` with the columns l of another categorical: (m, k, k) -> (L, k, k, L')."""
        size = other.n_columns + 1
        pairs = self._bins() * size + other._bins()
        both = _product(self.values, other.values)

        def total(h: Array | None) -> Array:
            weights = _product(both, h)
            sums = np.bincount(pairs, weights, minlength=(self.n_columns + 1) * size).reshape(-1, size)
            return np.asarray(sums[1:, 1:], dtype=np.float64)

        return _symmetric(curvature, total)

    def squares(self, weights: Array | None = None) -> Array:
        if weights is not None:
            squared = CategoricalDesign(self.codes, self.n_columns, None if self.values is None else np.square(self.values))
            return squared.adjoint(weights)
        return self.diagonal(None)[:, 0, 0]

    def largest(self) -> Array:
        found = np.zeros(self.n_columns + 1)
        np.maximum.at(found, self._bins(), 1.0 if self.values is None else np.abs(self.values))
        return found[1:]

    def absolute(self) -> CategoricalDesign:
        return self if self.values is None else CategoricalDesign(self.codes, self.n_columns, np.abs(self.values))

    def take(self, rows: IntArray) -> CategoricalDesign:
        return CategoricalDesign(self.codes[rows], self.n_columns, None if self.values is None else self.values[rows])

    def changed(self, origin: Array, unit: Array) -> CategoricalDesign:
        return self

    def less_shares(self, places: IntArray, shares: Array, unit: Array) -> CategoricalDesign:
        return self

    def numbers(self) -> Array:
        return np.zeros((self.n_rows, 0))

    def dense(self) -> Array:
        full = np.zeros((self.n_rows, self.n_columns))
        rows = np.flatnonzero(self.codes >= 0)
        full[rows, self.codes[rows]] = 1.0 if self.values is None else self.values[rows]
        return full

    def _bins(self) -> IntArray:
        """Codes moved up by one, so that the reference has a bin to throw away."""
        return self.codes.astype(np.int64) + 1

    def _sums(self, bins: IntArray, column: Array) -> Array:
        return self._count(bins, column if self.values is None else self.values * column)

    def _count(self, bins: IntArray, weights: Array | None) -> Array:
        return np.bincount(bins, weights, minlength=self.n_columns + 1)[1:].astype(np.float64, copy=False)


def _product(first: Array | None, second: Array | None) -> Array | None:
    """A product in which None stands for ones."""
    if first is None:
        return second
    return first if second is None else first * second


def _symmetric(curvature: Array | None, total: _Total) -> Array:
    """``total(H_ab)`` for every pair of linear predictors: an array (L, ...) becomes (L, k, k, ...), once for both orders of a pair."""
    if curvature is None:
        return total(None)[:, None, None]
    k = curvature.shape[1]
    if k == 1:
        return total(curvature[:, 0, 0])[:, None, None]
    found: Array | None = None
    for a in range(k):
        for b in range(a + 1):
            h = curvature[:, a, b]
            if a != b and not h.any():
                continue
            part = total(h)
            if found is None:
                found = np.zeros((len(part), k, k, *part.shape[1:]))
            found[:, a, b] = found[:, b, a] = part
    assert found is not None
    return found
