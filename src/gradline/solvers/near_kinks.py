"""The kinks near the linear predictors of a point: one pass that gathers the rows, and what the slope does at each.

Where a loss of y - eta names its kinks they are read off. Where it does not (the kink of |y - exp(eta)| is at log y, that of a hinge at
1 / y), each row's is looked for between two linear predictors, along one of them at a time, as ``losses.kinks`` looks for those of a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from gradline.losses.kinks import JUMP, excess
from gradline.losses.one_sided import OneSided
from gradline.losses.protocol import Loss
from gradline.rows.block import Block, Rows
from gradline.types import Array, IntArray

HALVINGS = 80

STRETCHES, STRETCH = 10, 2.0
"""Stretches that a row's kink is looked for in, one after the other, and how many times longer each is than the one before."""


class Near(NamedTuple):
    """Kinks of rows, in parts: columns (E, P) of the design, weights (E,), the predictor each is met along (E,), 1 where it is met as that
    rises and -1 where it falls (E,), gap (E,) and slope: the jump and bend of the slope there, as ``Hinges`` has them, for a row's
    weight of one."""

    columns: Array
    weights: Array
    predictor: IntArray
    sign: Array
    gap: Array
    jump: Array
    bend: Array

    def take(self, places: IntArray) -> Near:
        return Near(*(part[places] for part in self))


class _Found(NamedTuple):
    """Parts of what is near, not in order, and how many kinks they hold."""

    parts: list[Near]
    count: int

    def nearest(self, most: int, spare: float = 1.0) -> _Found:
        """Itself, or only the ``most`` nearest once there are more than ``spare`` times as many."""
        if self.count <= spare * most:
            return self
        whole = self.whole()
        return _Found([whole.take(np.argpartition(whole.gap, most)[:most])], most)

    def whole(self) -> Near:
        return Near(*(np.concatenate(column) for column in zip(*self.parts, strict=True)))


class Kinks(Protocol):
    """Where a loss's rows have kinks."""

    def near(self, targets: Array, predictors: Array, reach: float) -> tuple[IntArray, Near]:
        """Rows (E,) with a kink within reach of the predictors (m, k), and those kinks; columns and weights left empty."""


@dataclass(frozen=True)
class NamedKinks:
    """Kinks of a loss of r = y - eta, summed over targets: positions (K,), the jump and the bend of the slope in r at each (K,)."""

    loss: OneSided
    positions: Array
    jumps: Array
    bends: Array

    @classmethod
    def of(cls, loss: OneSided, positions: tuple[float, ...], n_targets: int) -> NamedKinks:
        kinks = np.array(positions)
        step = np.maximum(8.0 * np.spacing(np.abs(kinks)), 1e-150)
        sides = []
        for points in (kinks - step, kinks + step):
            # With y = 0 the residual is minus the predictor exactly; other targets stay off the kinks.
            predictors = np.full((len(kinks), n_targets), -(kinks[-1] + 1.0 + abs(kinks[-1])))
            predictors[:, 0] = -points
            _, gradient, curvature = loss.loss.derivatives(np.zeros(predictors.shape), predictors, 2)
            assert gradient is not None
            assert curvature is not None
            sides.append((-gradient[:, 0], curvature[:, 0, 0]))
        return cls(loss, kinks, sides[1][0] - sides[0][0], sides[1][1] - sides[0][1])

    def near(self, targets: Array, predictors: Array, reach: float) -> tuple[IntArray, Near]:
        lowered = targets - self.loss.lowered(targets, predictors)
        residuals = targets - predictors
        found = []
        for kink, jump, bend in zip(self.positions, self.jumps, self.bends, strict=True):
            gap = np.abs(residuals - kink)
            rows, predictor = np.nonzero(gap <= reach)
            if jump <= 0 or not rows.size:
                continue
            # A kink below the residual is met as eta rises.
            rises = lowered[rows, predictor] >= kink
            sign = np.where(rises, 1.0, -1.0)
            beyond = np.where((residuals[rows, predictor] >= kink) == rises, gap[rows, predictor], 0.0)
            found.append((rows, predictor, sign, beyond, np.full(rows.size, jump), -sign * bend))
        return _joined(found)


@dataclass(frozen=True)
class SoughtKinks:
    """Kinks that are looked for in every row, along each linear predictor, at most one on either side within reach."""

    loss: OneSided

    def near(self, targets: Array, predictors: Array, reach: float) -> tuple[IntArray, Near]:
        lowered = self.loss.lowered(targets, predictors)
        found = []
        for a in range(predictors.shape[1]):
            for sign in (1.0, -1.0):
                line = _RowLines(self.loss.loss, targets, lowered, a)
                rows, low, high = line.nearest_jump(lowered[:, a], predictors[:, a], sign, reach)
                if not rows.size:
                    continue
                # A little aside: on the kink itself the slope is a convention.
                aside = 8.0 * np.spacing(np.maximum(np.abs(targets[rows]).max(axis=1), np.maximum(np.abs(low), np.abs(high))))
                below, above = line.take(rows).slopes(low - aside), line.take(rows).slopes(high + aside)
                gap = np.maximum(sign * (0.5 * (low + high) - predictors[rows, a]), 0.0)
                jump, bend = above[0] - below[0], sign * (above[1] - below[1])
                rises = jump > JUMP * np.maximum(np.abs(below[0]), np.abs(above[0]))
                part = (rows, np.full(rows.size, a), np.full(rows.size, sign), gap, jump, bend)
                found.append(tuple(column[rises] for column in part))
        return _joined(found)


