"""A table of text as plain text, HTML, Markdown or LaTeX: what columns are called and what tables hold may be anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gradline.base.numbers import visible

_CELL = "padding: 0.1em 1.2em 0.1em 0; vertical-align: top"
_TABLE = "border-collapse: collapse; margin: 0 0 0.8em 0"

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
}
"""What LaTeX would take for a command, or, at the start of a row, for an option of the row before."""

_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>|#~$"})


@dataclass(frozen=True)
class WrittenTable:
    """heading: one text a column. rows: as many texts each; None for a rule across. words: how many of the first columns hold words, which
    stand at the left. title and notes: above and below."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...] | None, ...]
    words: int = 1
    title: str = ""
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Columns that line up, without control codes."""
        heading = [visible(cell) for cell in self.heading]
        rows = [None if row is None else [visible(cell) for cell in row] for row in self.rows]
        widths = [max([len(cell), *(len(row[j]) for row in rows if row is not None)]) for j, cell in enumerate(heading)]
        rule = "  ".join("-" * width for width in widths)

        def line(cells: Sequence[str]) -> str:
            return "  ".join(
                cell.ljust(width) if j < self.words else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()

        lines = [visible(self.title)] if self.title else []
        lines += [line(heading), rule, *(rule if row is None else line(row) for row in rows)]
        return "\n".join([*lines, *(visible(note) for note in self.notes)])

    def to_html(self) -> str:
        """A table for a notebook or a page, in the colours of its surroundings."""

        def cell(text: str, j: int, tag: str) -> str:
            side = "left" if j < self.words else "right"
            return f'<{tag} style="{_CELL}; text-align: {side}; font-variant-numeric: tabular-nums">{escape(visible(text))}</{tag}>'

        caption = f'<caption style="text-align: left; font-weight: bold">{escape(visible(self.title))}</caption>\n' if self.title else ""
        head = "".join(cell(text, j, "th") for j, text in enumerate(self.heading))
        body, ruled = list[str](), False
        for row in self.rows:
            if row is None:
                ruled = True
                continue
            style = ' style="border-top: 1px solid"' if ruled else ""
            body.append(f"<tr{style}>" + "".join(cell(text, j, "td") for j, text in enumerate(row)) + "</tr>")
            ruled = False
        below = "".join(f'<p style="opacity: 0.7; margin: 0 0 0.3em 0">{escape(visible(note))}</p>\n' for note in self.notes)
        table = (
            f'<table style="{_TABLE}">\n{caption}<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n' + "\n".join(body) + "\n</tbody>\n</table>"
        )
        return f'<div class="gradline-table">\n{table}\n{below}</div>'

    def to_markdown(self) -> str:
        """A table as GitHub and most others read it."""

        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"

        sides = ["---" if j < self.words else "---:" for j in range(len(self.heading))]
        lines = [f"**{_markdown(self.title)}**", ""] if self.title else []
        lines += [line(self.heading), "| " + " | ".join(sides) + " |", *(line(row) for row in self.rows if row is not None)]
        return "\n".join([*lines, *(part for note in self.notes for part in ("", _markdown(note)))])

    def to_latex(self) -> str:
        r"""A ``tabular``, with ``\hline`` and no package beyond LaTeX's own; names are written so that none of them is a command."""

        def line(cells: Sequence[str]) -> str:
            # A star or a bracket that begins a row would be an option of the end of the row before.
            row = " & ".join(_latex(cell) for cell in cells)
            return ("{}" if row.startswith("*") else "") + row + r" \\"

        lines = [r"\begin{table}", r"\centering"] + ([rf"\caption{{{_latex(self.title)}}}"] if self.title else [])
        lines += [
            rf"\begin{{tabular}}{{{'l' * self.words}{'r' * (len(self.heading) - self.words)}}}",
            r"\hline",
            line(self.heading),
            r"\hline",
        ]
        lines += [r"\hline" if row is None else line(row) for row in self.rows]
        lines += [r"\hline", r"\end{tabular}", *(rf"\par {_latex(note)}" for note in self.notes), r"\end{table}"]
        return "\n".join(lines)


def _markdown(text: str) -> str:
    return visible(text).translate(_MARKDOWN)


def _latex(text: str) -> str:
    shown = visible(text)
    negative = shown[:1] == "-" and shown[1:2].isdigit()
    written = "".join(_LATEX.get(character, character) for character in (shown[1:] if negative else shown))
    # Two hyphens would become a dash.
    return ("$-$" if negative else "") + written.replace("--", "-{}-")
