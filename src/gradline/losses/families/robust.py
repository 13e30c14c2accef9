"""Losses of the residual that are smooth: squared and its robust kin. Written in r = eta - y, whose derivative in eta is 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.checks import positive
from gradline.losses.defaults import Elementwise, LossDefaults, PerTarget
from gradline.losses.operations import Operations
from gradline.losses.protocol import Parameter

_LOG_2 = math.log(2.0)


@dataclass(frozen=True)
class Squared(PerTarget):
    """(y - eta)^2, without a half, summed over targets. Its coefficients describe the conditional mean.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y, loss=gl.losses.squared).slopes.round(2)
    array([6.04])
    """

    name = "squared"
    never_negative = True
    meaning = "a coefficient is the change of the mean of y when its column rises by one and the others stay"
    predictor = "mean"
    is_convex = True
    has_free_dispersion = True
    aims_at = "mean"

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        residuals = predictors - targets
        value = np.einsum("ij,ij->i", residuals, residuals)
        if order == 0:
            return RowDerivatives(value)
        residuals *= 2.0
        if order == 1:
            return RowDerivatives(value, residuals)
        m, k = predictors.shape
        return RowDerivatives(value, residuals, np.broadcast_to(2.0 * np.eye(k), (m, k, k)))

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return operations.square(targets - predictors)

    def start(self, targets: Array) -> Array:
        return np.asarray(targets.mean(axis=0), dtype=np.float64)

    def variance(self, predictors: Array) -> Array:
        return np.ones(predictors.shape)

    def squared_scale(self) -> float:
        return 1.0


@dataclass(frozen=True)
class Huber(PerTarget):
    """z^2 / 2 where |z| <= threshold, threshold (|z| - threshold / 2) beyond, with z = (y - eta) / scale.

    With scale 1 the threshold is in the target's units; in general the bend is at threshold * scale.
    Huber (1964), "Robust estimation of a location parameter", Ann. Math. Statist. 35.
    """

    threshold: float
    scale: float = 1.0

    of_residuals = True
    name = "huber"
    never_negative = True
    meaning = "a coefficient is the change of the centre of y, outliers counted by sign and not by size, when its column rises by one"
    is_convex = True

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        z = predictors - targets
        if self.scale != 1.0:
            z /= self.scale
        # With c = z clipped to the threshold both branches are c (z - c / 2), and the derivative is c.
        clipped = np.clip(z, -self.threshold, self.threshold)
        value = np.multiply(clipped, -0.5)
        value += z
        value *= clipped
        if order == 0:
            return value, None, None
        curvature = (clipped == z).astype(np.float64) if order == 2 else None
        if self.scale != 1.0:
            clipped /= self.scale
            if curvature is not None:
                curvature /= self.scale**2
        return value, clipped, curvature

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        z = (targets - predictors) / self.scale
        size = operations.abs(z)
        outside = self.threshold * (size - self.threshold / 2.0)
        return operations.where(size <= self.threshold, 0.5 * operations.square(z), outside)


@dataclass(frozen=True)
class JointHuber(LossDefaults):
    """scale / 2 + scale H(z), z = (y - location) / scale, H Huber's loss with its half: location and scale are estimated together.

    Huber's concomitant scale (Huber and Ronchetti 2009, Robust Statistics, section 7.7), jointly convex as the perspective of a convex
    function; half the objective of scikit-learn's HuberRegressor (Owen 2007, "A robust hybrid of lasso and ridge regression"). The
    second linear predictor is the scale itself and is meant to have an intercept only. Infinite where the scale is not above 0,
    and the derivatives there are NaN. y -> 1000 y takes coefficients and scale to exactly 1000 times.
    """

    threshold: float

    name = "huber"
    meaning = "a coefficient is the change of the centre of y, outliers counted by sign and not by size, when its column rises by one"
    intercept_only = (False, True)
    is_convex = True
    estimates_scale = True

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {"threshold": self.threshold, "scale": "joint"}

    def n_predictors(self, n_targets: int) -> int:
        self.require_one_target(n_targets)
        return 2

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("location", "scale")

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        # A copy of each column: everything below runs over contiguous memory, and the caller's array stays as it is.
        location, scale = np.array(predictors.T, order="C")
        outside = scale <= 0
        if outside.any():
            scale[outside] = np.nan
        z = location - targets[:, 0]
        z /= scale
        clipped = np.clip(z, -self.threshold, self.threshold)
        value = np.multiply(clipped, -0.5)
        value += z
        value *= clipped
        value += 0.5
        value *= scale
        value[outside] = np.inf
        if order == 0:
            return RowDerivatives(value)
        gradient = np.empty(predictors.shape, order="F")
        gradient[:, 0] = clipped
        # d/d scale of scale (1/2 + c z - c^2 / 2) at fixed location: dz/d scale = -z / scale and dH/dz = c.
        np.multiply(clipped, clipped, out=gradient[:, 1])
        gradient[:, 1] *= -0.5
        gradient[:, 1] += 0.5
        if order == 1:
            return RowDerivatives(value, gradient)
        curvature = np.empty((z.size, 2, 2), order="F")
        inside = (clipped == z) / scale
        curvature[:, 0, 0] = inside
        inside *= z
        curvature[:, 0, 1] = curvature[:, 1, 0] = -inside
        inside *= z
        curvature[:, 1, 1] = inside
        return RowDerivatives(value, gradient, curvature)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m,) and predictors (m, 2), scales above 0."""
        # Each branch with the scale multiplied in: the outer one is linear, so no tape cancels in its derivatives.
        scale = predictors[..., 1]
        residual = targets - predictors[..., 0]
        size = operations.abs(residual)
        inside = operations.square(residual) / (2.0 * scale)
        outside = self.threshold * (size - self.threshold / 2.0 * scale)
        return 0.5 * scale + operations.where(size <= self.threshold * scale, inside, outside)

    def predict(self, predictors: Array) -> Array:
        """The location: (m, 1)."""
        return predictors[:, :1]

    def start(self, targets: Array) -> Array:
        """Median, and the median absolute deviation scaled to a normal's standard deviation (1 for constant targets)."""
        centre = float(np.median(targets))
        deviations = np.abs(targets - centre)
        scale = float(np.median(deviations)) * 1.4826 or float(deviations.mean()) or 1.0
        return np.array([centre, scale])


