"""The coefficient map: solvers see a free vector theta, with vec(B) = b0 + C theta and C sparse.

Predictors with an intercept only, aliased columns, fixed coefficients and equality constraints are all C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from gradline.base.types import Array, IntArray


@dataclass(frozen=True)
class CoefficientMap:
    """base: b0 as (P, k). matrix: C, sparse (P k, d), rows in the order of the columns of B stacked."""

    base: Array
    matrix: sparse.csr_array

    @classmethod
    def selecting(cls, free: np.ndarray[tuple[int, int], np.dtype[np.bool_]], base: Array | None = None) -> CoefficientMap:
        """The map whose theta is the free entries of B, (P, k); the others stay at their ``base``, zero unless given."""
        places = np.flatnonzero(free.T.ravel())
        ones = np.ones(len(places))
        matrix = sparse.csr_array((ones, (places, np.arange(len(places)))), shape=(free.size, len(places)))
        start = np.zeros(free.shape) if base is None else np.where(free, 0.0, base)
        return cls(start, matrix)

    @property
    def size(self) -> int:
        """d, the number of free coefficients."""
        return int(self.matrix.shape[1])

    def expand(self, theta: Array) -> Array:
        """theta (d,) -> B (P, k)."""
        step: Array = np.asarray(self.matrix @ theta)
        return self.base + step.reshape(self.base.shape[::-1]).T

    def contract(self, coefficients: Array) -> Array:
        """The theta whose B is nearest, (d,): exact where B can be reached."""
        reached = np.asarray(self.matrix.T @ (coefficients - self.base).T.ravel())
        gram = self.matrix.T @ self.matrix
        if gram.nnz == self.size and (gram.data == 1.0).all():
            return reached  # a selection
        return np.asarray(np.linalg.solve(gram.toarray(), reached))

    def restrict_gradient(self, gradient: Array) -> Array:
        """(P, k) -> (d,)."""
        return np.asarray(self.matrix.T @ gradient.T.ravel())

    def restrict_curvature(self, curvature: Array) -> Array:
        """(k P, k P) -> (d, d)."""
        return np.asarray(self.matrix.T @ (self.matrix.T @ curvature.T).T)

    def without(self, columns: tuple[int, ...]) -> CoefficientMap:
        """The map with the coefficients of some design columns held at their base, in every linear predictor."""
        size, k = self.base.shape
        rows = np.concatenate([np.asarray(columns, dtype=np.int64) + j * size for j in range(k)])
        touched: IntArray = np.unique(self.matrix[rows].nonzero()[1])
        return CoefficientMap(self.base, self.matrix[:, np.setdiff1d(np.arange(self.size), touched)])
