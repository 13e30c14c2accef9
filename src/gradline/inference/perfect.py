"""Perfect fits, which leave rounding errors of the targets and nothing else: no spread can be told from them.

What is rounding counts as zero (``without_rounding``), and what would be divided by it does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.squared_sums import without_rounding

BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]

LOOKED_AT = 1_000
"""Rows that are looked at before all of them are."""

PERFECT = "the fit is perfect: what it leaves of the targets is rounding, from which no spread can be told"


def is_perfect(problem: Problem, coefficients: Array) -> bool:
    """Whether every target is its prediction but for rounding. Takes a pass only where a sample looks like it."""
    return bool(perfect_targets(problem, coefficients).all())


def perfect_targets(problem: Problem, coefficients: Array) -> BoolArray:
    """(q,): which targets are their predictions but for rounding. Takes a pass only where a sample looks like it."""
    rows, kernel, q = problem.rows, _Kernel(problem.loss, coefficients), problem.rows.n_targets
    if rows.n_rows > LOOKED_AT:
        found = _perfect(kernel.map(rows.sample(LOOKED_AT)), q)
        if not found.any():
            return found
    return _perfect(rows.reduce(kernel), q)


def require_spread(problem: Problem, coefficients: Array, what: str) -> None:
    """Raises ValueError saying that there is no ``what`` of a perfect fit."""
    if is_perfect(problem, coefficients):
        raise InferenceError(f"no {what}: {PERFECT}")


def _perfect(sums: Array | None, n_targets: int) -> BoolArray:
    return np.zeros(n_targets, dtype=np.bool_) if sums is None else np.asarray(without_rounding(sums[0], sums[1]) == 0.0)


@dataclass(frozen=True)
class _Kernel(Kernel[Array | None]):
    """Sums of squares of residuals and of targets, (2, q); None where a prediction is not one number for each target."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Array | None:
        fitted = np.asarray(self.loss.predict(block.linear_predictors(self.coefficients)), dtype=np.float64).reshape(block.n_rows, -1)
        if fitted.shape != block.targets.shape:
            return None
        used = block.row_counts > 0
        weights = block.weight_of_each_row
        with np.errstate(over="ignore", invalid="ignore"):
            residuals = block.targets - fitted
            return np.stack([np.dot(weights[used], np.square(part[used])) for part in (residuals, block.targets)])

    def merge(self, first: Array | None, second: Array | None) -> Array | None:
        return None if first is None or second is None else first + second
