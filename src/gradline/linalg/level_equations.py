"""The normal equations of the columns of levels, D'WD a = D'Wv, for many right sides at once.

The levels of the largest category meet in no row, so their block is diagonal and is eliminated. What remains is factored where it is
small, and otherwise solved by preconditioned conjugate gradients; Correia 2016, "A Feasible Estimator for Linear Models with
Multi-Way Fixed Effects", compares such ways. Held are the diagonal and the pairs of levels that meet in a row, never the rows.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.threads import MOST_COLUMNS, single_threaded_blas
from gradline.base.types import Array, IntArray
from gradline.linalg.level_columns import LevelColumns, RowLevels, Run, add_to_levels

DIRECT = 1_500
"""Columns that are left after the elimination up to which they are factored."""

INNER = 1e-9
"""What a round of conjugate gradients leaves of its right side; the next round starts from residuals worked out anew."""

MOST_STEPS = 5_000
"""Of conjugate gradients in a round."""

SINGULAR = 1e-11
"""A pivot below this part of a column's own sum of squares is zero: the column says what others say."""

DENSE_PAIRS = 2**27
"""Pairs of levels up to which they may be held written out, 1 GiB."""

LEVERAGE_NUMBERS = 2**20
"""Numbers that are worked out of rows at a time for their leverages: 8 MiB."""

SLICE = 2**15
"""Eliminated levels whose part of the Schur complement is worked out at a time."""


class PairSums:
    """Sums by the levels of two categories that meet in a row, (first, second): written out where that is hardly more than the rows."""

    def __init__(self, first: int, second: int, n_rows: int) -> None:
        self.shape = (first, second)
        self.full: Array | None = np.zeros(first * second) if first * second <= min(max(2 * n_rows, 2**20), DENSE_PAIRS) else None
        self._parts: list[tuple[IntArray, Array]] = []
        self._settled = 0

    def add(self, first: IntArray, second: IntArray, values: Array | None) -> None:
        """Values (m,), None for ones."""
        key = first.astype(np.int64) * self.shape[1] + second
        if self.full is not None:
            add_to_levels(self.full, key, values, None)
            return
        self._parts.append(_summed(key, np.ones(len(key)) if values is None else values))
        # Joined when they have doubled, so that no pair is sorted more often than the logarithm of their number.
        if sum(len(keys) for keys, _ in self._parts) > 2 * self._settled:
            self._join()

    def matrix(self) -> Any:
        """An array, or a sparse matrix in compressed rows."""
        from scipy import sparse

        if self.full is not None:
            return self.full.reshape(self.shape)
        self._join()
        keys, sums = self._parts[0] if self._parts else (np.zeros(0, dtype=np.int64), np.zeros(0))
        starts = np.searchsorted(keys, np.arange(self.shape[0] + 1) * self.shape[1])
        kind = np.int32 if max(self.shape[1], len(keys)) < 2**31 else np.int64
        return sparse.csr_array((sums, (keys % self.shape[1]).astype(kind), starts.astype(kind)), shape=self.shape)

    def _join(self) -> None:
        if len(self._parts) > 1:
            self._parts = [_summed(np.concatenate([own[0] for own in self._parts]), np.concatenate([own[1] for own in self._parts]))]
        self._settled = sum(len(keys) for keys, _ in self._parts)


def _summed(keys: IntArray, values: Array) -> tuple[IntArray, Array]:
    found, places = np.unique(keys, return_inverse=True)
    return found, np.bincount(places, values, minlength=len(found)).astype(np.float64)


class LevelMoments:
    """The sums over rows that make the normal equations' left side, added up part after part."""

    def __init__(self, columns: LevelColumns, n_rows: int) -> None:
        self.columns = columns
        self.n_rows = n_rows
        self.diagonal = np.zeros(columns.bounds[-1])
        self.pairs: dict[tuple[int, int], PairSums] = {}

    def add(self, rows: RowLevels, weights: Array | None) -> None:
        """Rows with weights (m,), None for ones."""
        runs = self.columns.runs(rows)
        for i, run in enumerate(runs):
            size = self.columns.categories[run.place].size
            squares = None if run.values is None else np.square(run.values)
            add_to_levels(self.diagonal[run.start : run.start + size], run.codes, squares, weights)
            for other in runs[i + 1 :]:
                if other.place != run.place:
                    self._pair(run, other).add(run.codes, other.codes, _product(weights, run.values, other.values))

    def _pair(self, first: Run, second: Run) -> PairSums:
        place = (first.start, second.start)
        if place not in self.pairs:
            one, other = (self.columns.categories[own.place].size for own in (first, second))
            self.pairs[place] = PairSums(one, other, self.n_rows)
        return self.pairs[place]


