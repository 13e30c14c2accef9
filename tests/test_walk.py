"""Following a fit by hand: how many modules its calls enter, that they never lead upwards, and that CONTRIBUTING tells it as it is."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import gradline as gl

ROOT = Path(__file__).parents[1]
SOURCE = Path(gl.__file__).parent
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]


def module(frame):
    """The path below src/gradline of the code of a frame; None for the code of others."""
    path = Path(frame.f_code.co_filename)
    return path.relative_to(SOURCE).as_posix() if path.is_relative_to(SOURCE) else None


def follow(run):
    """(modules in the order in which calls first enter them, calls that lead to a higher package) of a run."""
    entered, upwards = {}, set()

    def look(frame, event, argument):
        if event != "call" or frame.f_code.co_name == "<module>" or (name := module(frame)) is None:
            return
        entered.setdefault(name)
        caller = frame.f_back
        while caller is not None and module(caller) is None:
            caller = caller.f_back
        if caller is not None and LAYERS.index(package(name)) < LAYERS.index(package(module(caller))):
            upwards.add((module(caller), name))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(before)
    return list(entered), upwards


def package(name):
    return name.partition("/")[0]


@pytest.fixture(scope="module")
def of_arrays():
    generator = np.random.default_rng(1)
    X = generator.standard_normal((200, 3))
    y = X @ [1.0, 2.0, 3.0] + generator.standard_normal(200)
    gl.fit(X, y)  # what is imported and set up once is no part of the way
    return follow(lambda: gl.fit(X, y))


@pytest.fixture(scope="module")
def of_a_file(tmp_path_factory):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("duckdb")
    generator = np.random.default_rng(2)
    x = generator.standard_normal(200)
    path = tmp_path_factory.mktemp("walk") / "rows.parquet"
    parquet.write_table(pyarrow.table({"x": x, "g": ["a", "b"] * 100, "y": 2 * x + generator.standard_normal(200)}), path)
    gl.fit("y ~ x + C(g)", path)
    return follow(lambda: gl.fit("y ~ x + C(g)", path))


LIBRARY = ("base", "linalg")
"""Packages of helpers that know nothing of models: their functions do what their names say, and a reader of the way need not open them."""


def way_and_helpers(modules):
    """How many modules a reader opens, and how many helpers these call."""
    helpers = [name for name in modules if package(name) in LIBRARY]
    return len(modules) - len(helpers), len(helpers)


# The counts may fall, and then these numbers with them.
def test_arrays_enter_few_modules_and_never_lead_upwards(of_arrays):
    modules, upwards = of_arrays
    way, helpers = way_and_helpers(modules)
    assert way <= 25, modules
    assert helpers <= 2, modules
    assert upwards == set()


def test_a_file_with_a_formula_enters_few_modules_and_leads_upwards_to_its_encoder_only(of_a_file):
    modules, upwards = of_a_file
    way, helpers = way_and_helpers(modules)
    assert way <= 52, modules
    assert helpers <= 5, modules
    # Rows of a table hold the encoder that the formula has learned, and ask it for columns; threads ask for the next chunk.
    assert upwards == {("tables/rows.py", "formulas/encoder.py"), ("base/threads.py", "tables/chunks.py")}


def told():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## One fit, followed by hand\n")[2].partition("\n## ")[0]
    steps, _, other = section.partition("\nA Parquet file")
    names = [re.findall(r"`((?!tests/)\w+/[\w/]+\.py)`", part) for part in (steps, other)]
    assert all(names)
    return names


def test_contributing_tells_the_way_of_arrays(of_arrays):
    modules, _ = of_arrays
    steps, _ = told()
    assert [name for name in modules if name in steps] == [name for name in steps if name in modules]
    # The record has no function of its own to enter.
    assert set(steps) - set(modules) == {"model/record.py"}


def test_contributing_tells_the_way_of_a_file(of_a_file):
    modules, _ = of_a_file
    _, other = told()
    assert [name for name in modules if name in other] == other
