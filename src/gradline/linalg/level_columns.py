"""The columns of levels: one a level, with a one in each of its rows, or a slope's value there. They are never written out.

Of such columns D only products are asked for: ``D a`` gathers the coefficients of each row's levels, ``D'v`` adds rows up by level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from gradline.base.types import Array, BoolArray, IntArray

PENDING_ROWS = 2**19
"""Rows added up at a time: where levels are many, what is added to all of them costs more than the rows."""

FLAT = 1e-20
"""Of a slope's squares in a level: what is left without the constant is rounding, and the slope does not vary there."""


@dataclass(frozen=True)
class Category:
    """size: of its levels. slopes: columns that each level has coefficients of its own for. constant: whether each has a constant."""

    size: int
    slopes: int = 0
    constant: bool = True

    @property
    def n_columns(self) -> int:
        """Columns of D."""
        return self.size * (int(self.constant) + self.slopes)


class RowLevels(NamedTuple):
    """Of some rows, by category: codes (m,), from 0 to size - 1, and slopes (m, s) or None."""

    codes: tuple[IntArray, ...]
    slopes: tuple[Array | None, ...]


class LevelPart(NamedTuple):
    """Consecutive rows: their levels, weights (m,) or None for ones, and columns (m, c)."""

    levels: RowLevels
    weights: Array | None
    values: Array


class LevelRows(Protocol):
    """Rows that can be passed over as often as needed, always in the same order."""

    @property
    def n_rows(self) -> int: ...

    @property
    def categories(self) -> tuple[Category, ...]: ...

    def parts(self) -> Iterator[LevelPart]:
        """One pass."""

    def left(self, taken: Taken) -> Iterator[LevelPart]:
        """One pass: of the columns, what is left once ``taken`` is taken out."""


class Run(NamedTuple):
    """One column for each level of a category, of some rows. place: of the category. start: the first column. values: None for ones."""

    place: int
    start: int
    codes: IntArray
    values: Array | None


@dataclass(frozen=True, eq=False)
class LevelColumns:
    """The columns D of categories, a category's slopes orthogonal to its constant and to one another within each level.

    turns: of each category, what is taken out of slope j: (size, constant + j) each, by which constant and earlier slopes are multiplied.
    flat: of each category, levels in which slope j does not vary, (size,) each.
    """

    categories: tuple[Category, ...]
    turns: tuple[tuple[Array, ...], ...]
    flat: tuple[tuple[BoolArray, ...], ...]

    @classmethod
    def plain(cls, categories: Sequence[Category]) -> LevelColumns:
        """Without slopes."""
        return cls(tuple(categories), tuple(() for _ in categories), tuple(() for _ in categories))

    @property
    def bounds(self) -> list[int]:
        """The first column of each category, and their number."""
        return [0, *np.cumsum([own.n_columns for own in self.categories]).tolist()]

    def runs(self, rows: RowLevels) -> list[Run]:
        """Of some rows, the runs of columns in their order."""
        found = list[Run]()
        for place, (own, start) in enumerate(zip(self.categories, self.bounds, strict=False)):
            columns = self.turned(place, rows.codes[place], rows.slopes[place])
            found += [Run(place, start + j * own.size, rows.codes[place], values) for j, values in enumerate(columns)]
        return found

    def turned(self, place: int, codes: IntArray, slopes: Array | None) -> list[Array | None]:
        """A category's columns in some rows; None for ones."""
        columns: list[Array | None] = [None] if self.categories[place].constant else []
        for j, (taken, flat) in enumerate(zip(self.turns[place], self.flat[place], strict=True)):
            assert slopes is not None
            own = slopes[:, j].astype(np.float64)
            for i, column in enumerate(columns):
                part = taken[codes, i]
                own -= part if column is None else part * column
            if flat.any():
                own[flat[codes]] = 0.0
            columns.append(own)
        return columns

    def image(self, rows: RowLevels, coefficients: Array) -> Array:
        """D a of some rows: (L, c) -> (m, c)."""
        found: Array | None = None
        for run in self.runs(rows):
            own = np.take(coefficients[run.start : run.start + self.categories[run.place].size], run.codes, axis=0)
            if run.values is not None:
                own *= run.values[:, None]
            found = own if found is None else np.add(found, own, out=found)
        assert found is not None
        return found

    def given(self, place: int, levels: Array) -> tuple[Array, Array]:
        """(constants (size,), slopes (size, s)) of a category in the slopes as they were given, from its part of levels (L,)."""
        own = self.categories[place]
        size, first = own.size, int(own.constant)
        values = levels.reshape(-1, size).copy()
        for j in range(len(self.turns[place]) - 1, -1, -1):
            for i in range(first + j):
                values[i] -= values[first + j] * self.turns[place][j][:, i]
        return values[0] if first else np.zeros(size), values[first:].T.copy()


@dataclass(frozen=True, eq=False)
class Taken:
    """What is taken out of columns: shift (c,) of all rows, and D times levels (L, c)."""

    columns: LevelColumns
    shift: Array
    levels: Array | None

    def out_of(self, values: Array, rows: RowLevels) -> Array:
        """Of columns (m, c), what is left: row after row, in memory of its own."""
        left = np.subtract(values, self.shift, order="C")
        if self.levels is not None:
            left -= self.columns.image(rows, self.levels)
        return left

    def image(self, rows: RowLevels) -> Array:
        """What is taken out of some rows, (m, c)."""
        found = np.zeros((len(rows.codes[0]), len(self.shift))) if self.levels is None else self.columns.image(rows, self.levels)
        found += self.shift
        return found


