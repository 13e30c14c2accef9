"""Values whose squares leave the range of a double: scaled, or refused in words; never a crash, nor a line printed by LAPACK."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gradline as gl

LOSSES = {
    "absolute": "absolute",
    "quantile": gl.losses.quantile(0.3),
    "huber": gl.losses.huber(1.0),
    "squared": "squared",
    "logistic": "logistic",
    "normal": "normal",
}


@pytest.mark.parametrize("unit", [2.0**-997, 2.0**-530, 2.0**530, 2.0**996])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("intercept", [True, False])
def test_columns_of_any_size(capfd, name, unit, intercept):
    generator = np.random.default_rng(0)
    x = generator.integers(-20, 21, size=(60, 2)).astype(float)
    y = x @ [0.1, -0.2] + generator.normal(size=60)
    if name == "logistic":
        y = (y > 0).astype(float)
    intercept = intercept or name == "normal"
    right = gl.fit(x, y, loss=LOSSES[name], intercept=intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gl.fit(x * [unit, 1.0], y, loss=LOSSES[name], intercept=intercept, covariance=False)
    assert found.certificate.converged
    assert found.loss == pytest.approx(right.loss, rel=1e-9)
    place = int(intercept)
    got = np.asarray(found.coefficients)[place] * unit
    np.testing.assert_allclose(got, np.asarray(right.coefficients)[place], rtol=1e-7, atol=1e-9)
    printed = capfd.readouterr()
    assert "illegal value" not in printed.out + printed.err


@pytest.mark.parametrize("name", LOSSES)
def test_a_coefficient_beyond_the_range_is_refused_in_words(name):
    generator = np.random.default_rng(0)
    x = generator.integers(-20, 21, size=(60, 2)).astype(float)
    y = x @ [0.1, -0.2] + generator.normal(size=60)
    y = (y > 0).astype(float) if name == "logistic" else y
    with pytest.raises(ValueError, match="the coefficient of 'x1' leaves the range of a double"):
        gl.fit(x * [2.0**-1060, 1.0], y, loss=LOSSES[name])


@pytest.mark.parametrize("size", [1e-300, 1e300])
@pytest.mark.parametrize("name", ["absolute", "quantile", "huber", "squared"])
def test_two_rows(capfd, size, name):
    x = np.array([[1.0, size], [2.0, 3.0 * size]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gl.GradlineWarning)
        found = gl.fit(x, [1.0, 2.0], loss=LOSSES[name])
    assert found.loss == pytest.approx(0.0, abs=1e-12)
    printed = capfd.readouterr()
    assert "illegal value" not in printed.out + printed.err


@pytest.mark.parametrize("size", [1e-320, 1e300])
def test_targets_out_of_range_are_refused_in_words(size):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(50, 2))
    with pytest.raises(ValueError, match="give the target in another unit"):
        gl.fit(x, size * (1.0 + np.abs(x[:, 0])), loss="absolute")


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_a_ridge_is_in_the_units_given(size):
    generator = np.random.default_rng(2)
    x = generator.normal(size=(50, 1))
    y = 1.0 + x[:, 0] + generator.normal(size=50)
    found = gl.fit(size * x, y, loss=gl.losses.huber(1.0), penalty=gl.penalties.ridge(0.1), covariance=False)
    # Beside a column so large the ridge is nothing, beside one so small everything.
    right = gl.fit(x, y, loss=gl.losses.huber(1.0)) if size > 1 else gl.fit("y ~ 1", {"y": y}, loss=gl.losses.huber(1.0))
    assert found.coefficients[0] == pytest.approx(right.coefficients[0], rel=1e-9)
