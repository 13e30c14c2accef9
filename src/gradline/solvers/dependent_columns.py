"""Which columns of a sparse matrix earlier ones determine, without its rows being written out for QR.

The Gram matrix tells at once of most columns that they are independent, but no more than half the digits of the others. What those leave
beside the columns before them is taken from the rows: the combination nearest to each, corrected once, and the sum of squares it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

DOUBTFUL = 1e-8
"""A Cholesky pivot below this share of its column asks for a look at the rows."""

LAST_DIGITS = 2.0**-48
"""Of the sizes of what a combination is the sum of: what rounding leaves of a column that it equals."""

PANEL = 64


@dataclass(frozen=True)
class _LeftKernel(Kernel[tuple[Array, Array]]):
    """Of ``X C`` (m, c): X' X C (P, c), and sums of squares (c,)."""

    writes_columns: ClassVar[bool] = True

    combinations: Array

    def map(self, block: Block) -> tuple[Array, Array]:
        design = block.without_zero_weights().design
        left = design.predict(self.combinations)
        return design.adjoint(left), np.asarray(np.einsum("ij,ij->j", left, left))

    def merge(self, first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        first[0].__iadd__(second[0])
        first[1].__iadd__(second[1])
        return first


def dependent_columns(rows: Rows, gram: Array) -> tuple[int, ...]:
    """The later columns that earlier ones determine. gram (P, P): of all rows of positive weight."""
    sizes = np.sqrt(np.diag(gram))
    unit = np.where(sizes > 0, sizes, 1.0)
    scaled = gram / np.outer(unit, unit)
    pivots: dict[int, float] = {}
    while True:
        factor, doubtful = _factor(scaled, pivots)
        aliased = [j for j in doubtful if sizes[j] == 0]
        asked = np.array([j for j in doubtful if sizes[j] > 0], dtype=np.int64)
        if not asked.size:
            return tuple(aliased)
        kept = np.setdiff1d(np.arange(len(unit)), doubtful)
        left, least = _left(rows, scaled, factor, kept, asked, unit)
        # The first of them that has something of its own is kept after all, and those after it are looked at again.
        own = np.flatnonzero(left > np.square(least))
        if not own.size:
            return tuple(sorted(aliased + asked.tolist()))
        pivots[int(asked[own[0]])] = float(left[own[0]])


def _factor(scaled: Array, pivots: dict[int, float]) -> tuple[Array, list[int]]:
    """The Cholesky factor of a Gram matrix with unit diagonal, columns of zeros where the pivot leaves doubt; and which those are. pivots:
    those known from the rows."""
    size = len(scaled)
    factor, doubtful = np.zeros((size, size)), list[int]()
    for start in range(0, size, PANEL):
        stop = min(start + PANEL, size)
        panel = scaled[start:, start:stop] - factor[start:, :start] @ factor[start:stop, :start].T
        for j in range(stop - start):
            pivot = pivots.get(start + j, panel[j, j])
            if not (pivot > DOUBTFUL or start + j in pivots):
                doubtful.append(start + j)
                continue
            column = panel[j:, j] / np.sqrt(pivot)
            column[0] = np.sqrt(pivot)
            factor[start + j :, start + j] = column
            panel[j:, j + 1 :] -= np.outer(column, column[1 : stop - start - j])
    return factor, doubtful


def _left(rows: Rows, scaled: Array, factor: Array, kept: IntArray, asked: IntArray, unit: Array) -> tuple[Array, Array]:
    """Of each column asked for, in units of its own size: the sum of squares that the kept ones before it leave, and the largest root that
    rounding alone would, (c,) each."""
    combinations = np.zeros((len(unit), len(asked)))
    right = -scaled[:, asked]
    for _ in range(2):
        for place, j in enumerate(asked):
            before = kept[kept < j]
            lower = factor[np.ix_(before, before)]
            half = solve_triangular(lower, right[before, place], lower=True, check_finite=False)
            combinations[before, place] += solve_triangular(lower, half, lower=True, trans="T", check_finite=False)
        combinations[asked, np.arange(len(asked))] = 1.0
        found, squares = rows.reduce(_LeftKernel(combinations / unit[:, None]))
        right = -found / unit[:, None]
    return squares, LAST_DIGITS * np.abs(combinations).sum(axis=0)
