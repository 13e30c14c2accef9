"""Counts with an estimated dispersion, zero-inflated and hurdle counts, and beta shares: against SciPy's distributions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import gradline as gl

RNG = np.random.default_rng(8)
N = 200
ETA, LOG_DISPERSION, LOGIT = RNG.normal(size=N), 0.7 * RNG.normal(size=N), RNG.normal(size=N)
COUNTS = RNG.poisson(2.0, size=N) * (RNG.random(N) < 0.7)
MEAN = np.exp(ETA)
SHARE = 1 / (1 + np.exp(-LOGIT))

POISSON = st.poisson(MEAN)
NEGATIVE = st.nbinom(np.exp(-LOG_DISPERSION), 1 / (1 + np.exp(LOG_DISPERSION) * MEAN))


def inflated(base):
    return lambda y: np.where(y < 0, 0.0, SHARE + (1 - SHARE) * base.cdf(y))


def cut_off(base):
    return lambda y: np.where(y < 0, 0.0, 1 - SHARE + SHARE * (base.cdf(y) - base.pmf(0)) / base.sf(0))


CASES = {
    "negative_binomial": (gl.losses.negative_binomial(), (ETA, LOG_DISPERSION), NEGATIVE.cdf),
    "zero_inflated": (gl.losses.zero_inflated(), (ETA, LOGIT), inflated(POISSON)),
    "zero_inflated_negative": (gl.losses.zero_inflated("negative_binomial"), (ETA, LOG_DISPERSION, LOGIT), inflated(NEGATIVE)),
    "hurdle": (gl.losses.hurdle(), (ETA, LOGIT), cut_off(POISSON)),
    "hurdle_negative": (gl.losses.hurdle("negative_binomial"), (ETA, LOG_DISPERSION, LOGIT), cut_off(NEGATIVE)),
}


@pytest.mark.parametrize("name", CASES)
def test_probabilities_moments_and_residuals(name):
    loss, parts, cumulative = CASES[name]
    predictors = np.column_stack(parts)
    y = COUNTS.astype(float)
    mass = cumulative(y) - cumulative(y - 1)
    np.testing.assert_allclose(np.exp(-loss.derivatives(y[:, None], predictors, 0).value), mass, rtol=1e-9)
    support = np.arange(20_000.0)[:, None]
    mass_at = cumulative(support) - cumulative(support - 1)
    mean = (support * mass_at).sum(axis=0)
    np.testing.assert_allclose(loss.predict(predictors)[:, 0], mean, rtol=1e-6)
    np.testing.assert_allclose(loss.variance(predictors)[:, 0], (support**2 * mass_at).sum(axis=0) - mean**2, rtol=1e-5)
    for probability in (0.05, 0.5, 0.975):
        quantile = loss.distribution.quantile(predictors, np.zeros(predictors.shape), probability, None)[:, 0]
        assert (cumulative(quantile) >= probability - 1e-12).all()
        assert (cumulative(quantile - 1) < probability + 1e-12).all()
    uniform = RNG.random((N, 1))
    found = loss.distribution.quantile_residuals(y[:, None], predictors, uniform)[:, 0]
    np.testing.assert_allclose(found, st.norm.ppf(cumulative(y - 1) + uniform[:, 0] * mass), rtol=1e-6, atol=1e-8)


def test_quantiles_of_counts_and_shares():
    predictors = np.column_stack([ETA, LOG_DISPERSION])
    loss = gl.losses.negative_binomial()
    np.testing.assert_array_equal(loss.distribution.quantile(predictors, np.zeros((N, 2)), 0.9, None)[:, 0], NEGATIVE.ppf(0.9))
    mean, precision = 1 / (1 + np.exp(-ETA)), np.exp(LOG_DISPERSION)
    known = st.beta(mean * precision, (1 - mean) * precision)
    beta, y = gl.losses.beta(), RNG.uniform(0.01, 0.99, size=N)
    np.testing.assert_allclose(beta.derivatives(y[:, None], predictors, 0).value, -known.logpdf(y), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(beta.variance(predictors)[:, 0], known.var(), rtol=1e-10)
    np.testing.assert_allclose(
        beta.distribution.quantile(predictors, np.zeros((N, 2)), 0.3, None)[:, 0], known.ppf(0.3), rtol=1e-8, atol=1e-12
    )
    found = beta.distribution.quantile_residuals(y[:, None], predictors, np.zeros((N, 1)))[:, 0]
    np.testing.assert_allclose(found, st.norm.ppf(known.cdf(y)), rtol=1e-6, atol=1e-8)


class TestFits:
    table = pd.DataFrame({"x": RNG.normal(size=800), "z": RNG.normal(size=800)})
    table["y"] = RNG.negative_binomial(2, 1 / (1 + 0.5 * np.exp(0.5 + 0.6 * table.x)))
    table["any"] = (table.y > 0).astype(float)

    def test_the_two_parts_of_a_hurdle_are_fits_of_their_own(self):
        fit = gl.fit("y ~ x", self.table, loss="hurdle")
        logit = gl.fit("any ~ x", self.table, loss="logistic")
        np.testing.assert_allclose(fit.solution.coefficients[:, 1], logit.coefficients, rtol=1e-8)
        np.testing.assert_allclose(np.reshape(fit.standard_errors, (2, 2))[:, 1], logit.standard_errors, rtol=1e-8)

    def test_the_dispersion_estimated_is_the_best_of_those_given(self):
        fit = gl.fit("y ~ x", self.table, loss="negative_binomial")
        best = float(np.exp(fit.solution.coefficients[0, 1]))
        assert gl.fit("y ~ x", self.table, loss=gl.losses.negative_binomial(best)).loss == pytest.approx(fit.loss, rel=1e-12)
        for other in (0.97 * best, 1.03 * best):
            assert gl.fit("y ~ x", self.table, loss=gl.losses.negative_binomial(other)).loss > fit.loss

    def test_each_predictor_with_its_own_formula(self):
        fit = gl.fit({"log_mean": "y ~ x", "log_dispersion": "~ z"}, self.table, loss="negative_binomial")
        assert fit.certificate.converged
        assert fit.loss_function.parameters == {"dispersion": "varying"}
        constant = gl.fit({"log_mean": "y ~ x", "log_dispersion": "~ 1"}, self.table, loss="negative_binomial")
        plain = gl.fit("y ~ x", self.table, loss="negative_binomial")
        np.testing.assert_allclose(constant.solution.coefficients, plain.solution.coefficients, atol=1e-8)
        inflated = {"log_mean": "y ~ x", "log_odds_of_zero": "~ 1"}
        assert gl.fit(inflated, self.table, loss="zero_inflated").certificate.converged

    def test_counts_that_vary_less_than_poisson_have_no_dispersion(self):
        y = RNG.binomial(10, 0.5, size=300).astype(float)
        with pytest.warns(gl.GradlineWarning):
            fit = gl.fit(RNG.normal(size=(300, 2)), y, loss="negative_binomial")
        assert not fit.certificate.converged
        assert "log_dispersion" in fit.certificate.reason
        assert "use those" in fit.certificate.remedy

    @pytest.mark.parametrize("make", [gl.losses.negative_binomial, gl.losses.zero_inflated, gl.losses.hurdle])
    @pytest.mark.parametrize("value", [-1.0, 1.5])
    def test_counts_are_whole_and_not_negative(self, make, value):
        y = np.array([0.0, 1.0, value, 2.0])
        with pytest.raises(gl.GradlineError, match=rf"row 2 holds {value:g}; targets must be counts: 0, 1, 2"):
            gl.fit(np.arange(4.0)[:, None], y, loss=make())

    @pytest.mark.parametrize("value", [0.0, 1.0, 1.2])
    def test_shares_of_beta_lie_inside(self, value):
        with pytest.raises(gl.GradlineError, match=rf"row 1 holds {value:g}; targets must be shares strictly between 0 and 1"):
            gl.fit(np.arange(3.0)[:, None], np.array([0.5, value, 0.2]), loss="beta")

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: gl.losses.negative_binomial("free"), "a number above 0, 'estimated' or 'varying'"),
            (lambda: gl.losses.zero_inflated("binomial"), "counts must be one of poisson, negative_binomial"),
            (lambda: gl.losses.hurdle("poisson", "estimated"), "a Poisson count has no dispersion"),
            (lambda: gl.losses.beta("free"), "precision must be 'estimated' or 'varying'"),
            (lambda: gl.losses.weibull("free"), "scale must be 'estimated' or 'varying'"),
            (lambda: gl.losses.logistic(link="log"), "no link is called 'log'; it has logit, probit"),
            (lambda: gl.losses.gamma(link="identity"), "no link is called 'identity'; it has log, inverse"),
            (lambda: gl.losses.gaussian("sqrt"), "no link is called 'sqrt'; it has identity, log"),
            (lambda: gl.losses.ordinal(1), "n_classes must be a whole number, 2 or above"),
            (lambda: gl.losses.ordinal(link="cauchit"), "it has logit, probit"),
        ],
    )
    def test_bad_words_are_refused(self, make, message):
        with pytest.raises(gl.GradlineError, match=message):
            make()
