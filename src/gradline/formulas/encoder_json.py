"""An encoder from what a model file says: everything is checked, and nothing in it can run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.formulas.building import build, check
from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.encoder import Encoder
from gradline.formulas.errors import FormulaError
from gradline.formulas.expressions import Learned, walk
from gradline.formulas.factors import CategoricalFactor
from gradline.formulas.grammar import Factor, Sides

_PROBE = np.linspace(0.0, 1.0, 5)
"""What every transform is tried on, so that a state that lacks something, or holds a list for a number, is found here."""

_KINDS = ("number", "text", "boolean", "category", "date", "other")


def encoder_from_json(saved: Mapping[str, Any]) -> Encoder:
    """Raises ValueError, saying what is wrong, for anything ``Encoder.to_json`` did not write."""
    try:
        kinds = {str(name): kind for name, kind in saved["columns"].items()}
        if any(kind not in _KINDS for kind in kinds.values()):
            raise ArgumentTypeError("a column of unknown kind")
        if not isinstance(saved["formulas"], list) or not saved["formulas"]:
            raise ArgumentTypeError("no list of formulas")
        sides = {str(part["predictor"]): _sides(part) for part in saved["formulas"]}
        formula = check(sides, kinds)
        states = {str(key): _state(state) for key, state in saved["states"].items()}
        levels = {str(name): _levels(own) for name, own in saved["levels"].items()}
        _check_complete(formula.nodes, states, formula.factors, levels)
        return build(formula, kinds, states, levels)
    except FormulaError as error:
        # Without the caret: the formula in a file need not be the one that anybody wrote.
        said = str(error).partition("\n")[0]
        raise DataError(f"the formula's state does not fit together: {said}") from None
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError, SyntaxError, RecursionError) as error:
        raise DataError(f"the formula's state is damaged ({type(error).__name__}: {error})") from None


def _sides(part: Mapping[str, Any]) -> Sides:
    text = str(part["text"])

    def factor(saved: Any) -> Factor:
        name, is_column = saved
        if not isinstance(name, str) or not isinstance(is_column, bool):
            raise ArgumentTypeError(f"{saved!r} is no factor")
        return Factor(name, is_column, 0, len(text))

    terms = tuple(tuple(factor(saved) for saved in term) for term in part["terms"])
    return Sides(text, tuple(map(factor, part["targets"])), terms, tuple(map(factor, part["offsets"])))


def _state(state: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> bool:
        if isinstance(value, list):
            return all(plain(part) for part in value)
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))

    if not all(plain(value) for value in state.values()):
        raise ArgumentTypeError("a state that is not made of numbers")
    return {str(key): value for key, value in state.items()}


def _levels(levels: Any) -> tuple[Any, ...]:
    if not isinstance(levels, list) or not levels or len(set(levels)) != len(levels):
        raise ArgumentTypeError("levels that are not a list of different values")
    if not (all(isinstance(level, str) for level in levels) or all(isinstance(level, bool | int | float) for level in levels)):
        raise ArgumentTypeError("levels that are neither all text nor all numbers")
    return tuple(levels)


def _check_complete(nodes: list[Any], states: Mapping[str, Any], factors: Mapping[str, Any], levels: Mapping[str, Any]) -> None:
    for node in nodes:
        for part in walk(node):
            if isinstance(part, Learned):
                with suppress(FormulaError):  # of values that the transform does not take, such as those beyond its knots
                    TRANSFORMS[part.transform].apply(_PROBE, part.settings, states[part.key], part.key)
    for name, factor in factors.items():
        if isinstance(factor, CategoricalFactor) and name not in levels:
            raise KeyError(name)
