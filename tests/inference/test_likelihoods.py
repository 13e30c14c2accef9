"""Poisson, gamma, logistic, negative binomial and the normal with modelled scale, against statsmodels' GLM and closed forms."""

import numpy as np
import pytest
import statsmodels.api as sm
from fitted import close, fitted
from scipy.special import expit, logit

import gradline as gl
from gradline.design.dense import DenseDesign
from gradline.inference import intervals
from gradline.inference.diagnostics import diagnose_rows
from gradline.inference.kinked import row_loss
from gradline.inference.predictions import prediction_interval
from gradline.inference.tests import compare, linear_test


def data(name):
    if name == "poisson":
        sets = sm.datasets.cpunish.load_pandas()
        return sets.exog.to_numpy(float)[:, 1:] / [10, 10, 10, 1, 1], sets.endog.to_numpy(float)
    if name == "gamma":
        sets = sm.datasets.scotland.load_pandas()
        return sets.exog.to_numpy(float)[:, :4] / 100, sets.endog.to_numpy(float)
    if name == "logistic":
        sets = sm.datasets.spector.load_pandas()
        return sets.exog.to_numpy(float), sets.endog.to_numpy(float)
    sets = sm.datasets.randhie.load_pandas()
    return sets.exog.to_numpy(float)[:800, :4], sets.endog.to_numpy(float)[:800]


FAMILIES = {
    "poisson": (gl.losses.poisson, lambda: sm.families.Poisson()),
    "gamma": (gl.losses.gamma, lambda: sm.families.Gamma(sm.families.links.Log())),
    "logistic": (gl.losses.logistic, lambda: sm.families.Binomial()),
    "negative_binomial": (gl.losses.negative_binomial(0.8), lambda: sm.families.NegativeBinomial(alpha=0.8)),
    "tweedie": (gl.losses.tweedie(1.4), lambda: sm.families.Tweedie(sm.families.links.Log(), var_power=1.4)),
}
TIGHT = {"tol": 1e-14, "maxiter": 200, "tol_criterion": "params"}


@pytest.fixture(params=[(name, weighted) for name in FAMILIES for weighted in (False, True)], ids=str)
def both(request):
    name, weighted = request.param
    x, y = data(name)
    w = 0.5 + np.random.default_rng(1).random(len(y)) if weighted else None
    loss, family = FAMILIES[name]
    theirs = sm.GLM(y, sm.add_constant(x), family=family(), var_weights=w)
    return fitted(x, y, loss, weights=w), theirs, name, w


def test_standard_errors_statistics_and_intervals(both):
    ours, model, _, _ = both
    theirs = model.fit(**TIGHT)
    found = ours.covariance()
    assert found.kind == "classical"
    assert found.degrees_of_freedom is None
    close(ours.b, theirs.params)
    close(found.standard_errors, theirs.bse)
    close(intervals.statistics(ours.b, found), theirs.tvalues)
    close(intervals.p_values(ours.b, found), theirs.pvalues, 1e-6)
    close(np.stack(intervals.coefficient_interval(ours.b, found)).squeeze().T, theirs.conf_int(), 1e-7)
    n = len(model.endog)
    groups = np.arange(n) // 2
    for kind, options in [("HC0", {}), ("HC1", {}), ("cluster", {"groups": groups}), ("HAC", {"maxlags": 2})]:
        robust = model.fit(**TIGHT, cov_type=kind, cov_kwds=options)
        asked = {"cluster": ("cluster", groups), "HAC": ("newey-west", 2)}.get(kind, kind)
        # statsmodels' GLM takes HC1 for HC0 and says nothing.
        factor = n / (n - model.exog.shape[1]) if kind == "HC1" else 1.0
        close(ours.errors(asked), robust.bse * np.sqrt(factor), 1e-7)


