"""The within transformation: what is left of columns once the levels of one or several categories are taken out by least squares.

Of D, the columns of all levels, the normal equations D'WD a = D'Wv are solved for many right sides v at once, and v - D a is what is left.
The levels of the largest category meet in no row, so their block is diagonal and is eliminated. What remains is factored where it is
small, and otherwise solved by preconditioned conjugate gradients; Correia 2016, "A Feasible Estimator for Linear Models with
Multi-Way Fixed Effects", compares such ways. Rounds over the residuals themselves then give back the digits that normal equations lose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray

DIRECT = 1_500
"""Columns that are left after the elimination up to which they are factored."""

INNER = 1e-9
"""What a round of conjugate gradients leaves of its right side; the next round starts from residuals worked out anew."""

ENOUGH = 1e-13
"""A round whose right side is this part of the column's own size has only rounding to remove."""

WRITTEN_OUT = 2**20
"""Numbers up to which a sparse block is written out for a product."""

MOST_ROUNDS = 8

MOST_STEPS = 5_000
"""Of conjugate gradients in a round."""

SINGULAR = 1e-11
"""A pivot below this part of a column's own sum of squares is zero: the column says what others say."""


@dataclass(frozen=True)
class LevelCodes:
    """One category: ``codes`` (n,) from 0 to size - 1. slopes (n, s): columns that each level has coefficients of its own for. constant:
    whether each level has a constant."""

    codes: IntArray
    size: int
    slopes: Array | None = None
    constant: bool = True

    @property
    def n_columns(self) -> int:
        """Columns of D."""
        return self.size * (int(self.constant) + (0 if self.slopes is None else self.slopes.shape[1]))

    def take(self, rows: IntArray) -> LevelCodes:
        """Of some rows, the levels numbered as before."""
        return LevelCodes(self.codes[rows], self.size, None if self.slopes is None else self.slopes[rows], self.constant)


@dataclass(frozen=True)
class Transformed:
    """residuals (n, c): of the columns, less the levels. levels (L, c): of D. converged: whether rounding alone is left."""

    residuals: Array
    levels: Array
    converged: bool
    steps: int


class Meetings:
    """Which levels of several categories meet in a row: worked out once for all the weights that the rows are given in turn."""

    def __init__(self, factors: list[LevelCodes]) -> None:
        self.factors = factors
        self.asked: dict[tuple[int, int], int] = {}
        self.cells: dict[tuple[int, int], tuple[IntArray, IntArray, IntArray]] = {}

    def sums(self, first: int, second: int, values: Array | None) -> Any:
        """Sums of values (n,), None for ones, by the levels of two categories: a sparse matrix of their sizes."""
        from scipy import sparse

        one, other = self.factors[first], self.factors[second]
        place, shape = (first, second), (one.size, other.size)
        self.asked[place] = self.asked.get(place, 0) + 1
        if self.asked[place] == 1:
            held = np.ones(len(one.codes)) if values is None else values
            return sparse.coo_array((held, (one.codes, other.codes)), shape=shape).tocsr()
        if place not in self.cells:
            keys, cell = np.unique(one.codes * other.size + other.codes, return_inverse=True)
            starts = np.searchsorted(keys, np.arange(one.size + 1) * other.size)
            self.cells[place] = starts, keys % other.size, cell
        starts, columns, cell = self.cells[place]
        return sparse.csr_array((np.bincount(cell, values, minlength=len(columns)).astype(np.float64), columns, starts), shape=shape)


