"""Inference worked out in changed columns, said in those given."""

from __future__ import annotations

from dataclasses import replace

from gradline.inference.absent import NoInference
from gradline.inference.covariance.bread import Bread, of_targets, penalty_part
from gradline.inference.covariance.default import PendingInference
from gradline.inference.inference import Inference
from gradline.objective.objective import Problem
from gradline.rows.column_change import ColumnChange
from gradline.solvers.protocol import Solution


def in_given_columns(
    found: Inference | PendingInference | NoInference, change: ColumnChange, problem: Problem, solution: Solution
) -> Inference | NoInference:
    """What was found of a problem in changed columns. problem, solution: those in the columns given."""
    if isinstance(found, NoInference):
        return found
    if isinstance(found, PendingInference):
        found = found.infer()
    held, bread = found.covariance, found.bread
    return replace(
        found,
        covariance=None if held is None else replace(held, factor=change.combinations_from_changed(held.factor)),
        bread=None if bread is None else _bread(bread, change, problem, solution),
    )


def _bread(bread: Bread, change: ColumnChange, problem: Problem, solution: Solution) -> Bread:
    free = problem.free.without(solution.aliased) if solution.aliased else problem.free
    penalty = penalty_part(problem, solution.coefficients)
    if bread.target_root is not None:
        return of_targets(change.combinations_from_changed(bread.target_root), bread.shape, free, penalty)
    return Bread(change.combinations_from_changed(bread.root), bread.shape, free, penalty)
