"""What table rows do with a chunk: sums, one result a row, single rows picked. Frozen dataclasses, for any thread or process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel, RowKernel
from gradline.tables.batches import grouped, joined
from gradline.tables.block_maker import BlockMaker, CleanRun
from gradline.tables.cleaning import Cleaner, Tally
from gradline.tables.passes import Chunk
from gradline.tables.sampling import draw_rows

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ChunkReader:
    """Makes blocks of a chunk. rows: of the table that are cleaned at a time; block_rows: of a block, before rows are left out."""

    cleaner: Cleaner
    maker: BlockMaker
    rows: int
    block_rows: int

    def runs(self, chunk: Chunk, tally: Tally, found_whole: bool) -> Iterator[CleanRun]:
        """The chunk in runs of several blocks: checks cost less on long columns. A run's rows do not depend on how they arrived.

        found_whole: whether a pass before found no value missing.
        """
        first_row, used = chunk.first_row, chunk.first_used
        for pieces in grouped(chunk.batches, self.rows):
            clean, places, start = [], [], 0
            for piece in pieces:
                left, kept = self.cleaner.clean(piece, first_row + start, tally, found_whole)
                clean.append(left)
                places.append((start, piece.num_rows, kept))
                start += piece.num_rows
            run = CleanRun(pieces, clean, _together(places), first_row, used)
            yield run
            first_row += start
            used = None if used is None else used + run.n_rows

    def blocks(self, run: CleanRun, tally: Tally) -> Iterator[Block]:
        for block in self.maker.blocks(run, self.block_rows):
            tally.see_targets(block.targets)
            yield block

    def row_results(self, kernel: RowKernel, run: CleanRun) -> tuple[Array, Sequence[pa.RecordBatch]]:
        """The kernel's results for a run, and the rows they are of."""
        # A run without rows is mapped too: it tells the shape of a result.
        blocks = list(self.maker.blocks(run, self.block_rows)) or [self.maker.block(run, run.clean[0])]
        result = np.concatenate([kernel.map(block) for block in blocks])
        if run.kept is None or self.cleaner.missing != "keep":
            return result, run.clean
        full = np.full((sum(piece.num_rows for piece in run.raw), *result.shape[1:]), np.nan)
        full[run.kept] = result
        return full, run.raw


@dataclass
class ChunkSums:
    """Of a chunk, or of consecutive ones: each kernel's state, None where no row is used; counts; rows used in each chunk; rows drawn for
    the sample."""

    states: list[Any] | None
    tally: Tally
    used: list[int]
    pieces: list[tuple[Any, Array, int]] = field(default_factory=list)


@dataclass(frozen=True)
class SumJob:
    """Sums of several kernels. capacity: of the sample that rows are drawn for, None for no sample."""

    reader: ChunkReader
    kernels: tuple[Kernel[Any], ...]
    found_whole: bool
    capacity: int | None

    @property
    def name(self) -> str:
        return " and ".join(map(kernel_name, self.kernels)) or "count"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return (self.reader,)

    def __call__(self, chunk: Chunk) -> ChunkSums:
        tally, states, pieces = Tally(), None, []
        for run in self.reader.runs(chunk, tally, self.found_whole):
            for block in self.reader.blocks(run, tally):
                if states is None:
                    states = [kernel.map(block) for kernel in self.kernels]
                else:
                    states = [kernel.add(state, block) for kernel, state in zip(self.kernels, states, strict=True)]
            if self.capacity is not None:
                pieces.append(_drawn(self.capacity, run))
        return ChunkSums(states, tally, [tally.used], pieces)

    def merge(self, first: ChunkSums, later: ChunkSums) -> ChunkSums:
        first.tally.add(later.tally)
        states = later.states if first.states is None else first.states
        if first.states is not None and later.states is not None:
            states = self.merge_states(first.states, later.states)
        return ChunkSums(states, first.tally, first.used + later.used, first.pieces + later.pieces)

    def merge_states(self, first: list[Any], later: list[Any]) -> list[Any]:
        return [kernel.merge(a, b) for kernel, a, b in zip(self.kernels, first, later, strict=True)]


@dataclass(frozen=True)
class RowJob:
    """A kernel's results, beside the same rows of some columns as they are."""

    reader: ChunkReader
    kernel: RowKernel
    columns: tuple[str, ...]
    found_whole: bool

    @property
    def name(self) -> str:
        return kernel_name(self.kernel)

    @property
    def lasting(self) -> tuple[Any, ...]:
        return (self.reader,)

    def __call__(self, chunk: Chunk) -> tuple[Array, pa.RecordBatch]:
        values, carried = [], []
        for run in self.reader.runs(chunk, Tally(), self.found_whole):
            result, rows = self.reader.row_results(self.kernel, run)
            values.append(result)
            carried += [piece.select(list(self.columns)) for piece in rows]
        return np.concatenate(values), joined(carried)


@dataclass(frozen=True)
class PickJob:
    """Single rows. wanted: their numbers among the rows used, rising; ends: of each chunk, how many rows are used up to its last."""

    reader: ChunkReader
    wanted: IntArray
    ends: IntArray
    found_whole: bool

    name = "take"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return (self.reader,)

    def __call__(self, chunk: Chunk) -> list[pa.RecordBatch]:
        i = chunk.number
        start = self.ends[i - 1] if i else 0
        low, high = np.searchsorted(self.wanted, [start, self.ends[i]])
        inside = self.wanted[low:high] - start
        pieces, place, found = [], 0, 0
        for run in self.reader.runs(chunk, Tally(), self.found_whole):
            until = int(np.searchsorted(inside, place + run.n_rows))
            pieces += run.pick(inside[found:until] - place)
            place, found = place + run.n_rows, until
            if found == inside.size:
                break
        return pieces


def kernel_name(kernel: Any) -> str:
    """A kernel's class in words: ``_RowCurvatureKernel`` is "row curvature"."""
    name = type(kernel).__name__.strip("_").removesuffix("Kernel")
    return "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).strip()


def _drawn(capacity: int, run: CleanRun) -> tuple[Any, Array, int]:
    import pyarrow as pa

    chosen, keys = draw_rows(capacity, 0, run.first_row, run.n_rows)
    rows = pa.concat_tables([pa.Table.from_batches([piece]) for piece in run.pick(chosen)], promote_options="permissive")
    return rows, keys, run.first_row + sum(piece.num_rows for piece in run.raw)


def _together(places: list[tuple[int, int, IntArray | None]]) -> IntArray | None:
    """The rows kept in consecutive pieces, each given by its start, its rows and those kept of them; None where all are."""
    if all(kept is None for _, _, kept in places):
        return None
    return np.concatenate([start + (np.arange(rows) if kept is None else kept) for start, rows, kept in places])
