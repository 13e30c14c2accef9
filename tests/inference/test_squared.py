"""Squared loss against statsmodels' OLS and WLS."""

import json
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from fitted import close, fitted
from statsmodels.stats.diagnostic import het_breuschpagan, linear_reset
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.stats.stattools import durbin_watson

import gradline as gl
from gradline.design.dense import DenseDesign
from gradline.inference import intervals
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.diagnostics import breusch_pagan, collinearity, diagnose_rows, reset
from gradline.inference.diagnostics import durbin_watson as durbin_watson_of
from gradline.inference.kinked import row_loss
from gradline.inference.predictions import prediction_interval
from gradline.inference.tests import compare, joint_test, linear_test


def dataset(name):
    data = getattr(sm.datasets, name).load_pandas()
    return data.exog.to_numpy(float), data.endog.to_numpy(float)


DATA = ["stackloss", "ccard", "statecrime", "cpunish"]


def weights_for(y):
    return 0.5 + np.random.default_rng(3).random(len(y))


@pytest.fixture(params=[(name, weighted) for name in DATA for weighted in (False, True)], ids=str)
def both(request):
    """(gradline's fit, statsmodels', the design with its constant, weights)."""
    name, weighted = request.param
    x, y = dataset(name)
    x = np.delete(x, np.flatnonzero(np.ptp(x, axis=0) == 0), axis=1)
    w = weights_for(y) if weighted else None
    exog = sm.add_constant(x)
    theirs = sm.OLS(y, exog).fit() if w is None else sm.WLS(y, exog, weights=w).fit()
    return fitted(x, y, weights=w), theirs, exog, w


def test_standard_errors(both):
    ours, theirs, _, _ = both
    close(ours.errors(), theirs.bse)
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        close(ours.errors(kind), theirs.get_robustcov_results(kind).bse)
    n = len(theirs.resid)
    groups = np.arange(n) // 3
    close(ours.errors(("cluster", groups)), theirs.get_robustcov_results("cluster", groups=groups).bse)
    close(ours.errors(("newey-west", 2)), theirs.get_robustcov_results("HAC", maxlags=2).bse)


def test_statistics_p_values_and_intervals(both):
    ours, theirs, _, _ = both
    for kind, theirs_too in ((None, theirs), ("HC1", theirs.get_robustcov_results("HC1"))):
        found = ours.covariance(kind)
        close(intervals.statistics(ours.b, found), theirs_too.tvalues)
        close(intervals.p_values(ours.b, found), theirs_too.pvalues, 1e-7)
        close(np.stack(intervals.coefficient_interval(ours.b, found, 0.9)).squeeze().T, theirs_too.conf_int(0.1), 1e-7)


def test_cluster_uses_t_with_clusters_less_one(both):
    ours, theirs, _, _ = both
    groups = np.arange(len(theirs.resid)) % 7
    robust = theirs.get_robustcov_results("cluster", groups=groups)
    found = ours.covariance(("cluster", groups))
    assert found.degrees_of_freedom == 6
    close(intervals.p_values(ours.b, found), robust.pvalues, 1e-7)


def test_sums_of_the_fit(both):
    ours, theirs, _, _ = both
    found = ours.statistics
    close(found.r_squared, theirs.rsquared)
    close(found.adjusted_r_squared, theirs.rsquared_adj)
    close(found.dispersion, theirs.scale)
    close(found.log_likelihood, theirs.llf)
    close(found.aic, theirs.aic)
    close(found.bic, theirs.bic)
    joint = joint_test(ours.b, ours.covariance(), True)
    close([joint.statistic, joint.p_value], [theirs.fvalue, theirs.f_pvalue], 1e-7)


