"""Penalties on the coefficients: ``mean loss + penalty``, the intercept never penalised, strengths in the user's units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradline.penalties.group_lasso import group_lasso
from gradline.penalties.lasso import elastic_net, lasso
from gradline.penalties.nonconvex import mcp, scad
from gradline.penalties.protocol import Penalty
from gradline.penalties.quadratic import quadratic
from gradline.penalties.ridge import AutomaticRidge, ChosenRidge, Ridge, ridge
from gradline.penalties.smoothness import difference

__all__ = [
    "AutomaticRidge",
    "ChosenRidge",
    "Penalty",
    "Ridge",
    "difference",
    "elastic_net",
    "group_lasso",
    "lasso",
    "mcp",
    "quadratic",
    "ridge",
    "scad",
]

FACTORIES: dict[str, Callable[..., Any]] = {
    "ridge": ridge,
    "lasso": lasso,
    "elastic_net": elastic_net,
    "group_lasso": group_lasso,
    "scad": scad,
    "mcp": mcp,
    "difference": difference,
}
"""What makes a penalty of each name, for model files and the command."""


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
