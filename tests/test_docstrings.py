"""Docstrings of public names: sections as numpydoc has them, parameters that exist, examples that run."""

import doctest
import inspect
import re
import types

import pytest

import gradline as gl


def public_functions():
    for module in (gl, gl.losses, gl.penalties, gl.plot, gl.datasets):
        for name in module.__all__:
            found = getattr(module, name)
            if isinstance(found, types.FunctionType):
                yield f"{module.__name__}.{name}", found
    for name, found in vars(gl.Fit).items():
        if isinstance(found, types.FunctionType) and not name.startswith("_"):
            yield f"gradline.Fit.{name}", found


FUNCTIONS = dict(public_functions())


@pytest.mark.parametrize("name", ["gradline.fit", "gradline.Fit.predict", "gradline.losses.huber", "gradline.load"])
def test_the_most_used_read_like_a_reference(name):
    text = inspect.getdoc(FUNCTIONS[name])
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n{'-' * len(section)}\n" in text, f"{name} has no section {section}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_that_are_described_exist_and_all_are_described(name):
    text, signature = inspect.getdoc(FUNCTIONS[name]), inspect.signature(FUNCTIONS[name])
    if "Parameters\n----------\n" not in text:
        pytest.skip("has no section of parameters")
    section = re.split(r"\n\n\w[\w ]*\n-{3,}\n", text.partition("Parameters\n----------\n")[2])[0]
    described = {
        one.strip().lstrip("*")
        for line in section.splitlines()
        if line and not line.startswith(" ")
        for one in line.partition(" : ")[0].split(",")
    }
    kinds = inspect.Parameter
    known = {p.name for p in signature.parameters.values() if p.name != "self"}
    spare = {p.name for p in signature.parameters.values() if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)}
    assert described <= known
    assert known - described - spare == set()


@pytest.mark.parametrize("name", [name for name, found in FUNCTIONS.items() if ">>>" in (found.__doc__ or "")])
def test_examples_run(name):
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for example in finder.find(FUNCTIONS[name], name, globs={}):
        assert runner.run(example).failed == 0
