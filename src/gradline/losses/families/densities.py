"""Densities on the real line: Student-t, Cauchy, and the normal with mean and spread. Values are -log density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array
from gradline.losses.checks import positive
from gradline.losses.defaults import Elementwise, LossDefaults, PerTarget
from gradline.losses.distribution import Distribution, Tails, bisect, mixed
from gradline.losses.operations import Operations

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class StudentDistribution(Distribution):
    """Student's t about eta, with given degrees of freedom and scale."""

    degrees: float
    scale: float

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import stdtr

        t = (targets - predictors) / self.scale
        return Tails(stdtr(self.degrees, t), stdtr(self.degrees, -t))


class NormalDistribution(Distribution):
    """Normal with mean eta_1 and standard deviation exp(eta_2)."""

    has_quantiles = True

    def quantile_residuals(self, targets: Array, predictors: Array, uniform: Array, dispersion: Array | None = None) -> Array:
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            return np.asarray((targets - predictors[:, :1]) * np.exp(-predictors[:, 1:]))

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array:
        from scipy.special import ndtr

        mean, log_scale = predictors[:, :1], predictors[:, 1:]

        def cumulative(y: Array, nodes: Array) -> Array:
            # The mean's uncertainty adds to the variance; the log scale's is mixed over.
            return np.asarray(ndtr((y - mean) / np.hypot(np.exp(nodes), errors[:, :1])))

        width = np.hypot(np.exp(log_scale + 8.0 * errors[:, 1:]), errors[:, :1])
        return bisect(mixed(cumulative, log_scale, errors[:, 1:]), probability, mean - 40.0 * width, mean + 40.0 * width)


class _HeavyTailed(PerTarget):
    """Student's density with given degrees of freedom and scale; not convex, so the answer depends on the start."""

    is_likelihood = True
    has_tuning_scale = True

    @property
    def distribution(self) -> StudentDistribution:
        return StudentDistribution(*self._shape)

    @property
    def _shape(self) -> tuple[float, float]:
        """Degrees of freedom and scale."""
        raise NotImplementedError(f"{type(self).__name__} has no degrees of freedom")

    @property
    def _constant(self) -> float:
        degrees, scale = self._shape
        gammas = math.lgamma(0.5 * degrees) - math.lgamma(0.5 * (degrees + 1.0))
        return gammas + 0.5 * math.log(degrees * math.pi) + math.log(scale)

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        degrees, scale = self._shape
        # In t = r / (scale sqrt(degrees)): value (d + 1)/2 log(1 + t^2), and with w = 1 / (1 + t^2) gradient (d + 1) t w and
        # curvature (d + 1) w (2 w - 1), over s and s^2.
        unit = scale * math.sqrt(degrees)
        t = predictors - targets
        t *= 1.0 / unit
        weight = t * t
        value = np.log1p(weight)
        value *= 0.5 * (degrees + 1.0)
        value += self._constant
        if order == 0:
            return value, None, None
        weight += 1.0
        np.divide((degrees + 1.0) / unit, weight, out=weight)
        t *= weight
        if order == 1:
            return value, t, None
        # Here weight is (d + 1) w / s, so w (2 w - 1) (d + 1) / s^2 is weight (2 weight / (d + 1) - 1 / s).
        curvature = weight * (2.0 / (degrees + 1.0))
        curvature -= 1.0 / unit
        curvature *= weight
        return value, t, curvature

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        degrees, scale = self._shape
        t = (targets - predictors) / (scale * math.sqrt(degrees))
        return 0.5 * (degrees + 1.0) * operations.log1p(operations.square(t)) + self._constant


@dataclass(frozen=True)
class StudentT(_HeavyTailed):
    """-log of Student's t density of (y - eta) / scale, divided by the scale. Lange, Little and Taylor (1989), JASA 84."""

    degrees: float
    scale: float = 1.0

    name = "student_t"
    meaning = "a coefficient is the change of the centre of y, far residuals counted less and less, when its column rises by one"

    @property
    def _shape(self) -> tuple[float, float]:
        return self.degrees, self.scale

    def variance(self, predictors: Array) -> Array | None:
        """None where the density has no variance."""
        if self.degrees <= 2:
            return None
        return np.full(predictors.shape, self.scale**2 * self.degrees / (self.degrees - 2.0))


