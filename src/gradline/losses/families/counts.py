"""Counts, with the log link: Poisson and negative binomial. Values are -log of the density, normalising constant included."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.checks import positive
from gradline.losses.defaults import BoolArray, Elementwise, PerTarget, saturated_by_log
from gradline.losses.distribution import Distribution, Tails, count_quantile, mixed
from gradline.losses.families.overdispersed import EstimatedDispersion
from gradline.losses.operations import Operations

_TABLE = 1024
"""Counts below this take their normalising constant from a table: log-gamma of a million rows costs more than the fit's own pass."""

_LARGE = 128
"""Counts above this take the form of the log density that does not cancel."""


class _LogLinkCounts(PerTarget):
    """What the two share: the domain, the link, the start."""

    predictor = "log_mean"
    domain = "counts: 0 or above"
    lowest_target = 0.0
    is_convex = True
    is_likelihood = True
    aims_at = "mean"

    def saturated_loss(self, targets: Array) -> Array:
        return saturated_by_log(self, targets)

    def in_domain(self, targets: Array) -> BoolArray:
        return targets >= 0

    def predict(self, predictors: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(predictors)

    def start(self, targets: Array) -> Array:
        """Log of the mean; a column of zeros, whose optimum is at minus infinity, starts as if one row held a count of 1/2."""
        log_mean: Array = np.log(np.maximum(targets.mean(axis=0), 0.5 / len(targets)))
        return log_mean


class _Counts(Distribution):
    """What the distributions of counts share. A subclass writes the two tails and the cumulative probability."""

    discrete = True
    has_quantiles = True

    def variance(self, predictors: Array) -> Array:
        """Of a count, shaped like the predictors."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    def value(self, targets: Array, predictors: Array) -> Array:
        """-log P(Y = y), elementwise."""
        raise NotImplementedError(f"{type(self).__name__} has no probability")

    def around(self, before: Array, targets: Array, predictors: Array) -> tuple[Array, Array]:
        """P(Y <= before), P(Y > targets)."""
        raise NotImplementedError(f"{type(self).__name__} has no tails")

    def cumulative(self, y: Array, predictors: Array) -> Array:
        """P(Y <= y)."""
        raise NotImplementedError(f"{type(self).__name__} has no cumulative probability")

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        below, above = self.around(np.maximum(targets - 1.0, 0.0), targets, predictors)
        here = np.exp(-self.value(targets, predictors))
        return Tails(np.where(targets == 0, 0.0, below), above, here)

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array:
        largest = predictors + 8.0 * errors
        high = np.ceil(np.exp(largest) + 40.0 * np.sqrt(self.variance(largest)) + 40.0)
        return count_quantile(mixed(self.cumulative, predictors, errors), probability, high)


class PoissonDistribution(_Counts):
    """Poisson with mean exp(eta)."""

    def variance(self, predictors: Array) -> Array:
        return poisson.variance(predictors)

    def value(self, targets: Array, predictors: Array) -> Array:
        return poisson.elementwise(targets, predictors, 0)[0]

    def around(self, before: Array, targets: Array, predictors: Array) -> tuple[Array, Array]:
        from scipy.special import pdtr, pdtrc

        mean = np.exp(predictors)
        return pdtr(before, mean), pdtrc(targets, mean)

    def cumulative(self, y: Array, predictors: Array) -> Array:
        from scipy.special import pdtr

        return np.asarray(pdtr(y, np.exp(predictors)))


@dataclass(frozen=True)
class NegativeBinomialDistribution(_Counts):
    """Negative binomial with mean mu = exp(eta) and variance mu + dispersion mu^2."""

    dispersion: float

    def variance(self, predictors: Array) -> Array:
        return NegativeBinomial(self.dispersion).variance(predictors)

    def value(self, targets: Array, predictors: Array) -> Array:
        return NegativeBinomial(self.dispersion).elementwise(targets, predictors, 0)[0]

    def around(self, before: Array, targets: Array, predictors: Array) -> tuple[Array, Array]:
        from scipy.special import betainc, betaincc

        theta, success = 1.0 / self.dispersion, 1.0 / (1.0 + self.dispersion * np.exp(predictors))
        return betainc(theta, before + 1.0, success), betaincc(theta, targets + 1.0, success)

    def cumulative(self, y: Array, predictors: Array) -> Array:
        from scipy.special import betainc

        return np.asarray(betainc(1.0 / self.dispersion, y + 1.0, 1.0 / (1.0 + self.dispersion * np.exp(predictors))))


@dataclass(frozen=True)
class Poisson(_LogLinkCounts):
    """exp(eta) - y eta + log Gamma(y + 1): -log of the Poisson probability with mean exp(eta).

    Targets need not be whole (exposure-weighted rates are not); the constant then continues the factorial.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=500)
    >>> gl.fit(x, rng.poisson(np.exp(1 + 0.5 * x)), loss=gl.losses.poisson).coefficients.round(1)
    array([1. , 0.5])
    """

    name = "poisson"
    distribution = PoissonDistribution()
    is_equidispersed = True
    meaning = "a coefficient is the change of the log of the mean of y when its column rises by one: exp(coefficient) multiplies the mean"

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        mean = np.exp(predictors)
        value = _log_factorial(targets)
        value += mean
        value -= targets * predictors
        large = targets > _LARGE
        if large.any():
            value[large] = _poisson_large(targets[large], predictors[large])
        if order == 0:
            return value, None, None
        return value, mean - targets, mean if order == 2 else None

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return operations.exp(predictors) - targets * predictors + operations.lgamma(targets + 1.0)

    def variance(self, predictors: Array) -> Array:
        return self.predict(predictors)


@dataclass(frozen=True)
class NegativeBinomial(_LogLinkCounts):
    """-log of the negative binomial probability with mean mu = exp(eta) and variance mu + dispersion mu^2 (the NB2 of Cameron and Trivedi
    2013, Regression Analysis of Count Data, section 3.3)."""

    dispersion: float

    name = "negative_binomial"
    uses_expected_information = True
    meaning = "a coefficient is the change of the log of the mean of y when its column rises by one: exp(coefficient) multiplies the mean"

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        # With theta = 1 / dispersion and z = eta - log theta the probability's part in eta is
        # theta softplus(z) + y softplus(-z): two terms of one sign, so nothing cancels.
        theta = 1.0 / self.dispersion
        z = predictors + math.log(self.dispersion)
        exponential = np.abs(z)
        np.negative(exponential, out=exponential)
        np.exp(exponential, out=exponential)
        value = np.log1p(exponential)
        value *= targets + theta
        value += np.where(z >= 0, theta * z, -targets * z)
        value += _negative_binomial_constant(targets, theta)
        if order == 0:
            return value, None, None
        # p = 1 / (1 + exp(-z)) and q = 1 - p, each to full accuracy; gradient = theta p - y q, curvature = (theta + y) p q.
        inverse = exponential + 1.0
        np.divide(1.0, inverse, out=inverse)
        exponential *= inverse
        positive_side = z >= 0
        p = np.where(positive_side, inverse, exponential)
        q = np.where(positive_side, exponential, inverse)
        curvature = None
        if order == 2:
            curvature = targets + theta
            curvature *= inverse
            curvature *= exponential
        p *= theta
        q *= targets
        p -= q
        return value, p, curvature

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        theta = 1.0 / self.dispersion
        z = predictors + math.log(self.dispersion)
        constant = operations.lgamma(targets + 1.0) - operations.lgamma(targets + theta) + math.lgamma(theta)
        return targets * operations.softplus(-z) + theta * operations.softplus(z) + constant

    @property
    def distribution(self) -> NegativeBinomialDistribution:
        return NegativeBinomialDistribution(self.dispersion)

    def variance(self, predictors: Array) -> Array:
        mean = self.predict(predictors)
        with np.errstate(over="ignore"):
            variance: Array = mean + self.dispersion * np.square(mean)
        return variance


def _lookup(counts: Array, table: Array) -> Array | None:
    """The table's entry for each count, or None where a count is not whole or is beyond the table."""
    if not (counts.size and counts.min() >= 0 and counts.max() < table.size):
        return None
    index = counts.astype(np.intp)
    return table[index] if (index == counts).all() else None


