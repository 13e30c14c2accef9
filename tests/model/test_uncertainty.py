"""What a Fit says of its uncertainty, against statsmodels and its own promises."""

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_fits_with_other_offsets_are_not_compared(data, loss):
    x, y = data
    y = y if loss == "squared" else np.round(np.exp(0.3 * x[:, 0]))
    offset = x[:, 2] + 1
    large = gl.fit(x, y, loss=loss, offset=offset)
    for other in ({}, {"offset": offset + 0.1}, {"offset": -offset}):
        with pytest.raises(ValueError, match="other targets, weights or offsets"):
            large.compare(gl.fit(x[:, :1], y, loss=loss, **other))
    found = large.compare(gl.fit(x[:, :1], y, loss=loss, offset=offset))
    if loss == "squared":
        # Of squared loss an offset is taken off the target.
        peer = sm.OLS(y - offset, sm.add_constant(x)).fit().compare_f_test(sm.OLS(y - offset, sm.add_constant(x[:, :1])).fit())
        assert (found.statistic, found.p_value) == pytest.approx(peer[:2], rel=1e-8)


def test_fits_of_one_loss_with_other_parameters_are_not_compared(data):
    x, _ = data
    y = np.round(np.exp(0.3 * x[:, 0] + 1))
    fits = [gl.fit(x[:, :p], y, loss=gl.losses.negative_binomial(d)) for p, d in ((1, 0.5), (2, 0.7))]
    with pytest.raises(ValueError, match="other parameters"):
        fits[0].compare(fits[1])


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


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (("cluster", "x"), ValueError, r"covariance 'cluster' needs the rows .*: fit.with_covariance\(\('cluster', 'x'\), data\)"),
        (("cluster", np.arange(300)), ValueError, r"with_covariance\(\('cluster', groups\), data\)"),
        (["newey-west", 3], ValueError, r"with_covariance\(\('newey-west', 3\), data\)"),
        (("clusters", "x"), ValueError, "did you mean 'cluster'"),
        ("cluster", ValueError, "needs the rows"),
        (3, TypeError, 'takes the name of a kind such as "HC1", not int 3'),
        ((), TypeError, "not tuple"),
    ],
)
def test_a_kind_that_needs_rows_says_so_however_it_is_named(data, kind, error, message):
    fit = gl.fit(*data, covariance="default")
    with pytest.raises(error, match=message):
        fit.covariance(kind)


def test_fits_can_be_looked_for(data):
    x, y = data
    first, second = gl.fit(x, y), gl.fit(x, y)
    assert first == first
    assert first != second
    assert second in [first, second]
    assert [first, second].index(second) == 1
    assert {first: "a", second: "b"}[second] == "b"
    descent = gl.fit(x, y, solver=gl.GradientDescent())
    # What a fit holds is found alike.
    for mine in (descent.history, first.inference, first.covariance(), first.inference.statistics, first.diagnose(x, y), first.table()):
        assert mine == mine
        assert mine in {mine}
    assert descent.history != gl.fit(x, y, solver=gl.GradientDescent()).history


@pytest.mark.parametrize("kind", ["classical", "HC1"])
@pytest.mark.parametrize("alike", [0.0, 0.999, 1 - 1e-7])
def test_many_slopes_are_tested_at_once_as_statsmodels_does(kind, alike):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 90))
    # Columns near one another take the way that keeps their digits.
    x[:, 1:] = alike * x[:, :1] + np.sqrt(1 - alike**2) * x[:, 1:]
    y = x[:, 0] + rng.normal(size=400)
    found = gl.fit(x, y, covariance=kind).joint_test
    peer = sm.OLS(y, sm.add_constant(x)).fit(cov_type="nonrobust" if kind == "classical" else kind, use_t=True)
    assert (found.numerator, found.denominator) == (90, 309)
    assert found.statistic == pytest.approx(float(np.squeeze(peer.fvalue)), rel=1e-5)


def test_the_first_condition_that_depends_on_others_is_named(data):
    fit = gl.fit(*data)
    with pytest.raises(ValueError, match="'row 3' follows"):
        fit.test([[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, -2, 0], [0, 0, 0, 1]])
    with pytest.raises(ValueError, match="'row 5' follows"):
        fit.test(np.vstack([np.eye(4), [1, 1, 1, 1]]))
    with pytest.raises(ValueError, match="'row 1' follows"):
        fit.test([[0, 0, 0, 0]])


def test_what_was_not_asked_for_is_said(data):
    x, y = data
    with pytest.raises(ValueError, match=r'ask for them with gl\.fit\(\.\.\., covariance="default"\)'):
        _ = gl.fit(x, y, covariance=False).standard_errors
    with pytest.raises(ValueError, match="has no R-squared"):
        _ = gl.fit(x, y, loss=gl.losses.huber(1.0), covariance="default").r_squared
    with pytest.raises(ValueError, match="did you mean 'HC3'"):
        gl.fit(x, y, covariance="HC9")
    with pytest.raises(ValueError, match="'HC9' is not known; did you mean 'HC3'"):
        gl.fit(x, y, covariance="HC1").covariance("HC9")
    with pytest.raises(ValueError, match="level"):
        gl.fit(x, y, covariance="default").interval(1.5)


