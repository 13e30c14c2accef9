"""Rows held in memory, passed over by threads in cache-sized blocks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradline.base import listening
from gradline.base.threads import in_order, single_threaded_blas
from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign, Design, is_sparse, some_rows
from gradline.rows.block import Block, RowColumns, weight_of_rows
from gradline.rows.fold import SpanFold, block_rows, chunk_blocks, span_rows, sparse_block_rows, sum_blocks
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State
from gradline.rows.sampling import spread_rows

PART_ROWS = 2**17
"""Rows whose results ``iterate`` makes at a time."""


def design_of(values: np.ndarray[Any, Any], intercept: bool) -> Design:
    """The design of columns (m, p) in any real dtype, or of a sparse matrix in compressed rows."""
    if not is_sparse(values):
        return DenseDesign(np.asarray(values, dtype=np.float64), intercept)
    from gradline.design.sparse import SparseDesign

    return SparseDesign(values.astype(np.float64, copy=False), intercept)


class ArrayRows:
    """Arrays in memory as Rows.

    values (n, p) in any real dtype and memory order, converted to float64 a block at a time, or a sparse matrix in compressed rows without
    duplicates (``rows.sparse_checks``), which never becomes an array; targets (n, q) float64;
    weights, frequencies (n,) or None; offset (n, k) or None. numbers: (n,) what to call the rows in messages, where they are a part of
    the data; None for 0, 1, 2, ...
    """

    def __init__(
        self,
        values: np.ndarray[Any, Any],
        targets: Array,
        *,
        weights: Array | None = None,
        frequencies: Array | None = None,
        offset: Array | None = None,
        intercept: bool = True,
        threads: int | None = None,
        numbers: IntArray | None = None,
    ) -> None:
        self.values = values
        self.targets = targets
        self.weights = weights
        self.frequencies = frequencies
        self.offset = offset
        self.intercept = intercept
        self.threads = threads
        self.numbers = numbers
        self._whole: Block | None = None
        self.sparse_columns = hasattr(values, "indptr")

    @classmethod
    def of_block(cls, block: Block) -> ArrayRows:
        """The rows of a block, numbered from 0."""
        design = block.design
        return cls(
            design.slopes(),
            block.targets,
            weights=block.weights,
            frequencies=block.frequencies,
            offset=block.offset,
            intercept=design.intercept,
        )

    @property
    def n_rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.values.shape[1]) + int(self.intercept)

    @property
    def n_targets(self) -> int:
        return int(self.targets.shape[1])

    @property
    def row_weights(self) -> Array | None:
        """f_i w_i, the weight of a row in the objective; None for ones."""
        return weight_of_rows(self.weights, self.frequencies)

    def reduce(self, kernel: Kernel[State]) -> State:
        listening.check()
        chunks = self._chunks(kernel.writes_columns)
        if len(chunks) == 1:
            with single_threaded_blas():
                return sum_blocks(kernel, self._blocks(chunks[0]))
        fold = SpanFold(kernel.merge, self._span_rows)
        states = in_order(lambda chunk: sum_blocks(kernel, self._blocks(chunk)), chunks, self.threads)
        for chunk, state in zip(chunks, states, strict=True):
            fold.add(state, chunk.stop - chunk.start)
        return fold.total()

    def reduce_runs(self, kernel: RunKernel[State], rows: int) -> State:
        """``reduce`` for a kernel that takes several blocks at once: runs of consecutive chunks, of about ``rows`` rows together."""
        listening.check()
        chunks = self._chunks(kernel.writes_columns)
        size = max(1, rows // (chunks[0].stop - chunks[0].start))
        runs = [chunks[start : start + size] for start in range(0, len(chunks), size)]

        def sum_run(run: list[range]) -> list[State]:
            states = kernel.map_run([block for chunk in run for block in self._blocks(chunk)])
            return [functools.reduce(kernel.merge, itertools.islice(states, len(chunk))) for chunk in run]

        fold = SpanFold(kernel.merge, self._span_rows)
        for run, states in zip(runs, in_order(sum_run, runs, 1 if len(runs) == 1 else self.threads), strict=True):
            for chunk, state in zip(run, states, strict=True):
                fold.add(state, chunk.stop - chunk.start)
        return fold.total()

    def map(self, kernel: RowKernel) -> Array:
        listening.check()

        def map_chunk(chunk: range) -> list[Array]:
            return [kernel.map(block) for block in self._blocks(chunk)]

        chunks = self._chunks(writes_columns=True)
        return np.concatenate([part for parts in in_order(map_chunk, chunks, 1 if len(chunks) == 1 else self.threads) for part in parts])

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        for start in range(0, self.n_rows, PART_ROWS):
            yield self.part(start, min(start + PART_ROWS, self.n_rows)).map(kernel)

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        if n_rows >= self.n_rows and self.values.dtype == np.float64:
            return self.in_memory()  # all of them, which need no copy
        return self.take(spread_rows(self.n_rows, min(n_rows, self.n_rows), seed))

    def take(self, rows: IntArray) -> Block:
        def pick(column: Array | None) -> Array | None:
            return None if column is None else column[rows]

        return Block(
            design_of(self.values[rows] if self.sparse_columns else some_rows(self.values, rows), self.intercept),
            self.targets[rows],
            pick(self.weights),
            pick(self.frequencies),
            pick(self.offset),
        )

    def with_values(self, values: Array) -> ArrayRows:
        """The same rows with other columns, (n, p)."""
        return ArrayRows(
            values,
            self.targets,
            weights=self.weights,
            frequencies=self.frequencies,
            offset=self.offset,
            intercept=self.intercept,
            threads=self.threads,
            numbers=self.numbers,
        )

    def part(self, start: int, stop: int) -> ArrayRows:
        """Consecutive rows as Rows of their own, numbered from 0 but for messages; nothing is copied."""

        def cut(column: Array | None) -> Array | None:
            return None if column is None else column[start:stop]

        return ArrayRows(
            self._values(start, stop),
            self.targets[start:stop],
            weights=cut(self.weights),
            frequencies=cut(self.frequencies),
            offset=cut(self.offset),
            intercept=self.intercept,
            threads=self.threads,
            numbers=np.arange(start, stop) if self.numbers is None else self.numbers[start:stop],
        )

    @property
    def resident(self) -> bool:
        return True

    @property
    def source_name(self) -> str:
        return ""

    @property
    def coded_levels(self) -> bool:
        return False

    @property
    def row_columns(self) -> RowColumns:
        return RowColumns(self.targets, self.weights, self.frequencies, self.offset)

    def in_memory(self) -> Block:
        if self.values.dtype == np.float64:
            return self._block(0, self.n_rows)
        if self._whole is None:
            # What is not float64 is copied as a whole: once, for whoever asks at each of its steps.
            self._whole = self._block(0, self.n_rows)
        return self._whole

    def _block(self, start: int, stop: int) -> Block:
        def cut(column: Array | None) -> Array | None:
            return None if column is None else column[start:stop]

        return Block(
            design_of(self._values(start, stop), self.intercept),
            self.targets[start:stop],
            cut(self.weights),
            cut(self.frequencies),
            cut(self.offset),
            start,
            None if self.numbers is None else self.numbers[start:stop],
        )

    def _values(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        if not self.sparse_columns:
            return self.values[start:stop]
        from gradline.design.sparse import rows_between

        found: np.ndarray[Any, Any] = rows_between(self.values, start, stop)
        return found

    def _blocks(self, chunk: range) -> Iterator[Block]:
        for start in chunk:
            yield self._block(start, min(start + chunk.step, chunk.stop))

    def _chunks(self, writes_columns: bool = False) -> list[range]:
        """The first rows of each chunk's blocks. writes_columns: as the kernel has it."""
        n, step = self.n_rows, block_rows(self.n_columns, self.n_targets)
        if self.sparse_columns:
            step = sparse_block_rows(self._row_numbers, self.n_columns, self.n_targets, writes_columns)
        size = step * chunk_blocks(-(-n // step))
        return [range(start, min(start + size, n), step) for start in range(0, n, size)]

    @property
    def _span_rows(self) -> int:
        return span_rows(self._row_numbers, self.n_columns, self.n_targets)

    @property
    def _row_numbers(self) -> int:
        """That a row of the design holds; of a sparse matrix on average."""
        if not self.sparse_columns:
            return self.n_columns
        matrix: Any = self.values
        return -(-int(matrix.indptr[-1]) // self.n_rows) + 1
