"""Intervals that are conditional on what was selected, as a fit holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array
from gradline.inference.intervals import Interval, check_level
from gradline.inference.truncated_normal import largest_mean, p_value, smallest_mean


@dataclass(frozen=True, eq=False)
class Selective:
    """All (P, k), NaN where a coefficient was not kept. estimates: of least squares on the kept columns. spreads: their standard
    deviations before anything is given. below, above: the limits, in spreads from the estimate, at most and at least zero."""

    estimates: Array
    spreads: Array
    below: Array
    above: Array
    description: str

    def interval(self, level: float) -> Interval:
        """The interval of every coefficient, (P, k) each. Raises ValueError unless 0 < level < 1."""
        tail = 0.5 * (1.0 - check_level(level))
        lower, upper = np.full(self.estimates.shape, np.nan), np.full(self.estimates.shape, np.nan)
        for place in zip(*np.nonzero(np.isfinite(self.estimates)), strict=True):
            below, above = float(self.below[place]), float(self.above[place])
            lower[place] = self.estimates[place] + self.spreads[place] * smallest_mean(below, above, tail)
            upper[place] = self.estimates[place] + self.spreads[place] * largest_mean(below, above, tail)
        return Interval(lower, upper)

    @property
    def p_values(self) -> Array:
        """Two-sided, that a slope of least squares on the kept columns is zero, (P, k)."""
        found = np.full(self.estimates.shape, np.nan)
        for place in zip(*np.nonzero(np.isfinite(self.estimates)), strict=True):
            mean = -float(self.estimates[place] / self.spreads[place])
            found[place] = p_value(float(self.below[place]), float(self.above[place]), mean)
        return found
