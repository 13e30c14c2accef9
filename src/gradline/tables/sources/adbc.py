"""Databases reached through ADBC: what their columns come as, and the one reading of their rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.tables.sources.addresses import HIDDEN, check_address, passwords
from gradline.tables.sources.columns import LEVELS_DECLARED, check_names, quoted
from gradline.tables.sources.dialects import DUCKDB, OTHER, POSTGRESQL, SQLITE, Dialect, Speech
from gradline.tables.sources.errors import reading
from gradline.tables.sources.postgresql import POSTGRESQL_TABLES, postgresql_columns
from gradline.tables.sources.selecting import Selected, as_they_come
from gradline.tables.sources.spool import OnceSource

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

SQLITE_BATCH_ROWS = 65536
"""Rows from which the SQLite driver infers types, and rows a batch."""


@dataclass(frozen=True)
class Database:
    """What gradline knows of a database.

    columns: how to ask for the columns of a query, given its schema. tables: SQL for the names of its tables, empty where nobody knows.
    probed: rows that the driver must see to tell the types; other drivers know them without running the query.
    """

    dialect: Dialect
    columns: Callable[[pa.Schema, Callable[[str], Any]], Sequence[Selected]] = as_they_come
    tables: str = ""
    probed: int = 0
    options: Mapping[str, str] = field(default_factory=dict)


SQLITE_DATABASE = Database(
    SQLITE,
    tables="SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1",
    probed=SQLITE_BATCH_ROWS,
    options={"adbc.sqlite.query.batch_rows": str(SQLITE_BATCH_ROWS)},
)
POSTGRESQL_DATABASE = Database(POSTGRESQL, postgresql_columns, POSTGRESQL_TABLES)
DATABASES = {"sqlite": SQLITE_DATABASE, "postgresql": POSTGRESQL_DATABASE, "duckdb": Database(DUCKDB)}
"""By the vendor's name in lower case, as ADBC gives it."""


@dataclass(frozen=True)
class Access:
    """How to reach a database: a caller's open connection, or a driver and an address, connected to anew for each use and closed after it.

    name: what messages call it.
    """

    name: str
    connection: Any = None
    driver: str = ""
    address: str = ""

    @contextmanager
    def opened(self) -> Iterator[Any]:
        if self.connection is not None:
            yield self.connection
            return
        dbapi = _driver(self.driver, self.name)
        with self.reading(self.name):
            # A transaction left open would hold old rows on the server for as long as it lasts.
            connection = dbapi.connect(self.address, autocommit=True)
        try:
            yield connection
        finally:
            # One that broke on the way cannot be closed properly.
            with suppress(Exception):
                connection.close()

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """As ``reading``, without the address's passwords."""
        try:
            with reading(what):
                yield
        except Exception as error:
            secrets = [secret for secret in passwords(self.address) if _mentions(error, secret)]
            if not secrets:
                raise
            text = str(error)
            for secret in secrets:
                text = text.replace(secret, HIDDEN)
            # A traceback would show the driver's own words.
            raise type(error)(text) from None


def adbc_source(access: Access, table: str | None, query: str | None) -> OnceSource:
    """A table or a query, read once and copied to disk. Raises as ``database_source`` says."""
    if access.address and access.driver != "sqlite":
        check_address(access.address, access.name)
    what = f"the query in {access.name}" if table is None else f"table {table!r} in {access.name}"
    select = query.rstrip().rstrip(";") if query is not None else f"SELECT * FROM {identifier(table)}"
    with access.opened() as connection:
        database = _database(connection, access)
        _check_table(connection, database, table, access)
        with access.reading(what), _cursor(connection, database) as cursor:
            cursor.execute(f"SELECT * FROM (\n{select}\n) AS head LIMIT {database.probed}")
            with cursor.fetch_record_batch() as head:
                found = head.schema
        check_names(found.names, what, by_sql=False)

        def ask(sql: str) -> Any:
            with access.reading(what), _cursor(connection, database) as cursor:
                cursor.execute(sql)
                return cursor.fetchone()[0]

        selected = database.columns(found, ask)
    said = Speech(database.dialect, None if table is None else written(table, database.dialect), in_database=True)
    return _source(access, database, select, selected, said, what)


