"""A pass over a table: chunks of rows handed to threads, or to an engine that has other processes take them; results in row order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradline.base.threads import in_order
from gradline.base.types import IntArray
from gradline.tables.batches import grouped
from gradline.tables.passes import Chunk, Job, Reading, SpanJob

if TYPE_CHECKING:
    from gradline.tables.table import Table

Result = TypeVar("Result")

FEWEST_PARTS = 4
"""Parts from which each thread decodes its own; fewer are decoded as one stream, so that no thread idles at the end."""


def run(table: Table, job: Job[Result], reading: Reading, threads: int | None = None) -> Iterator[Result]:
    """The job's result for each chunk, in row order. threads: None for one a core."""
    if table.engine is not None:
        yield from table.engine.run(table.source, table.meter, job, reading)
    else:
        yield from run_here(table, job, reading, threads)


def run_spans(table: Table, job: SpanJob[Result], reading: Reading, span_rows: int, threads: int | None = None) -> Iterator[Result]:
    """As ``run``, but an engine merges the results of each span where it makes them: for a ``SpanFold`` they come to the same."""
    if table.engine is not None:
        yield from table.engine.run_spans(table.source, table.meter, job, reading, span_rows)
    else:
        yield from run_here(table, job, reading, threads)


def run_here(table: Table, job: Callable[[Chunk], Result], reading: Reading, threads: int | None = None) -> Iterator[Result]:
    """As ``run``, in this process wherever the table says."""
    found = chunks(table, reading.columns, reading.rows, reading.used_before())
    yield from in_row_order(job, found, threads, reading.needed)


def chunks(table: Table, columns: Sequence[str], rows: int, used: IntArray | None = None) -> Generator[Chunk]:
    """All rows in chunks of ``rows``, or of the table's own parts where threads can read these by themselves: the same in each pass.

    used: how many rows are used before each.
    """

    def before(number: int) -> int | None:
        return None if used is None else int(used[min(number, len(used) - 1)])

    parts = table.parts(rows)
    first_row = 0
    if parts is not None and splits(parts):
        for number, part in enumerate(parts):
            yield Chunk(number, first_row, part.batches(columns, rows), before(number))
            first_row += part.n_rows
        return
    for number, pieces in enumerate(grouped(table.batches(columns, rows), rows)):
        yield Chunk(number, first_row, pieces, before(number))
        first_row += sum(piece.num_rows for piece in pieces)


def in_row_order(
    job: Callable[[Chunk], Result], found: Generator[Chunk], threads: int | None, needed: npt.NDArray[np.bool_] | None = None
) -> Iterator[Result]:
    """The job's result for each chunk, or for the ``needed`` ones only; no chunk is read after the last of these.

    Whoever asks no further leaves the table closed.
    """
    last: Any = None if needed is None else int(np.flatnonzero(needed).max(initial=-1))

    def wanted() -> Iterator[Chunk]:
        for chunk in found:
            if needed is None or needed[chunk.number]:
                yield chunk
            if chunk.number == last:
                return

    with contextlib.closing(found):
        yield from in_order(job, wanted(), threads)


def splits(parts: Sequence[Any] | None) -> bool:
    """Whether chunks are the table's own parts, rather than cut from one stream of rows."""
    return parts is not None and len(parts) >= FEWEST_PARTS
