"""The page: one file, sent with headers that let it run what it holds and nothing else."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from importlib import resources

MARK = '<meta name="gradline-server" content="1">'
"""What tells the page that a server has sent it."""

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_STRICTEST = "default-src 'none'; base-uri 'none'; form-action 'none'"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer."""


@cache
def page() -> str:
    """The page, marked. Raises FileNotFoundError where the package was installed without it."""
    place = resources.files("gradline.studio") / "page" / "index.html"
    try:
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError("the studio's page is not in this installation of gradline: build it with `make studio`") from None
    return text.replace("<head>", f"<head>{MARK}", 1)


def page_policy(framed: bool) -> str:
    """The page's own content security policy, and who may frame it: nobody, or a notebook, which is at an address that nobody knows."""
    found = _POLICY.search(page())
    policy = _STRICTEST if found is None else unescape(found[1])
    return policy if framed else f"{policy}; frame-ancestors 'none'"


def file_policy() -> str:
    """Of everything else: nothing in it may run."""
    return f"{_STRICTEST}; sandbox; frame-ancestors 'none'"
