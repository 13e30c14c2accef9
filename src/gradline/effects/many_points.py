"""The objective at many points in one pass: the rows are decoded once, whoever asks. What profiles and bootstraps are made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import weighted_gram
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

MOST_NUMBERS = 2**23
"""Of the curvatures that one pass adds up: 64 MiB."""

MOST_AT_ONCE = 2**20
"""Linear predictors that a loss is differentiated at by one call."""


class Counts(Protocol):
    """How often each row counts at each of the points."""

    def split(self, block: Block) -> tuple[Block, Array | None]:
        """(the block of the fit, counts (m, S), or None where each row counts as it is)."""

    def rows(self, rows: Rows) -> Rows:
        """The rows whose blocks ``split`` takes."""

    def of(self, points: Sequence[int] | IntArray) -> Counts:
        """For some of the points."""


class AsTheyAre:
    """Every row counts as it does in the fit."""

    def split(self, block: Block) -> tuple[Block, Array | None]:
        return block, None

    def rows(self, rows: Rows) -> Rows:
        return rows

    def of(self, points: Sequence[int] | IntArray) -> AsTheyAre:
        return self


class ManySums(NamedTuple):
    """Totals over the rows at S points: value (S,), gradient (S, P, k), curvature (S, k P, k P), weight (S,)."""

    value: Array
    gradient: Array
    curvature: Array
    weight: Array


@dataclass(frozen=True)
class _ManyKernel(Kernel[ManySums]):
    loss: Loss
    points: Array
    counts: Counts

    def map(self, block: Block) -> ManySums:
        block, times = self.counts.split(block)
        block = block if times is not None else block.without_zero_weights()
        count, size, k = self.points.shape
        m, own = block.n_rows, block.row_weights
        base = np.ones(m) if own is None else own
        weights = np.repeat(base[:, None], count, axis=1) if times is None else base[:, None] * times
        together = block.design.predict(np.ascontiguousarray(self.points.transpose(1, 0, 2).reshape(size, count * k)))
        predictors = together.reshape(m, count, k)
        if block.offset is not None:
            predictors = predictors + block.offset[:, None, :]
        value, gradient = np.zeros(count), np.zeros((count, m, k))
        curvature = np.empty((count, k * size, k * size))
        step = max(1, MOST_AT_ONCE // max(1, m * k))
        for first in range(0, count, step):
            part = slice(first, min(count, first + step))
            width = part.stop - part.start
            flat = np.ascontiguousarray(predictors[:, part].transpose(1, 0, 2)).reshape(width * m, k)
            found = self.loss.derivatives(np.tile(block.targets, (width, 1)), flat, 2)
            assert found.gradient is not None
            assert found.curvature is not None
            factor = weights[:, part].T
            idle = factor == 0
            value[part] = np.where(idle, 0.0, factor * found.value.reshape(width, m)).sum(axis=1)
            gradient[part] = np.where(idle[:, :, None], 0.0, factor[:, :, None] * found.gradient.reshape(width, m, k))
            bent = np.where(idle[:, :, None, None], 0.0, factor[:, :, None, None] * found.curvature.reshape(width, m, k, k))
            for i in range(width):
                curvature[first + i] = weighted_gram(block.design, bent[i], self.loss.intercept_only)
        flat_gradient = block.design.adjoint(np.ascontiguousarray(gradient.transpose(1, 0, 2).reshape(m, count * k)))
        summed = flat_gradient.reshape(size, count, k).transpose(1, 0, 2)
        return ManySums(value, np.ascontiguousarray(summed), curvature, weights.sum(axis=0))

    def merge(self, first: ManySums, second: ManySums) -> ManySums:
        for mine, other in zip(first, second, strict=True):
            mine += other
        return first


def at_many(problem: Problem, points: Array, counts: Counts | None = None) -> ManySums:
    """The total objective at points (S, P, k): a pass, or several where the curvatures would not fit. A smooth penalty counts as often as
    the rows' weights do at each point."""
    counts = AsTheyAre() if counts is None else counts
    rows = counts.rows(problem.rows)
    size, k = problem.shape
    most = max(1, MOST_NUMBERS // (k * size) ** 2)
    parts = []
    for first in range(0, len(points), most):
        places = np.arange(first, min(len(points), first + most))
        parts.append(rows.reduce(_ManyKernel(problem.loss, points[places], counts.of(places))))
    found = ManySums(*(np.concatenate(own) for own in zip(*parts, strict=True)))
    return found if problem.penalty is None else _penalised(problem, points, found)


def _penalised(problem: Problem, points: Array, sums: ManySums) -> ManySums:
    for i, point in enumerate(points):
        terms, weight = problem.penalty_terms(point, 2), sums.weight[i]
        assert terms.gradient is not None
        assert terms.curvature is not None
        sums.value[i] += weight * terms.value
        sums.gradient[i] += weight * terms.gradient
        bent = terms.curvature
        sums.curvature[i] += weight * (np.diag(bent.T.ravel()) if bent.shape == point.shape else bent)
    return sums


def stacked(points: Array) -> Array:
    """(S, P, k) -> (S, k P), the columns of each B one below the other."""
    return np.ascontiguousarray(points.transpose(0, 2, 1)).reshape(len(points), -1)


def unstacked(theta: Array, shape: tuple[int, int]) -> Array:
    """(S, k P) -> (S, P, k)."""
    size, k = shape
    return np.ascontiguousarray(theta.reshape(len(theta), k, size).transpose(0, 2, 1))
