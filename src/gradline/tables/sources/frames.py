"""Tables already in memory: Arrow, pandas and Polars frames, dicts of arrays, and whatever narwhals knows; and streams, spooled once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.rows.array_checks import Labelled, index_of, unmasked
from gradline.rows.labels import check_same_labels
from gradline.tables.sources.arrow import for_sql
from gradline.tables.sources.columns import LEVELS_DECLARED, check_names, kind_of, unknown_column
from gradline.tables.sources.dialects import Speech
from gradline.tables.sources.errors import reading
from gradline.tables.sources.pandas_columns import with_plain_columns
from gradline.tables.sources.source import Part, Source, SourceDefaults
from gradline.tables.sources.spool import OnceSource
from gradline.tables.sources.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    import pyarrow as pa

Cut = Callable[[Sequence[str], int, int], "pa.Table"]
"""cut(columns, start, stop): these columns and rows as an Arrow table, by reference where the frame allows it."""


@dataclass(frozen=True)
class FramePart:
    """Rows start to stop of a frame."""

    cut: Cut = field(repr=False)
    start: int
    stop: int
    name: str

    @property
    def n_rows(self) -> int:
        return self.stop - self.start

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for start in range(self.start, self.stop, rows):
            with reading(self.name):
                table = self.cut(columns, start, min(start + rows, self.stop))
            # A chunk across chunks comes as several batches; whoever needs one block joins them.
            yield from table.to_batches()


@dataclass(frozen=True)
class FrameSource(SourceDefaults):
    """A frame held by its owner; only the columns and rows asked for are converted, a chunk at a time."""

    name: str
    schema: pa.Schema
    height: int
    cut: Cut = field(repr=False)
    held: list[pa.Table] = field(default_factory=list, repr=False)
    """The whole frame as an Arrow table, once SQL has asked for it."""
    odd: Mapping[str, str] = field(default_factory=dict)
    """What ``unreadable`` says."""
    in_python: str = ""
    """How a column is made numbers, as in ``Speech``."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        return self.odd

    @property
    def speech(self) -> Speech:
        return Speech(in_python=self.in_python)

    @property
    def n_rows(self) -> int:
        return self.height

    @property
    def in_one_piece(self) -> str:
        return "it lies in the memory of this process"

    def parts(self, rows: int) -> Sequence[Part]:
        return [FramePart(self.cut, start, min(start + rows, self.height), self.name) for start in range(0, self.height, rows)]

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for part in self.parts(rows):
            yield from part.batches(columns, rows)

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        from gradline.tables.sources.connections import own_connection

        with reading(self.name):
            if columns is not None:
                return own_connection().from_arrow(for_sql(self.cut(columns, 0, self.height)))
            if not self.held:
                self.held.append(for_sql(self.cut([part.name for part in self.schema if _known_to_sql(part)], 0, self.height)))
            return own_connection().from_arrow(self.held[0])

    def restricted(self, columns: Sequence[str]) -> FrameSource:
        return self


def frame_source(data: Any) -> Source | None:
    """The source for an object in memory or a stream; None for something that is no table.

    Columns that hold no one type of Arrow's are ``unreadable``, and trouble nobody who does not ask for them. Raises ValueError for a frame
    whose columns cannot be told apart or differ in length, and for Series in a dict whose indexes disagree, naming the columns.
    """
    import pyarrow as pa

    if isinstance(data, pa.Table | pa.RecordBatch):
        return arrow_source(pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data, "the Arrow table")
    if isinstance(data, Mapping):
        table, unreadable = _from_mapping(data)
        return replace(arrow_source(table, "the dict of arrays", unreadable), odd=unreadable, in_python="np.asarray(data[{}], dtype=float)")
    library = type(data).__module__.split(".")[0]
    if library == "pandas" and hasattr(data, "iloc") and hasattr(data, "columns"):
        return _pandas_source(data)
    if library == "polars" and hasattr(data, "to_arrow") and hasattr(data, "columns"):
        return _polars_source(data)
    found = _through_narwhals(data)
    if found is not None:
        return found
    if hasattr(data, "__arrow_c_stream__"):
        try:
            reader = pa.RecordBatchReader.from_stream(data)
        except pa.ArrowInvalid:
            return None  # one column, such as a Series
        return once(reader, reader.schema, f"the {type(data).__name__}")
    if isinstance(data, Iterator):
        return _from_iterator(data)
    return None


