"""Rows held in memory, passed over by threads in cache-sized blocks."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from typing import Any, TypeVar

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign, some_rows
from gradline.rows.block import Block, RowColumns, weight_of_rows
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State
from gradline.rows.sampling import spread_rows

Result = TypeVar("Result")


LANES = 8
"""Runs of consecutive blocks reduced independently, then merged in order. Fixed, so that sums do not depend on the thread count."""

BLOCK_NUMBERS = 2**18
"""Numbers in a block: 2 MiB of float64, near enough to a core for the second look at it, and large enough to outweigh the calls."""

PART_ROWS = 2**17
"""Rows whose results ``iterate`` makes at a time."""


def block_rows(n_columns: int, n_predictors: int) -> int:
    """Rows a block: a function of the shape of a row only, so that sums do not depend on the machine."""
    return max(256, BLOCK_NUMBERS // (n_columns + 2 * n_predictors))


class ArrayRows:
    """Arrays in memory as Rows.

    values (n, p) in any real dtype and memory order, converted to float64 a block at a time; targets (n, q) float64;
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
        def reduce_lane(lane: range) -> State:
            blocks = self._blocks(lane)
            state = kernel.map(next(blocks))
            for block in blocks:
                state = kernel.merge(state, kernel.map(block))
            return state

        return functools.reduce(kernel.merge, self._run(reduce_lane))

    def reduce_runs(self, kernel: RunKernel[State], rows: int) -> State:
        """``reduce`` for a kernel that takes several blocks at once: runs of consecutive blocks, of about ``rows`` rows together."""
        block = self._block_rows
        step = block * max(1, rows // block)

        def reduce_lane(lane: range) -> State:
            runs = (list(self._blocks(range(start, min(start + step, lane.stop), block))) for start in lane)
            state = kernel.map_run(next(runs))
            for run in runs:
                state = kernel.merge(state, kernel.map_run(run))
            return state

        return functools.reduce(kernel.merge, self._run(reduce_lane, step))

    def map(self, kernel: RowKernel) -> Array:
        def map_lane(lane: range) -> list[Array]:
            return [kernel.map(block) for block in self._blocks(lane)]

        return np.concatenate([part for lane in self._run(map_lane) for part in lane])

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        for start in range(0, self.n_rows, PART_ROWS):
            yield self.part(start, min(start + PART_ROWS, self.n_rows)).map(kernel)

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        return self.take(spread_rows(self.n_rows, min(n_rows, self.n_rows), seed))

    def take(self, rows: IntArray) -> Block:
        def pick(column: Array | None) -> Array | None:
            return None if column is None else column[rows]

        values = np.asarray(some_rows(self.values, rows), dtype=np.float64)
        return Block(
            DenseDesign(values, self.intercept),
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
            self.values[start:stop],
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

        values = np.asarray(self.values[start:stop], dtype=np.float64)
        return Block(
            DenseDesign(values, self.intercept),
            self.targets[start:stop],
            cut(self.weights),
            cut(self.frequencies),
            cut(self.offset),
            start,
            None if self.numbers is None else self.numbers[start:stop],
        )

    def _blocks(self, lane: range) -> Iterator[Block]:
        for start in lane:
            yield self._block(start, min(start + lane.step, lane.stop))

    @property
    def _block_rows(self) -> int:
        return block_rows(self.n_columns, self.n_targets)

    def _lanes(self, step: int) -> list[range]:
        n_blocks = -(-self.n_rows // step)
        bounds = [step * (n_blocks * lane // LANES) for lane in range(LANES + 1)]
        bounds[-1] = self.n_rows
        return [range(a, b, step) for a, b in itertools.pairwise(bounds) if b > a]

    def _run(self, work: Callable[[range], Result], step: int | None = None) -> list[Result]:
        """What ``work`` makes of each lane: a range of the first rows of its blocks, or of its runs of ``step`` rows."""
        lanes = self._lanes(step or self._block_rows)
        threads = min(self.threads or available_cores(), len(lanes))
        with single_threaded_blas():
            if threads == 1:
                return [work(lane) for lane in lanes]
            return list(worker_threads(threads).map(work, lanes))


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def small_algebra(size: int) -> Any:
    """The same for the algebra of size x size matrices that several threads would only slow down, by twenty times where a core is busy."""
    return single_threaded_blas() if FEWEST_COLUMNS <= size <= MOST_COLUMNS else nullcontext()


FEWEST_COLUMNS, MOST_COLUMNS = 48, 512
"""Sizes between which it matters, and from which several threads do help."""


@cache
def worker_threads(threads: int) -> ThreadPoolExecutor:
    """The pool of this many threads, kept for the next pass."""
    # The C library of Linux hands freed memory back to the system, to be asked for and cleared again, unless it is at most twice as large
    # as the largest piece it has seen freed, up to 32 MiB. A pass frees pieces of 2 MiB all the time; this costs nothing.
    np.empty(31 * 2**17)
    return ThreadPoolExecutor(threads, thread_name_prefix="gradline")


if hasattr(os, "register_at_fork"):
    # A child process has the pools of its parent, but not their threads: work handed to them would wait for ever.
    os.register_at_fork(after_in_child=worker_threads.cache_clear)
