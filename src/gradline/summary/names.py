"""Names of coefficients in a narrow column: broken where their parts meet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.text import Text

_PARTS = (
    # Between a term and its level, the factors of an interaction, the words of a level, and around operators.
    re.compile(r"(?=\[)|(?<=\])|(?<=[:,+*/^=<>|-])|(?<= )"),
    # Between a function and what it is of, and inside names of several words.
    re.compile(r"(?<=[_.(])|(?=[()])|(?<=[a-z])(?=[A-Z])"),
)
"""Where a name may be broken, the better places first."""

LEAST = 8
"""Columns that a name has at least, where it is so long."""


def broken(name: str, width: int) -> list[str]:
    """The lines of a name, at most ``width`` columns of a terminal each: in the middle of a word only where there is no other way."""
    from rich.cells import cell_len

    lines, rest = list[str](), name
    while cell_len(rest) > width:
        most = len(rest)
        while most > 1 and cell_len(rest[:most].rstrip(" ")) > width:
            most -= 1
        places = ([match.start() for match in part.finditer(rest) if 0 < match.start() <= most] for part in _PARTS)
        place = next((found[-1] for found in places if found), most)
        lines.append(rest[:place].rstrip(" "))
        rest = rest[place:]
    return [line for line in (*lines, rest) if line] or [name]


@dataclass(frozen=True)
class Name:
    """A cell that holds a name."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        for line in broken(self.text, options.max_width):
            yield Text(line, overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.cells import cell_len
        from rich.measure import Measurement

        length = max(cell_len(self.text), 1)
        return Measurement(min(length, LEAST, options.max_width), min(length, options.max_width))
