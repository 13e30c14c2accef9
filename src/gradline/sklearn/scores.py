"""How good predictions are: R^2, and D^2, the same for any loss."""

from __future__ import annotations

import math

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.registry import automatic, solve


def r_squared(targets: Array, predictions: Array, weights: Array | None) -> float:
    """R^2 averaged over the columns of targets and predictions, each (n, q). NaN, with a warning, for a single row.

    As in scikit-learn, targets that do not vary score 1 if predicted exactly and 0 otherwise.
    """
    if len(targets) < 2:
        warn("R^2 is not defined for a single row, whose target does not vary; the score is NaN")
        return math.nan
    left = np.average(np.square(targets - predictions), axis=0, weights=weights)
    total = np.average(np.square(targets - np.average(targets, axis=0, weights=weights)), axis=0, weights=weights)
    scores = np.where(left == 0, 1.0, 0.0)
    varies = total > 0
    scores[varies] = 1.0 - left[varies] / total[varies]
    return float(scores.mean())


def d_squared(loss: Loss, targets: Array, predictors: Array, offset: Array | None, weights: Array | None) -> float:
    """1 - (loss - least) / (loss of the best constant - least), over rows with targets (n, q) and linear predictors (n, k).

    The best constant is that of these very rows, beside their offset (n, k). The least loss there can be is that of the saturated model
    for an exponential family, of which this is the share of deviance explained, and 0 for a loss that is never negative. Hastie,
    Tibshirani and Wainwright (2015), Statistical Learning with Sparsity, equation 3.11.

    Raises ValueError for losses whose least value is not known. NaN, with a warning, for a single row.
    """
    loss.check_targets(targets)
    if len(targets) < 2:
        warn("D^2 is not defined for a single row, which a constant fits; the score is NaN")
        return math.nan
    own = loss.derivatives(targets, predictors, 0).value
    constant = _constant(loss, targets, offset, weights)
    constants = np.repeat(constant[None, :], len(targets), axis=0)
    null = loss.derivatives(targets, constants if offset is None else constants + offset, 0).value
    least = loss.saturated_loss(targets)
    if least is None:
        if not loss.never_negative and (loss.is_likelihood or min(own.min(), null.min()) < 0):
            raise ArgumentError(
                f"the loss {loss.name!r} has no least value that is known, so that D^2 is not defined: score with a metric of your own,"
                ' such as scoring="neg_mean_absolute_error"'
            )
        least = np.zeros(len(targets))
    left = float(np.average(own - least, weights=weights))
    total = float(np.average(null - least, weights=weights))
    if not total > 0:
        return 1.0 if left <= 0 else 0.0
    return 1.0 - left / total


def _constant(loss: Loss, targets: Array, offset: Array | None, weights: Array | None) -> Array:
    """The constant linear predictors of least loss, (k,)."""
    rows = ArrayRows(np.empty((len(targets), 0)), targets, weights=weights, offset=offset)
    problem = Problem(rows, loss)
    return np.asarray(solve(automatic(problem), problem).coefficients[0])
