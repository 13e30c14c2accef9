"""Rows with missing values, infinities, and integers that float64 cannot hold: found a batch at a time, with columns and rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.errors import DataError
from gradline.base.types import Array, IntArray
from gradline.tables.batches import picked
from gradline.tables.sources.arrow import Mask, as_numbers, null_mask
from gradline.tables.sources.columns import argument, plain_or_quoted

if TYPE_CHECKING:
    import pyarrow as pa

Missing = Literal["drop", "error", "keep"]

LARGEST_WHOLE = 2**53
"""Up to here float64 holds every integer."""


@dataclass
class Tally:
    """What a chunk of rows held. dropped: rows by the first of their columns that is missing; missing: values by column; idle: rows of
    weight zero that were left out since they hold an infinity.

    rounded: by column, how many integers lose digits as float64, the first one's row and the first one. fingerprint: a sum over rows of the
    targets' bits, which does not depend on the order of rows, modulo 2^64.
    """

    read: int = 0
    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    rounded: dict[str, tuple[int, int, Any]] = field(default_factory=dict)
    fingerprint: int = 0
    idle: int = 0

    def add(self, later: Tally) -> None:
        """Add what later rows held."""
        self.read += later.read
        self.used += later.used
        self.idle += later.idle
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
    float64, in which infinities are refused. whole: columns that hold integers although they come as float64. weights: columns of weights
    and frequencies; where one is zero its row counts for nothing, and is left out rather than refused.
    """

    table: str
    needed: tuple[str, ...]
    numeric: frozenset[str]
    whole: frozenset[str]
    missing: Missing
    weights: tuple[str, ...] = ()

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
                    see_whole_numbers(name, column, first_row, tally, name in self.whole)
        tally.read += batch.num_rows
        idle = self._idle(batch) if infinite or (absent and self.missing == "error") else None
        kept = self._keep(absent, batch.num_rows, first_row, tally, idle) if absent else None
        if infinite:
            self._refuse_infinity(infinite, kept, first_row, idle)
            kept = self._without_infinity(infinite, kept, batch.num_rows, tally)
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

    def _idle(self, batch: pa.RecordBatch) -> Mask | None:
        """Where a weight is zero, (m,); None without weights. A missing weight is none."""
        zero = [as_numbers(batch.column(name)) == 0 for name in self.weights]
        return np.logical_or.reduce(zero) if zero else None

    def _keep(self, absent: Sequence[tuple[str, Mask]], n_rows: int, first_row: int, tally: Tally, idle: Mask | None) -> IntArray:
        gone = np.zeros(n_rows, dtype=np.bool_)
        refused = [(name, mask if idle is None else mask & ~idle) for name, mask in absent] if self.missing == "error" else []
        refused = [(name, mask) for name, mask in refused if mask.any()]
        if refused:
            name, mask = min(refused, key=lambda item: int(np.argmax(item[1])))
            raise DataError(
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

    def _without_infinity(self, infinite: list[tuple[str, Array]], kept: IntArray | None, n_rows: int, tally: Tally) -> IntArray:
        """The rows kept, of which those with an infinity, idle all of them, are left out too."""
        odd = np.logical_or.reduce([np.isinf(values) for _, values in infinite])
        rows = np.arange(n_rows) if kept is None else kept
        tally.idle += int(odd[rows].sum())
        return np.asarray(rows[~odd[rows]])

    def _refuse_infinity(self, infinite: list[tuple[str, Array]], kept: IntArray | None, first_row: int, idle: Mask | None) -> None:
        for name, values in infinite:
            rows = np.flatnonzero(np.isinf(values) if idle is None else np.isinf(values) & ~idle)
            if kept is not None:
                rows = rows[np.isin(rows, kept)]
            if rows.size:
                condition = argument("where", f"isfinite({plain_or_quoted(name)})")
                raise DataError(
                    f"{self.table}: column {name!r} holds {'-' if values[rows[0]] < 0 else ''}infinity in row {first_row + int(rows[0])};"
                    f" correct the value, or leave such rows out with {condition}"
                )


def see_whole_numbers(name: str, column: pa.Array, first_row: int, tally: Tally, whole: bool) -> None:
    """Note integers that float64 does not hold. whole: whether the column holds integers although it comes as float64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wide = pa.types.is_int64(column.type) or pa.types.is_uint64(column.type)
    if not wide and not whole:
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
