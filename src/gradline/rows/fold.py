"""The one order in which sums over rows are added up: block, chunk, span, total, each from left to right.

Floating-point sums depend on the order of their additions. Here that order follows from the data alone, so that the bits of a sum are the
same on any number of threads and machines: threads take chunks, machines take spans.

A block is what a kernel sees at a time. A chunk is what a thread sums before its state is handed over. A span is chunks whose data is at
least 64 times as large as a state, so that to send a state in place of rows is worth while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic

from gradline.rows.block import Block
from gradline.rows.kernel import Kernel, State

BLOCK_NUMBERS = 2**18
"""Numbers in a block: 2 MiB of float64, near enough to a core for the second look at it, and large enough to outweigh the calls."""

FEWEST_BLOCK_ROWS = 256

CHUNK_BLOCKS = 8
"""Blocks in a chunk. Some kernels look for their scale in the first block of each."""

FEWEST_CHUNKS = 16
"""Rows in memory are parted into at least so many chunks, where they are so many blocks, for the sake of machines with many cores."""

SPAN_STATES = 64
"""The data of a span is at least so many times as large as a state."""


STATE_SHARE = 8
"""Numbers in a block of a sparse matrix, or products in its Gram matrix, for each number of what they are added up to."""

GRAM_COLUMNS = 6000
"""Columns of a sparse matrix beyond which nobody takes its Gram matrix or writes its rows."""

MOST_SPARSE = 2**22
"""Numbers in a block of a sparse matrix at most for the sake of a Gram matrix: 50 MiB."""

MOST_WRITTEN = 2**22
"""Numbers that a kernel writes of a block of a sparse matrix: 32 MiB."""


def block_rows(row_numbers: int, n_predictors: int) -> int:
    """Rows a block: a function of the shape of a row only. row_numbers: that a row of the design holds."""
    return max(FEWEST_BLOCK_ROWS, BLOCK_NUMBERS // (row_numbers + 2 * n_predictors))


def sparse_block_rows(row_numbers: int, n_columns: int, n_predictors: int, writes_columns: bool) -> int:
    """Rows a block of a sparse matrix of n_columns, whose rows hold row_numbers on average.

    So many that what a block is added up to, a number or two a column and up to a few thousand columns their Gram matrix, costs less than
    the adding; and, where a kernel writes as many numbers a row as there are columns, so few that these are no more than 32 MiB.
    """
    numbers = max(BLOCK_NUMBERS, STATE_SHARE * n_columns * n_predictors)
    if n_columns <= GRAM_COLUMNS:
        gram_rows = 2 * STATE_SHARE * (n_columns // row_numbers) ** 2
        numbers = max(numbers, min(MOST_SPARSE, gram_rows * row_numbers))
    rows = max(FEWEST_BLOCK_ROWS, numbers // (row_numbers + 2 * n_predictors))
    return min(rows, max(1, MOST_WRITTEN // n_columns)) if writes_columns and n_columns <= GRAM_COLUMNS else rows


def chunk_blocks(n_blocks: int) -> int:
    """Blocks a chunk, of rows whose number is known."""
    return min(CHUNK_BLOCKS, max(1, n_blocks // FEWEST_CHUNKS))


def span_rows(row_numbers: int, n_columns: int, n_predictors: int) -> int:
    """The fewest rows of a span: a function of the shape of a row only.

    The largest state is a curvature: (k P)^2 numbers of a dense design, k^2 P times the numbers that a row holds where P counts levels too.
    """
    state = n_predictors**2 * row_numbers * n_columns
    return -(-SPAN_STATES * state // (row_numbers + n_predictors))


def sum_blocks(kernel: Kernel[State], blocks: Iterator[Block]) -> State:
    """The state of a chunk: of one block at least."""
    state = kernel.map(next(blocks))
    for block in blocks:
        state = kernel.add(state, block)
    return state


class SpanFold(Generic[State]):
    """The total of chunks that come in row order."""

    def __init__(self, merge: Callable[[State, State], State], rows: int) -> None:
        """rows: the fewest of a span."""
        self._merge, self._rows = merge, rows
        self._spans: list[State] = []
        self._chunks: list[State] = []
        self._held = 0

    def add(self, chunk: State | None, rows: int) -> None:
        """Add the state of the next chunk, of so many rows; None for one that has no state, whose rows count all the same: where spans end
        is known before anything is read. A whole span may be added as a chunk is."""
        if chunk is not None:
            self._chunks = [self._merge(self._chunks[0], chunk)] if self._chunks else [chunk]
        self._held += rows
        if self._held >= self._rows:
            self._close()

    def total(self) -> State:
        """Raises IndexError where there was no chunk."""
        self._close()
        return self._spans[0]

    def _close(self) -> None:
        if self._chunks:
            span = self._chunks.pop()
            self._spans = [self._merge(self._spans[0], span)] if self._spans else [span]
        self._held = 0
