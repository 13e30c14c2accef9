"""Ordered classes: what they equal, where their order comes from, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import gradline as gl

RNG = np.random.default_rng(12)
N = 400
X = RNG.normal(size=(N, 2))
CLASSES = np.digitize(X @ [1.0, -0.5] + RNG.logistic(size=N), [-1.0, 0.5, 2.0])
LEVELS = ["poor", "fair", "good", "best"]
TABLE = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "number": CLASSES, "text": np.array(LEVELS)[CLASSES]})
TABLE["rating"] = pd.Categorical(TABLE.text, categories=[*LEVELS, "unheard of"], ordered=True)
TABLE["unordered"] = pd.Categorical(TABLE.text)


def test_two_classes_are_logistic_and_probit():
    y = (CLASSES > 1).astype(float)
    for link, other in (("logit", "logistic"), ("probit", "probit")):
        fit, plain = gl.fit(X, y, loss=gl.losses.ordinal(link=link)), gl.fit(X, y, loss=other)
        np.testing.assert_allclose(fit.solution.coefficients[1:, 0], plain.coefficients[1:], rtol=1e-8)
        np.testing.assert_allclose(fit.solution.coefficients[0, 1], -plain.coefficients[0], rtol=1e-8)
        np.testing.assert_allclose(fit.predict(X)[:, 1], plain.predict(X), rtol=1e-8)


def test_without_columns_the_thresholds_are_those_of_the_shares():
    fit = gl.fit("number ~ 1", TABLE, loss="ordinal")
    below = np.cumsum(np.bincount(CLASSES))[:-1] / N
    np.testing.assert_allclose(fit.solution.coefficients[0, 1:], np.log(below / (1 - below)), rtol=1e-9)


def test_columns_far_from_zero_move_the_thresholds_alone():
    fit, moved = gl.fit(X, CLASSES, loss="ordinal"), gl.fit(X + np.array([1000.0, 0.0]), CLASSES, loss="ordinal")
    np.testing.assert_allclose(moved.solution.coefficients[1:, 0], fit.solution.coefficients[1:, 0], rtol=1e-8)
    shift = 1000.0 * fit.solution.coefficients[1, 0]
    np.testing.assert_allclose(moved.solution.coefficients[0, 1:], fit.solution.coefficients[0, 1:] + shift, rtol=1e-8)
    assert moved.solution.coefficients[0, 0] == 0.0
    errors, moved_errors = (np.reshape(f.standard_errors, (3, 4)) for f in (fit, moved))
    np.testing.assert_allclose(moved_errors[1:, 0], errors[1:, 0], rtol=1e-6)
    assert np.isnan(errors[0, 0])


def test_probabilities_add_up_and_are_the_loss():
    loss = gl.losses.ordinal(4, "probit")
    predictors = np.column_stack([RNG.normal(size=50) * 8, np.full(50, -1.0), np.full(50, 0.2), np.full(50, 0.9)])
    found = loss.predict(predictors)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    edges = np.array([-np.inf, -1.0, 0.2, 0.9, np.inf])
    np.testing.assert_allclose(found, np.diff(st.norm.cdf(edges - predictors[:, :1]), axis=1), atol=1e-15)
    for j in range(4):
        value = loss.derivatives(np.full((50, 1), float(j)), predictors, 0).value
        kept = found[:, j] > 1e-300
        np.testing.assert_allclose(np.exp(-value[kept]), found[kept, j], rtol=1e-9)


def test_thresholds_out_of_order_cost_infinitely_much():
    loss = gl.losses.ordinal(3)
    assert np.isinf(loss.derivatives(np.ones((1, 1)), np.array([[0.0, 1.0, 0.5]]), 2).value).all()
    assert np.isfinite(loss.derivatives(np.array([[0.0], [2.0]]), np.array([[0.0, 1.0, 0.5]] * 2), 2).value).all()


def test_quantile_residuals_are_standard_normal():
    fit = gl.fit(X, CLASSES, loss="ordinal")
    predictors = fit.predict(X, kind="linear")
    found = fit.loss_function.distribution.quantile_residuals(CLASSES[:, None].astype(float), predictors, RNG.random((N, 1)))
    assert st.kstest(found[:, 0], "norm").pvalue > 0.001


class TestOrder:
    numbers = gl.fit("number ~ a + b", TABLE, loss="ordinal")

    @pytest.mark.parametrize("formula", ["rating ~ a + b", "C(text, levels=['poor', 'fair', 'good', 'best']) ~ a + b", "`rating` ~ a + b"])
    def test_of_a_categorical_or_of_levels_given(self, formula, tmp_path):
        fit = gl.fit(formula, TABLE, loss="ordinal")
        np.testing.assert_allclose(fit.solution.coefficients, self.numbers.solution.coefficients, rtol=1e-10)
        fit.save(tmp_path / "m.json")
        again = gl.load(tmp_path / "m.json")
        np.testing.assert_array_equal(again.predict(TABLE), fit.predict(TABLE))
        np.testing.assert_allclose(again.diagnose(TABLE).leverage, fit.diagnose(TABLE).leverage)

    def test_of_arrays(self):
        for target in (TABLE.rating, pd.Categorical(TABLE.rating)):
            fit = gl.fit(TABLE[["a", "b"]], target, loss="ordinal")
            np.testing.assert_allclose(fit.solution.coefficients, self.numbers.solution.coefficients, rtol=1e-10)

    def test_of_polars(self):
        polars = pytest.importorskip("polars")
        table = polars.DataFrame({"a": X[:, 0], "b": X[:, 1], "rating": polars.Series(list(TABLE.text)).cast(polars.Enum(LEVELS))})
        fit = gl.fit("rating ~ a + b", table, loss="ordinal")
        np.testing.assert_allclose(fit.solution.coefficients, self.numbers.solution.coefficients, rtol=1e-10)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: gl.fit("text ~ a", TABLE, loss="ordinal"), r"holds 'best', 'fair', 'good', 'poor', and nothing says in which order"),
            (lambda: gl.fit("unordered ~ a", TABLE, loss="ordinal"), "nothing says in which order"),
            (lambda: gl.fit(TABLE[["a"]], TABLE.unordered, loss="ordinal"), "a categorical without an order"),
            (lambda: gl.fit(TABLE[["a"]], TABLE.text, loss="ordinal"), "y holds text, .* and nothing says in which order"),
            (lambda: gl.fit(TABLE[["a"]], TABLE.rating.where(TABLE.index != 5), loss="ordinal"), "y holds no level in row 5"),
            (
                lambda: gl.fit("C(text, levels=['poor', 'fair']) ~ a", TABLE, loss="ordinal"),
                r"text is '\w+' in row \d+, which is not among levels=\['poor', 'fair'\]; list it there",
            ),
            (
                lambda: gl.fit("C(text, levels=['Poor', 'fair', 'good', 'best']) ~ a", TABLE, loss="ordinal"),
                r"text is 'poor' in row \d+, which is not among levels=.*; did you mean 'Poor'\?",
            ),
            (lambda: gl.fit("C(text) ~ a", TABLE, loss="ordinal"), r"C\(column, levels="),
            (lambda: gl.fit(X, np.zeros(N), loss="ordinal"), "the targets have one class, 0"),
            (lambda: gl.fit(X, 2.0 * CLASSES, loss="ordinal"), "no row is of class 1"),
            (lambda: gl.fit(X, CLASSES - 1.0, loss="ordinal"), "row .* holds -1; targets must be ordered classes 0 to 2"),
            (lambda: gl.fit(X, CLASSES + 0.5, loss="ordinal"), "row 0 holds .*; targets must be ordered classes"),
            (lambda: gl.fit(X, CLASSES, loss="ordinal", intercept=False), "leave intercept=True"),
            (lambda: gl.fit(X, np.column_stack([CLASSES, CLASSES]), loss="ordinal"), "takes one target column"),
        ],
    )
    def test_what_is_refused(self, call, message):
        with pytest.raises((gl.GradlineError, TypeError), match=message):
            call()


def test_a_rare_class_among_many_rows():
    """A sample that Newton's method begins at need not hold the class, whose two thresholds nothing there keeps apart."""
    x = RNG.normal(size=(150_000, 1))
    y = np.digitize(x[:, 0] + RNG.logistic(size=len(x)), [-2.0, 0.0, 9.5]).astype(float)
    assert 0 < (y == 3).sum() < 30
    fit = gl.fit(x, y, loss="ordinal")
    assert fit.certificate.converged
    assert abs(fit.solution.coefficients[1, 0] - 1.0) < 0.05