def _is_sparse(matrix: Any) -> bool:
    from scipy import sparse

    return bool(sparse.issparse(matrix))


def _product(*factors: Array | None) -> Array | None:
    found: Array | None = None
    for own in factors:
        if own is not None:
            found = own if found is None else found * own
    return found


class LevelEquations:
    """The equations, ready to be solved. Levels without weight get no value."""

    def __init__(self, moments: LevelMoments) -> None:
        self.columns = moments.columns
        self.diagonal = moments.diagonal
        self.bounds = moments.columns.bounds
        sizes = [own.n_columns for own in self.columns.categories]
        self.largest = int(np.argmax(sizes))
        self.inner = slice(self.bounds[self.largest], self.bounds[self.largest + 1])
        self.outer = np.concatenate([np.arange(0, self.inner.start), np.arange(self.inner.stop, self.bounds[-1])])
        starts = [
            (place, start + j * own.size, own.size)
            for place, (own, start) in enumerate(zip(self.columns.categories, self.bounds, strict=False))
            for j in range(int(own.constant) + own.slopes)
        ]
        self._inside = [own for own in starts if own[0] == self.largest]
        self._outside = [own for own in starts if own[0] != self.largest]
        self._pairs = {place: own.matrix() for place, own in moments.pairs.items()}
        moments.pairs = {}

    @property
    def rank(self) -> int | None:
        """How many columns of D are independent; None where that was not worked out."""
        own = int(np.count_nonzero(self.inverse))
        if not len(self.outer):
            return own
        return None if self.factor is None else own + self.factor.rank

    @cached_property
    def inverse(self) -> Array:
        """Of the eliminated block's diagonal; zero where a level has no weight, or a slope does not vary within its level."""
        held = self.diagonal[self.inner]
        return np.where(held > 0, 1.0 / np.where(held > 0, held, 1.0), 0.0)

    @cached_property
    def border(self) -> Any:
        """(inner, outer), an array or a sparse matrix."""
        return self._blocks(self._inside, self._outside)

    @cached_property
    def factor(self) -> PivotedFactor | None:
        """What the elimination leaves, factored; None where it is too large, or nothing."""
        if not 0 < len(self.outer) <= DIRECT:
            return None
        return PivotedFactor.of(self._left(None), self.diagonal[self.outer])

    def meetings(self, first: int, second: int) -> Any:
        """Which levels of two categories with constants meet in a row of some weight, (size of the first, size of the second): positive
        where they do. An array or a sparse matrix."""
        if first > second:
            return self.meetings(second, first).T
        return self._pairs[self.bounds[first], self.bounds[second]]

    def leverages(self, rows: RowLevels) -> Array:
        """d'(D'WD)^- d of some rows, d a row of D: (m,); times the row's weight its leverage by the levels alone.

        Raises SolverError where what the elimination leaves is not factored.
        """
        if len(self.outer) and self.factor is None:
            raise SolverError(f"of so many levels it is not worked out (beside the largest category there are more than {DIRECT:,})")
        rank = 0 if self.factor is None else self.factor.rank
        step, found = max(64, LEVERAGE_NUMBERS // max(rank, 1)), []
        for start in range(0, len(rows.codes[0]), step):
            part = slice(start, start + step)
            slopes = tuple(None if own is None else own[part] for own in rows.slopes)
            found.append(self._leverages(RowLevels(tuple(own[part] for own in rows.codes), slopes)))
        return np.concatenate(found) if found else np.zeros(0)

    def _leverages(self, rows: RowLevels) -> Array:
        m = len(rows.codes[0])
        total, image = np.zeros(m), None if self.factor is None else np.zeros((m, self.factor.rank))
        for run in self.columns.runs(rows):
            ones = np.ones(m) if run.values is None else run.values
            if run.place == self.largest:
                places = run.start - self.inner.start + run.codes
                total += np.square(ones) * self.inverse[places]
                if image is not None:
                    assert self.factor is not None
                    present, inside = np.unique(places, return_inverse=True)
                    explained = np.asarray(self.border[present] @ self.factor.root) * self.inverse[present][:, None]
                    image -= ones[:, None] * explained[inside]
            elif image is not None:
                assert self.factor is not None
                first = run.start if run.start < self.inner.start else run.start - (self.inner.stop - self.inner.start)
                image += ones[:, None] * self.factor.root[first + run.codes]
        return total if image is None else total + np.einsum("ij,ij->i", image, image)

    def solve(self, right: Array, floor: Array) -> tuple[Array, int]:
        """(a solution (L, c) for right sides (L, c), steps). floor (c,): what of a right side is rounding. Raises SolverError where
        conjugate gradients do not arrive."""
        found, steps = np.zeros_like(right), 0
        scaled = self.inverse[:, None] * right[self.inner]
        if len(self.outer):
            rest = right[self.outer] - self._border_transposed @ scaled
            if self.factor is not None:
                solved = self.factor.solve(rest)
            else:
                solved, steps = _conjugate_gradients(self._times, self._prepared, self._consistent(rest), floor)
            found[self.outer] = solved
            change = self.border @ solved
            change *= self.inverse[:, None]
            scaled -= change
        found[self.inner] = scaled
        return found, steps

    @cached_property
    def _border_transposed(self) -> Any:
        # Conjugate gradients read it at each step, and compressed rows are read faster than compressed columns.
        return self.border.T.tocsr() if self.factor is None and _is_sparse(self.border) else self.border.T

    @cached_property
    def _corner(self) -> Any:
        return self._blocks(self._outside, self._outside)

    def _block(self, first: tuple[int, int, int], second: tuple[int, int, int]) -> Any:
        """What two runs of columns have in common; those of one category are orthogonal."""
        from scipy import sparse

        if first[0] == second[0]:
            if first[1] != second[1]:
                return sparse.csr_array((first[2], second[2]))
            return sparse.diags_array(self.diagonal[first[1] : first[1] + first[2]]).tocsr()
        if (first[1], second[1]) in self._pairs:
            return self._pairs[first[1], second[1]]
        return self._pairs[second[1], first[1]].T

    def _blocks(self, first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]) -> Any:
        from scipy import sparse

        blocks = [[self._block(one, other) for other in second] for one in first]
        if len(first) == len(second) == 1:
            only = blocks[0][0]
            return only.tocsr() if _is_sparse(only) else only
        if all(not _is_sparse(block) for row in blocks for block in row):
            return np.block(blocks)
        return sparse.block_array([[sparse.csr_array(block) for block in row] for row in blocks], format="csr")

    def _left(self, columns: IntArray | None) -> Array:
        """The Schur complement of some of the outer columns, None for all, written out."""
        border, corner = self.border, self._corner
        if columns is not None:
            border, corner = border[:, columns], corner[columns][:, columns]
        found = np.array(corner.toarray() if _is_sparse(corner) else corner, dtype=np.float64)
        with single_threaded_blas() if border.shape[1] < MOST_COLUMNS else nullcontext():
            self._eliminate(border, found)
        return found

    def _eliminate(self, border: Any, found: Array) -> None:
        """Take what the eliminated levels explain out of the corner."""
        for start in range(0, border.shape[0], SLICE):
            part, inverse = border[start : start + SLICE], self.inverse[start : start + SLICE]
            if _is_sparse(part):
                if part.shape[1] * part.shape[0] > 4 * part.nnz and part.shape[1] * part.shape[0] > 2**20:
                    scaled = part * np.sqrt(inverse)[:, None]
                    found -= (scaled.T @ scaled).toarray()
                    continue
                part = part.toarray()
            found -= part.T @ (part * inverse[:, None])

    def _consistent(self, right: Array) -> Array:
        """A right side without what rounding put where no solution is: the levels of a category sum to what those eliminated do."""
        if not self.columns.categories[self.largest].constant:
            return right
        place = 0
        for number, own in enumerate(self.columns.categories):
            if number == self.largest:
                continue
            if own.constant:
                part = right[place : place + own.size]
                counted = self.diagonal[self.bounds[number] : self.bounds[number] + own.size] > 0
                part[counted] -= part[counted].mean(axis=0)
            place += own.n_columns
        return right

    def _times(self, values: Array) -> Array:
        """The Schur complement times columns."""
        through = self.inverse[:, None] * (self.border @ values)
        return np.asarray(self._corner @ values - self._border_transposed @ through)

    @cached_property
    def _preconditioner(self) -> tuple[Array, IntArray, PivotedFactor | None]:
        """(inverse of the diagonal, the columns of small categories, these factored together)."""
        if _is_sparse(self.border):
            squares = self.border.copy()
            squares.data = np.square(squares.data)
        else:
            squares = np.square(self.border)
        diagonal = self.diagonal[self.outer]
        left = diagonal - squares.T @ self.inverse
        # A level all of whose rows lie in one eliminated level has nothing left.
        inverse = np.where(left > SINGULAR * np.maximum(diagonal, 1e-300), 1.0 / np.where(left > 0, left, 1.0), 0.0)
        small, place = list[IntArray](), 0
        for number, own in enumerate(self.columns.categories):
            if number == self.largest:
                continue
            if own.n_columns <= DIRECT // 3 and sum(map(len, small)) + own.n_columns <= DIRECT:
                small.append(np.arange(place, place + own.n_columns))
            place += own.n_columns
        if not small:
            return inverse, np.arange(0), None
        columns = np.concatenate(small)
        return inverse, columns, PivotedFactor.of(self._left(columns), diagonal[columns])

    def _prepared(self, residual: Array) -> Array:
        inverse, columns, factor = self._preconditioner
        found = inverse[:, None] * residual
        if factor is not None:
            found[columns] = factor.solve(residual[columns])
        return found