TABLE = pd.DataFrame({"x": np.linspace(-1, 1, 60) ** 3, "z": np.cos(np.arange(60.0)), "g": np.repeat(np.arange(12.0), 5)})
TABLE["y"] = TABLE.x + np.sin(3.0 * np.arange(60.0))
HUBER = gl.losses.huber(1.0)


def with_gaps():
    """A label missing in row 9, and in row 2, which is left out for want of x."""
    table = TABLE.copy()
    table.loc[2, ["x", "g"]] = np.nan
    table.loc[9, "g"] = np.nan
    return table


REFUSED = [
    (ValueError, "3 rows leave no degree of freedom after 3 coefficients", lambda: gl.fit("y ~ x + z", TABLE[:3]).standard_errors),
    (ValueError, "leave no degree of freedom has no adjusted R-squ", lambda: gl.fit("y ~ x + z", TABLE[:3]).adjusted_r_squared),
    (ValueError, "fit more rows, or give calibration=", lambda: gl.fit("y ~ x + z", TABLE[:3]).predict(TABLE, interval="prediction")),
    (ValueError, "there is one cluster only", lambda: gl.fit("y ~ x", TABLE.assign(g=1), covariance="cluster", groups="g")),
    (ValueError, r'it goes with covariance="cluster"$', lambda: gl.fit("y ~ x", TABLE, groups="g")),
    (
        ValueError,
        "it goes with covariance=\"cluster\", and covariance is 'HC1'",
        lambda: gl.fit("y ~ x", TABLE, covariance="HC1", groups="g"),
    ),
    (
        ValueError,
        r"group of row 9 of the pandas frame is missing \(1 in all\).* where=\"g IS NOT NULL\"",
        lambda: gl.fit("y ~ x", with_gaps(), covariance="cluster", groups="g"),
    ),
    (ValueError, "no coefficient 'xx'; did you mean 'x'", lambda: gl.fit("y ~ x", TABLE).test("xx = 0")),
    (TypeError, "the hypothesis must be a text", lambda: gl.fit("y ~ x", TABLE).test(["x"])),
    (ValueError, r"not 95; did you mean 0\.95", lambda: gl.fit("y ~ x", TABLE).interval(95)),
    (ValueError, r"different rows \(50 and 60\)", lambda: gl.fit("y ~ x + z", TABLE).compare(gl.fit("y ~ x", TABLE[:50]))),
    (ValueError, "with other targets, weights or offsets", lambda: gl.fit("y ~ x + z", TABLE).compare(gl.fit("z ~ x", TABLE))),
    (TypeError, "compare takes another fit, not str 'y ~ x'", lambda: gl.fit("y ~ x", TABLE).compare("y ~ x")),
    (ValueError, "a penalised fit has no AIC", lambda: gl.fit("y ~ x", TABLE, penalty=gl.penalties.ridge(0.1)).aic),
    (ValueError, "row 7 has leverage 1", lambda: gl.fit("y ~ x + alone", TABLE.assign(alone=TABLE.index == 7), covariance="HC3")),
    (
        ValueError,
        "at least 40 rows, and the fit has 30: ask for a lower level=, or give calibration=data",
        lambda: gl.fit("y ~ x", TABLE[:30], loss=HUBER).predict(TABLE, interval="prediction"),
    ),
    (
        ValueError,
        "at least 39 calibration rows, and there are 5: give more",
        lambda: gl.fit("y ~ x", TABLE, loss=HUBER).predict(TABLE, interval="prediction", calibration=TABLE[:5]),
    ),
]


@pytest.mark.parametrize(("error", "message", "ask"), REFUSED, ids=[message[:30] for _, message, _ in REFUSED])
def test_refused(error, message, ask):
    with pytest.raises(error, match=message):
        ask()


def test_a_summary_says_whose_density_a_kinked_loss_has():
    words = "HC0: A^-1 (sum of s s') A^-1; A by Powell's kernel at the kink, with Hall and Sheather's bandwidth"
    kinked, smooth = (gl.fit("y ~ x + z", TABLE, loss=loss, covariance="HC0") for loss in ("absolute", HUBER))
    assert words in " ".join(str(kinked.summary()).split())
    assert "Powell" not in str(smooth.summary())


def test_a_strength_that_was_chosen_is_a_plain_number():
    fit = gl.fit("y ~ x + z", TABLE, penalty=gl.penalties.ridge("auto"))
    assert type(fit.penalty.strength) is float
