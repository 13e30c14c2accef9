"""Docstrings of public names: sections as numpydoc has them, parameters that exist, examples that run."""

import doctest
import inspect
import re
import types

import pytest

import gradline as gl

MODULES = (gl, gl.losses, gl.penalties, gl.plot, gl.datasets, gl.constraints, gl.schedules)
CLASSES = (
    gl.Cluster,
    gl.Fit,
    gl.Moments,
    gl.LinearClassifier,
    gl.LinearRegression,
    gl.ActiveSetNewton,
    gl.Adam,
    gl.AdamW,
    gl.ConstrainedNewton,
    gl.ConstrainedPiecewiseLinear,
    gl.GradientDescent,
    gl.LBFGS,
    gl.LeastSquares,
    gl.Newton,
    gl.NewtonCG,
    gl.PiecewiseLinear,
    gl.ProximalNewton,
    gl.plot.Animation,
)


def public_functions():
    """Functions of the public modules, and the methods of public classes, those they inherit included."""
    for module in MODULES:
        for name in module.__all__:
            found = getattr(module, name)
            if isinstance(found, types.FunctionType):
                yield f"{module.__name__}.{name}", found
    for of in CLASSES:
        for name in dir(of):
            found = inspect.getattr_static(of, name)
            found = getattr(found, "__func__", found)
            if isinstance(found, types.FunctionType) and not name.startswith("_"):
                yield f"gradline.{of.__name__}.{name}", found


FUNCTIONS = dict(public_functions())
DESCRIBED = {**FUNCTIONS, **{f"gradline.{of.__name__}": of for of in CLASSES if of not in (gl.Fit, gl.plot.Animation)}}

SOLVERS_OWN = {"refuses", "solve", "solve_from", "begin", "ending_with_curvature", "batch_of", "check_training"}
"""Methods of solvers that gradline calls; what they take is told where the protocol of solvers is."""

ROUTING = {name for of in (gl.LinearClassifier, gl.LinearRegression) for name in dir(of) if re.fullmatch("set_.*_request", name)}
ROUTING |= {"get_metadata_routing"}
"""Methods that scikit-learn calls."""

INTERNAL = {"gradline.Fit.of", "gradline.losses.by_name", "gradline.losses.parse"}


def sections(found):
    return re.findall(r"^(\w[\w ]*)\n-{3,}$", inspect.getdoc(found), re.MULTILINE)


def owed(name):
    last = name.rpartition(".")[2]
    return last not in SOLVERS_OWN | ROUTING and name not in INTERNAL


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if owed(name)])
def test_every_public_function_says_what_it_takes_returns_and_shows_it(name):
    found = FUNCTIONS[name]
    signature = inspect.signature(found)
    expected = {"Parameters"} if set(signature.parameters) - {"self", "cls"} else set()
    if signature.return_annotation not in (None, "None"):
        expected.add("Returns")
    assert expected <= set(sections(found))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_functions_of_public_modules_have_examples(module):
    for name in module.__all__:
        found = getattr(module, name)
        if isinstance(found, types.FunctionType) and owed(f"{module.__name__}.{name}"):
            assert "Examples" in sections(found), name


@pytest.mark.parametrize("of", [of for of in CLASSES if of not in (gl.Fit, gl.plot.Animation)], ids=lambda of: of.__name__)
def test_classes_that_are_made_by_hand_have_examples(of):
    assert "Examples" in sections(of)
    assert "Parameters" in sections(of) or not inspect.signature(of).parameters


NO_VALUES = {"gradline.schedules.Schedule"}
"""A name of a type, which is told where it is used."""

VALUES = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
    if not isinstance(getattr(module, name), types.ModuleType) and f"{module.__name__}.{name}" not in NO_VALUES
}


@pytest.mark.parametrize("name", VALUES)
def test_every_public_name_has_an_example(name):
    assert ">>> " in (inspect.getdoc(VALUES[name]) or "")


@pytest.mark.parametrize("name", [name for name in VALUES if name not in DESCRIBED])
def test_examples_of_classes_and_losses_run(name):
    value = VALUES[name]
    found = value if inspect.isclass(value) else type(value)
    if name.startswith("gradline.plot."):
        pytest.importorskip("PIL")
    if name == "gradline.Cluster":
        pytest.importorskip("dask")
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    tests = finder.find(found, name, globs={})
    assert tests
    for example in tests:
        assert runner.run(example).failed == 0


@pytest.mark.parametrize("name", ["gradline.fit", "gradline.Fit.predict", "gradline.losses.huber", "gradline.load"])
def test_the_most_used_read_like_a_reference(name):
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(sections(FUNCTIONS[name]))


@pytest.mark.parametrize("name", [name for name, found in DESCRIBED.items() if "Parameters" in sections(found)])
def test_parameters_that_are_described_exist_and_all_are_described(name):
    text, signature = inspect.getdoc(DESCRIBED[name]), inspect.signature(DESCRIBED[name])
    section = re.split(r"\n\n\w[\w ]*\n-{3,}\n", text.partition("Parameters\n----------\n")[2])[0]
    described = {
        one.strip().lstrip("*")
        for line in section.splitlines()
        if line and not line.startswith(" ")
        for one in line.partition(" : ")[0].split(",")
    }
    kinds = inspect.Parameter
    known = {p.name for p in signature.parameters.values() if p.name not in ("self", "cls")}
    spare = {p.name for p in signature.parameters.values() if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)}
    assert described <= known
    assert known - described - spare == set()


@pytest.mark.parametrize("name", [name for name, found in DESCRIBED.items() if ">>>" in (found.__doc__ or "")])
def test_examples_run(name):
    if name.startswith("gradline.plot."):
        pytest.importorskip("matplotlib").use("Agg")
    if name == "gradline.plot.animation":
        pytest.importorskip("PIL")
    if name.startswith("gradline.Cluster"):
        pytest.importorskip("distributed")
    if name == "gradline.losses.custom":
        pytest.importorskip("jax")
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for example in finder.find(DESCRIBED[name], name, globs={}):
        assert runner.run(example).failed == 0
    if name.startswith("gradline.plot."):
        import matplotlib.pyplot as plt

        plt.close("all")
