"""Positive amounts, with the log link: gamma and Tweedie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.checks import positive
from gradline.losses.defaults import BoolArray, Elementwise, PerTarget, saturated_by_log
from gradline.losses.distribution import Distribution, Tails, bisect, mixed
from gradline.losses.families.linked import InverseGamma
from gradline.losses.links import named
from gradline.losses.operations import Operations

_MEANING = "a coefficient is the change of the log of the mean of y when its column rises by one: exp(coefficient) multiplies the mean"


class _LogLinkAmounts(PerTarget):
    """What the two share: the link and the start."""

    predictor = "log_mean"
    lowest_target = 0.0
    meaning = _MEANING
    has_free_dispersion = True
    aims_at = "mean"
    uses_expected_information = True

    def saturated_loss(self, targets: Array) -> Array:
        return saturated_by_log(self, targets)

    def predict(self, predictors: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(predictors)

    def start(self, targets: Array) -> Array:
        """Log of the mean (of 1 for a column of zeros, whose optimum is at minus infinity)."""
        means = targets.mean(axis=0)
        log_mean: Array = np.log(np.where(means > 0, means, 1.0))
        return log_mean


class GammaDistribution(Distribution):
    """Gamma with mean exp(eta) and a dispersion that is estimated beside it."""

    has_quantiles = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import gammainc, gammaincc

        if dispersion is None:
            raise LossError("the quantile residuals of the loss 'gamma' need its dispersion")
        amount = targets / (np.exp(predictors) * dispersion)
        return Tails(gammainc(1.0 / dispersion, amount), gammaincc(1.0 / dispersion, amount))

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array | None:
        from scipy.special import gammainc

        if dispersion is None or not (dispersion > 0).all():
            return None

        def cumulative(y: Array, nodes: Array) -> Array:
            return np.asarray(gammainc(1.0 / dispersion, np.exp(np.minimum(y - nodes, 700.0)) / dispersion))

        # In log y, whose distribution has one width whatever the mean.
        width = 8.0 * errors + 40.0 * np.maximum(np.sqrt(dispersion), dispersion) + 5.0
        return np.asarray(np.exp(bisect(mixed(cumulative, predictors, errors), probability, predictors - width, predictors + width)))


@dataclass(frozen=True)
class Gamma(_LogLinkAmounts):
    """eta + y exp(-eta): -log of the gamma density with mean exp(eta) and dispersion 1.

    The dispersion multiplies the whole loss, so it moves no coefficient; it is free, and estimated from the residuals where errors
    need it. McCullagh and Nelder (1989), Generalized Linear Models, chapter 8.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=500)
    >>> cost = rng.gamma(2.0, np.exp(1 + 0.5 * x))
    >>> gl.fit(x, cost, loss=gl.losses.gamma).slopes.round(1)
    array([0.5])
    """

    name = "gamma"
    domain = "above 0"
    is_convex = True
    is_likelihood = True
    distribution = GammaDistribution()

    def __call__(self, link: str = "log") -> Gamma | InverseGamma:
        """The same with another link: "log" or "inverse"."""
        return self if named("gamma", link, ("log", "inverse")) == "log" else InverseGamma(link)

    def in_domain(self, targets: Array) -> BoolArray:
        return targets > 0

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        ratio = np.negative(predictors)
        np.exp(ratio, out=ratio)
        ratio *= targets
        value = predictors + ratio
        if order == 0:
            return value, None, None
        return value, 1.0 - ratio, ratio if order == 2 else None

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return predictors + targets * operations.exp(-predictors)

    def variance(self, predictors: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(2.0 * predictors)

    def log_density_at_dispersion(self, targets: Array, predictors: Array, dispersion: Array) -> Array:
        """McCullagh and Nelder (1989), section 8.2."""
        from scipy.special import gammaln

        shape = 1.0 / dispersion
        ratio = np.log(targets) - predictors
        value: Array = shape * (np.log(shape) + ratio - np.exp(ratio)) - gammaln(shape) - np.log(targets)
        return value


@dataclass(frozen=True)
class Tweedie(_LogLinkAmounts):
    """y mu^(1 - power) / (power - 1) + mu^(2 - power) / (2 - power), mu = exp(eta): half the unit deviance, less its part in y alone.

    The variance is proportional to mu^power. Between 1 and 2 zeros are allowed; above 2 the loss is not convex in eta. A
    quasi-likelihood: the density has no closed form. Jorgensen (1997), The Theory of Dispersion Models, chapter 4.
    """

    power: float

    name = "tweedie"

    @property
    def is_convex(self) -> bool:
        return self.power < 2

    @property
    def domain(self) -> str:
        return "0 or above" if self.power < 2 else "above 0"

    def in_domain(self, targets: Array) -> BoolArray:
        return targets >= 0 if self.power < 2 else targets > 0

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        first, second = self.power - 1.0, 2.0 - self.power
        amount = np.multiply(predictors, -first)
        np.exp(amount, out=amount)
        amount *= targets
        mean = np.multiply(predictors, second)
        np.exp(mean, out=mean)
        value = amount / first
        value += mean / second
        if order == 0:
            return value, None, None
        gradient = mean - amount
        if order == 1:
            return value, gradient, None
        mean *= second
        amount *= first
        mean += amount
        return value, gradient, mean

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        first, second = self.power - 1.0, 2.0 - self.power
        return targets * operations.exp(-first * predictors) / first + operations.exp(second * predictors) / second

    def variance(self, predictors: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(self.power * predictors)


gamma = Gamma()


def tweedie(power: float) -> Tweedie:
    """Amounts with the log link whose variance is proportional to a power of the mean.

    Jorgensen (1997), The Theory of Dispersion Models, chapter 4.

    Parameters
    ----------
    power : float
        The variance is proportional to mean^power. Between 1 and 2 zeros are allowed.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless power is above 1 and not 2, naming what to use instead.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.tweedie(1.5).lowest_target
    0.0
    """
    power = positive("tweedie", "power", power)
    if power == 1:
        raise LossError("loss tweedie: power 1 is the Poisson loss; use poisson")
    if power == 2:
        raise LossError("loss tweedie: power 2 is the gamma loss; use gamma")
    if power < 1:
        raise LossError(f"loss tweedie: power must be above 1, not {power:g} (between 0 and 1 no such distribution exists)")
    return Tweedie(power)
