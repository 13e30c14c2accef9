"""PostgreSQL's types: what is asked for instead where its driver would hand over a number that is none, or bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradline.tables.sources.columns import quoted
from gradline.tables.sources.selecting import Selected

if TYPE_CHECKING:
    import pyarrow as pa

POSTGRESQL_TABLES = """
SELECT c.relname FROM pg_catalog.pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.pg_table_is_visible(c.oid)
  AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
ORDER BY 1
"""

MOST_DIGITS = 38
"""Digits of the decimals that Arrow and DuckDB both hold."""

MONEY_DIGITS = 19
"""Digits of money, which is a 64-bit count of the smallest coin."""


def postgresql_columns(schema: pa.Schema, ask: Callable[[str], Any]) -> list[Selected]:
    """The columns of a query.

    numeric with a precision becomes a decimal of the same digits; without one, whose digits may be any number, float64. money comes from
    the driver as a count of cents, so that the database is asked for its amount. Fixed-width text loses its padding, as in PostgreSQL's own
    comparisons. What Arrow has no type for (uuid, jsonb, inet, ranges and more) becomes the text that PostgreSQL writes.
    """
    import pyarrow as pa

    found = []
    coin: int | None = None
    for field in schema:
        name, own = field.name, _type_name(field)
        column = quoted(name)
        if own == "money":
            # How many digits follow the point depends on the database's locale.
            coin = int(ask("SELECT scale('0'::money::numeric)")) if coin is None else coin
            sql = f"{column}::numeric({MONEY_DIGITS}, {coin})"
            found.append(Selected(name, f"{sql} AS {column}", pa.decimal128(MONEY_DIGITS, coin)))
        elif own == "numeric":
            digits = _digits(field)
            if digits is None:
                sql, exact = (f"{column}::{kind} AS {column}" for kind in ("double precision", "text"))
                found.append(Selected(name, sql, pa.float64(), perhaps_whole=True, exact=exact))
            else:
                found.append(Selected(name, column, pa.decimal128(*digits), nan_is_missing=True))
        elif own == "oid":
            found.append(Selected(name, f"{column}::bigint AS {column}", pa.int64()))
        elif own == "bpchar" or _is_foreign(field.type):
            found.append(Selected(name, f"{column}::text AS {column}", pa.string()))
        else:
            found.append(Selected(name, column, field.type))
    return found


def _type_name(field: pa.Field) -> str:
    """PostgreSQL's name of the type, which its driver writes beside the field."""
    notes = field.metadata or {}
    return (notes.get(b"POSTGRESQL:type") or notes.get(b"ADBC:postgresql:typname") or b"").decode()


def _digits(field: pa.Field) -> tuple[int, int] | None:
    """(precision, scale) of a numeric column that has them and fits a decimal.

    PostgreSQL keeps both in one number, the type modifier: the precision above 16 bits, the scale in the 11 below, and 4 added to all.
    """
    packed = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")) - 4
    if packed < 0:
        return None
    precision, scale = (packed >> 16) & 0xFFFF, packed & 0x7FF
    return (precision, scale) if scale <= precision <= MOST_DIGITS else None


def _is_foreign(kind: pa.DataType) -> bool:
    """Whether Arrow has no type of its own for it, or for what it holds."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return True
    return any(_is_foreign(kind.field(i).type) for i in range(kind.num_fields))