@dataclass(frozen=True)
class Cauchy(_HeavyTailed):
    """log(pi scale) + log(1 + ((y - eta) / scale)^2): -log of the Cauchy density, which has no mean and no variance."""

    scale: float

    name = "cauchy"
    meaning = "a coefficient is the change of the centre of y, far residuals counted less and less, when its column rises by one"

    @property
    def _shape(self) -> tuple[float, float]:
        return 1.0, self.scale


@dataclass(frozen=True)
class Normal(LossDefaults):
    """-log of the normal density with mean eta_1 and standard deviation exp(eta_2): k = 2 for one target.

    Both may depend on the columns. Convex in either predictor, not in both. Aitkin (1987), "Modelling variance heterogeneity in normal
    regression using GLIM", Applied Statistics 36.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(0, 2, size=2000)
    >>> y = 1 + 2 * x + np.exp(x - 1) * rng.normal(size=2000)
    >>> fit = gl.fit(x, y, loss=gl.losses.normal)
    >>> fit.predictor_names
    ('mean', 'log_scale')
    >>> fit.slopes.round(1)
    array([[2., 1.]])
    """

    name = "normal"
    meaning = (
        "a coefficient of the mean is the change of the mean of y when its column rises by one; "
        "a coefficient of log_scale is the change of the log of its standard deviation"
    )
    is_likelihood = True
    aims_at = "mean"
    distribution = NormalDistribution()

    def n_predictors(self, n_targets: int) -> int:
        self.require_one_target(n_targets)
        return 2

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("mean", "log_scale")

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            precision = np.exp(-predictors[:, 1])
            z = predictors[:, 0] - targets[:, 0]
            z *= precision
            squares = z * z
            value = squares * 0.5
            value += predictors[:, 1]
            value += _HALF_LOG_TWO_PI
            if order == 0:
                return RowDerivatives(value)
            gradient = np.empty(predictors.shape)
            np.multiply(z, precision, out=gradient[:, 0])
            np.subtract(1.0, squares, out=gradient[:, 1])
            if order == 1:
                return RowDerivatives(value, gradient)
            curvature = np.empty((z.size, 2, 2))
            np.multiply(precision, precision, out=curvature[:, 0, 0])
            np.multiply(gradient[:, 0], -2.0, out=curvature[:, 0, 1])
            curvature[:, 1, 0] = curvature[:, 0, 1]
            np.multiply(squares, 2.0, out=curvature[:, 1, 1])
        return RowDerivatives(value, gradient, curvature)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m,) and predictors (m, 2)."""
        mean, log_scale = predictors[..., 0], predictors[..., 1]
        return 0.5 * operations.square((targets - mean) * operations.exp(-log_scale)) + log_scale + _HALF_LOG_TWO_PI

    def predict(self, predictors: Array) -> Array:
        """The mean: (m, 1)."""
        return predictors[:, :1]

    def variance(self, predictors: Array) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(2.0 * predictors[:, 1:])

    def start(self, targets: Array) -> Array:
        """Mean and log standard deviation (0 for constant targets)."""
        spread = float(targets.std())
        return np.array([float(targets.mean()), math.log(spread) if spread > 0 else 0.0])


normal = Normal()


def student_t(degrees: float, scale: float = 1.0) -> StudentT:
    """Minus the log density of Student's t about the prediction: heavy tails, so that outliers count little.

    Lange, Little and Taylor (1989), "Robust statistical modeling using the t distribution", JASA 84.

    Parameters
    ----------
    degrees : float
        Of freedom: the fewer, the heavier the tails.
    scale : float, default 1.0
        What residuals are divided by, in the target's units.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless both are above 0.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.student_t(4).is_convex
    False
    """
    return StudentT(positive("student_t", "degrees", degrees), positive("student_t", "scale", scale))


def cauchy(scale: float) -> Cauchy:
    """Minus the log density of the Cauchy distribution about the prediction, which has neither mean nor variance.

    Parameters
    ----------
    scale : float
        What residuals are divided by, in the target's units.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Unless scale is above 0.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.cauchy(1.0).is_likelihood
    True
    """
    return Cauchy(positive("cauchy", "scale", scale))
