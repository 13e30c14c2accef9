"""The rows of another problem over the same data: other targets, or more columns, made block by block so that nothing is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign
from gradline.rows.block import Block, Kernel, RowKernel, Rows, State

Alteration = Callable[[Block], Block]


@dataclass(frozen=True)
class AlteredRows:
    """Rows that change every block on its way to a kernel. n_columns, n_targets: after the change."""

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
    def read_from(self) -> str:
        return self.rows.read_from

    @property
    def keeps_codes(self) -> bool:
        return self.rows.keeps_codes

    def reduce(self, kernel: Kernel[State]) -> State:
        return self.rows.reduce(_Altered(kernel, self.alteration))

    def map(self, kernel: RowKernel) -> Array:
        return self.rows.map(_AlteredRow(kernel, self.alteration))

    def take(self, rows: IntArray) -> Block:
        return self.alteration(self.rows.take(rows))

    @property
    def held(self) -> bool:
        return self.rows.held

    def in_memory(self) -> Block | None:
        block = self.rows.in_memory()
        return None if block is None else self.alteration(block)


@dataclass(frozen=True)
class _Altered(Generic[State]):
    kernel: Kernel[State]
    alteration: Alteration

    def map(self, block: Block) -> State:
        return self.kernel.map(self.alteration(block))

    def merge(self, first: State, second: State) -> State:
        return self.kernel.merge(first, second)


@dataclass(frozen=True)
class _AlteredRow:
    kernel: RowKernel
    alteration: Alteration

    def map(self, block: Block) -> Array:
        return self.kernel.map(self.alteration(block))


def with_targets(rows: Rows, targets: Callable[[Block], Array]) -> AlteredRows:
    """The same columns with other targets (m, 1), and no offset."""

    def alteration(block: Block) -> Block:
        return replace(block, targets=targets(block), offset=None)

    return AlteredRows(rows, alteration, rows.n_columns, 1)


def with_columns(rows: Rows, columns: Callable[[Block], Array], count: int) -> AlteredRows:
    """The same targets on ``count`` columns more, (m, count), put last."""

    def alteration(block: Block) -> Block:
        first = int(rows.intercept)
        values = np.concatenate([block.design.dense()[:, first:], columns(block)], axis=1)
        return replace(block, design=DenseDesign(values, rows.intercept))

    return AlteredRows(rows, alteration, rows.n_columns + count, rows.n_targets)
