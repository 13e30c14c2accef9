"""The sums from which classical standard errors of squared loss follow, and the weights that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

ROUNDING = 16.0 * 2.0**-52
"""Of the root mean square of the targets: up to which what a fit leaves of them is rounding."""


def without_rounding(squares: Array, sizes: Array) -> Array:
    """Sums of squares (q,), with zero for those that are rounding beside the sums of squares of the targets themselves.

    R warns of such an "essentially perfect fit" (summary.lm).
    """
    return np.asarray(np.where(squares <= ROUNDING**2 * sizes, 0.0, squares))


@dataclass(frozen=True)
class SquaredSums:
    """root (P, d): (X' F W X + ridge)^-1 = root root', zero rows for aliased columns. products (q, q): of weighted residuals.
    total_squares (q,): of the targets less the offset, about their weighted mean with an intercept and about zero without. weights."""

    root: Array
    products: Array
    total_squares: Array
    weights: WeightSums

    def sums(self) -> SquaredSums:
        """Themselves: a solver may leave these, or what they are made of."""
        return self


class WeightSums(NamedTuple):
    """rows: those of positive weight; copies: sum f over them; weight: sum f w; log_weight: sum f log w."""

    rows: int
    copies: float
    weight: float
    log_weight: float


def weight_sums_of(rows: Rows) -> WeightSums:
    """Of all rows: a glance where weights lie in memory, otherwise a pass."""
    known = rows.row_columns
    return rows.reduce(WeightSumsKernel()) if known is None else weight_sums(rows.n_rows, known.weights, known.frequencies)


def weight_sums(n: int, weights: Array | None, frequencies: Array | None) -> WeightSums:
    """Of n rows with weights and frequencies (n,), None for ones."""
    if weights is None and frequencies is None:
        return WeightSums(n, float(n), float(n), 0.0)
    counts = np.ones(n) if frequencies is None else frequencies
    if weights is None:
        return WeightSums(int(np.count_nonzero(counts)), float(counts.sum()), float(counts.sum()), 0.0)
    used = (weights > 0) & (counts > 0)
    counts, weights = counts[used], weights[used]
    return WeightSums(int(used.sum()), float(counts.sum()), float(counts @ weights), float(counts @ np.log(weights)))


@dataclass(frozen=True)
class WeightSumsKernel(Kernel[WeightSums]):
    """The same by a pass."""

    def map(self, block: Block) -> WeightSums:
        return weight_sums(block.n_rows, block.weights, block.frequencies)

    def merge(self, first: WeightSums, second: WeightSums) -> WeightSums:
        (rows, *sums), (more, *others) = first, second
        return WeightSums(rows + more, *(a + b for a, b in zip(sums, others, strict=True)))
