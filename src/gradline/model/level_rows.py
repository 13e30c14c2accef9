"""The rows of a fit with absorbed levels, given again: their columns less what the levels say, and what the levels add in the offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.design.dense import DenseDesign
from gradline.linalg.level_columns import Category, RowLevels
from gradline.model.absorbed import AbsorbedLevels
from gradline.model.level_errors import LevelErrors
from gradline.objective.objective import Problem
from gradline.preparing.from_table import MOST_HELD, TableSource
from gradline.rows.altered import Alteration, AlteredRows
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.kernel import RowKernel
from gradline.rows.protocol import Rows
from gradline.tables.encoders import RowValues

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.record import Model

Beside = Literal["nothing", "lever", "images"]
"""Columns after a row's own that stand for its levels: none, one, or one for each part of ``LevelErrors.images``."""


@dataclass(frozen=True)
class _WithLevels:
    """Targets, then whether the row's levels are known, what they add, their codes and the values of their slopes."""

    targets: RowValues
    absorbed: AbsorbedLevels

    @property
    def columns(self) -> Sequence[str]:
        return tuple(dict.fromkeys([*self.targets.columns, *self.absorbed.columns]))

    @property
    def n_values(self) -> int:
        return self.targets.n_values + 2 + sum(1 + len(own.slopes) for own in self.absorbed.categories)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        own = self.absorbed.of_rows(batch, first_row, "missing")
        known = ~np.isnan(own.values)
        parts: list[Array] = [known[:, None], np.where(known, own.values, 0.0)[:, None], np.stack(own.levels.codes, axis=1)]
        parts += [slopes for slopes in own.levels.slopes if slopes is not None]
        return np.concatenate([self.targets.values(batch, first_row), *parts], axis=1)


class LevelsOfBlock(NamedTuple):
    """targets (m, q); known (m,): whether all levels of a row are; values (m,): what they add; levels: the rows' own."""

    targets: Array
    known: np.ndarray[tuple[int], np.dtype[np.bool_]]
    values: Array
    levels: RowLevels


@dataclass(frozen=True)
class _Split:
    """Takes apart what ``_WithLevels`` put side by side. slopes: how many each category has."""

    n_targets: int
    slopes: tuple[int, ...]

    def of(self, block: Block) -> LevelsOfBlock:
        q, k = self.n_targets, len(self.slopes)
        targets, known, values, codes, rest = np.split(block.targets, np.cumsum([q, 1, 1, k]), axis=1)
        # A row that lacks a value is NaN throughout.
        places = np.nan_to_num(codes).astype(np.int64)
        each = np.split(rest, np.cumsum(self.slopes)[:-1], axis=1)
        levels = RowLevels(tuple(places.T), tuple(own if size else None for own, size in zip(each, self.slopes, strict=True)))
        return LevelsOfBlock(targets, known[:, 0] > 0, values[:, 0], levels)

    def weighed(self, block: Block, found: LevelsOfBlock) -> Block:
        """The block with its own targets, rows of unknown levels at weight zero."""
        weights = block.weights
        if not found.known.all():
            weights = np.where(found.known, 1.0 if weights is None else weights, 0.0)
        return replace(block, targets=found.targets, weights=weights)


@dataclass(frozen=True)
class _AsRead:
    """The rows as they are, those of unknown levels at weight zero."""

    split: _Split

    def block(self, block: Block) -> Block:
        return self.split.weighed(block, self.split.of(block))


@dataclass(frozen=True, eq=False)
class _AtLevels:
    """Columns less what the levels say of them, where that is known; the offset has all else, so that linear predictors are the fit's.
    missing: whether a row of unknown levels has NaN, as one that lacks a value. beside: what stands for the levels. given:
    whether the offset that was given stays an offset, rather than being taken out of the target of squared loss."""

    split: _Split
    errors: LevelErrors | None
    coefficients: Array
    missing: bool
    beside: Beside = "nothing"
    given: bool = True

    def block(self, block: Block) -> Block:
        found = self.split.of(block)
        if block.offset is not None and not self.given:
            found = found._replace(targets=found.targets - block.offset)
        columns = block.design.slopes()
        offset = columns @ self.coefficients + found.values[:, None]
        if block.offset is not None and self.given:
            offset += block.offset
        if self.errors is not None:
            columns = self.errors.within(block.design, found.levels)
        offset -= columns @ self.coefficients
        if self.missing:
            offset[~found.known] = np.nan
        if self.errors is not None and self.beside != "nothing":
            more = self.errors.lever(found.levels) if self.beside == "lever" else self.errors.images(found.levels)
            columns = np.concatenate([columns, more], axis=1)
        return replace(self.split.weighed(block, found), design=DenseDesign(columns, False), offset=offset)


