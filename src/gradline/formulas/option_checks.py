"""What the options of a formula's functions may be, and what is said of functions that there are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradline.formulas.errors import suggestion
from gradline.formulas.grammar import MOST_TERMS


def listed(defaults: Mapping[str, Any]) -> str:
    """The options of a function, for a message."""
    return f" and the options {', '.join(defaults)}" if defaults else " and no options"


def near_function(name: str, known: list[str]) -> str:
    """What a function that there is not may have been meant for."""
    usual = {
        "ln": "log",
        "pow": "power",
        "factor": "C",
        "as.factor": "C",
        "ns": "cr",
        "ti": "te",
        "t2": "te",
        "asin": "arcsin",
        "acos": "arccos",
    }
    return f"did you mean {usual[name]!r}?" if name in usual else suggestion(name, known, "among those it has are")


def check_options(name: str, options: dict[str, Any], fail: Any) -> None:
    """Options of the right type, so that learning cannot stumble over them."""
    for key, value in options.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if key in ("df", "degree") and value is not None and not (isinstance(value, int) and numeric and value >= 0):
            fail(f"{name}(): {key} must be a whole number, not {value!r}", key)
        most = {"df": MOST_TERMS, "degree": 1000}.get(key)
        if most is not None and value is not None and value > most:
            fail(f"{name}(): {key} may be {most:,} at most, not {value!r}", key)
        if key in ("lower_bound", "upper_bound") and value is not None and not numeric:
            fail(f"{name}(): {key} must be a number, not {value!r}", key)
        if key == "ddof" and not numeric:
            fail(f"{name}(): ddof must be a number, not {value!r}", key)
        if key in ("center", "scale", "rescale") and not isinstance(value, bool | int | float):
            fail(f"{name}(): {key} must be True, False or a number, not {value!r}", key)
        if key == "extrapolation" and value not in ("raise", "clip", "na", "zero", "extend"):
            fail(f'{name}(): extrapolation must be "raise", "clip", "na", "zero" or "extend", not {value!r}', key)
        if (
            key == "knots"
            and value is not None
            and not (isinstance(value, tuple) and all(isinstance(knot, int | float) and not isinstance(knot, bool) for knot in value))
        ):
            fail(f"{name}(): knots must be a list of numbers, not {value!r}", key)