HARD = {
    "ordinal": (
        gl.losses.ordinal(),
        lambda rng, eta: np.unique(np.digitize(4 * eta + rng.logistic(size=eta.size), [-3, 0, 1, 5]), return_inverse=True)[1],
    ),
    "cauchit": (gl.losses.cauchit, lambda rng, eta: rng.random(eta.size) < 0.5 + np.arctan(eta) / np.pi),
    "negative_binomial": (gl.losses.negative_binomial(), lambda rng, eta: rng.negative_binomial(2, 1 / (1 + np.exp(2 * eta) / 2))),
    "zero_inflated": (gl.losses.zero_inflated(), lambda rng, eta: rng.poisson(np.exp(2 * eta)) * (rng.random(eta.size) < 0.6)),
    "hurdle": (
        gl.losses.hurdle("negative_binomial"),
        lambda rng, eta: rng.negative_binomial(2, 1 / (1 + np.exp(2 * eta) / 2)) * (rng.random(eta.size) < 0.6),
    ),
    "beta": (gl.losses.beta(), lambda rng, eta: np.clip(rng.beta(5000 / (1 + np.exp(-eta)), 5000 / (1 + np.exp(eta))), 1e-9, 1 - 1e-9)),
    "weibull": (
        gl.losses.weibull(),
        lambda rng, eta: np.column_stack([np.exp(4 * eta) * rng.weibull(2, size=eta.size), rng.random(eta.size) < 0.3]),
    ),
    "gaussian": (gl.losses.gaussian("log"), lambda rng, eta: np.exp(1 + eta) + rng.normal(size=eta.size)),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_data_from_the_usual_start(name):
    """Columns of very different units, far from zero and correlated."""
    loss, draw = HARD[name]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        columns = rng.normal(size=(250, 3))
        columns[:, 1] = 0.9 * columns[:, 0] + 0.4 * columns[:, 1]
        y = draw(rng, columns @ [0.6, -0.4, 0.3]).astype(float)
        fit = gl.fit(columns * [1.0, 100.0, 1e-3] + [0.0, 5000.0, 0.0], y, loss=loss)
        assert fit.certificate.converged, (seed, fit.certificate)
