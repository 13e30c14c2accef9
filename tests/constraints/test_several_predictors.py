"""Constraints and hypotheses where there are several linear predictors: their names, and those that need none."""

import numpy as np
import pytest

import gradline as gl

RNG = np.random.default_rng(5)
N = 300
X = RNG.normal(size=N)
TABLE = {
    "x": X,
    "z": RNG.normal(size=N),
    "counts": RNG.negative_binomial(2, 1 / (1 + 0.5 * np.exp(0.5 + 0.2 * X))),
    "rank": np.digitize(0.2 * X + RNG.logistic(size=N), [-1, 1]),
    "time": np.exp(1 + 0.2 * X) * RNG.weibull(1.5, size=N),
    "seen": RNG.integers(2, size=N),
}


@pytest.mark.parametrize(
    ("left", "loss", "predictor"),
    [("counts", "negative_binomial", "log_mean"), ("rank", "ordinal", "location"), ("surv(time, seen)", "weibull", "location")],
)
def test_a_name_that_one_linear_predictor_has_needs_no_more(left, loss, predictor):
    formula = f"{left} ~ x + z"
    held = gl.fit(formula, TABLE, loss=loss, constraints="x = 0.5, z >= 0.1")
    assert held.coefficients[1, 0] == pytest.approx(0.5, abs=1e-12)
    assert held.coefficients[2, 0] >= 0.1 - 1e-12
    full = gl.fit(formula, TABLE, loss=loss, constraints=f"{predictor}:x = 0.5, {predictor}:z >= 0.1")
    np.testing.assert_array_equal(held.coefficients, full.coefficients)
    free = gl.fit(formula, TABLE, loss=loss, covariance="default")
    assert free.test("x = 0.1, z = x").statistic == free.test(f"{predictor}:x = 0.1, {predictor}:z = {predictor}:x").statistic


def test_a_name_that_several_have_is_not_guessed():
    mixed = {"y": TABLE["counts"], "x": X}
    with pytest.raises(ValueError, match="did you mean 'log_mean:x' or 'log_odds_of_zero:x'"):
        gl.fit("y ~ x", mixed, loss="zero_inflated", constraints="x >= 0")
    with pytest.raises(ValueError, match="did you mean 'log_mean:x' or 'log_odds_of_zero:x'"):
        gl.fit("y ~ x", mixed, loss="zero_inflated").test("x = 1")