@dataclass(frozen=True)
class _RowLines:
    """The slopes of rows along one of their linear predictors, the others as they are."""

    loss: Loss
    targets: Array
    predictors: Array
    along: int

    def take(self, rows: IntArray) -> _RowLines:
        return _RowLines(self.loss, self.targets[rows], self.predictors[rows], self.along)

    def slopes(self, points: Array) -> tuple[Array, Array]:
        """Gradient and curvature at points (m,) of the predictor."""
        predictors = self.predictors.copy()
        predictors[:, self.along] = points
        with np.errstate(all="ignore"):
            _, gradient, curvature = self.loss.derivatives(self.targets, predictors, 2)
        assert gradient is not None
        assert curvature is not None
        return gradient[:, self.along], np.nan_to_num(curvature[:, self.along, self.along])

    def nearest_jump(self, begin: Array, middle: Array, sign: float, reach: float) -> tuple[IntArray, Array, Array]:
        """As ``narrowed``, for the first stretch from ``begin`` on with a jump: stretches are short at first, so that curvature hides
        none, and end where ``middle`` is left by the reach."""
        left, near = np.arange(len(begin)), begin
        parts = []
        for distance in reach * STRETCH ** np.arange(1.0 - STRETCHES, 1.0):
            far = middle[left] + sign * distance
            rows, low, high = self.take(left).narrowed(np.minimum(near, far), np.maximum(near, far))
            parts.append((left[rows], low, high))
            kept = np.setdiff1d(np.arange(len(left)), rows)
            left, near = left[kept], far[kept]
        rows, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
        return rows, low, high

    def narrowed(self, low: Array, high: Array) -> tuple[IntArray, Array, Array]:
        """Rows whose slope jumps between low and high (m,), and the neighbouring doubles between which it does."""
        ends = [*self.slopes(low), *self.slopes(high)]
        size = np.maximum(np.abs(ends[0]), np.abs(ends[2]))
        rows, lines = np.arange(len(low)), self
        alive = excess(low, high, ends[0], ends[2], ends[1], ends[3]) > JUMP * size
        for _ in range(HALVINGS):
            rows, low, high, lines = rows[alive], low[alive], high[alive], lines.take(np.flatnonzero(alive))
            ends, size = [part[alive] for part in ends], size[alive]
            wide = high - low > 4.0 * np.spacing(np.maximum(np.abs(low), np.abs(high)))
            if not wide.any():
                break
            middle = 0.5 * (low + high)
            g, h = lines.slopes(middle)
            first = excess(low, middle, ends[0], g, ends[1], h)
            second = excess(middle, high, g, ends[2], h, ends[3])
            left = wide & (first >= second)
            right = wide & ~left
            high, ends[2], ends[3] = np.where(left, middle, high), np.where(left, g, ends[2]), np.where(left, h, ends[3])
            low, ends[0], ends[1] = np.where(right, middle, low), np.where(right, g, ends[0]), np.where(right, h, ends[1])
            alive = np.where(wide, np.maximum(first, second), np.inf) > JUMP * size
        return rows, low, high


def _joined(found: list[tuple[Array, ...]]) -> tuple[IntArray, Near]:
    if not found:
        nothing = np.zeros(0)
        return np.zeros(0, dtype=np.int64), Near(np.zeros((0, 0)), nothing, np.zeros(0, dtype=np.int64), *[nothing] * 4)
    rows, predictor, sign, gap, jump, bend = (np.concatenate(column) for column in zip(*found, strict=True))
    return rows, Near(np.zeros((len(rows), 0)), np.zeros(len(rows)), predictor, sign, gap, jump, np.maximum(bend, 0.0))


@dataclass(frozen=True)
class _NearKernel:
    kinks: Kinks
    coefficients: Array
    reach: float
    most: int

    def map(self, block: Block) -> _Found:
        predictors, weights = block.linear_predictors(self.coefficients), block.row_weights
        counted = np.arange(block.n_rows) if weights is None else np.flatnonzero(weights > 0)
        rows, near = self.kinks.near(block.targets[counted], predictors[counted], self.reach)
        rows = counted[rows]
        shares = np.ones(len(rows)) if weights is None else weights[rows]
        near = near._replace(columns=block.design.take(rows).dense(), weights=shares)
        return _Found([near], len(rows))

    def merge(self, first: _Found, second: _Found) -> _Found:
        return _Found(first.parts + second.parts, first.count + second.count).nearest(self.most, spare=2.0)


def near_kinks(rows: Rows, kinks: Kinks, coefficients: Array, reach: float, most: int) -> Near:
    """The ``most`` kinks nearest to the rows' linear predictors at coefficients (P, k), of those within reach."""
    return rows.reduce(_NearKernel(kinks, coefficients, reach, most)).nearest(most).whole()
