"""One run of a proximal Newton method (``newton``), and the solution with its certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.threads import small_algebra
from gradline.base.types import Array, IntArray
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.curvature_factor import bent_upwards
from gradline.objective.objective import Problem
from gradline.penalties.kinds import is_convex, kind_of
from gradline.penalties.kinked import KinkedPart
from gradline.penalties.kinked_penalty import as_kinked
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.newton.recession import Runaway, unbounded_direction
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.proximal.gap import convex_where_tried, duality_gap, lowest_loss
from gradline.solvers.proximal.quadratic_model import minimise_model

EPSILON = float(np.finfo(float).eps)

CONTRACTION = 0.2
"""Of the violation from one step to the next: a curvature that does less is taken anew."""

SURE = 1e-6
"""Of the steepest slope: a violation that is left is none that rounding hides."""

MOST_STALLS = 40

ENDLESS = 1e3
"""Times the first damping: that of a model which falls without end."""

NEAR = 1e-11
"""Of the objective: what a step promises to take off where rounding hides it."""


class Point(NamedTuple):
    """x (d,): the free coefficients; objective with the penalty; gradient (d,) without its kinked part; curvature (d, d) or None."""

    x: Array
    objective: float
    gradient: Array
    curvature: Array | None


@dataclass
class Steps:
    """A run: the problem, the same without kinks, the penalty over the free coefficients, and their scales (d,)."""

    whole: Problem
    smooth: Problem
    free: CoefficientMap
    part: KinkedPart
    scales: Array
    point: Point
    passes: int
    borrowed: bool = False
    """Whether the first curvature is of another point."""
    curvature: Array | None = None
    """The last that was used."""
    steepest: float = 0.0
    """The largest slope of the loss where the run begins."""
    final: bool = False
    """Whether the solution is one that is shown, and not a step to another: a direction without end is looked for then."""
    usual: Array | None = None
    """The diagonal (d,) of the curvature at constant linear predictors, by which one that has vanished is known; None until it is asked
    for, of a run that begins elsewhere."""

    @classmethod
    def begin(cls, problem: Problem, start: Array | None, curvature: Array | None = None, *, final: bool = False) -> Steps:
        penalty = as_kinked(problem.penalty)
        assert penalty is not None
        smooth, free = replace(problem, penalty=penalty.smooth_part), problem.free
        places = slope_places(free, problem.rows.intercept)
        scales = np.where(places >= 0, penalty.scales[places], 1.0)
        begin = as_start(start, problem.shape) if start is not None else constant_start(problem)
        steps = cls(problem, smooth, free, penalty.part.restricted(places), scales, Point(begin, np.inf, begin, None), 0, final=final)
        steps.point = steps.at(free.contract(begin), 2 if curvature is None else 1)
        if curvature is not None:
            steps.point = steps.point._replace(curvature=curvature)
            steps.borrowed = True
        elif start is None and steps.point.curvature is not None:
            steps.usual = steps.point.curvature.diagonal()
        steps.steepest = float(np.abs(steps.point.gradient / scales).max(initial=0.0))
        if not np.isfinite(steps.point.objective):
            raise SolverError(smooth.why_not_finite(begin))
        return steps

    def at(self, x: Array, order: int) -> Point:
        """The objective there: a pass."""
        self.passes += 1
        value, gradient, curvature = self.smooth.evaluate(self.free.expand(x), order)
        assert gradient is not None
        return Point(
            x,
            value + self.part.value(self.scales * x),
            self.free.restrict_gradient(gradient),
            None if curvature is None else self.free.restrict_curvature(curvature),
        )

    def violation(self, point: Point) -> float:
        """The largest, in units of scaled coefficients."""
        return float(np.abs(self.part.violation(self.scales * point.x, point.gradient / self.scales)).max(initial=0.0))

    def run(self, most: int, tolerance: float | None, advance: Callable[[int, str], None]) -> Solution:
        exact_curvature = self.smooth.loss.squared_scale() is not None and kind_of(self.smooth.penalty) in (None, "quadratic")
        curvature = self.point.curvature
        assert curvature is not None
        violation, fresh, damping = self.violation(self.point), not self.borrowed, 0.0
        stalls = 0
        converged, reason = False, f"{most} steps, and the objective still falls"
        for _ in range(most):
            self.curvature = curvature
            advance(1, f"objective {self.point.objective:.6g}")
            change, promise, damping = self._step(curvature, damping)
            if tolerance is not None and promise <= tolerance * abs(self.point.objective) and damping == 0:
                converged, reason = True, "a step would lower the objective by less than the tolerance"
                break
            if promise <= NEAR * abs(self.point.objective) or not change.any():
                # The objective no longer tells one point from the next; its gradient still does.
                trial: Point | None = self.at(moved(self.point.x, change), 1) if change.any() else self.point
                assert trial is not None
                now = self.violation(trial)
                if now < 0.5 * violation and promise > 0:
                    self.point, violation, fresh = trial, now, exact_curvature
                elif fresh or exact_curvature:
                    self.point = min((self.point, trial), key=self.violation)
                    violation = self.violation(self.point)
                    if violation <= self._sure(curvature):
                        converged, reason = True, "no step lowers the objective beyond rounding"
                        break
                    # The model has no minimum that tells: it is flat where the loss is not, as a parabola of Huber loss far out.
                    damping, stalls = max(10.0 * damping, self._damping(curvature)), stalls + 1
                    if stalls > MOST_STALLS:
                        reason = "no step lowers the objective, though its slope is not zero"
                        break
                else:
                    curvature, fresh = self._anew(), True
                continue
            trial = self._searched(change, promise)
            if trial is None:
                if fresh or exact_curvature:
                    damping, stalls = max(10.0 * damping, self._damping(curvature)), stalls + 1
                    if stalls > MOST_STALLS:
                        reason = "no step lowers the objective, though its slope is not zero"
                        break
                    continue
                curvature, fresh = self._anew(), True
                continue
            self.point, damping = trial, 0.1 * damping if damping > 1e-300 else 0.0
            now = self.violation(trial)
            if exact_curvature:
                fresh = False
            elif now > CONTRACTION * violation:
                curvature, fresh = self._anew(), True
            else:
                fresh = False
            violation = now
        return self._solution(converged, reason)

    def _sure(self, curvature: Array) -> float:
        """A violation up to which rounding is to blame."""
        inner = np.abs(curvature) @ np.abs(self.point.x)
        return max(SURE * self.steepest, 1e3 * EPSILON * float((inner / self.scales).max(initial=0.0)))

    def _damping(self, curvature: Array) -> float:
        """The first that is tried."""
        scaled = float(np.abs(curvature.diagonal() / np.square(self.scales)).max())
        return 1e-6 * scaled if scaled > 0 else 1e-6 * self.steepest

    def _anew(self) -> Array:
        self.point = self.at(self.point.x, 2)
        assert self.point.curvature is not None
        return self.point.curvature

    def _step(self, curvature: Array, damping: float) -> tuple[Array, float, float]:
        """The step (d,) to the minimum of parabola and penalty, by how much it would lower them, and the damping it took: more where the
        parabola falls without end, as that of Huber loss with few rows between its bends."""
        x, scaled = self.point.x, self.scales * self.point.x
        matrix = curvature / np.outer(self.scales, self.scales)
        if not (self.smooth.loss.is_convex and is_convex(self.smooth.penalty)):
            matrix = bent_upwards(matrix)
        gradient, held = self.point.gradient / self.scales, 0.0
        with small_algebra(len(x)):
            for _ in range(MOST_STALLS):
                matrix[np.diag_indices_from(matrix)] += damping - held
                found = minimise_model(matrix, gradient - matrix @ scaled, self.part, scaled)
                if found.bounded:
                    break
                held, damping = damping, max(10.0 * damping, ENDLESS * self._damping(curvature))
        change = found.x - scaled
        promise = -(float(gradient @ change) + 0.5 * float(change @ matrix @ change) + self.part.value(found.x) - self.part.value(scaled))
        new = np.where(found.x == 0, 0.0, x + change / self.scales)
        return new - x, promise, damping

    def _searched(self, change: Array, promise: float) -> Point | None:
        """The point after as much of the step as lowers the objective; None where none of it does."""
        share, x = 1.0, self.point.x
        slack = 4.0 * EPSILON * abs(self.point.objective)
        for _ in range(40):
            trial = self.at(moved(x, share * change), 1)
            if np.isfinite(trial.objective) and trial.objective <= self.point.objective - 1e-4 * share * promise + slack:
                return trial
            share *= 0.5
            if share * promise <= slack:
                return None
        return None

    def _solution(self, converged: bool, reason: str) -> Solution:
        point = self.point
        found = solution_at(self.smooth, self.free, self.part, self.scales, point.x, point.objective, point.gradient, (converged, reason))
        certificate, runaway = found.certificate, self._runaway(converged)
        if runaway is not None and runaway.bounded and converged:
            certificate = replace(certificate, reason=f"{certificate.reason}; {runaway.reason}")
        elif runaway is not None:
            certificate = replace(certificate, converged=False, reason=runaway.reason, remedy=runaway.remedy, gap=None)
        return replace(found, passes=self.passes, curvature=self.curvature, certificate=certificate)

    def _runaway(self, converged: bool) -> Runaway | None:
        """A direction without end, among the coefficients that the penalty does not hold at zero."""
        matrix, x = self.curvature, self.point.x
        moving = self.part.support(self.scales * x)
        if not self.final or matrix is None or not moving.any() or self.smooth.loss.squared_scale() is not None:
            return None
        if self.usual is None:
            # A start may lie where the curvature has vanished already.
            plain = self.at(self.free.contract(constant_start(self.whole)), 2).curvature
            assert plain is not None
            self.usual = plain.diagonal()
        within = CoefficientMap(self.free.base, self.free.matrix[:, np.flatnonzero(moving)])
        gradient = self.point.gradient + self.scales * self.part.slope(self.scales * x)
        scale = np.sqrt(np.where(self.usual > 0, self.usual, 1.0))[moving]
        curvature = matrix[np.ix_(moving, moving)]
        return unbounded_direction(
            self.whole, within, x[moving], self.point.objective, gradient[moving], curvature, scale, stuck=not converged
        )


CONVERGED = (True, "no step lowers the objective beyond rounding")


def solution_at(
    smooth: Problem,
    free: CoefficientMap,
    part: KinkedPart,
    scales: Array,
    x: Array,
    objective: float,
    gradient: Array,
    ending: tuple[bool, str] = CONVERGED,
    lowest: float | None = None,
) -> Solution:
    """The solution x (d,) with its certificate. gradient (d,): of the problem without the kinked part. lowest: a lower bound of the loss;
    asked of the loss unless given, where that is convex."""
    (converged, reason), gap, remedy = ending, None, ""
    with_convex = part.convex and is_convex(smooth.penalty)
    convex = with_convex and smooth.loss.is_convex
    if convex and part.homogeneous:
        lowest = lowest_loss(smooth) if lowest is None else lowest
    elif part.homogeneous and with_convex and (tried := convex_where_tried(smooth, free.expand(x))):
        lowest = 0.0
        reason += f"; the gap takes the loss for convex and not below zero, as it was at {tried:,} points"
    else:
        lowest = None
    if lowest is not None:
        gap = duality_gap(part, scales * x, gradient / scales, objective, lowest)
    elif converged and not convex:
        reason += "; a local minimum, since the objective is not known to be convex"
    if not converged:
        remedy = "Penalise more, leave columns out that say the same, or give another start="
    left = part.violation(scales * x, gradient / scales) * scales
    certificate = Certificate(converged, float(np.linalg.norm(left)), reason, remedy, gap)
    return Solution(free.expand(x), objective, "ProximalNewton", certificate, 0)


def moved(x: Array, change: Array) -> Array:
    """x + change, exactly zero where the change says so."""
    return np.where(change == -x, 0.0, x + change)


def slope_places(free: CoefficientMap, intercept: bool) -> IntArray:
    """Which slope of vec(slopes) each free coefficient is, (d,); -1 for an intercept."""
    size = free.base.shape[0]
    first = int(intercept)
    rows = free.matrix.tocsc().indices
    predictor, column = rows // size, rows % size
    return np.where(column >= first, predictor * (size - first) + column - first, -1).astype(np.int64)
