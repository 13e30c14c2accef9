"""What a user reads off a fit, against statsmodels on the datasets that ship with it, and against delicatessen for losses of one's own."""

import numpy as np
import pytest
import statsmodels.api as sm

import gradline as gl

TIGHT = {"tol": 1e-15, "maxiter": 300, "tol_criterion": "params"}


def close(actual, desired, tolerance=1e-8):
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=1e-14)


def dataset(name):
    data = getattr(sm.datasets, name).load_pandas()
    x = data.exog.to_numpy(float)
    return np.delete(x, np.flatnonzero(np.ptp(x, axis=0) == 0), axis=1), data.endog.to_numpy(float)


def check(fit, theirs, tolerance=1e-8):
    """Coefficients, errors, statistics, p-values and intervals."""
    close(fit.coefficients, theirs.params, tolerance)
    close(fit.standard_errors, theirs.bse, tolerance)
    close(fit.statistics, theirs.tvalues, tolerance)
    close(fit.p_values, theirs.pvalues, tolerance)
    close(np.transpose(fit.interval(0.9)), theirs.conf_int(0.1), tolerance)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["stackloss", "ccard", "statecrime", "longley"])
def test_least_squares(name, weighted):
    x, y = dataset(name)
    # statsmodels takes pinv of columns as they are; on one scale it has the digits to be compared with.
    x = x / np.abs(x).max(axis=0) if name != "longley" else (x - x.mean(axis=0)) / x.std(axis=0)
    exog, n = sm.add_constant(x), len(y)
    w = 0.5 + np.random.default_rng(3).random(n) if weighted else None
    model = sm.OLS(y, exog) if w is None else sm.WLS(y, exog, weights=w)
    fit = gl.fit(x, y, weights=w)
    plain = model.fit(method="qr")
    check(fit, plain)
    groups = np.arange(n) // 3
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        check(fit.with_covariance(kind, x, y, weights=w), plain.get_robustcov_results(kind, use_t=True))
    check(fit.with_covariance("cluster", x, y, weights=w, groups=groups), plain.get_robustcov_results("cluster", groups=groups, use_t=True))
    check(fit.with_covariance(("newey-west", 2), x, y, weights=w), plain.get_robustcov_results("HAC", maxlags=2, use_t=True))
    found = fit.diagnose(x, y, weights=w)
    # statsmodels' influence leaves precision weights out of its residuals; an unweighted fit of the scaled rows has them.
    influence = (plain if w is None else sm.OLS(model.wendog, model.wexog).fit(method="qr")).get_influence()
    close(found.leverage, influence.hat_matrix_diag)
    close(found.cooks_distance, influence.cooks_distance[0])
    frame = plain.get_prediction(exog[::2]).summary_frame(0.1)
    mean, new = (fit.predict(x[::2], interval=interval, level=0.9) for interval in ("confidence", "prediction"))
    close([mean.prediction, mean.lower, mean.upper], frame[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy().T)
    close([new.lower, new.upper], frame[["obs_ci_lower", "obs_ci_upper"]].to_numpy().T)
    close([fit.r_squared, fit.adjusted_r_squared, fit.dispersion], [plain.rsquared, plain.rsquared_adj, plain.scale])
    close([fit.log_likelihood, fit.aic, fit.bic], [plain.llf, plain.aic, plain.bic])
    close([fit.joint_test.statistic, fit.joint_test.p_value], [plain.fvalue, plain.f_pvalue])


FAMILIES = {
    "poisson": ("cpunish", lambda x: x[:, 1:] / x[:, 1:].max(axis=0), lambda: sm.families.Poisson()),
    "gamma": ("scotland", lambda x: x[:, :4] / 100, lambda: sm.families.Gamma(sm.families.links.Log())),
    "logistic": ("spector", lambda x: x, lambda: sm.families.Binomial()),
}


@pytest.mark.parametrize("loss", FAMILIES)
def test_generalised_linear_models(loss):
    name, prepare, family = FAMILIES[loss]
    x, y = dataset(name)
    x = prepare(x)
    exog, n = sm.add_constant(x), len(y)
    model = sm.GLM(y, exog, family=family())
    fit = gl.fit(x, y, loss=loss, tolerance=1e-20)
    plain = model.fit(**TIGHT)
    check(fit, plain)
    groups = np.arange(n) // 2
    check(fit.with_covariance("HC0", x, y), model.fit(**TIGHT, cov_type="HC0"))
    check(fit.with_covariance("cluster", x, y, groups=groups), model.fit(**TIGHT, cov_type="cluster", cov_kwds={"groups": groups}))
    check(fit.with_covariance(("newey-west", 2), x, y), model.fit(**TIGHT, cov_type="HAC", cov_kwds={"maxlags": 2}))
    close(fit.deviance, plain.deviance)
    close(fit.log_likelihood, plain.llf)
    frame = plain.get_prediction(exog[:9]).summary_frame()
    mean = fit.predict(x[:9], interval="confidence")
    close([mean.prediction, mean.lower, mean.upper], frame[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy().T)
    if loss != "gamma":  # whose leverage is by expected curvature there
        influence = plain.get_influence()
        close(fit.diagnose(x, y).leverage, influence.hat_matrix_diag)
        close(fit.diagnose(x, y).cooks_distance, influence.cooks_distance[0])


@pytest.mark.parametrize("name", ["stackloss", "ccard"])
def test_robust_regression_of_a_fixed_scale(name):
    x, y = dataset(name)
    x = x / np.abs(x).max(axis=0)
    model = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.HuberT(1.345))
    theirs = model.fit(update_scale=False, conv="coefs", tol=1e-15, maxiter=5000)
    fit = gl.fit(x, y, loss=gl.losses.huber(1.345, scale=theirs.scale), covariance="classical", tolerance=1e-20)
    check(fit, theirs)


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_quantile_regression(level):
    data = sm.datasets.engel.load_pandas().data
    x, y = data[["income"]].to_numpy(float), data["foodexp"].to_numpy(float)
    model = sm.QuantReg(y, sm.add_constant(x))
    fit = gl.fit(x, y, loss=gl.losses.quantile(level), covariance="classical")
    close(fit.standard_errors, model.fit(level, vcov="iid", p_tol=1e-9).bse, 1e-4)
    if level == 0.5:
        again = fit.with_covariance("constant-density", x, y)
        close(again.standard_errors, model.fit(level, vcov="robust", p_tol=1e-9).bse, 1e-4)


def _pull(r):
    return np.where(r > 0, 2.0 * r / np.sqrt(1.0 + r * r), np.tanh(r))


def _losses(tf):
    """(function, its derivative in the linear predictors by hand, (n, k); linear predictors)."""

    def asymmetric(y, eta):
        r = y - eta
        return tf.where(r > 0, 2.0 * (tf.sqrt(1.0 + r * r) - 1.0), tf.math.log(tf.cosh(r)))

    def rate(y, eta):
        mean = tf.math.softplus(eta) + 0.1
        return mean - y * tf.math.log(mean)

    def spread(y, eta):
        scale = tf.exp(eta[:, 1])
        return tf.sqrt(0.5 + ((y - eta[:, 0]) / scale) ** 2) + eta[:, 1]

    def of_rate(y, eta):
        mean, slope = np.logaddexp(0, eta) + 0.1, 1 / (1 + np.exp(-eta))
        return slope * (1 - y / mean)

    def of_spread(y, eta):
        z = (y - eta[:, 0]) / np.exp(eta[:, 1])
        pull = z / np.sqrt(0.5 + z * z)
        return np.stack([-pull / np.exp(eta[:, 1]), 1 - pull * z], axis=1)

    return {
        "asymmetric": (asymmetric, lambda y, eta: -_pull(y - eta), None),
        "rate": (rate, of_rate, None),
        "spread": (spread, of_spread, ("centre", "log_scale")),
    }


@pytest.mark.parametrize("name", ["asymmetric", "rate", "spread"])
def test_losses_of_ones_own_against_delicatessen(name):
    delicatessen = pytest.importorskip("delicatessen")
    function, derivative, predictors = _losses(pytest.importorskip("tensorflow"))[name]
    rng = np.random.default_rng(8)
    x = rng.normal(size=(150, 2))
    y = rng.poisson(2.0, 150).astype(float) if name == "rate" else x @ [1, -0.5] + rng.standard_t(5, size=150)
    fit = gl.fit(x, y, loss=gl.losses.custom(function, linear_predictors=predictors), covariance="HC0", tolerance=1e-20)
    design, k = sm.add_constant(x), 1 if predictors is None else 2

    def psi(theta):
        eta = design @ theta.reshape(k, 3).T
        found = derivative(y, eta[:, 0] if k == 1 else eta).reshape(len(y), k)
        return np.concatenate([found[:, j] * design.T for j in range(k)])

    start = np.reshape(fit.coefficients, (3, -1)).T.ravel()
    theirs = delicatessen.MEstimator(psi, init=start)
    theirs.estimate(solver="hybr", tolerance=1e-13, deriv_method="approx", dx=1e-6)
    close(np.reshape(fit.standard_errors, (3, -1)).T.ravel(), np.sqrt(np.diag(theirs.variance)), 1e-6)