class Within:
    """The transformation for one set of row weights (n,), None for ones.

    Levels without weight get no value. Slopes are made orthogonal, level by level, to the constant and to one another first. meetings: of
    the same categories, where several sets of weights follow one another.
    """

    def __init__(self, factors: list[LevelCodes], weights: Array | None = None, meetings: Meetings | None = None) -> None:
        from scipy import sparse

        self.weights = weights
        self.meetings = Meetings(factors) if meetings is None else meetings
        self.turned = [_Turned.of(factor, weights) for factor in factors]
        sizes = [factor.n_columns for factor in factors]
        self.bounds = [0, *np.cumsum(sizes).tolist()]
        self._largest = int(np.argmax(sizes))
        columns = [(place, values, start) for place, values, start in self._columns()]
        n, total = len(factors[0].codes), self.bounds[-1]
        kind = np.int32 if max(total, n * len(columns)) < 2**31 else np.int64
        places, data = np.empty((n, len(columns)), dtype=kind), np.ones((n, len(columns)))
        for j, (place, values, start) in enumerate(columns):
            places[:, j] = factors[place].codes
            places[:, j] += start
            if values is not None:
                data[:, j] = values
        starts = np.arange(0, n * len(columns) + 1, len(columns), dtype=kind)
        self.design = sparse.csr_array((data.ravel(), places.ravel(), starts), shape=(n, total))
        self.weighted = self.design.T.tocsr()
        if weights is not None:
            self.weighted.data *= weights[self.weighted.indices]
        self.diagonal = np.concatenate(
            [_sums(factors[place], None if values is None else np.square(values), weights) for place, values, _ in columns]
        )
        self.inner = np.arange(self.bounds[self._largest], self.bounds[self._largest + 1])
        self.outer = np.setdiff1d(np.arange(total), self.inner)

    def _columns(self) -> list[tuple[int, Array | None, int]]:
        """Of each run of columns of D, one a level: (category, values or None for ones, the first column)."""
        return [
            (place, values, self.bounds[place] + j * turned.factor.size)
            for place, turned in enumerate(self.turned)
            for j, values in enumerate(turned.columns)
        ]

    def _block(self, first: tuple[int, Array | None, int], second: tuple[int, Array | None, int]) -> Any:
        """What two runs of columns have in common; None for those of one category, which are orthogonal."""
        from scipy import sparse

        if first[0] == second[0]:
            size = self.turned[first[0]].factor.size
            if first[2] != second[2]:
                return sparse.csr_array((size, size))
            return sparse.diags_array(self.diagonal[first[2] : first[2] + size]).tocsr()
        if first[0] > second[0]:
            return self._block(second, first).T
        values = self.weights
        for own in (first[1], second[1]):
            values = values if own is None else own if values is None else values * own
        return self.meetings.sums(first[0], second[0], values)

    @cached_property
    def _inverse(self) -> Array:
        """Of the eliminated block's diagonal; zero where a level has no weight, or a slope does not vary within its level."""
        held = self.diagonal[self.inner]
        return np.where(held > 0, 1.0 / np.where(held > 0, held, 1.0), 0.0)

    @cached_property
    def _border(self) -> Any:
        """(inner, outer)."""
        return self._blocks(True)

    @cached_property
    def _border_transposed(self) -> Any:
        return self._border.T.tocsr()

    @cached_property
    def _corner(self) -> Any:
        return self._blocks(False)

    def _blocks(self, eliminated: bool) -> Any:
        from scipy import sparse

        inner = [own for own in self._columns() if own[0] == self._largest]
        outer = [own for own in self._columns() if own[0] != self._largest]
        blocks = [[self._block(first, second) for second in outer] for first in (inner if eliminated else outer)]
        return blocks[0][0].tocsr() if len(blocks) == len(outer) == 1 else sparse.block_array(blocks, format="csr")

    @cached_property
    def _dense(self) -> _PivotedFactor | None:
        """What the elimination leaves, factored; None where it is too large, or nothing."""
        if not 0 < len(self.outer) <= DIRECT:
            return None
        return _PivotedFactor.of(self._left(np.arange(len(self.outer))), self.diagonal[self.outer])

    def _left(self, columns: IntArray) -> Array:
        """The Schur complement of some of the outer columns, written out."""
        border = self._border[:, columns]
        if border.shape[0] * border.shape[1] <= max(WRITTEN_OUT, 4 * border.nnz):
            full = border.toarray()
            return np.asarray(self._corner[columns][:, columns].toarray() - full.T @ (full * self._inverse[:, None]))
        scaled = border * np.sqrt(self._inverse)[:, None]
        return np.asarray(self._corner[columns][:, columns].toarray() - (scaled.T @ scaled).toarray())

    @property
    def rank(self) -> int | None:
        """How many columns of D are independent; None where that was not worked out."""
        own = int(np.count_nonzero(self._inverse))
        if not len(self.outer):
            return own
        return None if self._dense is None else own + self._dense.rank

    def __call__(self, columns: Array) -> Transformed:
        """What is left of columns (n, c). Raises SolverError where conjugate gradients do not get there."""
        found = np.array(columns, dtype=np.float64, order="C")
        levels = np.zeros((self.bounds[-1], found.shape[1]))
        if self.turned[0].factor.constant:
            # What all rows share would only cost digits.
            mean = self._mean(found)
            found -= mean
            levels[: self.turned[0].factor.size] += mean
        size = np.sqrt(self._squares(found))
        root = np.sqrt(np.where(self.diagonal > 0, 1.0 / np.where(self.diagonal > 0, self.diagonal, 1.0), 0.0))[:, None]
        steps, before = 0, np.full(found.shape[1], np.inf)
        for _ in range(MOST_ROUNDS):
            right = self.weighted @ found
            left = np.sqrt(np.square(right * root).sum(axis=0))
            # Where rounding is all there is, a round makes nothing smaller.
            if ((left <= ENOUGH * size) | (left > 0.5 * before)).all():
                return Transformed(found, levels, True, steps)
            before = left
            solved, own = self._solve(right, ENOUGH * size)
            steps += own
            levels += solved
            found -= self.design @ solved
        return Transformed(found, levels, bool((left <= 1e-11 * np.maximum(size, 1e-300)).all()), steps)

    def level_values(self, levels: Array) -> list[tuple[Array, Array]]:
        """Of each category (constants (size,), slopes (size, s)) in the slopes' own columns, from levels (L,) of D."""
        return [turned.given(levels[start:stop]) for turned, start, stop in zip(self.turned, self.bounds, self.bounds[1:], strict=False)]

    def _mean(self, columns: Array) -> Array:
        return np.asarray(columns.mean(axis=0) if self.weights is None else self.weights @ columns / self.weights.sum())

    def _squares(self, columns: Array) -> Array:
        if self.weights is None:
            return np.asarray(np.einsum("ij,ij->j", columns, columns))
        return np.asarray(self.weights @ np.square(columns))

    def _solve(self, right: Array, floor: Array) -> tuple[Array, int]:
        found, steps = np.zeros_like(right), 0
        inner, outer = right[self.inner], right[self.outer]
        scaled = self._inverse[:, None] * inner
        if len(self.outer):
            rest = outer - self._border_transposed @ scaled
            if self._dense is not None:
                solved = self._dense.solve(rest)
            else:
                solved, steps = _conjugate_gradients(self._times, self._prepared, self._consistent(rest), floor)
            found[self.outer] = solved
            scaled -= self._inverse[:, None] * (self._border @ solved)
        found[self.inner] = scaled
        return found, steps

    def _consistent(self, right: Array) -> Array:
        """A right side without what rounding put where no solution is: the levels of a category sum to what those eliminated do."""
        if not self.turned[self._largest].factor.constant:
            return right
        place = 0
        for number, (start, stop) in enumerate(zip(self.bounds, self.bounds[1:], strict=False)):
            if number == self._largest:
                continue
            factor = self.turned[number].factor
            if factor.constant:
                part = right[place : place + factor.size]
                counted = self.diagonal[start : start + factor.size] > 0
                part[counted] -= part[counted].mean(axis=0)
            place += stop - start
        return right

    def _times(self, values: Array) -> Array:
        """The Schur complement times columns."""
        through = self._inverse[:, None] * (self._border @ values)
        return np.asarray(self._corner @ values - self._border_transposed @ through)

    @cached_property
    def _preconditioner(self) -> tuple[Array, IntArray, _PivotedFactor | None]:
        """(inverse of the diagonal, the columns of small categories, these factored together)."""
        squares = self._border.copy()
        squares.data = np.square(squares.data)
        diagonal = self.diagonal[self.outer]
        left = diagonal - squares.T @ self._inverse
        # A level all of whose rows lie in one eliminated level has nothing left.
        inverse = np.where(left > SINGULAR * np.maximum(diagonal, 1e-300), 1.0 / np.where(left > 0, left, 1.0), 0.0)
        small, place = list[IntArray](), 0
        for start, stop in zip(self.bounds, self.bounds[1:], strict=False):
            if start == self.inner[0]:
                continue
            if stop - start <= DIRECT // 3 and sum(map(len, small)) + stop - start <= DIRECT:
                small.append(np.arange(place, place + stop - start))
            place += stop - start
        if not small:
            return inverse, np.arange(0), None
        columns = np.concatenate(small)
        return inverse, columns, _PivotedFactor.of(self._left(columns), diagonal[columns])

    def _prepared(self, residual: Array) -> Array:
        inverse, columns, factor = self._preconditioner
        found = inverse[:, None] * residual
        if factor is not None:
            found[columns] = factor.solve(residual[columns])
        return found


