"""Databases: a DuckDB file or connection, and through ADBC SQLite and any other whose driver is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradline.tables.sources.columns import quoted
from gradline.tables.sources.errors import reading
from gradline.tables.sources.frames import OnceSource
from gradline.tables.sources.paths import find_files, has_magic, is_remote
from gradline.tables.sources.source import Source
from gradline.tables.sources.sql import own_connection, set_up, sql_source

if TYPE_CHECKING:
    import pyarrow as pa

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "flightsql": "flightsql",
    "grpc": "flightsql",
}
"""The ADBC driver for each scheme. Any other scheme is taken for the name of its driver, if one is installed."""

SCAN_MEMORY = "96MB"
"""Memory for the pages of a DuckDB file whose table is read."""

SQLITE_BATCH_ROWS = 65536
"""Rows from which the SQLite driver infers types, and rows a batch."""


def database_source(database: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database: a path, a URI, or an open DuckDB or ADBC connection.

    DuckDB is read again at each pass. Others are read once and copied to disk, so that all passes see the same rows in the same order.
    Raises ValueError for a query that is wrong, a table that is not there or a scheme nobody has a driver for, OSError where the database
    fails, ImportError for a driver that is not installed.
    """
    if (table is None) == (query is None):
        raise ValueError("give a table's name or query=, one of them, to read from a database")
    if is_duckdb_connection(database):
        return _of_duckdb(database, table, query, "the DuckDB connection", own=False)
    if hasattr(database, "cursor"):
        return _of_adbc(database, table, query, "the database", None)
    text = os.fspath(database)
    if is_remote(text) and not text.startswith(("duckdb://", "sqlite://", "file://")):
        scheme, address = _address(text)
        return _of_adbc(None, table, query, f"the {scheme} database", (DRIVERS.get(scheme, scheme), address))
    path = _path(text)
    if text.startswith("sqlite://") or has_magic(path, "sqlite") or path.lower().endswith((".sqlite", ".sqlite3")):
        find_files(path)
        # Read-only, and an existing file only: SQLite would create an empty database.
        return _of_adbc(None, table, query, repr(path), ("sqlite", f"file:{os.path.abspath(path)}?mode=ro"))
    form = find_files(path).format
    if form in ("parquet", "json", "arrow") or path.lower().endswith((".csv", ".tsv", ".txt")):
        raise ValueError(f"{path!r} is no database but a file of rows: give it in the place of the table, without database=")
    import duckdb

    with reading(repr(path)):
        connection = set_up(duckdb.connect(path, read_only=True))
        if query is None:
            # A plain scan gains nothing from the pages DuckDB would keep, up to most of the machine's memory.
            connection.execute(f"SET memory_limit = '{SCAN_MEMORY}'")
    return _of_duckdb(connection, table, query, repr(path), own=True)


def query_source(query: str) -> Source:
    """A query that names its own files, in DuckDB's SQL."""
    return sql_source("the query", lambda: own_connection().sql(query))


def is_duckdb_connection(item: Any) -> bool:
    """Whether it is an open connection of DuckDB."""
    return type(item).__name__ == "DuckDBPyConnection"


def is_duckdb_relation(item: Any) -> bool:
    """Whether it is a relation of DuckDB."""
    return type(item).__name__ == "DuckDBPyRelation"


def _address(text: str) -> tuple[str, str]:
    """(scheme, what ADBC connects to). SQLAlchemy's addresses name a driver of its own, ``postgresql+psycopg://``, which ADBC does not
    know; Flight SQL's ``grpc+tls://`` names how to connect, and is left as it is."""
    before, _, rest = text.partition("://")
    scheme, _, driver = before.partition("+")
    return scheme, f"{scheme}://{rest}" if driver and scheme != "grpc" else text


def _path(text: str) -> str:
    for scheme in ("duckdb://", "sqlite://", "file://"):
        if text.startswith(scheme):
            # sqlite:///relative.db and sqlite:////absolute.db, as SQLAlchemy writes them.
            rest = text[len(scheme) :]
            return rest[1:] if rest.startswith("/") else rest
    return os.path.expanduser(text)


