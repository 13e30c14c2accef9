"""Perfect fits and constant targets, whose residuals are rounding: no number is made of it. And few rows, of which little can be told."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.diagnostic import het_breuschpagan

import gradline as gl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 2))
PERFECT = 1 + X @ [1.0, 2.0]
CONSTANT = np.full(50, 3.3)

RISING = np.array([0.0, 0, 1, 1])[:, None]


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("target", [PERFECT, CONSTANT, np.zeros(50), np.full(50, 123456789.123)], ids=["line", "3.3", "0", "large"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"solver": gl.Newton()},
        {"frequencies": np.arange(50) % 3},
        {"weights": RNG.random(50)},
        {"loss": gl.losses.huber(0.5)},
        {"loss": "log_cosh"},
        {"loss": "absolute"},
        {"loss": gl.losses.student_t(3)},
        {"loss": gl.losses.epsilon_insensitive(1e-3)},
    ],
    ids=lambda given: " ".join(f"{key} {value}" for key, value in given.items())[:30] or "squared",
)
def test_no_standard_error_is_made_of_rounding(target, given):
    fit = gl.fit(X, target, **given)
    with pytest.raises(ValueError, match=r"the fit is perfect|every residual is the same|not positive definite"):
        _ = fit.standard_errors
    assert "inf" not in str(fit.summary().__repr__())
    kind = "classical" if "loss" not in given else "HC1"
    with pytest.raises(ValueError, match=r"the fit is perfect|every residual is the same|not positive definite"):
        gl.fit(X, target, covariance=kind, **given)


@pytest.mark.parametrize("given", [{}, {"penalty": gl.penalties.ridge(0.1)}, {"weights": RNG.random(50)}, {"solver": gl.Newton()}])
def test_a_constant_target_has_no_r_squared(given):
    fit = gl.fit(X, CONSTANT, **given)
    assert np.isnan(fit.r_squared)
    assert (fit.dispersion, fit.deviance) == (0.0, 0.0)
    assert "no R-squared: the target does not vary" in " ".join(fit.summary().__repr__().split())


def test_a_perfect_line_explains_everything():
    fit = gl.fit(X, PERFECT)
    assert (fit.r_squared, fit.dispersion) == (1.0, 0.0)
    moments = gl.Moments.from_arrays(X, PERFECT).fit("y ~ x1 + x2")
    assert (moments.r_squared, moments.dispersion, moments.f_statistic) == (1.0, 0.0, None)
    assert np.isnan(moments.standard_errors).all()
    assert np.isnan(gl.Moments.from_arrays(X, CONSTANT).fit("y ~ x1 + x2").r_squared)


@pytest.mark.parametrize("target", [PERFECT, CONSTANT])
def test_two_perfect_fits_are_not_compared(target):
    with pytest.raises(ValueError, match="cannot be compared: of the larger, the fit is perfect"):
        gl.fit(X, target).compare(gl.fit(X[:, :1], target))


def test_a_small_spread_far_from_zero_is_no_rounding():
    y = 1e8 + np.round(100 * X[:, 0])
    fit, peer = gl.fit(X, y), OLS(y - 1e8, np.column_stack([np.ones(50), X])).fit()
    np.testing.assert_allclose(fit.standard_errors, peer.bse, rtol=1e-6)
    assert fit.r_squared == pytest.approx(peer.rsquared, rel=1e-9)


def test_one_constant_target_among_others_takes_no_number_from_them():
    y = X[:, 0] + RNG.normal(size=50)
    both, one = gl.fit(X, np.column_stack([CONSTANT, y])), gl.fit(X, y)
    np.testing.assert_allclose(both.standard_errors[:, 1], one.standard_errors, rtol=1e-9)
    assert np.isnan(both.standard_errors[:, 0]).all()
    assert np.isnan(both.p_values[:, 0]).all()
    assert np.isnan(both.r_squared[0])
    assert both.r_squared[1] == pytest.approx(one.r_squared)


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize(("x", "y"), [(X, PERFECT), (X, CONSTANT), (X[:3], [1.0, 2, 4]), (X[:1, :1], [2.0])])
def test_tests_of_residuals_that_are_rounding_are_refused(x, y):
    found = gl.fit(x, y).diagnose(x, y)
    for test in ("breusch_pagan", "reset", "durbin_watson"):
        with pytest.raises(ValueError, match=r"the fit is perfect|needs more rows"):
            getattr(found, test)
    if len(x) == 50:
        assert np.isnan(found.standardised).all()
        assert np.isnan(found.cooks_distance).all()


def test_tests_of_two_groups():
    y = np.array([1.0, 2, 3, 5])
    found = gl.fit(RISING, y).diagnose(RISING, y)
    exog = np.column_stack([np.ones(4), RISING])
    with np.errstate(divide="ignore"):
        peer = het_breuschpagan(OLS(y, exog).fit().resid, exog)
    assert found.breusch_pagan[1:3] == pytest.approx(peer[:2], rel=1e-9)
    assert found.breusch_pagan.f_statistic == np.inf
    assert found.breusch_pagan.f_p_value == 0.0
    with pytest.raises(ValueError, match="too few different values"):
        _ = found.reset
    alike = np.array([1.0, 2, 3, 4])
    with pytest.raises(ValueError, match="every squared residual is the same"):
        _ = gl.fit(RISING, alike).diagnose(RISING, alike).breusch_pagan


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("seed", range(9, 21))
@pytest.mark.parametrize("loss", ["absolute", gl.losses.quantile(0.3), gl.losses.epsilon_insensitive(0.5)])
def test_rows_on_kinks_do_not_decide_whether_a_loss_is_of_residuals(seed, loss):
    # Targets and columns on a grid put many rows on a kink at once.
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 300))
    x = rng.normal(size=(n, 2))
    x = np.round(x) if seed % 2 else x
    y = x @ [1, 2.0] + rng.normal(size=n)
    y = np.round(y, 1) if seed % 3 == 0 else y
    assert np.isfinite(gl.fit(x, y, loss=loss, covariance="classical").standard_errors).all()


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize(
    "given",
    [{}, {"covariance": "HC1"}, {"covariance": "HC3"}, {"solver": gl.Newton()}, {"loss": gl.losses.huber(0.5)}],
    ids=str,
)
def test_of_several_targets_the_perfect_one_has_no_standard_errors_and_the_others_have_theirs(given):
    noisy = X @ [0.5, -1.0] + RNG.normal(size=50)
    fit = gl.fit(X, np.column_stack([PERFECT, noisy]), **given)
    assert np.isnan(fit.standard_errors[:, 0]).all()
    assert np.isnan(fit.interval().lower[:, 0]).all()
    if "loss" not in given and "covariance" not in given:
        np.testing.assert_allclose(fit.standard_errors[:, 1], OLS(noisy, np.column_stack([np.ones(50), X])).fit().bse, rtol=1e-10)
    assert (fit.standard_errors[:, 1] > 0).all()
    said = " ".join(fit.summary().__repr__().split())
    assert "the coefficients of target 1 have no standard errors: the fit is perfect" in said
    with pytest.raises(ValueError, match="fitted perfectly"):
        fit.test("y1:x1 = 0")


def test_what_explains_nothing_has_an_r_squared_of_zero():
    for seed in range(20):
        fit = gl.fit("y ~ 1", {"y": np.random.default_rng(seed).normal(size=30)})
        assert (fit.r_squared, fit.adjusted_r_squared) == (0.0, 0.0)


@pytest.mark.parametrize("target", [0.1 + X @ [np.pi, -0.7], np.full(50, 0.3)], ids=["line", "constant"])
@pytest.mark.parametrize("loss", [gl.losses.huber(1.0), gl.losses.huber(1e-3), "log_cosh"], ids=str)
def test_the_trend_of_a_perfect_fit_is_found_at_once(target, loss, monkeypatch):
    fit = gl.fit(X, target, loss=loss)
    assert fit.certificate.converged
    passes = []
    own = gl.Newton.solve

    def counted(self, *arguments, **keywords):
        found = own(self, *arguments, **keywords)
        passes.append(found.passes)
        return found

    monkeypatch.setattr(gl.Newton, "solve", counted)
    gl.plot.residuals(fit, X, target)
    assert max(passes, default=0) <= 10  # hundreds, through ever narrower windows


def test_residuals_far_inside_a_bend_are_least_squares():
    target = 1 + X[:, 0] + 1e-10 * RNG.normal(size=50)
    fit = gl.fit(X, target, loss=gl.losses.huber(1e-3))
    assert fit.certificate.converged
    np.testing.assert_allclose(fit.coefficients, gl.fit(X, target).coefficients, atol=1e-14)


def test_no_decrement_is_minus_nothing():
    assert "-0.0" not in gl.fit(X, CONSTANT, loss=gl.losses.huber(1.0)).certificate.reason
