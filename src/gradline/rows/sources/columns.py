"""The columns of a table: names, what they hold, and their values as float64."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from gradline.types import Array

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "text", "boolean", "date", "other"]


def kind_of(arrow_type: pa.DataType) -> Kind:
    """What a column of this Arrow type holds. A column of nothing but nulls counts as a number, and is missing in every row."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type)
    if types.is_integer(arrow_type) or types.is_floating(arrow_type) or types.is_decimal(arrow_type) or types.is_null(arrow_type):
        return "number"
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type):
        return "text"
    if types.is_temporal(arrow_type):
        return "date"
    return "other"


def quoted(name: str) -> str:
    """The name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def sql_text(value: str) -> str:
    """The text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def check_names(names: Sequence[str], table: str, *, by_sql: bool) -> None:
    """Raises ValueError for a name that appears twice. SQL, unlike Arrow, does not tell upper from lower case."""
    if not names:
        raise ValueError(f"{table} has no columns")
    seen: dict[str, str] = {}
    for name in names:
        key = name.casefold() if by_sql else name
        if key not in seen:
            seen[key] = name
        elif seen[key] == name:
            raise ValueError(f"{table}: column name {name!r} appears more than once; rename the columns so that each can be told apart")
        else:
            raise ValueError(
                f"{table}: column names {seen[key]!r} and {name!r} differ by upper and lower case only, which SQL does not tell apart;"
                " rename one"
            )


def unknown_column(name: str, names: Iterable[str], table: str, hint: str = "") -> ValueError:
    """The error for a column that is not there, with the nearest one that is."""
    known = list(names)
    lower = {other.casefold(): other for other in reversed(known)}
    near = [lower[match] for match in difflib.get_close_matches(name.casefold(), lower, 1)]
    if hint:
        advice = hint
    elif near:
        advice = f"did you mean {near[0]!r}?"
    else:
        shown = ", ".join(repr(other) for other in known[:12])
        advice = f"it has {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return ValueError(f"{table} has no column {name!r}; {advice}")


def as_numbers(column: pa.Array) -> Array:
    """A numeric or boolean Arrow column as float64 (m,), nulls as NaN; without a copy where it is float64 without nulls."""
    import pyarrow as pa

    if column.type.id == pa.lib.Type_DOUBLE and not column.null_count and isinstance(column, pa.Array):
        # The common case first: it is met once a column and block.
        return _view(column, np.float64)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_float64(column.type):
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        # safe=False lets integers beyond 2^53 round, which is told elsewhere.
        column = column.cast(pa.float64(), safe=False)
    values: Array = _view(column, np.float64)
    if column.null_count:
        values = values.copy()
        values[null_mask(column)] = np.nan
    return values


def null_mask(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Where the column is null, (m,)."""
    import pyarrow as pa

    return _view(column.is_null().cast(pa.uint8()), np.uint8).view(np.bool_)


def _view(column: pa.Array, dtype: Any) -> np.ndarray[Any, Any]:
    """The values of a primitive column by reference, whatever lies under nulls: ``to_numpy`` would import pandas where it is installed."""
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.empty(0, dtype=dtype)
    return np.frombuffer(buffer, dtype=dtype, count=len(column), offset=column.offset * dtype().itemsize)