@dataclass(frozen=True)
class _PivotedFactor:
    """A positive semidefinite matrix factored with pivots: of columns that others say already, nothing."""

    triangle: Array
    pivots: IntArray
    scale: Array
    size: int

    @classmethod
    def of(cls, matrix: Array, whole: Array) -> _PivotedFactor:
        """whole: each column's sum of squares, against which pivots are held."""
        from scipy.linalg.lapack import dpstrf

        scale = 1.0 / np.sqrt(np.where(whole > 0, whole, 1.0))
        triangle, pivots, rank, _ = dpstrf(0.5 * (matrix + matrix.T) * np.outer(scale, scale), tol=SINGULAR, lower=1)
        return cls(np.tril(triangle)[:rank, :rank], pivots[:rank] - 1, scale, len(matrix))

    @property
    def rank(self) -> int:
        return len(self.pivots)

    def solve(self, right: Array) -> Array:
        from scipy.linalg import cho_solve

        found = np.zeros_like(right)
        if self.rank:
            scale = self.scale[self.pivots][:, None]
            found[self.pivots] = scale * cho_solve((self.triangle, True), scale * right[self.pivots], check_finite=False)
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
        direction = turned + np.where(going, after / np.where(product > 0, product, 1.0), 0.0) * direction
        product = np.where(going, after, 0.0)
        least = np.where(going, np.minimum(least, np.maximum(after, 0.0)), least)
    raise SolverError(
        f"the levels were not absorbed in {MOST_STEPS:,} steps: so few rows connect them that their values are hardly told apart; leave the"
        " smallest levels out, or merge them"
    )