@dataclass(frozen=True)
class PivotedFactor:
    """A positive semidefinite matrix factored with pivots: of columns that others say already, nothing."""

    triangle: Array
    pivots: IntArray
    scale: Array
    size: int

    @classmethod
    def of(cls, matrix: Array, whole: Array) -> PivotedFactor:
        """whole: each column's sum of squares, against which pivots are held."""
        from scipy.linalg.lapack import dpstrf

        scale = 1.0 / np.sqrt(np.where(whole > 0, whole, 1.0))
        triangle, pivots, rank, _ = dpstrf(0.5 * (matrix + matrix.T) * np.outer(scale, scale), tol=SINGULAR, lower=1)
        return cls(np.tril(triangle)[:rank, :rank], pivots[:rank] - 1, scale, len(matrix))

    @property
    def rank(self) -> int:
        return len(self.pivots)

    def solve(self, right: Array) -> Array:
        """A solution (size, c)."""
        from scipy.linalg import cho_solve

        found = np.zeros_like(right)
        if self.rank:
            scale = self.scale[self.pivots][:, None]
            found[self.pivots] = scale * cho_solve((self.triangle, True), scale * right[self.pivots], check_finite=False)
        return found

    @cached_property
    def root(self) -> Array:
        """R (size, rank) with R R' a generalised inverse of the matrix."""
        from scipy.linalg import solve_triangular

        found = np.zeros((self.size, self.rank))
        if self.rank:
            inverse = solve_triangular(self.triangle, np.eye(self.rank), lower=True, check_finite=False)
            found[self.pivots] = inverse.T * self.scale[self.pivots][:, None]
        return found


