"""The coefficient map: solvers see a free vector theta, with vec(B) = b0 + C theta and C sparse.

Predictors with an intercept only, aliased columns, fixed coefficients and equality constraints are all C.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from gradline.base.types import Array, IntArray


@dataclass(frozen=True, eq=False)
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

    @classmethod
    def identified(
        cls,
        free: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
        directions: Array,
        columns: np.ndarray[tuple[int], np.dtype[np.bool_]],
    ) -> CoefficientMap:
        """The map of the free entries of B, (P, k), that leaves out what no row's loss changes with: of a column's coefficients, those
        across the directions, (k, r). So B is the smallest, by its sum of squares, of all that have the same loss.

        columns (P,): where that is to be decided; a penalty decides for the others.
        """
        size = len(free)
        bases = dict[bytes, Array]()
        rows, entries, places, count = [], [], [], 0
        for p in range(size):
            used = np.flatnonzero(free[p])
            if not used.size:
                continue
            key = free[p].tobytes() + bytes([int(columns[p])])
            if key not in bases:
                bases[key] = _across(inside(directions, free[p]), free[p]) if columns[p] else np.eye(used.size)
            basis = bases[key]
            for column in basis.T:
                kept = np.flatnonzero(column)
                rows.append(used[kept] * size + p)
                entries.append(column[kept])
                places.append(np.full(kept.size, count))
                count += 1
        if not count:
            return cls(np.zeros(free.shape), sparse.csr_array((free.size, 0)))
        where = (np.concatenate(rows), np.concatenate(places))
        return cls(np.zeros(free.shape), sparse.csr_array((np.concatenate(entries), where), shape=(free.size, count)))

    @property
    def size(self) -> int:
        """d, the number of free coefficients."""
        return int(self.matrix.shape[1])

    def expand(self, theta: Array) -> Array:
        """theta (d,) -> B (P, k)."""
        step: Array = theta if self._is_identity else np.asarray(self.matrix @ theta)
        return self.base + step.reshape(self.base.shape[::-1]).T

    def contract(self, coefficients: Array) -> Array:
        """The theta whose B is nearest, (d,): exact where B can be reached."""
        moved = (coefficients - self.base).T.ravel()
        if self._is_identity:
            return moved
        reached = np.asarray(self.matrix.T @ moved)
        gram = self.matrix.T @ self.matrix
        if gram.nnz == self.size and (gram.data == 1.0).all():
            return reached  # a selection
        if self.size <= 1000:
            return np.asarray(np.linalg.solve(gram.toarray(), reached))
        from scipy.sparse.linalg import spsolve

        return np.asarray(spsolve(gram.tocsc(), reached))

    @cached_property
    def _is_identity(self) -> bool:
        """Whether C is the identity: every coefficient is free. Sparse products of a few columns cost more than a fit's arithmetic."""
        size, free = self.matrix.shape
        if size != free or self.matrix.nnz != size:
            return False
        return bool((self.matrix.data == 1.0).all() and np.array_equal(self.matrix.indices, np.arange(size)))

    def restrict_gradient(self, gradient: Array) -> Array:
        """(P, k) -> (d,)."""
        if self._is_identity:
            return gradient.T.ravel().copy()
        return np.asarray(self.matrix.T @ gradient.T.ravel())

    def restrict_diagonal(self, diagonal: Array) -> Array:
        """The diagonal (P, k) of a curvature that has no other entries: (d,)."""
        return np.asarray(self.matrix.power(2).T @ diagonal.T.ravel())

    @property
    def predictors(self) -> IntArray:
        """The linear predictor that each free coefficient moves most, (d,)."""
        size, k = self.base.shape
        sizes = np.stack([np.asarray(abs(self.matrix[j * size : (j + 1) * size]).sum(axis=0)).ravel() for j in range(k)])
        return np.asarray(sizes.argmax(axis=0), dtype=np.int64)

    def restrict_curvature(self, curvature: Array) -> Array:
        """(k P, k P) -> (d, d)."""
        if self._is_identity:
            return curvature.copy()
        return np.asarray(self.matrix.T @ (self.matrix.T @ curvature.T).T)

    def without(self, columns: tuple[int, ...]) -> CoefficientMap:
        """The map with the coefficients of some design columns held at their base, in every linear predictor."""
        size, k = self.base.shape
        rows = np.concatenate([np.asarray(columns, dtype=np.int64) + j * size for j in range(k)])
        touched: IntArray = np.unique(self.matrix[rows].nonzero()[1])
        return CoefficientMap(self.base, self.matrix[:, np.setdiff1d(np.arange(self.size), touched)])


def inside(directions: Array, free: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """An orthonormal basis (k, s) of the directions (k, r) that move free predictors, (k,), alone."""
    held = directions[~free]
    if not held.size:
        return directions
    _, singular, vectors = np.linalg.svd(held)
    return np.asarray(directions @ vectors[int((singular > 1e-9).sum()) :].T)


def _across(directions: Array, free: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """An orthonormal basis (f, f - s) of what is across directions (k, s) inside the f free predictors: by a full QR."""
    basis: Array = np.linalg.qr(directions[free], mode="complete")[0][:, directions.shape[1] :]
    return np.where(np.abs(basis) < 1e-15, 0.0, basis)
