"""Reasons for which more than one solver refuses a problem: what ``Solver.refuses`` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradline.objective.objective import Problem
    from gradline.solvers.protocol import Solver

MOST_COEFFICIENTS = 3000
"""Coefficients beyond which a curvature matrix and its factor cost more than they save."""

MOST_WRITTEN = 3000
"""Columns of categories kept as codes that a solver without a way with codes may write out: 300 MiB a block."""


MOST_SPARSE_COEFFICIENTS = 6000
"""Coefficients of a sparse matrix up to which a solver may hold their curvature: 275 MiB."""


def moves_every_coefficient(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that knows no coefficients that stay where they are."""
    if problem.all_free:
        return None
    if any(problem.loss.intercept_only):
        held = f"the loss {problem.loss.name!r} has a linear predictor that is one number for all rows"
    else:
        held = "here each linear predictor has its own formula"
    return f"{_name(solver)} moves every coefficient, but {held}; use {keeps_to_the_free(problem)}"


def keeps_to_the_free(problem: Problem) -> str:
    """The solver that leaves alone what a problem holds fixed, as a user would write it."""
    if problem.joint:
        return "gl.LBFGS()"
    return "gl.Newton()" if problem.loss.kinks() is None else "gl.ActiveSetNewton()"


def writes_codes_out(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that would make columns of more levels than can be, a block at a time."""
    columns = problem.rows.n_columns
    if problem.rows.sparse_columns:
        return _is_wide(solver, problem)
    if not problem.rows.coded_levels or columns <= MOST_WRITTEN:
        return None
    return (
        f"the formula makes {columns:,} columns of categories, which {_name(solver)} would write out; leave such a category out, or take"
        ' solver="auto" and a smooth loss (huber in place of absolute), which keep them as codes'
    )


def _is_wide(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that holds a matrix as large as the columns are many, squared, where X is sparse with very many."""
    size = problem.shape[0] * problem.shape[1]
    if size <= MOST_SPARSE_COEFFICIENTS:
        return None
    smooth = problem.joint or problem.loss.kinks() is None
    other = "gl.NewtonCG() or gl.LBFGS(), which hold none" if smooth else "a smooth loss, such as gl.losses.huber in place of absolute"
    if problem.penalty_kind == "proximal":
        other = "a smooth penalty such as gl.penalties.ridge(0.1) with gl.NewtonCG() or gl.LBFGS(), or fewer columns"
    return (
        f"X is a sparse matrix that gives {size:,} coefficients, and {_name(solver)} holds a matrix of {size:,} x {size:,} numbers"
        f" ({size**2 * 8 / 2**30:,.1f} GiB); use {other}"
    )


def needs_a_loss_of_one_row(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that takes the curvature of single rows."""
    return f"{_name(solver)} needs the curvature of single rows; {problem.joint_message}" if problem.joint else None


def needs_joint_rows_in_memory(problem: Problem) -> str | None:
    """Why not, of any solver: a scalar of all rows takes all of them at once."""
    return problem.joint_message if problem.joint and not problem.rows.resident else None


def needs_a_smooth_loss(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that takes the loss for smooth; a joint loss counts as that."""
    if problem.joint or problem.loss.kinks() is None:
        return None
    if problem.penalty_kind == "proximal":
        return (
            f"{_name(solver)} needs a smooth loss beside a penalty with kinks, and {problem.loss.name!r} has kinks too; take a smooth loss"
            " such as gl.losses.huber, or a smooth penalty such as gl.penalties.ridge(0.1)"
        )
    return f"{_name(solver)} needs a smooth loss, and {problem.loss.name!r} has kinks; use gl.PiecewiseLinear or gl.ActiveSetNewton"


def smooth_and_free(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that knows no constraints, and beside the loss no kinks."""
    if problem.constraints is not None:
        return (
            f"{_name(solver)} keeps to no constraints, and the problem has {problem.constraints.name}; use gl.ConstrainedNewton(), or leave"
            " them out"
        )
    if problem.penalty is not None and problem.penalty_kind == "proximal":
        return (
            f"{_name(solver)} takes no penalty with kinks, as {problem.penalty.name!r} is; use gl.ProximalNewton(), or a smooth one"
            " such as gl.penalties.ridge(0.1)"
        )
    return None


def needs_a_diagonal_penalty(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that holds the curvature of levels one by one."""
    if problem.penalty is None or problem.penalty_is_diagonal:
        return None
    return (
        f"{_name(solver)} eliminates levels one by one, and the penalty {problem.penalty.name!r} couples coefficients; use gl.LBFGS(), or"
        " gl.penalties.ridge(...)"
    )


def needs_codes(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a solver that works on levels kept as codes only."""
    return None if problem.rows.coded_levels else f"{_name(solver)} is for categories kept as codes, and here are none; use gl.Newton()"


def _name(solver: Solver) -> str:
    """What to call a solver in a message."""
    return type(solver).__name__
