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
from gradline.penalties.kinked import BoolArray, KinkedPart
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


def duality_gap(part: KinkedPart, x: Array, gradient: Array, objective: float, lowest: float) -> float:
    """The bound, at x (d,) with this gradient of f. objective: P there. lowest: m."""
    largest = part.largest_dual(gradient)
    penalised = part.restricted(np.arange(len(x)))
    inner = float(gradient @ np.where(_free(penalised, x), 0.0, x)) + part.value(x)
    return max(inner, 0.0) + max(objective - lowest, 0.0) * max(largest - 1.0, 0.0)


def _free(part: KinkedPart, x: Array) -> BoolArray:
    """Coefficients that are not penalised: in the support even at zero. Their gradient is zero but for rounding."""
    return part.support(np.zeros_like(x))


def lowest_loss(problem: Problem) -> float | None:
    """A lower bound of the mean loss; None where the loss does not tell one."""
    loss = problem.loss
    if loss.squared_scale() is not None or loss.never_negative:
        return 0.0
    rows = problem.rows.sample(1).targets
    if loss.saturated_loss(rows) is None:
        return None
    return problem.rows.reduce(_LowestKernel(loss)) / problem.total_weight


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
