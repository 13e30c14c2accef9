"""Rows whose columns have another origin and unit: what a solver works on where a column's mean is large beside its spread.

With z_j = (x_j - c_j) m_j, b_j = m_j b^_j and b_0 = b^_0 - sum c_j b_j give the same linear predictors. The difference
of doubles near each other is exact (Sterbenz 1974), and m_j is a power of two, or zero for a column that is left out: nothing is lost.

A column that others all but say may then give way to what it has of its own, z_j less shares of them: curvature squares the digits that the
two have in common, and their difference keeps the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign, Design
from gradline.rows.altered import AlteredRows
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.protocol import Rows

CHUNK = 2**15
"""Rows of an array changed at a time."""


@dataclass(frozen=True)
class Remainders:
    """places (c,): the columns that give way to what they have of their own. shares (P, c): of the other columns, that are taken off; zero
    for those at ``places``. unit (c,): powers of two that what is left is multiplied with."""

    places: IntArray
    shares: Array
    unit: Array

    def without(self, columns: tuple[int, ...]) -> Remainders | None:
        """The same, but that these columns are left as they are and nothing of them is taken off; None where nothing remains."""
        kept = ~np.isin(self.places, columns)
        if not kept.any():
            return None
        shares = self.shares[:, kept].copy()
        shares[list(columns)] = 0.0
        return Remainders(self.places[kept], shares, self.unit[kept])

    def to_changed(self, coefficients: Array) -> Array:
        """Coefficients (P, r) of the columns as they were to those of the changed ones."""
        found = coefficients + np.dot(self.shares, coefficients[self.places])
        found[self.places] = coefficients[self.places] / self.unit[:, None]
        return np.asarray(found)

    def from_changed(self, coefficients: Array) -> Array:
        """The other way."""
        own = coefficients[self.places] * self.unit[:, None]
        found = coefficients - np.dot(self.shares, own)
        found[self.places] = own
        return np.asarray(found)


@dataclass(frozen=True)
class ColumnChange:
    """origin (P,): c, zero for the intercept; unit (P,): m, one for the intercept. intercept: whether the first column is one. remainders:
    what is done to the columns after that; None where it is nothing."""

    origin: Array
    unit: Array
    intercept: bool
    remainders: Remainders | None = None

    def block(self, block: Block) -> Block:
        """The block with its columns changed."""
        return replace(block, design=self.design(block.design))

    def design(self, design: Design) -> Design:
        """The design with its columns changed."""
        changed, own = design.changed(self.origin, self.unit), self.remainders
        return changed if own is None else changed.less_shares(own.places, own.shares, own.unit)

    def rows(self, rows: Rows) -> Rows:
        """The rows with their columns changed: arrays once, others block by block."""
        if isinstance(rows, ArrayRows):
            values = np.empty(rows.values.shape)
            for start in range(0, len(values), CHUNK):
                part = slice(start, start + CHUNK)
                values[part] = self.design(DenseDesign(rows.values[part], self.intercept)).slopes()
            return rows.with_values(values)
        return AlteredRows(rows, self, rows.n_columns, rows.n_targets)

    def to_changed(self, coefficients: Array) -> Array:
        """Coefficients (P, k) of the columns as they were to those of the changed ones."""
        used = self.unit > 0
        found = np.where(used[:, None], coefficients / np.where(used, self.unit, 1.0)[:, None], 0.0)
        if self.intercept:
            found[0] = [self._sum(coefficients[:, j], 1.0) for j in range(coefficients.shape[1])]
        return np.asarray(found) if self.remainders is None else self.remainders.to_changed(np.asarray(found))

    def from_changed(self, coefficients: Array) -> Array:
        """The other way: (P, k), the intercept rounded once."""
        if self.remainders is not None:
            coefficients = self.remainders.from_changed(coefficients)
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
        parts = factor.reshape(-1, size, factor.shape[1])
        if self.remainders is not None:
            parts = np.stack([self.remainders.from_changed(part) for part in parts])
        parts = parts * self.unit[None, :, None]
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
