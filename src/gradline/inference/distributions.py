"""Where a new target of a likelihood will fall: quantiles of its distribution, the uncertainty of the coefficients mixed in.

The predictive distribution is F(y) = E over eta of F(y | eta), eta normal about the linear predictor with its standard error; the
expectation is a Gauss-Hermite sum, and its quantiles are found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import betainc, gammainc, ndtr, pdtr, roots_hermitenorm

from gradline.base.types import Array
from gradline.losses.families.amounts import Gamma
from gradline.losses.families.classes import Logistic, Multinomial
from gradline.losses.families.counts import NegativeBinomial, Poisson
from gradline.losses.families.densities import Normal
from gradline.losses.protocol import Loss

NODES = 21

Distribution = Callable[[Array, Array], Array]
"""(y, linear predictors of the target) -> probability of a target up to y, elementwise."""


def refuse_classes(loss: Loss) -> None:
    """Raises ValueError where a target is a class, which has no interval."""
    if isinstance(loss, Logistic | Multinomial):
        raise ValueError(
            f"the loss {loss.name!r} predicts a class, and an interval holds no part of a class: predict gives its probability, and"
            ' interval="confidence" the uncertainty of that'
        )


def knows_distribution(loss: Loss) -> bool:
    """Whether ``quantiles`` knows the distribution of a target."""
    return isinstance(loss, Normal | Gamma | Poisson | NegativeBinomial)


def quantiles(loss: Loss, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array | None:
    """The quantile of a new target at every row, (m, q): the least y with F(y) >= probability for counts. None for a loss whose
    distribution is not known. predictors, errors (m, k): linear predictors and their standard errors; dispersion (q,): for gamma."""
    if isinstance(loss, Normal):
        mean, log_scale = predictors[:, :1], predictors[:, 1:]

        def normal(y: Array, nodes: Array) -> Array:
            # The mean's uncertainty adds to the variance; the log scale's is mixed over.
            return np.asarray(ndtr((y - mean) / np.hypot(np.exp(nodes), errors[:, :1])))

        width = np.hypot(np.exp(log_scale + 8.0 * errors[:, 1:]), errors[:, :1])
        return _bisect(_mixed(normal, log_scale, errors[:, 1:]), probability, mean - 40.0 * width, mean + 40.0 * width)
    if isinstance(loss, Gamma):
        if dispersion is None or not (dispersion > 0).all():
            return None

        def gamma(y: Array, nodes: Array) -> Array:
            return np.asarray(gammainc(1.0 / dispersion, np.exp(np.minimum(y - nodes, 700.0)) / dispersion))

        # In log y, whose distribution has one width whatever the mean.
        width = 8.0 * errors + 40.0 * np.maximum(np.sqrt(dispersion), dispersion) + 5.0
        return np.asarray(np.exp(_bisect(_mixed(gamma, predictors, errors), probability, predictors - width, predictors + width)))
    if isinstance(loss, Poisson):
        return _count_quantile(_mixed(lambda y, nodes: pdtr(y, np.exp(nodes)), predictors, errors), probability, loss, predictors, errors)
    if isinstance(loss, NegativeBinomial):
        theta = 1.0 / loss.dispersion

        def negative_binomial(y: Array, nodes: Array) -> Array:
            return np.asarray(betainc(theta, y + 1.0, 1.0 / (1.0 + loss.dispersion * np.exp(nodes))))

        return _count_quantile(_mixed(negative_binomial, predictors, errors), probability, loss, predictors, errors)
    return None


def _mixed(distribution: Distribution, predictors: Array, errors: Array) -> Callable[[Array], Array]:
    points, weights = roots_hermitenorm(NODES)
    weights = weights / weights.sum()

    def cumulative(y: Array) -> Array:
        total = np.zeros(np.broadcast_shapes(y.shape, predictors.shape))
        for point, weight in zip(points, weights, strict=True):
            total += weight * distribution(y, predictors + point * errors)
        return total

    return cumulative


def _bisect(cumulative: Callable[[Array], Array], probability: float, low: Array, high: Array) -> Array:
    for _ in range(70):
        middle = 0.5 * (low + high)
        below = cumulative(middle) < probability
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _count_quantile(cumulative: Callable[[Array], Array], probability: float, loss: Loss, predictors: Array, errors: Array) -> Array:
    """The least whole y with F(y) >= probability."""
    largest = predictors + 8.0 * errors
    variance = loss.variance(largest)
    assert variance is not None
    low = np.full(predictors.shape, -1.0)
    high = np.ceil(np.exp(largest) + 40.0 * np.sqrt(variance) + 40.0)
    while (high - low > 1.0).any():
        middle = np.floor(0.5 * (low + high))
        below = cumulative(np.maximum(middle, 0.0)) < probability
        below |= middle < 0.0
        stop = high - low <= 1.0
        low, high = np.where(below & ~stop, middle, low), np.where(below | stop, high, middle)
    return high
