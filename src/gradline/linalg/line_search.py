"""An exact line search along a convex function of which the slope is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def level_length(slope_at: Callable[[float], float], share: float, full_share: float) -> float:
    """How far to go along a direction: to where the slope is ``share`` of what it was at 0, or ``full_share`` of it at a full step.

    Doubling until the slope turns, then secants kept off the ends of their bracket. 0 where the function does not fall at first.
    """
    start = slope_at(0.0)
    if not start < 0:
        return 0.0
    low, low_slope, high, high_slope, length = 0.0, start, np.inf, np.inf, 1.0
    for _ in range(60):
        slope = slope_at(length)
        if abs(slope) <= share * -start or (length == 1.0 and abs(slope) <= full_share * -start):
            return length
        if slope < 0:
            low, low_slope = length, slope
        else:
            high, high_slope = length, slope
        if high == np.inf:
            length *= 2.0
        else:
            secant = low - low_slope * (high - low) / (high_slope - low_slope)
            length = min(max(secant, low + 0.1 * (high - low)), high - 0.1 * (high - low))
    return low
