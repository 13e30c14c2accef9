"""The loss of every row by the fit without it, along a path: what leave-one-out chooses by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.fitting.left_out_rows import EXACT_ROWS, losses_left_out, one_step_is_exact
from gradline.fitting.left_out_sums import LeftOut, from_sums
from gradline.model.path import HeldOut
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.solvers.centring import centred

MOST_COLUMNS = 5_000
"""Columns of which sums of products are held."""


def check_leave_one_out(problem: Problem, penalty: KinkedPenalty) -> None:
    """Raises ValueError for a loss or a penalty whose fits without a row do not follow from one fit."""
    loss = problem.loss
    if problem.joint:
        raise ArgumentError(problem.joint_message)
    if loss.kinks() is not None:
        raise ArgumentError(f'the loss {loss.name!r} has kinks, so that one fit does not tell of those without a row: use choose="folds"')
    if not penalty.convex:
        raise ArgumentError(
            f'the penalty {penalty.name!r} is not convex, so that a fit without a row may end elsewhere: use choose="folds"'
        )
    if problem.rows.n_rows < 3:
        raise ArgumentError(f"leave-one-out needs three rows at least, and there are {problem.rows.n_rows}")


def left_out(problem: Problem, coefficients: Array, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]) -> HeldOut:
    """The mean leave-one-out loss of each strength, at the coefficients (m, P, k) of a path."""
    check_leave_one_out(problem, penalties[0])
    rows, loss = problem.rows, problem.loss
    sums = loss.squared_scale() is not None and problem.shape[1] == rows.n_targets == 1 and problem.mask is None and not rows.coded_levels
    if sums and one_step_is_exact(problem, penalties[0]) and rows.n_columns <= MOST_COLUMNS:
        found, again = from_sums(problem, coefficients, penalties, advance)
        return _held(found, again, "")
    moved = centred(replace(problem, penalty=penalties[0]))
    working, unit = (problem, None) if moved is None else (moved.problem, moved.change.unit[int(rows.intercept) :, None])
    losses, squares, again, weight = list[float](), list[float](), 0, 0.0
    for point, penalty in zip(coefficients, penalties, strict=True):
        there = penalty if unit is None or (unit == 1.0).all() else penalty.in_units(unit)
        at = point if moved is None else moved.change.to_changed(point)
        found_here, weights, count = losses_left_out(working, at, there)
        used = weights > 0
        losses.append(float(weights[used] @ found_here[used]))
        squares.append(float(weights[used] @ np.square(found_here[used])))
        again, weight = again + count, float(weights.sum())
        advance()
    block = rows.in_memory()
    copies = float(used.sum() if block is None or block.frequencies is None else block.frequencies[used].sum())
    total = LeftOut(weight, copies, np.array(losses), np.array(squares))
    rough = "" if rows.n_rows <= EXACT_ROWS or one_step_is_exact(problem, penalties[0]) else ", by one Newton step a row"
    return _held(total, again, rough)


def _held(found: LeftOut, again: int, rough: str) -> HeldOut:
    mean = found.losses / found.weight
    spread = np.maximum(found.squares / found.weight - np.square(mean), 0.0)
    how = f"leave-one-out{rough}"
    return HeldOut(mean, np.sqrt(spread / (found.copies - 1.0)), np.zeros((0, len(mean))), np.zeros(0), how, again)
