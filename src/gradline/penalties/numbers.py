"""Checks of the numbers that penalties take."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError


def checked_number(strength: Any, name: str) -> float:
    """A strength that the data cannot choose. Raises ValueError unless it is finite and at least 0."""
    found = checked_strength(strength, name, auto=False)
    assert not isinstance(found, str)
    return found


def checked_strength(strength: Any, name: str, *, auto: bool = True) -> float | str:
    """The strength of a penalty. Raises ValueError unless it is finite and at least 0, or a way to choose it where these are known."""
    known = 'a finite number, "auto" or "leave-one-out"' if auto else "a finite number"
    if isinstance(strength, str):
        if strength in ("auto", "leave-one-out") and auto:
            return strength
        raise ArgumentError(f"the strength of {name} must be {known}, not {strength!r}")
    if (
        isinstance(strength, bool | np.bool_)
        or not isinstance(strength, int | float | np.integer | np.floating)
        or not np.isfinite(strength)
    ):
        raise ArgumentError(f"the strength of {name} must be {known}, not {strength!r}")
    if strength < 0:
        raise ArgumentError(f"the strength of {name} must be zero or more, not {strength!r}")
    return float(strength)


def checked_share(share: Any, name: str) -> float:
    """l1_share. Raises ValueError unless it is between 0 and 1."""
    if isinstance(share, bool) or not isinstance(share, int | float | np.integer | np.floating) or not 0 <= share <= 1:
        raise ArgumentError(f"l1_share of {name} must be between 0 and 1, not {share!r}")
    return float(share)