@lru_cache(maxsize=1)
def _log_factorial_table() -> Array:
    return np.array([math.lgamma(count + 1.0) for count in range(_TABLE)])


def _log_factorial(counts: Array) -> Array:
    """log Gamma(y + 1), a fresh array."""
    found = _lookup(counts, _log_factorial_table())
    if found is not None:
        return found
    from scipy.special import gammaln

    return np.asarray(gammaln(counts + 1.0), dtype=np.float64)


def _poisson_large(counts: Array, predictors: Array) -> Array:
    """-log of the Poisson probability for large counts, whose three terms of size y log y would cancel.

    Half the deviance, y (exp(t) - 1 - t) with t = eta - log y, plus Stirling's series for log y! - y log y + y (Loader 2000, "Fast and
    accurate computation of binomial probabilities"); the series is exact to 1e-16 for y > 128.
    """
    t = predictors - np.log(counts)
    inverse = 1.0 / counts
    series = inverse * (1.0 / 12.0 - np.square(inverse) * (1.0 / 360.0 - np.square(inverse) / 1260.0))
    return np.asarray(counts * (np.expm1(t) - t) + 0.5 * np.log(2.0 * math.pi * counts) + series)


@lru_cache(maxsize=16)
def _negative_binomial_table(theta: float) -> Array:
    return _beta_constant(np.arange(float(_TABLE)), theta)


def _negative_binomial_constant(counts: Array, theta: float) -> Array:
    """log Gamma(y + 1) + log Gamma(theta) - log Gamma(y + theta)."""
    found = _lookup(counts, _negative_binomial_table(theta))
    return _beta_constant(counts, theta) if found is None else found


def _beta_constant(counts: Array, theta: float) -> Array:
    from scipy.special import betaln

    # Through the beta function, which scipy computes without the cancellation of three log-gammas.
    return np.asarray(betaln(counts + 1.0, theta) + np.log(counts + theta), dtype=np.float64)


poisson = Poisson()


def negative_binomial(dispersion: float | str = "estimated") -> NegativeBinomial | EstimatedDispersion:
    """Counts with the log link that vary more than a Poisson's.

    The NB2 of Cameron and Trivedi (2013), Regression Analysis of Count Data, section 3.3.

    Parameters
    ----------
    dispersion : float or {"estimated", "varying"}, default "estimated"
        The variance is mu + dispersion mu^2. Estimated it is one number for all rows, exp of a second linear predictor; "varying", or
        where each linear predictor has its own formula, it depends on the columns.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For a number that is not above 0, and for another word.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.negative_binomial(0.5).is_convex
    True
    >>> gl.losses.negative_binomial().predictor_names(1)
    ('log_mean', 'log_dispersion')
    """
    if isinstance(dispersion, str):
        if dispersion not in ("estimated", "varying"):
            raise LossError(f"loss negative_binomial: dispersion must be a number above 0, 'estimated' or 'varying', not {dispersion!r}")
        return EstimatedDispersion(dispersion)
    return NegativeBinomial(positive("negative_binomial", "dispersion", dispersion))
