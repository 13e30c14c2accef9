"""How far a penalised objective can be above its minimum: a bound from one gradient, for any convex loss.

With f the mean loss and smooth penalties, g its gradient at b, Omega the penalty with kinks and P = f + Omega,

    P(b) - P* <= g'b + Omega(b) + R max(0, dual(g) - 1),   R = P(b) - m,

where m is a lower bound of f and dual the dual norm of Omega: convexity gives f(b*) >= f(b) + g'(b* - b), the dual norm
-g'b* <= dual(g) Omega(b*), and Omega(b*) <= P(b*) - m <= R. No conjugate of the loss is needed, so that it holds for one of the user's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.penalties.kinked import KinkedPart
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


def duality_gap(part: KinkedPart, x: Array, gradient: Array, objective: float, lowest: float) -> float:
    """The bound, at x (d,) with this gradient of f. objective: P there. lowest: m."""
    largest = part.largest_dual(gradient)
    # Coefficients that are not penalised are in the support even at zero. Their gradient is zero but for rounding.
    penalised = ~part.support(np.zeros_like(x))
    inner = float(gradient[penalised] @ x[penalised]) + part.value(x)
    return max(inner, 0.0) + max(objective - lowest, 0.0) * max(largest - 1.0, 0.0)


def convex_where_tried(problem: Problem, coefficients: Array) -> int:
    """At how many points a loss of one linear predictor was found convex and at least zero; 0 where it is not, or has several.

    For a loss of the user's own, of which nothing is known: rows of a sample, at their own predictor and far to either side of it.
    """
    if problem.n_predictors != 1:
        return 0
    block = problem.rows.sample(TRIED_ROWS).without_zero_weights()
    predictors = block.linear_predictors(coefficients)
    reach = max(float(np.abs(predictors).max(initial=0.0)), float(np.abs(block.targets).max(initial=0.0)), 1.0)
    places = np.concatenate([predictors + reach * step for step in TRIED_STEPS])
    with np.errstate(all="ignore"):
        value, _, curvature = problem.loss.derivatives(np.tile(block.targets, (len(TRIED_STEPS), 1)), places, 2)
    assert curvature is not None
    usable = np.isfinite(value) & np.isfinite(curvature[:, 0, 0])
    bends, values = curvature[usable, 0, 0], value[usable]
    if not usable.any() or bends.min() < -1e-9 * np.abs(bends).max() or values.min() < 0:
        return 0
    return int(usable.sum())


def lowest_loss(problem: Problem) -> float | None:
    """A lower bound of the mean loss; None where the loss does not tell one."""
    loss = problem.loss
    if loss.squared_scale() is not None or loss.never_negative:
        return 0.0
    rows = problem.rows.sample(1).targets
    if loss.saturated_loss(rows) is None:
        return None
    return problem.rows.reduce(_LowestKernel(loss)) / problem.total_weight


TRIED_ROWS = 200

TRIED_STEPS = (*(-(2.0**-power) for power in range(8)), 0.0, *(2.0**-power for power in range(8)))


@dataclass(frozen=True)
class _LowestKernel(Kernel[float]):
    """The weighted sum of the least each row's loss can be."""

    loss: Loss

    def map(self, block: Block) -> float:
        least = self.loss.saturated_loss(block.targets)
        assert least is not None
        weights = block.row_weights
        return float(least.sum() if weights is None else least[weights > 0] @ weights[weights > 0])

    def merge(self, first: float, second: float) -> float:
        return first + second
