"""A block of rows and the kernels that run over blocks: the one seam between data and everything above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import Design

State = TypeVar("State")


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
    def n_rows(self) -> int:
        return self.design.n_rows

    @property
    def row_weights(self) -> Array | None:
        """f_i w_i, the weight of a row in the objective; None for ones."""
        return weight_of_rows(self.weights, self.frequencies)

    def without_zero_weights(self) -> Block:
        """The block without rows of weight zero, which count for nothing even where their loss is not finite."""
        weights = self.row_weights
        if weights is None or (weights > 0).all():
            return self
        keep = np.flatnonzero(weights > 0)
        return Block(
            self.design.take(keep), self.targets[keep], _pick(self.weights, keep), _pick(self.frequencies, keep), _pick(self.offset, keep)
        )

    def linear_predictors(self, coefficients: Array) -> Array:
        """``X B`` plus the offset: (m, k)."""
        predictors = self.design.predict(coefficients)
        if self.offset is not None:
            predictors += self.offset
        return predictors


def weight_of_rows(weights: Array | None, frequencies: Array | None) -> Array | None:
    """f_i w_i; None for ones."""
    if weights is None:
        return frequencies
    return weights if frequencies is None else weights * frequencies


def _pick(column: Array | None, rows: IntArray) -> Array | None:
    return None if column is None else column[rows]


class Kernel(Protocol[State]):
    """A sum over rows. ``merge`` is associative and is called in row order."""

    def map(self, block: Block) -> State: ...

    def merge(self, first: State, second: State) -> State: ...


class RowKernel(Protocol):
    """One result a row: ``map`` returns an array whose first axis is the block's rows."""

    def map(self, block: Block) -> Array: ...


class Rows(Protocol):
    """A source of rows that can be passed over as often as needed."""

    @property
    def n_rows(self) -> int: ...

    @property
    def n_columns(self) -> int:
        """P, the intercept included."""

    @property
    def n_targets(self) -> int: ...

    @property
    def intercept(self) -> bool: ...

    @property
    def read_from(self) -> str:
        """The table that the rows are read from anew at each pass; empty where they are held in memory."""

    @property
    def keeps_codes(self) -> bool:
        """Whether a categorical is kept as codes, whose columns a design does not hold."""

    def reduce(self, kernel: Kernel[State]) -> State:
        """One pass: map every block, merge in row order."""

    def map(self, kernel: RowKernel) -> Array:
        """One pass: the rows' results, in row order."""

    def take(self, rows: IntArray) -> Block:
        """The given rows as one block (their order kept); for samples and mini-batches."""

    @property
    def held(self) -> bool:
        """Whether all rows are held in memory; to ask costs nothing."""

    def in_memory(self) -> Block | None:
        """Everything as one block if the rows are held in memory, otherwise None."""
