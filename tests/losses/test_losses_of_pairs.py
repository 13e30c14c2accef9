"""Grouped binomial and censored lifetimes: two columns that are one observation, in arrays and in formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import gradline as gl

RNG = np.random.default_rng(4)
N = 300
X = RNG.normal(size=(N, 1))
TRIALS = RNG.integers(1, 15, size=N)
SUCCESSES = RNG.binomial(TRIALS, 1 / (1 + np.exp(-X[:, 0])))
TIMES = np.exp(1 + 0.5 * X[:, 0]) * RNG.weibull(1.5, size=N)
CENSORED_AT = RNG.exponential(6, size=N)
TABLE = pd.DataFrame(
    {
        "x": X[:, 0],
        "successes": SUCCESSES,
        "failures": TRIALS - SUCCESSES,
        "trials": TRIALS,
        "share": SUCCESSES / TRIALS,
        "time": np.minimum(TIMES, CENSORED_AT),
        "event": TIMES <= CENSORED_AT,
    }
)


class TestBinomial:
    def test_groups_are_their_single_trials(self):
        grouped = gl.fit("cbind(successes, failures) ~ x", TABLE, loss="binomial")
        rows = np.repeat(np.arange(N), TRIALS)
        labels = np.concatenate([np.arange(t) < s for s, t in zip(SUCCESSES, TRIALS, strict=True)]).astype(float)
        single = gl.fit(X[rows], labels, loss="logistic")
        np.testing.assert_allclose(grouped.coefficients, single.coefficients, rtol=1e-9)
        np.testing.assert_allclose(grouped.standard_errors, single.standard_errors, rtol=1e-9)
        chosen = st.binom.logpmf(SUCCESSES, TRIALS, grouped.predict(TABLE)).sum()
        assert grouped.log_likelihood == pytest.approx(chosen, rel=1e-12)

    def test_shares_with_frequencies_and_arrays_say_the_same(self):
        grouped = gl.fit("cbind(successes, trials - successes) ~ x", TABLE, loss="binomial")
        shares = gl.fit("share ~ x", TABLE, loss="binomial", frequencies="trials")
        arrays = gl.fit(X, np.column_stack([SUCCESSES, TRIALS - SUCCESSES]), loss="binomial")
        for other in (shares, arrays):
            np.testing.assert_allclose(np.ravel(other.coefficients), np.ravel(grouped.coefficients), rtol=1e-9)
            np.testing.assert_allclose(np.ravel(other.standard_errors), np.ravel(grouped.standard_errors), rtol=1e-8)

    def test_residuals_are_of_shares(self):
        fit = gl.fit("cbind(successes, failures) ~ x", TABLE, loss="binomial")
        predicted = fit.predict(TABLE)
        np.testing.assert_allclose(fit.residuals(TABLE), SUCCESSES / TRIALS - predicted)
        found = fit.diagnose(TABLE)
        pearson = (SUCCESSES / TRIALS - predicted) / np.sqrt(predicted * (1 - predicted) / TRIALS)
        np.testing.assert_allclose(np.ravel(found.standardised), pearson / np.sqrt(1 - np.ravel(found.leverage)), rtol=1e-9)

    def test_a_new_share_has_no_interval_and_the_probability_has(self):
        fit = gl.fit("cbind(successes, failures) ~ x", TABLE, loss="binomial")
        with pytest.raises(gl.GradlineError, match="depends on its trials"):
            fit.predict(TABLE, interval="prediction")
        found = fit.predict(TABLE, interval="confidence")
        assert (found.lower < found.prediction).all()
        assert fit.observed_names == ("share of successes",)

    def test_the_loss_of_one_row_is_scipys(self):
        eta = np.array([[0.3], [-2.0]])
        value = gl.losses.binomial("cloglog").derivatives(np.array([[3.0, 4.0], [0.0, 2.0]]), eta, 0).value
        np.testing.assert_allclose(value, -st.binom.logpmf([3, 0], [7, 2], -np.expm1(-np.exp(eta[:, 0]))), rtol=1e-13)

    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            ([[3.0, -1.0], [1.0, 1.0]], r"row 0 holds 3 and -1; successes and failures must be counts.*more than the trials"),
            ([[3.0, 1.5], [1.0, 1.0]], "row 0 holds 3 and 1.5; successes and failures must be counts"),
            ([[3.0, 1.0], [0.0, 0.0]], "row 1 holds 0 and 0; a row needs at least one trial"),
            ([[0.5], [1.2]], "row 1 holds 1.2; shares of successes must lie between 0 and 1"),
            ([[0.5, 1.0, 1.0], [1.0, 1.0, 1.0]], "two columns, or one column of shares, but there are 3"),
        ],
    )
    def test_bad_targets_are_named(self, targets, message):
        with pytest.raises(gl.GradlineError, match=message):
            gl.fit(np.array([[0.0], [1.0]]), np.array(targets), loss="binomial")

    def test_successes_above_trials_in_a_formula_name_the_row(self):
        table = TABLE.assign(successes=TABLE.successes.where(TABLE.index != 7, 99))
        with pytest.raises(gl.GradlineError, match=r"row 7 holds 99 and"):
            gl.fit("cbind(successes, trials - successes) ~ x", table, loss="binomial")


class TestLifetimes:
    def test_a_formula_says_what_arrays_say(self):
        formula = gl.fit("surv(time, event) ~ x", TABLE, loss="weibull")
        arrays = gl.fit(X, TABLE[["time", "event"]].to_numpy(dtype=float), loss="weibull")
        np.testing.assert_allclose(formula.solution.coefficients, arrays.solution.coefficients, rtol=1e-10)
        assert formula.predictor_names == ("location", "log_scale")
        assert gl.fit("Surv(time, event) ~ x", TABLE, loss="weibull").loss == pytest.approx(formula.loss)

    @pytest.mark.parametrize(
        ("loss", "law"),
        [
            (gl.losses.weibull(), lambda eta, s: st.weibull_min(1 / s, scale=np.exp(eta))),
            (gl.losses.log_normal(), lambda eta, s: st.lognorm(s, scale=np.exp(eta))),
            (gl.losses.log_logistic(), lambda eta, s: st.fisk(1 / s, scale=np.exp(eta))),
        ],
        ids=lambda part: getattr(part, "name", ""),
    )
    def test_densities_tails_and_medians_are_scipys(self, loss, law):
        eta, log_scale = RNG.normal(size=50), 0.4 * RNG.normal(size=50)
        times, event = np.exp(eta + RNG.normal(size=50)), RNG.random(50) < 0.6
        known = law(eta, np.exp(log_scale))
        predictors = np.column_stack([eta, log_scale])
        value = loss.derivatives(np.column_stack([times, event]), predictors, 0).value
        np.testing.assert_allclose(value, -np.where(event, known.logpdf(times), known.logsf(times)), rtol=1e-10)
        np.testing.assert_allclose(loss.predict(predictors)[:, 0], known.median(), rtol=1e-10)
        quantile = loss.distribution.quantile(predictors, np.zeros((50, 2)), 0.9, None)
        np.testing.assert_allclose(quantile[:, 0], known.ppf(0.9), rtol=1e-9)
        uniform = RNG.random((50, 1))
        found = loss.distribution.quantile_residuals(np.column_stack([times, event]), predictors, uniform)[:, 0]
        above = known.sf(times) * np.where(event, 1.0, 1.0 - uniform[:, 0])
        expected = np.where(above < 0.5, st.norm.isf(above), st.norm.ppf(np.where(event, known.cdf(times), 1.0 - above)))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)

    def test_exponential_is_weibull_of_scale_one(self):
        targets = TABLE[["time", "event"]].to_numpy(dtype=float)
        eta = RNG.normal(size=(N, 1))
        one = gl.losses.exponential.derivatives(targets, eta, 2)
        two = gl.losses.weibull().derivatives(targets, np.column_stack([eta, np.zeros(N)]), 2)
        np.testing.assert_allclose(one.value, two.value)
        np.testing.assert_allclose(one.curvature[:, 0, 0], two.curvature[:, 0, 0])

    def test_times_alone_are_all_events(self):
        seen = gl.fit(X, TIMES, loss="log_normal")
        told = gl.fit(X, np.column_stack([TIMES, np.ones(N)]), loss="log_normal")
        np.testing.assert_allclose(seen.solution.coefficients, told.solution.coefficients, rtol=1e-10)
        log_times = gl.fit(X, np.log(TIMES))
        np.testing.assert_allclose(seen.solution.coefficients[:, 0], log_times.coefficients, rtol=1e-8)

    def test_a_scale_with_a_formula_of_its_own(self):
        fit = gl.fit({"location": "surv(time, event) ~ x", "log_scale": "~ x"}, TABLE, loss="weibull")
        assert fit.certificate.converged
        assert np.isfinite(fit.standard_errors).all()
        assert gl.losses.by_name(fit.loss_name, **fit.loss_function.parameters) == fit.loss_function

    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            ([[1.0, 1.0], [0.0, 0.0]], "row 1 holds the time 0; times must be above 0; a row censored at time 0 tells nothing"),
            ([[1.0, 1.0], [0.0, 1.0]], "row 1 holds the time 0; times must be above 0$"),
            ([[1.0, 1.0], [-2.0, 1.0]], "row 1 holds the time -2"),
            ([[1.0, 1.0], [2.0, 2.0]], "row 1 holds 2 for whether its event was seen"),
            ([[1.0, 0.0], [2.0, 0.0]], "every time is censored.*1 minus that column"),
        ],
    )
    def test_bad_targets_are_named(self, targets, message):
        with pytest.raises(gl.GradlineError, match=message):
            gl.fit(np.array([[0.0], [1.0]]), np.array(targets), loss="weibull")


def test_pairs_in_formulas_that_are_none():
    with pytest.raises(gl.GradlineError, match=r"surv\(\) takes the time and whether its event was seen"):
        gl.fit("surv(time) ~ x", TABLE, loss="weibull")
    with pytest.raises(gl.GradlineError, match=r"cbind\(\) takes the successes and the failures"):
        gl.fit("cbind(successes, failures, trials) ~ x", TABLE, loss="binomial")
    with pytest.raises(gl.GradlineError, match="goes with a loss of lifetimes"):
        gl.fit("surv(time, event) ~ x", TABLE)
    with pytest.raises(gl.GradlineError, match="no column 'failed'"):
        gl.fit("cbind(successes, failed) ~ x", TABLE, loss="binomial")


def test_quoted_names_in_pairs():
    table = TABLE.rename(columns={"successes": "n of successes"})
    fit = gl.fit("cbind(`n of successes`, trials - `n of successes`) ~ x", table, loss="binomial")
    assert fit.target_names[0] == "n of successes"
    np.testing.assert_allclose(fit.coefficients, gl.fit("cbind(successes, failures) ~ x", TABLE, loss="binomial").coefficients, rtol=1e-10)
