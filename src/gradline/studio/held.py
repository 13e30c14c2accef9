"""The columns that a page works with, kept in memory once they were read: a model of one column more need not read the others again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradline.base import listening
from gradline.base.errors import DataError
from gradline.tables.sources.dialects import Speech
from gradline.tables.sources.source import Part, Source
from gradline.tables.table import BATCH_ROWS, Table

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 2**30
"""Of all columns that are kept. Those of a model that needs more are read anew at each pass, as everywhere."""


class ColumnStore:
    """Columns by name, those least recently asked for let go first. May be used from any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.takes_all = True
        """Whether all columns of a file of text may be read at once; no more, once they were too large or one was faulty."""
        self.reading = threading.Lock()
        """Held by whoever reads columns, so that two do not read the same."""
        self._lock = threading.Lock()
        self._columns: dict[str, pa.ChunkedArray] = {}

    def get(self, names: Sequence[str]) -> pa.Table | None:
        """The columns as a table, in this order; None unless all are here."""
        import pyarrow as pa

        with self._lock:
            if not names or any(name not in self._columns for name in names):
                return None
            for name in names:
                self._columns[name] = self._columns.pop(name)
            return pa.table([self._columns[name] for name in names], names=list(names))

    def absent(self, names: Sequence[str]) -> list[str]:
        """Those that would have to be read."""
        with self._lock:
            return [name for name in dict.fromkeys(names) if name not in self._columns]

    def put(self, table: pa.Table, wanted: Sequence[str]) -> None:
        """Keep columns; of others than the ``wanted`` ones, as many as there is room for."""
        with self._lock:
            self._columns.update(zip(table.schema.names, table.columns, strict=True))
            for name in [name for name in self._columns if name not in wanted]:
                if sum(column.nbytes for column in self._columns.values()) <= self.most_bytes:
                    return
                del self._columns[name]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._columns.clear()


@dataclass(frozen=True)
class HeldPart:
    """A part of a source: its rows from what is held, where all its columns are."""

    below: Part
    start: int
    store: ColumnStore = field(repr=False)

    @property
    def n_rows(self) -> int:
        return self.below.n_rows

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        table = self.store.get(columns)
        if table is None:
            yield from self.below.batches(columns, rows)
        else:
            yield from table.slice(self.start, self.n_rows).to_batches(max_chunksize=rows)


@dataclass(frozen=True)
class HeldSource:
    """A source of which some columns are held. In everything else it is the source itself, so that a fit has the same bits."""

    below: Source
    store: ColumnStore = field(repr=False)

    @property
    def name(self) -> str:
        return self.below.name

    @property
    def schema(self) -> pa.Schema:
        return self.below.schema

    @property
    def n_rows(self) -> int | None:
        return self.below.n_rows

    @property
    def bytes_on_disk(self) -> int | None:
        return self.below.bytes_on_disk

    @property
    def hint(self) -> str:
        return self.below.hint

    @property
    def whole_numbers(self) -> frozenset[str]:
        return self.below.whole_numbers

    @property
    def categories(self) -> frozenset[str]:
        return self.below.categories

    @property
    def unreadable(self) -> Mapping[str, str]:
        return self.below.unreadable

    @property
    def speech(self) -> Speech:
        return self.below.speech

    @property
    def in_one_piece(self) -> str:
        return "its columns are held in this process"

    def parts(self, rows: int) -> Sequence[Part] | None:
        parts = self.below.parts(rows)
        if parts is None:
            return None
        starts, found = 0, []
        for part in parts:
            found.append(HeldPart(part, starts, self.store))
            starts += part.n_rows
        return found

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        table = self.store.get(columns)
        return self.below.batches(columns, rows) if table is None else iter(table.to_batches(max_chunksize=rows))

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        table = None if columns is None else self.store.get(columns)
        if table is None:
            return self.below.relation(columns)
        from gradline.tables.sources.arrow import for_sql
        from gradline.tables.sources.connections import own_connection

        return own_connection().from_arrow(for_sql(table))

    def exactly(self, columns: Sequence[str]) -> Source:
        return self.below.exactly(columns)

    def restricted(self, columns: Sequence[str]) -> HeldSource:
        return self

    def source_of_levels(self, column: str) -> Source | None:
        return self.below.source_of_levels(column)

    def check_unchanged(self) -> None:
        self.below.check_unchanged()


def hold(table: Table, store: ColumnStore, names: Sequence[str]) -> None:
    """Read those of the columns that are not held yet, in one pass, and keep them; a listener is told.

    A pass over a file of text reads all of it, whichever columns are asked for: there the first one keeps every column, so that a model of
    other columns reads no text again. Where columns are too large to be kept, nothing is, and they are read when they are needed.
    """
    with store.reading:
        absent = store.absent(names)
        if not absent:
            return
        if store.takes_all and comes_whole(table.source):
            try:
                if _kept(table, store, store.absent(table.schema.names), names):
                    return
            except DataError:
                pass  # what is wrong with a column that nobody asked for is no news yet
            store.takes_all = False
        _kept(table, store, absent, names)


def comes_whole(source: Source) -> bool:
    """Whether reading one column costs as much as reading all, nearly: of files whose rows come in one stream, as text does."""
    size = source.bytes_on_disk
    return size is not None and size <= MOST_BYTES and source.parts(BATCH_ROWS) is None


def _kept(table: Table, store: ColumnStore, columns: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the columns could be read into the store."""
    import pyarrow as pa

    listener = listening.current()
    batches: list[pa.RecordBatch] = []
    size = rows = 0
    for batch in table.batches(columns):
        batches.append(batch)
        size, rows = size + batch.nbytes, rows + batch.num_rows
        if size > store.most_bytes:
            return False
        if listener is not None:
            listener.told("reading columns", rows, table.n_rows, "")
    if batches:
        held = pa.Table.from_batches(batches)
        # One piece a column: cut at the borders of what was read, it would be many small ones.
        store.put(held.unify_dictionaries().combine_chunks(), list(dict.fromkeys(wanted)))
    return True
