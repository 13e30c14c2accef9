"""DuckDB connections of gradline's own, as every source takes them."""

from __future__ import annotations

from functools import cache
from typing import Any

AHEAD = "16MB"
"""Rows that DuckDB may have ready before they are asked for."""


def own_connection() -> Any:
    """A DuckDB connection to nothing, which sees files but none of the caller's Python variables; each call's is independent."""
    return set_up(_nothing().cursor())


def set_up(connection: Any) -> Any:
    """The connection, told to look at no Python variable, to draw no progress bar of its own, and to work ahead of who takes its rows."""
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_progress_bar = false")
    # With its usual megabyte DuckDB's threads stop for each batch that is taken.
    connection.execute(f"SET streaming_buffer_size = '{AHEAD}'")
    return connection


@cache
def _nothing() -> Any:
    import duckdb

    return duckdb.connect()


def arrow_reader(relation: Any, rows: int) -> Any:
    """The relation's rows as an Arrow record batch reader, streamed; DuckDB before 1.4 calls it otherwise."""
    make = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    return make(rows)
