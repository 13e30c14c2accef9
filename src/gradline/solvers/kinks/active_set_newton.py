"""Kinked losses to their exact optimum: Newton's method with the rows that sit on a kink held there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.objective.objective import Problem
from gradline.solvers.identified import by_reference
from gradline.solvers.kinks.active_set_steps import HELD_NUMBERS, ActiveSetSteps
from gradline.solvers.newton.newton import Newton
from gradline.solvers.protocol import Solution, as_start
from gradline.solvers.refusing import needs_a_loss_of_one_row, smooth_and_free, writes_codes_out

GRADIENT_PASSES = 6
"""Steps from the optimum of a sample, by the gradient of all rows, at most."""


@dataclass(frozen=True)
class ActiveSetNewton(Options):
    """Newton's method for losses with kinks, with a ridge or without, any number of linear predictors.

    At the optimum some rows sit exactly on a kink. They enter as constraints, each with a multiplier between the slopes on the two sides
    of its kink. All other rows enter by gradient and curvature. One model of the rows near their kinks finds which are which, and a pass
    over all rows corrects it.

    Where a loss does not name its kinks as places of y - eta, they are looked for row by row. They must be met along one linear
    predictor at a time, as those of |y - exp(eta)| are. A convex piecewise-linear loss without a penalty is for ``gl.PiecewiseLinear``.

    Parameters
    ----------
    max_steps : int
        Passes over all rows at most.

    Raises
    ------
    ValueError
        Unless max_steps is at least 1.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(999, seed=1)
    >>> fit = gl.fit(x, y, loss=gl.losses.quantile(0.9), penalty=gl.penalties.ridge(0.1), solver=gl.ActiveSetNewton())
    >>> fit.certificate.converged
    True
    """

    any_columns: ClassVar[bool] = True

    max_steps: int = 100

    def __post_init__(self) -> None:
        if not isinstance(self.max_steps, int) or isinstance(self.max_steps, bool) or self.max_steps < 1:
            raise SolverError(f"max_steps must be a whole number of at least 1, not {self.max_steps!r}")

    def refuses(self, problem: Problem) -> str | None:
        """A smooth loss, a joint scalar, codes of very many levels, a penalty that is not smooth, constraints."""
        reason = needs_a_loss_of_one_row(self, problem)
        if reason is None and problem.loss.kinks() is None:
            reason = f"ActiveSetNewton is for losses with kinks, and {problem.loss.name!r} has none; use gl.Newton or gl.LBFGS"
        return reason or writes_codes_out(self, problem) or smooth_and_free(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate: the distance of zero from the subdifferential of the objective."""
        if (found := by_reference(problem, self, start, progress)) is not None:
            return found
        begin = Newton().begin(problem) if start is None else as_start(start, problem.shape)
        with single_threaded_blas(), progress_bar.bar("ActiveSetNewton", None, progress, patience=1.0) as advance:
            reach, passes = np.inf, 0
            if _is_large(problem):
                part = problem.sample(_sample_size(problem))
                rough = ActiveSetSteps(part, begin, 8, rough=True)
                rough.run()
                begin, reach, passes = _approach(problem, rough)
            steps = ActiveSetSteps(problem, begin, self.max_steps, reach=reach, passes=passes)
            solution = steps.run(advance)
        if not solution.certificate.converged:
            warn(f"ActiveSetNewton has not converged: {solution.certificate.reason}. {solution.certificate.remedy}")
        return solution


def _is_large(problem: Problem) -> bool:
    """Whether a sample saves work: every kink of the data at once is more than is held."""
    columns, k = problem.shape
    return problem.rows.n_rows * columns * k > HELD_NUMBERS and _sample_size(problem) < problem.rows.n_rows // 2


def _sample_size(problem: Problem) -> int:
    columns, k = problem.shape
    return max(min(max(200 * columns * k, 20_000), HELD_NUMBERS // (columns * k)), 4 * columns * k)


def _approach(problem: Problem, sample: ActiveSetSteps) -> tuple[Array, float, int]:
    """From the optimum of a sample nearer to that of all rows: a few steps with their gradient and the sample's curvature, kinks smoothed.

    The coefficients, the distance within which kinks will matter, and the passes made.
    """
    steps = ActiveSetSteps(problem, sample.coefficients, 1, rough=True, order=1)
    curvature = sample.smoothed_curvature()
    scale = np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    best, moved = steps.point, np.inf
    for _ in range(GRADIENT_PASSES):
        gradient = steps.point.gradient / scale
        step = -np.linalg.lstsq(curvature / np.outer(scale, scale), gradient, rcond=1e-10)[0] / scale
        before, moved = moved, steps.moved(step)
        if moved > 0.5 * before:
            break
        steps.move(step)
        if not np.isfinite(steps.point.value) or steps.point.value > best.value:
            break
        best = steps.point
    return steps.free.expand(best.theta), 10.0 * min(moved, steps.spread), steps.passes