def test_predictions(both):
    ours, theirs, exog, _ = both
    rows = exog[::2] * 1.01
    rows[:, 0] = 1.0
    design = DenseDesign(rows[:, 1:], True)
    predictors = design.predict(ours.b)
    frame = theirs.get_prediction(rows).summary_frame(0.1)
    found = ours.covariance()
    mean = intervals.mean_interval(design, predictors, found, ours.problem.loss, 0.9)
    close(mean.lower, frame["mean_ci_lower"])
    close(mean.upper, frame["mean_ci_upper"])
    new = prediction_interval(design, predictors, found, ours.problem.loss, level=0.9, dispersion=ours.statistics.dispersion)
    close(new.lower, frame["obs_ci_lower"])
    close(new.upper, frame["obs_ci_upper"])


def test_influence(both):
    ours, theirs, _, w = both
    loss = row_loss(ours.problem, ours.b)
    rows = diagnose_rows(ours.problem, ours.b, ours.bread, ours.statistics, None, loss)
    if w is not None:
        # statsmodels' influence leaves precision weights out of its residuals; an unweighted fit of the scaled rows has them.
        theirs = sm.OLS(theirs.model.wendog, theirs.model.wexog).fit()
    influence = theirs.get_influence()
    close(rows.leverage, influence.hat_matrix_diag)
    close(rows.cooks_distance, influence.cooks_distance[0], 1e-7)
    close(rows.standardised, influence.resid_studentized_internal, 1e-7)


def test_specification_tests():
    for name in DATA[:3]:
        x, y = dataset(name)
        x = np.delete(x, np.flatnonzero(np.ptp(x, axis=0) == 0), axis=1)
        exog = sm.add_constant(x)
        theirs, ours = sm.OLS(y, exog).fit(), fitted(x, y)
        found = breusch_pagan(ours.problem, ours.b)
        close([found.statistic, found.p_value, found.f_statistic, found.f_p_value], het_breuschpagan(theirs.resid, exog), 1e-7)
        found = reset(ours.problem, ours.b)
        wald = linear_reset(theirs, power=3, use_f=False)
        close([found.statistic, found.p_value], [float(wald.statistic), float(wald.pvalue)], 1e-5)
        close(durbin_watson_of(ours.problem, ours.b), durbin_watson(theirs.resid))
        found = collinearity(ours.problem, ours.problem.free)
        close(found.condition_number, theirs.condition_number, 1e-7)
        close(found.variance_inflation[1:], [variance_inflation_factor(exog, j) for j in range(1, exog.shape[1])], 1e-7)


NIST = json.loads((Path(__file__).parents[1] / "reference" / "nist_strd_linear.json").read_text())["datasets"]


@pytest.mark.parametrize("name", NIST)
def test_certified_standard_errors(name):
    """NIST's, to what the doubles of the data allow: 7.5 digits on Filip, 12 elsewhere."""
    data = NIST[name]
    x, y = np.array(data["x"], dtype=float), np.array(data["y"], dtype=float)
    if "^" in data["model"]:
        x = np.column_stack([x[:, 0] ** i for i in range(1, len(data["certified"]["coefficients"]) + 1 - int(data["intercept"]))])
    certified = np.array(data["certified"]["standard_deviations"], dtype=float)
    ours = fitted(x, y, intercept=data["intercept"])
    if not certified.any():
        # Certified as perfect: nothing is left from which a spread could be told.
        assert not ours.statistics.squares.any()
        with pytest.raises(ValueError, match="the fit is perfect"):
            ours.errors()
        return
    close(ours.errors()[:, 0], certified, 4e-8 if name == "Filip" else 1e-12)


def test_two_way_clusters():
    rng = np.random.default_rng(5)
    n = 400
    groups = np.stack([rng.integers(0, 20, n), rng.integers(0, 15, n)], axis=1)
    x = rng.normal(size=(n, 3)) + rng.normal(size=20)[groups[:, 0], None]
    y = x.sum(axis=1) + rng.normal(size=20)[groups[:, 0]] + rng.normal(size=15)[groups[:, 1]] + rng.normal(size=n)
    theirs = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    ours = fitted(x, y).covariance(("cluster", groups))
    close(ours.standard_errors, theirs.bse)
    assert ours.clusters == (20, 15)
    assert ours.degrees_of_freedom == 14


