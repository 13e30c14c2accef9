"""Arrow files: a user's own, and those that rows which can be read only once are written to.

A spool lives in a temporary folder (TMPDIR says where) that goes when the table does, when the interpreter ends, and when writing it
fails or is interrupted.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradline.base.errors import DataError
from gradline.tables.sources.arrow import for_sql
from gradline.tables.sources.columns import check_names
from gradline.tables.sources.dialects import Speech
from gradline.tables.sources.errors import reading
from gradline.tables.sources.paths import Files
from gradline.tables.sources.source import Part, SourceDefaults
from gradline.tables.sources.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    import pyarrow as pa

SPOOL_ROWS = 2**16
"""Rows a batch of a spool: what is decoded at once."""


@dataclass(frozen=True)
class ArrowBatches:
    """Some consecutive record batches of an Arrow file."""

    path: str
    first: int
    last: int
    n_rows: int
    name: str
    folder: TemporaryFolder | None = field(default=None, repr=False)
    """The folder the file lies in, which must outlive the part."""

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        with reading(self.name), pa.OSFile(self.path, "rb") as file:
            names = pa.ipc.open_file(file).schema.names
            options = pa.ipc.IpcReadOptions(included_fields=sorted(names.index(column) for column in columns))
            reader = pa.ipc.open_file(file, options=options)
            for i in range(self.first, self.last):
                batch = reader.get_batch(i).select(list(columns))
                for start in range(0, batch.num_rows, rows):
                    yield batch.slice(start, rows)


@dataclass(frozen=True)
class ArrowFileSource(SourceDefaults):
    """Arrow IPC files (Feather version 2). lengths: rows of each batch of each file. folder: kept alive with the source."""

    name: str
    paths: tuple[str, ...]
    schema: pa.Schema
    lengths: tuple[tuple[int, ...], ...]
    files: Files | None = None
    folder: TemporaryFolder | None = field(default=None, repr=False)

    @property
    def n_rows(self) -> int:
        return sum(sum(lengths) for lengths in self.lengths)

    @property
    def bytes_on_disk(self) -> int:
        return sum(Path(path).stat().st_size for path in self.paths)

    def parts(self, rows: int) -> Sequence[Part]:
        parts: list[Part] = []
        for path, lengths in zip(self.paths, self.lengths, strict=True):
            first, held = 0, 0
            for i, length in enumerate(lengths):
                held += length
                if held >= rows or i == len(lengths) - 1:
                    parts.append(ArrowBatches(path, first, i + 1, held, self.name, self.folder))
                    first, held = i + 1, 0
        return parts

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for part in self.parts(rows):
            yield from part.batches(columns, rows)

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        import pyarrow as pa

        from gradline.tables.sources.connections import own_connection

        names = list(self.schema.names if columns is None else columns)
        schema = for_sql(pa.schema([self.schema.field(name) for name in names]).empty_table()).schema
        return own_connection().from_arrow(_Stream(self, names, schema))

    def restricted(self, columns: Sequence[str]) -> ArrowFileSource:
        return self

    def check_unchanged(self) -> None:
        if self.files is not None:
            self.files.check_unchanged()


@dataclass(frozen=True)
class _Stream:
    """The file as an object with the Arrow stream interface, new at each call."""

    source: ArrowFileSource
    names: list[str]
    schema: pa.Schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa

        batches = (
            plain for batch in self.source.batches(self.names, SPOOL_ROWS) for plain in for_sql(pa.Table.from_batches([batch])).to_batches()
        )
        reader = pa.RecordBatchReader.from_batches(self.schema, batches)
        return reader.__arrow_c_stream__(requested_schema)


def arrow_files(files: Files) -> ArrowFileSource:
    """Arrow IPC files as a source. Raises ValueError for a file that is not one, or whose columns differ from the first's."""
    import pyarrow as pa

    schema, lengths = None, []
    for path in files.paths:
        with reading(files.called(path)), pa.memory_map(path, "rb") as file:
            reader = pa.ipc.open_file(file)
            if schema is not None and not reader.schema.equals(schema):
                raise DataError(f"{path!r} has other columns than {files.paths[0]!r}; one table needs the same in each file")
            schema = reader.schema
            lengths.append(tuple(reader.get_batch(i).num_rows for i in range(reader.num_record_batches)))
    assert schema is not None
    check_names(schema.names, files.name, by_sql=False)
    return ArrowFileSource(files.name, files.paths, schema, tuple(lengths), files)


