"""What is wrong with a formula, with a caret under the place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FormulaError(ValueError):
    """A formula that cannot be read, or that does not go with the data."""


def at(message: str, formula: str, start: int, end: int) -> FormulaError:
    """The error with the formula below it and a caret under the characters ``formula[start:end]``."""
    flat = "".join(" " if character.isspace() else character for character in formula)
    width = max(1, min(end, len(flat)) - start)
    return FormulaError(f"{message}\n    {flat}\n    {' ' * start}{'^' * width}")


def suggestion(word: str, known: Iterable[str], many: str = "there are") -> str:
    """What may have been meant: the nearest known name, or the known names where they are few."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(word, names, 1)
    if not near:
        lowered = {name.lower(): name for name in names}
        near = [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, 1)]
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:8])
    return f"{many} {shown}{', ...' if len(names) > 8 else ''}" if names else "there are none"
