"""score: R^2 for squared loss, D^2 of any other."""

from __future__ import annotations

import numpy as np
import pytest

import gradline as gl
from sklearn import metrics

tf = pytest.importorskip("tensorflow")


def relative(y, prediction):
    return tf.abs(y - prediction) / y


def data(seed=0, n=150):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    return x, np.exp(0.4 * x[:, 0] + 0.2 * generator.normal(size=n)) + 0.1, generator.uniform(0.2, 2.0, n)


REFERENCES = {
    "poisson": lambda y, p, w: metrics.d2_tweedie_score(y, p, power=1, sample_weight=w),
    "gamma": lambda y, p, w: metrics.d2_tweedie_score(y, p, power=2, sample_weight=w),
    "tweedie": lambda y, p, w: metrics.d2_tweedie_score(y, p, power=1.5, sample_weight=w),
    "absolute": lambda y, p, w: metrics.d2_absolute_error_score(y, p, sample_weight=w),
    "quantile": lambda y, p, w: metrics.d2_pinball_score(y, p, alpha=0.8, sample_weight=w),
    "squared": lambda y, p, w: metrics.r2_score(y, p, sample_weight=w),
}
MADE = {"tweedie": gl.losses.tweedie(1.5), "quantile": gl.losses.quantile(0.8)}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", REFERENCES)
def test_scores_are_those_of_scikit_learns_metrics(name, weighted):
    x, y, weights = data()
    model = gl.LinearRegression(loss=MADE.get(name, name)).fit(x, y)
    new_x, new, _ = data(1)
    found = model.score(new_x, new, weights if weighted else None)
    assert found == pytest.approx(REFERENCES[name](new, model.predict(new_x), weights if weighted else None), rel=1e-9)
    rows = np.repeat(np.arange(len(new)), np.arange(len(new)) % 3)
    assert model.score(new_x, new, frequencies=np.arange(len(new)) % 3) == pytest.approx(model.score(new_x[rows], new[rows]), rel=1e-9)


def test_zero_and_one_of_the_logistic_loss():
    x, y, _ = data()
    labels = (y > 1.0) * 1.0
    model = gl.LinearRegression(loss="logistic").fit(x, labels)
    assert model.score(x, labels) == pytest.approx(metrics.d2_log_loss_score(labels, model.predict(x)), rel=1e-9)


def test_a_loss_of_your_own():
    x, y, _ = data()
    model = gl.LinearRegression(loss=relative).fit(x, y)
    best = min(np.mean(np.abs(y - c) / y) for c in y)
    assert model.score(x, y) == pytest.approx(1 - np.mean(np.abs(y - model.predict(x)) / y) / best, rel=1e-6)


def test_what_has_no_least_value_has_no_score():
    x, y, _ = data()
    with pytest.raises(ValueError, match="the loss 'normal' has no least value that is known, so that D\\^2 is not defined"):
        gl.LinearRegression(loss="normal").fit(x, y).score(x, y)


def test_targets_that_do_not_vary_and_single_rows():
    x, y, _ = data()
    model = gl.LinearRegression(loss="absolute").fit(x, y)
    assert model.score(x, np.ones(len(y))) == 0.0
    exact = gl.LinearRegression(loss="absolute").fit(x, np.full(len(y), 2.0))
    assert exact.score(x, np.full(len(y), 2.0)) == 1.0
    with pytest.warns(gl.GradlineWarning, match="D\\^2 is not defined for a single row"):
        assert np.isnan(model.score(x[:1], y[:1]))
    with pytest.raises(ValueError, match="loss poisson: row 3 holds -1; targets must be"):
        gl.LinearRegression(loss="poisson").fit(x, y).score(x, np.where(np.arange(len(y)) == 3, -1.0, y))
