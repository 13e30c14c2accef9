"""Rows with missing values, infinities, and integers that float64 cannot hold: found a batch at a time, with columns and rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.tables.batches import picked
from gradline.tables.sources.arrow import as_numbers, null_mask
from gradline.tables.sources.columns import argument, plain_or_quoted

if TYPE_CHECKING:
    import pyarrow as pa

Missing = Literal["drop", "error", "keep"]

LARGEST_WHOLE = 2**53
"""Up to here float64 holds every integer."""


@dataclass
class Tally:
    """What a chunk of rows held. dropped: rows by the first of their columns that is missing; missing: values by column.

    rounded: by column, how many integers lose digits as float64, the first one's row and the first one. fingerprint: a sum over rows of the
    targets' bits, which does not depend on the order of rows, modulo 2^64.
    """

    read: int = 0
    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    rounded: dict[str, tuple[int, int, Any]] = field(default_factory=dict)
    fingerprint: int = 0

    def add(self, later: Tally) -> None:
        """Add what later rows held."""
        self.read += later.read
        self.used += later.used
        self.fingerprint = (self.fingerprint + later.fingerprint) % 2**64
        for mine, other in ((self.dropped, later.dropped), (self.missing, later.missing)):
            for column, count in other.items():
                mine[column] = mine.get(column, 0) + count
        for column, (count, row, value) in later.rounded.items():
            before = self.rounded.get(column, (0, row, value))
            self.rounded[column] = (before[0] + count, before[1], before[2])

    def see_targets(self, targets: Array) -> None:
        """Add rows' targets to the fingerprint."""
        bits = np.ascontiguousarray(targets).view(np.uint64)
        # Unsigned sums wrap around by themselves.
        self.fingerprint = (self.fingerprint + int(np.add.reduce(bits, axis=None))) % 2**64


@dataclass(frozen=True)
class Cleaner:
    """Looks at the needed columns of each batch.

    needed: every column a row must have; a row without one is dropped, or refused for missing="error". numeric: those that become
    float64, in which infinities are refused. whole: columns that hold integers although they come as float64.
    """

    table: str
    needed: tuple[str, ...]
    numeric: frozenset[str]
    whole: frozenset[str]
    missing: Missing

    def clean(
        self, batch: pa.RecordBatch, first_row: int, tally: Tally, found_whole: bool = False
    ) -> tuple[pa.RecordBatch, IntArray | None]:
        """The rows without missing values, and which rows of the batch they are; None stands for all.

        found_whole: a pass before found no value missing in the table, which this one need not look for again. Raises ValueError naming
        the column and row of an infinity, and of a missing value where those are refused.
        """
        if found_whole and not any(batch.column(name).null_count for name in self.needed):
            tally.read += batch.num_rows
            tally.used += batch.num_rows
            return batch, None
        absent: list[tuple[str, np.ndarray[Any, Any]]] = []
        infinite: list[tuple[str, Array]] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for name in self.needed:
                column = batch.column(name)
                mask, odd = self._look(name, column)
                if mask is not None:
                    absent.append((name, mask))
                if odd is not None:
                    infinite.append((name, odd))
                if name in self.numeric:
                    self._see_whole_numbers(name, column, first_row, tally)
        tally.read += batch.num_rows
        kept = self._keep(absent, batch.num_rows, first_row, tally) if absent else None
        if infinite:
            self._refuse_infinity(infinite, kept, first_row)
        if kept is not None:
            batch = picked(batch, kept)
        tally.used += batch.num_rows
        return batch, kept

    def _look(self, name: str, column: pa.Array) -> tuple[np.ndarray[Any, Any] | None, Array | None]:
        """(where values are missing, the values if one of them is infinite)."""
        import pyarrow as pa

        mask = null_mask(column)
        if not pa.types.is_floating(column.type):
            return mask, None
        values = as_numbers(column)
        # One read: a sum is finite only if all its terms are.
        if mask is None and np.isfinite(np.add.reduce(values)):
            return None, None
        nan = np.isnan(values)
        odd = values if name in self.numeric and np.isinf(values).any() else None
        return (nan if nan.any() else None), odd

    def _keep(self, absent: Sequence[tuple[str, np.ndarray[Any, Any]]], n_rows: int, first_row: int, tally: Tally) -> IntArray:
        gone = np.zeros(n_rows, dtype=np.bool_)
        if self.missing == "error":
            name, mask = min(absent, key=lambda item: int(np.argmax(item[1])))
            raise ValueError(
                f"{self.table}: column {name!r} is missing in row {first_row + int(np.argmax(mask))}; fill it in, or leave such rows out"
                ' with missing="drop"'
            )
        for name, mask in absent:
            tally.missing[name] = tally.missing.get(name, 0) + int(mask.sum())
            first = int((mask & ~gone).sum())
            if first:
                tally.dropped[name] = tally.dropped.get(name, 0) + first
            gone |= mask
        return np.flatnonzero(~gone)

    def _refuse_infinity(self, infinite: list[tuple[str, Array]], kept: IntArray | None, first_row: int) -> None:
        for name, values in infinite:
            rows = np.flatnonzero(np.isinf(values))
            if kept is not None:
                rows = rows[np.isin(rows, kept)]
            if rows.size:
                condition = argument("where", f"isfinite({plain_or_quoted(name)})")
                raise ValueError(
                    f"{self.table}: column {name!r} holds {'-' if values[rows[0]] < 0 else ''}infinity in row {first_row + int(rows[0])};"
                    f" correct the value, or leave such rows out with {condition}"
                )

    def _see_whole_numbers(self, name: str, column: pa.Array, first_row: int, tally: Tally) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        wide = pa.types.is_int64(column.type) or pa.types.is_uint64(column.type)
        if not wide and name not in self.whole:
            return
        ends = pc.min_max(column)
        lowest, highest = ends["min"].as_py(), ends["max"].as_py()
        if highest is None or (highest < LARGEST_WHOLE and lowest > -LARGEST_WHOLE):
            return
        values = column.to_pylist()
        # Read as float64 already, an integer of that size cannot tell whether it was rounded.
        rounded = [i for i, v in enumerate(values) if v is not None and abs(v) >= LARGEST_WHOLE and (not wide or int(float(v)) != v)]
        if rounded:
            before = tally.rounded.get(name, (0, first_row + rounded[0], values[rounded[0]]))
            tally.rounded[name] = (before[0] + len(rounded), before[1], before[2])


def rounding_notes(tally: Tally, table: str) -> tuple[str, ...]:
    """A sentence for each column whose integers lose digits."""
    return tuple(
        f"column {name!r} of {table} holds integers beyond 2^53, which lose digits as float64 ({count:,} of them, the first {int(value)} in"
        f" row {row}); subtract a constant from it first, and if it is an identifier, leave it out"
        for name, (count, row, value) in tally.rounded.items()
    )
