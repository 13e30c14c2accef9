"""Arrow batches cut and joined to exact lengths, so that blocks do not depend on how a source happens to deliver its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from gradline.base.types import IntArray
from gradline.tables.sources.arrow import from_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


def grouped(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Runs of ``rows`` rows (the last may be shorter), each as the pieces it came in; nothing is copied."""
    pieces: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, rows - held)
            pieces.append(piece)
            start += piece.num_rows
            held += piece.num_rows
            if held == rows:
                yield pieces
                pieces, held = [], 0
    if pieces:
        yield pieces


def resized(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of ``rows`` rows (the last may be shorter); only rows that come in pieces are copied."""
    for pieces in grouped(batches, rows):
        yield pieces[0] if len(pieces) == 1 else joined(pieces)


def joined(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch of several, whose categoricals may each have their own levels."""
    import pyarrow as pa

    tables = [pa.Table.from_batches([piece]) for piece in pieces]
    return as_batch(pa.concat_tables(tables, promote_options="permissive"))


def as_batch(table: pa.Table) -> pa.RecordBatch:
    """The table in one piece."""
    import pyarrow as pa

    whole = table.unify_dictionaries().combine_chunks()
    batches = whole.to_batches()
    if len(batches) == 1:
        return batches[0]
    empty = [pa.array([], type=field.type) for field in whole.schema]
    return pa.RecordBatch.from_arrays(empty, schema=whole.schema)


def picked(rows: Rows, places: IntArray) -> Rows:
    """The rows at these places."""
    return rows.take(from_numbers(places))
