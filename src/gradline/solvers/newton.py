"""Newton's method: a smooth loss to its optimum in a handful of passes.

Curvature costs several times what a gradient does, so on rows in memory one curvature serves several steps, sharpened by the
differences of gradients seen since (limited-memory BFGS started from the inverse curvature; Nocedal and Wright 2006, Numerical
Optimization, section 7.2). Steps that fail are damped after Levenberg and Marquardt (section 10.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gradline import progress as progress_bar
from gradline.coefficient_map import CoefficientMap
from gradline.messages import warn
from gradline.problem import Evaluation, Problem
from gradline.solvers.aliasing import aliased_columns, nearly_dependent
from gradline.solvers.recession import unbounded_direction
from gradline.solvers.solution import Certificate, Solution, as_start
from gradline.types import Array

CHEAP_PASS = 2_000_000
"""n P up to which a pass with curvature costs little more than its overhead, so that every step takes a fresh one."""


@dataclass(frozen=True)
class Newton:
    """Newton's method for smooth losses, any number of linear predictors.

    tolerance: stop when the Newton decrement sqrt(g' H^-1 g) is below this times the square root of the objective's size; rounding
    stops it anyway near 1e-14. max_steps: accepted steps at most. starts: for a loss that is not convex, how many starts to try (the
    first is the usual one, the others are fits to random parts of the rows); the lowest optimum is kept. seed: of the random parts.
    """

    tolerance: float = 1e-12
    max_steps: int = 200
    starts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, float | int) and 0 < self.tolerance < 1):
            raise ValueError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        for name in ("max_steps", "starts"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate.

        Raises ValueError for a loss without curvature: a joint scalar (gl.LBFGS or gl.GradientDescent) or a kinked one.
        """
        self._check(problem)
        runs = [self._run(problem, start, progress)]
        for extra in range(1, self.starts):
            part = problem.sample(_sample_size(problem, 0.2), self.seed + extra)
            runs.append(self._run(problem, self._from_sample(part, self.begin(part)), progress))
        best = min(runs, key=lambda run: run.loss)
        if not best.certificate.converged:
            warn(f"Newton's method has not converged: {best.certificate.reason}. {best.certificate.remedy}")
        return best

    def _check(self, problem: Problem) -> None:
        if problem.joint:
            raise ValueError(f"Newton needs the curvature of single rows; {problem.joint_message}")
        if problem.loss.kinks() is not None:
            raise ValueError(
                f"Newton needs a smooth loss, and {problem.loss.name!r} has kinks; use gl.PiecewiseLinear or gl.GradientDescent"
            )

    def _run(self, problem: Problem, start: Array | None, progress: bool | None) -> Solution:
        free = problem.free
        begin = self.begin(problem) if start is None else as_start(start, problem.shape)
        size = _sample_size(problem)
        if start is None and size < problem.rows.n_rows:
            begin = self._from_sample(problem.sample(size, self.seed), begin)
        # A penalty decides between columns that say the same; without one the later column is left out.
        aliased = aliased_columns(problem.rows) if problem.penalty is None else ()
        if aliased:
            free = free.without(aliased)
            begin = free.expand(free.contract(begin))
        with progress_bar.bar("Newton", None, progress, patience=1.0) as advance:
            return _Descent(problem, self, free, free.contract(begin), aliased=aliased).run(advance)

    def begin(self, problem: Problem) -> Array:
        """Constant predictors at which the loss is finite, in the intercept."""
        begin = np.zeros(problem.shape)
        if not problem.rows.intercept:
            return begin
        n = problem.rows.n_rows
        block = problem.rows.take(np.unique(np.linspace(0, n - 1, min(n, 10_000)).astype(np.int64)))
        begin[0] = problem.loss.start(block.without_zero_weights().targets)
        if block.offset is not None:
            begin[0] -= block.offset.mean(axis=0)
        return begin

    def _from_sample(self, sample: Problem, begin: Array) -> Array:
        """The optimum of a sample, with a trace of ridge: a sample can separate, or miss a level, where the data do not."""
        free = sample.free
        run = _Descent(sample, replace(self, max_steps=30), free, free.contract(begin), ridge=1e-6, tolerance=1e-4)
        return run.run().coefficients


def _sample_size(problem: Problem, share: float = 0.05) -> int:
    """Rows that a first fit needs; all rows where the data are small."""
    n, (columns, k) = problem.rows.n_rows, problem.shape
    size = max(50 * columns * k, 2000)
    return n if n * share < size else min(size, n)


@dataclass
class _Descent:
    """The steps from one start. theta: the free coefficients (d,)."""

    problem: Problem
    settings: Newton
    free: CoefficientMap
    theta: Array
    ridge: float = 0.0
    tolerance: float | None = None
    aliased: tuple[int, ...] = ()
    passes: int = 0
    damping: float = 0.0
    pairs: list[tuple[Array, Array]] = field(default_factory=list)

    def run(self, advance: Any = lambda done, status: None) -> Solution:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._run(advance)

    def _run(self, advance: Any) -> Solution:
        rows = self.problem.rows
        thrifty = rows.in_memory() is not None and rows.n_rows * rows.n_columns > CHEAP_PASS
        value, gradient, curvature = self._evaluate(self.theta, 2)
        if not math.isfinite(value):
            raise ValueError(self.problem.why_not_finite(self.free.expand(self.theta)))
        self._check_curvature(curvature)
        diagonal = np.diag(curvature)
        self.scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        first, factor, last, reason, fresh = value, self._factor(curvature), math.inf, "", True
        tolerance = self.settings.tolerance if self.tolerance is None else self.tolerance
        step, done, flat, unrefused, last_spectral = 0, False, False, True, math.inf
        while True:
            direction = -self._solve(factor, gradient)
            decrement = math.sqrt(max(-float(gradient @ direction), 0.0))
            size = math.sqrt(max(abs(value), first - value, 1e-300))
            if not gradient.any() and not curvature.any():
                reason, flat = "the loss is flat: no row's loss changes with the coefficients here", True
                break
            if self.damping > 0 and fresh and unrefused and decrement <= 1e-3 * size:
                # Damping keeps steps short where curvature is small or negative; near a stationary point its eigenvalues say which.
                direction, decrement, lowest = self._spectral(curvature, gradient)
                if lowest > 1e-13:
                    self.damping = 0.0
                    factor = self._factor(curvature)
                    continue
                at_rounding = decrement <= 1e-7 * size and decrement > 0.5 * last_spectral
                last_spectral = decrement
                if lowest >= -1e-9 and (decrement <= tolerance * size or at_rounding):
                    done, reason = True, f"the Newton decrement is {decrement / size:.1e} of the objective's size"
                    break
                if lowest < -1e-9 and decrement <= 1e-6 * size and step < self.settings.max_steps:
                    lower = self._leave_saddle(curvature, gradient, value)
                    if lower is None:
                        reason = (
                            "the gradient is zero where the curvature is not positive (a saddle), and no step away lowers the objective"
                        )
                        break
                    self.theta, step = lower, step + 1
                    value, gradient, curvature = self._evaluate(self.theta, 2)
                    factor = self._factor(curvature)
                    continue
            at_rounding = decrement <= 1e-7 * size and decrement > 0.5 * last
            if self.damping == 0 and (decrement <= tolerance * size or (at_rounding and fresh)):
                done, reason = True, f"the Newton decrement is {decrement / size:.1e} of the objective's size"
                break
            if step == self.settings.max_steps:
                reason = f"{step} step{'s' if step > 1 else ''} done"
                break
            if not fresh and decrement > 0.3 * last:
                value, gradient, curvature = self._evaluate(self.theta, 2)
                factor, fresh, last = self._factor(curvature), True, math.inf
                self.pairs.clear()
                continue
            trial = self.theta + direction
            next_value, next_gradient, next_curvature = self._evaluate(trial, 1 if thrifty and self.damping == 0 else 2)
            unrefused = self._accept(value, gradient, direction, next_value, next_gradient, next_curvature)
            if not unrefused:
                if self.damping > 1e12 or not self._moves(direction):
                    done = decrement <= 1e-6 * size
                    reason = "no step lowers the objective any more"
                    break
                if not fresh:
                    value, gradient, curvature = self._evaluate(self.theta, 2)
                    fresh, last = True, math.inf
                    self.pairs.clear()
                else:
                    self.damping = max(8.0 * self.damping, 1e-3)
                factor = self._factor(curvature)
                continue
            step += 1
            last = decrement if self.damping == 0 else math.inf
            if next_curvature is None:
                self.pairs.append((direction, next_gradient - gradient))
            self.theta, value, gradient = trial, next_value, next_gradient
            fresh = next_curvature is not None
            if next_curvature is not None:
                curvature = next_curvature
                self.damping = 0.0 if self.damping < 1e-6 else self.damping / 16.0
                factor = self._factor(curvature)
            advance(step, f"objective {value:.8g}")
        if flat:
            remedy = "Give a start= nearer the data, or a loss that reaches further (a larger threshold)."
            coefficients = self.free.expand(self.theta)
            return Solution(coefficients, value, "Newton", Certificate(False, 0.0, reason, remedy), self.passes, aliased=self.aliased)
        return self._solution(value, gradient, curvature, done, reason, fresh)

    def _evaluate(self, theta: Array, order: int) -> tuple[float, Array, Any]:
        self.passes += 1
        found: Evaluation = self.problem.evaluate(self.free.expand(theta), order)
        assert found.gradient is not None
        gradient = self.free.restrict_gradient(found.gradient)
        curvature = None if found.curvature is None else self.free.restrict_curvature(found.curvature)
        value = found.value
        if self.ridge and curvature is not None:
            # In units of each column's own curvature.
            strength = self.ridge * np.maximum(np.diag(curvature), 1e-300)
            curvature = curvature + np.diag(strength)
        return value, gradient, curvature

    def _check_curvature(self, curvature: Array) -> None:
        if not np.isfinite(curvature).all():
            raise ValueError(
                f"the curvature of the loss {self.problem.loss.name!r} is not finite at the starting coefficients; give another start=, or"
                " a loss whose second derivatives are finite (a square root of zero, for example, has none)"
            )

    def _factor(self, curvature: Array) -> Any:
        """Cholesky of the curvature in unit-diagonal scale, damped until it is positive definite."""
        if not np.isfinite(curvature).all():
            return None
        scale = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-12 * self.scale**2))
        unit = curvature / np.outer(scale, scale)
        while True:
            try:
                matrix = unit + self.damping * np.eye(len(unit)) if self.damping else unit
                factor = cho_factor(matrix, lower=True, check_finite=False)
                if self.damping or np.diag(factor[0]).min() > 1e-7:
                    return factor, scale
            except np.linalg.LinAlgError:
                pass
            self.damping = max(8.0 * self.damping, 1e-6)

    def _solve(self, factor: Any, gradient: Array) -> Array:
        """The inverse curvature, sharpened by the pairs since it was taken, times a gradient: the two-loop recursion."""
        matrix, scale = factor
        q, held = gradient.copy(), []
        for step, change in reversed(self.pairs):
            rho = float(step @ change)
            alpha = float(step @ q) / rho if rho > 0 else 0.0
            held.append(alpha)
            if rho > 0:
                q -= alpha * change
        result: Array = cho_solve(matrix, q / scale, check_finite=False) / scale
        for (step, change), alpha in zip(self.pairs, reversed(held), strict=True):
            rho = float(step @ change)
            if rho > 0:
                result = result + (alpha - float(change @ result) / rho) * step
        return result

    def _accept(
        self, value: float, gradient: Array, direction: Array, next_value: float, next_gradient: Array, next_curvature: Array | None
    ) -> bool:
        if not (math.isfinite(next_value) and np.isfinite(next_gradient).all()):
            return False
        if next_curvature is not None and not np.isfinite(next_curvature).all():
            return False
        slope = float(gradient @ direction)
        if next_value <= value + 1e-4 * slope:
            return True
        # Where the objective's own rounding hides the decrease, the slope at the trial point tells.
        return abs(next_value - value) <= 1e-11 * max(abs(value), 1e-300) and abs(float(next_gradient @ direction)) <= 0.9 * abs(slope)

    def _spectral(self, curvature: Array, gradient: Array) -> tuple[Array, float, float]:
        """The step by the curvature's eigenvalues, negative ones by their size; its decrement; the lowest eigenvalue, in unit scale."""
        scale, eigenvalues, vectors = self._spectrum(curvature)
        along = vectors.T @ (gradient / scale)
        step = -along / np.maximum(np.abs(eigenvalues), 1e-15 * float(np.abs(eigenvalues).max()))
        return vectors @ step / scale, math.sqrt(max(-float(along @ step), 0.0)), float(eigenvalues[0])

    def _leave_saddle(self, curvature: Array, gradient: Array, value: float) -> Array | None:
        """A lower point along the direction of the most negative curvature; None if none is found."""
        scale, eigenvalues, vectors = self._spectrum(curvature)
        direction = vectors[:, 0] / scale * math.sqrt(max(abs(value), 1e-300) / -float(eigenvalues[0]))
        if float(direction @ gradient) > 0:
            direction = -direction
        for halvings in range(40):
            trial: Array = self.theta + direction * 0.5**halvings
            found = self._evaluate(trial, 2)
            # The drop that the curvature promises is a quarter of the step squared; any tenth of it is a step away.
            promised = 0.5 * 0.25**halvings * abs(value)
            if found[0] < value - 0.1 * promised and all(np.isfinite(part).all() for part in found[1:]):
                return trial
        return None

    def _spectrum(self, curvature: Array) -> tuple[Array, Array, Array]:
        scale = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-12 * self.scale**2))
        eigenvalues, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
        return scale, eigenvalues, vectors

    def _moves(self, direction: Array) -> bool:
        return bool(np.any(np.abs(direction) > 1e-16 * np.abs(self.theta)))

    def _solution(self, value: float, gradient: Array, curvature: Array, done: bool, reason: str, fresh: bool) -> Solution:
        norm = float(np.linalg.norm(gradient))
        remedy = ""
        if self.tolerance is None:
            if not self.problem.loss.is_convex and done:
                if not fresh:
                    _, _, curvature = self._evaluate(self.theta, 2)
                done, reason, remedy = _stationary(curvature, reason)
            runaway = unbounded_direction(self.problem, self.free, self.theta, value, gradient, curvature, self.scale, not done)
            if runaway is not None:
                done, reason, remedy = False, runaway.reason, runaway.remedy
            elif not done and not remedy:
                remedy = (
                    "Give another start=, add a ridge (penalty=gl.penalties.ridge(1e-4)), or allow more steps (gl.Newton(max_steps=1000))."
                )
                dependent = nearly_dependent(curvature, self.free)
                if dependent:
                    names = " and ".join(self.problem.column_name(i) for i in dependent[:4])
                    reason += f"; the columns {names} are dependent but for their last digits"
                    remedy = "Leave one of these columns out, centre them, or add a ridge (penalty=gl.penalties.ridge(1e-4))."
        certificate = Certificate(done, norm, reason, remedy)
        coefficients = self.free.expand(self.theta)
        return Solution(coefficients, value, "Newton", certificate, self.passes, aliased=self.aliased)


def _stationary(curvature: Array, reason: str) -> tuple[bool, str, str]:
    """Whether a stationary point of a non-convex loss is a minimum: the curvature there has no negative eigenvalue."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-300))
    lowest = float(np.linalg.eigvalsh(curvature / np.outer(scale, scale))[0])
    if lowest >= -1e-9:
        return True, f"{reason}; the curvature there is positive semidefinite (a minimum, of a loss not known to be convex)", ""
    return (
        False,
        f"{reason}, but the curvature has a negative eigenvalue ({lowest:.1e}): a saddle",
        "Give another start=, or gl.Newton(starts=10).",
    )
