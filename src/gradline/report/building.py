"""A report from a fit and rows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradline.base.atomic_file import write_whole
from gradline.base.file_names import named
from gradline.base.warnings import GradlineWarning
from gradline.report.concerns import Concern, concerns
from gradline.report.findings import find
from gradline.report.page import page
from gradline.report.pictures import chosen_along, curves, diagnostics, fitted, intervals, partial_regressions, receiver

if TYPE_CHECKING:
    from gradline.model.record import Model


def page_name(path: str | os.PathLike[str]) -> Path:
    """The path of a page. Raises ValueError for a name of another kind of file."""
    return named(path, (".html", ".htm"), "a report is written as HTML")


@dataclass(frozen=True)
class Report:
    """One HTML page that needs no other file; a notebook shows it in place.

    concerns: what to know before using the model, serious ones first. html: the page.
    """

    concerns: tuple[Concern, ...]
    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, whole or not at all.

        Raises OSError where it cannot be written, and ValueError for a name that does not end in .html or .htm: no other format is written.
        """
        write_whole(page_name(path), self.html)

    def _repr_html_(self) -> str:
        # A frame keeps the page's style and the notebook's apart.
        style = "width: 100%; height: 70vh; border: 1px solid #8888; border-radius: 4px"
        return f'<iframe title="Report of a gradline fit" sandbox srcdoc="{escape(self.html)}" style="{style}"></iframe>'

    def __repr__(self) -> str:
        lines = [f"Report of {len(self.html) / 1000:,.0f} kB; report.save(path) writes it"]
        return "\n".join([*lines, *(f"  {concern.level}: {concern.title}" for concern in self.concerns)])


def build(
    fit: Model, data: Any, target: Any = None, *, name: str | None = None, words: Callable[[str], str] | None = None, **rows: Any
) -> Report:
    """The report of a fit over rows: those it was fitted to, or others, which the page then says.

    data, target, rows: as ``Fit.diagnose`` takes them. name: what to call the data; its path, or what it is, unless given. words: turns
    what is written for Python into the words of who asks, such as a command line's options. Raises ImportError without Matplotlib,
    ValueError for data that does not go with the fit, and what reading it raises.
    """
    findings = find(fit, data, target, rows, name or data_name(data, **rows))
    found = concerns(findings)
    if words is not None:
        found = tuple(concern.in_words(words) for concern in found)
    partial = partial_regressions(findings)
    with warnings.catch_warnings():
        # The page has this among its concerns.
        warnings.filterwarnings("ignore", "nothing is left of an interval", GradlineWarning)
        shown = intervals(findings)
    wide = tuple(picture for picture in (curves(findings), partial) if picture is not None)
    along = chosen_along(findings)
    roc = receiver(findings)
    pictures = tuple(picture for picture in (along, *diagnostics(findings), roc) if picture is not None)
    text = page(findings, found, fitted(findings, data, target), shown, pictures, wide, words)
    return Report(found, text)


def data_name(data: Any, *, database: Any = None, where: str | None = None, **rows: Any) -> str:
    """What to call the rows on the page."""
    if isinstance(data, str | os.PathLike):
        named = "standard input" if data == "-" else os.fspath(data)
    elif data is None:
        named = "a query"
    else:
        named = f"the {type(data).__module__.partition('.')[0]} {type(data).__name__}" if hasattr(data, "columns") else "the data given"
    if isinstance(database, str | os.PathLike):
        # An address may hold a password.
        named += f" of {os.fspath(database)}" if "://" not in os.fspath(database) else " of a database"
    return f"{named} where {where}" if where is not None else str(named)
