"""Losses of a margin y eta, y in {-1, 1}: the hinge of support vector machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, Elementwise, PerTarget
from gradline.losses.operations import Operations


@dataclass(frozen=True)
class Hinge(PerTarget):
    """max(0, 1 - y eta), y in {-1, 1}: a row costs nothing beyond a margin of one on its own side.

    At the kink the derivative is given as the middle of the subgradient. Cortes and Vapnik (1995), "Support-vector networks", Machine
    Learning 20.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> x, y = gl.datasets.line(seed=1)
    >>> labels = np.where(y > y.mean(), 1, -1)
    >>> fit = gl.fit(x, labels, loss=gl.losses.hinge, penalty=gl.penalties.ridge(0.01))
    >>> bool(np.mean(np.sign(fit.predict(x)) == labels) > 0.9)
    True
    """

    name = "hinge"
    never_negative = True
    meaning = "a coefficient is the change of the score when its column rises by one; the sign of the score says which of the two labels"
    predictor = "score"
    domain = "labels -1 or 1"
    is_convex = True

    def in_domain(self, targets: Array) -> BoolArray:
        allowed: BoolArray = np.abs(targets) == 1
        return allowed

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        short = 1.0 - targets * predictors
        value = np.maximum(short, 0.0)
        if order == 0:
            return value, None, None
        # (sign + 1) / 2 is 1 short of the margin, 1/2 on it, 0 beyond.
        gradient = np.sign(short, out=short)
        gradient += 1.0
        gradient *= -0.5 * targets
        return value, gradient, np.zeros(value.shape) if order == 2 else None

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return operations.maximum(1.0 - targets * predictors, 0.0)

    def start(self, targets: Array) -> Array:
        """Between the margins, on the side of the commoner label."""
        return np.asarray(0.5 * targets.mean(axis=0))

    def kinks(self) -> tuple[float, ...]:
        """At y eta = 1: a place that no residual y - eta names, since its slope there depends on y."""
        return ()


hinge = Hinge()
