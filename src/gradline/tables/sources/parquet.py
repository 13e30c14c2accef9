"""Parquet files: decoded by Arrow, a run of row groups a thread, which is about twice as fast as one stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gradline.base.errors import DataError
from gradline.tables.sources.columns import check_names, kind_of, quoted
from gradline.tables.sources.connections import own_connection
from gradline.tables.sources.dialects import held
from gradline.tables.sources.errors import reading
from gradline.tables.sources.paths import Files
from gradline.tables.sources.source import Part, Source, SourceDefaults
from gradline.tables.sources.sql import sql_source
from gradline.tables.sources.storage import check_file, located

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

READ_BYTES = 2**17
"""Bytes of a column read from disk at once, which are still near the core when they are decoded; without a bound Arrow holds a whole column
of a row group."""


@dataclass(frozen=True)
class RowGroups:
    """Consecutive row groups of one file. stamp: its size and time of change, to which another process, where this was sent, holds it.
    metadata: the file's, which is not sent along, but read there once."""

    path: str
    stamp: tuple[int, int]
    groups: tuple[int, ...]
    n_rows: int
    metadata: pq.FileMetaData | None = field(compare=False, repr=False, default=None)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        metadata = self.metadata
        with reading(repr(self.path)):
            if metadata is None:
                check_file(self.path, self.stamp)
                metadata = _metadata(self.path, self.stamp)
            path, system = located(self.path)
            options = {"metadata": metadata, "buffer_size": READ_BYTES, "pre_buffer": False, "filesystem": system}
            with pq.ParquetFile(path, **options) as file:
                # The calling thread decodes: threads are the caller's business. Columns come in the file's order.
                for batch in file.iter_batches(batch_size=rows, row_groups=list(self.groups), columns=list(columns), use_threads=False):
                    yield batch.select(list(columns))

    def __str__(self) -> str:
        first, last = self.groups[0], self.groups[-1]
        return f"{self.path!r}, " + (f"row group {first}" if first == last else f"row groups {first} to {last}")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"metadata": None}


@lru_cache(maxsize=256)
def _metadata(path: str, stamp: tuple[int, int]) -> pq.FileMetaData:
    """Of a file as it is, by its stamp."""
    import pyarrow.parquet as pq

    within, system = located(path)
    return pq.read_metadata(within, filesystem=system)


@dataclass(frozen=True)
class ParquetSource(SourceDefaults):
    """Parquet files with the same columns."""

    files: Files
    schema: pa.Schema
    metadata: tuple[pq.FileMetaData, ...]
    marked: frozenset[str] = frozenset()

    @property
    def categories(self) -> frozenset[str]:
        return self.marked

    @property
    def name(self) -> str:
        return self.files.name

    @property
    def n_rows(self) -> int:
        return sum(int(metadata.num_rows) for metadata in self.metadata)

    @property
    def bytes_on_disk(self) -> int:
        return self.files.bytes_on_disk

    @property
    def in_one_piece(self) -> str:
        return ""

    def parts(self, rows: int) -> Sequence[Part]:
        """Row groups of ``rows`` or more together, or all of a file. A file without rows has no part: nothing could be made of its rows."""
        parts: list[Part] = []
        for path, stamp, metadata in zip(self.files.paths, self.files.stamps, self.metadata, strict=True):
            groups: list[int] = []
            held = 0
            for group in range(metadata.num_row_groups):
                groups.append(group)
                held += metadata.row_group(group).num_rows
                if held and (held >= rows or group == metadata.num_row_groups - 1):
                    parts.append(RowGroups(path, stamp, tuple(groups), held, metadata))
                    groups, held = [], 0
        return parts

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for part in self.parts(rows):
            yield from part.batches(columns, rows)

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        chosen = "*" if columns is None else ", ".join(map(quoted, columns)) or "1 AS nothing"
        with reading(self.name):
            return own_connection().read_parquet(list(self.files.paths)).project(chosen)

    def restricted(self, columns: Sequence[str]) -> ParquetSource:
        return self

    def check_unchanged(self) -> None:
        for path, stamp in zip(self.files.paths, self.files.stamps, strict=True):
            check_file(path, stamp)


def parquet_source(files: Files) -> Source:
    """Parquet files as a source. Raises ValueError for a damaged file and for files whose columns differ."""
    import pyarrow.parquet as pq

    if any("=" in part for path in files.paths for part in path.split("/")[:-1]):
        # A partitioned folder, month=1/...: some columns are only in the paths, which DuckDB reads.
        source = sql_source(files.name, lambda: own_connection().read_parquet(list(files.paths), hive_partitioning=True), files=files)
        with reading(repr(files.paths[0])):
            return replace(source, marked=_categories(pq.read_metadata(files.paths[0])) & set(source.schema.names))
    found, schema = [], None
    for path in files.paths:
        with reading(files.called(path)):
            within, system = located(path)
            metadata = pq.read_metadata(within, filesystem=system)
            of_file = metadata.schema.to_arrow_schema()
        if schema is None:
            schema = of_file
        elif set(of_file.names) != set(schema.names):
            odd = sorted(set(schema.names) ^ set(of_file.names))[0]
            has, lacks = (path, files.paths[0]) if odd in of_file.names else (files.paths[0], path)
            raise DataError(f"column {odd!r} is in {has!r} but not in {lacks!r}; one table needs the same columns in each file")
        for name in schema.names:
            first, here = schema.field(name).type, of_file.field(name).type
            if kind_of(first) != kind_of(here):
                raise DataError(
                    f"column {name!r} holds {held(first)} in {files.paths[0]!r} but {held(here)} in {path!r}; one table needs the same"
                    " types in each file"
                )
        found.append(metadata)
    assert schema is not None
    check_names(schema.names, files.name, by_sql=False)
    return ParquetSource(files, schema, tuple(found), _categories(found[0]))


def _categories(metadata: pq.FileMetaData) -> frozenset[str]:
    """Columns that were dictionaries of numbers when Arrow wrote the file, such as a pandas categorical of integers: Arrow notes that in
    the file, but reads plain numbers back."""
    import base64
    import binascii

    import pyarrow as pa

    noted = (metadata.metadata or {}).get(b"ARROW:schema")
    if noted is None:
        return frozenset()
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(noted)))
    except (pa.ArrowException, binascii.Error, OSError):
        return frozenset()  # a note that cannot be read says nothing; the data are there all the same
    return frozenset(field.name for field in schema if kind_of(field.type) == "category")
