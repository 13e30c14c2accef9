"""Following a fit by hand: how many modules its calls enter, that they never lead upwards, and that CONTRIBUTING tells it as it is."""

import functools
import re
import sys
import threading
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import gradline as gl
from gradline.base.threads import worker_threads

ROOT = Path(__file__).parents[1]
SOURCE = Path(gl.__file__).parent
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]


def module(frame):
    """The path below src/gradline of the code of a frame; None for the code of others."""
    path = Path(frame.f_code.co_filename)
    return path.relative_to(SOURCE).as_posix() if path.is_relative_to(SOURCE) else None


def package(name):
    return name.partition("/")[0]


def parts(value):
    """What a value is made of, as far as rows could be handed on in it."""
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, types.MethodType):
        return [value.__self__]
    if isinstance(value, types.FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
    if type(value).__module__.startswith("gradline."):
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        return [*getattr(value, "__dict__", {}).values(), *(getattr(value, name) for name in slots if hasattr(value, name))]
    return []


def holds(value, is_rows):
    """Whether a value is the rows, or holds them at any depth: in a container, a field, a bound method or a closure."""
    seen, left = {}, [value]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type | types.ModuleType):
            continue
        seen[id(one)] = one
        if is_rows(one):
            return True
        left += parts(one)
    return False


class Walk:
    """A run as it is called: the modules that calls enter, in their order; those to whose code the rows come; calls to a higher package.

    Rows come to a module where a variable of one of its functions holds them, when it is called or when it returns, or what it returns.
    """

    def __init__(self, run, is_rows):
        self.entered, self.handed, self.upwards = {}, {}, set()
        self.is_rows, self.lock = is_rows, threading.RLock()
        before = sys.getprofile()
        # Threads of a pool look for a profile when they begin only.
        worker_threads.cache_clear()
        threading.setprofile(self.look)
        sys.setprofile(self.look)
        try:
            run()
        finally:
            sys.setprofile(before)
            threading.setprofile(None)
            worker_threads.cache_clear()

    def look(self, frame, event, argument):
        if event not in ("call", "return") or frame.f_code.co_name == "<module>" or (name := module(frame)) is None:
            return
        with self.lock:
            self.entered.setdefault(name)
            values = [*frame.f_locals.values(), argument if event == "return" else None]
            if name not in self.handed and any(holds(value, self.is_rows) for value in values):
                self.handed[name] = frame.f_code.co_name
            caller = frame.f_back
            while caller is not None and module(caller) is None:
                caller = caller.f_back
            if caller is not None and LAYERS.index(package(name)) < LAYERS.index(package(module(caller))):
                self.upwards.add((module(caller), name))


def holds_one_of(values):
    """Whether an array holds one of these values or a power of two times it, which nothing else does: so that copies are known too."""
    digits = np.frexp(values)[0]
    return lambda one: isinstance(one, np.ndarray) and one.dtype == np.float64 and bool(np.isin(np.frexp(one)[0], digits).any())


@pytest.fixture(scope="module")
def of_arrays():
    generator = np.random.default_rng(1)
    X = generator.standard_normal((200, 3))
    y = X @ [1.0, 2.0, 3.0] + generator.standard_normal(200)
    gl.fit(X, y)  # what is imported and set up once is no part of the way
    return Walk(lambda: gl.fit(X, y), holds_one_of(X))


@pytest.fixture(scope="module")
def of_a_file(tmp_path_factory):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("duckdb")
    generator = np.random.default_rng(2)
    x, codes = generator.standard_normal(200), np.array([0, 1] * 100)
    path = tmp_path_factory.mktemp("walk") / "rows.parquet"
    parquet.write_table(pyarrow.table({"x": x, "g": np.array(["a", "b"])[codes], "y": 2 * x + generator.standard_normal(200)}), path)
    in_arrays = holds_one_of(x)

    def is_rows(one):
        if isinstance(one, pyarrow.Table | pyarrow.RecordBatch) or in_arrays(one):
            return True
        if isinstance(one, np.ndarray):
            return one.dtype.kind == "i" and np.array_equal(one, codes)
        return isinstance(one, str | Path) and str(one) == str(path)

    gl.fit("y ~ x + C(g)", path)
    return Walk(lambda: gl.fit("y ~ x + C(g)", path), is_rows)


LIBRARY = ("base", "linalg")
"""Packages of helpers that know nothing of models: their functions do what their names say, and a reader of the way need not open them."""


def way_and_helpers(modules):
    """How many modules a reader opens, and how many helpers these call."""
    helpers = [name for name in modules if package(name) in LIBRARY]
    return len(modules) - len(helpers), len(helpers)


# The counts may fall, and then these numbers with them.
def test_arrays_come_to_few_modules_and_never_lead_upwards(of_arrays):
    handed, (entered, helpers) = way_and_helpers(of_arrays.handed)[0], way_and_helpers(of_arrays.entered)
    assert handed <= 15, of_arrays.handed
    assert entered <= 24, list(of_arrays.entered)
    assert helpers <= 2, list(of_arrays.entered)
    assert of_arrays.upwards == set()


def test_a_file_with_a_formula_comes_to_few_modules_and_leads_upwards_to_its_encoder_only(of_a_file):
    handed, (entered, helpers) = way_and_helpers(of_a_file.handed)[0], way_and_helpers(of_a_file.entered)
    assert handed <= 35, of_a_file.handed
    assert entered <= 58, list(of_a_file.entered)
    assert helpers <= 6, list(of_a_file.entered)
    # Rows of a table hold the encoder that the formula has learned, and ask it for columns; threads ask for the next chunk, and whether
    # somebody wants the fit to stop.
    to_encoder = {("tables/rows.py", "formulas/encoder.py"), ("tables/block_maker.py", "formulas/encoder.py")}
    of_threads = {(f"base/{here}.py", f"tables/{there}.py") for here in ("threads", "listening") for there in ("chunks", "rows")}
    assert of_a_file.upwards <= to_encoder | of_threads


def told():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## One fit, followed by hand\n")[2].partition("\n## ")[0]
    steps, _, other = section.partition("\nA Parquet file")
    names = [re.findall(r"`((?!tests/)\w+/[\w/]+\.py)`", part) for part in (steps, other)]
    assert all(names)
    return names


def test_contributing_tells_the_way_of_arrays(of_arrays):
    modules = of_arrays.entered
    steps, _ = told()
    assert [name for name in modules if name in steps] == [name for name in steps if name in modules]
    # The record has no function of its own to enter.
    assert set(steps) - set(modules) == {"model/record.py"}


def test_contributing_tells_the_way_of_a_file(of_a_file):
    modules = of_a_file.entered
    _, other = told()
    assert [name for name in modules if name in other] == other
