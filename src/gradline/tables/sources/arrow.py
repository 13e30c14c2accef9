"""Between Arrow and NumPy by way of their buffers.

pyarrow's own to_numpy(), array() and scalar() import pandas wherever it is installed, which takes longer than a small fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array

if TYPE_CHECKING:
    import pyarrow as pa

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def view(array: pa.Array) -> np.ndarray[Any, Any]:
    """The values of an array of fixed width, (m,), without a copy; anything may stand where it is null."""
    import pyarrow as pa

    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    buffer = array.buffers()[1]
    dtype = np.dtype(_dtype(array.type))
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), dtype)
    return np.frombuffer(buffer, dtype, count=len(array), offset=array.offset * dtype.itemsize)


def null_mask(array: pa.Array, nan_is_null: bool = False) -> Mask | None:
    """Where an array is null, (m,); None where it is nowhere so."""
    if not array.null_count and not nan_is_null:
        return None
    return view(array.is_null(nan_is_null=nan_is_null)).astype(np.bool_)


def as_numbers(column: pa.Array) -> Array:
    """A numeric or boolean column as float64 (m,), nulls as NaN; without a copy where it is float64 without nulls."""
    import pyarrow as pa

    if column.type.id == pa.lib.Type_DOUBLE and not column.null_count:
        # The common case first: it is met once a column and block.
        return np.frombuffer(column.buffers()[1] or b"", np.float64, count=len(column), offset=8 * column.offset)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_decimal(column.type):
        return _decimals(column)
    if not pa.types.is_float64(column.type):
        # safe=False lets integers beyond 2^53 round, which is told elsewhere.
        column = column.cast(pa.float64(), safe=False)
    values: Array = view(column)
    gone = null_mask(column)
    return values if gone is None else np.where(gone, np.nan, values)


def _decimals(column: pa.Array) -> Array:
    """Decimals, each rounded once: Arrow's own cast is off in the last digit for one value of seven with two decimals.

    A quotient of two numbers that float64 holds exactly is rounded correctly: 53 bits of digits, and powers of ten up to the 22nd.
    """
    import pyarrow as pa

    scale, gone = column.type.scale, null_mask(column)
    values = np.zeros(len(column))
    long = np.ones(len(column), dtype=np.bool_)
    if pa.types.is_decimal128(column.type) and 0 <= scale <= 22 and len(column):
        halves = np.frombuffer(column.buffers()[1], np.int64, count=2 * len(column), offset=16 * column.offset).reshape(-1, 2)
        digits, above = halves[:, 0], halves[:, 1]
        # The upper half of a number of 64 bits repeats its sign.
        long = (above != digits >> 63) | (digits > 2**53) | (digits < -(2**53))
        values = digits / 10.0**scale
    if gone is not None:
        long &= ~gone
        values[gone] = np.nan
    if long.any():
        places = np.flatnonzero(long)
        values[places] = view(column.take(from_numbers(places)).cast(pa.string()).cast(pa.float64()))
    return values


def for_sql(table: pa.Table) -> pa.Table:
    """The table, with float16, which DuckDB does not know, as float32."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_float16(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.float32()))
    return table


def from_numbers(values: np.ndarray[Any, Any]) -> pa.Array:
    """An int64 or float64 array."""
    import pyarrow as pa

    wanted = np.ascontiguousarray(values, dtype=np.int64 if values.dtype.kind in "iub" else np.float64)
    kind = pa.int64() if wanted.dtype.kind == "i" else pa.float64()
    return pa.Array.from_buffers(kind, len(wanted), [None, pa.py_buffer(wanted)])


def from_texts(texts: Sequence[str]) -> pa.Array:
    """An array of text."""
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *(len(part) for part in encoded)]).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def _dtype(kind: Any) -> str:
    """NumPy's name of an Arrow type of fixed width."""
    name = str(kind)
    return {"float": "float32", "double": "float64", "halffloat": "float16"}.get(name, name)
