"""Rows whose columns have another origin and unit: what a solver works on where a column's mean is large beside its spread.

With z_j = (x_j - c_j) m_j, b_j = m_j b^_j and b_0 = b^_0 - sum c_j b_j give the same linear predictors. The difference
of doubles near each other is exact (Sterbenz 1974), and m_j is a power of two, or zero for a column that is left out: nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block, Kernel, RowKernel, Rows, State

CHUNK = 2**15
"""Rows of an array changed at a time."""


@dataclass(frozen=True)
class ColumnChange:
    """origin (P,): c, zero for the intercept; unit (P,): m, one for the intercept. intercept: whether the first column is one."""

    origin: Array
    unit: Array
    intercept: bool

    def block(self, block: Block) -> Block:
        """The block with its columns changed."""
        return replace(block, design=block.design.changed(self.origin, self.unit))

    def rows(self, rows: Rows) -> Rows:
        """The rows with their columns changed: arrays once, others block by block."""
        if isinstance(rows, ArrayRows):
            first = int(self.intercept)
            values = np.empty(rows.values.shape)
            for start in range(0, len(values), CHUNK):
                part = slice(start, start + CHUNK)
                np.subtract(rows.values[part], self.origin[first:], out=values[part])
                values[part] *= self.unit[first:]
            return rows.with_values(values)
        return ChangedRows(rows, self)

    def to_changed(self, coefficients: Array) -> Array:
        """Coefficients (P, k) of the columns as they were to those of the changed ones."""
        used = self.unit > 0
        found = np.where(used[:, None], coefficients / np.where(used, self.unit, 1.0)[:, None], 0.0)
        if self.intercept:
            found[0] = [self._sum(coefficients[:, j], 1.0) for j in range(coefficients.shape[1])]
        return np.asarray(found)

    def from_changed(self, coefficients: Array) -> Array:
        """The other way: (P, k), the intercept rounded once."""
        with np.errstate(over="ignore"):  # the caller refuses infinity
            found = coefficients * self.unit[:, None]
        if self.intercept:
            found[0] = [self._sum(np.append(coefficients[0, j], found[1:, j]), -1.0) for j in range(coefficients.shape[1])]
        return np.asarray(found)

    def _sum(self, column: Array, sign: float) -> float:
        """b_0 + sign sum c_j b_j, (P,), rounded once."""
        terms = [float(column[0])]
        for c, b in zip(self.origin[1:].tolist(), column[1:].tolist(), strict=True):
            if c != 0.0 and b != 0.0 and math.isfinite(b):
                high, low = _product(c, b)
                terms += [sign * high, sign * low]
        return math.fsum(terms) if all(map(math.isfinite, terms)) else float(np.sum(terms))

    def combinations_from_changed(self, factor: Array) -> Array:
        """Rows of a factor of the covariance of the coefficients stacked, (k P, r), from changed columns to those as they were."""
        size = len(self.unit)
        parts = factor.reshape(-1, size, factor.shape[1]) * self.unit[None, :, None]
        if self.intercept:
            parts[:, 0] -= np.einsum("p,apr->ar", self.origin, parts)
        return np.asarray(parts.reshape(factor.shape))


def _product(a: float, b: float) -> tuple[float, float]:
    """a b as a sum of two doubles: Dekker (1971), split by Veltkamp's constant."""
    high = a * b
    if not math.isfinite(high) or abs(high) < 1e-250 or max(abs(a), abs(b)) > 1e250:
        return high, 0.0
    (a1, a2), (b1, b2) = _split(a), _split(b)
    return high, ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2


def _split(a: float) -> tuple[float, float]:
    large = 134217729.0 * a
    high = large - (large - a)
    return high, a - high


@dataclass(frozen=True)
class ChangedRows:
    """Rows read anew at each pass, changed block by block."""

    inner: Any
    change: ColumnChange

    @property
    def read_from(self) -> str:
        return str(self.inner.read_from)

    @property
    def keeps_codes(self) -> bool:
        return bool(self.inner.keeps_codes)

    @property
    def held(self) -> bool:
        return bool(self.inner.held)

    @property
    def n_rows(self) -> int:
        return int(self.inner.n_rows)

    @property
    def n_columns(self) -> int:
        return int(self.inner.n_columns)

    @property
    def n_targets(self) -> int:
        return int(self.inner.n_targets)

    @property
    def intercept(self) -> bool:
        return bool(self.inner.intercept)

    @property
    def encoder(self) -> Any:
        """What the rows' columns are made by."""
        return self.inner.encoder

    def reduce(self, kernel: Kernel[State]) -> State:
        result: State = self.inner.reduce(_Changed(kernel, self.change.block))
        return result

    def map(self, kernel: RowKernel) -> Array:
        result: Array = self.inner.map(_ChangedRow(kernel, self.change.block))
        return result

    def take(self, rows: IntArray) -> Block:
        return self.change.block(self.inner.take(rows))

    def sample(self, n_rows: int, seed: int = 0) -> Block:
        """As the rows' own."""
        return self.change.block(self.inner.sample(n_rows, seed))

    def in_memory(self) -> Block | None:
        return None


@dataclass(frozen=True)
class _Changed(Generic[State]):
    kernel: Kernel[State]
    change: Callable[[Block], Block]

    def map(self, block: Block) -> State:
        return self.kernel.map(self.change(block))

    def merge(self, first: State, second: State) -> State:
        return self.kernel.merge(first, second)


@dataclass(frozen=True)
class _ChangedRow:
    kernel: RowKernel
    change: Callable[[Block], Block]

    def map(self, block: Block) -> Array:
        return self.kernel.map(self.change(block))
