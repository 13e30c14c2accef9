"""A penalty with kinks beside constraints: its absolute values, which every model keeps, and its smooth rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.penalties.kinds import is_convex
from gradline.penalties.kinked_penalty import as_kinked
from gradline.solvers.constrained.working import Step, WorkingRows
from gradline.solvers.protocol import Solver
from gradline.solvers.proximal.gap import lowest_loss


def apart(problem: Problem) -> tuple[Problem, Array | None]:
    """(the problem with the smooth part of its penalty, the factors of ``|b|`` over vec(B) (k P,)); None where the penalty has no kinks."""
    penalty = as_kinked(problem.penalty)
    if penalty is None:
        return problem, None
    absolute = penalty.absolute
    assert absolute is not None
    (size, k), first = problem.shape, int(problem.rows.intercept)
    factors = np.zeros((k, size))
    factors[:, first:] = absolute.reshape(k, size - first)
    return replace(problem, penalty=penalty.smooth_part), factors.ravel()


def refuses_beside(solver: Solver, problem: Problem) -> str | None:
    """Why not, of a penalty with other kinks than those of a lasso."""
    if problem.penalty is None or problem.penalty_kind != "proximal":
        return None
    penalty = as_kinked(problem.penalty)
    if penalty is not None and penalty.absolute is not None:
        return None
    return (
        f"beside constraints {type(solver).__name__} takes penalties that are smooth, or that are sums of absolute values of slopes, and"
        f" {problem.penalty.name!r} is neither; use gl.penalties.lasso, gl.penalties.elastic_net or gl.penalties.ridge"
    )


def gap_within(
    smooth: Problem, rows: WorkingRows, coefficients: Array, objective: float, multipliers: Array, left: Array, step: Step
) -> float | None:
    """By how much the objective can be above its lowest value within the constraints; None without absolute values, and where convexity
    or a lower bound of the loss is not known. See ``gap_above``."""
    if step.pull is None or rows.absolute is None or not (smooth.loss.is_convex and is_convex(smooth.penalty)):
        return None
    lowest = lowest_loss(smooth)
    return None if lowest is None else gap_above(rows, coefficients, objective - lowest, multipliers, left, step.pull)


def gap_above(rows: WorkingRows, coefficients: Array, height: float, multipliers: Array, left: Array, pull: Array) -> float:
    """The bound of the gap at coefficients (P, k), of rows that charge absolute values. height: of the objective above a lower bound m of
    f. pull (d,): the subgradient s.

    With g the gradient of the smooth part f, s the subgradient, mu the multipliers and r = g + s - A'mu what they leave, convexity gives
    P(b) - P* <= (sum w |b| - s'b) + mu'(A b - c) + r'(b - b*). Over coefficients that are charged the last is at most
    max(|r| / w) (sum w |b| + P(b) - m); over the others it is rounding, as in ``solvers/proximal/gap.py``.
    """
    assert rows.absolute is not None
    polyhedron, flat = rows.polyhedron, coefficients.T.ravel()
    charge = rows.charge(coefficients)
    weights = np.asarray(abs(rows.free.matrix).T @ rows.absolute)
    charged = weights > 0
    pulled = float(pull @ rows.free.contract(coefficients))
    used = multipliers != 0
    slack = float(multipliers[used] @ (polyhedron.matrix[used] @ flat - polyhedron.right[used]))
    ratio = float((np.abs(left[charged]) / weights[charged]).max(initial=0.0))
    return max(charge - pulled, 0.0) + max(slack, 0.0) + ratio * (charge + max(height, 0.0))
