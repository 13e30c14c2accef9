"""Printing for people: headings, paragraphs, tables and source code, in a terminal or through a pipe."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from gradline.base.consoles import console

WIDEST = 100
"""Longer lines than this are hard to read, however wide the terminal."""


class Printer:
    """Where a command's story goes: standard output, in colour in a terminal, plain text through a pipe."""

    def __init__(self) -> None:
        self._console = console()
        self._console.width = min(self._console.width, WIDEST)

    @property
    def in_terminal(self) -> bool:
        """Whether somebody is watching."""
        return self._console.is_terminal

    def heading(self, text: str) -> None:
        """The start of a chapter."""
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left", style="dim")

    def say(self, text: str, style: str | None = None, indent: int = 0) -> None:
        """A paragraph, wrapped to the width."""
        margin = " " * indent
        wrapped = textwrap.fill(text, self._console.width, initial_indent=margin, subsequent_indent=margin, break_long_words=False)
        self._console.print(wrapped, style=style, soft_wrap=True)

    def space(self) -> None:
        """An empty line."""
        self._console.print()

    def line(self, text: str) -> None:
        """A line that is never broken, so that a path in it can be copied."""
        self._console.print(text, soft_wrap=True)

    def note(self, text: str) -> None:
        """Something to take care of."""
        self.say(f"Note: {text}", style="yellow")

    def source(self, text: str) -> None:
        """Python source, highlighted in a terminal, exactly as it is through a pipe."""
        if not self.in_terminal:
            self._console.print(text.rstrip(), soft_wrap=True)
            return
        # Only colours every terminal has: the user's own theme decides how they look.
        self._console.print(Syntax(text.rstrip(), "python", theme="ansi_dark", background_color="default", word_wrap=True))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under headings: numbers to the right, and words in the first column to the left."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold", pad_edge=False)
        for index, column in enumerate(columns):
            words = index == 0 and not all(row[0][:1].isdigit() for row in rows)
            table.add_column(column, justify="left" if words else "right")
        for row in rows:
            table.add_row(*row)
        if self.in_terminal:
            self._console.print(table)
            return
        with self._console.capture() as captured:
            self._console.print(table)
        # Through a pipe the padding of the last column would be left as blanks at the ends of lines.
        self._console.print("\n".join(line.rstrip() for line in captured.get().splitlines()), soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner while the body runs; through a pipe just the line."""
        if not self.in_terminal:
            self.say(text)
            yield
            return
        with self._console.status(text):
            yield

    @contextmanager
    def noting_warnings(self) -> Iterator[None]:
        """Print gradline's own warnings as notes, where they arise, without file names and line numbers."""
        from gradline.base.warnings import GradlineWarning

        with warnings.catch_warnings():
            warnings.simplefilter("always", GradlineWarning)
            usual = warnings.showwarning

            def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
                if issubclass(category, GradlineWarning):
                    self.note(str(message))
                else:
                    usual(message, category, *rest, **more)

            warnings.showwarning = show
            yield


def number(value: float, digits: int = 6) -> str:
    """A number for a table: so many decimals, or powers of ten where those would not do."""
    size = abs(value)
    if value == 0 or 1e-3 <= size < 1e7:
        text = f"{value:,.{digits}f}"
        return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
    return f"{value:.{digits}e}"


def short(value: float) -> str:
    """A number for a sentence."""
    return f"{value:.6g}"


def plural(count: int, noun: str) -> str:
    """Such as "1 point" or "1,000 points"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
