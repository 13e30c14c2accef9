"""Penalties that set coefficients to zero, for any smooth loss: Newton's method whose every model keeps the penalty as it is.

The loss is replaced by its parabola at the coefficients, the penalty is not: the minimum of both is the next point (Lee, Sun and Saunders
2014, "Proximal Newton-type methods for minimizing composite functions", SIAM J. Optim. 24). Near the optimum the coefficients that are zero
have settled, and the rest is Newton's method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.design.dense import DenseDesign
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty, as_kinked
from gradline.rows.altered import AlteredRows
from gradline.rows.block import Block
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.newton.newton import Newton
from gradline.solvers.protocol import Solution
from gradline.solvers.proximal.steps import Steps
from gradline.solvers.proximal.working_sets import is_wide, on_working_sets
from gradline.solvers.refusing import needs_a_loss_of_one_row, needs_a_smooth_loss, writes_codes_out

A_HAIR_MORE = 1.0 + 1e-12
"""Times the least strength that leaves no slope: at it rounding would."""


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
        return self._solve(problem, start, None, progress, final=True)

    def solve_from(
        self, problem: Problem, start: Array | None, curvature: Array | None = None, *, progress: bool | None = False
    ) -> Solution:
        """The same, with a curvature (d, d) of the loss near the start, which is made unless given; the solution holds the last one. No
        look is had for directions without end, which of many fits would cost each a pass."""
        return self._solve(problem, start, curvature, progress, final=False)

    def _solve(self, problem: Problem, start: Array | None, curvature: Array | None, progress: bool | None, *, final: bool) -> Solution:
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with progress_bar.bar("Newton", None, progress, patience=1.0) as advance, quiet:
            solution = None
            if is_wide(problem):
                solution = on_working_sets(problem, start, lambda steps: steps.run(self.max_steps, self.tolerance, advance))
            if solution is None:
                solution = Steps.begin(problem, start, curvature, final=final).run(self.max_steps, self.tolerance, advance)
        if not solution.certificate.converged:
            warn(f"ProximalNewton has not converged: {solution.certificate.reason}. {solution.certificate.remedy}")
        return solution


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
