"""Write examples/tutorial.ipynb from docs/tutorial.md, so that the page and the notebook tell one story: python examples/make_notebook.py

Text becomes text cells and Python blocks become code cells. The page's outputs and pictures are left out, and the notebook is run, so that its
own stand in it: whoever opens it, on a web page too, sees the pictures. Pictures are made small, since the file is committed.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
import sys
import tempfile
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


WIDTH = 640
"""Pixels across a picture in the notebook."""


def run(made: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with what its cells print and show. Raises CellExecutionError for a cell that fails."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    # The kernel of this very environment, whatever else the machine has registered.
    manager = AsyncKernelManager()
    manager._kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(made, km=manager, timeout=300, resources={"metadata": {"path": folder}}).execute()
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)  # the time of day
            cell.outputs = [tidied(output) for output in cell.outputs if output.get("name") != "stderr" or "GradlineWarning" in output.text]
    # What the kernel says of itself, such as its version of Python, would change with the machine.
    made.metadata.pop("language_info", None)
    made.metadata["language_info"] = {"name": "python"}
    return made


def tidied(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An output without what differs from run to run, its picture made small."""
    if "image/png" in output.get("data", {}):
        output.data["image/png"] = small(output.data["image/png"])
        output.data["text/plain"] = "a picture"
    if output.get("name") == "stderr":
        # The warning itself, without the file and the line of the kernel it came from.
        output.text = "".join(f"{found}\n" for found in re.findall(r"GradlineWarning: .*", output.text))
    return output


def small(picture: str) -> str:
    """A PNG in base64, of fewer pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(picture))) as read:
        image = read.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode("ascii") + "\n"


if __name__ == "__main__":
    nbformat.write(run(notebook(PAGE.read_text(encoding="utf-8"))), NOTEBOOK)