def test_newey_west_across_blocks():
    """More rows than a block holds."""
    rng = np.random.default_rng(6)
    n = 3000
    x = rng.normal(size=(n, 150))
    y = x[:, 0] + np.convolve(rng.normal(size=n + 4), np.ones(5), "valid")
    theirs = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HAC", cov_kwds={"maxlags": 6})
    ours = fitted(x, y)
    close(ours.errors(("newey-west", 6)), theirs.bse)
    close(durbin_watson_of(ours.problem, ours.b), durbin_watson(theirs.resid))
    groups = rng.integers(0, 900, n)
    close(ours.errors(("cluster", groups)), theirs.model.fit().get_robustcov_results("cluster", groups=groups).bse)


def test_frequencies_are_repeated_rows():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    f = rng.integers(0, 4, 40)
    groups = np.arange(40) // 4
    once, repeated = fitted(x, y, frequencies=f), fitted(np.repeat(x, f, axis=0), np.repeat(y, f))
    for kind in ("classical", "HC0", "HC1", "HC2", "HC3"):
        close(once.errors(kind), repeated.errors(kind), 1e-11)
    close(once.errors(("cluster", groups)), repeated.errors(("cluster", np.repeat(groups, f))), 1e-11)
    for name in ("r_squared", "adjusted_r_squared", "dispersion", "log_likelihood", "aic", "bic"):
        close(getattr(once.statistics, name), getattr(repeated.statistics, name), 1e-11)
    first, second = breusch_pagan(once.problem, once.b), breusch_pagan(repeated.problem, repeated.b)
    close(first[1:], second[1:], 1e-9)


def test_weights_leave_degrees_of_freedom_alone_and_zero_leaves_out():
    rng = np.random.default_rng(8)
    x, y, w = rng.normal(size=(30, 2)), rng.normal(size=30), rng.random(30)
    w[:5] = 0
    ours, fewer = fitted(x, y, weights=w), fitted(x[5:], y[5:], weights=w[5:] * 10)
    assert ours.statistics.degrees_of_freedom == 22
    for kind in ("classical", "HC1", "HC3", ("newey-west", 2)):
        close(ours.errors(kind), fewer.errors(kind), 1e-11)
    rows = diagnose_rows(ours.problem, ours.b, ours.bread, ours.statistics, None, row_loss(ours.problem, ours.b))
    assert np.isnan(rows.leverage[:5]).all()
    assert np.isfinite(rows.leverage[5:]).all()


def test_without_intercept_and_offset():
    rng = np.random.default_rng(9)
    x, y, offset = rng.normal(size=(50, 3)) + 1, rng.normal(size=50), rng.normal(size=50)
    theirs = sm.OLS(y, x).fit()
    ours = fitted(x, y, intercept=False)
    close(ours.statistics.r_squared, theirs.rsquared)
    close(ours.statistics.adjusted_r_squared, theirs.rsquared_adj)
    close(ours.errors("HC3"), theirs.HC3_se)
    moved, plain = fitted(x, y, offset=offset), fitted(x, y - offset)
    close(moved.errors(), plain.errors(), 1e-12)
    close(moved.statistics.r_squared, plain.statistics.r_squared, 1e-12)


def test_several_targets():
    rng = np.random.default_rng(10)
    x = rng.normal(size=(60, 3))
    y = x @ rng.normal(size=(3, 2)) + rng.normal(size=(60, 2)) @ np.array([[1, 0.5], [0, 2]])
    ours = fitted(x, y)
    for j in range(2):
        theirs = sm.OLS(y[:, j], sm.add_constant(x)).fit()
        close(ours.errors()[:, j], theirs.bse)
        close(ours.errors("HC2")[:, j], theirs.HC2_se)
        close(ours.errors("HC3")[:, j], theirs.HC3_se)
        close(ours.statistics.r_squared[j], theirs.rsquared)
    sigma = np.cov((y - sm.add_constant(x) @ ours.b).T) * 59 / 56
    close(ours.covariance().matrix, np.kron(sigma, np.linalg.inv(sm.add_constant(x).T @ sm.add_constant(x))), 1e-9)
    assert ours.covariance().degrees_of_freedom == 56


