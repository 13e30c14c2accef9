"""The validation part: rows that no step sees, and the loss on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows


@dataclass(frozen=True)
class HeldOut:
    """Rows held out, as a problem without its penalty. unit: what one is of the loss that the training walks down."""

    problem: Problem
    unit: float

    @property
    def n_rows(self) -> int:
        return self.problem.rows.n_rows

    def loss(self, coefficients: Array) -> float:
        """Of these rows: their mean or, where a user's loss adds up, what as many rows as are trained on would have."""
        return self.unit * self.problem.evaluate(coefficients, 0).value


def split(problem: Problem, validation: float | Array | Sequence[int], seed: int | None) -> tuple[Problem, Problem]:
    """The problem of the rows to train on, and that of the rows held out.

    validation: a share, drawn at random; or the numbers of the rows, or a truth value for each. Raises ValueError where one of both parts
    is left with nothing.
    """
    n = problem.rows.n_rows
    held = _numbers(validation, n, seed)
    left = np.setdiff1d(np.arange(n), held)
    said = f"validation={validation:g}" if isinstance(validation, float | int) else "validation="
    if not held.size:
        raise SolverError(f"{said} of {n} rows holds none out; give a larger share, or more rows")
    if not left.size:
        raise SolverError(f"{said} of {n} rows leaves none to train on; give a smaller share, or more rows")
    train, other = (_part(problem, rows) for rows in (left, held))
    for part, what in ((train, "to train on"), (other, "that are held out")):
        if not part.total_weight > 0:
            raise SolverError(f"{said}: the rows {what} have weight zero; give another seed=, or the numbers of the rows")
    return train, other


def _numbers(validation: float | Array | Sequence[int], n: int, seed: int | None) -> IntArray:
    if isinstance(validation, float | int):
        count = n - int(n * (1.0 - validation) + 1e-9)
        return np.sort(np.random.default_rng(seed).permutation(n)[:count])
    given = np.asarray(validation)
    if given.dtype.kind == "b":
        if given.shape != (n,):
            raise SolverError(f"validation holds {given.size} truth values; give one for each of the {n} rows")
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise SolverError("validation must be a share such as 0.2, the numbers of the rows to hold out, or a truth value for each row")
    if given.size and (given.min() < 0 or given.max() >= n):
        outside = int(given[(given < 0) | (given >= n)][0])
        raise SolverError(f"validation names row {outside}, but the rows are 0 to {n - 1}")
    return np.unique(given).astype(np.int64)


def _part(problem: Problem, rows: IntArray) -> Problem:
    return replace(problem, rows=ArrayRows.of_block(problem.rows.take(rows)), sampled=problem.sampled or problem)
