"""Answers as JSON has them: numbers that are not finite are null, and arrays are lists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def number(value: Any) -> float | None:
    """A number, None for what is not finite or not there."""
    return None if value is None or not math.isfinite(value) else float(value)


def numbers(values: Any) -> list[float | None]:
    """The numbers of an array (n,)."""
    array = np.asarray(values, dtype=np.float64)
    if np.isfinite(array).all():
        return array.tolist()  # type: ignore[no-any-return]
    return [number(value) for value in array.tolist()]


def plain(value: Any) -> Any:
    """A cell of a table of results: a number, a text, or None; anything else as text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return number(float(value))
    return str(value)


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[list[Any]]:
    """Columns as rows."""
    return [[plain(value) for value in row] for row in zip(*columns.values(), strict=True)]
