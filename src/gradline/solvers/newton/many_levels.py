"""Newton's method for any smooth loss with a category of very many levels: no level ever becomes a column, nor a row of the curvature.

Two levels never meet in one row, so the curvature is block diagonal but for a border of the other columns: a step eliminates the levels
one by one (``rows.bordered``). What can go wrong with a level goes wrong by itself, too: one whose rows all lie where the loss is straight
has no curvature, and one whose counts are all zero has no optimum. Each level's curvature is therefore measured beside its rows' weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.design.stacked import StackedDesign
from gradline.linalg.bordered import BorderedGram
from gradline.losses.smoothing import Smoothed
from gradline.objective.objective import Problem, merged_sums, weighted_sums
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.identified import by_reference
from gradline.solvers.least_squares.many_levels import LevelSums, LevelSumsKernel
from gradline.solvers.newton.recession import Runaway
from gradline.solvers.newton.smoothing_continuation import MOST_WINDOWS, NARROWER, NEAR, typical_residual
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.refusing import (
    needs_a_diagonal_penalty,
    needs_a_loss_of_one_row,
    needs_a_smooth_loss,
    needs_codes,
    smooth_and_free,
)

if TYPE_CHECKING:
    from gradline.losses.protocol import Loss

FLAT = 1e-6
"""A level whose curvature is below this share of what its rows' weight would give counts as having none."""

ROUNDING = 1e-7
"""A decrement below this share of the objective's size that no longer shrinks has come to the end of double precision."""

SOON, WINDOW_STEPS, LAST_STEPS = 50, 30, 12
"""Steps after which smoother losses are tried, on one of them at most, and on the loss itself after each."""

Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


class _Point(NamedTuple):
    """The objective at some coefficients (P, k): value, gradient (P, k), curvature."""

    coefficients: Array
    value: float
    gradient: Array
    curvature: BorderedGram


