"""The rows and levels that a fit with absorbed levels is made of: which rows tell nothing, and what the levels cost.

All of it is worked out by passes over the codes, and held by level: which rows are left out follows from which levels are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, BoolArray, IntArray
from gradline.formulas.absorbed import AbsorbedTerm
from gradline.linalg.level_columns import Category, add_to_levels
from gradline.linalg.level_equations import LevelEquations
from gradline.losses.protocol import Loss
from gradline.preparing.absorbed_columns import AbsorbedColumns
from gradline.preparing.table_clusters import Labels
from gradline.rows.block import Block
from gradline.rows.levelled import CategoryRows, LevelledRows, RowNumbers
from gradline.rows.protocol import Rows
from gradline.tables.beside import derived, written

FAR = 1e3
"""How far out a linear predictor is tried to see whether a loss falls for ever."""

SHOWN = 3
"""Levels named in a message."""

PART_ROWS = 2**18
"""Rows whose codes are looked at at a time."""


@dataclass(frozen=True, eq=False)
class Levels:
    """One category of a fit. labels: of its levels, an array for each of its columns. rows: codes among them, and slopes."""

    term: AbsorbedTerm
    labels: tuple[Labels, ...]
    rows: CategoryRows

    @property
    def size(self) -> int:
        """How many levels there are."""
        return self.rows.category.size

    def shown(self, level: int) -> str:
        """Such as ``firm 'a'``; of combined columns ``firm 'a' and year 2001``."""
        return " and ".join(f"{name} {own[level].item()!r}" for name, own in zip(self.term.columns, self.labels, strict=True))


@dataclass(frozen=True, eq=False)
class UsedRows:
    """levels: of the rows that are used; the others have a code of -1. used: how many. singletons, separated: rows left out. notes:
    which, in words."""

    levels: list[Levels]
    used: int
    singletons: int
    separated: int
    notes: tuple[str, ...]


def used_rows(columns: AbsorbedColumns, loss: Loss, rows: Rows) -> UsedRows:
    """Leaves out rows of weight zero, then, until there are none, singletons and rows of separated levels.

    A singleton is the only row of a level: the level fits it whatever the coefficients are. A level is separated where all its targets are
    one value towards which the loss falls for ever, such as counts that are all zero.
    """
    whole = [_levels_of(term, columns) for term in columns.terms]
    source = _Rows(rows, whole, loss.squared_scale() is None)
    alive: list[BoolArray] = [np.ones(own.size, dtype=np.bool_) for own in whole]
    alone, apart = list[str](), list[str]()
    singletons = separated = 0
    while True:
        counts, seen, low, high = source.sums(alive)
        if not any(own.any() for own in seen):
            raise ArgumentError(
                "the absorbed levels leave no rows: each row is the only one of some level, or its level's targets are all the same; absorb"
                " fewer levels"
            )
        single, endless = list[BoolArray](), list[BoolArray]()
        for place, own in enumerate(whole):
            constant = own.rows.category.constant
            single.append(constant & seen[place] & (counts[place] <= 1))
            endless.append(constant & seen[place] & ~single[place] & _separated(loss, low[place], high[place]))
            alone += [own.shown(int(level)) for level in np.flatnonzero(single[place])[: SHOWN + 1 - len(alone)]]
            apart += [own.shown(int(level)) for level in np.flatnonzero(endless[place])[: SHOWN + 1 - len(apart)]]
        if not any(own.any() for own in (*single, *endless)):
            break
        lost = source.lost(alive, single, endless)
        singletons, separated = singletons + lost[0], separated + lost[1]
        alive = [own & ~one & ~other for own, one, other in zip(alive, single, endless, strict=True)]
    notes = []
    if singletons:
        words = "as a singleton," if singletons == 1 else "as singletons, each"
        notes.append(f"{_rows(singletons)} left out {words} the only row of a level, which fits it whatever else: {_listed(alone)}")
    if separated:
        notes.append(
            f"{_rows(separated)} left out as separated: all targets of their level are one value that the loss {loss.name!r} fits"
            f" ever better as the level's value runs off: {_listed(apart)}"
        )
    used = int(sum(int(keep.sum()) for keep in source.kept(alive)))
    levels = [_compressed(own, there) for own, there in zip(whole, seen, strict=True)]
    return UsedRows(levels, used, singletons, separated, tuple(notes))


class _Rows:
    """Passes over codes, and over targets and weights where these matter."""

    def __init__(self, rows: Rows, levels: list[Levels], targets: bool) -> None:
        self.rows, self.levels, self.targets = rows, levels, targets
        known = rows.row_columns
        block = rows.take(np.arange(1)) if known is None else None
        beside = (block.weights, block.frequencies) if block is not None else (known.weights, known.frequencies)  # type: ignore[union-attr]
        self.weighted = any(own is not None for own in beside)

    def sums(self, alive: list[BoolArray]) -> tuple[list[Array], list[BoolArray], list[Array], list[Array]]:
        """By category and level, of the rows that are left: (frequencies, whether there are any, the least and the largest target)."""
        counts = [np.zeros(own.size) for own in self.levels]
        rows = [np.zeros(own.size) for own in self.levels]
        low = [np.full(own.size, np.inf) for own in self.levels]
        high = [np.full(own.size, -np.inf) for own in self.levels]
        for codes, values, keep in self._parts(alive):
            for place, own in enumerate(codes):
                picked = own if keep.all() else own[keep]
                add_to_levels(rows[place], picked, None, None)
                if self.weighted:
                    add_to_levels(counts[place], picked, values[keep, 2], None)
                if self.targets:
                    np.minimum.at(low[place], picked, values[keep, 0])
                    np.maximum.at(high[place], picked, values[keep, 0])
        return (counts if self.weighted else rows), [own > 0 for own in rows], low, high

    def lost(self, alive: list[BoolArray], single: list[BoolArray], endless: list[BoolArray]) -> tuple[int, int]:
        """(singletons, rows of separated levels) among the rows that are left; what is both is the former of the first category."""
        found = [0, 0]
        for codes, _, keep in self._parts(alive):
            gone = ~keep
            for place, own in enumerate(codes):
                for kind, flags in enumerate((single[place], endless[place])):
                    own_lost = flags[own] & ~gone
                    found[kind] += int(own_lost.sum())
                    gone |= own_lost
        return found[0], found[1]

    def kept(self, alive: list[BoolArray]) -> Iterator[BoolArray]:
        """Which rows are left, a part at a time."""
        for _, _, keep in self._parts(alive):
            yield keep

    def _parts(self, alive: list[BoolArray]) -> Iterator[tuple[list[IntArray], Array, BoolArray]]:
        """(codes by category, targets, weights and frequencies (m, 3) where they matter, which rows are left)."""
        start = 0
        for values in self._values():
            stop = start + len(values)
            codes = [own.rows.codes.part(start, stop) for own in self.levels]
            keep = values[:, 1] > 0 if self.weighted else np.ones(len(values), dtype=np.bool_)
            for own, flags in zip(codes, alive, strict=True):
                if not flags.all():
                    keep = keep & flags[own]
            yield codes, values, keep
            start = stop

    def _values(self) -> Iterator[Array]:
        if self.weighted or self.targets:
            yield from LevelledRows(self.rows, ()).run(_Beside())
            return
        n = self.rows.n_rows
        for start in range(0, n, PART_ROWS):
            yield np.empty((min(PART_ROWS, n - start), 0))


@dataclass(frozen=True)
class _Beside:
    """Of each row: its target, its weight and its frequency."""

    def map(self, block: Block) -> Array:
        ones = np.ones(block.n_rows)
        weights = ones if block.row_weights is None else block.row_weights
        return np.stack([block.targets[:, 0], weights, ones if block.frequencies is None else block.frequencies], axis=1)


def degrees_of(levels: list[Levels], varying: list[int], equations: LevelEquations) -> tuple[list[int], int, list[IntArray]]:
    """(the degrees of freedom that each category takes, connected sets, each category's levels' sets).

    The first category's levels all count; of a further one's, less the sets that rows connect with an earlier category, the most of them
    (exact for two categories; for more what Abowd, Creecy and Kramarz 2002 call an upper bound of what is lost). varying: slopes
    that vary within their level, by category.
    """
    found, earlier, sets = list[int](), list[int](), 1
    of_levels = [np.zeros(own.size, dtype=np.int64) for own in levels]
    pair: tuple[int, int, IntArray, IntArray] | None = None
    for place, (own, slopes) in enumerate(zip(levels, varying, strict=True)):
        if not own.rows.category.constant:
            found.append(slopes)
            continue
        connected = [_components(equations.meetings(other, place)) for other in earlier]
        lost = max((count for count, _, _ in connected), default=0)
        if len(earlier) == 1:
            sets = connected[0][0]
            pair = (earlier[0], place, connected[0][1], connected[0][2])
        found.append(own.size - lost + slopes)
        earlier.append(place)
    if len(earlier) != 2 or pair is None:
        return found, 1, of_levels
    of_levels[pair[0]], of_levels[pair[1]] = pair[2], pair[3]
    for place, own in enumerate(levels):
        if not own.rows.category.constant:
            of_levels[place] = _sets_of_slopes(own.rows.codes, levels[pair[0]].rows.codes, pair[2], own.size)
    return found, sets, of_levels


def _sets_of_slopes(codes: RowNumbers, known: RowNumbers, sets: IntArray, size: int) -> IntArray:
    """The sets of a category's levels, by the set of any of their rows."""
    found = np.zeros(size, dtype=np.int64)
    for start in range(0, len(codes), PART_ROWS):
        own, other = codes.part(start, start + PART_ROWS), known.part(start, start + PART_ROWS)
        there = (own >= 0) & (other >= 0)
        found[own[there]] = sets[other[there]]
    return found


