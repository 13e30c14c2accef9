"""The one seam between data and everything above it: rows that can be passed over as often as needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block, RowColumns
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State


class Rows(Protocol):
    """A source of rows. What it can do it says itself: nothing above asks which class it is of."""

    @property
    def n_rows(self) -> int: ...

    @property
    def n_columns(self) -> int:
        """P, the intercept included."""

    @property
    def n_targets(self) -> int: ...

    @property
    def intercept(self) -> bool: ...

    @property
    def resident(self) -> bool:
        """Whether all rows lie in memory, so that a pass decodes nothing; to ask costs nothing. Others are read anew at each pass."""

    @property
    def source_name(self) -> str:
        """What messages call the data that rows are read from anew; empty where they are resident."""

    @property
    def coded_levels(self) -> bool:
        """Whether a categorical is kept as codes, whose columns a design does not hold."""

    @property
    def sparse_columns(self) -> bool:
        """Whether the columns are held as a sparse matrix, which is not to be written out but for a few rows at a time."""

    @property
    def row_columns(self) -> RowColumns | None:
        """Targets, weights and offset of all rows, where they lie in memory as they are; otherwise None, and a pass finds them."""

    def reduce(self, kernel: Kernel[State]) -> State:
        """One pass: map every block, merge in row order."""

    def reduce_runs(self, kernel: RunKernel[State], rows: int) -> State:
        """``reduce`` with several consecutive blocks at once, about ``rows`` rows, where they lie together in memory."""

    def map(self, kernel: RowKernel) -> Array:
        """One pass: the rows' results, in row order."""

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        """One pass: the rows' results in row order, some rows at a time, so that memory does not grow with the rows."""

    def take(self, rows: IntArray) -> Block:
        """The given rows as one block (their order kept); for mini-batches."""

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        """Random rows as one block, in row order: all of them where there are fewer."""

    def in_memory(self) -> Block | None:
        """Everything as one block where the rows are resident, otherwise None."""
