"""Rows whose blocks are altered on their way to a kernel: the rows of another problem over the same data, of which nothing more is held.

An alteration is a frozen dataclass, so that it goes wherever a kernel goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block, RowColumns
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State
from gradline.rows.protocol import Rows


class Alteration(Protocol):
    """What becomes of a block; it keeps the block's rows and their order."""

    def block(self, block: Block) -> Block: ...


class BlockValues(Protocol):
    """Numbers of each row of a block, (m, c)."""

    def of(self, block: Block) -> Array: ...


@dataclass(frozen=True)
class AlteredRows:
    """n_columns, n_targets: after the alteration."""

    rows: Rows
    alteration: Alteration
    n_columns: int
    n_targets: int

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def intercept(self) -> bool:
        return self.rows.intercept

    @property
    def resident(self) -> bool:
        return self.rows.resident

    @property
    def source_name(self) -> str:
        return self.rows.source_name

    @property
    def coded_levels(self) -> bool:
        return self.rows.coded_levels

    @property
    def sparse_columns(self) -> bool:
        return self.rows.sparse_columns

    @property
    def row_columns(self) -> RowColumns | None:
        return None

    def reduce(self, kernel: Kernel[State]) -> State:
        return self.rows.reduce(_Altered(kernel, self.alteration))

    def reduce_runs(self, kernel: RunKernel[State], rows: int) -> State:
        return self.reduce(kernel)

    def map(self, kernel: RowKernel) -> Array:
        return self.rows.map(_AlteredRow(kernel, self.alteration))

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        return self.rows.iterate(_AlteredRow(kernel, self.alteration))

    def take(self, rows: IntArray) -> Block:
        return self.alteration.block(self.rows.take(rows))

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        return self.alteration.block(self.rows.sample(n_rows, seed))

    def in_memory(self) -> Block | None:
        block = self.rows.in_memory()
        return None if block is None else self.alteration.block(block)


@dataclass(frozen=True)
class _Altered(Kernel[State]):
    kernel: Kernel[State]
    alteration: Alteration

    @property
    def writes_columns(self) -> bool:  # type: ignore[override]
        return self.kernel.writes_columns

    def map(self, block: Block) -> State:
        return self.kernel.map(self.alteration.block(block))

    def merge(self, first: State, second: State) -> State:
        return self.kernel.merge(first, second)

    def add(self, state: State, block: Block) -> State:
        return self.kernel.add(state, self.alteration.block(block))


@dataclass(frozen=True)
class _AlteredRow:
    kernel: RowKernel
    alteration: Alteration

    def map(self, block: Block) -> Array:
        return self.kernel.map(self.alteration.block(block))


@dataclass(frozen=True)
class OtherTargets:
    """Other targets and no offset. unweighted: whether a row counts by its frequency alone, where its weight is not zero."""

    targets: BlockValues
    unweighted: bool = False

    def block(self, block: Block) -> Block:
        weights = block.weights
        if self.unweighted and weights is not None:
            weights = (weights > 0).astype(np.float64)
        return replace(block, targets=self.targets.of(block), weights=weights, offset=None)


@dataclass(frozen=True)
class MoreColumns:
    """More columns, put last."""

    columns: BlockValues

    def block(self, block: Block) -> Block:
        return replace(block, design=block.design.beside(self.columns.of(block)))


def with_targets(rows: Rows, targets: BlockValues, *, unweighted: bool = False) -> AlteredRows:
    """The same columns with one other target (m, 1), and no offset."""
    return AlteredRows(rows, OtherTargets(targets, unweighted), rows.n_columns, 1)


def with_columns(rows: Rows, columns: BlockValues, count: int) -> AlteredRows:
    """The same targets on ``count`` columns more, (m, count), put last."""
    return AlteredRows(rows, MoreColumns(columns), rows.n_columns + count, rows.n_targets)