@dataclass(frozen=True)
class LogCosh(PerTarget):
    """log cosh(y - eta): r^2 / 2 near zero, |r| - log 2 far out.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y, loss=gl.losses.log_cosh).slopes.round(2)
    array([6.04])
    """

    of_residuals = True
    name = "log_cosh"
    never_negative = True
    meaning = "a coefficient is the change of the centre of y, between its mean and its median, when its column rises by one"
    is_convex = True

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        residual = predictors - targets
        size = np.abs(residual)
        # With e = exp(-2|r|): tanh|r| = (1 - e) / (1 + e), the numerator by expm1, and sech^2 = 4 e / (1 + e)^2, which does not
        # cancel in the tails as 1 - tanh^2 does.
        scratch = np.multiply(size, -2.0)
        exponential = np.exp(scratch)
        tanh = np.expm1(scratch, out=scratch)
        inverse = exponential + 1.0
        np.divide(-1.0, inverse, out=inverse)
        tanh *= inverse
        # log cosh r = -log(1 - tanh^2 r) / 2 loses nothing near zero; |r| + log(1 + e) - log 2 loses nothing elsewhere.
        near = size < 0.5
        value = np.log1p(np.where(near, -tanh * tanh, exponential))
        value = np.where(near, -0.5 * value, value + (size - _LOG_2))
        if order == 0:
            return value, None, None
        curvature = None
        if order == 2:
            curvature = exponential
            curvature *= 4.0
            curvature *= inverse
            curvature *= inverse
        return value, np.copysign(tanh, residual, out=tanh), curvature

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        residual = predictors - targets
        return residual + operations.softplus(-2.0 * residual) - _LOG_2


