"""The constraints of ``gl.constraints``: what was asked for, before it has met the columns of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.constraints.columns import ConstraintColumns
from gradline.constraints.linear_text import read_constraints, short_names
from gradline.constraints.shapes import TermShape


class Row(NamedTuple):
    """weights (k P,) times vec(B) >= right, or = where ``equal``; text: in words."""

    weights: Array
    right: float
    equal: bool
    text: str


@runtime_checkable
class ConstraintSpec(Protocol):
    """What makes rows of the columns of a model."""

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        """Raises ArgumentError for coefficients the model has not, and for what cannot be."""


class AddsUp:
    """Constraints add up by ``+``: all of them are to hold."""

    def __add__(self, other: Any) -> ConstraintSum:
        return ConstraintSum((self, as_spec(other)))

    def __radd__(self, other: Any) -> ConstraintSum:
        return ConstraintSum((as_spec(other), self))


@dataclass(frozen=True)
class ConstraintSum(AddsUp):
    """Several constraints, all of which are to hold."""

    parts: tuple[Any, ...]

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        return [row for part in self.parts for row in part.rows(columns)]


@dataclass(frozen=True)
class TextConstraints(AddsUp):
    """Conditions on the coefficients by name."""

    text: str

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        found = read_constraints(self.text, columns.labels, short_names(columns.labels, len(columns.names), columns.movable))
        return [Row(one.weights, one.right, one.relation == "=", one.text) for one in found]


@dataclass(frozen=True, eq=False)
class BoundConstraints(AddsUp):
    """Ends of single coefficients: numbers for every slope, arrays (p,) or (P,), or a mapping from names."""

    lower: Any
    upper: Any

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        lower, upper = self._ends(self.lower, "lower", -np.inf, columns), self._ends(self.upper, "upper", np.inf, columns)
        found = list[Row]()
        for place in range(columns.size):
            label, low, high = columns.labels[place], float(lower[place]), float(upper[place])
            if low > high:
                raise ArgumentError(f"the bounds of {label!r} cross: the lower is {low:g}, the upper {high:g}")
            unit = np.zeros(columns.size)
            unit[place] = 1.0
            if low == high:
                found.append(Row(unit, low, True, f"{label} = {low:g}"))
                continue
            if low > -np.inf:
                found.append(Row(unit, low, False, f"{label} >= {low:g}"))
            if high < np.inf:
                found.append(Row(-unit, -high, False, f"{label} <= {high:g}"))
        return found

    def _ends(self, given: Any, what: str, none: float, columns: ConstraintColumns) -> Array:
        ends = np.full(columns.size, none)
        if given is None:
            return ends
        if isinstance(given, Mapping):
            for name, end in given.items():
                ends[columns.places(name)] = _number(end, f"{what}= of {name!r}", none)
            return ends
        if np.ndim(given) == 0:
            ends[columns.slopes] = _number(given, f"{what}=", none)
            return ends
        array = _numbers(given, f"{what}=")
        array = np.where(np.isnan(array), none, array)
        size, k = len(columns.names), len(columns.predictors)
        first = int(columns.intercept)
        if array.ndim == 1:
            array = np.tile(array[:, None], (1, k))
        if array.shape not in ((size, k), (size - first, k)):
            raise ArgumentError(
                f"{what}= has shape {np.shape(given)}: give a number for all slopes, one for each of {size - first}, or a dict from names"
            )
        whole = np.full((size, k), none)
        whole[size - len(array) :] = array
        return np.asarray(np.where(columns.movable, whole.T.ravel(), none))


@dataclass(frozen=True, eq=False)
class LinearConstraints(AddsUp):
    """lower <= A b <= upper."""

    matrix: Any
    lower: Any
    upper: Any

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        matrix = np.atleast_2d(_numbers(self.matrix, "A"))
        if np.isnan(matrix).any() or np.isinf(matrix).any():
            raise ArgumentError("A of gl.constraints.linear holds NaN or infinity; give finite numbers")
        size, k = len(columns.names), len(columns.predictors)
        slopes = (size - int(columns.intercept)) * k
        if matrix.ndim == 2 and matrix.shape[1] == slopes != size * k:
            whole = np.zeros((len(matrix), k, size))
            whole[:, :, int(columns.intercept) :] = matrix.reshape(len(matrix), k, -1)
            matrix = whole.reshape(len(matrix), -1)
        if matrix.ndim != 2 or matrix.shape[1] != size * k:
            raise ArgumentError(
                f"A of gl.constraints.linear has shape {np.shape(self.matrix)}: give a column for each of {slopes} slopes, or for each of"
                f" {size * k} coefficients: {', '.join(columns.labels[:8])}{', ...' if size * k > 8 else ''}"
            )
        lower, upper = self._ends(self.lower, "lower", -np.inf, len(matrix)), self._ends(self.upper, "upper", np.inf, len(matrix))
        found = list[Row]()
        for i, (weights, low, high) in enumerate(zip(matrix, lower.tolist(), upper.tolist(), strict=True)):
            if not weights.any():
                raise ArgumentError(f"row {i} of A of gl.constraints.linear holds no coefficient: leave it out")
            if low > high:
                raise ArgumentError(f"the ends of row {i} of gl.constraints.linear cross: the lower is {low:g}, the upper {high:g}")
            shown = in_words(weights, columns.labels)
            if low == high:
                found.append(Row(weights, low, True, f"{shown} = {low:g}"))
                continue
            if low > -np.inf:
                found.append(Row(weights, low, False, f"{shown} >= {low:g}"))
            if high < np.inf:
                found.append(Row(-weights, -high, False, f"{shown} <= {high:g}"))
        return found

    def _ends(self, given: Any, what: str, none: float, count: int) -> Array:
        if given is None:
            return np.full(count, none)
        ends = _numbers(given, f"{what}= of gl.constraints.linear")
        ends = np.where(np.isnan(ends), none, ends)
        if ends.ndim == 0:
            return np.full(count, float(ends))
        if ends.shape != (count,):
            raise ArgumentError(f"{what}= of gl.constraints.linear has shape {ends.shape}, but A has {count} rows: give one end for each")
        return ends


@dataclass(frozen=True)
class SumConstraint(AddsUp):
    """The coefficients of each linear predictor add up to a number."""

    value: float
    columns: Sequence[str] | str | None = None

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        places = columns.places(self.columns)
        value = _number(self.value, "the value of gl.constraints.sum_to", np.nan)
        found = list[Row]()
        size = len(columns.names)
        for predictor in dict.fromkeys((places // size).tolist()):
            weights = np.zeros(columns.size)
            weights[places[places // size == predictor]] = 1.0
            found.append(Row(weights, value, True, f"{in_words(weights, columns.labels)} = {value:g}"))
        if not found:
            raise ArgumentError("gl.constraints.sum_to adds up no coefficient: the model has no slopes")
        return found


@dataclass(frozen=True)
class ShapeConstraint(AddsUp):
    """A curve that rises or falls throughout, or bends one way."""

    variable: str
    shape: Literal["increasing", "decreasing", "convex", "concave"]
    order: tuple[str, ...] | None = None
    within: tuple[float, float] | None = None
    along: int | None = None
    """Of a surface that ``variable`` names, the number of the column along which; None for each."""

    def rows(self, columns: ConstraintColumns) -> list[Row]:
        straight = columns.shapes(self.variable, self.order, self.within, self.along)
        wanted = "monotone" if self.shape in ("increasing", "decreasing") else self.shape
        if not straight:
            places = columns.places(self.variable)  # raises for what is no column
            if wanted != "monotone" or len(places) > len(columns.predictors):
                raise ArgumentError(
                    f"{self.variable!r} is no spline, polynomial or category with an order, so that it cannot be {wanted}; write it as"
                    f" bs({self.variable}, df=6), say"
                )
            sign = 1.0 if self.shape == "increasing" else -1.0
            return [
                Row(sign * _unit(place, columns.size), 0.0, False, f"{columns.labels[place]} {'>=' if sign > 0 else '<='} 0")
                for place in places.tolist()
            ]
        found = list[Row]()
        for term in straight:
            found += self._of_term(term, columns)
        return found

    def _of_term(self, term: TermShape, columns: ConstraintColumns) -> list[Row]:
        matrix, steps = (
            (term.rising, term.rising_steps) if self.shape in ("increasing", "decreasing") else (term.bending, term.bending_steps)
        )
        if matrix is None:
            raise ArgumentError(f"{term.term} cannot be held {self.shape}: {term.reason}")
        sign = 1.0 if self.shape in ("increasing", "convex") else -1.0
        size = len(columns.names)
        found = list[Row]()
        for a, predictor in enumerate(columns.predictors):
            if not columns.movable[a * size + term.columns[0]]:
                continue
            prefix = f"{predictor}:" if len(columns.predictors) > 1 else ""
            for weights, step in zip(matrix, steps, strict=True):
                if not weights.any():
                    continue
                whole = np.zeros(columns.size)
                whole[[a * size + j for j in term.columns]] = sign * weights
                found.append(Row(whole, 0.0, False, f"{prefix}{term.term} {self.shape} {step}"))
        return found


def as_spec(given: Any) -> ConstraintSpec:
    """What ``constraints=`` stands for: text, one of ``gl.constraints``, or a list of these. Raises TypeError for anything else."""
    if isinstance(given, str):
        return TextConstraints(given)
    if isinstance(given, ConstraintSpec) and not isinstance(given, type):
        return given
    if isinstance(given, Iterable) and not isinstance(given, Mapping | np.ndarray | type):
        parts = tuple(as_spec(part) for part in given)
        if not parts:
            raise ArgumentError("constraints= is empty; leave it out, or give one such as gl.constraints.nonnegative()")
        return parts[0] if len(parts) == 1 else ConstraintSum(parts)
    called = getattr(given, "__name__", None)
    if callable(given) and called:
        raise ArgumentTypeError(f"constraints={called} is a function that makes constraints: call it, as in gl.constraints.{called}(...)")
    raise ArgumentTypeError(
        f'constraints must be text such as "x1 >= 0, x2 + x3 = 1", one of gl.constraints such as gl.constraints.nonnegative(), or a list of'
        f" these, not {type(given).__name__} {given!r}"
    )


def in_words(weights: Array, labels: Sequence[str]) -> str:
    """A linear form, such as ``x1 - 2*x2``; shortened where it is long."""
    terms = list[str]()
    places = np.flatnonzero(weights)
    for place in places[:6].tolist():
        size = abs(float(weights[place]))
        sign = "-" if weights[place] < 0 else "+"
        terms.append(f"{sign} {'' if size == 1.0 else f'{size:g}*'}{labels[place]}")
    if len(places) > 6:
        terms.append(f"+ ... ({len(places) - 6} more)")
    return " ".join(terms).removeprefix("+ ")


def _unit(place: int, size: int) -> Array:
    found = np.zeros(size)
    found[place] = 1.0
    return found


def _numbers(given: Any, what: str) -> Array:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{what} must be numbers, not {given!r}") from None


def _number(given: Any, what: str, none: float) -> float:
    if given is None:
        return none
    number = _numbers(given, what)
    if number.ndim or np.isnan(number):
        raise ArgumentError(f"{what} must be a number, not {given!r}")
    if np.isnan(none) and not np.isfinite(number):
        raise ArgumentError(f"{what} must be finite, not {given!r}")
    return float(number)
