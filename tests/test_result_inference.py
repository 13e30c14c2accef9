"""What a Fit says of its uncertainty, against statsmodels and its own promises."""

import numpy as np
import pytest

import gradline as gl

sm = pytest.importorskip("statsmodels.api")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    return x, x @ [1.0, 2.0, 0.0] + 1 + rng.normal(size=300) * (1 + 0.5 * np.abs(x[:, 0]))


@pytest.mark.parametrize(("kind", "theirs"), [("default", "nonrobust"), ("classical", "nonrobust"), ("HC1", "HC1"), ("HC3", "HC3")])
def test_squared_loss_equals_statsmodels(data, kind, theirs):
    x, y = data
    fit = gl.fit(x, y, covariance=kind)
    peer = sm.OLS(y, sm.add_constant(x)).fit(cov_type=theirs, use_t=True)
    np.testing.assert_allclose(fit.standard_errors, peer.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.statistics, peer.tvalues, rtol=1e-9)
    np.testing.assert_allclose(fit.p_values, peer.pvalues, rtol=1e-7)
    np.testing.assert_allclose(np.transpose(fit.interval(0.9)), peer.conf_int(0.1), rtol=1e-9)
    assert fit.test("x1 = x2, x3 = 0").p_value == pytest.approx(float(peer.f_test("x1 = x2, x3 = 0").pvalue), rel=1e-7)
    assert fit.r_squared == pytest.approx(peer.rsquared, rel=1e-12)
    assert fit.adjusted_r_squared == pytest.approx(peer.rsquared_adj, rel=1e-12)
    assert fit.dispersion == pytest.approx(peer.scale, rel=1e-12)
    assert fit.log_likelihood == pytest.approx(peer.llf, rel=1e-12)


def test_clusters_equal_statsmodels(data):
    x, y = data
    groups = np.arange(300) // 10
    fit = gl.fit(x, y, covariance=("cluster", groups))
    peer = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    np.testing.assert_allclose(fit.standard_errors, peer.bse, rtol=1e-9)


def test_nested_fits_compare(data):
    x, y = data
    large, small = gl.fit(x, y, covariance="default"), gl.fit(x[:, :2], y, covariance="default")
    peer = sm.OLS(y, sm.add_constant(x)).fit().compare_f_test(sm.OLS(y, sm.add_constant(x[:, :2])).fit())
    found = large.compare(small)
    assert (found.statistic, found.p_value) == pytest.approx(peer[:2], rel=1e-8)


def test_a_user_loss_has_standard_errors_too(data):
    tf = pytest.importorskip("tensorflow")
    x, y = data
    own = gl.fit(x, y, loss=lambda y, prediction: tf.math.log(tf.math.cosh(y - prediction)), covariance="HC1")
    shipped = gl.fit(x, y, loss=gl.losses.log_cosh, covariance="HC1")
    np.testing.assert_allclose(own.standard_errors, shipped.standard_errors, rtol=1e-7)


def test_columns_left_out_have_none(data):
    x, y = data
    with pytest.warns(gl.GradlineWarning, match="left out"):
        fit = gl.fit(np.column_stack([x, x[:, 0]]), y, covariance="default")
    assert np.isnan(fit.standard_errors[4])
    np.testing.assert_allclose(fit.standard_errors[:4], gl.fit(x, y, covariance="default").standard_errors, rtol=1e-9)


def test_hc0_and_hc1_need_no_rows_afterwards(data):
    x, y = data
    fit = gl.fit(x, y, covariance="default")
    np.testing.assert_allclose(fit.covariance("HC1").standard_errors[:, 0], gl.fit(x, y, covariance="HC1").standard_errors, rtol=1e-12)
    with pytest.raises(ValueError, match="needs the rows"):
        fit.covariance("HC3")


def test_what_was_not_asked_for_is_said(data):
    x, y = data
    with pytest.raises(ValueError, match=r'ask for them with gl\.fit\(\.\.\., covariance="default"\)'):
        _ = gl.fit(x, y, covariance=False).standard_errors
    with pytest.raises(ValueError, match="has no R-squared"):
        _ = gl.fit(x, y, loss=gl.losses.huber(1.0), covariance="default").r_squared
    with pytest.raises(ValueError, match="did you mean 'HC3'"):
        gl.fit(x, y, covariance="HC9")
    with pytest.raises(ValueError, match="level"):
        gl.fit(x, y, covariance="default").interval(1.5)
