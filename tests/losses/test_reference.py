"""Fits and their inference against R and statsmodels, by results kept in tests/reference/losses with the scripts that made them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gradline as gl

KEPT = json.loads((Path(__file__).parents[1] / "reference" / "losses" / "reference.json").read_text())

LOSSES = {
    "ordinal_logit": gl.losses.ordinal(),
    "ordinal_probit": gl.losses.ordinal(link="probit"),
    "probit": gl.losses.probit,
    "cloglog": gl.losses.logistic(link="cloglog"),
    "cauchit": gl.losses.cauchit,
    "binomial_logit": gl.losses.binomial(),
    "binomial_probit": gl.losses.binomial("probit"),
    "binomial_cloglog": gl.losses.binomial("cloglog"),
    "gamma_inverse": gl.losses.gamma(link="inverse"),
    "gaussian_log": gl.losses.gaussian("log"),
    "negative_binomial": gl.losses.negative_binomial(),
    "zero_inflated_poisson": gl.losses.zero_inflated(),
    "zero_inflated_negbin": gl.losses.zero_inflated("negative_binomial"),
    "hurdle_poisson": gl.losses.hurdle(),
    "hurdle_negbin": gl.losses.hurdle("negative_binomial"),
    "beta": gl.losses.beta(),
    "weibull": gl.losses.weibull(),
    "lognormal": gl.losses.log_normal(),
    "loglogistic": gl.losses.log_logistic(),
    "exponential": gl.losses.exponential,
}


def fit_of(name):
    kept = KEPT[name]
    X, y = np.array(kept["X"], dtype=float), np.array(kept["y"], dtype=float)
    return gl.fit(X, y[:, 0] if y.shape[1] == 1 else y, loss=LOSSES[name], frequencies=kept.get("frequencies")), kept


@pytest.mark.parametrize("name", LOSSES)
def test_coefficients_errors_and_log_likelihood(name):
    fit, kept = fit_of(name)
    assert fit.certificate.converged
    free = np.isfinite(np.reshape(fit.standard_errors, fit.solution.coefficients.shape)).T
    coefficients = fit.solution.coefficients.T[free]
    errors = np.reshape(fit.standard_errors, fit.solution.coefficients.shape).T[free]
    np.testing.assert_allclose((coefficients - kept["coefficients"]) / kept["errors"], 0.0, atol=1e-6)
    np.testing.assert_allclose(errors, kept["errors"], rtol=1e-6)
    if name not in ("gamma_inverse", "gaussian_log"):
        # R takes the dispersion of largest likelihood there, and statsmodels Pearson's, as here.
        assert fit.log_likelihood == pytest.approx(kept["log_likelihood"], rel=1e-9)
        assert fit.aic == pytest.approx(2 * len(kept["coefficients"]) - 2 * kept["log_likelihood"], rel=1e-9)
    if "deviance" in kept:
        assert fit.deviance == pytest.approx(kept["deviance"], rel=1e-8)


@pytest.mark.filterwarnings("ignore:The InversePower link")
@pytest.mark.parametrize("name", ["gamma_inverse", "gaussian_log"])
def test_the_log_likelihood_at_pearsons_dispersion_is_that_of_statsmodels(name):
    sm = pytest.importorskip("statsmodels.api")
    fit, kept = fit_of(name)
    family = sm.families.Gamma() if name == "gamma_inverse" else sm.families.Gaussian(sm.families.links.Log())
    X, y = sm.add_constant(np.array(kept["X"])), np.array(kept["y"], dtype=float)[:, 0]
    start = None if name == "gamma_inverse" else np.array(kept["coefficients"])
    reference = sm.GLM(y, X, family=family).fit(start_params=start, tol=1e-14, maxiter=200)
    assert fit.dispersion == pytest.approx(reference.scale, rel=1e-7)
    assert fit.log_likelihood == pytest.approx(reference.llf_scaled(), rel=1e-8)
