"""Lengths of time as levels: what they are written as, and their order, which no text has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

Length = tuple[int, int]
"""(months, nanoseconds): a month has no fixed number of days, a day is taken for 24 hours."""

_DAY = 86_400 * 10**9
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def is_length(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds lengths of time."""
    import pyarrow as pa

    return bool(pa.types.is_duration(kind) or pa.types.is_interval(kind))


def lengths(array: pa.Array) -> list[Length | None]:
    """The values of a column of lengths of time, whatever its unit."""
    import pyarrow as pa

    if pa.types.is_duration(array.type):
        unit = _UNITS[array.type.unit]
        return [None if count is None else (0, count * unit) for count in array.cast(pa.int64()).to_pylist()]
    return [None if value is None else (value.months, value.days * _DAY + value.nanoseconds) for value in array.to_pylist()]


def written(length: Length) -> str:
    """As ISO 8601 writes it, such as "P1DT2H" or "PT0.5S"; what is below zero has a negative number of days."""
    months, nanoseconds = length
    days, rest = divmod(nanoseconds, _DAY)
    minutes, rest = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10**9}.{rest % 10**9:09d}".rstrip("0").rstrip(".")
    date = "".join(f"{count}{unit}" for count, unit in ((months, "M"), (days, "D")) if count)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count) + (f"{seconds}S" if rest else "")
    return f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"
