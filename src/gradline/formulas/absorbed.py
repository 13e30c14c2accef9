"""What stands after ``|`` in a formula: categories whose levels are taken out of every column, and never become columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gradline.formulas.errors import FormulaError, at, suggestion

_QUOTES = re.compile(r"`[^`]*`|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_COLUMN = r"(?:`[^`]+`|[^\W\d]\w*(?:\.\w+)*)"
_TERM = re.compile(rf"\s*(?P<columns>{_COLUMN}(?:\s*[\^:]\s*{_COLUMN})*)\s*(?P<slopes>\[.*\])?\s*", re.DOTALL)
_SLOPES = re.compile(rf"\s*{_COLUMN}(?:\s*,\s*{_COLUMN})*\s*")


@dataclass(frozen=True)
class AbsorbedTerm:
    """One category. columns: one, or several whose combinations are the levels, as in ``firm^year``. slopes: columns that each level has a
    coefficient of its own for. constant: whether each level has a constant. text, start, end: the formula, and the term's place in it."""

    columns: tuple[str, ...]
    slopes: tuple[str, ...] = ()
    constant: bool = True
    text: str = ""
    start: int = 0
    end: int = 0

    @property
    def name(self) -> str:
        """Such as "firm", "firm^year" or "firm[x]"."""
        levels = "^".join(self.columns)
        if not self.slopes:
            return levels
        inner = ", ".join(self.slopes)
        return f"{levels}[{inner}]" if self.constant else f"{levels}[[{inner}]]"

    def wrong(self, message: str) -> FormulaError:
        """The error with a caret under the term."""
        return at(message, self.text, self.start, self.end)

    def check(self, columns: Iterable[str]) -> None:
        """Raises FormulaError for a column that the data does not have."""
        known = list(columns)
        for name in (*self.columns, *self.slopes):
            if name not in known:
                raise self.wrong(f"the data has no column {name!r}; {suggestion(name, known, 'it has')}")


def split(formula: str) -> tuple[str, tuple[AbsorbedTerm, ...]]:
    """("y ~ x", the terms after ``|``); no terms where there is no ``|`` outside brackets and quotes.

    Raises FormulaError, with a caret, for a second ``|``, nothing on a side of it, and a term that names no column.
    """
    text = unicodedata.normalize("NFC", formula)
    bars = _outside(text, "|")
    if not bars:
        return formula, ()
    if len(bars) > 1:
        raise at(
            "a formula has one |: before it the columns, after it the categories whose levels are absorbed, joined by + where there are"
            " several, as in | firm + year",
            text,
            bars[1],
            bars[1] + 1,
        )
    bar = bars[0]
    tilde = text.find("~")
    if tilde < 0 or tilde > bar:
        raise at("| comes after the columns, as in y ~ x | firm", text, bar, bar + 1)
    if not text[tilde + 1 : bar].strip():
        raise at("nothing stands between ~ and |; name the columns whose coefficients are wanted", text, tilde, bar + 1)
    terms, start = list[AbsorbedTerm](), bar + 1
    for stop in [*(place for place in _outside(text, "+") if place > bar), len(text)]:
        terms.append(_term(text, start, stop))
        start = stop + 1
    return text[:bar].rstrip(), _merged(terms)


def without_absorbed(formula: Any) -> tuple[Any, tuple[AbsorbedTerm, ...]]:
    """``split``; of formulas for several linear predictors, none of which may have a ``|``. Raises FormulaError."""
    if isinstance(formula, str):
        return split(formula)
    for text in formula.values():
        if isinstance(text, str) and split(text)[1]:
            raise FormulaError(
                f"{text!r} absorbs levels, and a loss of several linear predictors cannot: write C(...) for the category in place of |"
            )
    return formula, ()


def _term(text: str, start: int, stop: int) -> AbsorbedTerm:
    own = text[start:stop]
    begin = start + len(own) - len(own.lstrip())
    end = max(begin + 1, start + len(own.rstrip()))
    match = _TERM.fullmatch(own)
    slopes, constant = (match["slopes"] or "") if match else "", True
    if slopes.startswith("[[") and slopes.endswith("]]"):
        slopes, constant = slopes[1:-1], False
    inner = slopes[1:-1]
    if match is None or (slopes and _SLOPES.fullmatch(inner) is None):
        said = "nothing stands here" if not own.strip() else f"{own.strip()!r} is no category"
        wrapped = re.fullmatch(rf"C\(\s*({_COLUMN})\s*\)", own.strip())
        instead = f"write the name alone, | {wrapped[1]}" if wrapped else "as in | firm + year, firm^year or firm[x]"
        raise at(f"{said}: after | stand names of columns, {instead}", text, begin, end)
    columns = tuple(name.strip("`") for name in re.findall(_COLUMN, match["columns"]))
    return AbsorbedTerm(columns, tuple(name.strip("`") for name in re.findall(_COLUMN, inner)), constant, text, begin, end)


def _merged(terms: list[AbsorbedTerm]) -> tuple[AbsorbedTerm, ...]:
    """Terms of the same levels as one: ``firm + firm[[x]]`` is ``firm[x]``. Raises FormulaError for what is said twice."""
    found = dict[frozenset[str], AbsorbedTerm]()
    for term in terms:
        key = frozenset(term.columns)
        if len(key) < len(term.columns):
            raise term.wrong("a column is combined with itself")
        before = found.get(key)
        if before is None:
            found[key] = term
            continue
        if (before.constant and term.constant and not (before.slopes or term.slopes)) or set(before.slopes) & set(term.slopes):
            raise term.wrong(f"{term.name} is absorbed twice")
        slopes = (*before.slopes, *term.slopes)
        found[key] = AbsorbedTerm(before.columns, slopes, before.constant or term.constant, term.text, before.start, before.end)
    return tuple(found.values())


def _outside(text: str, sign: str) -> list[int]:
    """Where a character stands outside brackets and quotes."""
    plain = _QUOTES.sub(lambda match: "_" * len(match[0]), text)
    depth, found = 0, []
    for place, character in enumerate(plain):
        depth += (character in "([{") - (character in ")]}")
        if character == sign and depth == 0:
            found.append(place)
    return found
