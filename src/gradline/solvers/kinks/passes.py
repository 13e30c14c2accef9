"""Passes over all rows for the vertex solver: a smoothed Newton step, the rows nearest a kink, and the rows whose side has changed.

Rows far from a kink enter by their slope alone ("globs", Portnoy and Koenker 1997, Statistical Science 12, section 5), so a pass keeps
a few numbers for each row near a kink and one vector for all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.kinks.pieces import PieceArray, Pieces

SLOWEST = 1e-6
"""Speed along a direction, whose mean square over all rows is one, that is more than rounding."""


@dataclass(frozen=True)
class OneTarget:
    """One target of a problem, with its loss. jitter: times a fixed pseudo-random number per row in [-1, 1], added to the target.

    Ties make a linear program degenerate: many rows at one vertex, and steps of length zero that may go round in circles. A jitter far
    below anything that matters parts them; it is taken out again at the end.
    """

    pieces: Pieces
    target: int
    jitter: float = 0.0

    def targets(self, block: Block, rows: IntArray | None = None) -> Array:
        """y - offset (+ jitter), (m,); rows: the rows' numbers, where they are not consecutive from ``first_row``."""
        y: Array = block.targets[:, self.target].copy()
        if block.offset is not None:
            y -= block.offset[:, self.target]
        if self.jitter:
            numbers = np.arange(block.first_row, block.first_row + block.n_rows) if rows is None else rows
            y += self.jitter * noise(numbers)
        return y

    def residuals(self, block: Block, coefficients: Array) -> Array:
        """(m,), from coefficients (P,); 0 for rows of weight zero, which may hold anything."""
        found = self.targets(block) - block.design.predict(coefficients[:, None])[:, 0]
        weights = block.row_weights
        if weights is not None:
            found[weights == 0] = 0.0
        return found


