"""Penalties on the coefficients: ``mean loss + penalty``, the intercept never penalised, strengths in the user's units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import AutomaticRidge, ChosenRidge, Ridge, ridge

__all__ = ["AutomaticRidge", "ChosenRidge", "Penalty", "Ridge", "ridge"]

FACTORIES: dict[str, Callable[..., Any]] = {"ridge": ridge}
"""What makes a penalty of each name, for model files and the command."""


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
