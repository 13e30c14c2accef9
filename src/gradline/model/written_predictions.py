"""Predictions beside columns that are kept, as they are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.formulas.columns import as_text
from gradline.formulas.lengths_of_time import is_length
from gradline.tables.sources.dialects import held
from gradline.tables.table import Table


def with_predictions(kept: pa.RecordBatch, fields: Sequence[pa.Field], names: Sequence[str], values: Array) -> pa.RecordBatch:
    """The kept columns beside the predictions (m, c); a prediction that is NaN is null."""
    schema = written_schema(fields, names)
    arrays = [_as_kept(column, field.type) for column, field in zip(kept.columns, schema, strict=False)]
    for j in range(values.shape[1]):
        column = np.ascontiguousarray(values[:, j])
        present = np.packbits(~np.isnan(column), bitorder="little")
        arrays.append(pa.Array.from_buffers(pa.float64(), len(column), [pa.py_buffer(present), pa.py_buffer(column)]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def check_kept(table: Table, keep: Sequence[str], *, parquet: bool, keyword: str) -> None:
    """Raises ValueError for a column that the file cannot hold, with how to have it written out. keyword: what named it."""
    for name in keep:
        kind = _kept_type(table.schema.field(name).type)
        nested = pa.types.is_nested(kind) and not parquet
        if nested or isinstance(kind, pa.BaseExtensionType):
            kind_of_file = "CSV" if nested else "a file"
            raise ArgumentError(
                f"{keyword} {name!r}: the column holds {held(kind)}, which {kind_of_file} cannot; keep it as text, say with"
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


def written_schema(fields: Sequence[pa.Field], names: Sequence[str]) -> pa.Schema:
    """The kept columns, then the predictions."""
    kept = [pa.field(field.name, _kept_type(field.type)) for field in fields]
    return pa.schema([*kept, *(pa.field(name, pa.float64()) for name in names)])
