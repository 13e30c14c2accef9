"""Means by other links: gamma with the inverse link, normal errors about an exponential mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, Elementwise, PerTarget
from gradline.losses.distribution import Distribution, Tails, bisect, mixed
from gradline.losses.families.robust import Squared
from gradline.losses.links import LOG_ROOT_TWO_PI, named
from gradline.losses.operations import Operations


class InverseGammaLinkDistribution(Distribution):
    """Gamma with mean 1 / eta and a dispersion that is estimated beside it."""

    has_quantiles = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import gammainc, gammaincc

        if dispersion is None:
            raise LossError("the quantile residuals of the loss 'gamma' need its dispersion")
        amount = targets * predictors / dispersion
        return Tails(gammainc(1.0 / dispersion, amount), gammaincc(1.0 / dispersion, amount))

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array | None:
        from scipy.special import gammainc

        if dispersion is None or not (dispersion > 0).all():
            return None
        inside = predictors > 0
        eta = np.where(inside, predictors, 1.0)

        def cumulative(y: Array, nodes: Array) -> Array:
            # Nodes of a predictor that is hardly known may lie where there is no mean: all amounts are below an endless one there.
            return np.asarray(gammainc(1.0 / dispersion, np.exp(np.minimum(y, 700.0)) * np.maximum(nodes, 0.0) / dispersion))

        centre = -np.log(eta)
        width = 8.0 * errors / eta + 40.0 * np.maximum(np.sqrt(dispersion), dispersion) + 5.0
        found = np.exp(bisect(mixed(cumulative, eta, errors), probability, centre - width, centre + width))
        return np.where(inside, found, np.inf)


@dataclass(frozen=True)
class InverseGamma(PerTarget):
    """y eta - log eta: -log of the gamma density with mean 1 / eta and dispersion 1; infinite where eta is not above 0.

    The canonical link. McCullagh and Nelder (1989), Generalized Linear Models, section 8.2.
    """

    link: str = "inverse"

    name = "gamma"
    predictor = "inverse_mean"
    domain = "above 0"
    lowest_target = 0.0
    meaning = "a coefficient is the change of 1 / mean of y when its column rises by one"
    is_convex = True
    is_likelihood = True
    has_free_dispersion = True
    aims_at = "mean"
    uses_expected_information = True
    distribution = InverseGammaLinkDistribution()

    def in_domain(self, targets: Array) -> BoolArray:
        return targets > 0

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        inside = predictors > 0
        with np.errstate(over="ignore", under="ignore"):
            safe = np.where(inside, predictors, 1.0)
            value = np.where(inside, targets * safe - np.log(safe), np.inf)
            inverse = 1.0 / safe
            gradient = targets - inverse if order else None
            return value, gradient, inverse * inverse if order == 2 else None

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return targets * predictors - operations.log(predictors)

    def predict(self, predictors: Array) -> Array:
        """The mean, infinite where eta is not above 0."""
        return np.where(predictors > 0, 1.0 / np.where(predictors > 0, predictors, 1.0), np.inf)

    def variance(self, predictors: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.square(self.predict(predictors))

    def saturated_loss(self, targets: Array) -> Array:
        return np.asarray((1.0 + np.log(targets)).sum(axis=1))

    def log_density_at_dispersion(self, targets: Array, predictors: Array, dispersion: Array) -> Array:
        """McCullagh and Nelder (1989), section 8.2."""
        from scipy.special import gammaln

        shape = 1.0 / dispersion
        ratio = targets * predictors
        return np.asarray(shape * (np.log(shape) + np.log(ratio) - ratio) - gammaln(shape) - np.log(targets))

    def start(self, targets: Array) -> Array:
        return np.asarray(1.0 / targets.mean(axis=0))


class ExponentialMeanDistribution(Distribution):
    """Normal with mean exp(eta) and a variance that is estimated beside it."""

    has_quantiles = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import ndtr

        if dispersion is None:
            raise LossError("the quantile residuals of the loss 'gaussian' need its dispersion")
        z = (targets - np.exp(predictors)) / np.sqrt(dispersion)
        return Tails(ndtr(z), ndtr(-z))

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array | None:
        from scipy.special import ndtr

        if dispersion is None or not (dispersion > 0).all():
            return None
        scale = np.sqrt(dispersion)

        def cumulative(y: Array, nodes: Array) -> Array:
            return np.asarray(ndtr((y - np.exp(nodes)) / scale))

        high = np.exp(predictors + 8.0 * errors) + 40.0 * scale
        low = np.exp(predictors - 8.0 * errors) - 40.0 * scale
        return bisect(mixed(cumulative, predictors, errors), probability, low, high)


@dataclass(frozen=True)
class ExponentialMean(PerTarget):
    """(y - exp(eta))^2 / 2 + log(2 pi) / 2: -log of the normal density with mean exp(eta) and variance 1, which is free. Not convex."""

    link: str = "log"

    name = "gaussian"
    predictor = "log_mean"
    meaning = "a coefficient is the change of the log of the mean of y when its column rises by one: exp(coefficient) multiplies the mean"
    is_likelihood = True
    has_free_dispersion = True
    aims_at = "mean"
    uses_expected_information = True
    distribution = ExponentialMeanDistribution()

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            mean = np.exp(predictors)
            residual = mean - targets
            value = 0.5 * residual * residual + LOG_ROOT_TWO_PI
            return value, residual * mean if order else None, mean * (residual + mean) if order == 2 else None

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return 0.5 * operations.square(targets - operations.exp(predictors)) + LOG_ROOT_TWO_PI

    def predict(self, predictors: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(predictors)

    def variance(self, predictors: Array) -> Array:
        return np.ones(predictors.shape)

    def saturated_loss(self, targets: Array) -> Array:
        # A target below zero has no mean of its own: the least is reached at minus infinity.
        return np.asarray((0.5 * np.square(np.minimum(targets, 0.0)) + LOG_ROOT_TWO_PI).sum(axis=1))

    def log_density_at_dispersion(self, targets: Array, predictors: Array, dispersion: Array) -> Array:
        residual = targets - self.predict(predictors)
        return np.asarray(-0.5 * residual * residual / dispersion - 0.5 * np.log(dispersion) - LOG_ROOT_TWO_PI)

    def start(self, targets: Array) -> Array:
        """Log of the mean; of the mean size where that is not above zero."""
        mean = targets.mean(axis=0)
        size = np.abs(targets).mean(axis=0)
        return np.asarray(np.log(np.where(mean > 0, mean, np.where(size > 0, size, 1.0))))


def gaussian(link: str = "identity") -> Squared | ExponentialMean:
    """Normal errors of one variance about a mean that a link gives.

    McCullagh and Nelder (1989), Generalized Linear Models, section 2.2; R's ``gaussian(link = "log")``.

    Parameters
    ----------
    link : {"identity", "log"}, default "identity"
        The linear predictor is the mean itself, which is the loss ``squared``, or its log.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another link.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fit = gl.fit(x, np.array([1.1, 1.9, 4.2, 7.9]), loss=gl.losses.gaussian("log"))
    >>> fit.coefficients.round(3).tolist()
    [0.058, 0.671]
    """
    return Squared() if named("gaussian", link, ("identity", "log")) == "identity" else ExponentialMean(link)
