"""Gram matrices that are block diagonal but for a border: what a categorical beside other columns gives.

The blocks of the categorical are eliminated first (a Schur complement), so that a system of ten thousand levels and five other columns
costs ten thousand divisions and a solve of size five. Golub and Van Loan 2013, Matrix Computations, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradline.base.types import Array, IntArray

ALIASED = 1e-10
"""A column is aliased when eliminating the others leaves less than this part of its own sum of squares: half the digits of a double
are gone by then, since a Gram matrix squares the condition."""


@dataclass
class BorderedGram:
    """``sum_i H_i (x) x_i x_i'`` with the columns of one categorical kept apart.

    diagonal (L, k, k): the categorical with itself, level by level. border (L, k, k, R): the categorical with the R other columns.
    corner (k R, k R): the others, blocks ordered by linear predictor. first: the categorical's first place among the P = L + R columns.
    Sums over blocks of rows are sums of these; ``dense`` writes out the (kP, kP) matrix of ``Design.gram``.
    """

    diagonal: Array
    border: Array
    corner: Array
    first: int

    @property
    def n_columns(self) -> int:
        """P."""
        return int(self.border.shape[0] + self.border.shape[3])

    @property
    def n_predictors(self) -> int:
        """The number of linear predictors, k."""
        return int(self.diagonal.shape[1])

    def __iadd__(self, other: BorderedGram) -> BorderedGram:
        self.diagonal += other.diagonal
        self.border += other.border
        self.corner += other.corner
        return self

    def __add__(self, other: BorderedGram) -> BorderedGram:
        total = self.copy()
        total += other
        return total

    def __truediv__(self, divisor: float) -> BorderedGram:
        return BorderedGram(self.diagonal / divisor, self.border / divisor, self.corner / divisor, self.first)

    def copy(self) -> BorderedGram:
        """The same numbers in arrays of their own."""
        return BorderedGram(self.diagonal.copy(), self.border.copy(), self.corner.copy(), self.first)

    def diagonal_entries(self) -> Array:
        """The diagonal of the full matrix, as coefficients are shaped: (P, k)."""
        found = np.empty((self.n_columns, self.n_predictors))
        k = self.n_predictors
        found[self._levels] = np.einsum("jaa->ja", self.diagonal)
        found[self._others] = np.diag(self.corner).reshape(k, -1).T
        return found

    def plus_diagonal(self, values: Array) -> BorderedGram:
        """With (P, k) numbers added on the diagonal: a ridge, or damping."""
        found, k = self.copy(), self.n_predictors
        for a in range(k):
            found.diagonal[:, a, a] += values[self._levels, a]
        found.corner[np.diag_indices_from(found.corner)] += values[self._others].T.ravel()
        return found

    def holding(self, held: npt.NDArray[np.bool_]) -> BorderedGram:
        """With the rows and columns of some coefficients, (P, k), replaced by those of the identity: a step leaves these alone."""
        if not held.any():
            return self
        found, k = self.copy(), self.n_predictors
        inner, outer = held[self._levels], held[self._others]
        found.diagonal[inner[:, :, None] | inner[:, None, :]] = 0.0
        for a in range(k):
            found.diagonal[inner[:, a], a, a] = 1.0
        # (L, k, k, R): an entry couples a level in one predictor with another column in another.
        found.border[inner[:, :, None, None] | outer.T[None, None, :, :]] = 0.0
        places = np.flatnonzero(outer.T.ravel())
        found.corner[places] = found.corner[:, places] = 0.0
        found.corner[places, places] = 1.0
        return found

    def finite(self) -> bool:
        """Whether every entry is a finite number."""
        return all(bool(np.isfinite(part).all()) for part in (self.diagonal, self.border, self.corner))

    @property
    def level_columns(self) -> slice:
        """The columns of the categorical that is kept apart."""
        return slice(self.first, self.first + len(self.diagonal))

    def dense(self) -> Array:
        """The full matrix, (kP, kP)."""
        size, k = self.n_columns, self.n_predictors
        full = np.zeros((k, size, k, size))
        levels, others = self._levels, self._others
        for a in range(k):
            for b in range(k):
                full[a, levels, b, levels] = self.diagonal[:, a, b]
                full[a, levels[:, None], b, others[None, :]] = self.border[:, a, b]
                full[a, others[:, None], b, levels[None, :]] = self.border[:, b, a].T
        corner = self.corner.reshape(k, len(others), k, len(others))
        full[np.ix_(np.arange(k), others, np.arange(k), others)] = corner
        return full.reshape(k * size, k * size)

    def times(self, coefficients: Array) -> Array:
        """The matrix times coefficients (P, k), (P, k)."""
        inner, outer = coefficients[self._levels], coefficients[self._others]
        found = np.empty_like(coefficients)
        found[self._levels] = np.einsum("jab,jb->ja", self.diagonal, inner) + np.einsum("jabr,rb->ja", self.border, outer)
        crossed = np.einsum("jabr,ja->rb", self.border, inner)
        found[self._others] = crossed + (self.corner @ outer.T.ravel()).reshape(self.n_predictors, -1).T
        return found

    def factor(self) -> BorderedFactor:
        """Ready to solve. Raises numpy.linalg.LinAlgError where the matrix is not positive semidefinite."""
        size, k = self.border.shape[0], self.n_predictors
        return BorderedFactor.of(self.diagonal, self.border.reshape(size, k, -1), self.corner)

    def solve(self, right: Array, factor: BorderedFactor | None = None) -> Array:
        """Coefficients (P, k) from a right side shaped alike, such as a gradient; zero for aliased columns."""
        k, size = self.n_predictors, len(self.diagonal)
        stacked = np.concatenate([right[self._levels].ravel(), right[self._others].T.ravel()])
        solved = (factor or self.factor()).solve(stacked)
        found = np.empty_like(right)
        found[self._levels] = solved[: size * k].reshape(size, k)
        found[self._others] = solved[size * k :].reshape(k, -1).T
        return found

    def inverse_diagonal(self, factor: BorderedFactor | None = None) -> Array:
        """The diagonal of the inverse, (P, k): squared standard errors up to their scale. NaN for aliased columns."""
        k, size = self.n_predictors, len(self.diagonal)
        inner, outer = (factor or self.factor()).inverse_diagonal()
        found = np.empty((self.n_columns, k))
        found[self._levels] = inner.reshape(size, k)
        found[self._others] = outer.reshape(k, -1).T
        return found

    def aliased(self, factor: BorderedFactor | None = None) -> tuple[int, ...]:
        """Columns, in 0..P-1, that the categorical and earlier columns already say; levels without any weight among them."""
        factor = factor or self.factor()
        outer = {int(self._others[j % len(self._others)]) for j in factor.aliased}
        return tuple(sorted(outer | {int(j) + self.first for j in factor.empty}))

    @property
    def _levels(self) -> IntArray:
        return np.arange(self.first, self.first + len(self.diagonal))

    @property
    def _others(self) -> IntArray:
        return np.setdiff1d(np.arange(self.n_columns), self._levels)


@dataclass(frozen=True)
class BorderedFactor:
    """A factored bordered system of L blocks of size k and a corner of size S.

    inverse (L, k, k): the inverses of the blocks, zero for blocks that are zero. border (L k, S). eliminated (L k, S): inverse times
    border. schur: the Cholesky factor of what the elimination leaves of the kept corner columns, in unit-diagonal scale. kept: those
    columns. aliased: the others. empty: levels whose block is zero.
    """

    inverse: Array
    border: Array
    eliminated: Array
    schur: tuple[Array, bool] | None
    scale: Array
    kept: IntArray
    aliased: IntArray
    empty: IntArray

    @classmethod
    def of(cls, diagonal: Array, border: Array, corner: Array) -> BorderedFactor:
        """diagonal (L, k, k), border (L, k, S), corner (S, S). Raises numpy.linalg.LinAlgError unless positive semidefinite."""
        # SciPy takes longer to import than a small fit, and comes with every categorical's module.
        from scipy.linalg import cho_factor

        size, k = diagonal.shape[:2]
        inverse, empty = _inverse_blocks(diagonal)
        flat = border.reshape(size * k, -1)
        eliminated = np.asarray(np.einsum("jab,jbs->jas", inverse, border)).reshape(flat.shape)
        left = corner - flat.T @ eliminated
        left = 0.5 * (left + left.T)
        whole = np.diag(corner)
        kept, aliased = _independent(left, whole)
        scale = np.sqrt(np.diag(left)[kept])
        schur = None
        if kept.size:
            unit = left[np.ix_(kept, kept)] / np.outer(scale, scale)
            schur = cho_factor(unit, lower=True, check_finite=False)
        return cls(inverse, flat, eliminated, schur, scale, kept, aliased, empty)

    def solve(self, right: Array) -> Array:
        """(L k + S,) or (L k + S, c), the blocks' entries first, level by level; the solution shaped alike."""
        inner, outer = right[: len(self.border)], right[len(self.border) :]
        solved = np.zeros_like(right)
        rest = outer - self.eliminated.T @ inner
        found = np.zeros_like(outer)
        found[self.kept] = self._solve_schur(rest[self.kept])
        solved[len(self.border) :] = found
        size, k = self.inverse.shape[:2]
        blocks = inner.reshape(size, k, -1)
        solved[: len(self.border)] = np.einsum("jab,jbc->jac", self.inverse, blocks).reshape(inner.shape) - self.eliminated @ found
        return solved

    def inverse_diagonal(self) -> tuple[Array, Array]:
        """The diagonal of the inverse: blocks (L k,), corner (S,); NaN where a column is aliased or a level empty."""
        size, k = self.inverse.shape[:2]
        inner = np.einsum("jaa->ja", self.inverse).reshape(size * k).copy()
        outer = np.full(self.border.shape[1], np.nan)
        if self.kept.size:
            corner = self._solve_schur(np.eye(len(self.kept)))
            outer[self.kept] = np.diag(corner)
            part = self.eliminated[:, self.kept]
            inner += np.einsum("is,is->i", part @ corner, part)
        inner.reshape(size, k)[self.empty] = np.nan
        return inner, outer

    def _solve_schur(self, right: Array) -> Array:
        if self.schur is None:
            return right
        from scipy.linalg import cho_solve

        scale = self.scale if right.ndim == 1 else self.scale[:, None]
        return np.asarray(cho_solve(self.schur, right / scale, check_finite=False) / scale)


