"""What lies beside a point at which the gradient says nothing: one where rows sit on a kink, or where the loss is flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.kinks import JUMP
from gradline.losses.one_sided import OneSided
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.columns import column_scale

AXES, DIRECTIONS = 3, 8
"""Coefficients that are moved one by one, up and down, and directions in all."""

ASIDE = 1e-6
"""How far off the gradient is taken, beside the size of the linear predictors."""

LENGTHS = np.logspace(0.0, -8.0, 9)
"""Steps that are tried, beside the same size."""

FLAT = "the loss is flat: no row's loss changes with the coefficients here"

FLAT_REMEDY = "Give a start= nearer the data, or a loss that reaches further (a larger threshold)."


def lower_beside(problem: Problem, free: CoefficientMap, theta: Array) -> Array | None:
    """Free coefficients (d,) near theta with a lower objective; None where none is found.

    A gradient taken on a kink is that of one of its sides, or of neither. Gradients from a hair off in a few directions tell of the other
    sides, and where they lead is looked at.
    """
    units = free.restrict_gradient(np.repeat(column_scale(problem)[:, None], problem.shape[1], axis=1))
    size = (problem.target_scale or 1.0) + float(np.abs(theta * units).max(initial=0.0))

    def objective(point: Array) -> float:
        return problem.evaluate(free.expand(point), 0).value

    with np.errstate(all="ignore"):
        here = objective(theta)
        for direction in _directions(free.size):
            gradient = problem.evaluate(free.expand(theta + ASIDE * size * direction / units), 1).gradient
            assert gradient is not None
            down = -free.restrict_gradient(gradient) / units
            length = float(np.linalg.norm(down))
            if not 0 < length < np.inf:
                continue
            for step in LENGTHS:
                point: Array = theta + step * size * down / length / units
                if objective(point) < here - 1e-13 * abs(here):
                    return point
    return None


def rises_beside(problem: Problem, free: CoefficientMap, theta: Array) -> bool:
    """Whether the objective at free coefficients (d,) a little off is another, in some direction at least."""
    units = free.restrict_gradient(np.repeat(column_scale(problem)[:, None], problem.shape[1], axis=1))
    size = (problem.target_scale or 1.0) + float(np.abs(theta * units).max(initial=0.0))
    here = problem.evaluate(free.expand(theta), 0).value
    points = (theta + 1e-3 * size * direction / units for direction in _directions(free.size))
    with np.errstate(all="ignore"):
        return any(problem.evaluate(free.expand(point), 0).value > here + 1e-15 * abs(here) for point in points)


def _directions(size: int) -> Array:
    """Unit vectors (m, d): up and down along the first coefficients, and at random."""
    axes = np.eye(size)[:AXES]
    random = np.random.default_rng(20141).normal(size=(DIRECTIONS - 2 * len(axes), size))
    return np.concatenate([axes, -axes, random / np.linalg.norm(random, axis=1)[:, None]])


def on_falling_kinks(problem: Problem, coefficients: Array, hair: float) -> int:
    """Rows that sit, but for rounding, on a kink where the slope falls as a linear predictor rises: no minimum is proven there.

    coefficients: (P, k). hair: as ``OneSided`` has it.
    """
    return problem.rows.reduce(_FallingKernel(OneSided(problem.loss, 8.0 * hair), coefficients))


@dataclass(frozen=True)
class _FallingKernel(Kernel[int]):
    loss: OneSided
    coefficients: Array

    def map(self, block: Block) -> int:
        predictors = block.linear_predictors(self.coefficients)
        lowered = self.loss.lowered(block.targets, predictors)
        falls = np.zeros(block.n_rows, dtype=np.bool_)
        for a in range(predictors.shape[1]):
            below, above = predictors.copy(), predictors.copy()
            below[:, a], above[:, a] = lowered[:, a], 2.0 * predictors[:, a] - lowered[:, a]
            slopes = []
            for points in (below, above):
                with np.errstate(all="ignore"):
                    gradient = self.loss.loss.derivatives(block.targets, points, 1).gradient
                assert gradient is not None
                slopes.append(gradient[:, a])
            falls |= slopes[1] - slopes[0] < -JUMP * np.maximum(np.abs(slopes[0]), np.abs(slopes[1]))
        weights = block.row_weights
        return int(np.count_nonzero(falls if weights is None else falls & (weights > 0)))

    def merge(self, first: int, second: int) -> int:
        return first + second
