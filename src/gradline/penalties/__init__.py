"""Penalties on the coefficients: ``mean loss + penalty``, the intercept never penalised, strengths in the user's units."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradline.base.words import called_here
from gradline.penalties.custom import custom
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
    "custom",
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

_RIDGE = "gl.penalties.ridge(...)"
_LASSO, _NET = "gl.penalties.lasso(...)", "gl.penalties.elastic_net(...)"
_ELSEWHERE = {
    "l1": _LASSO,
    "l1_l2": _NET,
    "enet": _NET,
    "elasticnet": _NET,
    "grouplasso": "gl.penalties.group_lasso(...)",
    "l2": _RIDGE,
    "tikhonov": _RIDGE,
    "weight_decay": _RIDGE,
    "ridge_regression": _RIDGE,
    "sum_of_squares": _RIDGE,
}
"""What other programs call them, in small letters."""


if not TYPE_CHECKING:  # Or else checkers of types would take any name for a penalty.

    def __getattr__(name: str) -> Any:
        if name.lower() in _ELSEWHERE:
            raise AttributeError(called_here("gl.penalties", name, _ELSEWHERE[name.lower()]))
        raise AttributeError(f"module 'gradline.penalties' has no attribute {name!r}")


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
