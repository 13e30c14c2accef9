"""Quantile residuals against SciPy's distribution functions."""

import numpy as np
import pytest
import scipy.stats as st

import gradline as gl


def quantile_residuals(loss, *arguments):
    return loss.distribution.quantile_residuals(*arguments)


RNG = np.random.default_rng(0)
ETA = RNG.normal(size=(200, 1))
UNIFORM = RNG.random((200, 1))
MEAN = np.exp(ETA)
PROBABILITY = 1 / (1 + np.exp(-ETA))

DISCRETE = {
    "poisson": (gl.losses.poisson, st.poisson(MEAN)),
    "negative_binomial": (gl.losses.negative_binomial(0.7), st.nbinom(1 / 0.7, 1 / (1 + 0.7 * MEAN))),
    "logistic": (gl.losses.logistic, st.bernoulli(PROBABILITY)),
}
CONTINUOUS = {
    "gamma": (gl.losses.gamma, st.gamma(1 / 0.5, scale=0.5 * MEAN)),
    "gaussian": (gl.losses.gaussian("log"), st.norm(MEAN, np.sqrt(0.5))),
    "student_t": (gl.losses.student_t(4, 2.0), st.t(4, loc=ETA, scale=2.0)),
    "cauchy": (gl.losses.cauchy(2.0), st.cauchy(loc=ETA, scale=2.0)),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_counts_and_labels_fall_within_the_step_of_their_distribution(name):
    loss, distribution = DISCRETE[name]
    y = distribution.rvs(size=(200, 1), random_state=1).astype(float)
    expected = st.norm.ppf(distribution.cdf(y - 1) + UNIFORM * distribution.pmf(y))
    assert np.allclose(quantile_residuals(loss, y, ETA, UNIFORM), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_amounts_and_measurements_have_the_deviate_of_their_distribution_function(name):
    loss, distribution = CONTINUOUS[name]
    y = distribution.rvs(size=(200, 1), random_state=1)
    found = quantile_residuals(loss, y, ETA, UNIFORM, np.array([0.5]))
    assert np.allclose(found, st.norm.ppf(distribution.cdf(y)), rtol=1e-8, atol=1e-8)


def test_the_normal_with_its_own_spread_is_standardised():
    predictors = np.column_stack([ETA[:, 0], 0.3 * ETA[:, 0]])
    y = ETA + 1.7
    assert np.allclose(quantile_residuals(gl.losses.normal, y, predictors, UNIFORM)[:, 0], 1.7 * np.exp(-0.3 * ETA[:, 0]))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_far_tails_keep_their_digits(sign):
    # One less a probability near one would be zero, and the deviate infinite.
    found = quantile_residuals(gl.losses.student_t(30.0), np.array([[sign * 60.0]]), np.zeros((1, 1)), UNIFORM[:1])
    assert found[0, 0] == pytest.approx(sign * -st.norm.ppf(st.t(30).sf(60.0)), rel=1e-10)
    count = quantile_residuals(gl.losses.poisson, np.array([[90.0]]), np.zeros((1, 1)), np.full((1, 1), 0.5))
    assert count[0, 0] == pytest.approx(-st.norm.ppf(st.poisson(1).sf(90) + 0.5 * st.poisson(1).pmf(90)), rel=1e-10)


def test_they_are_standard_normal_where_the_model_is_right():
    eta = RNG.normal(size=(20_000, 1))
    y = RNG.poisson(np.exp(eta)).astype(float)
    found = quantile_residuals(gl.losses.poisson, y, eta, RNG.random(eta.shape))
    assert st.kstest(found[:, 0], "norm").pvalue > 0.001


def test_losses_without_a_known_distribution_have_none():
    for loss in (gl.losses.huber(1.0), gl.losses.tweedie(1.5), gl.losses.absolute):
        assert loss.distribution is None
    with pytest.raises(ValueError, match="need its dispersion"):
        quantile_residuals(gl.losses.gamma, MEAN, ETA, UNIFORM)


@pytest.mark.parametrize(
    ("loss", "eta", "law"),
    [
        (gl.losses.gamma("inverse"), MEAN, st.gamma(1 / 0.5, scale=0.5 / MEAN)),
        (gl.losses.gaussian("log"), ETA, st.norm(MEAN, np.sqrt(0.5))),
    ],
    ids=["gamma", "gaussian"],
)
def test_quantiles_of_means_by_other_links(loss, eta, law):
    found = loss.distribution.quantile(eta, np.zeros(eta.shape), 0.9, np.array([0.5]))
    np.testing.assert_allclose(found, law.ppf(0.9), rtol=1e-8)
    y = law.rvs(size=(200, 1), random_state=2)
    residuals = quantile_residuals(loss, y, eta, UNIFORM, np.array([0.5]))
    np.testing.assert_allclose(residuals, st.norm.ppf(law.cdf(y)), rtol=1e-7, atol=1e-8)
    with pytest.raises(ValueError, match="need its dispersion"):
        quantile_residuals(loss, y, eta, UNIFORM)


@pytest.mark.parametrize(
    ("name", "law"), [("probit", st.norm.cdf), ("cauchit", st.cauchy.cdf), ("cloglog", lambda eta: -np.expm1(-np.exp(eta)))]
)
def test_labels_and_trials_by_other_links(name, law):
    y = (UNIFORM < 0.4).astype(float)
    one = law(ETA)
    expected = st.norm.ppf(np.where(y == 1, 1 - one + UNIFORM * one, UNIFORM * (1 - one)))
    np.testing.assert_allclose(quantile_residuals(getattr(gl.losses, name), y, ETA, UNIFORM), expected, rtol=1e-7, atol=1e-8)
    trials = np.column_stack([3 * y[:, 0] + 1, np.full(200, 4.0)])
    known = st.binom(trials.sum(axis=1), one[:, 0])
    drawn = known.cdf(trials[:, 0] - 1) + UNIFORM[:, 0] * known.pmf(trials[:, 0])
    found = quantile_residuals(gl.losses.binomial(name), trials, ETA, UNIFORM)
    np.testing.assert_allclose(found[:, 0], st.norm.ppf(drawn), rtol=1e-6, atol=1e-8)
