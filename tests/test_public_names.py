"""Every public name is what it should be, however and however often it is reached."""

import importlib
import inspect
import json
import pkgutil
import random
import subprocess
import sys

import pytest

import gradline as gl

HEAVY = ["tensorflow", "jax", "torch", "sklearn", "matplotlib", "duckdb", "pandas", "formulaic", "pyarrow"]
MODULES = {"constraints", "datasets", "losses", "penalties", "plot", "schedules", "studio"}


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("seed", range(3))
def test_every_public_name_touched_twice_in_random_order(seed):
    # A lazily imported submodule becomes an attribute of its package, and could take the place of a function of the same name.
    code = f"""
import json, random, types
import gradline as gl
names = 2 * list(gl.__all__)
random.Random({seed}).shuffle(names)
kinds = {{}}
for name in names:
    kind = "module" if isinstance(getattr(gl, name), types.ModuleType) else "object"
    assert kinds.setdefault(name, kind) == kind, name
print(json.dumps(kinds))
"""
    kinds = json.loads(fresh(code))
    assert {name for name, kind in kinds.items() if kind == "module"} == MODULES & set(gl.__all__)


def test_importing_each_module_leaves_the_public_names_alone():
    before = {name: getattr(gl, name) for name in gl.__all__}
    modules = [module.name for module in pkgutil.walk_packages(gl.__path__, "gradline.") if "__main__" not in module.name]
    assert len(modules) > 200
    random.Random(0).shuffle(modules)
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            # A framework is an extra, and what speaks to it needs it.
            if error.name not in ("tensorflow", "jax", "torch"):
                raise
    assert {name: getattr(gl, name) for name in gl.__all__} == before


@pytest.mark.parametrize("name", gl.__all__)
def test_public_names_have_docstrings(name):
    assert inspect.getdoc(getattr(gl, name))


@pytest.mark.parametrize(
    "module", [gl, gl.constraints, gl.losses, gl.plot, gl.penalties, gl.datasets, gl.schedules], ids=lambda module: module.__name__
)
def test_completion_offers_the_public_names_and_no_others(module):
    assert set(dir(module)) - {"__version__"} == set(module.__all__)
    assert len(module.__all__) == len(set(module.__all__))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'linear_regression'"):
        gl.linear_regression


def test_import_loads_nothing_heavy():
    loaded = fresh("import sys, gradline; print('\\n'.join(sys.modules))").split()
    assert not {module.partition(".")[0] for module in loaded} & {*HEAVY, "numpy", "scipy", "rich", "typer"}


def test_a_built_in_fit_loads_no_framework():
    code = "import sys, gradline as gl; x, y = gl.datasets.line(); gl.fit(x, y); print('\\n'.join(sys.modules))"
    loaded = fresh(code).split()
    assert not {module.partition(".")[0] for module in loaded} & set(HEAVY)
