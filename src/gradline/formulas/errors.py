"""What is wrong with a formula, with a caret under the place."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gradline.base.errors import FormulaError
from gradline.base.words import nearest
from gradline.tables.sources.columns import argument, plain_or_quoted, sql_text

__all__ = ["FormulaError", "UnseenLevelError", "at", "suggestion"]


class UnseenLevelError(FormulaError):
    """A level that was not there when the formula was learned. said: that it is there; column: its name, None for a transform."""

    def __init__(self, said: str, column: str | None, value: object) -> None:
        super().__init__(f"{said} (or say unseen='reference' or unseen='missing')")
        self.said, self.column, self.value = said, column, value

    def leave_out(self) -> FormulaError:
        """The error where nothing but leaving such rows out will do."""
        if self.column is None:
            return FormulaError(f"{self.said}; leave such rows out with where=")
        value = str(self.value) if isinstance(self.value, int | float) else sql_text(str(self.value))
        return FormulaError(f"{self.said}; leave such rows out, as in {argument('where', f'{plain_or_quoted(self.column)} <> {value}')}")


def at(message: str, formula: str, start: int, end: int) -> FormulaError:
    """The error with the formula below it and a caret under the characters ``formula[start:end]``."""
    flat = "".join(" " if character.isspace() else character for character in formula)
    width = max(1, min(end, len(flat)) - start)
    return FormulaError(f"{message}\n    {flat}\n    {' ' * start}{'^' * width}")


def suggestion(word: str, known: Iterable[str], many: str = "there are", write: Callable[[str], str] = str) -> str:
    """What may have been meant: the nearest known name, or the known names where they are few. write: how a formula takes a name."""
    names = [str(name) for name in known]
    near = nearest(word, names)
    if near:
        return f"did you mean {near[0]!r}?" if write(near[0]) == near[0] else f"did you mean {write(near[0])}?"
    shown = ", ".join(map(write, names[:8]))
    return f"{many} {shown}{', ...' if len(names) > 8 else ''}" if names else "there are none"