def test_sums_and_mean_intervals(both):
    ours, model, name, w = both
    theirs = model.fit(**TIGHT)
    found = ours.statistics
    assert found.r_squared is None
    if name != "negative_binomial" or w is None:
        close(found.deviance, theirs.deviance)
    if name == "tweedie":
        assert found.log_likelihood is None
        assert found.aic is None
    else:
        close(found.log_likelihood, theirs.llf)
        close(found.aic, theirs.aic)
    if found.dispersion is not None:
        close(found.dispersion, theirs.scale)
    design = DenseDesign(model.exog[:9, 1:], True)
    mean = intervals.mean_interval(design, design.predict(ours.b), ours.covariance(), ours.problem.loss)
    frame = theirs.get_prediction(model.exog[:9]).summary_frame()
    close(mean.lower, frame["mean_ci_lower"], 1e-7)
    close(mean.upper, frame["mean_ci_upper"], 1e-7)


def test_influence_of_canonical_links(both):
    ours, model, name, w = both
    if name not in ("poisson", "logistic") or w is not None:
        return
    influence = model.fit(**TIGHT).get_influence()
    rows = diagnose_rows(ours.problem, ours.b, ours.bread, ours.statistics, None, row_loss(ours.problem, ours.b))
    close(rows.leverage, influence.hat_matrix_diag, 1e-7)
    close(rows.cooks_distance, influence.cooks_distance[0], 1e-7)
    close(rows.standardised, influence.resid_studentized, 1e-7)


def test_nested_fits_and_hypotheses():
    x, y = data("poisson")
    model = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit(**TIGHT)
    small = sm.GLM(y, sm.add_constant(x[:, :3]), family=sm.families.Poisson()).fit(**TIGHT)
    ours, fewer = fitted(x, y, "poisson"), fitted(x[:, :3], y, "poisson")
    found = compare(fewer.statistics, ours.statistics)
    close(found.statistic, 2 * (model.llf - small.llf), 1e-7)
    assert found.distribution == "chi2"
    assert found.numerator == 2
    names = ("Intercept", *(f"x{i + 1}" for i in range(x.shape[1])))
    wald = model.wald_test("x1 = x2, x3 = 0", use_f=False, scalar=True)
    found = linear_test("x1 = x2, x3 = 0", ours.b, ours.covariance(), names)
    close([found.statistic, found.p_value], [wald.statistic, wald.pvalue], 1e-7)
    gammas = [fitted(data("gamma")[0][:, :j], data("gamma")[1], "gamma").statistics for j in (2, 4)]
    found = compare(*gammas)
    close(found.statistic, (gammas[0].deviance - gammas[1].deviance) / 2 / gammas[1].dispersion[0])
    assert found.distribution == "F"


def test_normal_with_modelled_scale():
    rng = np.random.default_rng(2)
    n = 300
    x = rng.normal(size=(n, 2))
    y = 1 + x[:, 0] + np.exp(0.3 + 0.5 * x[:, 1]) * rng.normal(size=n)
    ours = fitted(x, y, "normal")
    design, variance = sm.add_constant(x), np.exp(2 * sm.add_constant(x) @ ours.b[:, 1])
    residuals = y - design @ ours.b[:, 0]
    # Second derivatives of the log likelihood by hand.
    mean = (design / variance[:, None]).T @ design
    cross = (design * (2 * residuals / variance)[:, None]).T @ design
    spread = (design * (2 * residuals**2 / variance)[:, None]).T @ design
    information = np.block([[mean, cross], [cross.T, spread]])
    close(ours.errors().T.ravel(), np.sqrt(np.diag(np.linalg.inv(information))), 1e-9)
    scores = np.concatenate([design * (residuals / variance)[:, None], design * (residuals**2 / variance - 1)[:, None]], axis=1)
    inverse = np.linalg.inv(information)
    close(ours.errors("HC0").T.ravel(), np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse)), 1e-9)
    # One Newton step without each row, taken in full.
    moves = []
    for i in range(n):
        z = np.kron(np.eye(2), design[i][:, None])
        c = 2 * residuals[i] / variance[i]
        h = np.array([[1 / variance[i], c], [c, 2 * residuals[i] ** 2 / variance[i]]])
        moves.append(np.linalg.solve(information - z @ h @ z.T, scores[i]))
    close(ours.errors("HC3").T.ravel(), np.sqrt(np.square(moves).sum(axis=0)), 1e-9)
    half = 0.5 * np.sum(np.log(variance)) + 0.5 * np.sum(residuals**2 / variance) + n / 2 * np.log(2 * np.pi)
    close(ours.statistics.log_likelihood, -half, 1e-12)


