"""The within transformation: what is left of columns once the levels of one or several categories are taken out by least squares.

One pass over the rows adds up columns by level and pairs of levels that meet, which is all that the normal equations need
(``level_equations``). Rounds over the residuals themselves then give back the digits that normal equations lose. What is taken out is
held by level, never by row: memory is a matter of levels and columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg.level_columns import (
    Category,
    LevelColumns,
    LevelPart,
    LevelRows,
    LevelSums,
    RowLevels,
    Taken,
    orthogonal_columns,
)
from gradline.linalg.level_equations import LevelEquations, LevelMoments

ENOUGH = 1e-13
"""A round whose right side is this part of the column's own size has only rounding to remove."""

MOST_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class Transformed:
    """taken: of the columns, by level. spread (c,): weighted squares of the columns about their mean. size (c,): about zero. left
    (c, c): weighted products of what is left. weight: the sum of weights. converged: whether rounding alone is left to take out."""

    taken: Taken
    equations: LevelEquations
    spread: Array
    size: Array
    left: Array
    weight: float
    converged: bool
    steps: int

    @property
    def levels(self) -> Array:
        """(L, c) of D, the shift among the constants of the first category that has any."""
        assert self.taken.levels is not None
        found = self.taken.levels.copy()
        columns = self.taken.columns
        for own, start in zip(columns.categories, columns.bounds, strict=False):
            if own.constant:
                found[start : start + own.size] += self.taken.shift
                break
        return found

    def level_values(self, levels: Array) -> list[tuple[Array, Array]]:
        """Of each category (constants (size,), slopes (size, s)) in the slopes' own columns, from levels (L,) of D."""
        columns = self.taken.columns
        return [
            columns.given(place, levels[start:stop])
            for place, (start, stop) in enumerate(zip(columns.bounds, columns.bounds[1:], strict=False))
        ]


def transform(rows: LevelRows, rounds: int = MOST_ROUNDS) -> Transformed:
    """Take the levels out of the rows' columns. rounds: at most; one is enough where another step follows.

    Raises SolverError where conjugate gradients do not get there.
    """
    columns = orthogonal_columns(rows)
    moments = LevelMoments(columns, rows.n_rows)
    found = _first_sums(rows, columns, moments)
    equations = LevelEquations(moments)
    size = np.sqrt(np.diag(found.products))
    root = np.sqrt(np.where(equations.diagonal > 0, 1.0 / np.where(equations.diagonal > 0, equations.diagonal, 1.0), 0.0))[:, None]
    spread = np.maximum(np.diag(found.products) - np.square(found.total) / max(found.weight, 1e-300), 0.0)
    whole = np.diag(found.products) + 2.0 * found.shift * found.total + found.weight * np.square(found.shift)
    steps, before, own = 0, np.full(len(size), np.inf), found
    taken = Taken(columns, found.shift, None)
    close = 1e-11 * np.sqrt(np.maximum(whole, 1e-300))
    for number in range(rounds + 1):
        left = np.sqrt(np.square(own.by_level * root).sum(axis=0))
        # Where rounding is all there is, a round makes nothing smaller.
        if number == rounds or (number and ((left <= ENOUGH * size) | (left > 0.5 * before)).all()):
            break
        before = left
        solved, more = equations.solve(own.by_level, ENOUGH * size)
        steps += more
        if taken.levels is not None:
            solved += taken.levels
        taken = Taken(columns, found.shift, solved)
        own = _sums_of_what_is_left(rows, taken)
    return Transformed(taken, equations, spread, whole, own.products, found.weight, bool((left <= close).all()), steps)


@dataclass(frozen=True, eq=False)
class _Sums:
    """by_level (L, c): D'W v. products (c, c): v'W v. total (c,): of W v. shift: that was taken out."""

    by_level: Array
    products: Array
    total: Array
    weight: float
    shift: Array


def _first_sums(rows: LevelRows, columns: LevelColumns, moments: LevelMoments) -> _Sums:
    """Of the columns themselves, less what about all rows share, which would only cost digits."""
    shift: Array | None = None
    parts = rows.parts()

    def shifted() -> Iterator[LevelPart]:
        nonlocal shift
        for part in parts:
            if shift is None:
                weights = part.weights
                some = weights is not None and weights.any()
                shift = np.average(part.values, axis=0, weights=weights if some else None)
                if not any(own.constant for own in columns.categories):
                    shift = np.zeros_like(shift)
            moments.add(part.levels, part.weights)
            yield part._replace(values=Taken(columns, shift, None).out_of(part.values, part.levels))

    found = _added(shifted(), columns)
    assert shift is not None
    return _Sums(*found, shift)


def _sums_of_what_is_left(rows: LevelRows, taken: Taken) -> _Sums:
    return _Sums(*_added(rows.left(taken), taken.columns), taken.shift)


def _added(parts: Iterator[LevelPart], columns: LevelColumns) -> tuple[Array, Array, Array, float]:
    sums: LevelSums | None = None
    products = total = np.zeros(0)
    weight = 0.0
    for part in parts:
        values, weights = part.values, part.weights
        weighted = values if weights is None else values * weights[:, None]
        if sums is None:
            sums = LevelSums(columns, values.shape[1])
            products, total = np.zeros((values.shape[1],) * 2), np.zeros(values.shape[1])
        products += np.dot(weighted.T, values)
        total += weighted.sum(axis=0)
        weight += float(len(values)) if weights is None else float(weights.sum())
        sums.add(part.levels, weighted)
    assert sums is not None
    return sums.found(), products, total, weight


@dataclass(frozen=True, eq=False)
class HeldLevels:
    """Rows in memory: codes (n,) and slopes (n, s) or None by category, weights (n,) or None, and columns (n, c)."""

    categories: tuple[Category, ...]
    codes: tuple[IntArray, ...]
    slopes: tuple[Array | None, ...]
    weights: Array | None
    values: Array
    part_rows: int = 2**17

    @property
    def n_rows(self) -> int:
        return len(self.values)

    def parts(self) -> Iterator[LevelPart]:
        for start in range(0, self.n_rows, self.part_rows):
            part = slice(start, start + self.part_rows)
            slopes = tuple(None if own is None else own[part] for own in self.slopes)
            levels = RowLevels(tuple(own[part] for own in self.codes), slopes)
            yield LevelPart(levels, None if self.weights is None else self.weights[part], self.values[part])

    def left(self, taken: Taken) -> Iterator[LevelPart]:
        for part in self.parts():
            yield part._replace(values=taken.out_of(part.values, part.levels))
