"""Every Python block of the documentation runs, in order, and prints what the page says it prints.

A block that opens with ``python`` is run; all blocks of a page share one namespace. Where a block that opens with ``text`` follows, the
output must equal it. ``python needs=torch`` is left out, with its output, where torch is not installed.
"""

import contextlib
import importlib.util
import io
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

import gradline as gl

DOCS = Path(__file__).parents[2] / "docs"

MADE_UP = {"losses/custom.py"}
"""Modules that a page names to say that there are none."""

FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block to run: its source, first line number, what it needs and the output the page shows, if any."""

    source: str
    line: int
    needs: str | None
    output: str | None


def blocks(text):
    found = []
    fences = list(FENCED.finditer(text))
    for index, fence in enumerate(fences):
        words = fence["info"].split()
        if words[:1] != ["python"]:
            continue
        follows = fences[index + 1] if index + 1 < len(fences) else None
        shown = follows is not None and follows["info"] == "text" and not text[fence.end() : follows.start()].strip()
        needs = next((word.removeprefix("needs=") for word in words[1:]), None)
        found.append(Block(fence["body"], text[: fence.start()].count("\n") + 1, needs, follows["body"] if shown else None))
    return found


def show_as_output(message, category, *place):
    """A reader sees gradline's warnings beside what the block prints, so the page shows them there."""
    if not issubclass(category, gl.GradlineWarning):
        raise category(message)
    print(f"{category.__name__}: {message}")


def run(text, name):
    """Run the blocks of a page; raises AssertionError where an output differs."""
    namespace = {"__name__": name}
    for block in blocks(text):
        if block.needs is not None and importlib.util.find_spec(block.needs) is None:
            continue
        printed = io.StringIO()
        # The newlines put the page's own line numbers into a traceback.
        code = compile("\n" * block.line + block.source, name, "exec")
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("always", gl.GradlineWarning)
            warnings.showwarning = show_as_output
            exec(code, namespace)
        if block.output is not None:
            assert printed.getvalue() == block.output, f"{name}, line {block.line}"


ELSEWHERE = {"model-file.md"}
"""Pages that are run as scripts, since they keep a loss's text: by tests/files."""

WRITTEN = sorted([*DOCS.glob("*.md"), *DOCS.glob("coming-from/*.md"), *DOCS.parent.glob("*.md")])

MADE = ("gallery/index", "reference/index.md")
"""Pages that are made by `make docs`."""

PAGES = sorted(
    f"{place}{page.name}"
    for place in ("", "../", "coming-from/")
    for page in (DOCS / place).glob("*.md")
    if page.name not in ELSEWHERE and blocks(page.read_text(encoding="utf-8"))
)


@pytest.fixture
def quiet_pictures(monkeypatch, tmp_path):
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))  # a window where there is a screen
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore:More than 20 figures:RuntimeWarning")
@pytest.mark.parametrize("page", PAGES)
def test_page_runs(page, quiet_pictures):
    pytest.importorskip("tensorflow")
    pytest.importorskip("jax")
    text = (DOCS / page).read_text(encoding="utf-8")
    assert blocks(text)
    run(text, page)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_pictures_and_links_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if target not in MADE and "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} refers to {target}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_modules_that_are_named_exist(page):
    root = DOCS.parent
    for path in set(re.findall(r"`([\w./]+\.py)`", page.read_text(encoding="utf-8"))) - MADE_UP:
        assert (root / "src" / "gradline" / path).exists() or (root / path).exists(), f"{page.name} names {path}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_public_names_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for dotted in set(re.findall(r"\bgl((?:\.[A-Za-z_]\w*)+)", text)):
        found = gl
        for name in dotted.split(".")[1:]:
            assert hasattr(found, name), f"{page.name} names gl{dotted}"
            found = getattr(found, name)
    for name in set(re.findall(r"`Fit\.(\w+)", text)):
        assert hasattr(gl.Fit, name) or name in gl.Fit.__dataclass_fields__, f"{page.name} names Fit.{name}"


def test_pictures_are_small():
    for path in (DOCS / "images").rglob("*.*"):
        limit = 1_500_000 if path.suffix == ".gif" else 150_000
        assert path.stat().st_size < limit, path


def test_the_runner_sees_a_wrong_output():
    page = "```python\na = 1\n```\n\n```python\nprint(a + 1)\n```\n\n```text\n3\n```\n"
    with pytest.raises(AssertionError, match=r"page, line 5"):
        run(page, "page")
    run(page.replace("3", "2"), "page")
    run("```python needs=no_such_package\nimport no_such_package\n```\n", "page")
