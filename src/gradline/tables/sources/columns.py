"""The columns of a table: their names and what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from gradline.base.errors import DataError
from gradline.base.words import nearest

if TYPE_CHECKING:
    import pyarrow as pa

ColumnKind = Literal["number", "text", "boolean", "category", "date", "other"]


RESERVED = (
    " ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC BOTH CASE CAST CHECK COLLATE COLUMN CONSTRAINT CREATE DEFAULT DEFERRABLE DESC"
    " DESCRIBE DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FROM GROUP HAVING IN INITIALLY INTERSECT INTO LAMBDA LATERAL LEADING"
    " LIMIT NOT NULL OFFSET ON ONLY OR ORDER PIVOT PIVOT_LONGER PIVOT_WIDER PLACING PRIMARY QUALIFY REFERENCES RETURNING SELECT SHOW SOME"
    " SUMMARIZE SYMMETRIC TABLE THEN TO TRAILING TRUE UNION UNIQUE UNPIVOT USING VARIADIC WHEN WHERE WINDOW WITH "
)
"""Words that SQL takes for itself unless they are quoted: DuckDB's list."""


def kind_of(arrow_type: pa.DataType) -> ColumnKind:
    """What a column of this Arrow type holds. A column of nothing but nulls counts as a number, and is missing in every row.

    A dictionary says that its values are levels: "category" where they are numbers or true and false, which by themselves would be numbers.
    """
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(arrow_type):
        inner = kind_of(arrow_type.value_type)
        return "category" if inner in ("number", "boolean") else inner
    if isinstance(arrow_type, pa.UuidType):
        return "text"
    if isinstance(arrow_type, pa.BaseExtensionType):
        # What some other program means by bytes is not known here.
        return "other" if isinstance(arrow_type, pa.OpaqueType) else kind_of(arrow_type.storage_type)
    if types.is_integer(arrow_type) or types.is_floating(arrow_type) or types.is_decimal(arrow_type) or types.is_null(arrow_type):
        return "number"
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type):
        return "text"
    if types.is_temporal(arrow_type):
        return "date"
    return "other"


LEVELS_DECLARED = {b"gradline:levels": b"declared"}
"""Metadata of a field whose dictionary somebody has put in order, although its type does not say so."""


def keeps_its_levels(schema: pa.Schema, column: str) -> bool:
    """Whether a dictionary's order is the order of levels that somebody declared, rather than that in which an encoder met them.

    Arrow's own encoding, and with it Parquet's and polars' Categorical, depends on the rows. An ordered dictionary, such as of polars'
    Enum, does not, nor does a categorical of pandas, which Arrow marks in the metadata of a schema.
    """
    import pyarrow as pa

    field = schema.field(column)
    if not pa.types.is_dictionary(field.type):
        return False
    if field.type.ordered or (field.metadata is not None and LEVELS_DECLARED.items() <= field.metadata.items()):
        return True
    try:
        of_pandas = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("columns", [])
        return any(told["field_name"] == column and told["pandas_type"] == "categorical" for told in of_pandas)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False  # a note that cannot be read says nothing


def quoted(name: str) -> str:
    """The name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def plain_or_quoted(name: str) -> str:
    """The name as a person would write it in SQL: quoted only where it must be."""
    return name if name.isascii() and name.isidentifier() and f" {name.upper()} " not in RESERVED else quoted(name)


def argument(keyword: str, text: str) -> str:
    """``keyword="text"``, to be copied from a message."""
    return f'{keyword}="{text}"' if '"' not in text and text.isprintable() and "\\" not in text else f"{keyword}={text!r}"


def sql_text(value: str) -> str:
    """The text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def check_names(names: Sequence[str], table: str, *, by_sql: bool) -> None:
    """Raises ValueError for a name that appears twice. SQL, unlike Arrow, does not tell upper from lower case."""
    if not names:
        raise DataError(f"{table} has no columns")
    seen: dict[str, str] = {}
    for name in names:
        key = name.casefold() if by_sql else name
        if key not in seen:
            seen[key] = name
        elif seen[key] == name:
            raise DataError(f"{table}: column name {name!r} appears more than once; rename the columns so that each can be told apart")
        else:
            raise DataError(
                f"{table}: column names {seen[key]!r} and {name!r} differ by upper and lower case only, which SQL does not tell apart;"
                " rename one"
            )


def unknown_column(name: str, names: Iterable[str], table: str, hint: str = "") -> ValueError:
    """The error for a column that is not there, with the nearest one that is."""
    known = list(names)
    near = nearest(name, known)
    if hint:
        # A name with a mark in it is what the hint is about.
        near = [found for found in near if not any(mark in found for mark in ",;|\t")]
        advice = f"did you mean {near[0]!r}? Otherwise {hint}" if near else hint
    elif near:
        advice = f"did you mean {near[0]!r}?"
    else:
        shown = ", ".join(repr(other) for other in known[:12])
        advice = f"it has {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return DataError(f"{table} has no column {name!r}; {advice}")