def test_ridge():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(50, 3))
    y = x @ [1, 2, 3] + rng.normal(size=50)
    for targets in (y, np.stack([y, y[::-1]], axis=1)):
        ours = fitted(x, targets, penalty=gl.penalties.ridge(0.3))
        design = sm.add_constant(x)
        penalty = np.diag([0, 1, 1, 1]) * 50 * 0.3 / 2
        a = np.linalg.inv(design.T @ design + penalty)
        residuals = (targets if targets.ndim == 2 else targets[:, None]) - design @ ours.b
        effective = np.trace(a @ design.T @ design)
        sigma = residuals[:, 0] @ residuals[:, 0] / (50 - effective)
        close(ours.errors()[:, 0], np.sqrt(np.diag(sigma * a @ design.T @ design @ a)))
        leverage = np.einsum("ij,jk,ik->i", design, a, design)
        scores = design * (residuals[:, :1] / (1 - leverage[:, None]))
        close(ours.errors("HC3")[:, 0], np.sqrt(np.diag(a @ scores.T @ scores @ a)))
        assert ours.covariance("HC1").degrees_of_freedom == pytest.approx(50 - effective)


def test_aliased_columns():
    rng = np.random.default_rng(12)
    x = rng.normal(size=(30, 3))
    x[:, 1] = 2 * x[:, 0] - 1
    y = rng.normal(size=30)
    with pytest.warns(gl.GradlineWarning, match="left out"):
        ours = fitted(x, y)
    found = ours.covariance("HC3")
    assert np.isnan(found.standard_errors[2, 0])
    close(found.standard_errors[[0, 1, 3]], fitted(x[:, [0, 2]], y).errors("HC3"), 1e-10)
    assert found.degrees_of_freedom == 27
    assert np.isnan(found.matrix[2]).all()
    with pytest.raises(ValueError, match="'x2' was left out"):
        linear_test("x2 = 0", ours.b, found, ("Intercept", "x1", "x2", "x3"))
    inflation = collinearity(ours.problem, free_coefficients(ours.problem, ours.solution)).variance_inflation
    assert np.isnan(inflation[2])
    assert np.isfinite(inflation[[1, 3]]).all()


def test_hypotheses_and_nested_fits():
    x, y = dataset("stackloss")
    theirs = sm.OLS(y, sm.add_constant(x)).fit()
    ours = fitted(x, y)
    names = ("Intercept", "air flow", "x2", "x3")
    for text, other in [("`air flow` = x2, x3 = 0", "x1 = x2, x3 = 0"), ("2*x2 + air flow = 1", "2*x2 + x1 = 1"), ("x3", "x3 = 0")]:
        found, wanted = linear_test(text, ours.b, ours.covariance(), names), theirs.f_test(other)
        close([found.statistic, found.p_value], [wanted.fvalue, wanted.pvalue], 1e-7)
    robust = theirs.get_robustcov_results("HC1")
    found, wanted = linear_test("x2 = x3 = 0", ours.b, ours.covariance("HC1"), names), robust.f_test("x2 = 0, x3 = 0")
    close([found.statistic, found.p_value], [wanted.fvalue, wanted.pvalue], 1e-7)
    smaller = sm.OLS(y, sm.add_constant(x[:, :1])).fit()
    small = fitted(x[:, :1], y)
    found = compare(ours.statistics, small.statistics, names, names[:2])
    close([found.statistic, found.p_value], theirs.compare_f_test(smaller)[:2], 1e-7)
    assert "x2 = 0, x3 = 0" in found.hypothesis
