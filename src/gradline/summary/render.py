"""A summary as it is shown: in a terminal, in a notebook, through a pipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from gradline.base.consoles import console
from gradline.summary.names import LEAST, Name
from gradline.summary.parts import Block, Fact

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

PLAIN_WIDTH = 80
WIDEST = 100
"""Longer lines than this are hard to read, however wide the terminal."""

WIDEST_NAME = 18
"""Longer names are broken rather than columns left out for them."""

_FIRST_TO_GO = (("t", "z"), ("std error",), ("p",))
"""Columns of a table too narrow for all, one after the other."""

_STYLES = {"plain": "", "good": "green", "bad": "bold red"}
_HTML_TONES = {"plain": "", "good": "", "bad": "; font-weight: bold; color: #d32f2f"}
_TABLE = "border-collapse: collapse; margin: 0 0 0.8em 0"
_CELL = "padding: 0.1em 1.2em 0.1em 0; vertical-align: top"


@dataclass(frozen=True)
class Summary:
    """What a fit says of itself.

    At a Python prompt in a terminal it shows itself as a table in colour, in a notebook as HTML; ``print(summary)`` and ``str(summary)``
    give plain text, 80 columns wide, without control codes. ``show()`` prints what suits the place it goes to. title; head: facts above
    the coefficients; blocks: the coefficients, a block for each linear predictor; foot: facts below them.
    """

    title: str
    head: tuple[Fact, ...]
    blocks: tuple[Block, ...]
    foot: tuple[Fact, ...]

    def show(self) -> None:
        """Print to standard output: in colour and as wide as the terminal allows, or, through a pipe or into a file, as plain text."""
        if sys.stdout.isatty():
            console().print(self)
        else:
            print(self)

    def __str__(self) -> str:
        return self._text(PLAIN_WIDTH)

    def __repr__(self) -> str:
        # Only at a prompt: a log file that a script writes to from a terminal must not be given control codes.
        if hasattr(sys, "ps1") and sys.stdout is not None and sys.stdout.isatty():
            screen = console()
            with screen.capture() as captured:
                screen.print(self)
            return captured.get().rstrip("\n")
        return str(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.box import SIMPLE_HEAD
        from rich.text import Text

        width = min(options.max_width, WIDEST)
        yield Text(self.title, style="bold", overflow="fold")
        yield self._facts(self.head, width)
        for block in self.blocks:
            yield Text("")
            if block.title:
                yield Text(block.title, style="bold", overflow="fold")
            shown = _fitting(block, width, WIDEST_NAME)
            yield _coefficients(shown, width, SIMPLE_HEAD)
            if len(shown.columns) < len(block.columns):
                yield Text(_no_room(block, shown), style="dim", overflow="fold")
            if block.more:
                yield Text(_more(block), style="dim", overflow="fold")
        yield Text("")
        yield self._facts(self.foot, width)

    def _repr_html_(self) -> str:
        # No colours of our own but for the one that matters: the notebook's theme, light or dark, decides.
        parts = [f'<div class="gradline-summary">\n<p><strong>{_safe(self.title)}</strong></p>', _html_facts(self.head)]
        for block in self.blocks:
            parts.append(_html_block(block))
            if block.more:
                parts.append(f"<p>{_safe(_more(block))}</p>")
        parts += [_html_facts(self.foot), "</div>"]
        return "\n".join(parts)

    def _text(self, width: int) -> str:
        from rich.box import Box

        # Plain dashes: the text may go where only ASCII is known.
        dashes = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
        written = StringIO()
        # What the surroundings say of colours and widths is for terminals.
        screen = console(file=written, width=width, color_system=None, legacy_windows=False, _environ={})
        screen.print(self.title, overflow="fold")
        screen.print("=" * min(screen.measure(self.title).maximum, width))
        screen.print(self._facts(self.head, width))
        for block in self.blocks:
            screen.print()
            if block.title:
                screen.print(block.title, overflow="fold")
            # A name is broken before a column is left out; numbers are never cut.
            shown = _fitting(block, width, LEAST)
            screen.print(_coefficients(shown, width, dashes))
            if len(shown.columns) < len(block.columns):
                screen.print(_no_room(block, shown))
            if block.more:
                screen.print(_more(block))
        screen.print()
        screen.print(self._facts(self.foot, width))
        return "\n".join(line.rstrip() for line in written.getvalue().splitlines())

    def _facts(self, facts: tuple[Fact, ...], width: int) -> Table:
        from rich.table import Table
        from rich.text import Text

        labels = max((len(fact.label) for fact in self.head + self.foot), default=0)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.width = width if facts else None
        # One width of labels above and below the coefficients.
        table.add_column(no_wrap=True, style="dim", min_width=labels)
        table.add_column(ratio=1, overflow="fold")
        for fact in facts:
            # Text, not strings: what a column is called is never taken for markup.
            table.add_row(Text(fact.label), Text(fact.text, style=_STYLES[fact.tone], overflow="fold"))
        return table


def _fitting(block: Block, width: int, widest_name: int) -> Block:
    """The block without the columns that a reader misses least, where names would have to be broken below ``widest_name`` for them.

    The ends of the interval say most: what follows from them goes first, and they go last, together.
    """
    widths = [2 + max([len(heading), *(len(row.cells[j]) for row in block.rows)]) for j, heading in enumerate(block.columns)]
    name = min(max((len(row.name) for row in block.rows), default=0), widest_name)
    kept = list(range(len(widths)))
    for leaving in _FIRST_TO_GO:
        if name + sum(widths[j] for j in kept) <= width:
            break
        kept = [j for j in kept if block.columns[j] not in leaving]
    while len(kept) > 1 and name + sum(widths[j] for j in kept) > width:
        kept = kept[: -2 if block.columns[kept[-1]] == "to" else -1]
    return replace(
        block,
        columns=tuple(block.columns[j] for j in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[j] for j in kept)) for row in block.rows),
    )


def _coefficients(block: Block, width: int, box: object) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box, show_edge=False, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True)  # type: ignore[arg-type]
    table.add_column("", overflow="fold", min_width=LEAST)
    for heading in block.columns:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for row in block.rows:
        table.add_row(Name(row.name), *(Text(cell) for cell in row.cells), style="dim" if row.left_out else None)
    return table


def _no_room(block: Block, shown: Block) -> str:
    left_out = ", ".join(column for column in block.columns if column not in shown.columns)
    return f"no room for: {left_out}; Fit.table() has them"


def _more(block: Block) -> str:
    return f"... and {block.more:,} more: Fit.table() has them all"


def _html_facts(facts: tuple[Fact, ...]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row" style="{_CELL}; text-align: left; font-weight: normal; opacity: 0.7; min-width: 6em">{_safe(fact.label)}</th>'
        f'<td style="{_CELL}; text-align: left{_HTML_TONES[fact.tone]}">{_safe(fact.text)}</td></tr>'
        for fact in facts
    )
    return f'<table style="{_TABLE}">\n<tbody>\n{rows}\n</tbody>\n</table>'


def _html_block(block: Block) -> str:
    caption = f'<caption style="text-align: left; font-style: italic">{_safe(block.title)}</caption>\n' if block.title else ""
    headings = "".join(f'<th scope="col" style="{_CELL}; text-align: right">{_safe(heading)}</th>' for heading in block.columns)
    rows = "\n".join(
        f'<tr style="opacity: {0.6 if row.left_out else 1}">'
        f'<th scope="row" style="{_CELL}; text-align: left; font-weight: normal">{_safe(row.name)}</th>'
        + "".join(f'<td style="{_CELL}; text-align: right; font-variant-numeric: tabular-nums">{_safe(cell)}</td>' for cell in row.cells)
        + "</tr>"
        for row in block.rows
    )
    head = f"<thead>\n<tr><td></td>{headings}</tr>\n</thead>"
    return f'<table style="{_TABLE}">\n{caption}{head}\n<tbody>\n{rows}\n</tbody>\n</table>'


def _safe(text: str) -> str:
    return escape(text)
