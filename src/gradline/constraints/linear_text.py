"""Linear conditions written as text, hypotheses and constraints: ``"x1 = x2, 2*x3 + `odd name` >= 1"``, read into rows of numbers.

Names are the coefficients', the longest that fits first, so that ``x1:x2`` or ``C(g)[b]`` need no quotes; a name in backquotes is taken
as it is. Terms are joined by + and -, numbers multiply and divide, parentheses group. ``=`` and, in constraints, ``>=`` and ``<=`` may be
chained. Of a hypothesis a term alone is taken to equal zero. Conditions are separated by commas (or semicolons).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.types import Array
from gradline.base.words import nearest

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d][\w.]*")
_UP_TO_SIGN = re.compile(r"[^=<>,;+*/-]+")
_RELATION = re.compile(r">=|=>|<=|=<|==|=|>|<|≥|≤")

_MEANT = {">=": ">=", "=>": ">=", "≥": ">=", ">": ">=", "<=": "<=", "=<": "<=", "≤": "<=", "<": "<=", "=": "=", "==": "="}
"""What a relation stands for: of numbers that are not whole, above and not below are the same set but for its edge."""


@dataclass(frozen=True)
class _Form:
    """sum weights * coefficients + constant."""

    weights: Array
    constant: float

    @property
    def is_number(self) -> bool:
        return not self.weights.any()

    def plus(self, other: _Form, sign: float) -> _Form:
        return _Form(self.weights + sign * other.weights, self.constant + sign * other.constant)

    def times(self, factor: float) -> _Form:
        return _Form(self.weights * factor, self.constant * factor)


@dataclass(frozen=True)
class Condition:
    """weights (d,) times the coefficients ``relation`` right: "=" or ">=". text: as it was written."""

    weights: Array
    right: float
    relation: Literal["=", ">="]
    text: str


def read_hypothesis(
    text: str, names: Sequence[str], terms: Sequence[str] = (), short: Mapping[str, int] | None = None
) -> tuple[Array, Array, tuple[str, ...]]:
    """(matrix (c, d), values (c,), each condition as text): the conditions ``matrix @ coefficients = values``. terms: names of terms, which
    may have been meant.

    Raises InferenceError for an unknown name, naming those that are near, and for text that cannot be read, saying where.
    """
    found = _Reader(text, names, "hypothesis", InferenceError, terms, short).conditions()
    return np.array([one.weights for one in found]), np.array([one.right for one in found]), tuple(one.text for one in found)


def read_constraints(text: str, names: Sequence[str], short: Mapping[str, int] | None = None) -> list[Condition]:
    """The conditions of a text such as ``"x1 >= 0, x2 + x3 = 1, 0 <= x4 <= 1"``, a chain link by link.

    Raises ArgumentError for an unknown name, naming those that are near, and for text that cannot be read, saying where.
    """
    return _Reader(text, names, "constraint", ArgumentError, (), short).conditions()


def short_names(labels: Sequence[str], size: int, known: Sequence[bool] | np.ndarray[Any, Any]) -> dict[str, int]:
    """Names without their linear predictor, ``x`` for ``log_mean:x``, where one alone has that coefficient: each with its place.

    labels (k P,): of the coefficients, one linear predictor after the other, ``predictor:name``. size: P. known (k P,):
    which the model has.
    """
    if len(labels) == size:
        return {}
    places: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        if known[place]:
            places.setdefault(label.partition(":")[2], []).append(place)
    return {name: own[0] for name, own in places.items() if len(own) == 1 and name not in labels}


def unknown_name(word: str, names: Sequence[str], terms: Sequence[str] = ()) -> str:
    """The message for a name that is no coefficient; terms: which it may have been meant for."""
    # With several linear predictors a name alone does not say whose coefficient is meant.
    near = [name for name in names if name.endswith(f":{word}") and name.count(":") == word.count(":") + 1][:3]
    near = near or [name for name in names if len(word) >= 3 and name.startswith((f"{word}[", f"{word}_"))][:3]
    near = near or nearest(word, names, 3) or [name for name in names if name in word.replace(":", " ").split()][:3]
    if near:
        return f"there is no coefficient {word!r}; did you mean " + " or ".join(repr(name) for name in near) + "?"
    if close := nearest(word, terms):
        return f"there is no coefficient or term {word!r}; did you mean {close[0]!r}?"
    shown = ", ".join(repr(name) for name in names[:10]) + (", ..." if len(names) > 10 else "")
    return f"there is no coefficient {word!r}; there are {shown}"


class _Reader:
    """what: "hypothesis", whose conditions are equations, or "constraint". error: what is raised. terms: which a name may be meant
    for. short: further names of coefficients, and their places."""

    def __init__(
        self,
        text: str,
        names: Sequence[str],
        what: str,
        error: type[ArgumentError] | type[InferenceError],
        terms: Sequence[str] = (),
        short: Mapping[str, int] | None = None,
    ) -> None:
        self.text, self.names, self.place = text, list(names), 0
        self.what, self.error, self.terms = what, error, terms
        self.places = {**(short or {}), **{name: place for place, name in reversed(list(enumerate(names)))}}
        self.by_length = sorted(self.places, key=len, reverse=True)

    def conditions(self) -> list[Condition]:
        found = list[Condition]()
        if not self.text.strip():
            such = "x1 = x2, x3 = 0" if self.what == "hypothesis" else "x1 >= 0, x2 + x3 = 1"
            raise self.error(f'the {self.what} is empty; write one such as "{such}"')
        while True:
            found += self._chain()
            if not self._take(",") and not self._take(";"):
                break
        if self._peek():
            raise self._error(
                "expected an operator, = or a comma" if self.what == "hypothesis" else "expected an operator, >=, <=, = or a comma"
            )
        return found

    def _chain(self) -> list[Condition]:
        """The conditions between commas: one for each relation of a chain."""
        forms, starts, ends, relations = list[_Form](), list[int](), list[int](), list[str]()
        while True:
            self._peek()
            starts.append(self.place)
            forms.append(self._sum())
            ends.append(self.place)
            relation = self._relation()
            if relation is None:
                break
            relations.append(relation)
        pieces = [self.text[a:b].strip() for a, b in zip(starts, ends, strict=True)]
        if not relations:
            if self.text.startswith(("!=", "<>"), self.place):
                raise self._error("what a coefficient must not be leaves two pieces, and no optimum can be had in both; write >=, <= or =")
            if self._peek() and pieces[0][-1:].isdigit() and _WORD.match(self.text, self.place):
                # Not taken for a product: where a comma was forgotten it would be one too.
                raise self._error("a multiple is written with *, as in 2 * x1, and a comma parts one from the next")
            if self.what != "hypothesis":
                raise self.error(f'the constraint {pieces[0]!r} has no >=, <= or =: write what it is to be, such as "{pieces[0]} >= 0"')
            return [self._condition(forms[0], _Form(np.zeros(len(self.names)), 0.0), "=", f"{pieces[0]} = 0")]
        return [
            self._condition(forms[i], forms[i + 1], relation, f"{pieces[i]} {relation} {pieces[i + 1]}")
            for i, relation in enumerate(relations)
        ]

    def _condition(self, left: _Form, right: _Form, relation: str, text: str) -> Condition:
        difference = left.plus(right, -1.0)
        if difference.is_number:
            what = "condition" if self.what == "hypothesis" else "constraint"
            raise self.error(f"the {what} {text!r} holds no coefficient (or they cancel)")
        sign = -1.0 if relation == "<=" else 1.0
        # Minus zero would show in what is printed.
        return Condition(sign * difference.weights + 0.0, -sign * difference.constant + 0.0, "=" if relation == "=" else ">=", text)

    def _relation(self) -> str | None:
        self._peek()
        found = _RELATION.match(self.text, self.place)
        if found is None:
            return None
        meant = _MEANT[found.group()]
        if self.what == "hypothesis" and meant != "=":
            raise self._error("a hypothesis is an equation; what holds within bounds is a constraint, as in constraints=")
        self.place = found.end()
        return meant

    def _sum(self) -> _Form:
        total = self._product()
        while self._peek() in ("+", "-"):
            sign = 1.0 if self._next() == "+" else -1.0
            total = total.plus(self._product(), sign)
        return total

    def _product(self) -> _Form:
        total = self._factor()
        while self._peek() in ("*", "/"):
            divide = self._next() == "/"
            other = self._factor()
            if divide:
                if not other.is_number or other.constant == 0:
                    raise self._error("a coefficient can be divided by a number other than zero only")
                total = total.times(1.0 / other.constant)
            elif other.is_number:
                total = total.times(other.constant)
            elif total.is_number:
                total = other.times(total.constant)
            else:
                raise self._error("a product of two coefficients is not linear")
        return total

    def _factor(self) -> _Form:
        symbol = self._peek()
        if symbol in ("+", "-"):
            self._next()
            return self._factor().times(-1.0 if symbol == "-" else 1.0)
        name = self._name()
        if name is not None:
            weights = np.zeros(len(self.names))
            weights[self.places[name]] = 1.0
            return _Form(weights, 0.0)
        if symbol == "(":
            self._next()
            inside = self._sum()
            if not self._take(")"):
                raise self._error("expected )")
            return inside
        number = _NUMBER.match(self.text, self.place)
        if number:
            self.place = number.end()
            return _Form(np.zeros(len(self.names)), float(number.group()))
        word = _WORD.match(self.text, self.place)
        if word:
            # What names begin with, with more after it: an interaction or a level that is written in another way.
            begins = any(name.startswith(word.group()) for name in self.names)
            longer = _UP_TO_SIGN.match(self.text, self.place) if begins else None
            raise self.error(unknown_name((longer or word).group().strip(), self.names, self.terms))
        raise self._error("expected the name of a coefficient or a number")

    def _name(self) -> str | None:
        if self._peek() == "`":
            end = self.text.find("`", self.place + 1)
            if end < 0:
                raise self._error("a backquote is not closed")
            quoted = self.text[self.place + 1 : end]
            if quoted not in self.places:
                raise self.error(unknown_name(quoted, self.names, self.terms))
            self.place = end + 1
            return quoted
        for name in self.by_length:
            end = self.place + len(name)
            if name and self.text.startswith(name, self.place) and not self._goes_on(name, end):
                self.place = end
                return name
        return None

    def _goes_on(self, name: str, end: int) -> bool:
        """Whether the text has a longer word here, of which the name is only the beginning."""
        following = self.text[end : end + 1]
        return bool(following) and (name[-1].isalnum() or name[-1] == "_") and (following.isalnum() or following in "_.:[")

    def _peek(self) -> str:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1
        return self.text[self.place : self.place + 1]

    def _next(self) -> str:
        symbol = self._peek()
        self.place += 1
        return symbol

    def _take(self, symbol: str) -> bool:
        if self._peek() != symbol:
            return False
        self.place += 1
        return True

    def _error(self, what: str) -> ArgumentError | InferenceError:
        return self.error(f"the {self.what} {self.text!r} cannot be read at {self.text[self.place :] or 'its end'!r}: {what}")
