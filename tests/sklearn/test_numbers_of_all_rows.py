"""coef_ and intercept_ where further linear predictors are one number for all rows."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import HuberRegressor

import gradline as gl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = 1 + X @ [2.0, -1.0, 0.0] + RNG.standard_t(3, size=200)


def test_a_joint_scale_is_no_row_of_coef():
    ours = gl.LinearRegression(loss=gl.losses.huber(1.35, scale="joint")).fit(X, Y)
    theirs = HuberRegressor(epsilon=1.35, alpha=0, tol=1e-10, max_iter=10_000).fit(X, Y)
    assert ours.coef_.shape == theirs.coef_.shape
    assert isinstance(ours.intercept_, float)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)
    np.testing.assert_allclose(ours.result_.intercept[1], theirs.scale_, rtol=1e-4)
    np.testing.assert_allclose(X @ ours.coef_ + ours.intercept_, ours.predict(X), rtol=1e-12)


def test_the_dispersion_of_counts_neither():
    counts = RNG.negative_binomial(2, 1 / (1 + np.exp(0.3 * X[:, 0])))
    ours = gl.LinearRegression(loss="negative_binomial").fit(X, counts)
    theirs = sm.NegativeBinomial(counts, sm.add_constant(X)).fit(disp=0, gtol=1e-8)
    np.testing.assert_allclose([ours.intercept_, *ours.coef_], theirs.params[:4], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.exp(ours.result_.intercept[1]), theirs.params[4], rtol=1e-3)


@pytest.mark.parametrize("loss", ["normal"])
def test_one_that_columns_enter_has_its_row(loss):
    assert gl.LinearRegression(loss=loss).fit(X, Y).coef_.shape == (2, 3)
    column = gl.LinearRegression(loss=gl.losses.huber(1.35, scale="joint")).fit(X, Y[:, None])
    assert column.coef_.shape == (1, 3)
    assert column.intercept_.shape == (1,)
