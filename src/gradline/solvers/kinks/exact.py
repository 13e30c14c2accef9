"""Which solvers find the exact optimum of a loss with kinks."""

from __future__ import annotations

from gradline.objective.objective import Problem
from gradline.solvers.kinks.active_set_newton import ActiveSetNewton
from gradline.solvers.kinks.piecewise_linear import PiecewiseLinear
from gradline.solvers.protocol import Solver
from gradline.solvers.refusing import MOST_COEFFICIENTS


def solvers_for_kinks() -> tuple[Solver, ...]:
    """The one for a vertex, and the one for any kinks: the best first."""
    return PiecewiseLinear(), ActiveSetNewton()


def solver_for_kinks(problem: Problem) -> Solver | None:
    """The first that does not refuse the problem; None where each refuses or the coefficients are too many."""
    columns, k = problem.shape
    if columns * k > MOST_COEFFICIENTS:
        return None
    return next((solver for solver in solvers_for_kinks() if solver.refuses(problem) is None), None)
