"""Which solver ``solver="auto"`` takes, and why."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from gradline.objective.objective import Problem
from gradline.solvers.protocol import Solver

MOST_COEFFICIENTS = 3000
"""Coefficients beyond which a curvature matrix and its factor cost more than they save."""


def automatic(problem: Problem, accuracy: Literal["auto", "full"] = "auto", tolerance: float | None = None) -> Solver:
    """Squared loss: exact least squares. A joint scalar, or very many coefficients: L-BFGS. Any other smooth loss: Newton. Kinked losses:
    convex, piecewise linear and without a penalty, the exact vertex; all others, Newton with the rows on a kink held there. Very many
    coefficients beside kinks: gradient descent.

    accuracy is for least squares, tolerance for Newton and L-BFGS; raises ValueError where the solver chosen does not have it.
    """
    loss = problem.loss
    if loss.squared_scale() is not None:
        from gradline.solvers.least_squares.least_squares import LeastSquares

        _refuse("tolerance", tolerance, None, "squared loss is solved exactly")
        return LeastSquares(accuracy)
    _refuse("accuracy", accuracy, "auto", f"it is for squared loss, and the loss is {loss.name!r}")
    columns, k = problem.shape
    many = columns * k > MOST_COEFFICIENTS
    if not problem.joint and loss.kinks() is not None:
        _refuse("tolerance", tolerance, None, f"the loss {loss.name!r} has kinks, and no solver for these stops at a tolerance")
        return _for_kinks(problem, many)
    if problem.joint or many:
        from gradline.solvers.first_order.lbfgs import LBFGS

        return LBFGS() if tolerance is None else LBFGS(tolerance)
    from gradline.solvers.newton.newton import Newton

    return Newton() if tolerance is None else Newton(tolerance)


def _for_kinks(problem: Problem, many: bool) -> Solver:
    loss = problem.loss
    if loss.piecewise_linear and loss.kinks() and problem.penalty is None and problem.all_free:
        from gradline.solvers.kinks.pieces import NotConvexError, pieces_of
        from gradline.solvers.kinks.piecewise_linear import PiecewiseLinear

        with suppress(NotConvexError):
            pieces_of(loss, problem.rows.n_targets)
            return PiecewiseLinear()
    if many:
        from gradline.solvers.first_order.gradient_descent import GradientDescent

        return GradientDescent()
    from gradline.solvers.kinks.active_set_newton import ActiveSetNewton

    return ActiveSetNewton()


def _refuse(keyword: str, value: object, unset: object, why: str) -> None:
    if value != unset:
        raise ValueError(f"{keyword}={value!r} would not be used: {why}")
