"""Newton's method: a smooth loss to its optimum in a handful of passes. Large data begin at the optimum of a random sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import ExtraSum, Problem
from gradline.solvers.newton.beginning import constant_start, from_least_squares
from gradline.solvers.newton.many_levels import ManyLevelsNewton
from gradline.solvers.newton.smoothing_continuation import through_windows
from gradline.solvers.newton.steps import FEW_COEFFICIENTS, NewtonSteps, is_thrifty
from gradline.solvers.protocol import Solution, as_start
from gradline.solvers.refusing import (
    needs_a_diagonal_penalty,
    needs_a_loss_of_one_row,
    needs_a_smooth_loss,
    smooth_and_free,
    writes_codes_out,
)

SAMPLE_NUMBERS = 2**23
"""Numbers in a sample at most: 64 MiB."""

SOON = 50
"""Steps after which a loss is tried through smoother ones; few fits need half as many."""

LAST_STEPS = 12
"""On the loss itself after each smoother one: a handful where the start is near."""


@dataclass(frozen=True)
class Newton(Options):
    """Newton's method for smooth losses, any number of linear predictors.

    Parameters
    ----------
    tolerance : float, optional
        Stop when the Newton decrement sqrt(g' H^-1 g) is below this times the square root of the objective's size. Rounding stops it
        anyway near 1e-14. Unless given, 1e-12 or, on large rows, what moves no coefficient by 1e-8 of its standard error.
    max_steps : int
        Accepted steps at most.
    starts : int
        For a loss that is not convex, how many starts to try. The first is the usual one, the others are fits to random parts of the rows.
        The lowest optimum is kept.
    seed : int
        Of the random parts.
    end_with_curvature : bool
        Let the last pass over large rows take the curvature at the optimum too, so that standard errors need no pass for it. ``gl.fit``
        sets it where standard errors are asked for.
    extra_sums : tuple
        Sums that the same pass makes. ``gl.fit`` sets them too.

    Raises
    ------
    ValueError
        Unless 0 < tolerance < 1 and the counts are at least 1.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, (y > 0) * 1.0, loss=gl.losses.logistic, solver=gl.Newton(max_steps=50))
    >>> fit.certificate.converged
    True
    """

    any_columns: ClassVar[bool] = True

    tolerance: float | None = None
    max_steps: int = 200
    starts: int = 1
    seed: int = 0
    end_with_curvature: bool = False
    extra_sums: tuple[ExtraSum, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tolerance is not None and not (isinstance(self.tolerance, float | int) and 0 < self.tolerance < 1):
            raise SolverError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        for name in ("max_steps", "starts"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SolverError(f"{name} must be a whole number of at least 1, not {value!r}")

    def refuses(self, problem: Problem) -> str | None:
        """A loss without curvature, as a joint scalar and a kinked one are, a penalty that is not smooth, constraints; several starts, or a
        penalty that couples coefficients, on codes of very many levels."""
        reason = needs_a_loss_of_one_row(self, problem) or needs_a_smooth_loss(self, problem) or smooth_and_free(self, problem)
        return reason or (needs_a_diagonal_penalty if self._keeps_levels_coded(problem) else writes_codes_out)(self, problem)

    def ending_with_curvature(self, extra_sums: tuple[ExtraSum, ...]) -> Self:
        """The same, whose last pass takes curvature and extra sums along."""
        return replace(self, end_with_curvature=True, extra_sums=extra_sums)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate."""
        if self._keeps_levels_coded(problem):
            tolerance = 1e-12 if self.tolerance is None else self.tolerance
            return ManyLevelsNewton(tolerance, self.max_steps).solve(problem, start, progress)
        runs = [self._run(problem, start, progress)]
        for extra in range(1, self.starts):
            part = problem.sample(_sample_size(problem), self.seed + extra)
            runs.append(self._run(problem, _of_sample(part, self.begin(part)).coefficients, progress))
        best = min(runs, key=lambda run: run.loss)
        if not best.certificate.converged:
            warn(f"Newton's method has not converged: {best.certificate.reason}. {best.certificate.remedy}")
        return best

    def _keeps_levels_coded(self, problem: Problem) -> bool:
        """Whether levels are eliminated one by one: a part of the rows, for another start, would have them written out."""
        return problem.rows.coded_levels and self.starts == 1

    def _run(self, problem: Problem, start: Array | None, progress: bool | None) -> Solution:
        free, curvature = problem.free, None
        if start is None:
            begin, curvature = self._from_samples(problem)
        else:
            begin = as_start(start, problem.shape)
        with progress_bar.bar("Newton", None, progress, patience=1.0) as advance:
            steps = self._steps(problem, free, begin, min(SOON, self.max_steps), curvature)
            solution = steps.run(advance)
            if solution.certificate.converged or steps.endless or steps.step == self.max_steps:
                return solution
            return self._smoother(problem, steps, solution, advance)

    def _steps(self, problem: Problem, free: CoefficientMap, begin: Array, most: int, curvature: Array | None = None) -> NewtonSteps:
        with_curvature = self.end_with_curvature or not problem.loss.is_convex
        return NewtonSteps(
            problem,
            free,
            free.contract(begin),
            self.tolerance,
            most,
            curvature=curvature,
            end_with_curvature=with_curvature,
            extra_sums=self.extra_sums,
        )

    def _smoother(self, problem: Problem, steps: NewtonSteps, solution: Solution, advance: Callable[[int, str], None]) -> Solution:
        """The optimum through smoother losses or, where these do not help, by further steps."""
        begin = solution.coefficients
        found, passes = through_windows(problem, steps.free, begin, lambda near: self._steps(problem, steps.free, near, LAST_STEPS).run())
        if found is None or found.loss > solution.loss + 1e-12 * abs(solution.loss):
            # Of a loss that is not convex the smoother ones can lead away to a minimum that lies higher.
            further = self._steps(problem, steps.free, begin, self.max_steps)
            further.step = steps.step
            found = further.run(advance)
            passes += found.passes
        return replace(found, passes=solution.passes + passes, aliased=steps.aliased)

    def _from_samples(self, problem: Problem) -> tuple[Array, Array | None]:
        """Where to start, (P, k), and the curvature (d, d) of a sample there; None where fresh curvature is wanted.

        The optimum of a small sample is the start of a larger one, whose own optimum is within a few standard errors of the answer and
        whose curvature is the answer's to a few percent (Roosta-Khorasani and Mahoney 2019, Mathematical Programming 174).
        """
        size, n = _sample_size(problem), problem.rows.n_rows
        if size == n:
            return self.begin(problem), None
        small = problem.sample(size, self.seed)
        begin = _of_sample(small, self.begin(small)).coefficients
        larger = _curvature_sample_size(problem)
        if larger <= size or not is_thrifty(problem.rows):
            return begin, None
        return _of_sample(problem.sample(larger, self.seed), begin)

    def begin(self, problem: Problem) -> Array:
        """Constant predictors at which the loss is finite, in the intercept; of a loss of residuals, least squares where that is nearer."""
        begin = constant_start(problem)
        # Codes have no curvature without columns, and a solver for very many coefficients has no use for one.
        small = not problem.rows.coded_levels and begin.size <= FEW_COEFFICIENTS
        return from_least_squares(problem, begin) if problem.loss.of_residuals and small else begin


