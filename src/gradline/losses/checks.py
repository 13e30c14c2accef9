"""Checks of the numbers that make a loss."""

from __future__ import annotations

import math

from gradline.base.errors import LossError


def positive(loss: str, name: str, value: float) -> float:
    """``value`` as a float above 0; raises ValueError naming the loss and the parameter."""
    number = _number(loss, name, value)
    if not (math.isfinite(number) and number > 0):
        raise LossError(f"loss {loss}: {name} must be a finite number above 0, not {value!r}")
    return number


def not_negative(loss: str, name: str, value: float) -> float:
    """``value`` as a float, 0 or above; raises ValueError naming the loss and the parameter."""
    number = _number(loss, name, value)
    if not (math.isfinite(number) and number >= 0):
        raise LossError(f"loss {loss}: {name} must be a finite number, 0 or above, not {value!r}")
    return number


def between_zero_and_one(loss: str, name: str, value: float) -> float:
    """``value`` as a float strictly inside (0, 1); raises ValueError naming the loss and the parameter."""
    number = _number(loss, name, value)
    if not 0 < number < 1:
        raise LossError(f"loss {loss}: {name} must lie strictly between 0 and 1, not {value!r}")
    return number


def _number(loss: str, name: str, value: float) -> float:
    if isinstance(value, bool | str):
        raise LossError(f"loss {loss}: {name} must be a number, not {value!r}")
    try:
        return float(value)
    except TypeError:
        raise LossError(f"loss {loss}: {name} must be a number, not {value!r}") from None
