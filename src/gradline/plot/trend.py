"""The trend of residuals under a loss of its own: where that loss would put their middle near each fitted value."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.plot.diagnostic_sample import DiagnosticSample
from gradline.plot.smooth import lowess
from gradline.rows.arrays import ArrayRows
from gradline.solvers.registry import automatic

ANCHORS = 24
SHARE = 0.5
"""Of the rows near a place, by which its height is found."""


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
