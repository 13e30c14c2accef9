"""The kinks near the linear predictors of a point: one pass that gathers the rows, and what the slope does at each.

Where a loss of y - eta names its kinks they are read off. Where it does not (the kink of |y - exp(eta)| is at log y, that of a hinge at
1 / y), each row's is looked for between two linear predictors, along one of them at a time, as ``losses.kinks`` looks for those of a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.losses.defaults import BoolArray
from gradline.losses.kinks import JUMP, excess
from gradline.losses.one_sided import OneSided
from gradline.losses.protocol import Loss
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

HALVINGS = 80

STRETCHES, STRETCH = 10, 2.0
"""Stretches that a row's kink is looked for in, one after the other, and how many times longer each is than the one before."""


class Near(NamedTuple):
    """Kinks of rows: columns (E, P) of the design, targets (E, q), predictors (E, k) and weights (E,) of the row; along (E,), the
    predictor by which the kink is met; sign (E,), 1 where that is as it rises and -1 as it falls; gap (E,), how far off it is; jump and
    bend (E,) of the slope there, as ``Hinges`` has them, for a row's weight of one."""

    columns: Array
    targets: Array
    predictors: Array
    weights: Array
    along: IntArray
    sign: Array
    gap: Array
    jump: Array
    bend: Array

    def take(self, places: IntArray) -> Near:
        return Near(*(part[places] for part in self))  # type: ignore[arg-type]


class _Found(NamedTuple):
    """Parts of what is near, not in order, and how many kinks they hold."""

    parts: list[Near]
    size: int

    def nearest(self, most: int, spare: float = 1.0) -> _Found:
        """Itself, or only the ``most`` nearest once there are more than ``spare`` times as many."""
        if self.size <= spare * most:
            return self
        whole = self.whole()
        return _Found([whole.take(np.argpartition(whole.gap, most)[:most])], most)

    def whole(self) -> Near:
        return Near(*(np.concatenate(column) for column in zip(*self.parts, strict=True)))


class Places(NamedTuple):
    """Kinks of a block's rows (E,), the other members as ``Near`` has them."""

    rows: IntArray
    along: IntArray
    sign: Array
    gap: Array
    jump: Array
    bend: Array


class Kinks(Protocol):
    """Where a loss's rows have kinks."""

    def places(self, targets: Array, predictors: Array, reach: float) -> Places:
        """Rows that have, or seem to have, a kink within reach of the predictors (m, k)."""

    def settled(self, near: Near, reach: float) -> Near:
        """What was found, and nothing that only seemed so."""


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

    def places(self, targets: Array, predictors: Array, reach: float) -> Places:
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
            found.append((rows, predictor, sign, beyond, np.full(rows.size, jump), np.maximum(-sign * bend, 0.0)))
        return _joined(found)

    def settled(self, near: Near, reach: float) -> Near:
        return near


@dataclass(frozen=True)
class SoughtKinks:
    """Kinks that are looked for in every row, along each linear predictor, at most one on either side within reach."""

    loss: OneSided

    def places(self, targets: Array, predictors: Array, reach: float) -> Places:
        lowered = self.loss.lowered(targets, predictors)
        found = []
        for a in range(predictors.shape[1]):
            line = _RowLines(self.loss.loss, targets, lowered, np.full(len(targets), a))
            here = (lowered[:, a], *line.slopes(lowered[:, a]))
            for sign in (1.0, -1.0):
                rows, distance = line.suspects(here, sign, reach)
                none = np.zeros(rows.size)
                found.append((rows, np.full(rows.size, a), np.full(rows.size, sign), distance, none, none))
        return _joined(found)

    def settled(self, near: Near, reach: float) -> Near:
        lowered = self.loss.lowered(near.targets, near.predictors)
        line = _RowLines(self.loss.loss, near.targets, lowered, near.along)
        places, low, high = line.nearest_jumps(near.sign, reach)
        near, line = near.take(places), line.take(places)
        # A little aside: on the kink itself the slope is a convention.
        aside = 8.0 * np.spacing(np.maximum(np.abs(near.targets).max(axis=1), np.maximum(np.abs(low), np.abs(high))))
        (below, bent_below), (above, bent_above) = line.slopes(low - aside), line.slopes(high + aside)
        gap = np.maximum(near.sign * (0.5 * (low + high) - near.predictors[np.arange(len(places)), near.along]), 0.0)
        jump, bend = above - below, np.maximum(near.sign * (bent_above - bent_below), 0.0)
        rises = np.flatnonzero(jump > JUMP * np.maximum(np.abs(below), np.abs(above)))
        return near._replace(gap=gap, jump=jump, bend=bend).take(rises)


