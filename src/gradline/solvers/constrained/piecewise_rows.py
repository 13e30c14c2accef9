"""The rows of a piecewise-linear loss as a solver within constraints sees them, and what it finds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.objective.objective import Problem
from gradline.solvers.constrained.working import WorkingRows


class Entries(NamedTuple):
    """Residuals (n q,) as targets less rows times theta: rows (n q, d), targets, weights."""

    rows: Array
    targets: Array
    weights: Array


def entries_of(problem: Problem, working: WorkingRows) -> Entries:
    """The residuals of rows in memory, those of a target after those of the one before it."""
    block = problem.rows.in_memory()
    assert block is not None
    block = block.without_zero_weights()
    design, (size, k) = block.design.dense(), problem.shape
    targets = block.targets_less_offset
    weights = block.weight_of_each_row
    rows = [np.asarray((working.free.matrix[j * size : (j + 1) * size].T @ design.T).T) for j in range(k)]
    return Entries(np.concatenate(rows), targets.T.ravel(), np.tile(weights, k))


class FoundWithin(NamedTuple):
    """theta (d,); multipliers (r,) of the working rows, in sums over rows; active (a,): which of these are equations of the vertex."""

    theta: Array
    multipliers: Array
    active: IntArray
    converged: bool
    reason: str
    violation: float
    programs: int