def _source(access: Access, database: Database, select: str, selected: Sequence[Selected], said: Speech, what: str) -> OnceSource:
    import pyarrow as pa

    by_name = {column.name: column for column in selected}

    def open_stream(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        chosen = [by_name[column] for column in columns]
        narrowed = f"SELECT {', '.join(column.sql for column in chosen)} FROM (\n{select}\n) AS rows_of"
        with access.opened() as connection, access.reading(what), _cursor(connection, database) as cursor:
            cursor.execute(narrowed)
            with cursor.fetch_record_batch() as batches:
                for batch in batches:
                    yield _converted(batch, chosen)

    def exactly(columns: Sequence[str]) -> OnceSource:
        copied = [column.as_text() if column.name in columns else column for column in selected]
        return _source(access, database, select, copied, said, what)

    # What a database gives as a dictionary is of an ENUM.
    schema = pa.schema([pa.field(column.name, column.type, metadata=LEVELS_DECLARED) for column in selected])
    whole = frozenset(column.name for column in selected if column.perhaps_whole)
    return OnceSource(what, schema, open_stream, said=said, whole=whole, written=exactly)


def identifier(table: str | None) -> str:
    """A table's name, perhaps with its schema before it, as SQL takes it."""
    assert table is not None
    return ".".join(quoted(part) for part in table.split("."))


def written(table: str, dialect: Dialect) -> str:
    """A table's name, perhaps with its schema before it, as a person would write it."""
    return ".".join(dialect.column(part) for part in table.split("."))


def no_table(name: str, table: str, tables: Sequence[str]) -> ValueError:
    """The error for a table that is not there, with those that are."""
    held = f"it has {', '.join(map(repr, tables[:12]))}" if tables else "it has none"
    return DataError(f"{name} has no table {table!r}; {held}")


def _converted(batch: pa.RecordBatch, chosen: Sequence[Selected]) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [column.convert(batch.column(place)) for place, column in enumerate(chosen)]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in chosen])


def _database(connection: Any, access: Access) -> Database:
    """What is known of the database: by the driver that was asked for, or by what an open connection says of itself."""
    vendor = access.driver
    if not vendor:
        with suppress(Exception):
            # What a driver does not tell cannot be relied on.
            vendor = str(connection.adbc_get_info()["vendor_name"]).lower()
    return DATABASES.get(vendor, Database(OTHER))


def _check_table(connection: Any, database: Database, table: str | None, access: Access) -> None:
    """Raises ValueError for a table that is not there, naming those that are."""
    if table is None or "." in table or not database.tables:
        return
    with access.reading(access.name), _cursor(connection, database) as cursor:
        cursor.execute(database.tables)
        tables = [row[0] for row in cursor.fetchall()]
    same = str.casefold if database.dialect is SQLITE else str
    if same(table) not in {same(found) for found in tables}:
        raise no_table(access.name, table, tables)


def _cursor(connection: Any, database: Database) -> Any:
    """A cursor of an ADBC connection. SQLite's driver infers types from a first batch of 1,024 rows; let it see more."""
    cursor = connection.cursor()
    statement = getattr(cursor, "adbc_statement", None)
    if statement is None:
        raise ArgumentTypeError(
            "the connection is neither one of ADBC's (adbc_driver_...dbapi.connect) nor DuckDB's; gradline reads databases through these"
        )
    if database.options:
        statement.set_options(**database.options)
    return cursor


def _driver(driver: str, name: str) -> Any:
    module = f"adbc_driver_{driver}"
    try:
        return importlib.import_module(f"{module}.dbapi")
    except ImportError:
        if driver not in DRIVERS.values():
            known = ", ".join(f"{scheme}://" for scheme in DRIVERS)
            raise DataError(
                f"{name} has no ADBC driver that gradline knows of, and none is installed as {module}; addresses that work begin with"
                f" {known} or duckdb://: give an open ADBC connection instead, or write the rows to a Parquet file"
            ) from None
        package = module.replace("_", "-")
        raise ImportError(f"reading {name} needs its ADBC driver: pip install adbc-driver-manager {package}") from None


def _mentions(error: BaseException, secret: str) -> bool:
    """Whether an error or what it came from holds the text."""
    link: BaseException | None = error
    while link is not None:
        if secret in str(link):
            return True
        link = link.__cause__ or link.__context__
    return False
