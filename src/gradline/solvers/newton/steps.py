"""The steps of Newton's method from one start.

Curvature costs several times what a gradient does, so on large rows in memory one curvature serves several steps, sharpened by the
differences of gradients seen since. Steps that fail are damped after Levenberg and Marquardt (Nocedal and Wright 2006, Numerical
Optimization, section 10.3). Small data, and rows whose decoding dominates a pass, take fresh curvature at every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.threads import small_algebra
from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.curvature_factor import CurvatureFactor, Pair, spectral_step, spectrum, with_flat_filled
from gradline.objective.objective import ExtraSum, Problem
from gradline.objective.row_curvature import MOST_NUMBERS, RowCurvature, few_change
from gradline.rows.protocol import Rows
from gradline.solvers.beside import FLAT, FLAT_REMEDY
from gradline.solvers.columns import aliased_columns, column_scale, independent, nearly_dependent, well_conditioned
from gradline.solvers.newton.recession import unbounded_direction
from gradline.solvers.protocol import Certificate, Solution

CHEAP_PASS = 2_000_000
"""n P up to which a pass with curvature costs little more than its overhead, so that every step takes a fresh one."""

FEW_COEFFICIENTS = 200
"""Up to here a pass with curvature costs no more than four with the gradient alone."""

MANY_DIGITS = 1e5
"""A sample's curvature brings a digit or more a step: up to here as many steps as a pass with curvature costs, and one more."""

SAMPLE_ROWS = 2_000
"""Rows that tell whether many rows' curvature changes."""

ROUNDING = 1e-7
"""A decrement below this share of the objective's size that no longer shrinks has come to the end of double precision."""


def is_thrifty(rows: Rows) -> bool:
    """Whether one curvature is to serve several steps: rows in memory, and so many that curvature costs several times a gradient."""
    return rows.n_rows * rows.n_columns > CHEAP_PASS and rows.resident


def _default_tolerance(rows: Rows) -> float:
    """n times the decrement's square is the squared distance from the optimum in standard errors; small rows get all there is."""
    return max(1e-12, 1e-8 / math.sqrt(rows.n_rows)) if is_thrifty(rows) else 1e-12


class _Ending(NamedTuple):
    """Why the steps ended."""

    converged: bool
    reason: str
    remedy: str = ""