def nested(levels: Levels, others: list[CategoryRows], groups: tuple[RowNumbers, ...]) -> bool:
    """Whether each level lies in one cluster of some way. others: all categories, of which a row that is left out lacks one."""
    for way in groups:
        low = np.full(levels.size, np.iinfo(np.int64).max)
        high = np.full(levels.size, -1)
        for start in range(0, len(way), PART_ROWS):
            stop = start + PART_ROWS
            keep = np.ones(len(way.part(start, stop)), dtype=np.bool_)
            for own in others:
                if own.holes:
                    keep &= own.codes.part(start, stop) >= 0
            codes, clusters = levels.rows.codes.part(start, stop)[keep], way.part(start, stop)[keep].astype(np.int64)
            np.minimum.at(low, codes, clusters)
            np.maximum.at(high, codes, clusters)
        if (low == high).all():
            return True
    return False


def _levels_of(term: AbsorbedTerm, columns: AbsorbedColumns) -> Levels:
    slopes = tuple(columns.numbers[name] for name in term.slopes)
    first = columns.codes[term.columns[0]]
    if len(term.columns) == 1:
        codes, size = first.codes, len(first.labels)
        labels: tuple[Labels, ...] = (first.labels,)
    else:
        present = np.zeros(0, dtype=np.int64)
        for start in range(0, len(first.codes), PART_ROWS):
            present = np.union1d(present, _keys(term, columns, start, start + PART_ROWS))
        starts = range(0, len(first.codes), PART_ROWS)
        codes = written((np.searchsorted(present, _keys(term, columns, start, start + PART_ROWS)) for start in starts), np.int32)
        size, labels = len(present), _apart(term, columns, present)
    return Levels(term, tuple(map(_whole, labels)), CategoryRows(Category(size, len(slopes), term.constant), codes, slopes))


