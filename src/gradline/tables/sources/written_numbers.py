"""Numbers as people write them in text files: with decimal commas, and with marks that part thousands, such as 1.234,5 or 1,234.5."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gradline.tables.sources.columns import sql_text

SPACES = " \u00a0\u2009\u202f"
QUOTES = "'\u2019"
SIGN = f"[{SPACES}]*[-+\u2212]?"
"""Of a number, with U+2212, the minus that word processors write."""

POWER = "([eE][-+]?[0-9]+)?"

AsNumber = Callable[[str], str]
"""From an SQL expression of text to one of the number."""


def _pattern(point: str, other: str) -> str:
    """A regular expression, for Python's and DuckDB's engine, of numbers with this decimal mark. ``other`` may part thousands."""
    mark = re.escape(point)
    plain = f"[0-9]+({mark}[0-9]*)?{POWER}|{mark}[0-9]+{POWER}"
    parted = "|".join(f"[1-9][0-9]{{0,2}}({re.escape(part)}[0-9]{{3}})+({mark}[0-9]*)?" for part in other + SPACES + QUOTES)
    if point == ".":
        # 12,34,567.8, as in India.
        parted += f"|[1-9][0-9]?(,[0-9]{{2}})+,[0-9]{{3}}({mark}[0-9]*)?"
    return f"{SIGN}({plain}|{parted})[{SPACES}]*"


PATTERNS = {".": _pattern(".", ","), ",": _pattern(",", ".")}
"""By the decimal mark."""

_READS = {mark: re.compile(pattern) for mark, pattern in PATTERNS.items()}
_DOUBTFUL = {mark: re.compile(f"{SIGN}[1-9][0-9]{{0,2}}{re.escape(mark)}[0-9]{{3}}[{SPACES}]*") for mark in ".,"}
"""Numbers whose only mark may be a decimal one or part thousands."""

_EXAMPLES = {".": "1,234.5", ",": "1.234,5"}
_NAMES = {".": "point", ",": "comma"}


@dataclass(frozen=True)
class Written:
    """How the values of one column are written.

    sure: the first value that can only have this decimal mark, for each mark that has one. doubtful: the first value whose only mark, this
    one, may be a decimal mark or part thousands.
    """

    sure: Mapping[str, str]
    doubtful: Mapping[str, str]


def written(values: Iterable[str | None]) -> Written | None:
    """How numbers are written, or None where some value is no number in any writing, or all are missing."""
    sure: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    some = False
    for value in dict.fromkeys(values):
        if value is None:
            continue
        some = True
        marks = [mark for mark, pattern in _READS.items() if pattern.fullmatch(value)]
        if not marks:
            return None
        if len(marks) == 1:
            sure.setdefault(marks[0], value)
            continue
        for mark, pattern in _DOUBTFUL.items():
            if pattern.fullmatch(value):
                doubtful.setdefault(mark, value)
    return Written(sure, doubtful) if some else None


def readings(texts: Mapping[str, Written], numbers: Mapping[str, Written], point: str) -> dict[str, AsNumber]:
    """How columns are read that DuckDB's reader by itself would take for text, or for numbers that are not meant.

    Parameters
    ----------
    texts
        The columns of numbers that it takes for text.
    numbers
        Those that it takes for numbers with ``point``, as far as they have been looked at.
    point
        The decimal mark it reads by.

    Where nothing tells what a mark means, or a column is written in two ways, reading the column is an error that says so.
    """
    every = {**texts, **numbers}
    marks = {mark for column in every.values() for mark in column.sure}
    result: dict[str, AsNumber] = {}
    for name, column in every.items():
        doubt = _in_doubt(name, column, marks)
        if doubt:
            result[name] = _refused(doubt)
        elif name in texts:
            mark = next(iter(column.sure), None) or next(iter(column.doubtful), point)
            result[name] = _with_mark(name, mark)
    return result


def _in_doubt(name: str, column: Written, marks: set[str]) -> str:
    """Why a column's numbers cannot be told, or nothing."""
    if len(column.sure) == 2 or (not column.sure and len(column.doubtful) == 2):
        first, second = (column.sure or column.doubtful).values()
        return f"column {name!r} holds {first!r} and {second!r}, numbers written in two ways; write all of them in one"
    if column.sure or not column.doubtful:
        return ""
    mark, value = next(iter(column.doubtful.items()))
    if mark == "." and "," in marks:
        return (
            f"column {name!r} holds {value!r}: where other columns have decimal commas, its point may part thousands or be a decimal one;"
            " write it with a comma or without the point"
        )
    if mark == "," and marks != {","}:
        return (
            f"column {name!r} holds {value!r}: its comma may part thousands or be a decimal one; say which with"
            " query=\"SELECT * FROM read_csv('...', thousands = ',')\" or decimal_separator = ',', or write it without the comma"
        )
    return ""


def _with_mark(column: str, mark: str) -> AsNumber:
    start = sql_text(f"column {column!r} holds '")
    rest = sql_text(f"', where its first rows hold numbers such as {_EXAMPLES[mark]}; correct the value, or leave the row or column out")
    other = "," if mark == "." else "."
    parting = sql_text(f"[{other}{SPACES}{QUOTES}]")

    def convert(text: str) -> str:
        bare = f"replace(replace(regexp_replace({text}, {parting}, '', 'g'), '\u2212', '-'), ',', '.')"
        sound = f"{text} IS NULL OR regexp_full_match({text}, {sql_text(PATTERNS[mark])})"
        return f"CASE WHEN {sound} THEN {bare}::DOUBLE ELSE error({start} || {text} || {rest}) END"

    return convert


def _refused(message: str) -> AsNumber:
    return lambda text: f"CASE WHEN {text} IS NOT NULL THEN error({sql_text(message)})::DOUBLE END"


def looked_at(values: Mapping[str, Sequence[str | None]]) -> dict[str, Written]:
    """The columns that hold nothing but numbers, and how they are written."""
    found = {name: written(column) for name, column in values.items()}
    return {name: column for name, column in found.items() if column is not None}
