"""The distribution of a target given its linear predictors: its tails, its quantile residuals, and where a new target will fall.

Quantile residuals r_i = Phi^-1(F(y_i | eta_i)) are standard normal where the model is right, whatever the distribution. For counts and
labels F jumps at y_i, and a point drawn uniformly from the jump makes r_i continuous again: Dunn and Smyth (1996), "Randomized quantile
residuals", J. Computational and Graphical Statistics 5.

The quantile of a new target is that of its predictive distribution F(y) = E over eta of F(y | eta), eta normal about the linear predictor
with its standard error; the expectation is a Gauss-Hermite sum, and the quantile is found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array

NODES = 21
"""Of the Gauss-Hermite sum."""

Cumulative = Callable[[Array, Array], Array]
"""(y, linear predictors of the target) -> probability of a target up to y, elementwise."""


class Tails(NamedTuple):
    """P(Y < y), P(Y > y) and P(Y = y), each (m, q); the last is None where the distribution is continuous."""

    below: Array
    above: Array
    here: Array | None = None


class Distribution:
    """What a loss knows of its target's distribution. A subclass writes ``tails``, and ``quantile`` where a new target's can be had."""

    discrete = False
    """Whether targets are counts or labels, so that their quantile residuals are drawn at random within a jump."""

    @property
    def in_whole_numbers(self) -> bool:
        """Whether targets are whole numbers: counts and labels are."""
        return self.discrete

    has_quantiles = False
    """Whether ``quantile`` is known."""

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        """targets (m, q), predictors (m, k). Raises ValueError where a dispersion is needed and missing."""
        raise NotImplementedError(f"{type(self).__name__} has no tails")

    def quantile_residuals(self, targets: Array, predictors: Array, uniform: Array, dispersion: Array | None = None) -> Array:
        """(m, q), standard normal where the model is right.

        targets (m, q), whole for counts; predictors (m, k); uniform (m, q): draws between 0 and 1, which only counts and labels use;
        dispersion (m, q) or (q,). Raises as ``tails`` does.
        """
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            below, above, here = self.tails(targets, predictors, dispersion)
            if here is None:
                return deviates(below, above)
            # Both tails are built up from their own end, so that neither is one less a number near one.
            return deviates(below + uniform * here, above + (1.0 - uniform) * here)

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array | None:
        """The quantile of a new target at every row, (m, q): the least y with F(y) >= probability for counts; None where it is unknown.

        predictors, errors (m, k): linear predictors and their standard errors; dispersion (q,).
        """
        return None


def deviates(lower: Array, upper: Array) -> Array:
    """The normal deviate from the smaller of the two tail probabilities, which has all its digits."""
    from scipy.special import ndtri

    return np.asarray(np.where(lower < upper, ndtri(lower), -ndtri(upper)))


def mixed(distribution: Cumulative, predictors: Array, errors: Array) -> Callable[[Array], Array]:
    """y -> E over eta of F(y | eta), eta normal with these means and standard errors."""
    from scipy.special import roots_hermitenorm

    points, weights = roots_hermitenorm(NODES)
    weights = weights / weights.sum()

    def cumulative(y: Array) -> Array:
        total = np.zeros(np.broadcast_shapes(y.shape, predictors.shape))
        for point, weight in zip(points, weights, strict=True):
            total += weight * distribution(y, predictors + point * errors)
        return total

    return cumulative


def bisect(cumulative: Callable[[Array], Array], probability: float, low: Array, high: Array) -> Array:
    """y with F(y) = probability, between low and high."""
    for _ in range(70):
        middle = 0.5 * (low + high)
        below = cumulative(middle) < probability
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def count_quantile(cumulative: Callable[[Array], Array], probability: float, high: Array) -> Array:
    """The least whole y with F(y) >= probability, up to high."""
    low = np.full(high.shape, -1.0)
    while (high - low > 1.0).any():
        middle = np.floor(0.5 * (low + high))
        below = cumulative(np.maximum(middle, 0.0)) < probability
        below |= middle < 0.0
        stop = high - low <= 1.0
        low, high = np.where(below & ~stop, middle, low), np.where(below | stop, high, middle)
    return high