@dataclass(frozen=True)
class ManyLevelsNewton:
    """Damped Newton steps on a design that keeps a categorical as codes. tolerance, max_steps: as in ``Newton``."""

    any_columns: ClassVar[bool] = True

    tolerance: float = 1e-12
    max_steps: int = 200

    def refuses(self, problem: Problem) -> str | None:
        """Rows without codes, a joint scalar, a kinked loss, a penalty that is not smooth or couples coefficients, constraints."""
        reason = smooth_and_free(self, problem) or needs_codes(self, problem) or needs_a_loss_of_one_row(self, problem)
        return reason or needs_a_smooth_loss(self, problem) or needs_a_diagonal_penalty(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate. Raises ValueError where the loss is not finite at the start."""
        if (found := by_reference(problem, self, start, progress)) is not None:
            return found
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            steps = _Steps(problem, self.tolerance, min(SOON, self.max_steps))
            steps.run(start)
            solution = steps.solution()
            if not solution.certificate.converged and not steps.endless and self.max_steps > SOON:
                solution = self._through_windows(problem, steps)
        if not solution.certificate.converged:
            warn(f"Newton's method has not converged: {solution.certificate.reason}. {solution.certificate.remedy}")
        return solution

    def _through_windows(self, problem: Problem, begun: _Steps) -> Solution:
        """The optimum of a loss that bends far more sharply than the noise, reached through wider bends (see ``narrowing``): each window
        begins where the last one ended, and the last steps are on the loss itself. Without them, by further steps."""
        passes, at = begun.passes, begun.at.coefficients
        width = widest = typical_residual(problem, at) if problem.n_predictors == problem.rows.n_targets else 0.0
        for _ in range(MOST_WINDOWS):
            if not (math.isfinite(width) and width > 0):
                break
            window = _Steps(replace(problem, loss=Smoothed(problem.loss, width)), NEAR * width / widest, WINDOW_STEPS)
            window.run(at)
            steps = _Steps(problem, self.tolerance, LAST_STEPS)
            steps.run(window.at.coefficients)
            passes += window.passes + steps.passes
            if steps.converged or steps.endless:
                return replace(steps.solution(), passes=passes)
            at, width = window.at.coefficients, NARROWER * width
        steps = _Steps(problem, self.tolerance, self.max_steps - SOON)
        steps.run(begun.at.coefficients)
        return replace(steps.solution(), passes=passes + steps.passes)


class _Steps:
    """The steps from one start."""

    def __init__(self, problem: Problem, tolerance: float, max_steps: int) -> None:
        self.problem, self.tolerance, self.max_steps = problem, tolerance, max_steps
        k = problem.n_predictors
        self.sums = problem.rows.reduce(LevelSumsKernel())
        self.passes, self.step, self.damping = 1, 0, 0.0
        self.aliased = () if problem.penalty is not None else self.sums.gram.aliased()
        free = np.asarray(problem.free.matrix.sum(axis=1)).reshape(k, -1).T > 0
        free[list(self.aliased)] = False
        self.free: Mask = free
        self.weight = self.sums.gram.diagonal_entries() / self.sums.weight  # (P, 1)
        self.converged, self.reason, self.remedy = False, "", ""
        self.endless = False

    def run(self, start: Array | None) -> None:
        """Step until an end is reached."""
        begin = _begin(self.problem, self.sums, self.free) if start is None else as_start(start, self.problem.shape)
        self.at = self._evaluate(begin)
        if not self._finite(self.at):
            raise SolverError(self.problem.why_not_finite(begin, 2 if math.isfinite(self.at.value) else 0))
        self.first, self.begun, last = self.at.value, self._mean_curvature(), math.inf
        while True:
            direction = self._direction()
            slope = -float(np.sum(self.at.gradient * direction))
            decrement = math.sqrt(max(slope, 0.0))
            at_rounding = decrement <= ROUNDING * self._size and decrement > 0.5 * last
            if self.damping == 0 and (decrement <= self.tolerance * self._size or at_rounding):
                self._end(True, f"the Newton decrement is {decrement / self._size:.1e} of the objective's size")
                return
            if self.step == self.max_steps:
                self._end(False, f"{self.step} step{'s' if self.step > 1 else ''} done")
                return
            trial = self._evaluate(self.at.coefficients + direction)
            if self._finite(trial) and self._lower(trial, direction, slope):
                last = decrement if self.damping == 0 else math.inf
                self.at, self.step = trial, self.step + 1
                self.damping = 0.0 if self.damping < 1e-6 else self.damping / 16.0
            elif self.damping > 1e12:
                # Damping makes a decrement small whatever the gradient is.
                self.damping = 0.0
                undamped = math.sqrt(max(-float(np.sum(self.at.gradient * self._direction())), 0.0))
                self._end(self.damping == 0 and undamped <= 1e-6 * self._size, "no step lowers the objective any more")
                return
            else:
                self.damping = max(8.0 * self.damping, 1e-3)

    def solution(self) -> Solution:
        certificate = Certificate(self.converged, float(np.linalg.norm(self.at.gradient)), self.reason, self.remedy)
        return Solution(self.at.coefficients, self.at.value, "Newton", certificate, self.passes, aliased=self.aliased)

    def _evaluate(self, coefficients: Array) -> _Point:
        self.passes += 1
        problem = self.problem
        sums = problem.rows.reduce(_CurvatureKernel(problem.loss, coefficients))
        curvature = cast(BorderedGram, sums.curvature) / sums.weight
        value, gradient = sums.value / sums.weight, sums.gradient / sums.weight
        if problem.penalty is not None:
            terms = problem.penalty_terms(coefficients, 2)
            assert terms.gradient is not None
            assert terms.curvature is not None
            value, gradient = value + terms.value, gradient + terms.gradient
            curvature = curvature.plus_diagonal(terms.curvature)
        return _Point(coefficients, value, np.where(self.free, gradient, 0.0), curvature.holding(~self.free))

    def _finite(self, point: _Point) -> bool:
        return math.isfinite(point.value) and bool(np.isfinite(point.gradient).all()) and point.curvature.finite()

    def _direction(self) -> Array:
        """Newton's step, damped as far as the curvature needs it to be positive."""
        flat, usual = self._flat()
        while True:
            with_floor = self.at.curvature.plus_diagonal(np.where(flat, usual, 0.0) + self.damping * usual)
            try:
                found = -with_floor.solve(self.at.gradient, with_floor.factor())
                if np.isfinite(found).all() and not self._forgotten(found, usual):
                    return found
            except np.linalg.LinAlgError:
                pass
            self.damping = max(8.0 * self.damping, 1e-6)

    def _forgotten(self, direction: Array, usual: Array) -> bool:
        """Whether a coefficient has a slope and yet no step: a column that only the level without a column of its own tells from the
        levels, as the intercept is, counts as determined by them where that level's rows have no curvature."""
        return bool((self.free & (direction == 0) & (np.abs(self.at.gradient) > self.tolerance * self._size * np.sqrt(usual))).any())

    def _flat(self) -> tuple[Mask, Array]:
        """Which free coefficients have no curvature to speak of, and what would be usual for each: its weight times the mean curvature."""
        usual = np.where(self.free, self.weight * self._mean_curvature(), 1.0)
        return self.free & (np.abs(self.at.curvature.diagonal_entries()) < FLAT * usual), usual

    def _mean_curvature(self) -> Array:
        """The curvature of a row of weight one in each linear predictor, (k,)."""
        diagonal = np.where(self.free, np.abs(self.at.curvature.diagonal_entries()), 0.0).sum(axis=0)
        mean: Array = diagonal / np.maximum(np.where(self.free, self.weight, 0.0).sum(axis=0), 1e-300)
        return np.where(mean > 0, mean, 1.0)

    def _lower(self, trial: _Point, direction: Array, slope: float) -> bool:
        """Whether a trial point is good enough to move to."""
        if trial.value <= self.at.value - 1e-4 * slope:
            return True
        # Where the objective's own rounding hides the decrease, the slope at the trial point tells.
        unseen = abs(trial.value - self.at.value) <= 1e-11 * max(abs(self.at.value), 1e-300)
        return unseen and abs(float(np.sum(trial.gradient * direction))) <= 0.9 * slope

    @property
    def _size(self) -> float:
        """The square root of the objective's size, which decrements are measured by."""
        return math.sqrt(max(abs(self.at.value), self.first - self.at.value, 1e-300))

    def _end(self, converged: bool, reason: str) -> None:
        self.converged, self.reason = converged, reason
        runaway = self._runaway()
        if runaway is not None:
            self.converged, self.reason, self.remedy = False, runaway.reason, runaway.remedy
            self.endless = True
        elif not converged:
            self.remedy = (
                "Give another start=, add a ridge (penalty=gl.penalties.ridge(1e-4)), or allow more steps (gl.Newton(max_steps=1000))."
            )
            if "threshold" in self.problem.loss.parameters:
                self.remedy = (
                    "Give a larger threshold, about the size of the residuals: with one far below them few rows of a level have curvature,"
                    " and steps go from bend to bend. " + self.remedy
                )
        elif not self.problem.loss.is_convex:
            try:
                self.at.curvature.factor()
                self.reason += "; the curvature there is positive semidefinite (a minimum, of a loss not known to be convex)"
            except np.linalg.LinAlgError:
                self.converged, self.reason = False, f"{reason}, but the curvature there is not positive: a saddle"
                self.remedy = "Give another start=."

    def _runaway(self) -> Runaway | None:
        """Coefficients that lost their curvature on the way, and along which the objective falls for ever, however far one goes."""
        usual = np.where(self.free, self.weight * self.begun, 1.0)
        away = self.free & (np.abs(self.at.curvature.diagonal_entries()) < FLAT * usual) & (self.at.gradient != 0)
        if not away.any():
            return None
        # Each on its own slope, as levels are by themselves; or all the way they have come, as columns that separate together.
        for direction in (-np.sign(self.at.gradient), self.at.coefficients):
            if self._falls(np.where(away, direction, 0.0)):
                break
        else:
            return None
        columns = np.flatnonzero(away.any(axis=1))
        shown = " and ".join(self.problem.column_name(int(i)) for i in columns[:4])
        more = f" and {len(columns) - 4:,} more" if len(columns) > 4 else ""
        others = "" if away[self.free].all() else ". The other coefficients are at their optimum"
        return Runaway(
            f"the objective keeps falling as the coefficient of {shown}{more} grows in size without end: no finite coefficients are best"
            f" (separation: all rows of such a level say the same){others}",
            "Merge such levels with others, leave their rows out, or add a ridge such as penalty=gl.penalties.ridge(1e-3).",
        )

    def _falls(self, direction: Array) -> bool:
        """Whether the objective is no higher at 10, 100 and 1,000 units of linear predictor further on."""
        sizes = np.sqrt(self.weight)
        sizes[self.sums.gram.level_columns] = 1.0
        far = max(self.problem.target_scale, 1.0) if _is_location(self.problem.loss, self.problem) else 1.0
        unit, last = direction * (far / max(float(np.abs(direction * sizes).max()), 1e-300)), self.at.value
        for distance in (10.0, 100.0, 1000.0):
            further = self.problem.evaluate(self.at.coefficients + distance * unit, 0).value
            self.passes += 1
            if not further <= last + 1e-12 * abs(self.at.value):
                return False
            last = further
        return True


def _begin(problem: Problem, sums: LevelSums, free: Mask) -> Array:
    """A start from the sums: least squares where predictions are of y itself, else each level at its own mean, drawn to that of all."""
    begin = np.zeros(problem.shape)
    rows, q = problem.rows, problem.rows.n_targets
    sample = rows.sample(10_000)
    constant = problem.loss.start(sample.without_zero_weights().targets)
    if _is_location(problem.loss, problem):
        # A trace of ridge, in each column's own units, so that no level is without.
        gram = sums.gram.plus_diagonal(1e-9 * sums.gram.diagonal_entries() + 1e-300)
        begin[:, :q] = np.column_stack([gram.solve(sums.right[:, j : j + 1]) for j in range(q)])
        if rows.intercept:
            begin[0, q:] = constant[q:]
    elif rows.intercept:
        begin[0] = constant if sample.offset is None else constant - sample.offset.mean(axis=0)
        if begin.shape[1] == q == 1 and sums.plain and sample.offset is None:
            levels = sums.gram.level_columns
            count, mean = sums.gram.diagonal_entries()[levels, 0], float(sums.right[0, 0]) / sums.weight
            means = (sums.right[levels, 0] + mean) / (count + 1.0)
            with np.errstate(all="ignore"):
                found = np.array([problem.loss.start(np.full((64, 1), value))[0] for value in means]) - begin[0, 0]
            begin[levels, 0] = np.where(np.isfinite(found), found, 0.0)
    return np.where(free, begin, 0.0)


def _is_location(loss: Loss, problem: Problem) -> bool:
    """Whether the first predictors are predictions of y itself."""
    q = problem.rows.n_targets
    points = np.array([[-2.0], [1.0]]) * np.ones((1, problem.n_predictors))
    with np.errstate(all="ignore"):
        found = np.asarray(loss.predict(points))
    return found.ndim == 2 and np.array_equal(found[:, :q], points[:, :q])


@dataclass(frozen=True)
class _CurvatureKernel(Kernel[Any]):
    """Value, gradient and curvature as ``Problem.evaluate`` sums them, with the curvature in blocks."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Any:
        derivatives = self.loss.derivatives(block.targets, block.linear_predictors(self.coefficients), 2)
        assert isinstance(block.design, StackedDesign)
        return weighted_sums(replace(block, design=cast(Any, _InBlocks(block.design))), derivatives)

    def merge(self, first: Any, second: Any) -> Any:
        return merged_sums(first, second)


@dataclass(frozen=True)
class _InBlocks:
    """A stacked design whose Gram matrix keeps its blocks."""

    design: StackedDesign

    @property
    def n_rows(self) -> int:
        return self.design.n_rows

    def adjoint(self, gradient: Array) -> Array:
        return self.design.adjoint(gradient)

    def gram(self, curvature: Array | None) -> BorderedGram:
        return self.design.gram_blocks(curvature)