@dataclass(frozen=True)
class Tukey(PerTarget):
    """Tukey's biweight: threshold^2 / 6 (1 - (1 - u^2)^3) where |u| <= 1, threshold^2 / 6 beyond, with u = (y - eta) / threshold.

    r^2 / 2 near zero; a residual beyond the threshold (in the target's units) counts for nothing. Not convex: the answer depends on the
    start. Beaton and Tukey (1974), Technometrics 16.
    """

    threshold: float

    name = "tukey"
    never_negative = True
    meaning = "a coefficient is the change of the centre of y when its column rises by one, rows beyond the threshold left out"

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        residual = predictors - targets
        squares = residual / self.threshold
        # Beyond the threshold u^2 held at 1 gives the constant, a zero gradient and a zero curvature without a branch.
        np.clip(squares, -1.0, 1.0, out=squares)
        squares *= squares
        # 1 - (1 - v)^3 = v (3 - 3 v + v^2) does not cancel for small v.
        value = squares - 3.0
        value *= squares
        value += 3.0
        value *= squares
        value *= self.threshold**2 / 6.0
        if order == 0:
            return value, None, None
        weight = 1.0 - squares
        curvature = None
        if order == 2:
            curvature = squares
            curvature *= -5.0
            curvature += 1.0
            curvature *= weight
        residual *= weight
        residual *= weight
        return value, residual, curvature

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        squares = operations.square((targets - predictors) / self.threshold)
        held = operations.minimum(squares, 1.0)
        return self.threshold**2 / 6.0 * held * (3.0 - 3.0 * held + operations.square(held))


squared = Squared()
log_cosh = LogCosh()


def huber(threshold: float, scale: float | Literal["joint"] = 1.0) -> Huber | JointHuber:
    """Squares near zero, straight lines beyond the threshold: outliers count by sign and not by size.

    Huber (1964), "Robust estimation of a location parameter", Ann. Math. Statist. 35; for the joint scale Huber and Ronchetti (2009),
    Robust Statistics, section 7.7.

    Parameters
    ----------
    threshold : float
        Where the loss bends from a parabola into a line, in the target's units (with scale 1), or in units of the scale.
    scale : float or "joint", default 1.0
        What residuals are divided by. "joint" estimates it with the coefficients (Huber's concomitant scale), so that the
        threshold counts in standard deviations of the errors: 1.35 keeps 95% efficiency at the normal.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless threshold and scale are above 0.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> y[0] += 1000.0  # one row that went wrong
    >>> fit = gl.fit(x, y, loss=gl.losses.huber(1.35, scale="joint"))
    >>> print(f"{fit.slopes[0, 0]:.1f}")
    6.0
    """
    threshold = positive("huber", "threshold", threshold)
    if isinstance(scale, str):
        if scale != "joint":
            raise LossError(f'loss huber: scale must be a number above 0 or "joint", not {scale!r}')
        if threshold <= 1:
            raise LossError(
                f'loss huber: with scale="joint" the threshold counts scales and must be above 1 (1.35 is usual), not {threshold:g}: below,'
                " a smaller scale is always better, down to zero"
            )
        return JointHuber(threshold)
    return Huber(threshold, positive("huber", "scale", scale))


def tukey(threshold: float) -> Tukey:
    """Tukey's biweight: rows far out count for nothing. Not convex, so that the answer can depend on the start.

    Beaton and Tukey (1974), "The fitting of power series", Technometrics 16.

    Parameters
    ----------
    threshold : float
        The residual from which on a row counts for nothing, in the target's units.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless threshold is above 0.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.tukey(4.685).is_convex
    False
    """
    return Tukey(positive("tukey", "threshold", threshold))