def _of_duckdb(connection: Any, table: str | None, query: str | None, name: str, *, own: bool) -> Source:
    sql = query if query is not None else f"SELECT * FROM {_identifier(table)}"
    what = f"the query in {name}" if table is None else f"table {table!r} in {name}"

    def make() -> Any:
        # A cursor of its own lets passes interleave; a caller's connection may hold temporary tables that only it sees.
        return (set_up(connection.cursor()) if own else connection).sql(sql)

    import duckdb

    try:
        source = sql_source(what, make)
        return source if table is None else replace(source, counted=_count(connection, table))
    except ValueError as error:
        if table is None or not isinstance(error.__cause__, duckdb.CatalogException):
            raise
        tables = [
            row[0]
            for row in connection.execute(
                "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
            ).fetchall()
        ]
        raise _no_table(name, table, tables) from error


def _count(connection: Any, table: str) -> int | None:
    """The rows of a table, which DuckDB has counted already; None for a view, whose rows it would have to work out."""
    with connection.cursor() as cursor:
        own = cursor.execute("SELECT 1 FROM duckdb_tables() WHERE lower(table_name) = lower(?)", [table.rpartition(".")[2]]).fetchone()
        found = cursor.execute(f"SELECT count(*) FROM {_identifier(table)}").fetchone() if own else None
    return None if found is None else int(found[0])


def _check_sqlite_table(connection: Any, table: str, name: str) -> None:
    """Raises ValueError for a table that is not there, naming those that are."""
    with reading(name), _cursor(connection) as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1")
        tables = [row[0] for row in cursor.fetchall()]
    if "." not in table and table.casefold() not in {found.casefold() for found in tables}:
        raise _no_table(name, table, tables)


def _no_table(name: str, table: str, tables: Sequence[str]) -> ValueError:
    held = f"it has {', '.join(map(repr, tables[:12]))}" if tables else "it has none"
    return ValueError(f"{name} has no table {table!r}; {held}")


def _identifier(table: str | None) -> str:
    assert table is not None
    return ".".join(quoted(part) for part in table.split("."))


def _of_adbc(connection: Any, table: str | None, query: str | None, name: str, connect: tuple[str, str] | None) -> Source:
    what = f"the query in {name}" if table is None else f"table {table!r} in {name}"
    if connection is None:
        assert connect is not None
        connection = _connected(*connect, name)
    select = query.rstrip().rstrip(";") if query is not None else f"SELECT * FROM {_identifier(table)}"
    if table is not None and connect is not None and connect[0] == "sqlite":
        _check_sqlite_table(connection, table, name)
    with reading(what), _cursor(connection) as cursor:
        cursor.execute(f"SELECT * FROM ({select}) AS head LIMIT {SQLITE_BATCH_ROWS}")
        with cursor.fetch_record_batch() as head:
            schema = head.schema

    def open_stream(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        narrowed = f"SELECT {', '.join(map(quoted, columns))} FROM ({select}) AS rows_of"
        with reading(what), _cursor(connection) as cursor:
            cursor.execute(narrowed)
            with cursor.fetch_record_batch() as batches:
                for batch in batches:
                    yield _cast(batch, columns, schema)

    return OnceSource(what, schema, open_stream)


def _cast(batch: pa.RecordBatch, columns: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = []
    for column in columns:
        array, wanted = batch.column(column), schema.field(column).type
        arrays.append(array if array.type.equals(wanted) else array.cast(wanted))
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _cursor(connection: Any) -> Any:
    """A cursor of an ADBC connection. SQLite's driver infers types from a first batch of 1,024 rows; let it see more."""
    cursor = connection.cursor()
    statement = getattr(cursor, "adbc_statement", None)
    if statement is None:
        raise TypeError(
            "the connection is neither one of ADBC's (adbc_driver_...dbapi.connect) nor DuckDB's; gradline reads databases through these"
        )
    with suppress(Exception):
        # Other drivers do not know the option.
        statement.set_options(**{"adbc.sqlite.query.batch_rows": str(SQLITE_BATCH_ROWS)})
    return cursor


def _connected(driver: str, uri: str, name: str) -> Any:
    module = f"adbc_driver_{driver}"
    try:
        dbapi = importlib.import_module(f"{module}.dbapi")
    except ImportError:
        if driver not in DRIVERS.values():
            known = ", ".join(f"{scheme}://" for scheme in DRIVERS)
            raise ValueError(
                f"{name} has no ADBC driver that gradline knows of, and none is installed as {module}; addresses that work begin with"
                f" {known} or duckdb://: give an open ADBC connection instead, or write the rows to a Parquet file"
            ) from None
        package = module.replace("_", "-")
        raise ImportError(f"reading {name} needs its ADBC driver: pip install adbc-driver-manager {package}") from None
    with reading(name):
        return dbapi.connect(uri)