def spool(batches: Iterable[pa.RecordBatch], schema: pa.Schema, name: str) -> ArrowFileSource:
    """The batches, written once to a temporary folder and read from there ever after.

    Raises OSError where the disk is full, saying how far it came; whatever goes wrong, the folder is gone.
    """
    import pyarrow as pa

    check_names(schema.names, name, by_sql=False)
    folder = TemporaryFolder()
    path = str(Path(folder.name, "rows.arrow"))
    lengths: list[int] = []
    try:
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
            incoming = iter(batches)
            while True:
                with reading(name):
                    batch = next(incoming, None)
                if batch is None:
                    break
                for start in range(0, batch.num_rows, SPOOL_ROWS):
                    piece = batch.slice(start, SPOOL_ROWS)
                    write_batch(writer, piece)
                    lengths.append(piece.num_rows)
    except BaseException as error:
        folder.cleanup()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f"no room left in {tempfile.gettempdir()!r} after {sum(lengths):,} rows of {name}, which can be read only once and is"
                " copied to disk first; set TMPDIR to a folder on a larger disk",
            ) from error
        raise
    return ArrowFileSource(name, (path,), schema, (tuple(lengths),), None, folder)


def write_batch(writer: Any, batch: pa.RecordBatch) -> None:
    """Write one batch: a seam of its own so that a test can fill the disk."""
    writer.write_batch(batch)


@dataclass
class OnceSource(SourceDefaults):
    """Rows that can be read only once: copied to disk at the first reading, with the columns asked for by then."""

    name: str
    schema: pa.Schema
    open_stream: Callable[[Sequence[str]], Iterable[pa.RecordBatch]] = field(repr=False)
    held: list[ArrowFileSource] = field(default_factory=list, repr=False)
    odd: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """What ``unreadable`` says."""
    said: Speech = field(default_factory=Speech, kw_only=True)
    """What ``query=`` may say of it."""
    whole: frozenset[str] = field(default=frozenset(), kw_only=True)
    """Columns that may hold integers although they are read as float64."""
    written: Callable[[Sequence[str]], OnceSource] | None = field(default=None, kw_only=True, repr=False)
    """The same rows with these columns as text where they are numbers of any number of digits."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        return self.odd

    @property
    def speech(self) -> Speech:
        return self.said

    @property
    def whole_numbers(self) -> frozenset[str]:
        return self.whole

    @property
    def n_rows(self) -> int | None:
        return self.held[0].n_rows if self.held else None

    @property
    def bytes_on_disk(self) -> int | None:
        return self.held[0].bytes_on_disk if self.held else None

    def parts(self, rows: int) -> Sequence[Part]:
        return self._spooled(()).parts(rows)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        yield from self._spooled(columns).batches(columns, rows)

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        return self._spooled(columns or ()).relation(columns)

    def restricted(self, columns: Sequence[str]) -> OnceSource:
        import pyarrow as pa

        return replace(self, schema=pa.schema([self.schema.field(column) for column in columns], self.schema.metadata), written=None)

    def exactly(self, columns: Sequence[str]) -> OnceSource:
        return self if self.written is None else self.written(columns)

    def _spooled(self, columns: Sequence[str]) -> ArrowFileSource:
        if not self.held:
            self.held.append(spool(self.open_stream(self.schema.names), self.schema, self.name))
        late = [column for column in columns if column not in self.held[0].schema.names]
        if late:
            raise DataError(f"{self.name} was read already, without column {late[0]!r}; name all needed columns in restricted() at once")
        return self.held[0]