@dataclass(frozen=True, eq=False)
class _LevelsBeside:
    """Codes and slopes of each row, then what a kernel makes of the block of the problem."""

    split: _Split
    at: Alteration
    values: RowKernel

    def map(self, block: Block) -> Array:
        levels = self.split.of(block).levels
        slopes = [own for own in levels.slopes if own is not None]
        return np.concatenate([np.stack(levels.codes, axis=1), *slopes, self.values.map(self.at.block(block))], axis=1)


@dataclass(frozen=True, eq=False)
class LevelRows:
    """Rows given again. kept: those that lack no value, levels beside their targets; every: all of them, NaN where a value is missing."""

    fit: Model
    source: TableSource
    kept: Rows
    every: Rows
    split: _Split

    @classmethod
    def read(cls, fit: Model, source: TableSource) -> LevelRows:
        """Rows that lack a level are left out, as those that lack any other value."""
        assert fit.absorbed is not None
        targets = source.rows().targets
        both = _WithLevels(targets, fit.absorbed)
        rows = source.rows(targets=both)
        held = rows.as_arrays(MOST_HELD)
        split = _Split(targets.n_values, tuple(len(own.slopes) for own in fit.absorbed.categories))
        kept: Rows = rows if held is None else _known(held, split)
        return cls(fit, source, kept, source.rows(missing="keep", targets=both), split)

    @property
    def absorbed(self) -> AbsorbedLevels:
        """Of the fit."""
        assert self.fit.absorbed is not None
        return self.fit.absorbed

    @property
    def plain(self) -> Rows:
        """The rows as they were read, without those of unknown levels."""
        return self._altered(self.kept, _AsRead(self.split), self.kept.n_columns)

    def problem(self, beside: Beside = "nothing") -> Problem:
        """The fit's objective, whose offset has what the levels add."""
        width = self.width(beside)
        rows = self._altered(self.kept, self._at(beside, missing=False), self.kept.n_columns + width)
        return Problem(rows, self.fit.loss_function, None, (*self.fit.names, *("level",) * width), None)

    def whole(self, beside: Beside = "nothing") -> Rows:
        """One result for each row of the table, NaN where a value or a level is missing."""
        return AlteredRows(self.every, self._at(beside, missing=True), self.every.n_columns + self.width(beside), self.split.n_targets)

    def width(self, beside: Beside) -> int:
        """How many columns stand for the levels."""
        errors = self.absorbed.errors
        return 0 if beside == "nothing" or errors is None else 1 if beside == "lever" else errors.form.width

    @property
    def categories(self) -> tuple[Category, ...]:
        """As the levels' columns have them."""
        return tuple(Category(len(own.levels), len(own.slopes), own.constant) for own in self.absorbed.categories)

    def parts(self, values: RowKernel, *, plain: bool = False, given: bool = True) -> Iterator[tuple[RowLevels, Array, Array]]:
        """(levels, weights (m,), columns) of the rows that count, some at a time. values: what gives weight and columns of each row of a
        block of ``problem``, or of ``plain``. given: whether the offset that was given stays one."""
        at: Alteration = _AsRead(self.split) if plain else replace(self._at("nothing", missing=False), given=given)
        for found in self.kept.iterate(_LevelsBeside(self.split, at, values)):
            k = len(self.split.slopes)
            codes, slopes, rest = np.split(found, [k, k + sum(self.split.slopes)], axis=1)
            each = np.split(slopes, np.cumsum(self.split.slopes)[:-1], axis=1)
            own = tuple(part if size else None for part, size in zip(each, self.split.slopes, strict=True))
            keep = rest[:, 0] > 0
            levels = RowLevels(tuple(codes[keep].astype(np.int64).T), tuple(None if part is None else part[keep] for part in own))
            yield levels, np.ascontiguousarray(rest[keep, 0]), np.ascontiguousarray(rest[keep, 1:])

    def _at(self, beside: Beside, missing: bool) -> _AtLevels:
        return _AtLevels(self.split, self.absorbed.errors, self.fit.solution.coefficients, missing, beside)

    def _altered(self, rows: Rows, alteration: Alteration, columns: int) -> Rows:
        block = rows.in_memory()
        if block is None:
            return AlteredRows(rows, alteration, columns, self.split.n_targets)
        found = alteration.block(block)
        beside: dict[str, Any] = {"weights": found.weights, "frequencies": found.frequencies, "offset": found.offset}
        return ArrayRows(found.design.slopes(), found.targets, intercept=False, numbers=block.numbers, **beside)


def _known(held: ArrayRows, split: _Split) -> ArrayRows:
    """Those whose levels are known."""
    block = held.in_memory()
    places = np.flatnonzero(split.of(block).known)
    if len(places) == block.n_rows:
        return held
    if not places.size:
        raise InferenceError("no row of the data has levels that the fit knows")
    own = held.take(places)
    beside: dict[str, Any] = {"weights": own.weights, "frequencies": own.frequencies, "offset": own.offset}
    return ArrayRows(own.design.slopes(), own.targets, intercept=False, numbers=block.row_numbers[places], **beside)
