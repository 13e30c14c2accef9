"""The joint test of many coefficients: where the root of their covariance is a triangle, nothing is factored, and nothing changes."""

import numpy as np
import pytest
from scipy import stats

import gradline as gl


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [70, 150])
def test_all_slopes_are_tested_as_by_their_sums_of_squares(p, intercept):
    generator = np.random.default_rng(p)
    n = 2 * p
    X = generator.standard_normal((n, p)) + 0.5
    y = 0.2 * X[:, 0] + generator.standard_normal(n)
    fit = gl.fit(X, y, intercept=intercept)
    full = np.column_stack([np.ones(n), X]) if intercept else X
    rest = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    total = np.square(y - y.mean()).sum() if intercept else np.square(y).sum()
    spare = n - full.shape[1]
    expected = ((total - rest @ rest) / p) / (rest @ rest / spare)
    assert fit.joint_test.statistic == pytest.approx(expected, rel=1e-9)
    assert fit.joint_test.p_value == pytest.approx(stats.f.sf(expected, p, spare), rel=1e-7)
    np.testing.assert_allclose(fit.standard_errors**2, np.diag(np.linalg.inv(full.T @ full)) * (rest @ rest) / spare, rtol=1e-9)


def test_many_columns_of_a_wide_table():
    generator = np.random.default_rng(1)
    n, p = 900, 600  # the way of wide tables: the factor is kept, and its inverse worked out when it is asked for
    X = generator.standard_normal((n, p))
    y = X[:, 0] + generator.standard_normal(n)
    fit = gl.fit(X, y)
    full = np.column_stack([np.ones(n), X])
    rest = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    errors = np.sqrt(np.diag(np.linalg.inv(full.T @ full)) * (rest @ rest) / (n - p - 1))
    np.testing.assert_allclose(fit.standard_errors, errors, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance().matrix, np.linalg.inv(full.T @ full) * (rest @ rest) / (n - p - 1), atol=1e-10)
    again = fit.covariance()
    assert again.standard_errors[0] == pytest.approx(errors[0], rel=1e-9)
