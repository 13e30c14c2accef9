"""Kernels: what is worked out of each block of rows.

A kernel is a frozen dataclass and pure: it keeps nothing of the blocks it has seen, so that any thread, or another process, may run it.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from gradline.base.types import Array
from gradline.rows.block import Block

State = TypeVar("State")


class Kernel(Protocol[State]):
    """A sum over rows. ``merge`` is associative and is called in row order; it may change ``first``, which nobody else looks at."""

    def map(self, block: Block) -> State: ...

    def merge(self, first: State, second: State) -> State: ...


class RunKernel(Kernel[State], Protocol[State]):
    """A sum over rows that may take several consecutive blocks at a time, where a call costs much and a row little."""

    def map_run(self, blocks: list[Block]) -> State:
        """The state of all the blocks together."""


class RowKernel(Protocol):
    """One result a row: ``map`` returns an array whose first axis is the block's rows."""

    def map(self, block: Block) -> Array: ...
