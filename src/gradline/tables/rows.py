"""A table as Rows: read anew at each pass, decoded and encoded a block at a time, so that memory does not grow with the rows.

Row order, blocks and the order of merging depend on the table alone, never on the number of threads or the size of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import DataError
from gradline.base.listening import checked
from gradline.base.types import Array, IntArray
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.fold import CHUNK_BLOCKS, SpanFold, block_rows, span_rows
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State
from gradline.tables.batches import as_batch, joined, picked
from gradline.tables.block_maker import BlockMaker, CleanRun
from gradline.tables.chunk_jobs import ChunkReader, ChunkSums, PickJob, RowJob, SumJob
from gradline.tables.chunks import run, run_here, run_spans
from gradline.tables.cleaning import Cleaner, Missing, Tally, rounding_notes
from gradline.tables.encoders import Encoder, PlainEncoder, PlainValues, RowValues, as_row_values, check_numeric
from gradline.tables.first_pass import Facts, check_same_rows, check_some_rows
from gradline.tables.passes import Chunk, Reading
from gradline.tables.sampling import RowSample
from gradline.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Encoder", "PlainEncoder", "PlainValues", "RowValues", "TableRows"]

SAMPLE_NUMBERS = 2**22
"""At most this many numbers are kept as a sample: 32 MiB."""


class TableRows:
    """Rows of a table: an encoder's design, targets, and columns of weights, frequencies and offsets.

    targets: a column, several, or a RowValues; none for prediction. offset: a column for all linear predictors, one for each, or a
    RowValues. missing: "drop" leaves rows without some needed value out and counts them, "error" refuses them, "keep" leaves them out of
    sums but not of ``map`` and ``iterate``, where they are NaN. Rows are numbered from 0 among those used: by ``take``, and by the
    ``first_row`` of a block from the second pass on (before a kernel that asks for it, ask for ``n_rows``). What is said of a value that
    cannot be used names its row in the table.

    Raises ValueError for columns that are not there and TypeError for columns that hold no numbers, naming the first value that is none.
    """

    def __init__(
        self,
        table: Table,
        encoder: Encoder,
        targets: str | Sequence[str] | RowValues = (),
        *,
        weights: str | None = None,
        frequencies: str | None = None,
        offset: str | Sequence[str] | RowValues | None = None,
        missing: Missing = "drop",
        threads: int | None = None,
    ) -> None:
        if missing not in ("drop", "error", "keep"):
            raise DataError(f'missing must be "drop", "error" or "keep", not {missing!r}')
        self.encoder = encoder
        self.targets = as_row_values(targets)
        self.offset = None if offset is None else as_row_values(offset)
        self.threads = threads
        single = [name for name in (weights, frequencies) if name is not None]
        values = [given for given in (self.targets, self.offset) if given is not None]
        self.columns = tuple(dict.fromkeys([*(c for v in values for c in v.columns), *encoder.columns, *single]))
        table.check_columns(self.columns)
        for keyword, name in (("weights", weights), ("frequencies", frequencies)):
            if name is not None:
                check_numeric(table, [name], keyword=keyword)
        numeric = [c for v in values if isinstance(v, PlainValues) for c in v.columns] + single
        numeric += list(encoder.numeric_columns)
        check_numeric(table, list(dict.fromkeys(numeric)))
        self.table = table
        numbers = {c for c in self.columns if table.columns[c] == "number"}
        cleaner = Cleaner(
            table.name, self.columns, frozenset(numbers | set(numeric)), table.whole_numbers & set(numeric), missing, tuple(single)
        )
        maker = BlockMaker(table.name, encoder, self.targets, weights, frequencies, self.offset)
        self._reader = ChunkReader(cleaner, maker, self._chunk_rows, self._block_rows)
        self._facts: Facts | None = None
        self._prepared: list[tuple[Any, Any]] = []

    @property
    def n_rows(self) -> int:
        """Rows used: those with no missing value. Costs a pass where none has been made yet."""
        return self.facts.tally.used

    @property
    def n_columns(self) -> int:
        return self.encoder.n_columns

    @property
    def n_targets(self) -> int:
        return self.targets.n_values

    @property
    def intercept(self) -> bool:
        return self.encoder.intercept

    @property
    def facts(self) -> Facts:
        """What a first pass finds out, which is made now if need be."""
        if self._facts is None:
            self._pass([])
        assert self._facts is not None
        return self._facts

    @property
    def rows_dropped(self) -> dict[str, int]:
        """Rows left out, each counted under the first of its columns that is missing; they add up to all rows left out."""
        return dict(self.facts.tally.dropped)

    @property
    def rows_idle(self) -> int:
        """Rows of weight zero that were left out since they hold an infinity."""
        return self.facts.tally.idle

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the columns, such as integers that lose digits."""
        return rounding_notes(self.facts.tally, self.table.name)

    @property
    def fingerprint(self) -> int:
        """A hash of the targets that does not depend on the order of rows: below 2^64."""
        return self.facts.tally.fingerprint

    def prepare(self, *kernels: Kernel[Any]) -> None:
        """Make one pass for several kernels; the next ``reduce`` with a kernel like one of them costs nothing."""
        self._prepared = list(zip(kernels, self._pass(kernels), strict=True))

    def reduce(self, kernel: Kernel[State]) -> State:
        for i, (held, state) in enumerate(self._prepared):
            if _alike(held, kernel):
                del self._prepared[i]
                return state  # type: ignore[no-any-return]
        return self._pass([kernel])[0]  # type: ignore[no-any-return]

    def reduce_runs(self, kernel: RunKernel[State], rows: int) -> State:
        return self.reduce(kernel)

    def map(self, kernel: RowKernel) -> Array:
        return np.concatenate(list(self.iterate(kernel)))

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        """The rows' results in row order, a chunk at a time: one pass in constant memory."""
        for values, _ in self.iterate_with(kernel, ()):
            yield values

    def iterate_with(self, kernel: RowKernel, columns: Sequence[str]) -> Iterator[tuple[Array, pa.RecordBatch]]:
        """As ``iterate``, beside the same rows of some columns of the table, as they are."""

        self.table.check_columns(columns)
        wanted = tuple(dict.fromkeys([*self.columns, *columns]))
        job = RowJob(self._reader, kernel, tuple(columns), self._found_whole)
        yield from checked(run(self.table, job, self._reading(wanted), self.threads))

    def take(self, rows: IntArray) -> Block:
        """The given rows as one block, in the given order. Reads the chunks that hold one of them."""
        wanted, places = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        ends = np.cumsum(self.facts.used)
        if wanted.size and not 0 <= wanted[0] <= wanted[-1] < self.n_rows:
            raise IndexError(f"row numbers must lie between 0 and {self.n_rows - 1}, not {wanted[0]} to {wanted[-1]}")
        needed = np.diff(np.searchsorted(wanted, np.concatenate([[0], ends]))) > 0
        job = PickJob(self._reader, wanted, ends, self._found_whole)
        with self._noticing_change():
            parts: list[list[pa.RecordBatch]] = list(run(self.table, job, self._reading(needed=needed), self.threads))
        pieces = [piece for part in parts for piece in part]
        return self._one_block(picked(joined(pieces), places.ravel()))

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        """A uniform sample of rows, in row order. Free where the first pass has kept enough rows for it."""
        facts = self.facts
        held = 0 if facts.sample is None else facts.sample.num_rows
        n = min(n_rows, self.n_rows)
        if n > held:
            return self.take(np.sort(np.random.default_rng(seed).choice(self.n_rows, size=n, replace=False)))
        assert facts.sample is not None
        # The rows with the smallest keys are a uniform sample; another seed draws among those held.
        order = np.argsort(facts.keys) if seed == 0 else np.random.default_rng(seed).permutation(held)
        return self._one_block(as_batch(picked(facts.sample, np.sort(order[:n]))))

    @property
    def resident(self) -> bool:
        return False

    @property
    def source_name(self) -> str:
        return self.table.name

    @property
    def coded_levels(self) -> bool:
        return self.encoder.row_numbers < self.n_columns

    @property
    def sparse_columns(self) -> bool:
        return False

    @property
    def row_columns(self) -> None:
        return None

    def in_memory(self) -> Block | None:
        """None: a table is never held as a whole; ``as_arrays`` reads a small one."""
        return None

    def as_arrays(self, most_numbers: int = SAMPLE_NUMBERS) -> ArrayRows | None:
        """The rows as arrays in memory, codes of categoricals written out, where that is at most ``most_numbers`` numbers; otherwise None.

        A table that does not tell its size is read until there are too many.
        """
        width = self.n_columns + self.n_targets
        size, known = self.table.bytes_on_disk, self.table.n_rows
        if (size is not None and size > 16 * most_numbers) or (known is not None and known * width > most_numbers):
            return None
        total, used, blocks = Tally(), [], []

        def job(chunk: Chunk) -> tuple[list[Block], Tally]:
            tally = Tally()
            runs = self._reader.runs(chunk, tally, self._found_whole)
            return [block for run in runs for block in self._reader.blocks(run, tally)], tally

        with self._noticing_change():
            for found, tally in run_here(self.table, job, self._reading(), self.threads):
                total.add(tally)
                used.append(tally.used)
                blocks += found
                if total.used * width > most_numbers:
                    return None
        self._finish(Facts(total, tuple(used), None, np.empty(0)))
        return ArrayRows(
            np.concatenate([block.design.slopes() for block in blocks]),
            np.concatenate([block.targets for block in blocks]),
            weights=_stacked([block.weights for block in blocks]),
            frequencies=_stacked([block.frequencies for block in blocks]),
            offset=_stacked([block.offset for block in blocks]),
            intercept=self.intercept,
            threads=self.threads,
            numbers=joined_numbers(blocks),
        )

    @property
    def _block_rows(self) -> int:
        """Rows of the table a block, before rows with missing values are left out: a function of the shape of a row only."""
        return block_rows(self.encoder.row_numbers, max(1, self.n_targets))

    @property
    def _span_rows(self) -> int:
        return span_rows(self.encoder.row_numbers, self.n_columns, max(1, self.n_targets))

    @property
    def _chunk_rows(self) -> int:
        return CHUNK_BLOCKS * self._block_rows

    def _pass(self, kernels: Sequence[Kernel[Any]]) -> list[Any]:
        """One pass: each kernel's state over all rows. The first pass also counts, and keeps a sample."""
        first = self._facts is None
        capacity = min(max(10_000, 50 * self.n_columns * max(1, self.n_targets)), SAMPLE_NUMBERS // self.n_columns)
        sample = RowSample(capacity) if first and self.targets.n_values else None

        job = SumJob(self._reader, tuple(kernels), self._found_whole, None if sample is None else capacity)
        total = Tally()
        used: list[int] = []
        fold = SpanFold(job.merge_states, self._span_rows)
        for part in self._run(job):
            total.add(part.tally)
            used += part.used
            if sample is not None:
                for piece in part.pieces:
                    sample.add(*piece)
            fold.add(part.states, part.tally.read)
        rows, keys = (None, np.empty(0)) if sample is None else sample.table()
        self._finish(Facts(total, tuple(used), rows, keys))
        return fold.total() if kernels else []

    def _finish(self, facts: Facts) -> None:
        """Keep what the first pass found; hold later passes against it."""
        self.table.source.check_unchanged()
        if self._facts is None:
            check_some_rows(facts.tally, self.table.name)
            self._facts = facts
        else:
            check_same_rows(self._facts.tally, facts.tally, self.table.name)

    @property
    def _found_whole(self) -> bool:
        """Whether a pass found that no value is missing, which the next need not look for again."""
        return self._facts is not None and not self._facts.tally.missing and not self._facts.tally.idle

    def _reading(self, columns: tuple[str, ...] | None = None, needed: Any = None) -> Reading:
        """What a pass reads, with the rows used before each chunk, but in the first pass, which counts them."""
        used = None if self._facts is None else self._facts.used
        return Reading(self.columns if columns is None else columns, self._chunk_rows, needed, used)

    def _one_block(self, batch: pa.RecordBatch) -> Block:
        return self._reader.maker.block(CleanRun([batch], [batch], None, 0), batch)

    def _run(self, job: SumJob) -> Iterator[ChunkSums]:
        with self._noticing_change():
            yield from checked(run_spans(self.table, job, self._reading(), self._span_rows, self.threads))

    @contextmanager
    def _noticing_change(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError):
            # Of a file that was rewritten under it a library says whatever it stumbled over.
            self.table.source.check_unchanged()
            raise


def _alike(first: Any, second: Any) -> bool:
    """Whether two kernels compute the same: of one class, with equal settings."""
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    try:
        return bool(vars(first) == vars(second))
    except (TypeError, ValueError):
        # Arrays among the settings do not compare as one truth value; slots have no vars.
        return False


def joined_numbers(blocks: Sequence[Block]) -> IntArray | None:
    """What messages call the rows of all blocks, (n,); None where nothing was left out."""
    if all(block.numbers is None for block in blocks):
        return None
    return np.concatenate([block.first_row + np.arange(block.n_rows) if block.numbers is None else block.numbers for block in blocks])


def _stacked(parts: list[Array | None]) -> Array | None:
    return None if parts[0] is None else np.concatenate([part for part in parts if part is not None])
