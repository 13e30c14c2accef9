"""A lasso beside a piecewise-linear loss, as rows: each slope's ``|b|`` is the loss of two more rows, so that the exact vertex stays exact.

With a loss rho of one kink, at zero, of slopes -a before it and b after it, ``rho(-x) + rho(x) = (a + b) |x|``. So the rows e_j and -e_j
with target zero and weight W l_j / (a + b) each add ``l_j |b_j|`` to the mean loss of rows that weigh W.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty, as_kinked
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.solvers.kinks.pieces import Pieces

TINY = float(np.finfo(float).tiny)


def refuses_as_rows(problem: Problem, pieces: Pieces) -> str | None:
    """Why a penalty cannot be written as rows, naming who can; None where it can."""
    penalty = as_kinked(problem.penalty)
    assert penalty is not None
    loss, name = problem.loss.name, penalty.name
    who = f"take gl.penalties.lasso, or a smooth loss such as gl.losses.huber, with which gl.ProximalNewton takes the {name}"
    if penalty.absolute is None:
        return f"PiecewiseLinear takes a lasso beside the loss {loss!r}, and no {name}, which is not piecewise linear: {who}"
    if penalty.smooth_part is not None:
        return f"PiecewiseLinear takes a lasso beside the loss {loss!r}; the {name} has a smooth part, which leaves the vertices: {who}"
    if len(pieces.kinks) != 1 or pieces.kinks[0] != 0.0:
        return (
            f"PiecewiseLinear takes a lasso beside a loss with one kink, at y = prediction, as gl.losses.absolute and gl.losses.quantile"
            f" have, and {loss!r} is another: take one of these, or a smooth loss such as gl.losses.huber"
        )
    if problem.rows.in_memory() is None:
        return (
            f"PiecewiseLinear takes a {name} beside rows in memory, and these are read anew at each pass: take a smooth loss such as"
            " gl.losses.huber, with which gl.ProximalNewton reads them, or fewer rows"
        )
    return None


class PenalisedRows(NamedTuple):
    """The rows of one target with those of the penalty after them, all columns written out; columns: the design column of each of those.
    unit (P,): powers of two that the columns were multiplied by, so that all have a size near one and a penalty's row weighs with them."""

    rows: ArrayRows
    columns: IntArray
    unit: Array


def with_penalty_rows(problem: Problem, penalty: KinkedPenalty, pieces: Pieces, target: int) -> PenalisedRows:
    """What a search over one target is given."""
    block, weights = _block(problem)
    first, p = int(problem.rows.intercept), problem.shape[0] - int(problem.rows.intercept)
    factors = penalty.absolute
    assert factors is not None
    factors = factors.reshape(-1, p)[target]
    used = np.flatnonzero(factors > 0)
    single = np.zeros((len(used), problem.shape[0]))
    single[np.arange(len(used)), first + used] = 1.0
    design = block.design.dense()
    sizes = np.sqrt(np.mean(np.square(design / np.maximum(block.design.largest(), TINY)), axis=0)) * block.design.largest()
    # exact in floating point, as is the way back: slopes are those in other units, to the bit.
    unit = np.ldexp(1.0, np.where(sizes > 0, -np.frexp(np.where(sizes > 0, sizes, 1.0))[1], 0))
    weight = weights.sum() * factors[used] * unit[first + used] / float(pieces.jumps[0])
    y = block.targets[:, target]
    y = y if block.offset is None else y - block.offset[:, target]
    rows = ArrayRows(
        np.concatenate([design * unit, single, -single]),
        np.concatenate([y, np.zeros(2 * len(used))])[:, None],
        weights=np.concatenate([weights, weight, weight]),
        intercept=False,
    )
    return PenalisedRows(rows, np.tile(first + used, 2), unit)


def null_strength(problem: Problem, unit: KinkedPenalty, pieces: Pieces) -> float:
    """The least factor of a lasso that leaves no slope: from the fit of the intercept alone, whose rows on the kink enter so that their
    slopes sum to zero."""
    block, weights = _block(problem)
    first, factors = int(problem.rows.intercept), unit.absolute
    assert factors is not None
    columns = block.design.dense()[:, first:]
    p = columns.shape[1]
    largest, total = 0.0, weights.sum()
    for target in range(problem.rows.n_targets):
        y = block.targets[:, target]
        y = y if block.offset is None else y - block.offset[:, target]
        middle = _quantile(y, weights, pieces) if first else 0.0
        residuals = y - middle
        on = residuals == 0.0
        entering = weights * np.where(residuals > 0, pieces.slopes[1], pieces.slopes[0])
        if on.any() and first:
            entering[on] = -entering[~on].sum() * weights[on] / weights[on].sum()
        elif on.any():
            entering[on] = 0.0
        share = factors.reshape(-1, p)[target]
        used = share > 0
        pull = np.abs(columns[:, used].T @ entering) / total
        largest = max(largest, float((pull / share[used]).max(initial=0.0)))
    return largest


def _block(problem: Problem) -> tuple[Block, Array]:
    """The rows that count, and their weights."""
    block = problem.rows.in_memory()
    assert block is not None
    block = block.without_zero_weights()
    weights = block.row_weights
    return block, np.ones(block.n_rows) if weights is None else weights


def _quantile(y: Array, weights: Array, pieces: Pieces) -> float:
    """The value that minimises the weighted loss of y less it: one of y."""
    order = np.argsort(y, kind="stable")
    below = np.cumsum(weights[order]) * pieces.jumps[0]
    place = int(np.searchsorted(below, pieces.slopes[1] * weights.sum() * (1.0 - 1e-15)))
    return float(y[order[min(place, len(y) - 1)]])
