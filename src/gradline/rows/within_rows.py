"""Rows whose columns have lost what the levels of categories say: a problem like any other, made anew of each block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign
from gradline.linalg.level_columns import RowLevels, Taken
from gradline.rows.block import Block, RowColumns
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State
from gradline.rows.levelled import LevelledRows, RowNumbers
from gradline.rows.sampling import spread_rows

BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]


class TakesOut(Protocol):
    """What becomes of a block."""

    def of(self, block: Block, levels: RowLevels) -> Block: ...


@dataclass(frozen=True, eq=False)
class ColumnsAndTarget:
    """Levels taken out of columns and target, less the offset. taken: of P + 1 columns. zeroed (P,): columns that hold rounding only."""

    taken: Taken
    zeroed: BoolArray

    def of(self, block: Block, levels: RowLevels) -> Block:
        left = self.taken.out_of(columns_and_target(block), levels)
        columns = left[:, :-1]
        columns[:, self.zeroed] = 0.0
        return replace(block, design=DenseDesign(columns, False), targets=left[:, -1:], offset=None)


class Predicts(Protocol):
    """The linear predictors of a fit."""

    def of(self, block: Block, levels: RowLevels) -> Array: ...


@dataclass(frozen=True, eq=False)
class ColumnsAtOptimum:
    """Levels taken out of P columns under the curvature at a fit's linear predictors ``at``, of which the offset is what the columns so
    transformed do not say. coefficients (P,): of the fit."""

    taken: Taken
    zeroed: BoolArray
    coefficients: Array
    at: Predicts

    def of(self, block: Block, levels: RowLevels) -> Block:
        left = self.taken.out_of(block.design.slopes(), levels)
        left[:, self.zeroed] = 0.0
        offset = self.at.of(block, levels) - left @ self.coefficients
        return replace(block, design=DenseDesign(left, False), offset=offset[:, None])


@dataclass(frozen=True, eq=False)
class Untouched:
    """The block as it is."""

    def of(self, block: Block, levels: RowLevels) -> Block:
        return block


def columns_and_target(block: Block) -> Array:
    """Columns and target less offset side by side, (m, P + 1)."""
    return np.concatenate([block.design.slopes(), block.targets_less_offset], axis=1)


@dataclass(frozen=True, eq=False)
class WithinRows:
    """The rows, read as often as needed. n_columns: P, without an intercept. beside: codes that become targets after the fit's own."""

    levelled: LevelledRows
    taken: TakesOut
    n_columns: int
    beside: tuple[RowNumbers, ...] = ()

    @property
    def n_rows(self) -> int:
        return self.levelled.n_rows

    @property
    def n_targets(self) -> int:
        return 1 + len(self.beside)

    @property
    def intercept(self) -> bool:
        return False

    @property
    def resident(self) -> bool:
        return False

    @property
    def source_name(self) -> str:
        return self.levelled.rows.source_name

    @property
    def coded_levels(self) -> bool:
        return False

    @property
    def sparse_columns(self) -> bool:
        return False

    @property
    def row_columns(self) -> RowColumns | None:
        return None

    def block(self, block: Block, rows: IntArray | None = None) -> Block:
        """What becomes of a block. rows: as for ``LevelledRows.read``."""
        found = self.taken.of(*self.levelled.read(block, rows))
        if not self.beside:
            return found
        last = found.first_row + found.n_rows
        codes = [own.part(found.first_row, last) if rows is None else own.take(rows) for own in self.beside]
        return replace(found, targets=np.concatenate([found.targets, np.stack(codes, axis=1)], axis=1))

    def reduce(self, kernel: Kernel[State]) -> State:
        return self.levelled.rows.reduce(_Within(kernel, self))

    def reduce_runs(self, kernel: RunKernel[State], rows: int) -> State:
        return self.reduce(kernel)

    def map(self, kernel: RowKernel) -> Array:
        return np.concatenate(list(self.iterate(kernel)))

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        return self.levelled.run(_WithinRow(kernel, self))

    def take(self, rows: IntArray) -> Block:
        return self.block(self.levelled.rows.take(rows), np.asarray(rows))

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        return self.take(np.sort(spread_rows(self.n_rows, min(n_rows, self.n_rows), seed)))

    def in_memory(self) -> Block | None:
        return None


@dataclass(frozen=True, eq=False)
class _Within(Kernel[State]):
    kernel: Kernel[State]
    rows: WithinRows

    @property
    def writes_columns(self) -> bool:  # type: ignore[override]
        return self.kernel.writes_columns

    def map(self, block: Block) -> State:
        return self.kernel.map(self.rows.block(block))

    def merge(self, first: State, second: State) -> State:
        return self.kernel.merge(first, second)

    def add(self, state: State, block: Block) -> State:
        return self.kernel.add(state, self.rows.block(block))


@dataclass(frozen=True, eq=False)
class _WithinRow:
    kernel: RowKernel
    rows: WithinRows

    def map(self, block: Block) -> Array:
        return self.kernel.map(self.rows.block(block))
