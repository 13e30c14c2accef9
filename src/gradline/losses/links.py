"""Links of a probability with a linear predictor: p = F(eta), F a distribution function, with -log p and -log(1 - p) safe at any size.

McCullagh and Nelder (1989), Generalized Linear Models, section 4.3. Ordered classes need the probability of an interval, F(b) - F(a):
section 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.operations import Operations

LOG_ROOT_TWO_PI = 0.5 * math.log(2.0 * math.pi)
_ROOT_HALF_PI = math.sqrt(0.5 * math.pi)
_ROOT_HALF = math.sqrt(0.5)

Derived = tuple[Array, Array, Array]
"""Value, slope and curvature, elementwise."""


class Interval(NamedTuple):
    """-log(F(b) - F(a)) with its derivatives in a and b, and those along both at once, which their sums would lose to rounding."""

    value: Array
    lower: Array
    upper: Array
    lower_lower: Array
    lower_upper: Array
    upper_upper: Array
    both: Array
    both_both: Array


class Link:
    """p = F(eta). A subclass writes ``yes``, ``no``, ``probability``, ``inverse`` and the two formulas.

    yes, no: -log p and -log(1 - p) with their derivatives. is_convex: both are convex in eta. meaning: completes "a coefficient is the
    change of ... when its column rises by one".
    """

    name = ""
    is_convex = True
    meaning = ""
    predictor = "location"

    def yes(self, eta: Array) -> Derived:
        raise NotImplementedError

    def no(self, eta: Array) -> Derived:
        raise NotImplementedError

    def probability(self, eta: Array) -> Array:
        raise NotImplementedError

    def complement(self, eta: Array) -> Array:
        """1 - p, with all its digits."""
        raise NotImplementedError

    def inverse(self, probability: Array) -> Array:
        """eta of probabilities strictly between 0 and 1."""
        raise NotImplementedError

    def formula_yes(self, operations: Operations, eta: Any) -> Any:
        raise NotImplementedError

    def formula_no(self, operations: Operations, eta: Any) -> Any:
        raise NotImplementedError

    def between(self, lower: Array, upper: Array) -> Array:
        """F(b) - F(a), from the nearer tail."""
        right = lower + upper > 0
        with np.errstate(over="ignore", under="ignore"):
            return np.where(right, self.complement(lower) - self.complement(upper), self.probability(upper) - self.probability(lower))


class Symmetric(Link):
    """1 - F(eta) = F(-eta)."""

    def no(self, eta: Array) -> Derived:
        value, slope, curvature = self.yes(-eta)
        return value, -slope, curvature

    def complement(self, eta: Array) -> Array:
        return self.probability(-eta)

    def formula_no(self, operations: Operations, eta: Any) -> Any:
        return self.formula_yes(operations, -eta)


@dataclass(frozen=True)
class Logit(Symmetric):
    """F(eta) = 1 / (1 + exp(-eta))."""

    name = "logit"
    meaning = "the log odds of y = 1 when its column rises by one: exp(coefficient) multiplies the odds"
    predictor = "log_odds"

    def yes(self, eta: Array) -> Derived:
        with np.errstate(under="ignore"):
            small = np.exp(-np.abs(eta))
        near = 1.0 / (1.0 + small)
        wrong = np.where(eta >= 0, small * near, near)
        return np.log1p(small) + np.maximum(-eta, 0.0), -wrong, small * near * near

    def probability(self, eta: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(-eta)))

    def inverse(self, probability: Array) -> Array:
        return np.asarray(np.log(probability) - np.log1p(-probability))

    def formula_yes(self, operations: Operations, eta: Any) -> Any:
        return operations.softplus(-eta)

    def interval(self, lower: Array, upper: Array) -> Interval:
        """F(b) - F(a) = F(b) (1 - F(a)) (1 - exp(a - b)), so that nothing cancels."""
        up, up_slope, up_curvature = self.yes(upper)
        low, low_slope, low_curvature = self.no(lower)
        width = upper - lower
        with np.errstate(over="ignore", under="ignore"):
            gap = np.expm1(width)
            barrier = -np.log(-np.expm1(-width))
            pull = 1.0 / gap
            bend = pull * (1.0 + pull)
        return Interval(
            up + low + barrier,
            low_slope + pull,
            up_slope - pull,
            low_curvature + bend,
            -bend,
            up_curvature + bend,
            low_slope + up_slope,
            low_curvature + up_curvature,
        )

    def formula_between(self, operations: Operations, lower: Any, upper: Any) -> Any:
        return operations.softplus(-upper) + operations.softplus(lower) - operations.log1p(-operations.exp(lower - upper))


@dataclass(frozen=True)
class Probit(Symmetric):
    """F is the normal distribution function."""

    name = "probit"
    meaning = "the normal quantile of the probability of y = 1 when its column rises by one"

    def yes(self, eta: Array) -> Derived:
        from scipy.special import erfcx, log_ndtr

        with np.errstate(over="ignore", under="ignore"):
            ratio = 1.0 / (_ROOT_HALF_PI * erfcx(-_ROOT_HALF * eta))
            return -log_ndtr(eta), -ratio, ratio * _excess(eta, ratio)

    def probability(self, eta: Array) -> Array:
        from scipy.special import ndtr

        return np.asarray(ndtr(eta))

    def inverse(self, probability: Array) -> Array:
        from scipy.special import ndtri

        return np.asarray(ndtri(probability))

    def formula_yes(self, operations: Operations, eta: Any) -> Any:
        return -log_normal(operations, eta)

    def interval(self, lower: Array, upper: Array) -> Interval:
        """By Mills' ratios, and by Gauss-Legendre quadrature of the density where the interval is narrow."""
        from scipy.special import erfcx, log_ndtr

        width = upper - lower
        flip = lower + upper > 0
        a, b = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
        middle = 0.5 * (a + b)
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            shrink = np.exp(width * middle)
            # phi(b) / D and phi(a) / D, D = Phi(b) - Phi(a).
            wide = 1.0 / (_ROOT_HALF_PI * (erfcx(-_ROOT_HALF * b) - erfcx(-_ROOT_HALF * a) * shrink))
            narrow = width * np.maximum(1.0, -middle) < 1.0
            mass = _narrow_mass(middle, width)
            at_b = np.where(narrow, np.exp(-0.25 * width * (b + middle)) / mass, wide)
            value = np.where(
                narrow,
                0.5 * middle * middle + LOG_ROOT_TWO_PI - np.log(mass),
                np.where(
                    b < 0,
                    0.5 * b * b + LOG_ROOT_TWO_PI + np.log(at_b),
                    -log_ndtr(b) - np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b))),
                ),
            )
            at_a = at_b * shrink
            change = -at_b * np.expm1(width * middle)
            low, up = np.where(flip, at_b, at_a), np.where(flip, at_a, at_b)
            both = np.where(flip, -change, change)
            return Interval(
                value,
                low,
                -up,
                low * (low - lower),
                -low * up,
                up * (up + upper),
                -both,
                both * both + width * up + lower * both,
            )

    def formula_between(self, operations: Operations, lower: Any, upper: Any) -> Any:
        flip = lower + upper > 0
        a, b = operations.where(flip, -upper, lower), operations.where(flip, -lower, upper)
        at_b = log_normal(operations, b)
        return -at_b - operations.log1p(-operations.exp(log_normal(operations, a) - at_b))


