"""Kernels: what is worked out of each block of rows.

A kernel is a frozen dataclass and pure: it keeps nothing of the blocks it has seen, so that any thread, or another process, may run it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol, TypeVar

from gradline.base.types import Array
from gradline.rows.block import Block

State = TypeVar("State")


class Kernel(Protocol[State]):
    """A sum over rows. Kernels name it as their base class, for the sake of ``add``."""

    writes_columns: ClassVar[bool] = False
    """Whether it makes as many numbers of a row as there are columns: blocks of a sparse matrix, whose rows hold few, are then smaller."""

    def map(self, block: Block) -> State:
        """The state of a block."""

    def merge(self, first: State, second: State) -> State:
        """The state of both; associative, and called in row order. It may change ``first``, which nobody else looks at."""

    def add(self, state: State, block: Block) -> State:
        """The state with the block that follows, in the same chunk: for kernels that take their scale from a chunk's first block."""
        return self.merge(state, self.map(block))


class RunKernel(Kernel[State], Protocol[State]):
    """A sum over rows that may take several consecutive blocks at a time, where a call costs much and a row little."""

    def map_run(self, blocks: list[Block]) -> Iterator[State]:
        """The state of each block."""


class RowKernel(Protocol):
    """One result a row: ``map`` returns an array whose first axis is the block's rows."""

    def map(self, block: Block) -> Array: ...
