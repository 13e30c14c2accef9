"""Binomial counts and shares that vary more than their trials allow, against statsmodels' Pearson chi-squared."""

import numpy as np
import pytest
import statsmodels.api as sm

import gradline as gl

TITLE = "More spread than binomial counts have (overdispersion)"
STAR = sm.datasets.star98.load_pandas().data
STAR["trials"] = STAR.NABOVE + STAR.NBELOW
STAR["share"] = STAR.NABOVE / STAR.trials
THEIRS = sm.GLM(STAR[["NABOVE", "NBELOW"]], sm.add_constant(STAR[["LOWINC"]]), family=sm.families.Binomial()).fit()
COUNTS, SHARE = "cbind(NABOVE, NBELOW) ~ LOWINC", "share ~ LOWINC"


def concern(fit, data):
    return {found.title: found for found in fit.report(data).concerns}.get(TITLE)


@pytest.mark.parametrize(("formula", "how"), [(COUNTS, {}), (SHARE, {"frequencies": "trials"}), (SHARE, {"weights": "trials"})])
def test_a_group_of_trials_counts_once_however_it_is_given(formula, how):
    fit = gl.fit(formula, STAR, loss="binomial", **how)
    found = fit.diagnose(STAR).overdispersion
    np.testing.assert_allclose(found.ratio, THEIRS.pearson_chi2 / THEIRS.df_resid, rtol=1e-9)
    assert found.degrees == THEIRS.df_resid
    assert concern(fit, STAR).level == "serious"
    with pytest.raises(ValueError, match=r"diagnose\(data\).overdispersion"):
        _ = fit.dispersion


def test_robust_errors_leave_a_note_unless_trials_are_frequencies():
    assert concern(gl.fit(COUNTS, STAR, loss="binomial", covariance="HC1"), STAR).level == "note"
    assert concern(gl.fit(SHARE, STAR, loss="binomial", covariance="HC1", weights="trials"), STAR).level == "note"
    trials = gl.fit(SHARE, STAR, loss="binomial", covariance="HC1", frequencies="trials")
    assert concern(trials, STAR).level == "serious"
    assert "weights=" in concern(trials, STAR).code[0]
    # Why: as weights they give the errors of counts, as frequencies far smaller ones.
    errors = [gl.fit(COUNTS, STAR, loss="binomial", covariance="HC1").standard_errors]
    errors += [
        gl.fit(SHARE, STAR, loss="binomial", covariance="HC1", **{how: "trials"}).standard_errors for how in ("weights", "frequencies")
    ]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-9)
    assert (errors[2] < errors[0] / 10).all()


def test_data_that_vary_as_they_should_and_labels_are_left_alone():
    rng = np.random.default_rng(0)
    x, trials = rng.normal(size=400), rng.integers(5, 30, size=400)
    yes = rng.binomial(trials, 1 / (1 + np.exp(-x)))
    data = {"x": x, "yes": yes, "no": trials - yes, "trials": trials, "share": yes / trials}
    counts = gl.fit("cbind(yes, no) ~ x", data, loss="binomial")
    assert concern(counts, data) is None
    np.testing.assert_allclose(counts.diagnose(data).overdispersion.ratio, 1, atol=0.2)
    cells = {"x": np.repeat([0.0, 1.0, 2.0], 2), "y": [0.0, 1.0] * 3, "n": [60, 40, 50, 50, 20, 80]}
    labels = gl.fit("y ~ x", cells, loss="binomial", frequencies="n")
    assert concern(labels, cells) is None
    with pytest.raises(ValueError, match="shares of more than one trial"):
        _ = labels.diagnose(cells).overdispersion


def test_poisson_counts_have_the_ratio_too():
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    y = rng.negative_binomial(1, 1 / (1 + np.exp(0.5 + 0.3 * x))).astype(float)
    theirs = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    found = gl.fit(x, y, loss="poisson").diagnose(x, y).overdispersion
    np.testing.assert_allclose([found.ratio, found.degrees], [theirs.pearson_chi2 / theirs.df_resid, theirs.df_resid], rtol=1e-8)
    with pytest.raises(ValueError, match=r"no dispersion$"):
        _ = gl.fit(x, y > 1, loss="logistic").dispersion