@dataclass(frozen=True)
class _Turned:
    """A category's columns, orthogonal within each level. turn[j]: what was taken out of slope j, (size, 1 + earlier slopes)."""

    columns: list[Array | None]
    turns: list[Array]
    factor: LevelCodes

    @classmethod
    def of(cls, factor: LevelCodes, weights: Array | None) -> _Turned:
        columns = list[Array | None]([None] if factor.constant else [])
        turns = list[Array]()
        for j in range(0 if factor.slopes is None else factor.slopes.shape[1]):
            assert factor.slopes is not None
            given = factor.slopes[:, j]
            own, taken = given.copy(), np.zeros((factor.size, len(columns)))
            # Twice is enough (Kahan, in Parlett 1998, The Symmetric Eigenvalue Problem, section 6.9).
            for _ in range(2):
                for place, column in enumerate(columns):
                    both = own if column is None else own * column
                    squares = None if column is None else np.square(column)
                    share = _ratio(_sums(factor, both, weights), _sums(factor, squares, weights))
                    taken[:, place] += share
                    own -= share[factor.codes] * (1.0 if column is None else column)
            flat = _sums(factor, np.square(own), weights) <= 1e-20 * _sums(factor, np.square(given), weights)
            own[flat[factor.codes]] = 0.0
            columns.append(own)
            turns.append(taken)
        return cls(columns, turns, factor)

    def given(self, levels: Array) -> tuple[Array, Array]:
        """(constants, slopes (size, s)) of the columns as they were given."""
        size, first = self.factor.size, int(self.factor.constant)
        values = levels.reshape(-1, size).copy()
        for j in range(len(self.turns) - 1, -1, -1):
            for place in range(self.turns[j].shape[1]):
                values[place] -= values[first + j] * self._in_given(j, place)
        constants = values[0] if first else np.zeros(size)
        return constants, values[first:].T.copy()

    def _in_given(self, slope: int, place: int) -> Array:
        return np.asarray(self.turns[slope][:, place])


def _sums(factor: LevelCodes, values: Array | None, weights: Array | None) -> Array:
    both = weights if values is None else values if weights is None else values * weights
    return np.bincount(factor.codes, both, minlength=factor.size).astype(np.float64)


def _ratio(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
