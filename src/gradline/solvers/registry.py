"""Which solver ``solver=`` stands for, which one "auto" takes, and the one place that asks a solver whether it can before it solves."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, SolverError
from gradline.base.types import Array
from gradline.base.words import nearest
from gradline.objective.objective import Problem
from gradline.solvers.protocol import Solution, Solver, TakesAnyColumns
from gradline.solvers.refusing import MOST_COEFFICIENTS

_SOLVERS = {
    "ActiveSetNewton": "gradline.solvers.kinks.active_set_newton",
    "Adam": "gradline.solvers.first_order.adam",
    "AdamW": "gradline.solvers.first_order.adam",
    "ConstrainedNewton": "gradline.solvers.constrained.newton",
    "ConstrainedPiecewiseLinear": "gradline.solvers.constrained.piecewise_linear",
    "GradientDescent": "gradline.solvers.first_order.gradient_descent",
    "LBFGS": "gradline.solvers.first_order.lbfgs",
    "LeastSquares": "gradline.solvers.least_squares.least_squares",
    "Newton": "gradline.solvers.newton.newton",
    "NewtonCG": "gradline.solvers.newton.newton_cg",
    "PiecewiseLinear": "gradline.solvers.kinks.piecewise_linear",
    "ProximalNewton": "gradline.solvers.proximal.newton",
}
"""Solvers that a name stands for, and where they are; case, - and _ do not count."""

_OTHER_NAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "nesterov": ("GradientDescent", {"nesterov": True}),
    "sgd": ("GradientDescent", {}),
    "descent": ("GradientDescent", {}),
}
"""What else some of them are called, and with which options."""


def solve(solver: Solver, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
    """What the solver finds, of a problem that it does not refuse.

    Raises ValueError with the reason where it refuses, and where it moved coefficients that are held; TypeError for a solver that does
    not say what it refuses.
    """
    # Asked of the class first: of an object, isinstance looks for each member of a protocol anew.
    if not (issubclass(type(solver), Solver) or isinstance(solver, Solver)):
        raise ArgumentTypeError(
            f"{type(solver).__name__} does not say what it refuses: give it a method refuses(problem) that returns None where it honours"
            " all that a problem holds, and else the reason (see gradline.solvers.protocol.Solver)"
        )
    reason = solver.refuses(problem)
    if reason is not None:
        raise SolverError(reason)
    solution = solver.solve(problem, start, progress)
    _check_held(solver, problem, solution)
    return solution


def _check_held(solver: Solver, problem: Problem, solution: Solution) -> None:
    """Raises ValueError where a coefficient that is not free has moved: then the answer is not one to the problem."""
    if problem.all_free:
        return
    free = problem.free
    size = np.abs(solution.coefficients).max(initial=0.0)
    moved = np.abs(solution.coefficients - free.expand(free.contract(solution.coefficients))) > 1e-12 * size
    if moved.any():
        column = int(np.flatnonzero(moved.any(axis=1))[0])
        raise SolverError(
            f"{type(solver).__name__} moved the coefficient of {problem.column_name(column)}, which is not free in each linear predictor;"
            " its refuses(problem) has to give a reason where problem.all_free is False, or its solve to keep to problem.free"
        )


_TAKE_ANY_COLUMNS: dict[type, bool] = {}
"""Solvers that were asked whether they are such, by their classes: of a protocol, isinstance looks for each member anew."""


def takes_any_columns(solver: Solver) -> bool:
    """Whether the solver is one that may be given other columns."""
    kind = type(solver)
    if kind not in _TAKE_ANY_COLUMNS:
        _TAKE_ANY_COLUMNS[kind] = isinstance(solver, TakesAnyColumns)
    return _TAKE_ANY_COLUMNS[kind] and bool(cast(TakesAnyColumns, solver).any_columns)


def check_in_range(problem: Problem, solution: Solution) -> None:
    """Raises ValueError for coefficients too large for a double: of columns whose values are smaller than its smallest full number."""
    if not np.isinf(solution.coefficients).any():
        return
    beyond = np.flatnonzero(np.isinf(solution.coefficients).any(axis=1))
    slopes = beyond[beyond >= int(problem.rows.intercept)]
    names = " and ".join(problem.column_name(int(i)) for i in (slopes if slopes.size else beyond)[:4])
    raise SolverError(
        f"the coefficient of {names} leaves the range of a double, since the column's values are so small compared with the target's:"
        " give it in another unit, such as one in which it is near 1"
    )


def solve_identified(
    problem: Problem, solver: Solver, start: Array | None = None, progress: bool | None = False
) -> tuple[Problem, Solution]:
    """What the solver finds, and the problem it was solved for.

    Where some directions of the linear predictors change no row's loss (``Loss.flat_directions``), the coefficients are the smallest of
    those that fit alike, and certificate and notes name the directions. They were found on a few rows: all rows are asked at the
    solution, and where one has a slope along them they are forgotten and the fit is made anew.
    """
    solution = solve(solver, problem, start, progress)
    if problem.loss.flat_directions is None:
        if solution.curvature is None or problem.n_predictors == 1:
            return problem, solution
        from gradline.solvers.freedom import with_freedom_said

        return problem, with_freedom_said(problem, solution, lambda begin: solve(solver, problem, begin, progress))
    from gradline.solvers.identified import changes_along, naming_directions

    if changes_along(problem, solution):
        problem = replace(problem, loss=problem.loss.all_identified())
        return problem, solve(solver, problem, start, progress)
    return problem, naming_directions(problem, solution)


def as_solver(solver: str | Solver, problem: Problem, accuracy: Literal["auto", "full"] = "auto", tolerance: float | None = None) -> Solver:
    """What ``solver=`` stands for: an object, "auto", or the name of a solver. Raises ValueError for an unknown name, and for accuracy or
    tolerance beside a solver of one's own."""
    if not isinstance(solver, str):
        for keyword, value in (("accuracy", accuracy), ("tolerance", tolerance)):
            if value not in ("auto", None):
                raise ArgumentError(
                    f'{keyword}= goes with solver="auto"; give it to the solver itself, such as gl.{type(solver).__name__}(...)'
                )
        if isinstance(solver, type):
            raise ArgumentTypeError(f"solver={solver.__name__} is a class; make one, as in solver=gl.{solver.__name__}()")
        if not hasattr(solver, "solve"):
            raise ArgumentTypeError(
                f'solver must be "auto" or a solver such as gl.GradientDescent(), not {type(solver).__name__} {solver!r}'
            )
        return solver
    if solver != "auto":
        return as_solver(named(solver), problem, accuracy, tolerance)
    return automatic(problem, accuracy, tolerance)


