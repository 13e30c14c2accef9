"""The functions and operators a formula may use on one row at a time.

A closed list, so that a formula read back from a model file can do arithmetic and nothing else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]

_ONE_ARGUMENT = [
    "log",
    "log2",
    "log10",
    "log1p",
    "exp",
    "exp2",
    "expm1",
    "sqrt",
    "cbrt",
    "square",
    "abs",
    "absolute",
    "fabs",
    "sign",
    "reciprocal",
    "negative",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "deg2rad",
    "rad2deg",
]
_TWO_ARGUMENTS = [
    "power",
    "minimum",
    "maximum",
    "hypot",
    "arctan2",
    "mod",
    "fmod",
    "add",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "floor_divide",
    "logaddexp",
    "heaviside",
]
_LOGICAL = ("logical_and", "logical_or", "logical_xor")
_COMPARING = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")


def _exp10(x: Any) -> Any:
    return np.power(10.0, x)


def _round(x: Any, decimals: Any = 0) -> Any:
    return np.round(x, int(decimals))


FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    **{name: (getattr(np, name), 1, 1) for name in _ONE_ARGUMENT},
    **{name: (getattr(np, name), 2, 2) for name in _TWO_ARGUMENTS + list(_LOGICAL) + list(_COMPARING)},
    "logical_not": (np.logical_not, 1, 1),
    "exp10": (_exp10, 1, 1),
    "clip": (np.clip, 3, 3),
    "round": (_round, 1, 2),
    "where": (np.where, 3, 3),
}
"""By name, bare or after ``np.``: the function, and the fewest and most arguments it takes."""

BOOLEAN = frozenset({*_LOGICAL, *_COMPARING, "logical_not"})
"""The functions that answer true or false."""

CONSTANTS = {"pi": float(np.pi), "e": float(np.e)}
"""Reached as ``np.pi`` and ``np.e``."""

ALL_ROWS = frozenset(
    [
        "mean",
        "median",
        "std",
        "var",
        "sum",
        "min",
        "max",
        "quantile",
        "percentile",
        "cumsum",
        "cumprod",
        "diff",
        "prod",
        "average",
        "ptp",
        "argsort",
        "sort",
        "rank",
        "unique",
        "nanmean",
        "lag",
        "hashed",
    ]
)
"""Functions of all rows at once, or of neighbouring rows: refused, since rows come in batches."""

ARITHMETIC: dict[str, Function] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "UAdd": operator.pos,
    "USub": operator.neg,
}
"""By the name of Python's syntax node."""

COMPARISONS: dict[str, Function] = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
}

LOGIC: dict[str, Function] = {"BitAnd": np.logical_and, "BitOr": np.logical_or, "BitXor": np.logical_xor, "Invert": np.logical_not}
