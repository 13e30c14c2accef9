"""The rows and levels that a fit with absorbed levels is made of: which rows tell nothing, and what the levels cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.formulas.absorbed import AbsorbedTerm
from gradline.linalg.within import LevelCodes
from gradline.losses.protocol import Loss
from gradline.preparing.absorbed_columns import AbsorbedColumns
from gradline.preparing.table_clusters import Labels

FAR = 1e3
"""How far out a linear predictor is tried to see whether a loss falls for ever."""

SHOWN = 3
"""Levels named in a message."""

BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Levels:
    """One category of the rows that are used. labels: of its levels, an array for each of its columns."""

    term: AbsorbedTerm
    factor: LevelCodes
    labels: tuple[Labels, ...]

    def shown(self, level: int) -> str:
        """Such as ``firm 'a'``."""
        values = " and ".join(repr(own[level].item() if hasattr(own[level], "item") else own[level]) for own in self.labels)
        return f"{'^'.join(self.term.columns)} {values}"


@dataclass(frozen=True, eq=False)
class UsedRows:
    """rows: their places among those read. levels: of these rows. singletons, separated: rows left out. notes: which, in words."""

    rows: IntArray
    levels: list[Levels]
    singletons: int
    separated: int
    notes: tuple[str, ...]


def used_rows(columns: AbsorbedColumns, loss: Loss, targets: Array, weights: Array | None, frequencies: Array | None) -> UsedRows:
    """Leaves out rows of weight zero, then, until there are none, singletons and rows of separated levels.

    weights: of rows in the objective. A singleton is the only row of a level: the level fits it whatever the coefficients are. A level is
    separated where all its targets are one value towards which the loss falls for ever, such as counts that are all zero.
    """
    rows = np.arange(len(targets)) if weights is None else np.flatnonzero(weights > 0)
    whole = [_levels_of(term, columns) for term in columns.terms]
    alone, apart = list[str](), list[str]()
    singletons = separated = 0
    while True:
        gone = np.zeros(len(rows), dtype=np.bool_)
        for own in whole:
            if not own.factor.constant:
                continue
            codes = own.factor.codes[rows]
            counts = np.bincount(codes, None if frequencies is None else frequencies[rows], minlength=own.factor.size)
            single = (counts > 0) & (counts <= 1)
            alone += [own.shown(int(level)) for level in np.flatnonzero(single)[: SHOWN + 1 - len(alone)]]
            lost = single[codes] & ~gone
            singletons += int(lost.sum())
            gone |= lost
            endless = _separated(loss, codes, own.factor.size, targets[rows, 0]) & ~single
            apart += [own.shown(int(level)) for level in np.flatnonzero(endless)[: SHOWN + 1 - len(apart)]]
            lost = endless[codes] & ~gone
            separated += int(lost.sum())
            gone |= lost
        if not gone.any():
            break
        rows = rows[~gone]
        if not len(rows):
            raise ArgumentError(
                "the absorbed levels leave no rows: each row is the only one of some level, or its level's targets are all the same; absorb"
                " fewer levels"
            )
    notes = []
    if singletons:
        notes.append(f"{singletons:,} rows left out as singletons, the only row of a level, which fits it whatever else: {_listed(alone)}")
    if separated:
        notes.append(
            f"{separated:,} rows left out as separated: all targets of their level are one value that the loss {loss.name!r} fits ever"
            f" better as the level's value runs off: {_listed(apart)}"
        )
    return UsedRows(rows, [_compressed(own, rows) for own in whole], singletons, separated, tuple(notes))


def degrees_of(levels: list[Levels], varying: list[int]) -> tuple[list[int], int, IntArray]:
    """(the degrees of freedom that each category takes, connected sets, each row's set).

    The first category's levels all count; of a further one's, less the sets that rows connect with an earlier category, the most of them
    (exact for two categories; for more what Abowd, Creecy and Kramarz 2002 call an upper bound of what is lost). varying: slopes
    that vary within their level, by category.
    """
    found, earlier, sets = list[int](), list[LevelCodes](), 1
    rows_sets = np.zeros(len(levels[0].factor.codes), dtype=np.int64)
    for own, slopes in zip(levels, varying, strict=True):
        factor = own.factor
        if not factor.constant:
            found.append(slopes)
            continue
        connected = [_components(factor, other) for other in earlier]
        lost = max((count for count, _ in connected), default=0)
        if len(earlier) == 1:
            sets, rows_sets = connected[0]
        found.append(factor.size - lost + slopes)
        earlier.append(factor)
    if len(earlier) != 2:
        sets, rows_sets = 1, np.zeros_like(rows_sets)
    return found, sets, rows_sets


def nested(factor: LevelCodes, groups: IntArray) -> bool:
    """Whether each level lies in one cluster of some way. groups (n, ways)."""
    for way in range(groups.shape[1]):
        codes = groups[:, way]
        low = np.full(factor.size, np.iinfo(np.int64).max)
        high = np.full(factor.size, -1)
        np.minimum.at(low, factor.codes, codes)
        np.maximum.at(high, factor.codes, codes)
        if (low == high).all():
            return True
    return False


def _levels_of(term: AbsorbedTerm, columns: AbsorbedColumns) -> Levels:
    key = np.zeros(len(columns.codes[term.columns[0]].codes), dtype=np.int64)
    for name in term.columns:
        own = columns.codes[name]
        key = key * len(own.labels) + own.codes
    if len(term.columns) == 1:
        own = columns.codes[term.columns[0]]
        codes, size = own.codes, len(own.labels)
        labels: tuple[Labels, ...] = (own.labels,)
    else:
        present, codes = np.unique(key, return_inverse=True)
        size, labels = len(present), _apart(term, columns, present)
    slopes = np.column_stack([columns.numbers[name] for name in term.slopes]) if term.slopes else None
    return Levels(term, LevelCodes(codes, size, slopes, term.constant), labels)


def _apart(term: AbsorbedTerm, columns: AbsorbedColumns, keys: IntArray) -> tuple[Labels, ...]:
    found = list[Labels]()
    for name in reversed(term.columns):
        labels = columns.codes[name].labels
        found.insert(0, labels[keys % len(labels)])
        keys = keys // len(labels)
    return tuple(found)


def _compressed(own: Levels, rows: IntArray) -> Levels:
    """The levels that the rows have, numbered anew in their order."""
    factor = own.factor.take(rows)
    there = np.bincount(factor.codes, minlength=factor.size) > 0
    numbers = np.cumsum(there) - 1
    kept = LevelCodes(numbers[factor.codes], int(there.sum()), factor.slopes, factor.constant)
    return Levels(own.term, kept, tuple(labels[there] for labels in own.labels))


def _separated(loss: Loss, codes: IntArray, size: int, targets: Array) -> BoolArray:
    """Levels whose targets are all one value at which the loss has no minimum, (size,)."""
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, codes, targets)
    np.maximum.at(high, codes, targets)
    same = np.flatnonzero(low == high)
    found = np.zeros(size, dtype=np.bool_)
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


def _components(first: LevelCodes, second: LevelCodes) -> tuple[int, IntArray]:
    """(connected sets of the levels of two categories, each row's set)."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    n = len(first.codes)
    edges = (np.ones(n, dtype=np.int8), (first.codes, first.size + second.codes))
    total = first.size + second.size
    count, sets = connected_components(sparse.coo_array(edges, shape=(total, total)), directed=False)
    return int(count), np.asarray(sets[first.codes], dtype=np.int64)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