@dataclass(frozen=True)
class CLogLog(Link):
    """F(eta) = 1 - exp(-exp(eta)): the complementary log-log link, of a hazard that columns multiply."""

    name = "cloglog"
    meaning = "the log of -log P(y = 0) when its column rises by one: exp(coefficient) multiplies the rate at which y = 1 comes about"
    predictor = "log_rate"

    def yes(self, eta: Array) -> Derived:
        with np.errstate(over="ignore", under="ignore"):
            u = np.exp(np.minimum(eta, 700.0))
            small = u < 1e-8
            safe = np.where(small, 1.0, u)
            value = np.where(small, 0.5 * u - eta, -np.log(-np.expm1(-safe)))
            ratio = np.where(small, 1.0 - 0.5 * u, safe / np.expm1(safe))
            # u + ratio - 1 by its series where it would cancel.
            square = u * u
            series = u * 0.5 + square * (1 / 12 - square * (1 / 720 - square * (1 / 30240 - square / 1209600)))
            return value, -ratio, ratio * np.where(u < 0.1, series, u + ratio - 1.0)

    def no(self, eta: Array) -> Derived:
        with np.errstate(over="ignore", under="ignore"):
            u = np.exp(eta)
        return u, u, u

    def probability(self, eta: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(-np.expm1(-np.exp(eta)))

    def complement(self, eta: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.exp(-np.exp(eta)))

    def inverse(self, probability: Array) -> Array:
        return np.asarray(np.log(-np.log1p(-probability)))

    def formula_yes(self, operations: Operations, eta: Any) -> Any:
        far = eta < -12.0
        near = operations.where(far, 0.0 * eta - 12.0, eta)
        u = operations.exp(near)
        low = operations.minimum(eta, -12.0 + 0.0 * eta)
        u_low = operations.exp(low)
        return operations.where(far, 0.5 * u_low - u_low * u_low / 24.0 - low, -operations.log1p(-operations.exp(-u)))

    def formula_no(self, operations: Operations, eta: Any) -> Any:
        return operations.exp(eta)


@dataclass(frozen=True)
class LogLog(Link):
    """F(eta) = exp(-exp(-eta))."""

    name = "loglog"
    meaning = "-log(-log P(y = 1)) when its column rises by one"

    def yes(self, eta: Array) -> Derived:
        value, slope, curvature = CLOGLOG.no(-eta)
        return value, -slope, curvature

    def no(self, eta: Array) -> Derived:
        value, slope, curvature = CLOGLOG.yes(-eta)
        return value, -slope, curvature

    def probability(self, eta: Array) -> Array:
        return CLOGLOG.complement(-eta)

    def complement(self, eta: Array) -> Array:
        return CLOGLOG.probability(-eta)

    def inverse(self, probability: Array) -> Array:
        return np.asarray(-np.log(-np.log(probability)))

    def formula_yes(self, operations: Operations, eta: Any) -> Any:
        return CLOGLOG.formula_no(operations, -eta)

    def formula_no(self, operations: Operations, eta: Any) -> Any:
        return CLOGLOG.formula_yes(operations, -eta)


@dataclass(frozen=True)
class Cauchit(Symmetric):
    """F is Cauchy's distribution function: a label far on the wrong side costs little. Not convex."""

    name = "cauchit"
    is_convex = False
    meaning = "the Cauchy quantile of the probability of y = 1 when its column rises by one"

    def yes(self, eta: Array) -> Derived:
        with np.errstate(over="ignore", under="ignore"):
            angle = np.arctan2(1.0, -eta)
            square = 1.0 + eta * eta
            ratio = 1.0 / (square * angle)
            return -np.log(angle / math.pi), -ratio, ratio * (ratio + 2.0 * eta / square)

    def probability(self, eta: Array) -> Array:
        return np.asarray(np.arctan2(1.0, -eta) / math.pi)

    def inverse(self, probability: Array) -> Array:
        return np.asarray(np.tan(math.pi * (probability - 0.5)))

    def formula_yes(self, operations: Operations, eta: Any) -> Any:
        left = eta < -1.0
        far = operations.where(left, eta, 0.0 * eta - 1.0)
        near = operations.where(left, 0.0 * eta, eta)
        angle = operations.where(left, operations.atan(-1.0 / far), 0.5 * math.pi + operations.atan(near))
        return -operations.log(angle / math.pi)


LOGIT, PROBIT, CLOGLOG, LOGLOG, CAUCHIT = Logit(), Probit(), CLogLog(), LogLog(), Cauchit()

LINKS: Mapping[str, Link] = {link.name: link for link in (LOGIT, PROBIT, CLOGLOG, LOGLOG, CAUCHIT)}
"""Of probabilities, by name."""

ORDERED: Mapping[str, Logit | Probit] = {"logit": LOGIT, "probit": PROBIT}
"""Those that give the probability of an interval."""


def named(loss: str, link: str, known: tuple[str, ...]) -> str:
    """``link``, if the loss has it. Raises ValueError naming those it has."""
    if link not in known:
        raise LossError(f"loss {loss}: no link is called {link!r}; it has {', '.join(known)}")
    return link


def mixture(link: Link, yes: Array, no: Array, eta: Array) -> Derived:
    """yes (-log p) + no (-log(1 - p)) for counts or shares of either answer, elementwise; what is counted zero times adds nothing."""
    value, slope, curvature = np.zeros(eta.shape), np.zeros(eta.shape), np.zeros(eta.shape)
    for count, part in ((yes, link.yes), (no, link.no)):
        here = count > 0
        if here.all():
            for total, derived in zip((value, slope, curvature), part(eta), strict=True):
                total += count * derived
        elif here.any():
            for total, derived in zip((value, slope, curvature), part(eta[here]), strict=True):
                total[here] += count[here] * derived
    return value, slope, curvature


def _excess(z: Array, ratio: Array) -> Array:
    """phi(z) / Phi(z) + z, by Mills' series where it cancels."""
    far = z < -50.0
    inverse = 1.0 / np.where(far, -z, 50.0)
    square = inverse * inverse
    series = inverse * (1.0 - square * (2.0 - square * (10.0 - square * (74.0 - 706.0 * square))))
    return np.where(far, series, ratio + z)


_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def _narrow_mass(middle: Array, width: Array) -> Array:
    """(Phi(b) - Phi(a)) / phi(middle)."""
    total = np.zeros(middle.shape)
    for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
        t = 0.5 * point * width
        total += 0.5 * weight * np.exp(-t * (middle + 0.5 * t))
    return width * total


def log_normal(operations: Operations, z: Any) -> Any:
    """log Phi(z) in any framework: the error function near zero, Mills' series far to the left."""
    left = z < -10.0
    near = operations.where(left, 0.0 * z, z)
    far = operations.where(left, z, 0.0 * z - 11.0)
    square = 1.0 / (far * far)
    series = 0.0 * z
    for n in range(17, 0, -1):
        series = -(2.0 * n - 1.0) * square * (1.0 + series)
    tail = -0.5 * far * far - LOG_ROOT_TWO_PI - operations.log(-far) + operations.log1p(series)
    upper = operations.where(near > 0.0, near, 0.0 * near)
    lower = operations.where(near > 0.0, 0.0 * near, near)
    body = operations.where(
        near > 0.0,
        operations.log1p(-0.5 * operations.erfc(_ROOT_HALF * upper)),
        operations.log(0.5 * operations.erfc(-_ROOT_HALF * lower)),
    )
    return operations.where(left, tail, body)