@dataclass(frozen=True)
class _RowLines:
    """The slopes of rows, each along one of its linear predictors, the others as they are. along (m,): which."""

    loss: Loss
    targets: Array
    predictors: Array
    along: IntArray

    def take(self, rows: IntArray) -> _RowLines:
        return _RowLines(self.loss, self.targets[rows], self.predictors[rows], self.along[rows])

    @property
    def begin(self) -> Array:
        """Where the rows are on their lines, (m,)."""
        return np.asarray(self.predictors[np.arange(len(self.along)), self.along])

    def slopes(self, points: Array) -> tuple[Array, Array]:
        """Gradient and curvature at points (m,) of the lines."""
        rows = np.arange(len(points))
        predictors = self.predictors.copy()
        predictors[rows, self.along] = points
        with np.errstate(all="ignore"):
            _, gradient, curvature = self.loss.derivatives(self.targets, predictors, 2)
        assert gradient is not None
        assert curvature is not None
        return gradient[rows, self.along], np.nan_to_num(curvature[rows, self.along, self.along])

    def suspects(self, here: tuple[Array, Array, Array], sign: float, reach: float) -> tuple[IntArray, Array]:
        """Rows whose slope changes within reach by more than its curvature says, and about how far off. here: points and slopes."""
        distance, near = np.full(len(here[0]), np.inf), here
        for length in (reach / 16.0, reach):
            point = here[0] + sign * length
            far = (point, *self.slopes(point))
            jumps = _changes(near, far) & np.isinf(distance)
            distance[jumps] = length
            near = far
        rows = np.flatnonzero(np.isfinite(distance))
        return rows, distance[rows]

    def nearest_jumps(self, sign: Array, reach: float) -> tuple[IntArray, Array, Array]:
        """The first jump of each row's slope in the direction of its sign, (m,), within reach: places of the rows that have one, and the
        neighbouring doubles between which it is. Looked for in stretches that are short at first, so that curvature hides none."""
        m = len(sign)
        points = np.stack([self.begin, *(self.begin + sign * (reach * STRETCH**j) for j in range(1 - STRETCHES, 1))])
        everywhere = np.tile(np.arange(m), len(points))
        gradient, curvature = (part.reshape(points.shape) for part in self.take(everywhere).slopes(points.ravel()))
        near, far = (points[:-1], gradient[:-1], curvature[:-1]), (points[1:], gradient[1:], curvature[1:])
        chunk, places = np.nonzero(_changes(near, far))
        rising, first, last = sign[places] > 0, [part[chunk, places] for part in near], [part[chunk, places] for part in far]
        below = [np.where(rising, a, b) for a, b in zip(first, last, strict=True)]
        above = [np.where(rising, b, a) for a, b in zip(first, last, strict=True)]
        kept, low, high = self.take(places).narrowed(below, above)
        places = places[kept]
        # Stretches come in order, so the first of a row's is the nearest.
        nearest = np.unique(places, return_index=True)[1]
        return places[nearest], low[nearest], high[nearest]

    def narrowed(self, low: list[Array], high: list[Array]) -> tuple[IntArray, Array, Array]:
        """Rows whose slope jumps between low and high, points and slopes (m,) each, and the neighbouring doubles between which it does."""
        rows, lines = np.arange(len(low[0])), self
        size = np.maximum(np.abs(low[1]), np.abs(high[1]))
        for _ in range(HALVINGS):
            wide = high[0] - low[0] > 4.0 * np.spacing(np.maximum(np.abs(low[0]), np.abs(high[0])))
            if not wide.any():
                break
            point = 0.5 * (low[0] + high[0])
            middle = [point, *lines.slopes(point)]
            first, second = _excess(low, middle), _excess(middle, high)
            left = first >= second
            alive = np.flatnonzero(~wide | (np.maximum(first, second) > JUMP * size))
            high = [np.where(wide & left, new, old)[alive] for new, old in zip(middle, high, strict=True)]
            low = [np.where(wide & ~left, new, old)[alive] for new, old in zip(middle, low, strict=True)]
            rows, size, lines = rows[alive], size[alive], lines.take(alive)
        return rows, low[0], high[0]


def _excess(low: Sequence[Array], high: Sequence[Array]) -> Array:
    """By how much the slope changes more than its curvature says, from points and slopes."""
    return excess(low[0], high[0], low[1], high[1], low[2], high[2])


def _changes(near: Sequence[Array], far: Sequence[Array]) -> BoolArray:
    """Whether that is more than rounding."""
    changed: BoolArray = _excess(near, far) > JUMP * np.maximum(np.abs(near[1]), np.abs(far[1]))
    return changed


def _joined(found: Sequence[tuple[Any, ...]]) -> Places:
    if not found:
        none, no_rows = np.zeros(0), np.zeros(0, dtype=np.int64)
        return Places(no_rows, no_rows, none, none, none, none)
    return Places(*(np.concatenate(column) for column in zip(*found, strict=True)))


@dataclass(frozen=True)
class _NearKernel(Kernel[_Found]):
    writes_columns: ClassVar[bool] = True

    kinks: Kinks
    coefficients: Array
    reach: float
    most: int

    def map(self, block: Block) -> _Found:
        predictors, weights = block.linear_predictors(self.coefficients), block.row_weights
        counted = np.arange(block.n_rows) if weights is None else np.flatnonzero(weights > 0)
        places = self.kinks.places(block.targets[counted], predictors[counted], self.reach)
        rows = counted[places.rows]
        shares = np.ones(len(rows)) if weights is None else weights[rows]
        near = Near(block.design.take(rows).dense(), block.targets[rows], predictors[rows], shares, *places[1:])
        return _Found([near], len(rows))

    def merge(self, first: _Found, second: _Found) -> _Found:
        return _Found(first.parts + second.parts, first.size + second.size).nearest(self.most, spare=2.0)


def near_kinks(rows: Rows, kinks: Kinks, coefficients: Array, reach: float, most: int) -> Near:
    """The ``most`` kinks nearest to the rows' linear predictors at coefficients (P, k), of those within reach."""
    found = rows.reduce(_NearKernel(kinks, coefficients, reach, most)).nearest(most).whole()
    return kinks.settled(found, reach)
