"""A smooth line through a cloud of points: lowess."""

from __future__ import annotations

import math

import numpy as np

from gradline.base.types import Array

MOST_ANCHORS = 200
"""Places where the line is computed; it is straight between them."""


def lowess(x: Array, y: Array, *, share: float = 2 / 3, robust: int = 3, weights: Array | None = None) -> tuple[Array, Array]:
    """Points (t,) and the line's height there, in rising order of x.

    At each place a straight line is fitted to the nearest ``share`` of the points, near ones counting more (tricube), and ``robust`` times
    more with far residuals counting less (bisquare). x, y (n,) finite; weights (n,). Cleveland (1979), JASA 74.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    given = np.ones(len(x)) if weights is None else weights[order]
    n = len(x)
    near = min(n, max(2, int(share * n + 1e-10)))
    places = np.unique(np.round(np.linspace(0, n - 1, min(n, MOST_ANCHORS))).astype(np.int64))
    at, first = np.unique(x[places], return_index=True)
    places = places[first]
    trust = np.ones(n)
    height = np.empty(len(at))
    for again in range(robust + 1):
        for i, place in enumerate(places):
            height[i] = _local_line(x, y, given * trust, x[place], near)
        if again == robust:
            break
        residuals = np.abs(y - np.interp(x, at, height))
        middle = float(np.median(residuals))
        if not middle > 1e-12 * float(np.abs(y).max(initial=0.0)):
            break
        trust = np.square(1.0 - np.square(np.minimum(residuals / (6.0 * middle), 1.0)))
    return at, height


def _local_line(x: Array, y: Array, weights: Array, place: float, near: int) -> float:
    """The height at a place of the line through its nearest points. x rises."""
    first = _window(x, place, near)
    inside = slice(first, first + near)
    distance = x[inside] - place
    reach = float(max(-distance[0], distance[-1]))
    kernel = weights[inside]
    if reach > 0:
        kernel = kernel * (1.0 - np.abs(distance / reach) ** 3) ** 3
    total = float(kernel.sum())
    if not total > 0:
        return float(np.mean(y[inside]))
    mean_x, mean_y = float(kernel @ distance) / total, float(kernel @ y[inside]) / total
    spread = float(kernel @ np.square(distance - mean_x))
    # Points in one place have a mean, but no slope.
    if math.sqrt(spread / total) <= 1e-3 * reach or reach == 0:
        return mean_y
    slope = float(kernel @ ((distance - mean_x) * y[inside])) / spread
    return mean_y - slope * mean_x


def _window(x: Array, place: float, near: int) -> int:
    """Where the ``near`` points nearest to a place begin."""
    low, high = 0, len(x) - near
    while low < high:
        middle = (low + high) // 2
        if place - x[middle] > x[middle + near] - place:
            low = middle + 1
        else:
            high = middle
    return low
