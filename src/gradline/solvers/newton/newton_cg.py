"""Newton's method without a curvature matrix: each step by conjugate gradients, a product with X and one with X' at a time.

For more coefficients than a curvature can be held of, as sparse text has them. Steps are found only as well as they are worth (Dembo,
Eisenstat and Steihaug 1982, SIAM J. Numer. Anal. 19), and end where the curvature turns negative (Steihaug 1983, SIAM J. Numer. Anal. 20).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.objective.objective import Problem
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.newton.curvature_products import LocalPass, Preconditioner, local_pass
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.refusing import needs_a_loss_of_one_row, needs_a_smooth_loss, smooth_and_free

ROUNDING = 1e-7
"""A decrement below this share of the objective's size that no longer shrinks has come to the end of double precision."""

LOOSEST, TIGHTEST = 0.25, 1e-4
"""Shares of the gradient that a step may leave: at first, and near the optimum."""


@dataclass(frozen=True)
class NewtonCG(Options):
    """Newton's method by conjugate gradients, for smooth losses and more coefficients than a curvature matrix can be held of.

    Parameters
    ----------
    tolerance : float, optional
        Stop when the Newton decrement sqrt(g' H^-1 g) is below this times the square root of the objective's size. Unless given, what moves
        no coefficient by 1e-8 of its standard error, and 1e-12 at least.
    max_steps : int
        Accepted steps at most.
    max_products : int
        Products with the curvature at most, over all steps: each costs a pass.

    Raises
    ------
    ValueError
        Unless 0 < tolerance < 1 and the counts are at least 1.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> from scipy import sparse
    >>> X = sparse.random_array((400, 30), density=0.2, rng=np.random.default_rng(0), format="csr")
    >>> y = (X @ np.linspace(-2.0, 2.0, 30) > 0) * 1.0
    >>> fit = gl.fit(X, y, loss="logistic", penalty=gl.penalties.ridge(0.01), solver=gl.NewtonCG())
    >>> fit.certificate.converged
    True
    """

    any_columns: ClassVar[bool] = True

    tolerance: float | None = None
    max_steps: int = 200
    max_products: int = 20_000

    def __post_init__(self) -> None:
        if self.tolerance is not None and not (isinstance(self.tolerance, float | int) and 0 < self.tolerance < 1):
            raise SolverError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        for name in ("max_steps", "max_products"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SolverError(f"{name} must be a whole number of at least 1, not {value!r}")

    def refuses(self, problem: Problem) -> str | None:
        """A loss without curvature, as a joint scalar and a kinked one are, a penalty that is not smooth, constraints."""
        return needs_a_loss_of_one_row(self, problem) or needs_a_smooth_loss(self, problem) or smooth_and_free(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate. Raises ValueError where the loss is not finite at the start."""
        begin = constant_start(problem) if start is None else as_start(start, problem.shape)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"), progress_bar.bar("Newton-CG", None, progress, 1.0) as advance:
            solution = _Steps(problem, self).run(begin, advance)
        if not solution.certificate.converged:
            warn(f"Newton's method has not converged: {solution.certificate.reason}. {solution.certificate.remedy}")
        return solution


class _Direction(NamedTuple):
    """step (d,); promised: how far the parabola falls along it, twice; negative: whether the curvature was seen to be."""

    step: Array
    promised: float
    negative: bool


class _Steps:
    """The steps from one start."""

    def __init__(self, problem: Problem, solver: NewtonCG) -> None:
        self.problem, self.solver, self.free = problem, solver, problem.free
        n = problem.rows.n_rows
        self.tolerance = max(1e-12, 1e-8 / math.sqrt(n)) if solver.tolerance is None else solver.tolerance
        self.passes = self.products = 0

    def run(self, begin: Array, advance: Callable[[int, str], None]) -> Solution:
        """Step until an end is reached."""
        theta = self.free.contract(begin)
        here = self._at(theta)
        if not here.finite:
            raise SolverError(self.problem.why_not_finite(self.free.expand(theta), 2 if math.isfinite(here.value) else 0))
        first, begun, last, step = here.value, math.inf, math.inf, 0
        negative = False
        while True:
            gradient = self.free.restrict_gradient(here.gradient)
            scaled = Preconditioner.of(self.problem, self.free, here)
            size = math.sqrt(max(abs(here.value), first - here.value, 1e-300))
            length = self._length(here, scaled)
            begun = begun if math.isfinite(begun) else length
            advance(step, f"objective {here.value:.8g}")
            if length == 0.0:
                return self._solution(theta, here, step, True, "the gradient is zero", negative)
            share = min(LOOSEST, max(TIGHTEST, math.sqrt(length / begun) if begun > 0 else LOOSEST))
            found = self._direction(here, gradient, scaled, share)
            negative = found.negative
            decrement = math.sqrt(max(found.promised, 0.0))
            at_rounding = decrement <= ROUNDING * size and decrement > 0.5 * last
            if not negative and (decrement <= self.tolerance * size or at_rounding):
                reason = f"the Newton decrement was {decrement / size:.1e} of the objective's size"
                # The step is known, and leads nearer than what was asked for.
                nearer = self._at(theta + found.step)
                if nearer.finite and self._length(nearer, scaled) < length:
                    theta, here, step = theta + found.step, nearer, step + 1
                return self._solution(theta, here, step, True, reason, negative)
            if step >= self.solver.max_steps or self.products >= self.solver.max_products:
                return self._solution(theta, here, step, False, f"{step} steps and {self.products:,} products done", negative)
            trial = self._searched(theta, here, gradient, found.step)
            if trial is None:
                ended = decrement <= 1e-6 * size
                return self._solution(theta, here, step, ended, "no step lowers the objective any more", negative)
            theta, here = trial
            step, last = step + 1, decrement

    def _at(self, theta: Array) -> LocalPass:
        self.passes += 1
        return local_pass(self.problem, self.free.expand(theta))

    def _length(self, here: LocalPass, scaled: Preconditioner) -> float:
        """Of the gradient, in units of the preconditioner."""
        gradient = self.free.restrict_gradient(here.gradient)
        return math.sqrt(max(float(gradient @ scaled.times(gradient)), 0.0))

    def _direction(self, here: LocalPass, gradient: Array, scaled: Preconditioner, share: float) -> _Direction:
        """Conjugate gradients on ``H s = -g``, until the rest is the share of the gradient, in units of the preconditioner."""
        step, left = np.zeros_like(gradient), -gradient
        turned = scaled.times(left)
        along, size = turned.copy(), float(left @ turned)
        enough = share**2 * size
        for count in range(2 * len(gradient) + 20):
            if self.products >= self.solver.max_products:
                break
            product = here.product(self.problem, self.free, along)
            self.products, self.passes = self.products + 1, self.passes + 1
            bend = float(along @ product)
            if not bend > 1e-14 * size:
                # Curvature of none or less: what was found so far leads down, or else the gradient does.
                chosen = step if count else along
                return _Direction(chosen, -float(gradient @ chosen), bend < -1e-10 * size)
            length = size / bend
            step += length * along
            left -= length * product
            turned = scaled.times(left)
            before, size = size, float(left @ turned)
            if size <= enough:
                break
            along = turned + (size / before) * along
        return _Direction(step, -float(gradient @ step), False)

    def _searched(self, theta: Array, here: LocalPass, gradient: Array, step: Array) -> tuple[Array, LocalPass] | None:
        """The point after as much of the step as lowers the objective; None where none of it does."""
        slope = float(gradient @ step)
        share = 1.0
        for _ in range(40):
            point = theta + share * step
            trial = self._at(point)
            if trial.finite:
                if trial.value <= here.value + 1e-4 * share * slope and trial.value < here.value:
                    return point, trial
                # Where the objective's own rounding hides the decrease, the slope at the trial point tells.
                unseen = abs(trial.value - here.value) <= 1e-11 * max(abs(here.value), 1e-300)
                if unseen and abs(float(self.free.restrict_gradient(trial.gradient) @ step)) <= 0.9 * abs(slope):
                    return point, trial
                if unseen and share < 1e-3:
                    return None
            share *= 0.5
        return None

    def _solution(self, theta: Array, here: LocalPass, step: int, converged: bool, reason: str, negative: bool) -> Solution:
        gradient = self.free.restrict_gradient(here.gradient)
        reason = f"{reason}, after {step} steps and {self.products:,} products"
        remedy = ""
        if not converged:
            remedy = (
                "Add a ridge (penalty=gl.penalties.ridge(1e-4)), without which columns that separate the rows have no optimum, give another"
                " start=, or allow more (gl.NewtonCG(max_steps=1000, max_products=100000))."
            )
        elif negative:
            converged, remedy = False, "Give another start=."
            reason += "; the curvature there is negative along a direction (a saddle)"
        elif not self.problem.loss.is_convex:
            reason += "; no direction of negative curvature was met (of a loss not known to be convex)"
        certificate = Certificate(converged, float(np.linalg.norm(gradient)), reason, remedy)
        return Solution(self.free.expand(theta), here.value, "NewtonCG", certificate, self.passes)
