"""Penalties that set coefficients to zero, for any smooth loss: Newton's method whose every model keeps the penalty as it is.

The loss is replaced by its parabola at the coefficients, the penalty is not: the minimum of both is the next point (Lee, Sun and Saunders
2014, "Proximal Newton-type methods for minimizing composite functions", SIAM J. Optim. 24). Near the optimum the coefficients that are zero
have settled, and the rest is Newton's method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.threads import small_algebra
from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.design.dense import DenseDesign
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.curvature_factor import bent_upwards
from gradline.objective.objective import Problem
from gradline.penalties.kinds import is_convex, kind_of
from gradline.penalties.kinked import KinkedPart
from gradline.penalties.kinked_penalty import KinkedPenalty, as_kinked
from gradline.rows.altered import AlteredRows
from gradline.rows.block import Block
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.newton.newton import Newton
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.proximal.gap import convex_where_tried, duality_gap, lowest_loss
from gradline.solvers.proximal.quadratic_model import minimise_model
from gradline.solvers.refusing import needs_a_loss_of_one_row, needs_a_smooth_loss, writes_codes_out

EPSILON = float(np.finfo(float).eps)

CONTRACTION = 0.2
"""Of the violation from one step to the next: a curvature that does less is taken anew."""

SURE = 1e-6
"""Of the steepest slope: a violation that is left is none that rounding hides."""

MOST_STALLS = 40

A_HAIR_MORE = 1.0 + 1e-12
"""Times the least strength that leaves no slope: at it rounding would."""

NEAR = 1e-11
"""Of the objective: what a step promises to take off where rounding hides it."""


@dataclass(frozen=True)
class ProximalNewton(Options):
    """Newton's method for penalties with kinks, such as a lasso: any smooth loss, any number of linear predictors.

    Parameters
    ----------
    tolerance : float, optional
        Stop when the model promises to lower the objective by less than this times its size. Unless given, rounding stops it.
    max_steps : int
        Steps at most.

    Raises
    ------
    ValueError
        Unless 0 < tolerance < 1 and max_steps is at least 1.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> fit = gl.fit(X, (X[:, 0] > 0) * 1.0, loss="logistic", penalty=gl.penalties.lasso(0.05), solver=gl.ProximalNewton())
    >>> fit.certificate.converged
    True
    """

    any_columns: ClassVar[bool] = True

    tolerance: float | None = None
    max_steps: int = 200

    def __post_init__(self) -> None:
        if self.tolerance is not None and not (isinstance(self.tolerance, float | int) and 0 < self.tolerance < 1):
            raise SolverError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        if not isinstance(self.max_steps, int) or isinstance(self.max_steps, bool) or self.max_steps < 1:
            raise SolverError(f"max_steps must be a whole number of at least 1, not {self.max_steps!r}")

    def refuses(self, problem: Problem) -> str | None:
        """A loss without curvature, constraints, a penalty that does not say what it does at zero, codes of very many levels."""
        if problem.constraints is not None:
            return f"ProximalNewton keeps to no constraints, and the problem has {problem.constraints.name}"
        if problem.penalty is None:
            return "ProximalNewton is for a penalty that sets coefficients to zero, and there is none; use gl.Newton()"
        if as_kinked(problem.penalty) is None:
            return (
                f"ProximalNewton takes the penalties of gl.penalties that set coefficients to zero, and {problem.penalty.name!r} is none;"
                " use gl.Newton(), or bring a solver of your own"
            )
        if problem.loss.flat_directions is not None:
            return f"ProximalNewton needs a loss that identifies its linear predictors, and {problem.loss.name!r} does not"
        return needs_a_loss_of_one_row(self, problem) or needs_a_smooth_loss(self, problem) or writes_codes_out(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate."""
        return self.solve_from(problem, start, progress=progress)

    def solve_from(
        self, problem: Problem, start: Array | None, curvature: Array | None = None, *, progress: bool | None = False
    ) -> Solution:
        """The same, with a curvature (d, d) of the loss near the start, which is made unless given; the solution holds the last one."""
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with progress_bar.bar("Newton", None, progress, patience=1.0) as advance, quiet:
            steps = _Steps.begin(problem, start, curvature)
            solution = steps.run(self.max_steps, self.tolerance, advance)
        if not solution.certificate.converged:
            warn(f"ProximalNewton has not converged: {solution.certificate.reason}. {solution.certificate.remedy}")
        return solution


class _Point(NamedTuple):
    """x (d,): the free coefficients; objective with the penalty; gradient (d,) without its kinked part; curvature (d, d) or None."""

    x: Array
    objective: float
    gradient: Array
    curvature: Array | None


