"""Curves that turn out straight: their strengths have settled, and what is left is mgcv's (tests/reference/smooth/straight.R)."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import gradline as gl

FOLDER = Path(__file__).parents[1] / "reference" / "smooth"
FITS = {fit["name"]: fit for fit in json.loads((FOLDER / "straight.json").read_text())["fits"]}
LOSSES = {"score": "squared", "visits": "poisson", "passed": "logistic"}
TERMS = {"curves": "s(age) + s(hours)", "surface": "te(age, hours)"}


@pytest.fixture(scope="module")
def rows():
    with (FOLDER / "straight.csv").open() as file:
        found = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in found]) for name in found[0]}


@pytest.mark.parametrize("name", FITS)
def test_degrees_of_freedom_and_fit_are_mgcvs(rows, name):
    target, terms = name.split()
    with warnings.catch_warnings():
        warnings.simplefilter("error", gl.GradlineWarning)
        fit = gl.fit(f"{target} ~ {TERMS[terms]}", rows, loss=LOSSES[target])
    expected = FITS[name]
    assert [curve.degrees_of_freedom for curve in fit.curves] == pytest.approx(expected["edf"], abs=5e-4)
    found = fit.predict({column: values[:40] for column, values in rows.items()}, kind="linear")
    assert found == pytest.approx(np.array(expected["fitted"]), abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_strengths_settle_whatever_the_loss(seed):
    rng = np.random.default_rng(seed)
    data = {"age": rng.uniform(18, 70, 800), "hours": rng.uniform(0, 10, 800)}
    data["score"] = 40 + 12 * np.exp(-(((data["age"] - 35) / 14) ** 2)) + 1.5 * data["hours"] + rng.normal(0, 3, 800)
    for loss in ("squared", gl.losses.huber(3.0), gl.losses.quantile(0.9), "absolute"):
        for terms in TERMS.values():
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="the strengths of the curves have not settled")
                fit = gl.fit(f"score ~ {terms}", data, loss=loss)
            if terms == TERMS["curves"] and loss == "squared":
                assert fit.curves[1].degrees_of_freedom < 2.5