class LevelSums:
    """D'V, (L, c), added up part after part."""

    def __init__(self, columns: LevelColumns, width: int) -> None:
        self.columns = columns
        self.total = np.zeros((columns.bounds[-1], width))
        self._waiting: list[tuple[RowLevels, Array]] = []
        self._most = min(max((own.size for own in columns.categories), default=0), PENDING_ROWS)

    def add(self, rows: RowLevels, values: Array) -> None:
        """values (m, c), weights among them, which are not changed hereafter."""
        self._waiting.append((rows, values))
        if sum(len(own) for _, own in self._waiting) >= self._most:
            self._settle()

    def found(self) -> Array:
        """The sums of all that was added."""
        self._settle()
        return self.total

    def _settle(self) -> None:
        if not self._waiting:
            return
        rows, values = self._waiting[0]
        if len(self._waiting) > 1:
            rows, values = joined([own for own, _ in self._waiting]), np.concatenate([own for _, own in self._waiting])
        self._waiting = []
        for run in self.columns.runs(rows):
            own = values if run.values is None else values * run.values[:, None]
            size = self.columns.categories[run.place].size
            add_by_code(self.total[run.start : run.start + size], run.codes, own)


def joined(parts: Sequence[RowLevels]) -> RowLevels:
    """Consecutive rows as one."""
    codes = tuple(np.concatenate(own) for own in zip(*(part.codes for part in parts), strict=True))
    slopes: list[Array | None] = []
    for own in zip(*(part.slopes for part in parts), strict=True):
        held = [column for column in own if column is not None]
        slopes.append(np.concatenate(held) if held else None)
    return RowLevels(codes, tuple(slopes))


def add_by_code(total: Array, codes: IntArray, values: Array) -> None:
    """Add rows (m, c) to those of ``total`` (size, c) that their codes name."""
    from scipy import sparse

    m, size = len(codes), len(total)
    starts = np.arange(m + 1, dtype=np.int32)
    if size <= 4 * m:
        total += sparse.csr_array((np.ones(m), codes, starts), shape=(m, size)).T @ values
        return
    # Few of very many levels: only these are touched.
    present, places = np.unique(codes, return_inverse=True)
    total[present] += sparse.csr_array((np.ones(m), places.astype(np.int32), starts), shape=(m, len(present))).T @ values


def orthogonal_columns(rows: LevelRows) -> LevelColumns:
    """The columns of the rows' categories, slopes made orthogonal level by level: four passes for each slope that a category has.

    The modified Gram-Schmidt process under the rows' weights, each slope twice (Kahan, in Parlett 1998, The Symmetric Eigenvalue Problem,
    section 6.9).
    """
    categories = rows.categories
    found = LevelColumns.plain(categories)
    for j in range(max((own.slopes for own in categories), default=0)):
        places = [place for place, own in enumerate(categories) if own.slopes > j]
        taken = {place: np.zeros((categories[place].size, int(categories[place].constant) + j)) for place in places}
        for _ in range(2):
            for i in range(int(max(taken[place].shape[1] for place in places))):
                above = {place: np.zeros(categories[place].size) for place in places}
                below = {place: np.zeros(categories[place].size) for place in places}
                trial = _with_slope(found, places, taken, {})
                for part in rows.parts():
                    for place in places:
                        if i >= taken[place].shape[1]:
                            continue
                        codes = part.levels.codes[place]
                        columns = trial.turned(place, codes, part.levels.slopes[place])
                        own, column = columns[-1], columns[i]
                        assert own is not None
                        add_to_levels(above[place], codes, own if column is None else own * column, part.weights)
                        add_to_levels(below[place], codes, None if column is None else np.square(column), part.weights)
                for place in places:
                    if i < taken[place].shape[1]:
                        taken[place][:, i] += ratio(above[place], below[place])
        trial = _with_slope(found, places, taken, {})
        rest = {place: np.zeros(categories[place].size) for place in places}
        whole = {place: np.zeros(categories[place].size) for place in places}
        for part in rows.parts():
            for place in places:
                codes, slopes = part.levels.codes[place], part.levels.slopes[place]
                own = trial.turned(place, codes, slopes)[-1]
                assert own is not None
                assert slopes is not None
                add_to_levels(rest[place], codes, np.square(own), part.weights)
                add_to_levels(whole[place], codes, np.square(slopes[:, j]), part.weights)
        found = _with_slope(found, places, taken, {place: rest[place] <= FLAT * whole[place] for place in places})
    return found


def _with_slope(columns: LevelColumns, places: list[int], taken: dict[int, Array], flat: dict[int, BoolArray]) -> LevelColumns:
    """With one slope more in some categories."""
    turns, flats = list(columns.turns), list(columns.flat)
    for place in places:
        turns[place] = (*turns[place], taken[place])
        none = np.zeros(columns.categories[place].size, dtype=np.bool_)
        flats[place] = (*flats[place], flat.get(place, none))
    return LevelColumns(columns.categories, tuple(turns), tuple(flats))


def add_to_levels(total: Array, codes: IntArray, values: Array | None, weights: Array | None) -> None:
    """Add values (m,), None for ones, times weights to ``total`` (size,) by code."""
    both = weights if values is None else values if weights is None else values * weights
    if len(total) <= len(codes):
        total += np.bincount(codes, both, minlength=len(total))
    elif both is None:
        np.add.at(total, codes, 1.0)
    else:
        np.add.at(total, codes, both)


def ratio(above: Array, below: Array) -> Array:
    """above / below, zero where there is nothing below."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