def arrow_source(table: pa.Table, name: str, unreadable: Iterable[str] = ()) -> FrameSource:
    """An Arrow table. unreadable: names of further columns."""
    check_names([*table.schema.names, *unreadable], name, by_sql=False)
    return FrameSource(name, table.schema, table.num_rows, _ArrowCut(table))


@dataclass(frozen=True)
class _ArrowCut:
    """Rows of an Arrow table."""

    table: pa.Table

    def __call__(self, columns: Sequence[str], start: int, stop: int) -> pa.Table:
        return self.table.select(list(columns)).slice(start, stop - start)


def once(batches: Iterable[pa.RecordBatch], schema: pa.Schema, name: str) -> OnceSource:
    """Batches that can be read only once, copied to disk when first needed."""
    check_names(schema.names, name, by_sql=False)

    def open_stream(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch.select(list(columns))

    return OnceSource(name, schema, open_stream)


def _pandas_source(frame: Any) -> FrameSource:
    import pyarrow as pa

    name, frame = "the pandas frame", with_plain_columns(frame)
    names = [str(column) for column in frame.columns]
    check_names(names, name, by_sql=False)
    fields = []
    unreadable: dict[str, str] = {}
    for j, column in enumerate(names):
        try:
            # A whole column at once, so that a chunk without a value does not get a type of its own.
            kind = pa.Schema.from_pandas(frame.iloc[:, [j]], preserve_index=False).field(0).type
            fields.append(pa.field(column, kind, metadata=LEVELS_DECLARED))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            sparse = str(frame.dtypes.iloc[j]).startswith("Sparse")
            unreadable[column] = "is sparse; make it dense first, with sparse.to_dense()" if sparse else _trouble(frame.iloc[:, j])
    schema = pa.schema(fields)

    def cut(columns: Sequence[str], start: int, stop: int) -> pa.Table:
        arrays = []
        for column in columns:
            # Without nulls a float column is taken by reference; NaN becomes null.
            array = pa.array(frame.iloc[start:stop, names.index(column)], from_pandas=True)
            wanted = schema.field(column).type
            arrays.append(array if array.type.equals(wanted) else array.cast(wanted))
        return pa.table(arrays, names=list(columns))

    return FrameSource(name, schema, len(frame), cut, odd=unreadable, in_python="data[{}].astype(float)")


def _trouble(column: Iterable[Any]) -> str:
    """Why a column is no column of one type of Arrow's: the first value of a second type, or the first that is too large, with its row."""
    first: Any = None
    for row, held in enumerate(column):
        value = held.item() if isinstance(held, np.generic) else held
        if _is_missing(value):
            continue
        first = value if first is None else first
        if type(value) is not type(first):
            return f"holds values of different types ({first!r}, then {value!r} in row {row}); give it one"
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            return f"holds an integer beyond 64 bits, {value} in row {row}; if it is an identifier, leave it out, else divide it first"
    return f"holds values of type {type(first).__name__}, which no table can hold; make them plain numbers or texts first"


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        # Of pandas' NA nothing is true; an array has many answers, and is a value.
        return type(value).__name__ == "NAType"


def _polars_source(frame: Any) -> Source:
    import polars as pl
    import polars.selectors as cs
    import pyarrow as pa

    source = "the Polars frame"
    check_names(frame.columns, source, by_sql=False)
    # Arrow has no integers of 128 bits; decimals hold 38 digits of them, and one that has more is refused.
    wide = cs.by_dtype([dtype for dtype in (getattr(pl, own, None) for own in ("Int128", "UInt128")) if dtype is not None])

    def to_arrow(part: Any) -> pa.Table:
        return part.with_columns(wide.cast(pl.Decimal(38, 0))).to_arrow()

    fields = []
    unreadable: dict[str, str] = {}
    for name, dtype in frame.schema.items():
        unknown = f"holds {dtype}, which Arrow does not know; cast it first, say with pl.col({name!r}).cast(pl.Float64)"
        if dtype == pl.Object:
            # Polars would give Arrow the bytes of pointers.
            unreadable[name] = unknown
            continue
        try:
            fields.append(to_arrow(frame.select(name).head(0)).schema.field(0))
        except pa.ArrowException:
            unreadable[name] = unknown

    def cut(columns: Sequence[str], start: int, stop: int) -> pa.Table:
        with reading(source):
            return to_arrow(frame.select(list(columns)).slice(start, stop - start))

    return FrameSource(source, pa.schema(fields), frame.height, cut, odd=unreadable, in_python="data[{}].cast(pl.Float64)")


def _through_narwhals(data: Any) -> Source | None:
    import narwhals as nw

    try:
        frame = nw.from_native(data)
    except TypeError:
        return None
    name = f"the {type(data).__module__.split('.')[0]} frame"
    if isinstance(frame, nw.LazyFrame):
        return _sunk(frame, name)
    with reading(name):
        return arrow_source(frame.to_arrow(), name)


def _sunk(frame: Any, name: str) -> OnceSource:
    """A lazy frame, run once into a file by its own engine."""
    from pathlib import Path

    import pyarrow.parquet as pq

    folder = TemporaryFolder()
    path = str(Path(folder.name, "rows.parquet"))
    try:
        with reading(name):
            frame.sink_parquet(path)
            schema = pq.read_schema(path)
    except BaseException:
        folder.cleanup()
        raise

    def open_stream(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with folder, pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=list(columns)):
                yield batch.select(list(columns))

    return OnceSource(name, schema, open_stream)


def _from_iterator(items: Iterator[Any]) -> OnceSource:
    name = "the generator"
    first = next(items, None)
    if first is None:
        raise DataError(f"{name} yields nothing; it must yield at least one batch of rows")
    head, unreadable = _one_table(first, name)

    def batches() -> Iterator[pa.RecordBatch]:
        for item in itertools.chain([first], items):
            table = head if item is first else _one_table(item, name)[0]
            missing = [column for column in head.schema.names if column not in table.schema.names]
            if missing:
                raise unknown_column(missing[0], table.schema.names, f"a later batch of {name}")
            yield from table.select(head.schema.names).cast(head.schema).to_batches()

    return replace(once(batches(), head.schema, name), odd=unreadable)


def _one_table(item: Any, name: str) -> tuple[pa.Table, Mapping[str, str]]:
    """(the columns that can be read, why others cannot)."""
    source = frame_source(item) if not isinstance(item, Iterator) else None
    if source is None:
        raise ArgumentTypeError(f"{name} yields {type(item).__name__}; it must yield Arrow batches, data frames or dicts of arrays")
    import pyarrow as pa

    return pa.Table.from_batches(list(source.batches(source.schema.names, 2**20)), schema=source.schema), source.unreadable


def _known_to_sql(column: pa.Field) -> bool:
    """Whether DuckDB can read a column of this type; of what is neither number nor text nor date it knows a part."""
    from gradline.tables.sources.connections import own_connection

    if kind_of(column.type) != "other":
        return True
    import duckdb
    import pyarrow as pa

    try:
        own_connection().from_arrow(pa.schema([column]).empty_table()).fetchall()
    except (duckdb.Error, pa.ArrowException):
        return False
    return True


def _from_mapping(data: Mapping[Any, Any]) -> tuple[pa.Table, dict[str, str]]:
    """(the columns that can be read, why others cannot). Raises ValueError for columns of different lengths or different indexes."""
    import pyarrow as pa

    if not data:
        raise DataError("the dict of arrays is empty; give names and arrays of one length")
    columns: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for key, values in data.items():
        name = str(key)
        try:
            array = values if hasattr(values, "__arrow_array__") or hasattr(values, "__arrow_c_array__") else _plain(values)
            columns[name] = pa.array(array, from_pandas=not isinstance(array, list))
        except OverflowError:
            unreadable[name] = _trouble(values)
        except (pa.ArrowException, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            unreadable[name] = f"cannot be read as one column of numbers or texts ({reason}); give a 1-D array"
    lengths = {name: len(array) for name, array in columns.items()}
    first = next(iter(lengths), "")
    for name, length in lengths.items():
        if length != lengths[first]:
            raise DataError(f"column {name!r} has {length} rows but column {first!r} has {lengths[first]}; all must have one length")
    check_same_labels(Labelled(f"column {str(key)!r}", f"data[{key!r}]", index_of(values)) for key, values in data.items())
    of_pandas = {str(key) for key, values in data.items() if str(getattr(values, "dtype", "")).startswith("category")}
    fields = [pa.field(name, array.type, metadata=LEVELS_DECLARED if name in of_pandas else None) for name, array in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields)), unreadable


def _plain(values: Any) -> Any:
    values = unmasked(values)
    if str(getattr(values, "dtype", "")).startswith(("category", "dictionary")):
        return values  # pandas' categories, which an array would forget
    if isinstance(values, list | tuple | range):
        return list(values)
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"it has shape {array.shape}")
    return array
