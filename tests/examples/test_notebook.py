"""examples/tutorial.ipynb runs from top to bottom, and still tells what docs/tutorial.md tells."""

import base64
import importlib.util
import io
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(EXAMPLES / "tutorial.ipynb", as_version=4)


def test_notebook_is_that_of_the_tutorial_page(notebook):
    specification = importlib.util.spec_from_file_location("make_notebook", EXAMPLES / "make_notebook.py")
    maker = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(maker)
    expected = maker.notebook(maker.PAGE.read_text(encoding="utf-8"))
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in expected.cells], "run: python examples/make_notebook.py"


def test_notebook_is_valid_and_small(notebook):
    nbformat.validate(notebook)
    assert (EXAMPLES / "tutorial.ipynb").stat().st_size < 900_000


def test_committed_outputs_are_those_of_the_page(notebook):
    """Whoever opens the notebook without running it sees what the page shows."""
    page = (EXAMPLES.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```([^\n`]*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [
        fences[place + 1][1] if place + 1 < len(fences) and fences[place + 1][0] == "text" else None
        for place, (info, _) in enumerate(fences)
        if info.split()[:1] == ["python"]
    ]
    assert len(cells) == len(shown)
    for number, (cell, text) in enumerate(zip(cells, shown, strict=True)):
        assert cell.execution_count == number + 1
        assert not [output for output in cell.outputs if output.output_type == "error"]
        printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        if text is not None:
            assert sorted(printed.splitlines()) == sorted(text.splitlines()), "run: python examples/make_notebook.py"
        drawn = sum("image/png" in output.get("data", {}) for output in cell.outputs)
        assert drawn == len(re.findall(r"^gl\.plot\.", cell.source, re.MULTILINE))


def test_committed_pictures_are_pictures(notebook):
    image = pytest.importorskip("PIL.Image")
    found = [o.data["image/png"] for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "image/png" in o.get("data", {})]
    assert len(found) >= 8
    for each in found:
        with image.open(io.BytesIO(base64.b64decode(each))) as picture:
            assert picture.width <= 640
            assert len(picture.convert("RGB").getcolors(10**6)) > 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook_runs(notebook, tmp_path):
    pytest.importorskip("ipykernel")
    pytest.importorskip("tensorflow")
    pytest.importorskip("jax")
    # The kernel of this very environment, whatever else the machine has registered.
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    manager = AsyncKernelManager()
    manager._kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")
    client = nbclient.NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    failures = [output for output in outputs if output.output_type == "error"]
    assert len(failures) == (0 if importlib.util.find_spec("torch") else 1)
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 8
    text = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert "by hand: W = 6.044158, B = -4.970147" in text
    assert "gradline: W = 6.044158, B = -4.970147" in text
    assert not [output for output in outputs if "Axes" in str(output.get("data", {}).get("text/plain", ""))[:6]]
