"""Curves of negative binomial counts that vary no more than Poisson counts: the limit is Poisson's fit, as mgcv has it
(tests/reference/smooth/counts.R)."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

import gradline as gl

FOLDER = Path(__file__).parents[1] / "reference" / "smooth"
FITS = {fit["target"]: fit for fit in json.loads((FOLDER / "counts.json").read_text())["fits"]}
AT_LIMIT = [target for target, fit in FITS.items() if fit["theta"] > 1000]
NEAR = [target for target, fit in FITS.items() if 10 < fit["theta"] <= 1000]
SPREAD = [target for target, fit in FITS.items() if fit["theta"] <= 10]


@pytest.fixture(scope="module")
def rows():
    with (FOLDER / "counts.csv").open() as file:
        found = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in found]) for name in found[0]}


def fitted(rows, target, **formulas):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = gl.fit({"log_mean": f"{target} ~ s(x)", **formulas} if formulas else f"{target} ~ s(x)", rows, loss="negative_binomial")
    return fit, [str(one.message) for one in said]


def test_there_are_all_kinds():
    assert (len(AT_LIMIT), len(NEAR), len(SPREAD)) == (4, 4, 2)


@pytest.mark.parametrize("target", AT_LIMIT)
def test_at_the_limit_curve_and_strength_are_those_of_poisson_counts(rows, target):
    fit, said = fitted(rows, target)
    expected, near = FITS[target]["poisson"], FITS[target]["negative binomial"]
    assert fit.coefficients[0, 1] < -15
    assert not fit.certificate.converged
    assert "log_dispersion" in fit.certificate.reason
    assert "Poisson" in fit.certificate.remedy
    assert len(said) == 1
    [curve] = fit.curves
    assert np.log(curve.strengths[0] * 300) == pytest.approx(np.log(expected["sp"][0]), abs=1e-4)
    assert curve.degrees_of_freedom == pytest.approx(expected["edf"][0], abs=1e-4)
    # mgcv's negative binomial stops at a large theta, short of the limit.
    assert curve.degrees_of_freedom == pytest.approx(near["edf"][0], abs=1e-3)
    linear = fit.predict({"x": rows["x"][:40]}, kind="linear")
    assert linear[:, 0] == pytest.approx(np.array(expected["fitted"]), abs=1e-5)


@pytest.mark.parametrize("target", SPREAD)
def test_counts_that_vary_more_keep_their_dispersion(rows, target):
    fit, said = fitted(rows, target)
    assert fit.certificate.converged
    assert not said
    # mgcv takes theta by restricted likelihood, gradline by the penalised likelihood.
    assert fit.coefficients[0, 1] == pytest.approx(-np.log(FITS[target]["theta"]), abs=0.1)
    assert fit.curves[0].degrees_of_freedom == pytest.approx(FITS[target]["negative binomial"]["edf"][0], abs=0.02)


@pytest.mark.parametrize("target", NEAR)
def test_near_the_limit_the_strengths_settle(rows, target):
    """By restricted likelihood theta is some fifty, by likelihood more, of one target beyond all bounds."""
    fit, said = fitted(rows, target)
    assert fit.coefficients[0, 1] < -np.log(FITS[target]["theta"])
    assert not any("settled" in one for one in said)
    assert fit.curves[0].degrees_of_freedom == pytest.approx(FITS[target]["negative binomial"]["edf"][0], abs=0.02)


@pytest.mark.parametrize("target", AT_LIMIT[:2])
def test_no_dispersion_fits_better_than_none(rows, target):
    """By SciPy's probabilities, at the curve found."""
    fit, _ = fitted(rows, target)
    mean, y = fit.predict({"x": rows["x"]}), rows[target]
    limit = -poisson.logpmf(y, mean).mean()
    assert fit.loss - fit.penalty.value(fit.coefficients[1:]) == pytest.approx(limit, abs=1e-9)
    for dispersion in (1e-4, 1e-3, 1e-2, 0.1, 1.0):
        assert -nbinom.logpmf(y, 1 / dispersion, 1 / (1 + dispersion * mean)).mean() > limit


def test_as_without_curves(rows):
    target = AT_LIMIT[0]
    curved, said = fitted(rows, target)
    with pytest.warns(gl.GradlineWarning, match="keeps falling") as without:
        straight = gl.fit(f"{target} ~ wave", {**rows, "wave": np.sin(rows["x"])}, loss="negative_binomial")
    assert curved.certificate.reason == straight.certificate.reason
    assert curved.certificate.remedy == straight.certificate.remedy
    assert said == [str(without[0].message)]


def test_what_is_at_a_limit():
    """What its curvature was tells whether a linear predictor is at a limit, and never are all."""
    from gradline.smoothing.limits import Limits

    movable = np.array([[True, True], [True, False]])
    limits = Limits(movable, np.array([[0.5, -1.0], [0.0, 0.0]]))
    assert limits.vanished(np.diag([2.0, 3.0, 4.0, 0.0])) == set()
    assert limits.vanished(np.diag([2.0, 3.0, -1e-9, 0.0])) == {1}
    assert limits.vanished(np.diag([2.0, 3.0, -1e-9, 0.0]), frozenset({1})) == set()
    assert limits.vanished(np.diag([1e-9, 3.0, 1e-3, 0.0])) == set()
    assert limits.vanished(np.diag([1e-9, 1e-9, 1e-9, 0.0])) == set()
    moved = limits.begun(np.full((2, 2), 7.0), frozenset({1}))
    np.testing.assert_array_equal(moved, [[7.0, -1.0], [7.0, 0.0]])
