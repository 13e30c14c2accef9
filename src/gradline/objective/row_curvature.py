"""Every row's curvature, kept from one pass to the next.

A loss of straight and parabolic pieces (Huber's, an expectile, a cost with a cap) has one curvature a piece, and near the optimum few rows
go from one piece to another. The Gram matrix of those few, weighted by how much their curvature changed, is what the curvature of the
objective changes by: exactly, at the cost of a pass for the gradient alone. Nothing here knows the loss; a few rows tell how many change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import weighted_gram
from gradline.losses.protocol import Loss
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

MOST_NUMBERS = 2**23
"""Numbers kept at most: 64 MiB."""

FEW = 0.1
"""Share of the rows up to which adding what changed is worth it."""

CHUNK = 2**12
"""Changed rows gathered at once."""

SHRUNK = 1e-3
"""Share of its largest so far that a diagonal entry may fall to: the rounding of the larger one stays in it."""


class RowChange(NamedTuple):
    """Rows whose curvature is not what it was: their numbers (c,) rising, their curvature now (c, k, k), and by how much it changed, or
    None where there was none before."""

    rows: IntArray
    now: Array
    change: Array | None


@dataclass(frozen=True)
class PreviousCurvature:
    """What a pass reads of the rows' curvature at the point before: (n, k, k), or None in the first pass. It is never written to."""

    rows: Array | None

    def compare(self, block: Block, curvature: Array) -> RowChange:
        """What changed in a block whose curvature is now (m, k, k)."""
        if self.rows is None:
            return RowChange(np.arange(block.first_row, block.first_row + block.n_rows), curvature, None)
        change = curvature - self.rows[block.first_row : block.first_row + block.n_rows]
        places = np.flatnonzero(change.any(axis=(1, 2)) if change.shape[1] > 1 else change)
        return RowChange(places + block.first_row, curvature[places], change[places])


class RowCurvature:
    """The weighted curvature of every row at the coefficients last evaluated, and its Gram matrix. Filled by a pass at order 2.

    rows: of the data. n_predictors: k. constant: which linear predictors have an intercept only. A pass reads ``previous`` and tells what
    changed; ``finish`` takes it in. Only for rows that are held in memory.
    """

    def __init__(self, rows: Rows, n_predictors: int, constant: tuple[bool, ...]) -> None:
        self.source, self.constant = rows, constant
        self.rows: Array = np.empty((rows.n_rows, n_predictors, n_predictors))
        self.gram: Array | None = None
        self.largest: Array = np.zeros(0)
        """What each diagonal entry has been at most since the Gram matrix was taken."""

    @property
    def previous(self) -> PreviousCurvature:
        """What the next pass reads: nothing where its Gram matrix is still to be taken."""
        return PreviousCurvature(None if self.gram is None else self.rows)

    def finish(self, gram: Array | None, changed: list[RowChange]) -> Array:
        """The Gram matrix (kP, kP) at the end of a pass; gram: as the pass took it, or None where it told the rows that changed."""
        for part in changed:
            self.rows[part.rows] = part.now
        if gram is not None:
            self.largest = np.abs(gram.diagonal())
        else:
            assert self.gram is not None
            gram = self._updated(self.gram, [(part.rows, part.change) for part in changed if part.change is not None and part.rows.size])
        # Where the curvature is not finite there is nothing to add to: the next pass begins anew.
        self.gram = gram if np.isfinite(gram).all() else None
        return gram

    def _updated(self, before: Array, changed: list[tuple[IntArray, Array]]) -> Array:
        """By what changed or, where that is much or what was taken away leaves mostly rounding, from every row again."""
        if sum(len(rows) for rows, _ in changed) <= FEW * len(self.rows):
            gram = before + self._of_changes(before.shape, changed)
            size = np.abs(gram.diagonal())
            self.largest = np.maximum(self.largest, size)
            if not (size < SHRUNK * self.largest).any():
                return gram
        gram = self.source.reduce(_GramKernel(self.rows, self.constant))
        self.largest = np.abs(gram.diagonal())
        return gram

    def _of_changes(self, shape: tuple[int, ...], changed: list[tuple[IntArray, Array]]) -> Array:
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for rows, _ in changed)])
        changes = np.concatenate([self.rows[:0], *(change for _, change in changed)])
        total = np.zeros(shape)
        for start in range(0, len(rows), CHUNK):
            some = slice(start, start + CHUNK)
            total += weighted_gram(self.source.take(rows[some]).design, changes[some], self.constant)
        return total


@dataclass(frozen=True)
class _GramKernel(Kernel[Array]):
    """The Gram matrix of all rows by their curvature (n, k, k)."""

    curvature: Array
    constant: tuple[bool, ...]

    def map(self, block: Block) -> Array:
        return weighted_gram(block.design, self.curvature[block.first_row : block.first_row + block.n_rows], self.constant)

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


def few_change(loss: Loss, sample: Block, before: Array, after: Array) -> bool:
    """Whether the curvature of few of the sample's rows differs between two points, (P, k) each."""
    first, second = (loss.derivatives(sample.targets, sample.linear_predictors(at), 2).curvature for at in (before, after))
    assert first is not None
    assert second is not None
    return float((first != second).any(axis=(1, 2)).mean()) <= FEW
