"""A kinked loss a hair to one side of its kinks, so that a row on a kink is always on the same one of its two pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array
from gradline.losses.wrappers import Wrapped

ROUNDING = 32.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class OneSided(Wrapped):
    """``loss`` at linear predictors that are lowered by a hair: what rounding may have done to them, and no more.

    What a framework calls the derivative on a kink is a convention; what it says beside it is the slope of a piece. hair: how far
    rounding may have put a typical linear predictor, the sum of terms that may be far larger than itself.
    """

    hair: float

    @property
    def name(self) -> str:
        return self.loss.name

    def lowered(self, targets: Array, predictors: Array) -> Array:
        """The linear predictors at which the loss is taken, (m, k)."""
        size = np.abs(targets).max(axis=1)[:, None] + np.abs(predictors)
        return np.asarray(predictors - (self.hair + ROUNDING * size))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        return self.loss.derivatives(targets, self.lowered(targets, predictors), order)
