"""P-splines beside R's mgcv: at fixed strengths, by REML, and the tests of each curve (tests/reference/smooth/mgcv.R)."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import gradline as gl

FOLDER = Path(__file__).parents[1] / "reference" / "smooth"
FITS = {fit["name"]: fit for fit in json.loads((FOLDER / "mgcv.json").read_text())["fits"]}
NEW = {
    "x1": np.array([-0.1, 0.0, 0.31, 0.99, 1.2]),
    "x2": np.array([0.0, -4.0, 1.0, 0.5, 4.5]),
    "x3": np.array([0.0, 1.0, -2.5, 2.0, 3.4]),
    "g": np.array(list("abcab")),
}
LOSSES = {"gaussian": "squared", "logistic": "logistic", "poisson": "poisson"}
TARGETS = {"gaussian": "y", "logistic": "b", "poisson": "n"}


@pytest.fixture(scope="module")
def rows():
    with (FOLDER / "rows.csv").open() as file:
        found = list(csv.DictReader(file))
    return {name: np.array([row[name] for row in found] if name == "g" else [float(row[name]) for row in found]) for name in found[0]}


def asked(name, n):
    """(formula, loss, strengths in gradline's unit) of one of the fits."""
    own = FITS[name]
    words = name.split()
    kind = next((word for word in words if word in LOSSES), "gaussian")
    loss = LOSSES[kind]
    # mgcv: deviance + strength b'Sb; gradline: mean loss + strength b'Sb / 2, of squared loss or half the deviance.
    strengths = np.array(own["strengths"]) * (2.0 if loss == "squared" else 1.0) / n
    given = [f", strength={strength!r}" for strength in strengths.tolist()] if "fixed" in words else ["", ""]
    if name == "by levels":
        return "y ~ g + s(x1, by=g, k=8) + s(x2, k=8)", loss, strengths
    if name == "by number":
        return "y ~ s(x1, k=8) + s(x2, by=x3, k=8)", loss, strengths
    if "surface" in words:
        both = f", strength={strengths.tolist()}" if "fixed" in words else ""
        return f"u ~ te(x1, x3, k=6{both})", loss, strengths
    target = ("w" if "weak" in words else "") + TARGETS[kind]
    return f"{target} ~ s(x1, k=20{given[0]}) + s(x2, k=10{given[1]}) + x3", loss, strengths


@pytest.fixture(scope="module")
def fits(rows):
    made = {}

    def of(name):
        if name not in made:
            formula, loss, strengths = asked(name, len(rows["y"]))
            made[name] = gl.fit(formula, rows, loss=loss), strengths, FITS[name]
        return made[name]

    return of


def in_order(fit, own, values):
    """mgcv's values in the order of the fit's curves: a curve for each level comes last there."""
    if len(own["terms"]) > 2:
        places = [len(own["terms"]) - 1, *range(len(own["terms"]) - 1)]
        return np.array(values)[places]
    return np.array(values)


@pytest.mark.parametrize("name", [name for name in FITS if "fixed" in name])
def test_at_fixed_strengths(name, fits, rows):
    fit, _, own = fits(name)
    assert fit.predict(NEW, kind="linear") == pytest.approx(own["new"], rel=1e-8, abs=1e-8)
    shown = {key: values[:40] for key, values in rows.items()}
    assert fit.predict(shown, kind="linear") == pytest.approx(own["fitted"], rel=1e-8, abs=1e-8)
    assert [curve.degrees_of_freedom for curve in fit.curves] == pytest.approx(own["edf"], abs=1e-8)
    assert [curve.reference for curve in fit.curves] == pytest.approx(own["reference_df"], abs=1e-8)
    found = fit.predict(NEW, kind="linear", interval="confidence")
    law = fit.interval(0.95)
    wide = (law.upper[0] - law.lower[0]) / (2.0 * fit.standard_errors[0])
    assert (found.upper - found.lower) / (2.0 * wide) == pytest.approx(own["new_errors"], rel=1e-7)


def test_coefficients_are_those_of_mgcv_but_for_signs(fits):
    fit, _, own = fits("gaussian fixed")
    assert np.abs(fit.coefficients[[0, -1]]) == pytest.approx(np.abs([own["coefficients"][0], own["coefficients"][1]]), rel=1e-8)
    assert np.abs(fit.coefficients[1:20]) == pytest.approx(np.abs(own["coefficients"][2:21]), rel=1e-7)


@pytest.mark.parametrize("name", ["gaussian", "logistic", "poisson", "by levels", "by number", "surface"])
def test_strengths_by_reml(name, fits):
    fit, strengths, own = fits(name)
    found = np.log([strength for curve in fit.curves for strength in curve.strengths])
    expected = np.log(strengths if name == "surface" else in_order(fit, own, strengths))
    assert found == pytest.approx(expected, abs=1e-4)
    assert [curve.degrees_of_freedom for curve in fit.curves] == pytest.approx(in_order(fit, own, own["edf"]), abs=1e-4)
    assert fit.predict(NEW, kind="linear") == pytest.approx(own["new"], abs=1e-4)


@pytest.mark.parametrize("name", [name for name in FITS if "weak" in name or name == "logistic"])
def test_tests_of_curves(name, fits):
    fit, _, own = fits(name)
    assert [curve.p_value for curve in fit.curves] == pytest.approx(own["p"], abs=5e-4)
    assert [curve.degrees_of_freedom for curve in fit.curves] == pytest.approx(own["edf"], abs=1e-3)
    assert {curve.statistic_name for curve in fit.curves} == {"F" if "gaussian" in name else "chi2"}


@pytest.mark.parametrize("name", ["gaussian", "by levels", "surface"])
def test_statistics_of_strong_curves(name, fits):
    # mgcv takes one of two roots by the sign of an eigenvector; here it is the mean of both.
    fit, _, own = fits(name)
    assert [curve.statistic for curve in fit.curves] == pytest.approx(in_order(fit, own, own["statistic"]), rel=2e-3)
    assert max(curve.p_value for curve in fit.curves) < 1e-10


def test_the_scale_is_that_of_mgcv(fits):
    fit, _, own = fits("gaussian")
    assert float(fit.dispersion) == pytest.approx(own["scale"][0], rel=1e-6)
