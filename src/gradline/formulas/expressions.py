"""Expressions inside a formula, checked when read and evaluated a batch at a time; never handed to Python's eval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gradline.base.types import Array
from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.functions import ARITHMETIC, COMPARISONS, FUNCTIONS, LOGIC
from gradline.formulas.learner import Options, State


class Batch(Protocol):
    """The columns of some rows."""

    @property
    def n_rows(self) -> int: ...

    def numbers(self, column: str) -> Array:
        """(m,) float64, NaN where missing."""

    def equals(self, column: str, text: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where a text column is ``text``, (m,)."""


States = Mapping[str, State]
"""What was learned, by the normal form of the call that needs it."""


@dataclass(frozen=True)
class Constant:
    """A number, or true or false."""

    value: float | bool


@dataclass(frozen=True)
class Column:
    """A column of numbers, or of true and false."""

    name: str


@dataclass(frozen=True)
class TextEquals:
    """Where a text column is, or is not, a given text."""

    column: str
    text: str
    negated: bool


@dataclass(frozen=True)
class LevelNumber:
    """The number of a text column's value among levels in their order, from 0; NaN for any other value."""

    column: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Apply:
    """A function of the closed list, by table and name."""

    table: str
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Learned:
    """A transform that has learned from all rows, such as ``center(x)``. key: its normal form."""

    key: str
    transform: str
    argument: Node
    options: tuple[tuple[str, Any], ...]

    @property
    def settings(self) -> Options:
        """The options by name."""
        return dict(self.options)


@dataclass(frozen=True)
class Chain:
    """Operations of arithmetic or logic one after the other, ``a + b - c``: as long as somebody likes, where a tree would be as deep."""

    table: str
    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Together:
    """Several columns of numbers side by side, (m, d), for a transform of all of them."""

    parts: tuple[Node, ...]


Node = Constant | Column | TextEquals | LevelNumber | Apply | Chain | Learned | Together

_TABLES: dict[str, Callable[[str], Callable[..., Any]]] = {
    "function": lambda name: FUNCTIONS[name][0],
    "arithmetic": ARITHMETIC.__getitem__,
    "comparison": COMPARISONS.__getitem__,
    "logic": LOGIC.__getitem__,
}


def evaluate(node: Node, batch: Batch, states: States) -> Any:
    """The node's values: (m,) numbers or truth values, (m, c) for a basis, or a single number. Invalid operations give NaN or infinity."""
    match node:
        case Constant(value):
            return value
        case Column(name):
            return batch.numbers(name)
        case TextEquals(column, text, negated):
            same = batch.equals(column, text)
            return ~same if negated else same
        case LevelNumber(column, levels):
            numbers = np.full(batch.n_rows, np.nan)
            for number, level in enumerate(levels):
                numbers[batch.equals(column, level)] = number
            return numbers
        case Learned(key, transform, argument, _):
            inner = as_column(evaluate(argument, batch, states), batch.n_rows)
            return TRANSFORMS[transform].apply(inner, node.settings, states.get(key, {}), key)
        case Chain():
            return _in_turn(node, batch, states)
        case Together(parts):
            return np.stack([as_column(evaluate(part, batch, states), batch.n_rows) for part in parts], axis=1)
        case Apply(table, name, arguments):
            values = [evaluate(argument, batch, states) for argument in arguments]
            if table != "logic":
                # The condition of where() stays true or false.
                first = values[: int(name == "where")]
                values = [*first, *(as_number(value) for value in values[len(first) :])]
            values = [_double(value) for value in values] if table == "arithmetic" else values
            with np.errstate(all="ignore"):
                return _TABLES[table](name)(*values)


def _in_turn(node: Chain, batch: Batch, states: States) -> Any:
    def number(value: Any) -> Any:
        if node.table == "logic":
            return value
        return _double(as_number(value)) if node.table == "arithmetic" else as_number(value)

    found = number(evaluate(node.first, batch, states))
    with np.errstate(all="ignore"):
        for name, operand in node.rest:
            found = _TABLES[node.table](name)(found, number(evaluate(operand, batch, states)))
    return found


def as_number(value: Any) -> Any:
    """True and false as 1.0 and 0.0; anything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        return value.astype(np.float64)
    return float(value) if isinstance(value, bool | np.bool_) else value


def _double(value: Any) -> Any:
    """A plain number as a double of NumPy's: of two of Python's, 1 / 0 and 9 ** 999 raise, and (-8) ** 0.5 is complex."""
    if not isinstance(value, int | float):
        return value
    try:
        return np.float64(value)
    except OverflowError:
        return np.float64(np.inf if value > 0 else -np.inf)


def as_column(values: Any, n_rows: int) -> Array:
    """Numbers, one per row."""
    numbers = np.asarray(as_number(values), dtype=np.float64)
    return np.full(n_rows, float(numbers)) if numbers.ndim == 0 else numbers


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, inner nodes first."""
    if isinstance(node, Apply):
        for argument in node.arguments:
            yield from walk(argument)
    elif isinstance(node, Chain):
        for argument in (node.first, *(operand for _, operand in node.rest)):
            yield from walk(argument)
    elif isinstance(node, Learned):
        yield from walk(node.argument)
    elif isinstance(node, Together):
        for part in node.parts:
            yield from walk(part)
    yield node


def columns_of(node: Node) -> tuple[str, ...]:
    """The columns a node reads, each once."""
    names: dict[str, None] = {}
    for part in walk(node):
        if isinstance(part, Column):
            names[part.name] = None
        elif isinstance(part, TextEquals | LevelNumber):
            names[part.column] = None
    return tuple(names)