def _conjugate_gradients(times: Any, prepared: Any, right: Array, floor: Array) -> tuple[Array, int]:
    """Columns x with ``times(x)`` near ``right``, each with its own step. floor: what of a column's residual is rounding.

    Raises SolverError where one does not arrive.
    """
    found = np.zeros_like(right)
    residual = right.copy()
    turned = prepared(residual)
    direction = turned.copy()
    product = np.einsum("ij,ij->j", residual, turned)
    goal, least = np.maximum(INNER**2 * product, np.square(floor)), product.copy()
    for step in range(1, MOST_STEPS + 1):
        image = times(direction)
        curvature = np.einsum("ij,ij->j", direction, image)
        # A residual that has grown a hundredfold is rounding where the matrix is singular: a round on new residuals follows.
        going = (product > goal) & (curvature > 0) & (product < 1e4 * least)
        if not going.any():
            return found, step - 1
        length = np.where(going, product / np.where(going, curvature, 1.0), 0.0)
        found += length * direction
        residual -= length * image
        turned = prepared(residual)
        after = np.einsum("ij,ij->j", residual, turned)
        direction *= np.where(going, after / np.where(product > 0, product, 1.0), 0.0)
        direction += turned
        product = np.where(going, after, 0.0)
        least = np.where(going, np.minimum(least, np.maximum(after, 0.0)), least)
    raise SolverError(
        f"the levels were not absorbed in {MOST_STEPS:,} steps: so few rows connect them that their values are hardly told apart; leave the"
        " smallest levels out, or merge them"
    )
