"""Data and fits that the tests of the pictures share. Built-in losses only where a tape is not what is tested: they need no tracing."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest

import gradline as gl


@pytest.fixture(scope="session")
def line():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    return x, 6 * x - 5 + rng.normal(size=300)


@pytest.fixture(scope="session")
def descended(line):
    return gl.fit(*line, solver=gl.GradientDescent(0.05, steps=200))


@pytest.fixture(scope="session")
def exact(line):
    return gl.fit(*line)


@pytest.fixture(scope="session")
def planes():
    return gl.datasets.plane(3, 2, n_examples=200, seed=1)


@pytest.fixture(scope="session")
def many(planes):
    return gl.fit(*planes, solver=gl.GradientDescent(steps=100))
