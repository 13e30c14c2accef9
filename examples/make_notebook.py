"""Write examples/tutorial.ipynb from docs/tutorial.md, so that the page and the notebook tell one story: python examples/make_notebook.py

Text becomes text cells and Python blocks become code cells. Shown outputs and pictures are left out: running the notebook makes them.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PAGE, NOTEBOOK = ROOT / "docs" / "tutorial.md", ROOT / "examples" / "tutorial.ipynb"

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```\n?", re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n*", re.MULTILINE)


def notebook(page: str) -> nbformat.NotebookNode:
    """The notebook of a page."""
    cells: list[nbformat.NotebookNode] = []
    position = 0
    for fence in _FENCED.finditer(page):
        words = fence["info"].split()
        _add_text(cells, page[position : fence.start()])
        position = fence.end()
        if words[:1] == ["python"]:
            cell = nbformat.v4.new_code_cell(_without_echo(fence["body"].strip()), id=f"cell-{len(cells)}")
            if len(words) > 1:
                # Without the optional framework this cell alone may fail; the rest still runs.
                cell.metadata["tags"] = ["raises-exception"]
            cells.append(cell)
    _add_text(cells, page[position:])
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def _add_text(cells: list[nbformat.NotebookNode], text: str) -> None:
    """Add a text cell; to the one before, where output between them was left out."""
    text = _PICTURE.sub("", text).strip()
    if not text:
        return
    if cells and cells[-1].cell_type == "markdown":
        cells[-1].source += "\n\n" + text
    else:
        cells.append(nbformat.v4.new_markdown_cell(text, id=f"cell-{len(cells)}"))


def _without_echo(source: str) -> str:
    """A semicolon after a picture, so that the notebook shows the picture and not its Axes."""
    last = source.splitlines()[-1]
    return source + ";" if last.startswith("gl.plot.") else source


if __name__ == "__main__":
    nbformat.write(notebook(PAGE.read_text(encoding="utf-8")), NOTEBOOK)
