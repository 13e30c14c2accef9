"""Newton's method for smooth losses with absorbed levels: each step is least squares, whose levels the within transformation takes out.

With the curvatures h as weights and eta - g / h as the target, a step of Newton's method is a weighted least squares of all columns and
all levels (Correia, Guimaraes and Zylkin 2020, "Fast Poisson estimation with high-dimensional fixed effects"). Linear predictors are worked
out anew in each pass, of the coefficients and the levels: nothing is held by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, BoolArray
from gradline.linalg.level_columns import Category, LevelColumns, LevelPart, RowLevels, Taken
from gradline.linalg.within import MOST_ROUNDS, Transformed, transform
from gradline.losses.protocol import Loss
from gradline.rows.block import Block
from gradline.rows.levelled import LevelledRows

MOST_STEPS = 200

ENOUGH = 1e-22
"""A step whose square, in the metric of the curvature, is this part of the linear predictors' own is the last."""

FARTHEST = 1e3
"""Times the reach of the first step: farther, what rows on a straight part add to their level would be lost to rounding."""

ROUNDING = 1e-14
"""The same where no step makes the loss smaller."""

NEAR = 1e-10
"""The same where steps that shrink are not held against the loss, whose own rounding is larger than what they gain."""

FLATTEST = 1e-12
"""The least curvature of a row, as a part of the largest."""


@dataclass(frozen=True, eq=False)
class Predictors:
    """constant + x'coefficients + the row's levels + offset. coefficients (P,); levels (L,) of plain columns, None where they are zero."""

    coefficients: Array
    levels: Array | None
    columns: LevelColumns | None
    constant: float = 0.0

    def of(self, block: Block, levels: RowLevels) -> Array:
        """Of the rows of a block, (m,)."""
        found = block.design.slopes() @ self.coefficients
        found += self.constant
        if self.levels is not None and self.columns is not None:
            found += self.columns.image(levels, self.levels[:, None])[:, 0]
        if block.offset is not None:
            found += block.offset[:, 0]
        return np.asarray(found)


class AbsorbedOptimum(NamedTuple):
    """transformed: columns and linear predictors less offset, with the levels taken out under the curvatures at the optimum; aliased
    (P,): columns of which they leave nothing; predictors: at the optimum, by the coefficients of the transformed columns."""

    coefficients: Array
    predictors: Predictors
    steps: int
    converged: bool
    transformed: Transformed
    aliased: BoolArray


@dataclass(frozen=True, eq=False)
class _Curved:
    """How a row's curvature is kept from zero: at least |gradient| / reach, and at least ``floor``."""

    reach: float
    floor: float

    def of(self, gradient: Array, curvature: Array) -> Array:
        return np.maximum(np.maximum(curvature, np.abs(gradient) / self.reach), self.floor)