class NewtonSteps:
    """theta: the free coefficients (d,) to start from. tolerance, max_steps: see Newton.

    rough: for the fit of a sample that only supplies a start: a trace of ridge, no search for aliased columns, no certificate.
    curvature: of such a sample (d, d), which serves large rows as long as it contracts. end_with_curvature: have that of the optimum too.
    extra sums: sums that go with it.
    """

    def __init__(
        self,
        problem: Problem,
        free: CoefficientMap,
        theta: Array,
        tolerance: float | None,
        max_steps: int,
        *,
        rough: bool = False,
        curvature: Array | None = None,
        end_with_curvature: bool = False,
        extra_sums: tuple[ExtraSum, ...] = (),
    ) -> None:
        self.problem, self.free, self.theta = problem, free, theta
        self.max_steps, self.rough = max_steps, rough
        self.value = math.nan
        self.gradient: Array = np.zeros(0)
        self.curvature: Array = np.zeros((0, 0)) if curvature is None else curvature
        self.end_with_curvature, self.extra_sums = end_with_curvature, extra_sums
        self.extra: list[Any] = []
        """What the extra sums summed at the present coefficients; empty where they have not."""
        self.found_extra = self.extra
        self.thrifty = is_thrifty(problem.rows)
        self.tolerance = _default_tolerance(problem.rows) if tolerance is None else tolerance
        self.aliased: tuple[int, ...] = ()
        self.passes = self.step = 0
        self.damping = 0.0
        self.pairs: list[Pair] = []
        self.kept: RowCurvature | None = None
        self.squares: Array = np.zeros(0)
        self.last = self.last_spectral = math.inf
        self.fresh = self.accepted = True
        self.endless = False
        """Whether the objective was found to have no minimum."""

    def run(self, advance: Callable[[int, str], None] = lambda done, status: None) -> Solution:
        """Step until an end is reached. Raises ValueError where the loss or its curvature is not finite at the start."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"), small_algebra(self.free.size):
            self._begin()
            while (ending := self._once()) is None:
                advance(self.step, f"objective {self.value:.8g}")
            return self._solution(ending)

    def _begin(self) -> None:
        if self.curvature.size and well_conditioned(self.curvature):
            # Columns that are independent on a sample are independent on all rows.
            self.fresh = False
            self.value, self.gradient, _ = self._evaluate(self.theta, 1)
        if self.fresh or not (math.isfinite(self.value) and np.isfinite(self.gradient).all()):
            self.fresh = True
            self._refresh()
        if not math.isfinite(self.value):
            raise SolverError(self.problem.why_not_finite(self.free.expand(self.theta)))
        if not np.isfinite(self.curvature).all():
            raise SolverError(self.problem.why_not_finite(self.free.expand(self.theta), 2))
        # A penalty decides between columns that say the same; without one the later column is left out. Where the curvature is well
        # conditioned no column can be aliased, and no closer look is needed.
        if not self.rough and self.problem.penalty is None and not well_conditioned(self.curvature):
            self.aliased = aliased_columns(self.problem.rows)
            if self.aliased:
                begin = self.free.expand(self.theta)
                self.free = self.free.without(self.aliased)
                self.theta = self.free.contract(begin)
                self._refresh()
        diagonal = np.diag(self.curvature)
        self.floor = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        self.first = self.value
        self._factor()

    def _once(self) -> _Ending | None:
        """One step, or a change of how the next is taken; an ending when there is nothing more to do."""
        if not self.gradient.any() and not self.curvature.any():
            return _Ending(
                False,
                FLAT,
                FLAT_REMEDY,
            )
        direction = -self.factor.inverse_times(self.gradient, self.pairs)
        decrement = math.sqrt(max(-float(self.gradient @ direction), 0.0))
        if self.damping > 0 and self.fresh and self.accepted and decrement <= 1e-3 * self._size:
            near = self._near_stationary()
            if not isinstance(near, tuple) or isinstance(near, _Ending):
                return near
            direction, decrement = near
        at_rounding = self.fresh and decrement <= ROUNDING * self._size and decrement > 0.5 * self.last
        if self.damping == 0 and (decrement <= self.tolerance * self._size or at_rounding):
            return self._converged(decrement)
        if self.step == self.max_steps:
            return _Ending(False, f"{self.step} step{'s' if self.step > 1 else ''} done")
        if not self.fresh and decrement > 0.3 * self.last:
            self._renew()  # the old curvature no longer contracts
            return None
        return self._try(direction, decrement)

    def _try(self, direction: Array, decrement: float) -> _Ending | None:
        trial = self.theta + direction
        order = 1 if self.thrifty and self.damping == 0 and not self._wants_curvature(decrement) else 2
        if order == 2 and self.thrifty and not self.rough:
            self._keep_rows(trial)
        extra_sums = self.extra_sums if order == 2 and self._is_last(decrement, 1.0) else ()
        value, gradient, curvature = self._evaluate(trial, order, extra_sums)
        if self.fresh and not math.isfinite(value):
            direction = self._back_inside(direction)
            trial = self.theta + direction
            value, gradient, curvature = self._evaluate(trial, order)
        self.accepted = self._lower(direction, value, gradient, curvature)
        if not self.accepted:
            if self.damping > 1e12 or not np.any(np.abs(direction) > 1e-16 * np.abs(self.theta)):
                # Damping makes a decrement small whatever the gradient is.
                undamped = decrement if self.damping == 0 else self._spectral_step()[1]
                return _Ending(undamped <= 1e-6 * self._size, "no step lowers the objective any more")
            if self.fresh:
                self.damping = max(8.0 * self.damping, 1e-3)
                self._factor()
            else:
                self._renew()
            return None
        self.step += 1
        self.last = decrement if self.damping == 0 else math.inf
        change = gradient - self.gradient
        self.theta, self.value, self.gradient, self.fresh = trial, value, gradient, curvature is not None
        self.extra = self.found_extra
        if curvature is None:
            self.pairs.append((direction, change))
        else:
            self.curvature = curvature
            self.damping = 0.0 if self.damping < 1e-6 else self.damping / 16.0
            self._factor()
        return None

    def _wants_curvature(self, decrement: float) -> bool:
        """Whether the pass of a step on large rows is to take the curvature too.

        The first step with a sample's curvature comes so near the optimum that the curvature there brings several times the digits a
        step: a gain where it does not cost too many gradients and many digits are asked for. And where the curvature is wanted at the
        end, a step that is expected to be the last can take it along.
        """
        if not math.isfinite(self.last):
            many_digits = decrement > MANY_DIGITS * self.tolerance * self._size
            return not self.fresh and self.free.size <= FEW_COEFFICIENTS and many_digits
        return self._is_last(decrement, 3.0)

    def _is_last(self, decrement: float, sureness: float) -> bool:
        """Whether a step on large rows is expected to be the last, where more is wanted of the pass that is."""
        if not (self.thrifty and self.end_with_curvature and math.isfinite(self.last)):
            return False
        return decrement * min(1.0, decrement / self.last) <= sureness * self.tolerance * self._size

    def _keep_rows(self, trial: Array) -> None:
        """Keep each row's curvature, from the first pass that takes all of it, where that makes the one at the end cheap."""
        rows, k = self.problem.rows, self.problem.n_predictors
        if rows.resident and self.end_with_curvature and self.kept is None and rows.n_rows * k * k <= MOST_NUMBERS:
            sample = rows.sample(SAMPLE_ROWS)
            if few_change(self.problem.loss, sample, self.free.expand(self.theta), self.free.expand(trial)):
                self.kept = RowCurvature(rows, k, self.problem.loss.intercept_only)

    def _back_inside(self, direction: Array) -> Array:
        """The direction cut until the objective is finite: a scale that would turn negative, an exponential that would overflow."""
        for _ in range(10):
            direction = 0.5 * direction
            self.passes += 1
            if math.isfinite(self.problem.evaluate(self.free.expand(self.theta + direction), 0).value):
                break
        return direction

    def _near_stationary(self) -> tuple[Array, float] | _Ending | None:
        """Damping keeps steps short where curvature is small or negative; near a stationary point its eigenvalues say which.

        The direction and decrement to go on with, an ending, or None where the state has changed.
        """
        direction, decrement, lowest = self._spectral_step()
        if lowest > 1e-13:
            self.damping = 0.0
            self._factor()
            return None
        at_rounding = decrement <= ROUNDING * self._size and decrement > 0.5 * self.last_spectral
        self.last_spectral = decrement
        if lowest >= -1e-9 and (decrement <= self.tolerance * self._size or at_rounding):
            return self._converged(decrement)
        if lowest < -1e-9 and decrement <= 1e-6 * self._size and self.step < self.max_steps:
            lower = self._leave_saddle()
            if lower is None:
                return _Ending(
                    False, "the gradient is zero where the curvature is not positive (a saddle), and no step away lowers the objective"
                )
            self.theta, self.step = lower, self.step + 1
            self._refresh()
            self._factor()
            return None
        return direction, decrement

    def _spectral_step(self) -> tuple[Array, float, float]:
        return spectral_step(with_flat_filled(self.curvature, self._usual()), self.floor, self.gradient)

    def _usual(self) -> Array:
        """What the curvature of each coefficient would be if all rows curved alike, (d,): its column's mean square times the mean curvature
        of its linear predictor."""
        if len(self.squares) != self.free.size:
            squares = np.repeat(np.square(column_scale(self.problem))[:, None], self.problem.n_predictors, axis=1)
            self.squares = self.free.restrict_diagonal(squares)
            self.predictors = self.free.predictors
        mean = np.bincount(self.predictors, np.abs(np.diag(self.curvature))) / np.bincount(self.predictors, self.squares)
        return np.asarray(self.squares * np.where(mean > 0, mean, 1.0)[self.predictors])

    def _leave_saddle(self) -> Array | None:
        """A lower point along the direction of the most negative curvature; None if none is found."""
        scale, eigenvalues, vectors = spectrum(self.curvature, self.floor)
        direction = vectors[:, 0] / scale * math.sqrt(max(abs(self.value), 1e-300) / -float(eigenvalues[0]))
        if float(direction @ self.gradient) > 0:
            direction = -direction
        for halvings in range(40):
            trial: Array = self.theta + direction * 0.5**halvings
            value, gradient, curvature = self._evaluate(trial, 2)
            # The drop that the curvature promises is a quarter of the step squared; any tenth of it is a step away.
            promised = 0.5 * 0.25**halvings * abs(self.value)
            if value < self.value - 0.1 * promised and np.isfinite(gradient).all() and np.isfinite(curvature).all():
                return trial
        return None

    def _lower(self, direction: Array, value: float, gradient: Array, curvature: Array | None) -> bool:
        """Whether a trial point is good enough to move to."""
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return False
        if curvature is not None and not np.isfinite(curvature).all():
            return False
        slope = float(self.gradient @ direction)
        if value <= self.value + 1e-4 * slope:
            return True
        # Where the objective's own rounding hides the decrease, the slope at the trial point tells.
        unseen = abs(value - self.value) <= 1e-11 * max(abs(self.value), 1e-300)
        return unseen and abs(float(gradient @ direction)) <= 0.9 * abs(slope)

    @property
    def _size(self) -> float:
        """The square root of the objective's size, which decrements are measured by."""
        return math.sqrt(max(abs(self.value), self.first - self.value, 1e-300))

    def _converged(self, decrement: float) -> _Ending:
        return _Ending(True, f"the Newton decrement is {decrement / self._size:.1e} of the objective's size")

    def _evaluate(self, theta: Array, order: int, extra_sums: tuple[ExtraSum, ...] = ()) -> tuple[float, Array, Array]:
        """Value, gradient (d,) and, at order 2, curvature (d, d); None, typed as an array, at order 1. found_along: of the extra sums."""
        self.passes += 1
        found, self.found_extra = self.problem.evaluate_with(self.free.expand(theta), order, self.kept, extra_sums)
        assert found.gradient is not None
        gradient = self.free.restrict_gradient(found.gradient)
        if found.curvature is None:
            return found.value, gradient, None  # type: ignore[return-value]
        curvature = self.free.restrict_curvature(found.curvature)
        if self.rough:
            # In units of each column's own curvature.
            curvature = curvature + np.diag(1e-6 * np.maximum(np.diag(curvature), 1e-300))
        return found.value, gradient, curvature

    def _refresh(self) -> None:
        """Everything anew at the present coefficients."""
        self.value, self.gradient, self.curvature = self._evaluate(self.theta, 2)
        self.extra = []

    def _renew(self) -> None:
        """Fresh curvature in place of an old one."""
        self._refresh()
        self.fresh, self.last = True, math.inf
        self.pairs.clear()
        self._factor()

    def _factor(self) -> None:
        if np.isfinite(self.curvature).all():
            self.factor = CurvatureFactor.of(self.curvature, self.floor, self.damping, self._usual)
            self.damping = self.factor.damping

    def _solution(self, ending: _Ending) -> Solution:
        if not self.rough:
            ending = self._certified(ending)
        certificate = Certificate(ending.converged, float(np.linalg.norm(self.gradient)), ending.reason, ending.remedy)
        return Solution(
            self.free.expand(self.theta),
            self.value,
            "Newton",
            certificate,
            self.passes,
            aliased=self.aliased,
            curvature=self.curvature if self.fresh else None,
            extra=tuple(self.extra),
        )

    def _certified(self, ending: _Ending) -> _Ending:
        """The ending after a look for saddles, for objectives that fall for ever, and for dependent columns."""
        if ending.remedy:
            return ending
        if ending.converged and self.end_with_curvature and not self.fresh:
            self.curvature, self.fresh = self._evaluate(self.theta, 2, self.extra_sums)[2], True
            self.extra = self.found_extra
        if ending.converged and not self.problem.loss.is_convex:
            ending = _stationary(self.curvature, ending.reason)
        runaway = unbounded_direction(
            self.problem, self.free, self.theta, self.value, self.gradient, self.curvature, self.floor, not ending.converged
        )
        if runaway is not None and runaway.bounded and ending.converged:
            return ending._replace(reason=f"{ending.reason}; {runaway.reason}")
        if runaway is not None:
            self.endless = True
            return _Ending(False, runaway.reason, runaway.remedy)
        if ending.converged or ending.remedy:
            return ending
        dependent = nearly_dependent(self.curvature, self.free)
        if dependent and not independent(self.problem.rows):
            names = " and ".join(self.problem.column_name(i) for i in dependent[:4])
            return _Ending(
                False,
                f"{ending.reason}; the columns {names} are dependent but for their last digits",
                "Leave one of these columns out, centre them, or add a ridge (penalty=gl.penalties.ridge(1e-4)).",
            )
        return ending._replace(
            remedy="Give another start=, add a ridge (penalty=gl.penalties.ridge(1e-4)), or allow more steps (gl.Newton(max_steps=1000))."
        )


def _stationary(curvature: Array, reason: str) -> _Ending:
    """Whether a stationary point of a non-convex loss is a minimum: the curvature there has no negative eigenvalue."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-300))
    lowest = float(np.linalg.eigvalsh(curvature / np.outer(scale, scale))[0])
    if lowest >= -1e-9:
        return _Ending(True, f"{reason}; the curvature there is positive semidefinite (a minimum, of a loss not known to be convex)")
    return _Ending(
        False,
        f"{reason}, but the curvature has a negative eigenvalue ({lowest:.1e}): a saddle",
        "Give another start=, or gl.Newton(starts=10).",
    )
