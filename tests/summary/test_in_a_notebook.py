"""What a notebook's cells show: each thing once, as HTML with a text beside it, and no need of widgets."""

import re
import sys
from pathlib import Path

import pytest

import gradline as gl

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

CELLS = {
    "prepare": """
import sys
sys.modules["ipywidgets"] = None  # as where it is not installed
import contextlib, io, time
import gradline as gl
x, y = gl.datasets.line(seed=0)
fit = gl.fit(x, y)
""",
    "summary": "fit.summary()",
    "fit": "fit",
    "text": "text = str(fit.summary()); text == repr(fit.summary()) and text.startswith('Linear model of y')",
    "print": "print(fit.summary())",
    "show": "fit.summary().show()",
    "redirected": """
kept = io.StringIO()
with contextlib.redirect_stdout(kept):
    fit.summary().show()
    print(fit.summary())
kept.getvalue() == 2 * f"{fit.summary()}\\n"
""",
    "descent": "descended = gl.fit(x, y, solver=gl.GradientDescent(0.01, steps=500))",
    "silent": "descended = gl.fit(x, y, solver=gl.GradientDescent(0.01, steps=500), progress=False)",
    "quick": "robust = gl.fit(x, y, loss=gl.losses.huber(1.0))",
    "rows": """
from gradline.tables.table import open_table
from gradline.tables.progress import watching
table = open_table(None, query="SELECT i::DOUBLE AS x FROM range(3000000) t(i)")
with watching("reading rows", None) as meter:
    counted = table.counted_by(meter)
    for _ in range(2):
        for batch in counted.batches(["x"], 2**15):
            time.sleep(0.015)
""",
    "command": """
from gradline.cli.console import Printer
Printer().say("a word")
""",
}


@pytest.fixture(scope="module")
def outputs():
    """Name of a cell to its outputs."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS.values()])
    manager = AsyncKernelManager()
    manager._kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")
    nbclient.NotebookClient(notebook, km=manager, timeout=120).execute()
    nbformat.validate(notebook)
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


@pytest.fixture(scope="module")
def summary():
    return gl.fit(*gl.datasets.line(seed=0)).summary()


def timeless(text):
    """Without the seconds that the fit took."""
    return re.sub(r"[\d.]+ s, ", "", str(text))


@pytest.mark.parametrize("cell", ["summary", "fit"])
def test_a_summary_is_shown_once(outputs, summary, cell):
    (shown,) = outputs[cell]
    assert shown.output_type == "execute_result"
    assert timeless(shown.data["text/html"]) == timeless(summary._repr_html_())
    if cell == "summary":
        assert timeless(shown.data["text/plain"]) == timeless(summary)


@pytest.mark.parametrize("cell", ["text", "redirected"])
def test_a_summary_as_text_is_text_and_shows_nothing(outputs, cell):
    (value,) = outputs[cell]
    assert value.data["text/plain"] == "True"


@pytest.mark.parametrize("cell", ["print", "show"])
def test_a_printed_summary_is_printed(outputs, summary, cell):
    (printed,) = outputs[cell]
    assert (printed.name, timeless(printed.text)) == ("stdout", timeless(f"{summary}\n"))


def test_gradient_descent_shows_one_bar_and_asks_for_no_widgets(outputs):
    (bar,) = outputs["descent"]
    assert bar.output_type == "display_data"
    assert re.fullmatch(r"gradient descent  500/500  loss 1\.0\d+", bar.data["text/plain"])
    assert '<progress value="500" max="500"' in bar.data["text/html"]
    assert bar.data["text/plain"] in bar.data["text/html"]


@pytest.mark.parametrize("cell", ["prepare", "silent", "quick"])
def test_a_fit_of_a_moment_shows_nothing(outputs, cell):
    assert outputs[cell] == []


def test_passes_over_a_table_show_one_line_that_ends(outputs):
    (line,) = outputs["rows"]
    assert re.fullmatch(r"reading rows, pass 2  3 million rows, [\d.]+ (million|thousand)/s", line.data["text/plain"])


def test_what_the_command_says_is_printed(outputs):
    (printed,) = outputs["command"]
    assert (printed.name, printed.text) == ("stdout", "a word\n")


def test_consoles_are_made_in_one_place():
    # rich's own guess shows what is printed beside the file it is printed to.
    package = Path(gl.__file__).parent
    made = [path.name for path in package.rglob("*.py") if re.search(r"\bConsole\(", path.read_text(encoding="utf-8"))]
    assert made == ["consoles.py"]
