"""A table as Rows: read anew at each pass, decoded and encoded a block at a time, so that memory does not grow with the rows.

Row order, blocks and the order of merging depend on the table alone, never on the number of threads or the size of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradline.base import listening
from gradline.base.errors import DataError
from gradline.base.types import Array, IntArray
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.fold import CHUNK_BLOCKS, SpanFold, block_rows, span_rows
from gradline.rows.kernel import Kernel, RowKernel, RunKernel, State
from gradline.tables.batches import as_batch, grouped, joined, picked
from gradline.tables.block_maker import BlockMaker, CleanRun
from gradline.tables.chunks import Chunk, chunks, in_row_order
from gradline.tables.cleaning import Cleaner, Missing, Tally, rounding_notes
from gradline.tables.encoders import Encoder, PlainEncoder, PlainValues, RowValues, as_row_values, check_numeric
from gradline.tables.first_pass import Facts, check_same_rows, check_some_rows
from gradline.tables.sampling import RowSample
from gradline.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

Result = TypeVar("Result")

__all__ = ["Encoder", "PlainEncoder", "PlainValues", "RowValues", "TableRows"]

SAMPLE_NUMBERS = 2**22
"""At most this many numbers are kept as a sample: 32 MiB."""


@dataclass
class _Sums:
    """What a thread returns for its chunk of rows: each kernel's state, counts, and rows drawn for the sample."""

    states: list[Any]
    tally: Tally
    pieces: list[tuple[Any, Array, int]] = field(default_factory=list)


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
        self._cleaner = Cleaner(
            table.name, self.columns, frozenset(numbers | set(numeric)), table.whole_numbers & set(numeric), missing, tuple(single)
        )
        self._maker = BlockMaker(table.name, encoder, self.targets, weights, frequencies, self.offset)
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

        def job(chunk: Chunk) -> tuple[Array, pa.RecordBatch]:
            values, carried = [], []
            for run in self._runs(chunk, Tally()):
                result, rows = self._row_results(kernel, run)
                values.append(result)
                carried += [piece.select(list(columns)) for piece in rows]
            return np.concatenate(values), joined(carried)

        self.table.check_columns(columns)
        wanted = tuple(dict.fromkeys([*self.columns, *columns]))
        for found in in_row_order(job, chunks(self.table, wanted, self._chunk_rows), self.threads):
            listening.check()
            yield found

    def take(self, rows: IntArray) -> Block:
        """The given rows as one block, in the given order. Reads the chunks that hold one of them."""
        wanted, places = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        ends = np.cumsum(self.facts.used)
        if wanted.size and not 0 <= wanted[0] <= wanted[-1] < self.n_rows:
            raise IndexError(f"row numbers must lie between 0 and {self.n_rows - 1}, not {wanted[0]} to {wanted[-1]}")
        bounds = np.searchsorted(wanted, np.concatenate([[0], ends]))

        def job(chunk: Chunk) -> list[pa.RecordBatch]:
            i = chunk.number
            inside = wanted[bounds[i] : bounds[i + 1]] - (ends[i - 1] if i else 0)
            pieces, place, found = [], 0, 0
            for run in self._runs(chunk, Tally()):
                until = int(np.searchsorted(inside, place + run.n_rows))
                pieces += run.pick(inside[found:until] - place)
                place, found = place + run.n_rows, until
                if found == inside.size:
                    break
            return pieces

        pieces = [piece for part in self._run(job, np.diff(bounds) > 0) for piece in part]
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
            return [block for run in self._runs(chunk, tally) for block in self._blocks(run, tally)], tally

        for found, tally in self._run(job):
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

        def merged(first: list[Any], second: list[Any]) -> list[Any]:
            return [kernel.merge(a, b) for kernel, a, b in zip(kernels, first, second, strict=True)]

        def job(chunk: Chunk) -> _Sums:
            result = _Sums([], Tally())
            for run in self._runs(chunk, result.tally):
                for block in self._blocks(run, result.tally):
                    if result.states:
                        result.states = [kernel.add(state, block) for kernel, state in zip(kernels, result.states, strict=True)]
                    else:
                        result.states = [kernel.map(block) for kernel in kernels]
                if sample is not None:
                    result.pieces.append(_drawn(sample, run))
            return result

        total = Tally()
        used: list[int] = []
        fold = SpanFold(merged, self._span_rows)
        for part in self._run(job):
            total.add(part.tally)
            used.append(part.tally.used)
            if sample is not None:
                for piece in part.pieces:
                    sample.add(*piece)
            # A chunk none of whose rows is used has no state.
            if part.states:
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

    def _runs(self, chunk: Chunk, tally: Tally) -> Iterator[CleanRun]:
        """The chunk in runs of several blocks: checks cost less on long columns. A run's rows do not depend on how they arrived."""
        first_row, used = chunk.first_row, self._used_before(chunk)
        found_whole = self._facts is not None and not self._facts.tally.missing and not self._facts.tally.idle
        for pieces in grouped(chunk.batches, self._chunk_rows):
            clean, places, start = [], [], 0
            for piece in pieces:
                left, kept = self._cleaner.clean(piece, first_row + start, tally, found_whole)
                clean.append(left)
                places.append((start, piece.num_rows, kept))
                start += piece.num_rows
            run = CleanRun(pieces, clean, _together(places), first_row, used)
            yield run
            first_row += start
            used = None if used is None else used + run.n_rows

    def _used_before(self, chunk: Chunk) -> int | None:
        """Rows used of the chunks before; None in the first pass, which counts them."""
        return None if self._facts is None else sum(self._facts.used[: chunk.number])

    def _blocks(self, run: CleanRun, tally: Tally) -> Iterator[Block]:
        for block in self._maker.blocks(run, self._block_rows):
            tally.see_targets(block.targets)
            yield block

    def _one_block(self, batch: pa.RecordBatch) -> Block:
        return self._maker.block(CleanRun([batch], [batch], None, 0), batch)

    def _row_results(self, kernel: RowKernel, run: CleanRun) -> tuple[Array, Sequence[pa.RecordBatch]]:
        # A run without rows is mapped too: it tells the shape of a result.
        blocks = list(self._maker.blocks(run, self._block_rows)) or [self._maker.block(run, run.clean[0])]
        result = np.concatenate([kernel.map(block) for block in blocks])
        if run.kept is None or self._cleaner.missing != "keep":
            return result, run.clean
        full = np.full((sum(piece.num_rows for piece in run.raw), *result.shape[1:]), np.nan)
        full[run.kept] = result
        return full, run.raw

    def _run(self, job: Callable[[Chunk], Result], needed: npt.NDArray[np.bool_] | None = None) -> Iterator[Result]:
        try:
            for found in in_row_order(job, chunks(self.table, self.columns, self._chunk_rows), self.threads, needed):
                listening.check()
                yield found
        except (ValueError, OSError):
            # Of a file that was rewritten under it a library says whatever it stumbled over.
            self.table.source.check_unchanged()
            raise


def _drawn(sample: RowSample, run: CleanRun) -> tuple[Any, Array, int]:
    import pyarrow as pa

    chosen, keys = sample.draw(run.first_row, run.n_rows)
    rows = pa.concat_tables([pa.Table.from_batches([piece]) for piece in run.pick(chosen)], promote_options="permissive")
    return rows, keys, run.first_row + sum(piece.num_rows for piece in run.raw)


def _together(places: list[tuple[int, int, IntArray | None]]) -> IntArray | None:
    """The rows kept in consecutive pieces, each given by its start, its rows and those kept of them; None where all are."""
    if all(kept is None for _, _, kept in places):
        return None
    return np.concatenate([start + (np.arange(rows) if kept is None else kept) for start, rows, kept in places])


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
