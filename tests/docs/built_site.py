"""The site that `make docs` builds: its pages as files, what they refer to, a server for them on this machine, and where a browser is."""

import contextlib
import functools
import http.server
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

SITE = Path(os.environ.get("GRADLINE_SITE") or Path(__file__).parents[2] / "docs" / "_build" / "html")

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("object", "data")}
"""Elements that a browser fetches of itself; of the links of a page only those to stylesheets, icons and fonts count."""


class Reference(NamedTuple):
    """What an element of a page refers to. loaded: whether opening the page fetches it."""

    target: str
    loaded: bool


class Page(HTMLParser):
    """The references and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.references, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        for attribute in ("href", "src", "data"):
            if found.get(attribute) and not (attribute == "data" and tag != "object"):
                navigates = tag == "link" and found.get("rel") in ("next", "prev", "index", "search", "genindex", "canonical", "author")
                self.references.append(Reference(found[attribute], (tag, attribute) in LOADED and not navigates))


def pages():
    """All pages of the site."""
    return {path: Page(path) for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts}  # the theme keeps a template there


def is_elsewhere(target):
    """Whether a reference leaves the site."""
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def dead_links(found):
    """References inside the site that lead to no file, or to no place on the page."""
    dead = []
    for path, page in found.items():
        for target, _ in page.references:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            if aim.is_dir():
                aim = aim / "index.html"
            if not aim.exists():
                dead.append(f"{path.relative_to(SITE)}: {target}")
            elif parts.fragment and aim in found and unquote(parts.fragment) not in found[aim].anchors:
                dead.append(f"{path.relative_to(SITE)}: no place {target}")
    return dead


def foreign_files(found):
    """What a browser would fetch from other machines: by elements of pages, and by stylesheets."""
    foreign = [
        f"{path.relative_to(SITE)}: {one.target}"
        for path, page in found.items()
        for one in page.references
        if one.loaded and is_elsewhere(one.target)
    ]
    for path in SITE.rglob("*.css"):
        text = path.read_text(encoding="utf-8", errors="replace")
        used = re.findall(r"url\(\s*['\"]?([^)'\"]+)", text) + re.findall(r"@import\s+['\"]([^'\"]+)", text)
        foreign += [f"{path.relative_to(SITE)}: {target}" for target in used if is_elsewhere(target)]
    return foreign


@contextlib.contextmanager
def served():
    """The site on a port of this machine, and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def find_chromium():
    """Its path, or None."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (path := shutil.which(name))), None)
