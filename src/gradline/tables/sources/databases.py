"""Databases: a DuckDB file or connection, and through ADBC SQLite and any other whose driver is installed."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from typing import Any

from gradline.base.errors import DataError
from gradline.tables.sources.adbc import DRIVERS, Access, adbc_source, identifier, no_table, written
from gradline.tables.sources.connections import own_connection, set_up
from gradline.tables.sources.dialects import DUCKDB, Speech
from gradline.tables.sources.errors import reading
from gradline.tables.sources.paths import find_files, has_magic, is_remote
from gradline.tables.sources.source import Source
from gradline.tables.sources.sql import OF_A_QUERY, sql_source

SCAN_MEMORY = "96MB"
"""Memory for the pages of a DuckDB file whose table is read."""


def database_source(database: Any, table: str | None, query: str | None) -> Source:
    """A table or a query of a database: a path, a URI, or an open DuckDB or ADBC connection.

    DuckDB is read again at each pass. Others are read once and copied to disk, so that all passes see the same rows in the same order.
    Raises ValueError for a query that is wrong, a table that is not there or a scheme nobody has a driver for, OSError where the database
    fails, ImportError for a driver that is not installed.
    """
    if (table is None) == (query is None):
        raise DataError("give a table's name or query=, one of them, to read from a database")
    if is_duckdb_connection(database):
        return _of_duckdb(database, table, query, "the DuckDB connection", own=False)
    if hasattr(database, "cursor"):
        return adbc_source(Access("the database", database), table, query)
    text = os.fspath(database)
    if is_remote(text) and not text.startswith(("duckdb://", "sqlite://", "file://")):
        scheme, address = _address(text)
        return adbc_source(Access(f"the {scheme} database", None, DRIVERS.get(scheme, scheme), address), table, query)
    path = _path(text)
    if re.match(r"\s*(?:host|hostaddr|port|dbname|user|password|service)\s*=", text) and not os.path.exists(path):
        raise DataError("the database is given as a list of settings; write it as an address, postgresql://user@host:port/dbname")
    if text.startswith("sqlite://") or has_magic(path, "sqlite") or path.lower().endswith((".sqlite", ".sqlite3")):
        find_files(path)
        # Read-only, and an existing file only: SQLite would create an empty database.
        return adbc_source(Access(repr(path), None, "sqlite", f"file:{os.path.abspath(path)}?mode=ro"), table, query)
    form = find_files(path).format
    if form in ("parquet", "json", "arrow") or path.lower().endswith((".csv", ".tsv", ".txt")):
        raise DataError(f"{path!r} is no database but a file of rows: give it in the place of the table, without database=")
    import duckdb

    with reading(repr(path)):
        connection = set_up(duckdb.connect(path, read_only=True))
        if query is None:
            # A plain scan gains nothing from the pages DuckDB would keep, up to most of the machine's memory.
            connection.execute(f"SET memory_limit = '{SCAN_MEMORY}'")
    return _of_duckdb(connection, table, query, repr(path), own=True)


def query_source(query: str) -> Source:
    """A query that names its own files, in DuckDB's SQL."""
    return sql_source("the query", lambda: own_connection().sql(query), said=OF_A_QUERY)


def is_duckdb_connection(item: Any) -> bool:
    """Whether it is an open connection of DuckDB."""
    return _is_of_duckdb(item, "DuckDBPyConnection")


def is_duckdb_relation(item: Any) -> bool:
    """Whether it is a relation of DuckDB."""
    return _is_of_duckdb(item, "DuckDBPyRelation")


def _is_of_duckdb(item: Any, name: str) -> bool:
    """Whether it is an instance of a class of DuckDB's, which whoever made one has imported."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(item, getattr(duckdb, name))


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
    sql = query if query is not None else f"SELECT * FROM {identifier(table)}"
    what = f"the query in {name}" if table is None else f"table {table!r} in {name}"

    def make() -> Any:
        # A cursor of its own lets passes interleave; a caller's connection may hold temporary tables that only it sees.
        return (set_up(connection.cursor()) if own else connection).sql(sql)

    import duckdb

    try:
        source = sql_source(what, make, said=Speech(DUCKDB, None if table is None else written(table, DUCKDB), in_database=True))
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
        raise no_table(name, table, tables) from error


def _count(connection: Any, table: str) -> int | None:
    """The rows of a table, which DuckDB has counted already; None for a view, whose rows it would have to work out."""
    with connection.cursor() as cursor:
        own = cursor.execute("SELECT 1 FROM duckdb_tables() WHERE lower(table_name) = lower(?)", [table.rpartition(".")[2]]).fetchone()
        found = cursor.execute(f"SELECT count(*) FROM {identifier(table)}").fetchone() if own else None
    return None if found is None else int(found[0])
