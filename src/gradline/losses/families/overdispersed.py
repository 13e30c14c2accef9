"""Negative binomial counts whose dispersion is estimated: one number for all rows, or a formula of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, LossDefaults
from gradline.losses.distribution import Distribution, Tails, count_quantile, mixed
from gradline.losses.gamma_function import STIRLING_FROM, digamma_excess, log_gamma_excess, trigamma_excess
from gradline.losses.operations import Operations

LIMIT_REMEDY = "Where log_dispersion falls, the counts vary no more than Poisson counts do: use those, whose dispersion is zero."

LARGEST = 600.0
"""Of a log dispersion's size."""


class EstimatedDispersionDistribution(Distribution):
    """Negative binomial with mean exp(eta_1) and variance mean + exp(eta_2) mean^2."""

    discrete = True
    has_quantiles = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import betainc, betaincc

        theta, success = _shape_and_success(predictors)
        y = targets[:, 0]
        below = np.where(y > 0, betainc(theta, np.maximum(y - 1.0, 0.0) + 1.0, success), 0.0)
        here = np.exp(-log_probability(y, predictors[:, 0], predictors[:, 1]))
        return Tails(below[:, None], betaincc(theta, y + 1.0, success)[:, None], here[:, None])

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array:
        """The uncertainty of the mean is mixed over; the dispersion's, which is unrelated to it, is left out."""
        from scipy.special import betainc

        mean, log_dispersion = predictors[:, :1], predictors[:, 1:]
        largest = mean + 8.0 * errors[:, :1]
        spread = np.sqrt(np.exp(largest) + np.exp(log_dispersion + 2.0 * largest))
        high = np.ceil(np.exp(largest) + 40.0 * spread * np.maximum(1.0, np.exp(0.5 * log_dispersion)) + 40.0)

        def cumulative(y: Array, nodes: Array) -> Array:
            return np.asarray(betainc(np.exp(-log_dispersion), y + 1.0, 1.0 / (1.0 + np.exp(log_dispersion + nodes))))

        return count_quantile(mixed(cumulative, mean, errors[:, :1]), probability, high)


@dataclass(frozen=True)
class EstimatedDispersion(LossDefaults):
    """-log of the negative binomial probability with mean mu = exp(eta_1) and variance mu + exp(eta_2) mu^2.

    Convex in eta_1; not in both. dispersion "estimated": eta_2 is one number for all rows; "varying": it may depend on the columns. The NB2
    of Cameron and Trivedi (2013), Regression Analysis of Count Data, section 3.3; R's MASS::glm.nb gives theta = exp(-eta_2).
    """

    dispersion: str = "estimated"

    name = "negative_binomial"
    meaning = (
        "a coefficient of log_mean is the change of the log of the mean of y when its column rises by one: exp(coefficient) multiplies the"
        " mean; the variance is mean + exp(log_dispersion) mean^2"
    )
    domain = "counts: 0, 1, 2, ..."
    lowest_target = 0.0
    is_likelihood = True
    never_negative = True
    aims_at = "mean"
    limit_remedy = LIMIT_REMEDY
    distribution = EstimatedDispersionDistribution()

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return (False, True) if self.dispersion == "estimated" else ()

    def with_own_formulas(self) -> EstimatedDispersion:
        return replace(self, dispersion="varying")

    def in_domain(self, targets: Array) -> BoolArray:
        return np.asarray((targets >= 0) & (np.floor(targets) == targets))

    def n_predictors(self, n_targets: int) -> int:
        self.require_one_target(n_targets)
        return 2

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("log_mean", "log_dispersion")

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        return derivatives(targets[:, 0], predictors, order)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m,) and predictors (m, 2)."""
        return formula(operations, targets, predictors)

    def predict(self, predictors: Array) -> Array:
        """The mean: (m, 1)."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(predictors[:, :1])

    def variance(self, predictors: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            mean = np.exp(predictors[:, :1])
            return mean + np.exp(predictors[:, 1:2] + 2.0 * predictors[:, :1])

    def start(self, targets: Array) -> Array:
        """Log of the mean, and of the dispersion that moments give, kept between a hundredth and ten."""
        return start(targets[:, 0])


def start(y: Array) -> Array:
    """(2,): see ``EstimatedDispersion.start``."""
    mean = max(float(y.mean()), 0.5 / len(y))
    excess = (float(y.var()) - mean) / mean**2
    return np.log([mean, min(max(excess, 0.01), 10.0)])


def log_probability(y: Array, eta: Array, log_dispersion: Array) -> Array:
    """-log P(Y = y), elementwise."""
    from scipy.special import betaln, gammaln

    log_dispersion = _within(log_dispersion)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        theta = np.exp(-log_dispersion)
        z = eta + log_dispersion
        small = np.log1p(np.exp(-np.abs(z)))
        softplus = small + np.maximum(z, 0.0)
        # Near Poisson's limit logarithms of gamma functions are large, and what they differ by is not.
        far = theta >= STIRLING_FROM
        limit = y * (softplus - eta) + gammaln(y + 1.0) - log_gamma_excess(np.where(far, theta, STIRLING_FROM), y)
        near = y * (small + np.maximum(-z, 0.0)) + np.where(y > 0, betaln(y + 1.0, theta) + np.log(y + theta), 0.0)
        return np.asarray(theta * softplus + np.where(far, limit, near))


def derivatives(y: Array, predictors: Array, order: int) -> RowDerivatives:
    """Of counts y (m,) and predictors (m, 2): log mean and log dispersion."""
    eta, log_dispersion = predictors[:, 0], _within(predictors[:, 1])
    value = log_probability(y, eta, log_dispersion)
    if order == 0:
        return RowDerivatives(value)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        theta = np.exp(-log_dispersion)
        z = eta + log_dispersion
        small = np.exp(-np.abs(z))
        near = 1.0 / (1.0 + small)
        p, q = np.where(z >= 0, near, small * near), np.where(z >= 0, small * near, near)
        softplus = np.log1p(small) + np.maximum(z, 0.0)
        slope = theta * p - y * q
        # theta (digamma(y + theta) - digamma(theta) - softplus(z)), the part that theta has of its own.
        own = digamma_excess(theta, y) - theta * softplus
        gradient = np.stack([slope, own + slope], axis=1)
        if order == 1:
            return RowDerivatives(value, gradient)
        curvature = np.empty((y.size, 2, 2))
        curvature[:, 0, 0] = (theta + y) * p * q
        curvature[:, 0, 1] = curvature[:, 1, 0] = -p * slope
        curvature[:, 1, 1] = -own - trigamma_excess(theta, y) - theta * p - p * slope
    return RowDerivatives(value, gradient, curvature)


def _within(log_dispersion: Array) -> Array:
    """Where exp of it, either way, is no infinity: further out nothing changes but rounding."""
    return np.clip(log_dispersion, -LARGEST, LARGEST)


def formula(operations: Operations, targets: Any, predictors: Any) -> Any:
    """The same in any framework: targets (m,), predictors (m, 2)."""
    theta = operations.exp(-predictors[..., 1])
    z = predictors[..., 0] + predictors[..., 1]
    constant = operations.lgamma(targets + 1.0) + operations.lgamma(theta) - operations.lgamma(targets + theta)
    return targets * operations.softplus(-z) + theta * operations.softplus(z) + constant


def _shape_and_success(predictors: Array) -> tuple[Array, Array]:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(-predictors[:, 1]), 1.0 / (1.0 + np.exp(predictors[:, 0] + predictors[:, 1]))
