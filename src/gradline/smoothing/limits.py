"""Linear predictors that go to a limit while strengths are looked for.

The log dispersion of counts that vary no more than Poisson counts falls for ever, and its curvature with it: log |A| has no end that way,
and what is left of the curvature is rounding, which may be negative. At the limit the loss is one of the other linear predictors alone,
as Poisson's is, and so are the strengths. A predictor that has been there is therefore held while those of the others are found, and
takes its place again in a fit of all coefficients at these strengths, until neither changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradline.base.types import Array

FLAT = 1e-6
"""Of the largest curvature that was met: below this share a linear predictor may be on its way to a limit."""

PredictorSet = frozenset[int]


class Limits:
    """movable (P, k): the coefficients of the model. begin (P, k): where the loss starts."""

    def __init__(self, movable: np.ndarray[Any, np.dtype[np.bool_]], begin: Array) -> None:
        self.movable, self.begin = movable, begin
        self.largest = np.zeros(begin.shape)

    def vanished(self, curvature: Array, held: PredictorSet = frozenset()) -> PredictorSet:
        """The linear predictors beside those held in which no coefficient has curvature worth the name, (k P, k P) being that of the
        objective; none where no other would be left."""
        size, k = self.begin.shape
        own = np.abs(np.diag(curvature)).reshape(k, size).T
        self.largest = np.maximum(self.largest, own)
        level = (own <= FLAT * self.largest) | ~self.movable
        found = PredictorSet(j for j in range(k) if j not in held and self.movable[:, j].any() and level[:, j].all())
        return found if len(found | held) < k else PredictorSet()

    def begun(self, coefficients: Array, predictors: PredictorSet) -> Array:
        """The coefficients (P, k), with these linear predictors where the loss starts."""
        found, columns = coefficients.copy(), sorted(predictors)
        found[:, columns] = self.begin[:, columns]
        return found
