"""Columns whose names need backquotes, written in a formula without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from gradline.base.words import nearest
from gradline.formulas.errors import FormulaError, at
from gradline.formulas.grammar import quoted_name

_LINES = str.maketrans("\r\n", "  ")
_IN_QUOTES = r"`[^`]*`|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_WORDS = re.compile(rf"({_IN_QUOTES})|\w+(?:[ \t]+\w+)+")


def told_of_backquotes(error: FormulaError, read: Callable[[str], object], text: str, columns: Iterable[str]) -> FormulaError | None:
    """What to say instead of the error that ``read(text)`` raised, where backquotes would mend it; else None."""
    found = _with_backquotes(text, columns) if isinstance(text, str) else None
    if found is None or _still_wrong(read, found[0], error):
        return None
    fixed, name, start, end = found
    message = f"the name of column {name!r} needs backquotes, since it is not one plain word; write {fixed.translate(_LINES)}"
    return at(message, text, start, end)


def _still_wrong(read: Callable[[str], object], text: str, before: FormulaError) -> bool:
    """Whether the formula with backquotes has the same fault."""
    try:
        read(text)
    except FormulaError as error:
        return str(error).partition("\n")[0] == str(before).partition("\n")[0]
    return False


def _with_backquotes(text: str, columns: Iterable[str]) -> tuple[str, str, int, int] | None:
    """(the formula with backquotes, the first name that lacked them, where it begins and ends), or None where none lacks any."""
    odd = sorted((name for name in columns if name and quoted_name(name) != name and "`" not in name), key=len, reverse=True)
    if not odd:
        return None
    names = "|".join(_whole(name) for name in odd)
    small = {name.lower(): name for name in reversed(odd)}
    found = _replaced(re.compile(f"({_IN_QUOTES})|{names}"), text, str)
    found = found or _replaced(re.compile(f"({_IN_QUOTES})|{names}", re.IGNORECASE), text, lambda word: small.get(word.lower()))
    if found is not None:
        return found
    return _replaced(_WORDS, text, lambda words: next(iter(nearest(words, odd)), None))


def _whole(name: str) -> str:
    before = r"(?<![\w.])" if re.match(r"[\w.]", name) else ""
    after = r"(?![\w.])" if re.search(r"[\w.]$", name) else ""
    return before + re.escape(name) + after


def _replaced(pattern: re.Pattern[str], text: str, meant: Callable[[str], str | None]) -> tuple[str, str, int, int] | None:
    first: tuple[str, int, int] | None = None

    def replace(match: re.Match[str]) -> str:
        nonlocal first
        name = None if match[1] is not None else meant(match[0])
        if name is None:
            return match[0]
        first = first or (name, match.start(), match.end())
        return f"`{name}`"

    fixed = pattern.sub(replace, text)
    return None if first is None else (fixed, *first)