@dataclass(frozen=True, eq=False)
class _Working:
    """Columns, the target of a step and the weights, (m, P + 2), less what is taken out where something is. curved: None for the weights of
    the curvature alone and the linear predictors, less the offset, as the target."""

    loss: Loss
    rows: LevelledRows
    at: Predictors
    curved: _Curved
    step: bool
    taken: Taken | None = None

    def map(self, block: Block) -> Array:
        block, levels = self.rows.read(block)
        predictors = self.at.of(block, levels)
        g, h = _derivatives(self.loss, block, predictors)
        metric = self.curved.of(g if self.step else np.zeros(len(g)), h)
        target = predictors - (0.0 if block.offset is None else block.offset[:, 0])
        if self.step:
            target = target - g / metric
        weights = block.row_weights
        values = np.concatenate([block.design.slopes(), target[:, None]], axis=1)
        if self.taken is not None:
            values = self.taken.out_of(values, levels)
        return np.concatenate([values, (metric if weights is None else metric * weights)[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class _WorkingRows:
    """The same as rows whose levels are taken out."""

    kernel: _Working

    @property
    def n_rows(self) -> int:
        return self.kernel.rows.n_rows

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(own.category for own in self.kernel.rows.categories)

    def parts(self) -> Iterator[LevelPart]:
        return self._of(self.kernel)

    def left(self, taken: Taken) -> Iterator[LevelPart]:
        return self._of(replace(self.kernel, taken=taken))

    @staticmethod
    def _of(kernel: _Working) -> Iterator[LevelPart]:
        start = 0
        for values in kernel.rows.run(kernel):
            stop = start + len(values)
            yield LevelPart(kernel.rows.levels(start, stop), np.ascontiguousarray(values[:, -1]), np.ascontiguousarray(values[:, :-1]))
            start = stop


@dataclass(frozen=True, eq=False)
class _Look:
    """One row of sums for the rows of each block: loss at ``at`` moved by ``length`` times the way to ``to``; slope, square of the way in
    the metric at ``at``, squares of the predictors about zero in it, their sum, its sum, and the largest curvature there."""

    loss: Loss
    rows: LevelledRows
    at: Predictors
    to: Predictors
    curved: _Curved
    length: float

    def map(self, block: Block) -> Array:
        block, levels = self.rows.read(block)
        weights = block.weight_of_each_row
        here = self.at.of(block, levels)
        move = self.to.of(block, levels) - here
        g, h = _derivatives(self.loss, block, here)
        metric = weights * self.curved.of(g, h)
        with np.errstate(all="ignore"):
            losses = self.loss.derivatives(block.targets, (here + self.length * move)[:, None], 0).value
            value = float(np.dot(weights[weights > 0], losses[weights > 0]))
        way = (weights * g) @ move, metric @ np.square(move)
        own = metric @ np.square(here), metric @ here, metric.sum(), h.max(initial=0.0)
        return np.array([(value, *way, *own)])


@dataclass(frozen=True, eq=False)
class _Start:
    """One row for each block: loss, the largest curvature, the median of |gradient| / curvature, and how many rows it is of."""

    loss: Loss
    rows: LevelledRows
    at: Predictors

    def map(self, block: Block) -> Array:
        block, levels = self.rows.read(block)
        weights = block.weight_of_each_row
        here = self.at.of(block, levels)
        g, h = _derivatives(self.loss, block, here)
        with np.errstate(all="ignore"):
            losses = self.loss.derivatives(block.targets, here[:, None], 0).value
        used = weights > 0
        curved = used & (h > FLATTEST * h.max(initial=0.0))
        typical = float(np.median(np.abs(g[curved]) / h[curved])) if curved.any() else 0.0
        return np.array([[float(np.dot(weights[used], losses[used])), h.max(initial=0.0), typical * curved.sum(), float(curved.sum())]])


def _derivatives(loss: Loss, block: Block, predictors: Array) -> tuple[Array, Array]:
    """(gradient, curvature), (m,) each, unweighted; zero where a row counts for nothing. Raises SolverError where one is not finite."""
    _, gradient, curvature = loss.derivatives(block.targets, predictors[:, None], 2)
    assert gradient is not None
    assert curvature is not None
    g, h = gradient[:, 0], curvature[:, 0, 0]
    if not (np.isfinite(g).all() and np.isfinite(h).all()):
        weights = block.row_weights
        if weights is not None:
            g, h = np.where(weights > 0, g, 0.0), np.where(weights > 0, h, 0.0)
        if not (np.isfinite(g).all() and np.isfinite(h).all()):
            raise SolverError(f"the loss {loss.name!r} has no finite derivative in some row: check its targets")
    return g, h


def solve_absorbed(
    loss: Loss, rows: LevelledRows, n_columns: int, constant: float, tell: Callable[[Transformed, _WorkingRows], BoolArray]
) -> AbsorbedOptimum:
    """The minimum over coefficients and levels. constant: the linear predictor where it starts, beside the offset. tell: which columns are
    aliased in what the levels leave, (P,)."""
    at = Predictors(np.zeros(n_columns), None, None, constant)
    found = np.concatenate(list(rows.run(_Start(loss, rows, at))))
    value, largest = float(found[:, 0].sum()), float(found[:, 1].max())
    if not np.isfinite(value):
        raise SolverError(f"the loss {loss.name!r} is not finite where it starts from: check targets and offset")
    if not largest > 0:
        raise SolverError(f"the loss {loss.name!r} has no curvature in any row, and absorbed levels need some")
    reach = start = 10.0 * float(found[:, 2].sum() / max(found[:, 3].sum(), 1.0)) + 1e-300
    converged, steps, last = False, 0, np.inf
    while steps < MOST_STEPS:
        steps += 1
        # A row on a straight part of the loss asks for a step without end: it gets the curvature that lets it go no further than ``reach``.
        curved = _Curved(reach, FLATTEST * largest)
        to = _step(_WorkingRows(_Working(loss, rows, at, curved, True)), tell)
        tried, slope, size, own, highest = _look(_Look(loss, rows, at, to, curved, 1.0))
        largest = max(highest, 1e-300)
        length, near, last = 1.0, size <= NEAR * own and reach >= start and size < 0.25 * last, size
        while not (near or (np.isfinite(tried) and tried <= value + 1e-4 * length * slope + 1e-14 * abs(value))):
            length *= 0.5
            if length <= 0.1:
                break
            tried = _look(_Look(loss, rows, at, to, curved, length))[0]
        if length <= 0.1:
            if size <= ROUNDING * own and reach >= start:
                converged = True
                break
            reach /= 16.0
            continue
        at, value = _between(at, to, length), tried
        if size <= ENOUGH * own and reach >= start:
            converged = True
            break
        # Where whole steps succeed, Newton's own are let through.
        reach = min(8.0 * reach, FARTHEST * start) if length == 1.0 else 0.5 * reach
    final = _WorkingRows(_Working(loss, rows, at, _Curved(np.inf, 1e-10 * largest), False))
    transformed = transform(final, MOST_ROUNDS)
    aliased = tell(transformed, final)
    coefficients = _coefficients(transformed, aliased)
    return AbsorbedOptimum(coefficients, at, steps, converged, transformed, aliased)


def _step(rows: _WorkingRows, tell: Callable[[Transformed, _WorkingRows], BoolArray]) -> Predictors:
    """Where Newton's step leads."""
    transformed = transform(rows, 1)
    coefficients = _coefficients(transformed, tell(transformed, rows))
    taken = transformed.taken
    assert taken.levels is not None
    levels = taken.levels[:, -1] - taken.levels[:, :-1] @ coefficients
    return Predictors(coefficients, levels, taken.columns, float(taken.shift[-1] - taken.shift[:-1] @ coefficients))


def _coefficients(transformed: Transformed, aliased: BoolArray) -> Array:
    """(P,), by the products of what is left; zero for aliased columns."""
    products = transformed.left
    kept = np.flatnonzero(~aliased)
    found = np.zeros(len(products) - 1)
    if kept.size:
        scale = np.sqrt(np.diag(products)[kept])
        gram = products[np.ix_(kept, kept)] / np.outer(scale, scale)
        found[kept] = np.linalg.lstsq(gram, products[kept, -1] / scale, rcond=None)[0] / scale
    return found


def _look(kernel: _Look) -> tuple[float, float, float, float, float]:
    """(loss, slope, square of the way, the predictors' own squares about their mean with the sum of the metric, the largest curvature)."""
    found = np.concatenate(list(kernel.rows.run(kernel)))
    value, slope, size, squares, total, metric = (float(own) for own in found[:, :6].sum(axis=0))
    return value, slope, size, max(squares - total**2 / max(metric, 1e-300), 0.0) + metric, float(found[:, 6].max())


def _between(at: Predictors, to: Predictors, length: float) -> Predictors:
    """``at`` moved by ``length`` times the way to ``to``: levels are those of columns whose slopes are turned under other weights."""
    if length == 1.0 or at.columns is None:
        return to if length == 1.0 else _mixed(replace(at, levels=None), to, length)
    return _mixed(at, to, length)


def _mixed(at: Predictors, to: Predictors, length: float) -> Predictors:
    assert to.levels is not None
    assert to.columns is not None
    coefficients = at.coefficients + length * (to.coefficients - at.coefficients)
    constant = at.constant + length * (to.constant - at.constant)
    mine = 0.0 if at.levels is None or at.columns is None else _in_given(at.columns, at.levels)
    levels = mine + length * (_in_given(to.columns, to.levels) - mine)
    return Predictors(coefficients, levels, _unturned(to.columns), constant)


def _in_given(columns: LevelColumns, levels: Array) -> Array:
    """The coefficients (L,) of the slopes as they were given."""
    found = []
    for place, own in enumerate(columns.categories):
        constants, slopes = columns.given(place, levels[columns.bounds[place] : columns.bounds[place + 1]])
        found += [*([constants] if own.constant else []), *slopes.T]
    return np.concatenate(found)


def _unturned(columns: LevelColumns) -> LevelColumns:
    """The columns of the slopes as they were given."""
    turns = tuple(tuple(np.zeros_like(own) for own in each) for each in columns.turns)
    flat = tuple(tuple(np.zeros_like(own) for own in each) for each in columns.flat)
    return LevelColumns(columns.categories, turns, flat)
