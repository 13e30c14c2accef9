"""Paths beside those of programs in other languages, whose results are kept: no objective of ours is above theirs."""

import json
from pathlib import Path

import numpy as np
import pytest

import gradline as gl

REFERENCE = Path(__file__).parents[1] / "reference"


def glmnet_data():
    """What glmnet_paths.R makes."""
    i, j = np.arange(1, 151)[:, None], np.arange(1, 9)[None, :]
    x = np.sin(0.7 * i * j) + np.cos(1.3 * i + 2.1 * j)
    eta = x[:, 0] - 0.8 * x[:, 2] + 0.3 * x[:, 5]
    u = (np.arange(1, 151) * 0.6180339887498949) % 1
    return x, {"logistic": (u < 1 / (1 + np.exp(-eta))) * 1.0, "poisson": np.floor(np.exp(0.5 * eta) * (0.5 + 2 * u))}


def mean_loss(name, y, eta):
    return np.mean(np.logaddexp(0.0, eta) - y * eta) if name == "logistic" else np.mean(np.exp(eta) - y * eta)


@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_no_objective_is_above_that_of_glmnet(name):
    known = json.loads((REFERENCE / "glmnet_paths.json").read_text())[name]
    x, targets = glmnet_data()
    y, strengths = targets[name], np.array(known["strengths"])
    path = gl.path(x, y, loss=name, strengths=strengths)
    np.testing.assert_allclose(path.strengths, strengths)
    assert path.converged.all()
    found, theirs = path.coefficients[:, :, 0], np.array(known["coefficients"])
    np.testing.assert_allclose(found, theirs, atol=2e-6)
    for place, strength in enumerate(strengths):
        own, other = (mean_loss(name, y, b[0] + x @ b[1:]) + strength * np.abs(b[1:]).sum() for b in (found[place], theirs[place]))
        assert own <= other + 1e-10 * abs(other)
    largest = gl.path(x, y, loss=name, strengths=2).strengths[0]
    assert largest == pytest.approx(strengths[0], rel=1e-7)


@pytest.mark.parametrize("name", ["mcp", "scad"])
def test_no_objective_is_above_that_of_skglm(name):
    known = json.loads((REFERENCE / "skglm_nonconvex.json").read_text())[name]
    i, j = np.arange(1, 121)[:, None], np.arange(1, 13)[None, :]
    x = np.sin(0.7 * i * j) + np.cos(1.3 * i + 2.1 * j)
    y = x[:, 0] * 2 - x[:, 3] + 0.5 * x[:, 7] + 2 * ((np.arange(1, 121) * 0.6180339887498949) % 1) - 1
    x, y = x - x.mean(axis=0), y - y.mean()
    x /= np.sqrt(np.mean(np.square(x), axis=0))
    # Its loss is half a square. Twice its MCP is one of twice the strength and half of gamma; twice its SCAD is one of slopes sqrt(2)
    # times as large, whose threshold is as far beyond.
    strengths, root = np.array(known["strengths"]), np.sqrt(2.0)
    if name == "mcp":
        penalty, unit, own = gl.penalties.mcp(gamma=1.5), 1.0, 2.0 * strengths
    else:
        penalty, unit, own = gl.penalties.scad(a=3.7), root, root * strengths
    path = gl.path(x / unit, y, penalty=penalty, strengths=own, intercept=False)
    assert path.converged.all()
    lower = 0
    for place in range(len(strengths)):
        theirs = unit * np.array(known["slopes"][place])
        bound = path.penalties[place]
        other = np.mean(np.square(y - x @ theirs / unit)) + bound.value(theirs[:, None])
        assert path.objectives[place] <= other + 1e-8
        lower += path.objectives[place] < other - 1e-8
    assert lower < len(strengths)
