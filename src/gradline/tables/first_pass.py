"""What the first pass over a table finds out, and what later passes are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradline.base.errors import DataError
from gradline.base.types import Array
from gradline.tables.cleaning import Tally

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Facts:
    """tally: counts over all rows. used: rows used in each chunk. sample, keys: rows kept at random, None for none."""

    tally: Tally
    used: tuple[int, ...]
    sample: pa.Table | None
    keys: Array


def check_some_rows(tally: Tally, table: str) -> None:
    """Raises ValueError where no row can be used, naming the column that is to blame."""
    if tally.used:
        return
    if not tally.read:
        raise DataError(f"{table} has no rows; a fit needs at least one")
    always = [column for column, count in tally.missing.items() if count == tally.read]
    if always:
        raise DataError(f"column {always[0]!r} of {table} is missing in every one of {tally.read:,} rows; leave the column out")
    if tally.idle == tally.read:
        raise DataError(f"weights times frequencies is zero in every row of {table}; at least one row must count")
    worst = max(tally.missing, key=lambda column: tally.missing[column])
    raise DataError(
        f"every one of the {tally.read:,} rows of {table} misses a value in some column ({worst!r} in {tally.missing[worst]:,} of them);"
        " leave columns out, or fill values in"
    )


def check_same_rows(before: Tally, now: Tally, table: str) -> None:
    """Raises ValueError where a later pass saw other rows than the first."""
    if (before.used, before.fingerprint) == (now.used, now.fingerprint):
        return
    what = f"{before.used:,} rows, then {now.used:,}" if before.used != now.used else "as many rows, with other targets"
    raise DataError(
        f"{table} gave different rows in two passes ({what}), as a query with random() does, or a table that is being written:"
        " save the rows first, say with COPY (...) TO 'rows.parquet'"
    )
