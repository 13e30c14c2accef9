"""The coefficients of a vertex: as many equations as columns, solved to the last digits."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from gradline.base.types import Array
from gradline.linalg import double_double as dd
from gradline.rows.block import Block

STEPS = 3


def solve_active(block: Block, targets: Array, kept: list[int], target: int, kinks: Array) -> Array:
    """b (P,) with x_i'b = targets_i - offset_i - kink_i for the K rows of the block, zeros for columns not kept.

    targets, kinks: (K,). target: which column of the offset.

    Rows and columns are brought to one scale by powers of two, factored once, and refined with residuals in double-double (Wilkinson
    1963, Rounding Errors in Algebraic Processes, chapter 3), so that the error is that of the last digits unless the equations are singular
    to working accuracy.
    """
    matrix = block.design.dense()[:, kept]
    right = np.stack([targets, np.zeros(len(kinks))])
    if block.offset is not None:
        right = dd.add(right, -np.stack([block.offset[:, target], np.zeros(len(kinks))]))
    right = dd.add(right, -np.stack([kinks, np.zeros(len(kinks))]))
    row_scale = -dd.power_of_two(np.abs(matrix).max(axis=1))
    matrix = np.ldexp(matrix, row_scale[:, None])
    column_scale = -dd.power_of_two(np.abs(matrix).max(axis=0))
    matrix = np.ldexp(matrix, column_scale[None, :])
    right = np.ldexp(right, row_scale[None, :])
    factor = lu_factor(matrix, check_finite=False)
    high, low = dd.split(matrix)
    solution = np.stack([lu_solve(factor, right[0], check_finite=False), np.zeros(len(kinks))])
    for _ in range(STEPS):
        residual = dd.add(right, -dd.product_sum(matrix, high, low, solution[:, None, :], 1))
        correction = lu_solve(factor, residual[0], check_finite=False)
        solution = dd.add(solution, np.stack([correction, np.zeros(len(kinks))]))
        if np.abs(correction).max(initial=0.0) <= 1e-17 * np.abs(solution[0]).max(initial=0.0):
            break
    found = np.zeros(block.design.n_columns)
    found[kept] = np.ldexp(solution[0], column_scale)
    return found
