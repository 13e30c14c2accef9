"""A loss that bends sharply, reached through smoother ones: Huber's with a threshold far below the noise, and its like.

Where only the few rows inside a bend have curvature, Newton's model of the objective holds for a step so short that it goes from bend to
bend. Averaged over a window as wide as the residuals the same loss is easy, and each narrower window begins where the last one ended,
as do the thresholds of Madsen and Nielsen (1993), "A finite smoothing algorithm for linear l1 estimation", SIAM J. Optimization 3. The last
steps are on the loss itself, so that its answer is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.curvature_factor import CurvatureFactor
from gradline.linalg.line_search import level_length
from gradline.losses.smoothing import Smoothed
from gradline.objective.objective import Problem
from gradline.solvers.columns import column_scale
from gradline.solvers.protocol import Solution

NARROWER = 0.3
"""Of a window to the one before: three or four steps suffice for each."""

MOST_WINDOWS = 30
"""Down to 1e-15 of the residuals."""

STEPS = 30
"""On one window at most; more say that smoothing does not help."""

NEAR = 0.01
"""A window's optimum is only a start: a decrement that moves linear predictors by this share of the window will do."""


def through_windows(
    problem: Problem, free: CoefficientMap, begin: Array, finish: Callable[[Array], Solution]
) -> tuple[Solution | None, int]:
    """The optimum by ever narrower windows, and the passes made; None where smoothing does not lead there.

    begin: coefficients (P, k). finish: a few steps on the loss itself from coefficients (P, k), tried after each window.
    Only for a loss with a linear predictor for each target, whose residuals say how wide the first window is to be. A loss not known to
    be convex, as one's own, may have other minima; what is found is one, for the last steps are on the loss itself.
    """
    passes = 0
    if problem.joint or problem.n_predictors != problem.rows.n_targets:
        return None, passes
    width = widest = typical_residual(problem, begin)
    theta = free.contract(begin)
    squares = free.restrict_diagonal(np.repeat(np.square(column_scale(problem))[:, None], problem.n_predictors, axis=1))
    for _ in range(MOST_WINDOWS):
        if not (math.isfinite(width) and width > 0):
            break
        window = _Window(replace(problem, loss=Smoothed(problem.loss, width)), free, squares)
        found = window.minimum(theta, NEAR * width / widest)
        passes += window.passes
        if found is None:
            break
        theta = found
        solution = finish(free.expand(theta))
        passes += solution.passes
        if solution.certificate.converged:
            return solution, passes
        width *= NARROWER
    return None, passes


def typical_residual(problem: Problem, coefficients: Array) -> float:
    """The root mean square of y - eta among some rows."""
    block = problem.rows.sample(10_000).without_zero_weights()
    residuals = block.targets - block.linear_predictors(coefficients)
    return float(np.sqrt(np.mean(np.square(residuals))))


class _Window:
    """The objective with its loss smoothed. squares: the mean squares (d,) of the columns of the free coefficients."""

    def __init__(self, problem: Problem, free: CoefficientMap, squares: Array) -> None:
        self.problem, self.free, self.squares, self.passes = problem, free, squares, 0

    def minimum(self, theta: Array, tolerance: float) -> Array | None:
        """The free coefficients (d,) of a point near the minimum; None where it is not found.

        Newton's directions with lengths found by the slope alone: the smoothed value is too rough to compare by.
        """
        for _ in range(STEPS):
            self.passes += 1
            found = self.problem.evaluate(self.free.expand(theta), 2)
            assert found.gradient is not None
            assert found.curvature is not None
            gradient = self.free.restrict_gradient(found.gradient)
            curvature = self.free.restrict_curvature(found.curvature)
            if not (np.isfinite(gradient).all() and np.isfinite(curvature).all()):
                return None
            direction = self._direction(gradient, curvature)
            if math.sqrt(max(-float(gradient @ direction), 0.0)) <= tolerance * math.sqrt(abs(found.value)):
                return theta
            length = level_length(partial(self._slope, theta, direction), 0.1, 0.5)
            if not length:
                return None
            theta = theta + length * direction
        return None

    def _direction(self, gradient: Array, curvature: Array) -> Array:
        mean = float(np.diag(curvature).sum() / self.squares.sum()) or 1.0
        factor = CurvatureFactor.of(curvature, np.sqrt(self.squares * mean), 0.0, lambda: self.squares * mean)
        return -factor.inverse_times(gradient, [])

    def _slope(self, theta: Array, direction: Array, length: float) -> float:
        self.passes += 1
        found = self.problem.evaluate(self.free.expand(theta + length * direction), 1)
        assert found.gradient is not None
        slope = float(self.free.restrict_gradient(found.gradient) @ direction)
        return slope if math.isfinite(slope) else math.inf
