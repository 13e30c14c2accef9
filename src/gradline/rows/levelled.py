"""Rows with the levels of categories beside them: what a pass needs to take levels out of a block's columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from gradline.base.threads import in_order
from gradline.base.types import Array, IntArray
from gradline.linalg.level_columns import Category, RowLevels
from gradline.rows.block import Block
from gradline.rows.kernel import RowKernel
from gradline.rows.protocol import Rows

PART_ROWS = 2**16
"""Rows in memory that a thread takes at a time."""


class RowNumbers(Protocol):
    """One number for each row: a code, or a value. What it is held in is its own business."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> np.ndarray[tuple[int], np.dtype[Any]]:
        """Of consecutive rows."""

    def take(self, rows: IntArray) -> np.ndarray[tuple[int], np.dtype[Any]]:
        """Of the given rows."""


@dataclass(frozen=True, eq=False)
class HeldNumbers:
    """In memory. values (n,)."""

    values: np.ndarray[tuple[int], np.dtype[Any]]

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, stop: int) -> np.ndarray[tuple[int], np.dtype[Any]]:
        return self.values[start:stop]

    def take(self, rows: IntArray) -> np.ndarray[tuple[int], np.dtype[Any]]:
        return self.values[rows]


@dataclass(frozen=True, eq=False)
class CategoryRows:
    """One category: each row's code, -1 where the row is left out, and its slopes' values. holes: whether some rows are left out."""

    category: Category
    codes: RowNumbers
    slopes: tuple[RowNumbers, ...] = ()
    holes: bool = False


@dataclass(frozen=True, eq=False)
class LevelledRows:
    """rows: of the columns. categories: of the same rows, in the same order; a row whose level is left out counts for nothing."""

    rows: Rows
    categories: tuple[CategoryRows, ...]

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def holes(self) -> bool:
        """Whether some rows are left out."""
        return any(own.holes for own in self.categories)

    def levels(self, start: int, stop: int) -> RowLevels:
        """Of consecutive rows; of a row that is left out any."""
        codes = [own.codes.part(start, stop) for own in self.categories]
        return self._levels(codes, [self._slopes(own, start, stop) for own in self.categories])

    def read(self, block: Block, rows: IntArray | None = None) -> tuple[Block, RowLevels]:
        """(the block without intercept, rows that are left out at weight zero; their levels). rows: their numbers where these are not
        consecutive from ``block.first_row``."""
        start, stop = block.first_row, block.first_row + block.n_rows
        if rows is None:
            codes: list[Any] = [own.codes.part(start, stop) for own in self.categories]
            slopes = [self._slopes(own, start, stop) for own in self.categories]
        else:
            codes = [own.codes.take(rows) for own in self.categories]
            slopes = [np.stack([each.take(rows) for each in own.slopes], axis=1) if own.slopes else None for own in self.categories]
        if self.holes:
            gone = np.zeros(block.n_rows, dtype=np.bool_)
            for own in codes:
                gone |= own < 0
            if gone.any():
                weights = block.precision
                block = replace(block, weights=np.where(gone, 0.0, weights))
        return block, self._levels(codes, slopes)

    def run(self, kernel: RowKernel) -> Iterator[Array]:
        """The rows' results in row order, some rows at a time. Blocks know their ``first_row``."""
        block = self.rows.in_memory()
        if block is None:
            yield from self.rows.iterate(kernel)
            return
        starts = range(0, block.n_rows, PART_ROWS)
        yield from in_order(lambda start: kernel.map(_cut(block, start, start + PART_ROWS)), starts, 1 if len(starts) == 1 else None)

    @staticmethod
    def _slopes(own: CategoryRows, start: int, stop: int) -> Array | None:
        return np.stack([each.part(start, stop) for each in own.slopes], axis=1) if own.slopes else None

    def _levels(self, codes: Sequence[Any], slopes: Sequence[Array | None]) -> RowLevels:
        found = (np.maximum(own, 0) if kept.holes else own for own, kept in zip(codes, self.categories, strict=True))
        return RowLevels(tuple(found), tuple(slopes))


def _cut(block: Block, start: int, stop: int) -> Block:
    from gradline.design.dense import DenseDesign

    stop = min(stop, block.n_rows)
    part = slice(start, stop)

    def cut(own: Array | None) -> Array | None:
        return None if own is None else own[part]

    design = DenseDesign(block.design.slopes()[part], block.design.intercept)
    numbers = None if block.numbers is None else block.numbers[part]
    return Block(design, block.targets[part], cut(block.weights), cut(block.frequencies), cut(block.offset), start, numbers)
