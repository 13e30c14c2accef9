"""L-BFGS: gradients only, for more coefficients than a curvature matrix can hold, and for losses that have no rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.solvers.beside import FLAT, FLAT_REMEDY, lower_beside, rises_beside
from gradline.solvers.columns import column_scale
from gradline.solvers.newton.newton import Newton
from gradline.solvers.newton.recession import Runaway, unbounded_direction
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.refusing import needs_a_smooth_loss, needs_joint_rows_in_memory, smooth_and_free

CURVATURE_COEFFICIENTS = 1000
"""Coefficients up to which two passes with curvature, to look for separation, cost little beside the steps."""


@dataclass(frozen=True)
class LBFGS(Options):
    """Limited-memory BFGS, in columns brought to one scale: SciPy's (Byrd, Lu, Nocedal and Zhu 1995).

    Needs gradients only, so it takes any smooth loss, a scalar of all rows together included. For up to a few thousand coefficients
    ``gl.Newton`` is faster.

    Parameters
    ----------
    tolerance : float
        Stop when the largest scaled gradient is below this share of the start's.
    max_steps : int
        Iterations at most.
    memory : int
        Pairs of steps and gradients kept.

    Raises
    ------
    ValueError
        Unless 0 < tolerance < 1 and the counts are at least 1.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, loss=gl.losses.huber(1.0), solver=gl.LBFGS())
    >>> fit.certificate.converged
    True
    """

    any_columns: ClassVar[bool] = True

    tolerance: float = 1e-10
    max_steps: int = 2000
    memory: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise SolverError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        for name in ("max_steps", "memory"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SolverError(f"{name} must be a whole number of at least 1, not {value!r}")

    def refuses(self, problem: Problem) -> str | None:
        """A kinked loss, a joint scalar of rows that are not in memory, a penalty that is not smooth, constraints."""
        return needs_a_smooth_loss(self, problem) or needs_joint_rows_in_memory(problem) or smooth_and_free(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate."""
        from scipy.optimize import minimize

        free = problem.free
        begin = Newton().begin(problem) if start is None else as_start(start, problem.shape)
        theta = free.contract(begin)
        scale = column_scale(problem)
        units = np.sqrt(free.restrict_diagonal(np.repeat(np.square(scale)[:, None], problem.shape[1], axis=1)))
        passes = 0

        def objective(scaled: Array) -> tuple[float, Array]:
            nonlocal passes
            passes += 1
            with np.errstate(over="ignore", invalid="ignore"):
                value, gradient, _ = problem.evaluate(free.expand(scaled / units), 1)
            assert gradient is not None
            if not (math.isfinite(value) and np.isfinite(gradient).all()):
                if passes == 1:
                    raise SolverError(problem.why_not_finite(free.expand(scaled / units), int(math.isfinite(value))))
                return 1e300, np.zeros_like(scaled)  # the line search steps back
            return value, free.restrict_gradient(gradient) / units

        first, flat = objective(theta * units)[1], False
        if not first.any() and (problem.joint or not problem.loss.is_convex):
            # On a kink, or where nothing changes, a gradient of zero is no optimum's.
            lower = lower_beside(problem, free, theta)
            if lower is not None:
                theta = lower
                first = objective(theta * units)[1]
            else:
                flat = not rises_beside(problem, free, theta)
        limit = self.tolerance * float(np.abs(first).max())
        with progress_bar.bar("L-BFGS", None, progress, patience=1.0) as advance:
            count = 0

            def tick(_: Array) -> None:
                nonlocal count
                count += 1
                advance(count, "")

            result = minimize(
                objective,
                theta * units,
                jac=True,
                method="L-BFGS-B",
                callback=tick,
                options={"maxiter": self.max_steps, "maxfun": 4 * self.max_steps, "gtol": limit, "ftol": 0.0, "maxcor": self.memory},
            )
        coefficients = free.expand(result.x / units)
        value, gradient, _ = problem.evaluate(coefficients, 1)
        assert gradient is not None
        largest = float(np.abs(free.restrict_gradient(gradient) / units).max())
        done = largest <= max(limit, 1e-7 * float(np.abs(first).max()), 1e-12 * abs(value))
        runaway = _runaway(problem, free, theta, free.contract(coefficients))
        reason = f"{result.nit} steps; the largest scaled gradient is {largest:.1e} (it was {np.abs(first).max():.1e})"
        remedy = "" if done else "Allow more steps (gl.LBFGS(max_steps=10000)), give start=, or scale the columns."
        if runaway is not None and runaway.bounded and done:
            reason = f"{reason}; {runaway.reason}"
        elif runaway is not None:
            done, reason, remedy = False, runaway.reason, runaway.remedy
        if flat:
            done, reason, remedy = False, FLAT, FLAT_REMEDY
        certificate = Certificate(done, float(np.linalg.norm(gradient)), reason, remedy)
        if not done:
            warn(f"L-BFGS has not converged: {reason}. {remedy}")
        return Solution(coefficients, value, "L-BFGS", certificate, passes + 1)


def _runaway(problem: Problem, free: CoefficientMap, begin: Array, theta: Array) -> Runaway | None:
    """A direction without end, looked for where the curvature can be had and held."""
    if problem.joint or free.size > CURVATURE_COEFFICIENTS:
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        first, last = (problem.evaluate(free.expand(point), 2) for point in (begin, theta))
        assert first.curvature is not None
        assert last.curvature is not None
        assert last.gradient is not None
        diagonal = np.diag(free.restrict_curvature(first.curvature))
        if not (np.isfinite(diagonal).all() and math.isfinite(last.value)):
            return None
        scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        gradient, curvature = free.restrict_gradient(last.gradient), free.restrict_curvature(last.curvature)
        return unbounded_direction(problem, free, theta, last.value, gradient, curvature, scale)
