"""Convolution smoothing: a kinked loss averaged over a window, so that Newton's method has a curvature to work with.

The smoothed loss is the convolution with a uniform kernel of half-width h,

    l_h(e) = (1 / 2h) integral of l over [e - h, e + h],

whose derivatives need the loss and its gradient alone: l_h' = (l(e+h) - l(e-h)) / 2h and l_h'' = (l'(e+h) - l'(e-h)) / 2h. It keeps
convexity, is nowhere below a convex loss, and differs from it only within h of a kink. Fernandes, Guerre and Horta (2021), "Smoothing
quantile regressions", Journal of Business and Economic Statistics 39; He, Pan, Tan and Zhou (2023), Journal of Econometrics 232.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.protocol import Loss, Parameter
from gradline.losses.wrappers import Wrapped

# Gauss and Legendre's rule on [-1, 1]: four evaluations a value. Across a kink it is off by up to about 0.03 jumps times h, which no
# solver sees, since steps under smoothing are controlled on the gradient.
_RULE: list[tuple[float, float]] = np.column_stack(np.polynomial.legendre.leggauss(4)).tolist()


def slopes(loss: Loss) -> tuple[float, ...]:
    """Slopes in r = y - eta of a piecewise-linear loss: before its first kink, between kinks, after its last; one target.

    Raises ValueError where the loss does not say that it is piecewise linear in r with kinks it can name.
    """
    kinks = loss.kinks()
    if not (loss.piecewise_linear and kinks):
        raise LossError(f"loss {loss.name} does not name the kinks of a piecewise-linear function of y - eta")
    between = [0.5 * (low + high) for low, high in pairwise(kinks)]
    residuals = np.array([[kinks[0] - 1.0], *([point] for point in between), [kinks[-1] + 1.0]])
    gradient = loss.derivatives(residuals, np.zeros(residuals.shape), 1).gradient
    assert gradient is not None
    return tuple(float(-slope) for slope in gradient[:, 0])


class _Pieces(NamedTuple):
    """A piecewise-linear function of r: its slope before the first kink, its kinks, and the jump of the slope at each."""

    first_slope: float
    kinks: tuple[float, ...]
    jumps: tuple[float, ...]


@dataclass(frozen=True)
class Smoothed(Wrapped):
    """``loss`` averaged over [eta - width, eta + width], each linear predictor by itself.

    width: the half-width h, above 0, in the units of the linear predictors. A piecewise-linear loss of r = y - eta with named kinks is
    smoothed exactly, value and derivatives in closed form. Any other loss, a user's included, needs its ``derivatives`` only, one
    order below the order asked for: exact gradient and curvature, and the value by a four-point rule.

    With several linear predictors each is smoothed along itself. Where the loss is a sum over targets that is the convolution;
    otherwise it is an approximation that vanishes with the width, and the curvature is symmetrised.

    Raises ValueError unless width is a finite number above 0.
    """

    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.width) and self.width > 0):
            raise LossError(f"the smoothing width must be a finite number above 0, not {self.width!r}")

    @property
    def name(self) -> str:
        return f"smoothed {self.loss.name}"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {**self.loss.parameters, "width": self.width}

    def resolve(self, highest: Array) -> Smoothed:
        return Smoothed(self.loss.resolve(highest), self.width)

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        if self._pieces is not None:
            return self._exact(self._pieces, targets, predictors, order)
        return self._from_differences(targets, predictors, order)

    @cached_property
    def _pieces(self) -> _Pieces | None:
        kinks = self.loss.kinks()
        if not (self.loss.piecewise_linear and kinks):
            return None
        slope = slopes(self.loss)
        return _Pieces(slope[0], kinks, tuple(after - before for before, after in pairwise(slope)))

    def _exact(self, pieces: _Pieces, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        """A kink is jump |x| / 2 plus a line, x = r - kink, and |x| smoothed is |x| + (h - |x|)^2 / 2h where |x| < h."""
        h = self.width
        residuals = targets - predictors
        value = np.array(self.loss.derivatives(targets, predictors, 0).value)
        gradient: Array = np.full(residuals.shape, -pieces.first_slope)
        diagonal = np.zeros(residuals.shape)
        for kink, jump in zip(pieces.kinks, pieces.jumps, strict=True):
            held = residuals - kink
            if order == 2:
                diagonal += (np.abs(held) < h) * (jump / (2.0 * h))
            np.clip(held, -h, h, out=held)
            gap = h - np.abs(held)
            value += np.einsum("ij,ij->i", gap, gap) * (jump / (4.0 * h))
            held += h
            held *= jump / (2.0 * h)
            gradient -= held
        if order == 0:
            return RowDerivatives(value)
        if order == 1:
            return RowDerivatives(value, gradient)
        m, k = predictors.shape
        curvature = np.zeros((m, k, k))
        np.einsum("ijj->ij", curvature)[...] = diagonal
        return RowDerivatives(value, gradient, curvature)

    def _from_differences(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        value = self._average(targets, predictors)
        if order == 0:
            return RowDerivatives(value)
        gradient = np.empty((m, k))
        curvature = np.empty((m, k, k)) if order == 2 else None
        for a in range(k):
            above = self.loss.derivatives(targets, _shift(predictors, a, self.width), order - 1)
            below = self.loss.derivatives(targets, _shift(predictors, a, -self.width), order - 1)
            np.subtract(above.value, below.value, out=gradient[:, a])
            if curvature is not None and above.gradient is not None and below.gradient is not None:
                np.subtract(above.gradient, below.gradient, out=curvature[:, :, a])
        gradient /= 2.0 * self.width
        if curvature is not None:
            curvature /= 2.0 * self.width
            if k > 1:
                curvature = 0.5 * (curvature + curvature.transpose(0, 2, 1))
        return RowDerivatives(value, gradient, curvature)

    def _average(self, targets: Array, predictors: Array) -> Array:
        """l + sum over predictors of (average of l along it - l): for one predictor, the average."""
        k = predictors.shape[1]
        value = np.zeros(len(predictors)) if k == 1 else (1.0 - k) * self.loss.derivatives(targets, predictors, 0).value
        for a in range(k):
            for node, weight in _RULE:
                value += 0.5 * weight * self.loss.derivatives(targets, _shift(predictors, a, node * self.width), 0).value
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {"loss": self.loss, "width": self.width}


def _shift(predictors: Array, column: int, amount: float) -> Array:
    """A copy with one column moved."""
    shifted = predictors.copy()
    shifted[:, column] += amount
    return shifted
