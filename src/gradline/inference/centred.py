"""Inference worked out in changed columns, said in those given."""

from __future__ import annotations

from dataclasses import replace

from gradline.inference.absent import NoInference
from gradline.inference.bread import Bread, of_targets, penalty_diagonal
from gradline.inference.default import PendingInference
from gradline.inference.inference import Inference
from gradline.problem import Problem
from gradline.rows.changed import ColumnChange
from gradline.solvers.solution import Solution


def in_given_columns(
    found: Inference | PendingInference | NoInference, change: ColumnChange, problem: Problem, solution: Solution
) -> Inference | NoInference:
    """What was found of a problem in changed columns. problem, solution: those in the columns given."""
    if isinstance(found, NoInference):
        return found
    if isinstance(found, PendingInference):
        found = found.infer()
    held, crumb = found.covariance, found.bread
    return replace(
        found,
        covariance=None if held is None else replace(held, factor=change.combinations_from_changed(held.factor)),
        bread=None if crumb is None else _bread(crumb, change, problem, solution),
    )


def _bread(crumb: Bread, change: ColumnChange, problem: Problem, solution: Solution) -> Bread:
    free = problem.free.without(solution.aliased) if solution.aliased else problem.free
    penalty = penalty_diagonal(problem, solution.coefficients)
    if crumb.target_root is not None:
        return of_targets(change.combinations_from_changed(crumb.target_root), crumb.shape, free, penalty)
    return Bread(change.combinations_from_changed(crumb.root), crumb.shape, free, penalty)
