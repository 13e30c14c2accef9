"""Newton's method for smooth losses with absorbed levels: each step is least squares, whose levels the within transformation takes out.

With the curvatures h as weights and eta - g / h as the target, a step of Newton's method is a weighted least squares of all columns and
all levels (Correia, Guimaraes and Zylkin 2020, "Fast Poisson estimation with high-dimensional fixed effects").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, BoolArray
from gradline.linalg.within import LevelCodes, Meetings, Within
from gradline.losses.protocol import Loss

MOST_STEPS = 200

ENOUGH = 1e-22
"""A step whose square, in the metric of the curvature, is this part of the linear predictors' own is the last."""

FARTHEST = 1e3
"""Times the reach of the first step: farther, what rows on a straight part add to their level would be lost to rounding."""

ROUNDING = 1e-14
"""The same where no step makes the loss smaller."""

NEAR = 1e-10
"""The same where steps that shrink are not held against the loss, whose own rounding is larger than what they gain."""


class AbsorbedOptimum(NamedTuple):
    """coefficients (P,); predictors (n,), without the offset's part taken out; steps; converged; columns (n, P): what the levels leave of
    the columns, under the curvatures at the optimum; aliased (P,): columns of which they leave nothing."""

    coefficients: Array
    predictors: Array
    steps: int
    converged: bool
    columns: Array
    aliased: BoolArray


@dataclass(frozen=True)
class AbsorbedProblem:
    """targets (n, 1), columns (n, P), weights (n,) or None, offset (n,) or None."""

    loss: Loss
    targets: Array
    columns: Array
    weights: Array | None
    offset: Array | None
    factors: list[LevelCodes]
    meetings: Meetings

    def value(self, predictors: Array) -> float:
        """The sum of the weighted losses."""
        with np.errstate(all="ignore"):
            losses = self.loss.derivatives(self.targets, predictors[:, None], 0).value
        return float(losses.sum() if self.weights is None else self.weights @ losses)

    def derivatives(self, predictors: Array) -> tuple[Array, Array]:
        """(gradient, curvature), (n,) each, unweighted. Raises SolverError where one is not finite."""
        _, gradient, curvature = self.loss.derivatives(self.targets, predictors[:, None], 2)
        assert gradient is not None
        assert curvature is not None
        g, h = gradient[:, 0], curvature[:, 0, 0]
        if not (np.isfinite(g).all() and np.isfinite(h).all()):
            raise SolverError(f"the loss {self.loss.name!r} has no finite derivative in some row: check its targets")
        return g, h

    def weighed(self, values: Array) -> Array:
        return values if self.weights is None else self.weights * values


def solve_absorbed(problem: AbsorbedProblem, tell: Callable[[Array, Array], BoolArray]) -> AbsorbedOptimum:
    """The minimum over coefficients and levels. tell: which columns the levels leave nothing of, from columns before and after, (P,)."""
    offset = np.zeros(len(problem.targets)) if problem.offset is None else problem.offset
    predictors = float(problem.loss.start(problem.targets)[0]) + offset - (0.0 if problem.offset is None else offset.mean())
    value, converged, steps = problem.value(predictors), False, 0
    if not np.isfinite(value):
        raise SolverError(f"the loss {problem.loss.name!r} is not finite where it starts from: check targets and offset")
    reach, start, last = 0.0, 0.0, np.inf
    while steps < MOST_STEPS:
        steps += 1
        g, h = problem.derivatives(predictors)
        if not h.max() > 0:
            raise SolverError(f"the loss {problem.loss.name!r} has no curvature in any row, and absorbed levels need some")
        if steps == 1:
            curved = h > 1e-12 * h.max()
            reach = start = 10.0 * float(np.median(np.abs(g[curved]) / h[curved])) + 1e-300
        # A row on a straight part of the loss asks for a step without end: it gets the curvature that lets it go no further than ``reach``.
        h = np.maximum(np.maximum(h, np.abs(g) / reach), 1e-12 * float(h.max()))
        metric = problem.weighed(h)
        found = _least_squares(problem, metric, predictors - offset - g / h, tell)
        move = found[1] + offset - predictors
        slope = float(problem.weighed(g) @ move)
        size = float(metric @ np.square(move))
        own = float(metric @ np.square(predictors - np.average(predictors, weights=metric)) + metric.sum())
        length, near, last = 1.0, size <= NEAR * own and reach >= start and size < 0.25 * last, size
        while length > 0.1:
            tried = problem.value(predictors + length * move)
            if near or (np.isfinite(tried) and tried <= value + 1e-4 * length * slope + 1e-14 * abs(value)):
                break
            length *= 0.5
        else:
            if size <= ROUNDING * own and reach >= start:
                converged = True
                break
            reach /= 16.0
            continue
        predictors, value = predictors + length * move, tried
        if size <= ENOUGH * own and reach >= start:
            converged = True
            break
        # Where whole steps succeed, Newton's own are let through.
        reach = min(8.0 * reach, FARTHEST * start) if length == 1.0 else 0.5 * reach
    _, h = problem.derivatives(predictors)
    metric = problem.weighed(np.maximum(h, 1e-10 * float(h.max())))
    coefficients, _, columns, aliased = _least_squares(problem, metric, predictors - offset, tell)
    return AbsorbedOptimum(coefficients, predictors, steps, converged, columns, aliased)


def _least_squares(
    problem: AbsorbedProblem, metric: Array, target: Array, tell: Callable[[Array, Array], BoolArray]
) -> tuple[Array, Array, Array, BoolArray]:
    """(coefficients (P,), fitted values (n,), the transformed columns, which are aliased) of one weighted least squares."""
    transformed = Within(problem.factors, metric, problem.meetings)(np.column_stack([problem.columns, target]))
    columns, rest = transformed.residuals[:, :-1], transformed.residuals[:, -1]
    aliased = np.asarray(tell(metric, columns), dtype=np.bool_)
    kept = np.flatnonzero(~aliased)
    root = np.sqrt(metric)
    coefficients = np.zeros(columns.shape[1])
    if kept.size:
        scale = np.sqrt(np.einsum("i,ij,ij->j", metric, columns[:, kept], columns[:, kept]))
        scaled = columns[:, kept] * root[:, None] / scale
        coefficients[kept] = np.linalg.lstsq(scaled, root * rest, rcond=None)[0] / scale
        rest = rest - columns[:, kept] @ coefficients[kept]
    return coefficients, target - rest, columns, aliased
