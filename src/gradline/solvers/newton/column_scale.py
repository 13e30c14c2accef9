"""The sizes of the design columns."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


def column_scale(problem: Problem) -> Array:
    """Root mean squares of the design columns, (P,); one for a column of zeros."""
    sums = problem.rows.reduce(_SquaresKernel())
    scale = np.sqrt(sums[:-1] / sums[-1])
    return np.where(scale > 0, scale, 1.0)


class _SquaresKernel(Kernel[Array]):
    """Sums of squares of the design columns, and the rows they were taken over."""

    def map(self, block: Block) -> Array:
        return np.append(block.design.squares(), block.n_rows)

    def merge(self, first: Array, second: Array) -> Array:
        return first + second