class _SampleFit(NamedTuple):
    """coefficients (P, k), and the curvature (d, d) near them."""

    coefficients: Array
    curvature: Array


def _of_sample(sample: Problem, begin: Array) -> _SampleFit:
    """The optimum of a sample, to a third of its standard errors, with a trace of ridge: a sample can separate, or miss a level, where
    the data do not."""
    free = sample.free
    tolerance = 0.3 * math.sqrt(free.size / sample.rows.n_rows)
    steps = NewtonSteps(sample, free, free.contract(begin), tolerance, 30, rough=True)
    return _SampleFit(steps.run().coefficients, steps.curvature)


def _sample_size(problem: Problem, share: float = 0.25) -> int:
    """Rows that a first fit needs; all rows where those are not far more."""
    n = problem.rows.n_rows
    size = max(50 * problem.free.size, 2000)
    return n if size > n * share else size


def _curvature_sample_size(problem: Problem) -> int:
    """Rows whose curvature stands for all rows' in the first step, or in all of them where coefficients are many; 0 where those are not
    far fewer than all.

    The eigenvalues of m rows' curvature are off by about 2 root(d / m), d the number of coefficients.
    """
    n, d = problem.rows.n_rows, problem.free.size
    each, least = (300, 200) if d <= FEW_COEFFICIENTS else (1000, 500)
    size = min(max(each * d, n // 64), n // 4, SAMPLE_NUMBERS // problem.rows.n_columns)
    return size if size >= least * d else 0