def _inverse_blocks(diagonal: Array) -> tuple[Array, IntArray]:
    """Inverses of (L, k, k) positive definite blocks; zero, and listed, where a block is zero."""
    empty = np.flatnonzero(~diagonal.any(axis=(1, 2)))
    if diagonal.shape[1] == 1:
        if (diagonal < 0).any():
            raise np.linalg.LinAlgError("a level has negative curvature")
        with np.errstate(divide="ignore"):
            inverse = 1.0 / diagonal
        inverse[empty] = 0.0
        return inverse, empty
    filled = diagonal.copy()
    filled[empty] = np.eye(diagonal.shape[1])
    half = np.linalg.inv(np.linalg.cholesky(filled))
    inverse = np.einsum("jba,jbc->jac", half, half)
    inverse[empty] = 0.0
    return inverse, empty


def _independent(left: Array, whole: Array) -> tuple[IntArray, IntArray]:
    """Columns of a Schur complement that still say something, and those that do not; earlier columns are kept.

    whole: each column's sum of squares before the elimination, against which the rest is measured.
    """
    size = len(left)
    if size == 0:
        return np.arange(0), np.arange(0)
    if (whole < 0).any():
        raise np.linalg.LinAlgError("the curvature has a negative diagonal")
    root = np.sqrt(np.where(whole > 0, whole, 1.0))
    unit = left / np.outer(root, root)
    try:
        if np.square(np.diag(np.linalg.cholesky(unit))).min() > ALIASED:
            return np.arange(size), np.arange(0)
    except np.linalg.LinAlgError:
        pass
    rest, kept, aliased = unit.copy(), [], []
    for j in range(size):
        pivot = rest[j, j]
        if pivot < -1e-6:
            raise np.linalg.LinAlgError("the curvature is not positive semidefinite")
        if pivot <= ALIASED:
            aliased.append(j)
            continue
        kept.append(j)
        column = rest[:, j] / pivot
        rest -= np.outer(column, rest[j])
    return np.asarray(kept, dtype=np.int64), np.asarray(aliased, dtype=np.int64)