def _whole(labels: Labels) -> Labels:
    """Labels of whole numbers as such, which files of text and columns with gaps hold as numbers with a point."""
    if labels.dtype.kind != "f" or not (np.abs(labels) < 2.0**53).all():
        return labels
    return labels.astype(np.int64)


def _keys(term: AbsorbedTerm, columns: AbsorbedColumns, start: int, stop: int) -> IntArray:
    """Of combined columns one number for each combination."""
    key: IntArray = np.zeros(1, dtype=np.int64)
    for name in term.columns:
        own = columns.codes[name]
        key = key * len(own.labels) + own.codes.part(start, stop)
    return key


def _apart(term: AbsorbedTerm, columns: AbsorbedColumns, keys: IntArray) -> tuple[Labels, ...]:
    found = list[Labels]()
    for name in reversed(term.columns):
        labels = columns.codes[name].labels
        found.insert(0, labels[keys % len(labels)])
        keys = keys // len(labels)
    return tuple(found)


def _compressed(own: Levels, there: BoolArray) -> Levels:
    """The levels that the used rows have, numbered anew in their order; -1 for the others."""
    if there.all():
        return own
    numbers = np.where(there, np.cumsum(there) - 1, -1).astype(np.int32)
    category = Category(int(there.sum()), own.rows.category.slopes, own.rows.category.constant)
    codes = derived(own.rows.codes, lambda part: numbers[part], np.int32)
    return Levels(own.term, tuple(labels[there] for labels in own.labels), CategoryRows(category, codes, own.rows.slopes, True))


