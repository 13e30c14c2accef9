"""Writing a table as its rows come, to a file that appears whole or not at all, or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gradline.base.atomic_file import open_whole
from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.formulas.columns import as_text
from gradline.formulas.lengths_of_time import is_length
from gradline.tables.sources.dialects import held
from gradline.tables.table import Table


@contextmanager
def open_writer(out: Path | None, fields: Sequence[pa.Field], names: Sequence[str]) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """A function that writes batches to a Parquet or CSV file, or as CSV to standard output.

    The file appears when the context ends without an error; after an error, or Ctrl-C, what was there before is as it was.
    Raises OSError naming the file where it cannot be written.
    """
    schema = _schema(fields, names)
    if out is None:
        sys.stdout.flush()
        with _csv(sys.stdout.buffer, schema) as writer:
            yield writer.write_batch
        return
    with open_whole(out) as file, (_parquet if out.suffix.lower() == ".parquet" else _csv)(file, schema) as writer:
        yield writer.write_batch


def with_predictions(kept: pa.RecordBatch, fields: Sequence[pa.Field], names: Sequence[str], values: Array) -> pa.RecordBatch:
    """The kept columns beside the predictions (m, c); a prediction that is NaN is null."""
    schema = _schema(fields, names)
    arrays = [_as_kept(column, field.type) for column, field in zip(kept.columns, schema, strict=False)]
    for j in range(values.shape[1]):
        column = np.ascontiguousarray(values[:, j])
        present = np.packbits(~np.isnan(column), bitorder="little")
        arrays.append(pa.Array.from_buffers(pa.float64(), len(column), [pa.py_buffer(present), pa.py_buffer(column)]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def check_kept(table: Table, keep: Sequence[str], out: Path | None) -> None:
    """Raises ValueError for a column that the file cannot hold, with how to have it written out."""
    parquet = out is not None and out.suffix.lower() == ".parquet"
    for name in keep:
        kind = _kept_type(table.schema.field(name).type)
        nested = pa.types.is_nested(kind) and not parquet
        if nested or isinstance(kind, pa.BaseExtensionType):
            raise ArgumentError(
                f"--keep {name!r}: the column holds {held(kind)}, which {'CSV' if nested else 'a file'} cannot; keep it as text, say with"
                f" {table.source.speech.as_text(name)}"
            )


def _kept_type(kind: pa.DataType) -> pa.DataType:
    """Categoricals as what they stand for: each batch may number its levels in its own way. UUIDs and lengths of time as text."""
    if pa.types.is_dictionary(kind):
        return _kept_type(kind.value_type)
    if isinstance(kind, pa.UuidType | pa.JsonType) or is_length(kind):
        return pa.string()
    return kind


def _as_kept(column: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = as_text(column) if kind == pa.string() else column
    return plain if plain.type == kind else plain.cast(kind)


def _schema(fields: Sequence[pa.Field], names: Sequence[str]) -> pa.Schema:
    kept = [pa.field(field.name, _kept_type(field.type)) for field in fields]
    return pa.schema([*kept, *(pa.field(name, pa.float64()) for name in names)])


def _csv(file: Any, schema: pa.Schema) -> Any:
    import pyarrow.csv

    return pyarrow.csv.CSVWriter(file, schema, write_options=pyarrow.csv.WriteOptions(quoting_style="needed"))


def _parquet(file: Any, schema: pa.Schema) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetWriter(file, schema)