@dataclass
class _Steps:
    """A run: the problem without kinks, the penalty over the free coefficients, and their scales (d,)."""

    smooth: Problem
    free: CoefficientMap
    part: KinkedPart
    scales: Array
    point: _Point
    passes: int
    borrowed: bool = False
    """Whether the first curvature is of another point."""
    curvature: Array | None = None
    """The last that was used."""
    steepest: float = 0.0
    """The largest slope of the loss where the run begins."""

    @classmethod
    def begin(cls, problem: Problem, start: Array | None, curvature: Array | None = None) -> _Steps:
        penalty = as_kinked(problem.penalty)
        assert penalty is not None
        smooth, free = replace(problem, penalty=penalty.smooth_part), problem.free
        places = slope_places(free, problem.rows.intercept)
        scales = np.where(places >= 0, penalty.scales[places], 1.0)
        begin = as_start(start, problem.shape) if start is not None else constant_start(problem)
        steps = cls(smooth, free, penalty.part.restricted(places), scales, _Point(begin, np.inf, begin, None), 0)
        steps.point = steps.at(free.contract(begin), 2 if curvature is None else 1)
        if curvature is not None:
            steps.point = steps.point._replace(curvature=curvature)
            steps.borrowed = True
        steps.steepest = float(np.abs(steps.point.gradient / scales).max(initial=0.0))
        if not np.isfinite(steps.point.objective):
            raise SolverError(smooth.why_not_finite(begin))
        return steps

    def at(self, x: Array, order: int) -> _Point:
        """The objective there: a pass."""
        self.passes += 1
        value, gradient, curvature = self.smooth.evaluate(self.free.expand(x), order)
        assert gradient is not None
        return _Point(
            x,
            value + self.part.value(self.scales * x),
            self.free.restrict_gradient(gradient),
            None if curvature is None else self.free.restrict_curvature(curvature),
        )

    def violation(self, point: _Point) -> float:
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
            change, promise = self._step(curvature, damping)
            if tolerance is not None and promise <= tolerance * abs(self.point.objective) and damping == 0:
                converged, reason = True, "a step would lower the objective by less than the tolerance"
                break
            if promise <= NEAR * abs(self.point.objective) or not change.any():
                # The objective no longer tells one point from the next; its gradient still does.
                trial: _Point | None = self.at(moved(self.point.x, change), 1) if change.any() else self.point
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

    def _step(self, curvature: Array, damping: float) -> tuple[Array, float]:
        """The step (d,) to the minimum of parabola and penalty, and by how much it would lower them."""
        x, scaled = self.point.x, self.scales * self.point.x
        matrix = curvature / np.outer(self.scales, self.scales)
        if not (self.smooth.loss.is_convex and is_convex(self.smooth.penalty)):
            matrix = bent_upwards(matrix)
        if damping > 0:
            matrix[np.diag_indices_from(matrix)] += damping
        gradient = self.point.gradient / self.scales
        with small_algebra(len(x)):
            found = minimise_model(matrix, gradient - matrix @ scaled, self.part, scaled)
        change = found.x - scaled
        promise = -(float(gradient @ change) + 0.5 * float(change @ matrix @ change) + self.part.value(found.x) - self.part.value(scaled))
        new = np.where(found.x == 0, 0.0, x + change / self.scales)
        return new - x, promise

    def _searched(self, change: Array, promise: float) -> _Point | None:
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
        return replace(found, passes=self.passes, curvature=self.curvature)


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


def null_dual(problem: Problem, unit: KinkedPenalty) -> float:
    """The least factor of a penalty that leaves no slope: the dual norm of the gradient where only what is not penalised is fitted."""
    begin = constant_start(problem)
    if unit.support(np.zeros((problem.shape[0] - int(problem.rows.intercept), problem.n_predictors))).any():
        dual = unit.part.largest_dual(_slope_gradient(problem, unit, begin))
        solution = ProximalNewton().solve(replace(problem, penalty=unit.times(max(1e3 * dual, 1e-300))), begin)
        return unit.part.largest_dual(_slope_gradient(problem, unit, solution.coefficients))
    if problem.rows.intercept:
        # Only intercepts: the columns need not be multiplied with anything.
        rows = AlteredRows(problem.rows, _WithoutSlopes(), 1, problem.rows.n_targets)
        alone = Problem(rows, problem.loss, None, problem.names[:1], None if problem.mask is None else problem.mask[:1])
        begin[0] = Newton().solve(alone, begin[:1]).coefficients[0]
    return A_HAIR_MORE * unit.part.largest_dual(_slope_gradient(problem, unit, begin))


@dataclass(frozen=True)
class _WithoutSlopes:
    """Blocks of which the intercept is left."""

    def block(self, block: Block) -> Block:
        return replace(block, design=DenseDesign(np.empty((block.n_rows, 0)), intercept=True))


def _slope_gradient(problem: Problem, unit: KinkedPenalty, coefficients: Array) -> Array:
    """The gradient of the loss over all slopes, in units of the penalty, (k p,): zero for those that are not free."""
    gradient = replace(problem, penalty=None).evaluate(coefficients, 1).gradient
    assert gradient is not None
    return np.where(problem.movable, gradient, 0.0)[int(problem.rows.intercept) :].T.ravel() / unit.scales


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
