"""``gradline fit --constraint``."""

import json

import numpy as np
import pytest
from inside import call_inside
from test_fit import call, refused, write

import gradline as gl

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(200, 2))
Y = X @ [1.0, -0.5] + RANDOM.normal(size=200)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "rows.csv", {"x1": X[:, 0], "x2": X[:, 1], "y": Y})
    return tmp_path


def test_a_summary_and_a_model(folder):
    asked = ("--constraint", "x2 >= 0", "--constraint", "x1 <= 0.5")
    result = call("fit", "rows.csv", "y ~ x1 + x2", *asked, "--out", "model.json", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "2 constraints; 2 hold as equations (with their multipliers): x2 >= 0" in " ".join(result.stdout.split())
    assert gl.load(folder / "model.json").active_constraints == ("x2 >= 0", "x1 <= 0.5")


def test_what_a_program_is_told(folder):
    found = json.loads(call_inside("fit", "rows.csv", "y ~ x1 + x2", "--constraint", "x2 >= 0", "--json", folder=folder).stdout)
    assert found["active_constraints"] == ["x2 >= 0"]
    assert found["constraints"]["x2 >= 0"] > 0
    assert json.loads(call_inside("fit", "rows.csv", "y ~ x1 + x2", "--json", folder=folder).stdout)["constraints"] == {}


def test_what_cannot_be(folder):
    refused(call_inside("fit", "rows.csv", "y ~ x1", "--constraint", "x9 >= 0", folder=folder), "no coefficient 'x9'; did you mean 'x1'?")
    result = call_inside("fit", "rows.csv", "y ~ x1", "--constraint", "x1 >= 1, x1 <= 0", folder=folder)
    refused(result, "'x1 >= 1', 'x1 <= 0' together")
