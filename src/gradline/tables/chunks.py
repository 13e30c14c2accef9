"""A pass over a table: chunks of rows handed to threads, their results taken in row order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradline.base.threads import in_order
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
