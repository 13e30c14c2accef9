"""Tables, wherever they are: one door to files, databases and frames, re-readable pass after pass."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.base.types import IntArray
from gradline.tables.batches import picked, resized
from gradline.tables.counting import counted, counted_parts
from gradline.tables.sampling import RowSample
from gradline.tables.sources.addresses import hidden
from gradline.tables.sources.columns import ColumnKind, kind_of, quoted, unknown_column
from gradline.tables.sources.dialects import Told, held
from gradline.tables.sources.errors import reading
from gradline.tables.sources.paths import Files, find_files, is_remote, is_stream_path, suffixes
from gradline.tables.sources.source import Meter, Part, Source
from gradline.tables.sources.streams import Stream, copied, copied_path

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.tables.passes import Engine

BATCH_ROWS = 2**16
"""Rows a batch unless the reader asks for another number."""


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """What a pass in the database finds out about a column.

    count: values that are not missing; missing: nulls and NaN. minimum and maximum: in the column's own type, or None where every value is
    missing. mean: of numbers and booleans, else None.
    """

    count: int
    missing: int
    minimum: Any
    maximum: Any
    mean: float | None


@dataclass(frozen=True)
class Table:
    """Named columns of rows that can be read again and again, in the same order, a few columns at a time.

    name: what messages call it. meter: counts the rows of each pass as they are read, where somebody watches. engine: other processes
    that pass over its rows, None for this one.
    """

    source: Source
    meter: Meter | None = None
    engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to this process: a job that refers to the table takes its columns along, not who reads it."""
        return self.__dict__ | {"meter": None, "engine": None}

    def counted_by(self, meter: Meter | None) -> Table:
        """The same table, whose passes the meter counts."""
        return replace(self, meter=meter)

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def columns(self) -> dict[str, ColumnKind]:
        """Each column's name and what it holds: "number", "text", "boolean", "category", "date" or "other"."""
        readable = {field.name: kind_of(field.type) for field in self.source.schema}
        readable.update(dict.fromkeys(self.source.categories, "category"))
        return {**readable, **dict.fromkeys(self.source.unreadable, "other")}

    @property
    def schema(self) -> pa.Schema:
        """The Arrow types of the columns that can be read."""
        return self.source.schema

    @property
    def n_rows(self) -> int | None:
        """Rows, where that is known without reading them; otherwise None."""
        return self.source.n_rows

    @property
    def bytes_on_disk(self) -> int | None:
        """The size of the files, compressed as they are; None where there are none."""
        return self.source.bytes_on_disk

    @property
    def whole_numbers(self) -> frozenset[str]:
        """Columns that hold integers although they are read as float64."""
        return self.source.whole_numbers

    def told(self, column: str) -> Told:
        """What a message says of a column that holds no numbers where numbers are needed. Raises DataError for one that cannot be read."""
        self.check_columns([column])
        kind = self.schema.field(column).type
        return Told(held(kind), self.source.speech.as_number(column, kind))

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raises ValueError for a column that is not there, with the nearest that is, and for one that cannot be read, with the reason."""
        for column in columns:
            if column not in self.columns:
                raise unknown_column(column, self.columns, self.name, self.source.hint)
            if column in self.source.unreadable:
                raise DataError(f"{self.name}: column {column!r} {self.source.unreadable[column]}")

    def exactly(self, columns: Sequence[str]) -> Table:
        """The table with these columns as text where, as numbers, they might lose digits: for columns that are only copied."""
        return replace(self, source=self.source.exactly(columns))

    def restricted(self, columns: Sequence[str]) -> Table:
        """The table with these columns only, which is cheaper where rows are copied to disk first. Order of first mention."""
        self.check_columns(columns)
        return replace(self, source=self.source.restricted(list(dict.fromkeys(columns))))

    def batches(self, columns: Sequence[str], rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """One pass: the given columns, all rows in order, at most about ``rows`` rows at a time."""
        self.check_columns(columns)
        self.source.check_unchanged()
        found = self.source.batches(columns, rows)
        return found if self.meter is None else counted(found, self.meter, self.source.n_rows)

    def parts(self, rows: int) -> Sequence[Part] | None:
        """The rows as runs of at least ``rows`` that any thread can read by itself; None where they come in one stream only."""
        self.source.check_unchanged()
        parts = self.source.parts(rows)
        return parts if parts is None or self.meter is None else counted_parts(parts, self.meter)

    def levels(self, column: str, limit: int = 10_000) -> list[Any]:
        """The distinct values of a column over all rows, without missing ones: sorted, or in the order of a categorical's own levels.

        Numbers that are all whole come as int. Raises ValueError for more than ``limit``.
        """
        self.check_columns([column])
        own: list[Any] | None
        if self.engine is None:
            found, own = self._distinct(column, limit), None
        else:
            from gradline.tables.distinct import distinct_values

            found, own = distinct_values(self.engine, self.source, self.meter, column, limit)
        found = [value for value in found if value is not None and value == value]
        if len(found) > limit:
            raise DataError(
                f"column {column!r} of {self.name} has more than {limit:,} levels; is it an identifier? Leave it out, or group its values"
            )
        if found and all(_is_whole(value) for value in found):
            found = [int(value) for value in found]
        own = self._own_levels(column) if self.engine is None else own
        # A query can make values under the column's name that are no levels of its own.
        if own is not None and set(found) <= set(own):
            present_levels = {value: value for value in found}
            return [present_levels[value] for value in own if value in present_levels]
        return sorted(found)

    def summary(self, columns: Sequence[str] | None = None) -> dict[str, ColumnSummary]:
        """Counts, nulls, ends and means of columns (all of them for None), found by DuckDB in one pass."""
        chosen = list(self.schema.names if columns is None else columns)
        self.check_columns(chosen)
        if not chosen:
            return {}
        terms = ["count(*)"]
        for column in chosen:
            name, kind = quoted(column), self.columns[column]
            value = f"(CASE WHEN isnan({name}::DOUBLE) THEN NULL ELSE {name} END)" if kind == "number" else name
            mean = f"avg({value}::DOUBLE)" if kind in ("number", "boolean") else "NULL"
            ends = (f"min({value})", f"max({value})") if kind != "other" else ("NULL", "NULL")
            terms += [f"count({value})", *ends, mean]
        with reading(self.name):
            row = self.source.relation(chosen).aggregate(", ".join(terms)).fetchall()[0]
        result = {}
        for i, column in enumerate(chosen):
            count, lowest, highest, mean_value = row[1 + 4 * i : 5 + 4 * i]
            result[column] = ColumnSummary(int(count), int(row[0]) - int(count), lowest, highest, mean_value)
        return result

    def take(self, row_numbers: IntArray, columns: Sequence[str]) -> pa.Table:
        """The given rows, counted from 0, in the given order, repeats included. Reads no further than the last; raises IndexError."""
        import pyarrow as pa

        numbers = np.asarray(row_numbers, dtype=np.int64)
        wanted, places = np.unique(numbers, return_inverse=True)
        if wanted.size and wanted[0] < 0:
            raise IndexError(f"row number {wanted[0]} is negative")
        schema = pa.schema([self.schema.field(column) for column in columns])
        pieces, first, found = [schema.empty_table()], 0, 0
        if wanted.size:
            for batch in self.batches(columns):
                until = int(np.searchsorted(wanted, first + batch.num_rows))
                if until > found:
                    rows = pa.Table.from_batches([picked(batch, wanted[found:until] - first)])
                    pieces.append(rows)
                first, found = first + batch.num_rows, until
                if found == wanted.size:
                    break
        if found < wanted.size:
            raise IndexError(f"{self.name} has no row {wanted[found]}; it has {first:,} rows")
        return picked(pa.concat_tables(pieces, promote_options="permissive"), places.ravel())

    def sample(self, n_rows: int, seed: int, columns: Sequence[str]) -> pa.Table:
        """A uniform sample without replacement, in row order; all rows where there are no more than ``n_rows``. One pass."""
        import pyarrow as pa

        kept, place = RowSample(n_rows, seed), 0
        schema = pa.schema([self.schema.field(column) for column in columns])
        for batch in resized(self.batches(columns), BATCH_ROWS):
            chosen, keys = kept.draw(place, batch.num_rows)
            place += batch.num_rows
            kept.add(pa.Table.from_batches([picked(batch, chosen)]), keys, place)
        table, _ = kept.table()
        return schema.empty_table() if table is None else table

    def _distinct(self, column: str, limit: int) -> list[Any]:
        """One value more than the limit at most."""
        from gradline.tables.sources.connections import arrow_reader

        with reading(self.name):
            relation = self.source.relation([column])
            present = relation.filter(f"{quoted(column)} IS NOT NULL").distinct().limit(limit + 1)
            # By way of Arrow, as batches are: in Python DuckDB gives some types as others, such as UUID.
            with arrow_reader(present, BATCH_ROWS) as reader:
                return [value for batch in reader for value in batch.column(0).to_pylist()]

    def _own_levels(self, column: str) -> list[Any] | None:
        """The levels of a categorical column in their own order; None for other columns, and where each batch has its own."""
        source = self.source.source_of_levels(column)
        if source is None:
            return None
        own: dict[Any, None] = {}
        last = None
        for batch in source.batches([column], BATCH_ROWS):
            levels = batch.column(0).dictionary
            if last is None or not levels.equals(last):
                own.update(dict.fromkeys(levels.to_pylist()))
            last = levels
        return list(own)


def _is_whole(value: Any) -> bool:
    """Whether a number that may have a fraction has none."""
    return value.is_integer() if isinstance(value, float) else isinstance(value, Decimal) and value == value.to_integral_value()


def open_table(source: Any, *, query: str | None = None, database: Any = None, where: str | None = None) -> Table:
    """A table from wherever it is.

    source: a path, a list of paths, a glob pattern or a folder of Parquet, CSV, TSV, JSON lines (text also compressed with gzip, Zstandard,
    bzip2 or xz) or Arrow files; a pandas or Polars frame, an Arrow table, a DuckDB relation, or any other frame narwhals knows; a dict of
    arrays; an open file, a buffer of text or bytes, a pipe, "-" for standard input, a stream or generator of batches, which are copied to
    a temporary folder as they can be read only once; with ``database``, the name
    of a table. database: a DuckDB or SQLite file, a URI such as postgresql://host/name (its ADBC driver must be installed), or an open
    connection of DuckDB or ADBC. query: SQL that selects rows, in the database; without one, DuckDB's, where the source is called ``data``.
    where: a condition in DuckDB's SQL on the columns of one row; other rows are left out.

    Raises FileNotFoundError, ValueError or OSError in one line that names the file, column, line or value and says what to do; TypeError
    for something that is no table.
    """
    require_packages()
    for keyword, text in (("query", query), ("where", where)):
        if text is not None and not isinstance(text, str):
            raise ArgumentTypeError(f"{keyword}= takes SQL as text, not {type(text).__name__} {text!r}")
    from gradline.tables.sources.renamed import composed_sql, is_composed, with_composed_names
    from gradline.tables.sources.sql import filtered, queried

    engine = source.engine if isinstance(source, Table) else None
    if isinstance(source, Table):
        found = source.source if query is None else queried(source.source, query)
    elif database is not None or _is_database(source):
        found = _from_database(source, database, query)
    elif source is None:
        if query is None:
            raise DataError("nothing to read: give a source, or query=")
        from gradline.tables.sources.databases import query_source

        found = query_source(query)
    else:
        found = _from_source(source)
        if query is not None:
            found = queried(found if is_composed(found.schema.names) else with_composed_names(found), composed_sql(query))
    found = found if is_composed(found.schema.names) else with_composed_names(found)
    return Table(found if where is None else filtered(found, composed_sql(where)), engine=engine)


def require_packages() -> None:
    """Raises ImportError, with the pip command, where what reads tables is not installed."""
    absent = [name for name in ("pyarrow", "duckdb") if importlib.util.find_spec(name) is None]
    if absent:
        raise ImportError(f'reading tables needs {" and ".join(absent)}; run: pip install "gradline[tables]"')


def _is_database(source: Any) -> bool:
    if not isinstance(source, str | os.PathLike):
        from gradline.tables.sources.databases import is_duckdb_connection

        return is_duckdb_connection(source) or hasattr(source, "adbc_get_info")
    text = os.fspath(source)
    if is_remote(text):
        return text.partition("://")[0] not in ("s3", "http", "https", "gs", "gcs", "r2", "az", "hf", "file")
    return os.path.isfile(os.path.expanduser(text)) and find_files(text).format in ("duckdb", "sqlite")


def _from_database(source: Any, database: Any, query: str | None) -> Source:
    from gradline.tables.sources.databases import database_source

    if database is None:
        if query is None:
            raise DataError(f"{_shown(source)} is a database; say what to read from it: query=, or the table's name with database=")
        return database_source(source, None, query)
    if source is not None and not isinstance(source, str):
        raise ArgumentTypeError(f"with database= the source is the name of a table (or None, with query=), not {type(source).__name__}")
    return database_source(database, source, query)


def _shown(source: Any) -> str:
    return repr(hidden(os.fspath(source))) if isinstance(source, str | os.PathLike) else "the connection"


def _from_source(source: Any) -> Source:
    if isinstance(source, str | os.PathLike) and is_stream_path(source):
        return _of_files(copied_path(source))
    if isinstance(source, str | os.PathLike) or (
        isinstance(source, list | tuple) and source and all(isinstance(item, str | os.PathLike) for item in source)
    ):
        return _from_files(source)
    if isinstance(source, Stream):
        return _of_files(copied(source))
    from gradline.tables.sources.databases import is_duckdb_relation

    if is_duckdb_relation(source):
        from gradline.tables.sources.sql import sql_source

        return sql_source("the DuckDB relation", lambda: source)
    from gradline.tables.sources.frames import frame_source

    found = frame_source(source)
    if found is None:
        if isinstance(source, tuple) and len(source) == 2:
            raise ArgumentTypeError("a pair is no table; give X and y as two arguments, not as a pair of them")
        if isinstance(source, list | tuple) and source and all(isinstance(item, Mapping) for item in source):
            raise ArgumentTypeError(f"a {type(source).__name__} of dicts, one a row, is no table; give pd.DataFrame(rows)")
        raise ArgumentTypeError(
            f"{type(source).__name__} is no table; give a path, a data frame, an Arrow table, a dict of arrays, a generator of batches, or"
            " a DuckDB relation"
        )
    return found


def _from_files(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Source:
    if isinstance(source, str) and is_remote(source) and not source.startswith("file://"):
        from gradline.tables.sources.columns import sql_text
        from gradline.tables.sources.connections import own_connection
        from gradline.tables.sources.sql import sql_source

        reader = "read_parquet" if suffixes(source)[0] in (".parquet", ".pq") else "read_csv"
        return sql_source(repr(hidden(source)), lambda: own_connection().sql(f"SELECT * FROM {reader}({sql_text(source)})"))
    return _of_files(find_files(source.removeprefix("file://") if isinstance(source, str) else source))


def _of_files(files: Files) -> Source:
    if files.format == "parquet":
        from gradline.tables.sources.parquet import parquet_source

        return parquet_source(files)
    if files.format == "arrow":
        from gradline.tables.sources.spool import arrow_files

        return arrow_files(files)
    if files.format in ("duckdb", "sqlite"):
        raise DataError(f"{files.name} is a database; say what to read from it: query=, or a table's name with database=")
    from gradline.tables.sources.delimited import delimited_source, json_source

    return json_source(files) if files.format == "json" else delimited_source(files)


__all__ = ["ColumnKind", "ColumnSummary", "Table", "open_table"]