def _separated(loss: Loss, low: Array, high: Array) -> BoolArray:
    """Levels whose targets are all one value at which the loss has no minimum, (size,). low, high: a level's least and largest target."""
    found = np.zeros(len(low), dtype=np.bool_)
    same = np.flatnonzero(low == high)
    if loss.squared_scale() is not None or not same.size:
        return found
    values, places = np.unique(low[same], return_inverse=True)
    reach = FAR + 10.0 * np.abs(values)
    slopes = []
    for at in (-reach, reach):
        with np.errstate(all="ignore"):
            gradient = loss.derivatives(values[:, None], at[:, None], 1).gradient
        assert gradient is not None
        slopes.append(gradient[:, 0])
    # A slope of NaN is that of an overflow, and says nothing.
    endless = ~((slopes[0] < 0) | np.isnan(slopes[0])) | ~((slopes[1] > 0) | np.isnan(slopes[1]))
    found[same] = endless[places]
    return found


def _components(meetings: Any) -> tuple[int, IntArray, IntArray]:
    """(connected sets, those of the levels of the first and of the second category). meetings: positive where two levels meet."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    if not sparse.issparse(meetings):
        count, larger, smaller = _sets_of_table(meetings if meetings.shape[0] >= meetings.shape[1] else meetings.T)
        return (count, larger, smaller) if meetings.shape[0] >= meetings.shape[1] else (count, smaller, larger)
    first, second = meetings.shape
    found = meetings.tocoo()
    edges = (np.ones(len(found.row), dtype=np.int8), (found.row, first + found.col))
    count, sets = connected_components(sparse.coo_array(edges, shape=(first + second, first + second)), directed=False)
    return int(count), np.asarray(sets[:first], dtype=np.int64), np.asarray(sets[first:], dtype=np.int64)


def _sets_of_table(table: Array) -> tuple[int, IntArray, IntArray]:
    """The same of a table written out, (larger, smaller): each smaller level takes the least name that it meets, until all stay."""
    most = table.shape[1]
    names = np.arange(most)
    lowest = np.zeros(len(table), dtype=np.int64)
    while True:
        before, reached = names.copy(), np.full(most, most)
        for start in range(0, len(table), 2**15):
            there = table[start : start + 2**15] > 0
            own = np.where(there, names, most).min(axis=1, initial=most)
            lowest[start : start + 2**15] = own
            np.minimum(reached, np.where(there, own[:, None], most).min(axis=0, initial=most), out=reached)
        names = np.minimum(names, reached)
        if (names == before).all():
            break
    present, smaller = np.unique(names, return_inverse=True)
    return len(present), np.searchsorted(present, lowest), smaller


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
