"""Losses with a kink, and the expectile: absolute, quantile (pinball), epsilon-insensitive, expectile. r = y - eta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.types import Array
from gradline.losses.checks import between_zero_and_one, not_negative
from gradline.losses.defaults import Elementwise, PerTarget
from gradline.losses.operations import Operations


def _no_curvature(like: Array, order: int) -> Array | None:
    return np.zeros(like.shape) if order == 2 else None


@dataclass(frozen=True)
class Absolute(PerTarget):
    """|y - eta|. At the kink the derivative is given as 0, the middle of the subgradient.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y, loss=gl.losses.absolute).slopes.round(2)
    array([6.])
    """

    name = "absolute"
    never_negative = True
    meaning = "a coefficient is the change of the median of y when its column rises by one"
    predictor = "median"
    aims_at = "quantile"
    quantile_level = 0.5
    is_convex = True
    piecewise_linear = True

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        residual = predictors - targets
        value = np.abs(residual)
        if order == 0:
            return value, None, None
        return value, np.sign(residual, out=residual), _no_curvature(value, order)

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return operations.abs(targets - predictors)

    def kinks(self) -> tuple[float, ...]:
        return (0.0,)


@dataclass(frozen=True)
class Quantile(PerTarget):
    """The pinball loss: level r for r >= 0, (level - 1) r for r < 0.

    At the kink the derivative is given as the middle of the subgradient. Koenker and Bassett (1978), Econometrica 46.
    """

    level: float

    name = "quantile"
    never_negative = True
    is_convex = True
    piecewise_linear = True
    predictor = "quantile"
    aims_at = "quantile"

    @property
    def quantile_level(self) -> float:
        return self.level

    @property
    def meaning(self) -> str:
        return f"a coefficient is the change of the {self.level:g} quantile of y when its column rises by one"

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        residual = predictors - targets
        gradient = np.where(residual < 0, -self.level, 1.0 - self.level)
        if order == 0:
            residual *= gradient
            return residual, None, None
        value = residual * gradient
        at_kink = residual == 0
        if at_kink.any():
            gradient[at_kink] = 0.5 - self.level
        return value, gradient, _no_curvature(value, order)

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        residual = targets - predictors
        return operations.maximum(self.level * residual, (self.level - 1.0) * residual)

    def start(self, targets: Array) -> Array:
        return np.asarray(np.quantile(targets, self.level, axis=0), dtype=np.float64)

    def kinks(self) -> tuple[float, ...]:
        return (0.0,)


@dataclass(frozen=True)
class EpsilonInsensitive(PerTarget):
    """max(|y - eta| - epsilon, 0): residuals within epsilon (in the target's units) cost nothing.

    At the kinks the derivative is given as the middle of the subgradient. Vapnik (1995), The Nature of Statistical Learning Theory.
    """

    epsilon: float

    name = "epsilon_insensitive"
    never_negative = True
    meaning = "a coefficient is the change of the centre of y when its column rises by one; residuals within epsilon are ignored"
    is_convex = True
    piecewise_linear = True

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        residual = predictors - targets
        excess = np.abs(residual)
        excess -= self.epsilon
        if order == 0:
            return np.maximum(excess, 0.0, out=excess), None, None
        # (sign(excess) + 1) / 2 is 0 inside, 1/2 at the kink, 1 outside; sign(residual) makes epsilon = 0 the absolute loss.
        gradient = np.sign(excess)
        gradient += 1.0
        gradient *= 0.5
        gradient *= np.sign(residual, out=residual)
        return np.maximum(excess, 0.0, out=excess), gradient, _no_curvature(excess, order)

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return operations.maximum(operations.abs(targets - predictors) - self.epsilon, 0.0)

    def kinks(self) -> tuple[float, ...]:
        return (-self.epsilon, self.epsilon) if self.epsilon > 0 else (0.0,)


@dataclass(frozen=True)
class Expectile(PerTarget):
    """level r^2 for r >= 0, (1 - level) r^2 for r < 0: half the squared loss at level 1/2.

    Newey and Powell (1987), "Asymmetric least squares estimation and testing", Econometrica 55.
    """

    level: float

    name = "expectile"
    never_negative = True
    is_convex = True
    predictor = "expectile"

    @property
    def meaning(self) -> str:
        return f"a coefficient is the change of the {self.level:g} expectile of y when its column rises by one"

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        residual = predictors - targets
        weight = np.where(residual <= 0, self.level, 1.0 - self.level)
        gradient = residual * weight
        residual *= gradient
        if order == 0:
            return residual, None, None
        gradient *= 2.0
        if order == 1:
            return residual, gradient, None
        weight *= 2.0
        return residual, gradient, weight

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        residual = targets - predictors
        squares = operations.square(residual)
        return operations.where(residual >= 0, self.level * squares, (1.0 - self.level) * squares)

    def start(self, targets: Array) -> Array:
        return np.asarray(targets.mean(axis=0), dtype=np.float64)

    def squared_scale(self) -> float | None:
        return 0.5 if self.level == 0.5 else None


absolute = Absolute()


def quantile(level: float) -> Quantile:
    """The pinball loss, whose coefficients describe a quantile of the target.

    Koenker and Bassett (1978), "Regression quantiles", Econometrica 46.

    Parameters
    ----------
    level : float
        The share of targets that should lie below the prediction, between 0 and 1.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless 0 < level < 1.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, loss=gl.losses.quantile(0.9))
    >>> float((y < fit.predict(x)).mean().round(2))
    0.9
    """
    return Quantile(between_zero_and_one("quantile", "level", level))


def expectile(level: float) -> Expectile:
    """Asymmetric least squares, whose coefficients describe an expectile of the target.

    Newey and Powell (1987), "Asymmetric least squares estimation and testing", Econometrica 55.

    Parameters
    ----------
    level : float
        The weight of squares above the prediction, beside 1 - level below it; between 0 and 1.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless 0 < level < 1.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.expectile(0.5).squared_scale()
    0.5
    """
    return Expectile(between_zero_and_one("expectile", "level", level))


def epsilon_insensitive(epsilon: float) -> EpsilonInsensitive:
    """The loss of support vector regression: residuals within epsilon cost nothing, beyond they cost their excess.

    Vapnik (1995), The Nature of Statistical Learning Theory.

    Parameters
    ----------
    epsilon : float
        The residual up to which a row costs nothing, in the target's units.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless epsilon is 0 or above.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.epsilon_insensitive(0.5).kinks()
    (-0.5, 0.5)
    """
    return EpsilonInsensitive(not_negative("epsilon_insensitive", "epsilon", epsilon))
