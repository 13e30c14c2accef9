"""L-BFGS: gradients only, for more coefficients than a curvature matrix can hold, and for losses that have no rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.solvers.newton.column_scale import column_scale
from gradline.solvers.newton.newton import Newton
from gradline.solvers.newton.recession import Runaway, unbounded_direction
from gradline.solvers.protocol import Certificate, Solution, as_start

CURVATURE_COEFFICIENTS = 1000
"""Coefficients up to which two passes with curvature, to look for separation, cost little beside the steps."""


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (SciPy's; Byrd, Lu, Nocedal and Zhu 1995) in columns brought to one scale.

    tolerance: stop when the largest scaled gradient is below this share of the start's. max_steps: iterations at most. memory: pairs kept.
    Needs gradients only, so it takes any smooth loss, a joint scalar included; for up to a few thousand coefficients gl.Newton is faster.
    """

    tolerance: float = 1e-10
    max_steps: int = 2000
    memory: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        for name in ("max_steps", "memory"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate. Raises ValueError for a kinked loss."""
        from scipy.optimize import minimize

        if not problem.joint and problem.loss.kinks() is not None:
            raise ValueError(
                f"LBFGS needs a smooth loss, and {problem.loss.name!r} has kinks; use gl.PiecewiseLinear or gl.ActiveSetNewton"
            )
        free = problem.free
        begin = Newton().begin(problem) if start is None else as_start(start, problem.shape)
        theta = free.contract(begin)
        scale = column_scale(problem)
        units = free.restrict_gradient(np.repeat(scale[:, None], problem.shape[1], axis=1))
        passes = 0

        def objective(scaled: Array) -> tuple[float, Array]:
            nonlocal passes
            passes += 1
            with np.errstate(over="ignore", invalid="ignore"):
                value, gradient, _ = problem.evaluate(free.expand(scaled / units), 1)
            assert gradient is not None
            if not (math.isfinite(value) and np.isfinite(gradient).all()):
                if passes == 1:
                    raise ValueError(problem.why_not_finite(free.expand(scaled / units), int(math.isfinite(value))))
                return 1e300, np.zeros_like(scaled)  # the line search steps back
            return value, free.restrict_gradient(gradient) / units

        first = objective(theta * units)[1]
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
        if runaway is not None:
            done, reason, remedy = False, runaway.reason, runaway.remedy
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