def named(name: str, **options: Any) -> Solver:
    """The solver of a name such as "adam". Raises ValueError for a name that is not known, and as the solver does for its options."""
    kind, implied = kind_named(name)
    solver: Solver = kind(**implied | options)
    return solver


def kind_named(name: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The class of solvers that a name such as "nesterov" stands for, and options that the name implies. Raises ValueError for a name that
    is not known."""
    plain = {known.lower(): (known, dict[str, Any]()) for known in _SOLVERS} | _OTHER_NAMES
    word = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    if word not in plain:
        near = nearest(word, plain)
        such = f"gl.{plain[near[0]][0]}()" if near else ", ".join(f"gl.{known}()" for known in _SOLVERS)
        raise ArgumentError(f'solver={name!r} is not known; give "auto" or a solver such as {such}')
    known, options = plain[word]
    return getattr(importlib.import_module(_SOLVERS[known]), known), options


def automatic(problem: Problem, accuracy: Literal["auto", "full"] = "auto", tolerance: float | None = None) -> Solver:
    """The first that does not refuse the problem. Squared loss: exact least squares, then Newton's method. A joint scalar, or very many
    coefficients: L-BFGS. Any other smooth loss: Newton. Kinked losses: the exact vertex where it is one, else Newton with the rows on a
    kink held there, or gradient descent for very many coefficients. Levels kept as codes, and constraints, have solvers of their own.

    accuracy is for least squares, tolerance for Newton and L-BFGS; raises ValueError where the solver chosen does not have it, and where
    every solver refuses.
    """
    reasons = list[str]()
    for solver, unused in _preferred(problem, accuracy, tolerance):
        reason = solver.refuses(problem)
        if reason is None:
            _check_unused(problem, unused, accuracy, tolerance, reasons)
            return solver
        reasons.append(reason)
    raise SolverError(reasons[-1])


Unused = tuple[Literal["accuracy", "tolerance"], ...]
"""Keywords that a solver has no use for."""


def _preferred(problem: Problem, accuracy: Literal["auto", "full"], tolerance: float | None) -> Iterator[tuple[Solver, Unused]]:
    """Solvers, the best one for the kind of loss first."""
    columns, k = problem.shape
    many = columns * k > MOST_COEFFICIENTS
    if problem.constraints is not None:
        from gradline.solvers.constrained.newton import ConstrainedNewton
        from gradline.solvers.constrained.piecewise_linear import ConstrainedPiecewiseLinear

        kinked = not problem.joint and problem.loss.kinks() is not None
        if kinked:
            yield ConstrainedPiecewiseLinear(), ("accuracy", "tolerance")
        else:
            yield ConstrainedNewton() if tolerance is None else ConstrainedNewton(tolerance), ("accuracy",)
        return
    if problem.penalty_kind == "proximal":
        from gradline.solvers.proximal.newton import ProximalNewton

        yield ProximalNewton() if tolerance is None else ProximalNewton(tolerance), ("accuracy",)
        if not problem.joint and problem.loss.kinks() is not None:
            from gradline.solvers.constrained.piecewise_linear import ConstrainedPiecewiseLinear
            from gradline.solvers.kinks.piecewise_linear import PiecewiseLinear

            yield ConstrainedPiecewiseLinear(), ("accuracy", "tolerance")
            yield PiecewiseLinear(), ("accuracy", "tolerance")
        return
    squared = problem.loss.squared_scale() is not None
    if not (squared or problem.joint or problem.loss.kinks() is None):
        yield from _for_kinks(many)
        return
    if accuracy == "auto" and problem.rows.coded_levels:
        from gradline.solvers.least_squares.many_levels import ManyLevels
        from gradline.solvers.newton.many_levels import ManyLevelsNewton

        if tolerance is None:
            yield ManyLevels(), ()
        yield ManyLevelsNewton() if tolerance is None else ManyLevelsNewton(tolerance), ()
    if squared:
        from gradline.solvers.least_squares.least_squares import LeastSquares

        yield LeastSquares(accuracy), ("tolerance",)
    if not many:
        from gradline.solvers.newton.newton import Newton

        yield Newton(tolerance), ("accuracy",)
    elif problem.rows.sparse_columns:
        from gradline.solvers.newton.newton_cg import NewtonCG

        yield NewtonCG(tolerance), ("accuracy",)
    from gradline.solvers.first_order.lbfgs import LBFGS

    yield LBFGS() if tolerance is None else LBFGS(tolerance), ("accuracy",)


def _for_kinks(many: bool) -> Iterator[tuple[Solver, Unused]]:
    from gradline.solvers.kinks.exact import solvers_for_kinks

    first, *others = solvers_for_kinks()
    yield first, ("accuracy", "tolerance")
    if many:
        from gradline.solvers.first_order.gradient_descent import GradientDescent

        yield GradientDescent(), ("accuracy", "tolerance")
    for solver in others:
        yield solver, ("accuracy", "tolerance")


def _check_unused(problem: Problem, unused: Unused, accuracy: str, tolerance: float | None, reasons: list[str]) -> None:
    """Raises ValueError for a keyword that was given and that the solver chosen does not have. reasons: of those that refused."""
    name = problem.loss.name
    squared = problem.loss.squared_scale() is not None
    if "accuracy" in unused and accuracy != "auto":
        why = reasons[0] if squared else f"it is for squared loss, and the loss is {name!r}"
        raise SolverError(f"accuracy={accuracy!r} would not be used: {why}")
    if "tolerance" in unused and tolerance is not None:
        why = f"the loss {name!r} has kinks, and no solver for these stops at a tolerance"
        raise SolverError(f"tolerance={tolerance!r} would not be used: {'squared loss is solved exactly' if squared else why}")
