"""A smooth line through a cloud of points: lowess, and the trend of residuals under a loss of its own."""

from __future__ import annotations

import math

import numpy as np

from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.plot.diagnostic_sample import DiagnosticSample
from gradline.rows.arrays import ArrayRows
from gradline.solvers.registry import automatic

MOST_ANCHORS = 200
"""Places where the line is computed; it is straight between them."""

ANCHORS = 24
"""Places where the trend is found."""

SHARE = 0.5
"""Of the rows near a place, by which its height is found."""


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


def trend(loss: Loss, seen: DiagnosticSample, x: Array, y: Array, j: int) -> tuple[Array, Array]:
    """Places and heights of a smooth line through residuals y (m,) of a target against x (m,), from the sampled rows.

    Residuals that have mean zero where the model is right: lowess. Otherwise the mean of residuals says nothing (those of a 0.9 quantile
    lie below zero nine times in ten), and the loss itself is minimised over a local line added to the linear predictor: flat at zero where
    the model is right, whatever the loss (Fan and Gijbels 1996, Local Polynomial Modelling, section 5.5).
    """
    rows = seen.sampled
    own = seen.kind == "raw" and seen.predictors.shape[1] == seen.targets.shape[1] and np.array_equal(seen.predictors, seen.predictions)
    solved = loss.kinks() is None or (loss.piecewise_linear and bool(loss.kinks()))
    if loss.squared_scale() is not None or not (own and solved and (seen.targets.shape[1] == 1 or loss.sums_over_targets)):
        return lowess(x[rows], y[rows])
    order = np.flatnonzero(rows)[np.argsort(x[rows], kind="stable")]
    across = x[order]
    near = min(len(order), max(2, int(SHARE * len(order))))
    places, heights = [], []
    for place in np.unique(np.quantile(across, np.linspace(0.0, 1.0, ANCHORS))):
        distance = np.abs(across - place)
        reach = float(np.partition(distance, near - 1)[near - 1])
        kernel = np.maximum(1.0 - (distance / reach) ** 3, 0.0) ** 3 if reach > 0 else (distance == 0).astype(np.float64)
        if not kernel.any():
            # Between two values of a column every near row is as far away as the farthest.
            kernel = (distance <= reach).astype(np.float64)
        inside = np.flatnonzero(kernel)
        chosen = order[inside]
        local = ArrayRows(
            (across[inside] - place)[:, None] / (reach or 1.0),
            seen.targets[chosen][:, [j]],
            weights=kernel[inside] * seen.weights[chosen] * seen.frequencies[chosen],
            offset=seen.predictors[chosen][:, [j]],
        )
        problem = Problem(local, loss)
        places.append(float(place))
        heights.append(float(automatic(problem).solve(problem, np.zeros(problem.shape)).coefficients[0, 0]))
    return np.array(places), np.array(heights)
