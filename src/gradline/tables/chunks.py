"""A pass over a table: chunks of rows handed to threads, their results taken in row order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradline.base.threads import single_threaded_blas
from gradline.rows.arrays import available_cores, worker_threads
from gradline.tables.batches import grouped

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.tables.table import Table

Result = TypeVar("Result")

FEWEST_PARTS = 4
"""Parts from which each thread decodes its own; fewer are decoded as one stream, so that no thread idles at the end."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows. number: of the chunk; first_row: of its first row in the table; batches: its rows, to be read once."""

    number: int
    first_row: int
    batches: Iterable[pa.RecordBatch]


def chunks(table: Table, columns: Sequence[str], rows: int) -> Generator[Chunk]:
    """All rows in chunks of ``rows``, or of the table's own parts where threads can read these by themselves: the same in each pass."""
    parts = table.parts(rows)
    first_row = 0
    if parts is not None and len(parts) >= FEWEST_PARTS:
        for number, part in enumerate(parts):
            yield Chunk(number, first_row, part.batches(columns, rows))
            first_row += part.n_rows
        return
    for number, pieces in enumerate(grouped(table.batches(columns, rows), rows)):
        yield Chunk(number, first_row, pieces)
        first_row += sum(piece.num_rows for piece in pieces)


def in_row_order(
    job: Callable[[Chunk], Result], found: Generator[Chunk], threads: int | None, needed: npt.NDArray[np.bool_] | None = None
) -> Iterator[Result]:
    """The job's result for each chunk, or for the ``needed`` ones only; no chunk is read after the last of these.

    Threads work ahead by a bounded number of chunks, so memory does not grow with the rows. BLAS keeps to one thread meanwhile.
    """
    threads = threads or available_cores()
    last: Any = None if needed is None else int(np.flatnonzero(needed).max(initial=-1))
    waiting: deque[Future[Result]] = deque()
    with single_threaded_blas():
        try:
            for chunk in found:
                if needed is not None and not needed[chunk.number]:
                    continue
                if threads == 1:
                    yield job(chunk)
                else:
                    waiting.append(worker_threads(threads).submit(job, chunk))
                    if len(waiting) > threads + 1:
                        yield waiting.popleft().result()
                if chunk.number == last:
                    break
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            # A thread still at work must not outlive what it reads.
            wait(waiting)
            found.close()
