"""Integers that float64 cannot hold: which these are among some values, and the warning that they lose digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradline.base.warnings import warn

LARGEST_WHOLE = 2**53
"""Up to here float64 holds every integer."""


class Whole(NamedTuple):
    """Integers, or numbers wider than float64, that are about to become float64: values (n,) or (n, p), what they are called."""

    values: np.ndarray[Any, Any]
    what: str
    names: Sequence[str] | None


def warned(array: np.ndarray[Any, Any], held: Sequence[Whole]) -> np.ndarray[Any, Any]:
    """The array; where one of the integers in it loses digits as float64, the array as float64 after a warning, so that none is told
    twice."""
    told = False
    for values, what, names in held:
        lossy = _rounded(values)
        if lossy is not None:
            first = tuple(int(i) for i in np.argwhere(lossy)[0])
            warn_of_rounding(what, int(lossy.sum()), int(values[first]), place_of(first, names))
            told = True
    return array.astype(np.float64) if told else array


def _rounded(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Which whole numbers float64 does not hold, shaped like the values; None where it holds them all."""
    whole = values.dtype.kind in "iu"
    if not values.size or (whole and int(values.min()) >= -LARGEST_WHOLE and int(values.max()) <= LARGEST_WHOLE):
        return None
    as_floats = values.astype(np.float64)
    if whole:
        # The largest integers round up to a power of two that their own type does not hold.
        inside = as_floats < 2.0 ** (8 * values.dtype.itemsize - (values.dtype.kind == "i"))
        lossy = ~inside | (np.where(inside, as_floats, 0.0).astype(values.dtype) != values)
    else:
        lossy = (np.abs(values) > LARGEST_WHOLE) & (values == np.round(values)) & (as_floats != values)
    return lossy if lossy.any() else None


def warn_of_rounding(what: str, count: int, first: int, place: str) -> None:
    """Warn of ``count`` such integers, of which the first is at a place."""
    warn(
        f"{what} holds integers beyond 2^53, which lose digits as float64 ({count:,} of them, the first {first} in {place}); subtract a"
        " constant first, and if it is an identifier, leave it out"
    )


def place_of(index: tuple[int, ...], names: Sequence[str] | None) -> str:
    """What messages call a place among rows, or rows and columns."""
    if len(index) < 2:
        return f"row {index[0]}"
    return f"row {index[0]}, column " + (repr(names[index[1]]) if names is not None else str(index[1]))
