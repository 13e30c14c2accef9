"""The SQL that a message advises, in the words of the database at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gradline.tables.sources.columns import RESERVED, argument, kind_of, plain_or_quoted, quoted

if TYPE_CHECKING:
    import pyarrow as pa

RESERVED_ELSEWHERE = (
    RESERVED + "AUTHORIZATION BINARY COLLATION CONCURRENTLY CROSS CURRENT_CATALOG CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME"
    " CURRENT_TIMESTAMP CURRENT_USER FREEZE FULL GRANT ILIKE INNER IS ISNULL JOIN LEFT LIKE LOCALTIME LOCALTIMESTAMP NATURAL NOTNULL"
    " OUTER OVERLAPS RIGHT SESSION_USER SIMILAR TABLESAMPLE USER VERBOSE "
)
"""Those, and PostgreSQL's (pg_get_keywords()); ``user`` without quotes is no error there but the name of whoever asks."""


@dataclass(frozen=True)
class Dialect:
    """One database's SQL. ``{}`` in a template stands for the column; an empty template says that nobody knows how it is said there.

    days: from a date to a number. seconds: from a time of day or a length of time. number: from text. folds: whether names without
    quotes are read in lower case.
    """

    name: str
    days: str = ""
    seconds: str = ""
    number: str = ""
    folds: bool = True

    def column(self, name: str) -> str:
        """The name as a person would write it: quoted only where it must be."""
        if self.folds and (name != name.lower() or f" {name.upper()} " in RESERVED_ELSEWHERE):
            return quoted(name)
        return plain_or_quoted(name)


DUCKDB = Dialect("DuckDB", "date_diff('day', DATE '2000-01-01', {}::DATE)", "EXTRACT(EPOCH FROM {})", "{}::DOUBLE", folds=False)
POSTGRESQL = Dialect(
    "PostgreSQL", "{}::date - DATE '2000-01-01'", "EXTRACT(EPOCH FROM {})::double precision", "CAST({} AS double precision)"
)
SQLITE = Dialect("SQLite", number="CAST({} AS REAL)")
"""It has no type for dates: they are text, or numbers already."""
OTHER = Dialect("SQL", number="CAST({} AS DOUBLE PRECISION)")


@dataclass(frozen=True)
class Speech:
    """What ``query=`` may say of a source. rows: what it calls the rows, such as ``data``; None where they come from a query already.

    in_database: whether ``query=`` stands in the place of a table's name. in_python: how a column in memory is made numbers without SQL,
    which what predicts does not take; ``{}`` stands for the column's name.
    """

    dialect: Dialect = DUCKDB
    rows: str | None = "data"
    in_database: bool = False
    in_python: str = ""

    def added(self, template: str, column: str, name: str) -> str:
        """How to add a column ``name`` made of ``column``: ``query="SELECT *, ... AS name FROM data"``."""
        made = f"{template.format(self.dialect.column(column))} AS {self.dialect.column(name)}"
        if self.rows is None:
            return f"{made} in the query"
        return argument("query", f"SELECT *, {made} FROM {self.rows}") + (" in place of the table's name" if self.in_database else "")

    def as_number(self, column: str, kind: pa.DataType) -> str:
        """What to do with a column of a kind that is no number where numbers are needed."""
        import pyarrow as pa

        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            known = self.dialect.days
            return f"count days, say with {self.added(known, column, 'days')}" if known else "count days in the query"
        if pa.types.is_temporal(kind):
            known = self.dialect.seconds
            return f"count seconds, say with {self.added(known, column, 'seconds')}" if known else "count seconds in the query"
        return "make it a number in the data first"

    def as_double(self, column: str) -> str:
        """How to read numbers that are written as text."""
        if self.in_python:
            return self.in_python.format(repr(column))
        if self.dialect is DUCKDB and self.rows is not None:
            name = self.dialect.column(column)
            return argument("query", f"SELECT * REPLACE ({name}::DOUBLE AS {name}) FROM {self.rows}") + (
                " in place of the table's name" if self.in_database else ""
            )
        return self.added(self.dialect.number, column, f"{column}_number")

    def as_text(self, column: str) -> str:
        """How to have a column written out."""
        return self.added("CAST({} AS TEXT)", column, f"{column}_text")


class Told(NamedTuple):
    """What a message says of a column where numbers are needed: what it holds, and what to do."""

    holds: str
    advice: str


def held(kind: pa.DataType) -> str:
    """What a column of an Arrow type holds, for a message."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return held(kind.value_type)
    if types.is_boolean(kind):
        return "true and false"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "dates"
    if types.is_time(kind):
        return "times of day"
    if types.is_duration(kind) or types.is_interval(kind):
        return "lengths of time"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "arrays"
    if types.is_struct(kind) or types.is_map(kind):
        return "records"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind) or types.is_binary_view(kind):
        return "bytes"
    known = {"number": "numbers", "text": "text"}
    return known.get(kind_of(kind), "values that are neither numbers nor text nor dates")
