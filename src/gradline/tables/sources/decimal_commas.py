"""Columns of text whose commas are decimal signs and whose points part thousands, such as 1.234,5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradline.tables.sources.columns import quoted, sql_text

PLAIN = r"[-+]?\d+(,\d*)?([eE][-+]?\d+)?"
ONE_GROUP = r"[-+]?\d{1,3}\.\d{3}"
GROUPS = r"[-+]?\d{1,3}((\.\d{3})+,\d*|(\.\d{3}){2,})"
"""Numbers with a decimal comma: without points, with one point that may be a decimal one, with points that can only part thousands."""

AsNumber = Callable[[str], str]
"""From an SQL expression of text to one of the number."""


def grouped_numbers(sample: Any, names: Sequence[str]) -> dict[str, AsNumber]:
    """How the text columns among ``names`` that hold such numbers are read. sample: a DuckDB relation of the columns as text.

    Columns whose sample holds anything else are left out. Where nothing tells whether a point parts thousands, reading is an error that
    says so.
    """
    if not names:
        return {}
    terms = []
    for column in names:
        name = quoted(column)
        terms.append(f"bool_and({_reads(name, PLAIN, ONE_GROUP, GROUPS)})")
        terms.append(f"bool_or({_reads(name, GROUPS)})")
        terms.append(f"min(CASE WHEN {_reads(name, ONE_GROUP)} THEN {name} END)")
    answers = sample.aggregate(", ".join(terms)).fetchall()[0]
    result: dict[str, AsNumber] = {}
    for i, column in enumerate(names):
        numbers, sure, doubtful = answers[3 * i : 3 * i + 3]
        if numbers and sure:
            result[column] = _without_points(column)
        elif numbers and doubtful is not None:
            result[column] = _in_doubt(column, doubtful)
    return result


def _without_points(column: str) -> AsNumber:
    start = sql_text(f"column {column!r} holds '")
    rest = sql_text("', where its first rows hold numbers such as 1.234,5; correct the value, or leave the row or column out")

    def convert(text: str) -> str:
        number = f"replace(replace({text}, '.', ''), ',', '.')::DOUBLE"
        sound = f"{text} IS NULL OR {_reads(text, PLAIN, ONE_GROUP, GROUPS)}"
        return f"CASE WHEN {sound} THEN {number} ELSE error({start} || {text} || {rest}) END"

    return convert


def _in_doubt(column: str, value: str) -> AsNumber:
    message = (
        f"column {column!r} holds {value!r}: where other columns have decimal commas, its point may part thousands or be a decimal one;"
        " write it with a comma or without the point"
    )
    return lambda text: f"CASE WHEN {text} IS NOT NULL THEN error({sql_text(message)})::DOUBLE END"


def _reads(text: str, *patterns: str) -> str:
    return f"regexp_full_match({text}, {sql_text('|'.join(patterns))})"
