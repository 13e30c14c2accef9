"""Which solver ``solver="auto"`` takes, and why."""

from __future__ import annotations

from gradline.problem import Problem
from gradline.solvers.solution import Solver

MOST_COEFFICIENTS = 3000
"""Coefficients beyond which a curvature matrix and its factor cost more than they save."""


def automatic(problem: Problem) -> Solver:
    """Squared loss: exact least squares. A joint scalar, or very many coefficients: L-BFGS. Piecewise linear: smoothing, then the exact
    vertex. Any other smooth loss: Newton. Other kinked losses: gradient descent."""
    loss = problem.loss
    if loss.squared_scale() is not None:
        from gradline.solvers.least_squares import LeastSquares

        return LeastSquares()
    columns, k = problem.shape
    if problem.joint or (columns * k > MOST_COEFFICIENTS and loss.kinks() is None):
        from gradline.solvers.lbfgs import LBFGS

        return LBFGS()
    if loss.kinks() is None:
        from gradline.solvers.newton import Newton

        return Newton()
    from gradline.solvers.gradient_descent import GradientDescent

    return GradientDescent()
