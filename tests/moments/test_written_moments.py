"""Fits of moments as people read them: intervals and p-values against statsmodels, and their table."""

import numpy as np
import pytest
import statsmodels.api as sm

import gradline as gl


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 3))
    return X, X @ [1.0, 0.05, 0.0] - 2.0 + rng.normal(size=80)


@pytest.fixture(scope="module")
def sums(rows):
    X, y = rows
    return gl.Moments({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "a twice": 2 * X[:, 0], "y": y})


def test_intervals_and_p_values_are_those_of_statsmodels(rows, sums):
    X, y = rows
    found, expected = sums.fit("y ~ a + b + c"), sm.OLS(y, sm.add_constant(X)).fit()
    np.testing.assert_allclose(found.interval(), expected.conf_int(), rtol=1e-10)
    np.testing.assert_allclose(found.interval(0.8), expected.conf_int(0.2), rtol=1e-10)
    np.testing.assert_allclose(found.p_values, expected.pvalues, rtol=1e-9)
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1, not 95; did you mean 0\.95"):
        found.interval(95)


def test_the_table(sums):
    text = str(sums.fit("y ~ a + b"))
    assert text.splitlines()[0] == "Least squares of y, from moments"
    assert "95% from" in text
    assert "80 rows; R-squared" in text
    assert "<table" in sums.fit("y ~ a")._repr_html_()
    assert repr(sums.fit("y ~ a")).startswith("MomentsFit(y by Intercept, a; 80 rows, R-squared 0.")


def test_what_has_no_errors_shows_none(sums):
    aliased = str(sums.fit("y ~ a + `a twice`"))
    assert "left out, since columns before them say the same: a twice" in aliased
    lasso = str(sums.fit("y ~ a + b + c", penalty=gl.penalties.lasso(0.1)))
    assert "std error" not in lasso
    assert "above its least" in lasso
    within = sums.fit("y ~ a + b", constraints="a <= 0")
    assert "std error" not in str(within)
    assert "constraints that bind: a <= 0" in str(within)
    with pytest.raises(ValueError, match="know nothing of the constraints"):
        within.interval()
    with pytest.raises(ValueError, match="know nothing of the constraints"):
        within.p_values
