"""A block of rows: what kernels see of the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import Design

PIECE_NUMBERS = 2**19
"""Numbers worked out of a block's rows at a time, 16 MiB: a curvature has k^2 a row, thousands where there are many classes."""

FEWEST_PIECE_ROWS = 64


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows.

    design: m rows by P columns. targets: (m, q). weights (precision weights) and frequencies (repeat counts): (m,) or None for ones.
    offset: (m, k) added to the linear predictors, or None. first_row: number of the block's first row, as ``Rows.take`` counts.
    numbers: (m,) of the rows in the data they came from, where rows of it were left out; None where those are consecutive from first_row.
    """

    design: Design
    targets: Array
    weights: Array | None = None
    frequencies: Array | None = None
    offset: Array | None = None
    first_row: int = 0
    numbers: IntArray | None = None

    def number(self, row: int) -> int:
        """What to call the block's row ``row`` in a message: its number in the data."""
        return self.first_row + row if self.numbers is None else int(self.numbers[row])

    @property
    def row_numbers(self) -> IntArray:
        """The rows' numbers in the data, (m,): the same in each pass."""
        return np.arange(self.first_row, self.first_row + self.n_rows) if self.numbers is None else self.numbers

    @property
    def n_rows(self) -> int:
        return self.design.n_rows

    @property
    def row_weights(self) -> Array | None:
        """f_i w_i, the weight of a row in the objective; None for ones."""
        return weight_of_rows(self.weights, self.frequencies)

    @property
    def weight_of_each_row(self) -> Array:
        """The same written out, (m,): ones where ``row_weights`` is None."""
        weights = self.row_weights
        return np.ones(self.n_rows) if weights is None else weights

    @property
    def precision(self) -> Array:
        """The precision weights written out, (m,): ones where there are none."""
        return np.ones(self.n_rows) if self.weights is None else self.weights

    @property
    def targets_less_offset(self) -> Array:
        """What the columns are to explain where the prediction is the linear predictor, (m, q)."""
        return self.targets if self.offset is None else self.targets - self.offset

    @property
    def row_counts(self) -> Array:
        """How many rows each stands for, (m,): 0 where its weight is zero."""
        counts = np.ones(self.n_rows) if self.frequencies is None else self.frequencies
        weights = self.row_weights
        return counts if weights is None else np.where(weights > 0, counts, 0.0)

    def without_zero_weights(self) -> Block:
        """The block without rows of weight zero, which count for nothing even where their loss is not finite."""
        weights = self.row_weights
        if weights is None or (weights > 0).all():
            return self
        keep = np.flatnonzero(weights > 0)
        return Block(
            self.design.take(keep), self.targets[keep], _pick(self.weights, keep), _pick(self.frequencies, keep), _pick(self.offset, keep)
        )

    def pieces(self, numbers: int) -> Iterator[Block]:
        """The block in pieces of consecutive rows, so few that ``numbers`` for each row are no more than ``PIECE_NUMBERS``."""
        step = max(FEWEST_PIECE_ROWS, PIECE_NUMBERS // max(1, numbers))
        if self.n_rows <= step:
            yield self
            return
        for start in range(0, self.n_rows, step):
            rows = np.arange(start, min(start + step, self.n_rows))
            weights, frequencies, offset = (_pick(column, rows) for column in (self.weights, self.frequencies, self.offset))
            numbered = None if self.numbers is None else self.numbers[rows]
            yield Block(self.design.take(rows), self.targets[rows], weights, frequencies, offset, self.first_row + start, numbered)

    def linear_predictors(self, coefficients: Array) -> Array:
        """``X B`` plus the offset: (m, k)."""
        predictors = self.design.predict(coefficients)
        if self.offset is not None:
            predictors += self.offset
        return predictors


class RowColumns(NamedTuple):
    """What rows hold beside their design: targets (n, q), weights and frequencies (n,), offset (n, k); None as in a ``Block``."""

    targets: Array
    weights: Array | None
    frequencies: Array | None
    offset: Array | None


def weight_of_rows(weights: Array | None, frequencies: Array | None) -> Array | None:
    """f_i w_i; None for ones."""
    if weights is None:
        return frequencies
    return weights if frequencies is None else weights * frequencies


def _pick(column: Array | None, rows: IntArray) -> Array | None:
    return None if column is None else column[rows]
