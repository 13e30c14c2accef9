"""Newton's method: a smooth loss to its optimum in a handful of passes. Large data begin at the optimum of a random sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline import progress as progress_bar
from gradline.messages import warn
from gradline.problem import Problem
from gradline.solvers.newton_steps import NewtonSteps
from gradline.solvers.solution import Solution, as_start
from gradline.types import Array


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
            part = problem.sample(_sample_size(problem), self.seed + extra)
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
                f"Newton needs a smooth loss, and {problem.loss.name!r} has kinks; use gl.PiecewiseLinear or gl.ActiveSetNewton"
            )

    def _run(self, problem: Problem, start: Array | None, progress: bool | None) -> Solution:
        free = problem.free
        begin = self.begin(problem) if start is None else as_start(start, problem.shape)
        size = _sample_size(problem)
        if start is None and size < problem.rows.n_rows:
            begin = self._from_sample(problem.sample(size, self.seed), begin)
        with progress_bar.bar("Newton", None, progress, patience=1.0) as advance:
            return NewtonSteps(problem, free, free.contract(begin), self.tolerance, self.max_steps).run(advance)

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
        return NewtonSteps(sample, free, free.contract(begin), 1e-4, 30, rough=True).run().coefficients


def _sample_size(problem: Problem, share: float = 0.25) -> int:
    """Rows that a first fit needs; all rows where those are not far more."""
    n, (columns, k) = problem.rows.n_rows, problem.shape
    size = max(50 * columns * k, 2000)
    return n if size > n * share else size