def noise(numbers: IntArray) -> Array:
    """A fixed pseudo-random number in [-1, 1] for each row number: SplitMix64 (Steele, Lea and Flood 2014, OOPSLA)."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


class SmoothSums(NamedTuple):
    """Sums over rows of the smoothed loss, its gradient (P,) and its curvature (P, P)."""

    value: float
    gradient: Array
    curvature: Array


@dataclass(frozen=True)
class SmoothKernel(Kernel[SmoothSums]):
    """Value, gradient and curvature of the smoothed objective: the curvature from the rows in the window only, which are few."""

    column: OneTarget
    coefficients: Array
    width: float

    def map(self, block: Block) -> SmoothSums:
        value, slope, curvature = self.column.pieces.smooth(self.column.residuals(block, self.coefficients), self.width)
        weights = block.row_weights
        if weights is not None:
            value *= weights
            slope *= weights
            curvature *= weights
        inside = np.flatnonzero(curvature)
        if inside.size:
            gram = block.design.take(inside).gram(curvature[inside][:, None, None])
        else:
            gram = np.zeros((block.design.n_columns, block.design.n_columns))
        return SmoothSums(float(value.sum()), -block.design.adjoint(slope[:, None])[:, 0], gram)

    def merge(self, first: SmoothSums, second: SmoothSums) -> SmoothSums:
        gradient, curvature = first.gradient, first.curvature
        gradient += second.gradient
        curvature += second.curvature
        return SmoothSums(first.value + second.value, gradient, curvature)


class Near(NamedTuple):
    """Rows by number, with the piece each is on and its distance to a kink; parts, not in order."""

    rows: list[IntArray]
    piece: list[PieceArray]
    distance: list[Array]

    def nearest(self, most: int) -> Near:
        """Itself, or only the ``most`` nearest rows once there are more than twice as many: many rows may qualify where few are wanted."""
        if sum(len(part) for part in self.rows) <= 2 * most:
            return self
        rows, piece, distance = self.joined()
        kept = np.argpartition(distance, most)[:most]
        return Near([rows[kept]], [piece[kept]], [distance[kept]])

    def joined(self) -> tuple[IntArray, PieceArray, Array]:
        return np.concatenate(self.rows), np.concatenate(self.piece), np.concatenate(self.distance)

    def __add__(self, other: Near) -> Near:  # type: ignore[override]
        return Near(self.rows + other.rows, self.piece + other.piece, self.distance + other.distance)


class Survey(NamedTuple):
    """pull (P,): sum of weight times slope times x over all rows; near: the rows within reach of a kink."""

    outside_gradient: Array
    near: Near


@dataclass(frozen=True)
class SurveyKernel(Kernel[Survey]):
    """The pull of all rows by the pieces they are on, and the rows within ``reach`` of a kink (the nearest, where they are more than
    ``most``); zero weights never are.

    along: (P,), if given: also the rows that move along this direction, with the distance in units of their speed.
    """

    writes_columns: ClassVar[bool] = True

    column: OneTarget
    coefficients: Array
    reach: float
    most: int
    along: Array | None = None

    def map(self, block: Block) -> Survey:
        pieces = self.column.pieces
        residuals = self.column.residuals(block, self.coefficients)
        piece, distance = pieces.piece(residuals), pieces.distance(residuals)
        slope = pieces.slopes[piece]
        weights = block.row_weights
        near = distance <= self.reach
        if self.along is not None:
            moves = np.abs(block.design.predict(self.along[:, None])[:, 0])
            fast = moves > SLOWEST
            near |= fast
            distance[fast] /= moves[fast]
        if weights is not None:
            slope = weights * slope
            near &= weights > 0
        chosen = np.flatnonzero(near)
        outside_gradient = block.design.adjoint(slope[:, None])[:, 0]
        return Survey(outside_gradient, Near([chosen + block.first_row], [piece[chosen]], [distance[chosen]]))

    def merge(self, first: Survey, second: Survey) -> Survey:
        return Survey(first.outside_gradient + second.outside_gradient, (first.near + second.near).nearest(self.most))


class Check(NamedTuple):
    """excess: the weighted sum of how far rows lie above the line they were taken to be on; value: the weighted sum of their losses
    (relative to the first piece); flipped: those rows, with the piece they were taken to be on and minus their excess for a distance."""

    excess: float
    value: float
    flipped: Near


@dataclass(frozen=True)
class CheckKernel(Kernel[Check]):
    """Rows outside ``active`` (sorted numbers) whose residual at ``coefficients`` is off the piece it was on at ``reference``."""

    column: OneTarget
    reference: Array
    coefficients: Array
    active: IntArray
    final: OneTarget
    """How targets are read at ``coefficients``: as ``column`` reads them at the reference, or without its jitter."""
    rounding: float
    """What rounding may do to a typical residual."""
    most: int
    """Flipped rows to return at most, or twice as many."""

    def map(self, block: Block) -> Check:
        pieces = self.column.pieces
        piece = pieces.piece(self.column.residuals(block, self.reference))
        targets, residuals = self.final.targets(block), self.final.residuals(block, self.coefficients)
        # What rounding alone may put on the wrong side of a kink.
        slack = self.rounding + 1e-14 * (2.0 * np.abs(targets) + np.abs(residuals))
        excess = pieces.excess(residuals, piece, slack)
        value = pieces.value(residuals)
        first, last = np.searchsorted(self.active, [block.first_row, block.first_row + block.n_rows])
        excess[self.active[first:last] - block.first_row] = 0.0
        weights = block.row_weights
        if weights is not None:
            excess *= weights
            value *= weights
        chosen = np.flatnonzero(excess)
        near = Near([chosen + block.first_row], [piece[chosen]], [-excess[chosen]])
        return Check(float(excess.sum()), float(value.sum()), near)

    def merge(self, first: Check, second: Check) -> Check:
        return Check(first.excess + second.excess, first.value + second.value, (first.flipped + second.flipped).nearest(self.most))
