"""Shares strictly between 0 and 1: the beta distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, LossDefaults
from gradline.losses.distribution import Distribution, Tails, bisect, mixed
from gradline.losses.gamma_function import digamma_rest, log1p_rest, stirling_rest, trigamma
from gradline.losses.links import LOG_ROOT_TWO_PI, LOGIT
from gradline.losses.operations import Operations


class BetaDistribution(Distribution):
    """Beta with mean 1 / (1 + exp(-eta_1)) and precision exp(eta_2)."""

    has_quantiles = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import betainc, betaincc

        a, b = _shapes(predictors[:, :1], predictors[:, 1:])
        return Tails(betainc(a, b, targets), betaincc(a, b, targets))

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array:
        """The uncertainty of the mean is mixed over; the precision's is left out."""
        from scipy.special import betainc

        mean, log_precision = predictors[:, :1], predictors[:, 1:]

        def cumulative(y: Array, nodes: Array) -> Array:
            return np.asarray(betainc(*_shapes(nodes, log_precision), y))

        return bisect(mixed(cumulative, mean, errors[:, :1]), probability, np.zeros(mean.shape), np.ones(mean.shape))


@dataclass(frozen=True)
class Beta(LossDefaults):
    """-log of the beta density with mean mu = 1 / (1 + exp(-eta_1)) and precision phi = exp(eta_2): variance mu (1 - mu) / (1 + phi).

    precision "estimated": eta_2 is one number for all rows; "varying": it may depend on the columns. Not convex. Ferrari and Cribari-Neto
    (2004), "Beta regression for modelling rates and proportions", J. Applied Statistics 31.
    """

    precision: str = "estimated"

    name = "beta"
    meaning = (
        "a coefficient of log_odds is the change of log(mean / (1 - mean)) when its column rises by one; the variance is"
        " mean (1 - mean) / (1 + exp(log_precision))"
    )
    domain = "shares strictly between 0 and 1 (for 0 and 1 themselves use binomial, or a hurdle of your own)"
    lowest_target = 0.0
    is_likelihood = True
    aims_at = "mean"
    distribution = BetaDistribution()

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return (False, True) if self.precision == "estimated" else ()

    def with_own_formulas(self) -> Beta:
        return replace(self, precision="varying")

    def in_domain(self, targets: Array) -> BoolArray:
        return (targets > 0) & (targets < 1)

    def n_predictors(self, n_targets: int) -> int:
        self.require_one_target(n_targets)
        return 2

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("log_odds", "log_precision")

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        """By Stirling's formula with its rest: of a large precision the gamma functions are thousands of times their sum."""
        y, eta = targets[:, 0], predictors[:, 0]
        log_y, log_rest = np.log(y), np.log1p(-y)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            phi = np.exp(predictors[:, 1])
            mean, rest = LOGIT.probability(eta), LOGIT.probability(-eta)
            a, b = mean * phi, rest * phi
            # log(mean / y), log(rest / (1 - y)) and their mean, which is small where mean is near y.
            log_mean = -np.logaddexp(0.0, -eta)
            off = eta - (log_y - log_rest)
            divergence = np.where(np.abs(off) < 0.1, _near(y, mean, rest), mean * (log_mean - log_y) + rest * (log_mean - eta - log_rest))
            value = phi * divergence - 0.5 * (predictors[:, 1] + 2.0 * log_mean - eta) + LOG_ROOT_TWO_PI + log_y + log_rest
            value += stirling_rest(a) + stirling_rest(b) - stirling_rest(phi)
            if order == 0:
                return RowDerivatives(value)
            at_a, at_b = digamma_rest(a), digamma_rest(b)
            gradient = np.empty((y.size, 2))
            gradient[:, 0] = rest * at_a - mean * at_b + phi * mean * rest * off
            gradient[:, 1] = at_a + at_b - digamma_rest(phi) + phi * divergence
            if order == 1:
                return RowDerivatives(value, gradient)
            # a^2 trigamma(a) = 1 + a^2 trigamma(1 + a): no pole.
            bend_a, bend_b, bend = (1.0 + x * x * trigamma(1.0 + x) for x in (a, b, phi))
            # a moves with eta by a rest and b by -b mean, and both with eta_2 by themselves.
            curvature = np.empty((y.size, 2, 2))
            curvature[:, 0, 0] = rest * rest * bend_a + mean * mean * bend_b + (rest - mean) * gradient[:, 0]
            curvature[:, 0, 1] = curvature[:, 1, 0] = rest * bend_a - mean * bend_b + gradient[:, 0]
            curvature[:, 1, 1] = bend_a + bend_b - bend + gradient[:, 1]
        return RowDerivatives(value, gradient, curvature)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m,) and predictors (m, 2)."""
        eta, phi = predictors[..., 0], operations.exp(predictors[..., 1])
        a = operations.exp(-operations.softplus(-eta)) * phi
        b = operations.exp(-operations.softplus(eta)) * phi
        constant = operations.lgamma(a) + operations.lgamma(b) - operations.lgamma(phi)
        return constant - (a - 1.0) * operations.log(targets) - (b - 1.0) * operations.log1p(-targets)

    def predict(self, predictors: Array) -> Array:
        """The mean: (m, 1)."""
        return LOGIT.probability(predictors[:, :1])

    def variance(self, predictors: Array) -> Array:
        mean, rest = LOGIT.probability(predictors[:, :1]), LOGIT.probability(-predictors[:, :1])
        return mean * rest * LOGIT.probability(-predictors[:, 1:2])

    def start(self, targets: Array) -> Array:
        """Of the mean, and of the precision that its variance gives."""
        mean, variance = float(targets.mean()), float(targets.var())
        precision = mean * (1.0 - mean) / variance - 1.0 if variance > 0 else 1.0
        return np.log([mean / (1.0 - mean), min(max(precision, 0.1), 1e4)])


def _near(y: Array, mean: Array, rest: Array) -> Array:
    """mean log(mean / y) + rest log(rest / (1 - y)) of y near mean, without the terms that cancel."""
    off = y - mean
    return -mean * log1p_rest(off / mean) - rest * log1p_rest(-off / rest)


def _shapes(eta: Array, log_precision: Array) -> tuple[Array, Array]:
    with np.errstate(over="ignore", under="ignore"):
        precision = np.exp(log_precision)
        return LOGIT.probability(eta) * precision, LOGIT.probability(-eta) * precision


def beta(precision: str = "estimated") -> Beta:
    """Shares strictly between 0 and 1, their mean by the logit link.

    Ferrari and Cribari-Neto (2004), J. Applied Statistics 31.

    Parameters
    ----------
    precision : {"estimated", "varying"}, default "estimated"
        One number for all rows, unless "varying", or where each linear predictor has its own formula.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another word.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.beta().predictor_names(1)
    ('log_odds', 'log_precision')
    """
    if precision not in ("estimated", "varying"):
        raise LossError(f"loss beta: precision must be 'estimated' or 'varying', not {precision!r}")
    return Beta(precision)
