"""Pieces of HTML. Whatever a user could have named passes through ``text``, and nothing else does the escaping."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from gradline.base.numbers import visible


def text(value: str) -> str:
    """A user's text as HTML: no markup, no control character."""
    return escape(visible(value))


_JOINTS = re.compile(r"(?<=[_:,*/])(?=\w)|(?<=\w\))(?=\[)|(?<=[a-z])(?=[A-Z])")


def name(value: str) -> str:
    """A name as HTML that breaks where its parts meet, such as after an underscore, where it must break."""
    return "<wbr>".join(text(part) for part in _JOINTS.split(visible(value)))


def element(tag: str, *content: str, **attributes: str) -> str:
    """An element around HTML. attributes: plain text; a trailing underscore is dropped and others become hyphens, as in ``class_``."""
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' for name, value in attributes.items())
    return f"<{tag}{written}>{''.join(content)}</{tag}>"


def paragraph(value: str, **attributes: str) -> str:
    """A paragraph of plain text."""
    return element("p", text(value), **attributes)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, muted: Sequence[bool] | None = None) -> str:
    """A table of plain text: the first column names its rows, the others hold numbers. It scrolls by itself where it is too wide."""
    head = element("thead", element("tr", *(element("th", text(column), scope="col") for column in columns)))
    body = []
    for i, row in enumerate(rows):
        cells = [element("th", name(row[0]), scope="row"), *(element("td", text(cell)) for cell in row[1:])]
        body.append(element("tr", *cells, **({"class_": "muted"} if muted is not None and muted[i] else {})))
    held = element("table", element("caption", text(caption)), head, element("tbody", *body))
    return element("div", held, class_="scroll", role="region", aria_label=caption, tabindex="0")


def facts(pairs: Sequence[tuple[str, str]], *, bad: Sequence[str] = ()) -> str:
    """A list of labels with what they say, plain text. bad: labels to be seen."""
    items = [
        element("div", element("dt", text(label)), element("dd", text(value), **({"class_": "bad"} if label in bad else {})))
        for label, value in pairs
    ]
    return element("dl", *items)


def section(identity: str, title: str, *content: str) -> str:
    """A section under a heading of the second level."""
    return element("section", element("h2", text(title), id=identity), *content, aria_labelledby=identity)
