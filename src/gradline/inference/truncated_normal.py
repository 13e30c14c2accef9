"""The normal distribution between two limits, with the digits kept however far out they lie.

Everything is in units of the standard deviation and about the value seen: that is at 0, the limits at ``below`` <= 0 and ``above`` >= 0,
the mean at ``mean``. Masses are written as exp(-m^2 / 2) times a factor, m the point of the interval that is nearest to the mean, so that
only differences of squares, which are products, are ever exponentiated.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf, erfcx

ROOT = math.sqrt(2.0)

FARTHEST = 1e150
"""Standard deviations beyond which an end of an interval is infinite."""


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    points, weights = np.polynomial.legendre.leggauss(20)
    return 0.5 * (points + 1.0), 0.5 * weights


def _tail(start: float, width: float) -> float:
    """``exp(start^2 / 2) (Phi(start + width) - Phi(start))``, start >= 0."""
    exponent = width * (start + 0.5 * width)
    if exponent < 0.5:
        # A difference of two tails would cancel.
        points, weights = _nodes()
        moved = width * points
        return float(width * (weights @ np.exp(-moved * (start + 0.5 * moved)))) / math.sqrt(2.0 * math.pi)
    rest = math.exp(-exponent) * float(erfcx((start + width) / ROOT)) if exponent < 700 else 0.0
    return 0.5 * (float(erfcx(start / ROOT)) - rest)


def _mass(left: float, right: float, mean: float) -> tuple[float, float]:
    """(point, factor): the mass between left and right is ``exp(-(point - mean)^2 / 2) factor``."""
    if left >= mean:
        return left, _tail(left - mean, right - left)
    if right <= mean:
        return right, _tail(mean - right, right - left)
    return mean, 0.5 * (float(erf((right - mean) / ROOT)) + float(erf((mean - left) / ROOT)))


def log_share_below(below: float, above: float, mean: float) -> float:
    """The logarithm of the probability of a value below the one seen, given that it lies between the limits."""
    point, part = _mass(below, 0.0, mean)
    middle, whole = _mass(below, above, mean)
    if not part > 0:
        return -math.inf
    return 0.5 * (middle - point) * (middle + point - 2.0 * mean) + math.log(part) - math.log(whole)


def p_value(below: float, above: float, mean: float) -> float:
    """Two-sided: twice the smaller of the probabilities of a value as low, and as high, as the one seen."""
    least = min(log_share_below(below, above, mean), log_share_below(-above, -below, -mean))
    return min(1.0, 2.0 * math.exp(least))


def largest_mean(below: float, above: float, tail: float) -> float:
    """The mean at which a value as low as the one seen has the probability ``tail``."""
    if below == 0.0:
        return -math.inf
    wanted = math.log(tail)

    def excess(mean: float) -> float:
        return max(log_share_below(below, above, mean), -1e300) - wanted

    low = high = 0.0
    step = 1.0
    while excess(low) < 0:
        low, step = low - step, 2.0 * step
        if low < -FARTHEST:
            return -math.inf
    step = 1.0
    while excess(high) > 0:
        high, step = high + step, 2.0 * step
        if high > FARTHEST:
            return math.inf
    return float(brentq(excess, low, high, xtol=1e-14, rtol=4.0 * float(np.finfo(float).eps), maxiter=500))


def smallest_mean(below: float, above: float, tail: float) -> float:
    """The mean at which a value as high as the one seen has the probability ``tail``."""
    return -largest_mean(-above, -below, tail)
