"""Linear hypotheses written as text: ``"x1 = x2, 2*x3 + `odd name` = 1"``, read into rows of numbers.

Names are the coefficients', the longest that fits first, so that ``x1:x2`` or ``C(g)[b]`` need no quotes; a name in backquotes is taken
as it is. Terms are joined by + and -, numbers multiply and divide, parentheses group, ``=`` may be chained, and a term alone is taken to
equal zero. Conditions are separated by commas (or semicolons).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.words import nearest

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d][\w.]*")
_UP_TO_SIGN = re.compile(r"[^=,;+*/-]+")


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


def read_constraints(text: str, names: Sequence[str], terms: Sequence[str] = ()) -> tuple[Array, Array, tuple[str, ...]]:
    """(matrix (c, d), values (c,), each condition as text): the conditions ``matrix @ coefficients = values``. terms: names of terms, which
    may have been meant.

    Raises ValueError for an unknown name, naming those that are near, and for text that cannot be read, saying where.
    """
    matrix, values, labels = list[Array](), list[float](), list[str]()
    for condition in _Reader(text, names, terms).conditions():
        for left, right, label in condition:
            difference = left.plus(right, -1.0)
            if difference.is_number:
                raise InferenceError(f"the condition {label!r} holds no coefficient (or they cancel)")
            matrix.append(difference.weights)
            values.append(-difference.constant)
            labels.append(label)
    return np.array(matrix), np.array(values), tuple(labels)


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
    def __init__(self, text: str, names: Sequence[str], terms: Sequence[str] = ()) -> None:
        self.text, self.names, self.terms, self.place = text, list(names), terms, 0
        self.by_length = sorted(self.names, key=len, reverse=True)

    def conditions(self) -> list[list[tuple[_Form, _Form, str]]]:
        found = list[list[tuple[_Form, _Form, str]]]()
        if not self.text.strip():
            raise InferenceError('the hypothesis is empty; write one such as "x1 = x2, x3 = 0"')
        while True:
            found.append(self._condition())
            if not self._take(",") and not self._take(";"):
                break
        if self._peek():
            raise self._error("expected an operator, = or a comma")
        return found

    def _condition(self) -> list[tuple[_Form, _Form, str]]:
        forms, ends = [], [self.place]
        while True:
            forms.append(self._sum())
            ends.append(self.place)
            if not self._take("="):
                break
            self._take("=")  # == is how some write it
        pieces = [self.text[a:b].strip(" =,;") for a, b in pairwise(ends)]
        if len(forms) == 1:
            zero = _Form(np.zeros(len(self.names)), 0.0)
            return [(forms[0], zero, f"{pieces[0]} = 0")]
        return [(forms[i], forms[i + 1], f"{pieces[i]} = {pieces[i + 1]}") for i in range(len(forms) - 1)]

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
            weights[self.names.index(name)] = 1.0
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
            raise InferenceError(unknown_name((longer or word).group().strip(), self.names, self.terms))
        raise self._error("expected the name of a coefficient or a number")

    def _name(self) -> str | None:
        if self._peek() == "`":
            end = self.text.find("`", self.place + 1)
            if end < 0:
                raise self._error("a backquote is not closed")
            quoted = self.text[self.place + 1 : end]
            if quoted not in self.names:
                raise InferenceError(unknown_name(quoted, self.names, self.terms))
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

    def _error(self, what: str) -> ValueError:
        return InferenceError(f"the hypothesis {self.text!r} cannot be read at {self.text[self.place :] or 'its end'!r}: {what}")