def test_prediction_intervals_follow_the_distribution():
    """Cover of new targets, and plug-in quantiles where the coefficients are certain."""
    rng = np.random.default_rng(4)
    from scipy import stats

    x = rng.normal(size=(400, 1))
    mean = np.exp(1 + 0.5 * x[:, 0])
    design = DenseDesign(x, True)
    draws = {
        "poisson": (rng.poisson(mean), lambda b: stats.poisson.ppf([[0.05], [0.95]], np.exp(b))),
        "gamma": (rng.gamma(2.0, mean / 2), None),
        "negative_binomial": (
            rng.negative_binomial(2, 2 / (2 + mean)),
            lambda b: stats.nbinom.ppf([[0.05], [0.95]], 2, 2 / (2 + np.exp(b))),
        ),
        "normal": (rng.normal(mean, 0.3 * mean), None),
    }
    for name, (y, plug_in) in draws.items():
        loss = gl.losses.negative_binomial(0.5) if name == "negative_binomial" else name
        ours = fitted(x, y, loss)
        predictors = design.predict(ours.b)
        options = {"level": 0.9, "dispersion": ours.statistics.dispersion}
        found = prediction_interval(design, predictors, ours.covariance(), ours.problem.loss, **options)
        cover = np.mean((y >= found.lower[:, 0]) & (y <= found.upper[:, 0]))
        assert 0.88 <= cover <= 0.97, name
        if plug_in is not None:
            lower, upper = plug_in(predictors[:, 0])
            # The coefficients' uncertainty moves a quantile by a count here and there.
            assert np.abs(found.lower[:, 0] - lower).max() <= 1
            assert np.mean(found.upper[:, 0] == upper) > 0.7
            assert (found.upper[:, 0] >= upper).all()


def test_certain_coefficients_give_the_quantiles_of_the_distribution():
    from scipy import stats

    def quantiles(loss, *arguments):
        return loss.distribution.quantile(*arguments)

    eta, zero = np.linspace(-3, 6.1, 40)[:, None], np.zeros((40, 1))
    for p in (0.001, 0.025, 0.5, 0.975):
        close(quantiles(gl.losses.gamma, eta, zero, p, np.array([0.4])), stats.gamma.ppf(p, 2.5, scale=np.exp(eta) * 0.4), 1e-10)
        np.testing.assert_array_equal(quantiles(gl.losses.poisson, eta, zero, p, None), stats.poisson.ppf(p, np.exp(eta)))
        wanted = stats.nbinom.ppf(p, 4, 4 / (4 + np.exp(eta)))
        np.testing.assert_array_equal(quantiles(gl.losses.negative_binomial(0.25), eta, zero, p, None), wanted)
        both = np.concatenate([eta, eta / 3], axis=1)
        found = quantiles(gl.losses.normal, both, np.zeros((40, 2)), p, None)
        np.testing.assert_allclose(found, stats.norm.ppf(p, eta, np.exp(eta / 3)), rtol=1e-9, atol=1e-12)


def test_multinomial_mean_interval_by_the_delta_method():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(200, 1))
    y = (rng.random(200)[:, None] > np.array([0.3, 0.7])).sum(axis=1)
    ours = fitted(x, y, "multinomial")
    theirs = sm.MNLogit(y, sm.add_constant(x)).fit(disp=0)
    close(ours.errors(), theirs.bse, 1e-6)
    design = DenseDesign(x[:4], True)
    eta = design.predict(ours.b)
    found = intervals.mean_interval(design, eta, ours.covariance(), ours.problem.loss)
    v, p = ours.covariance().matrix, ours.problem.loss.predict(eta)
    for i in range(4):
        z = np.kron(np.eye(2), design.dense()[i])
        slope = np.array([[p[i, c] * ((c == a + 1) - p[i, a + 1]) for a in range(2)] for c in range(3)]) @ z
        reach = 1.959963984540054 * np.sqrt(np.diag(slope @ v @ slope.T)) / (p[i] * (1 - p[i]))
        close(found.upper[i], expit(logit(p[i]) + reach), 1e-7)
        close(found.lower[i], expit(logit(p[i]) - reach), 1e-7)
