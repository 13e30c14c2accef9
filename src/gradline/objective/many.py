"""The mean loss at many coefficients in one pass: a block's rows are read once and multiplied with all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.design.dense import weighted_gram
from gradline.losses.protocol import Loss
from gradline.objective.objective import RUN_ROWS, Problem
from gradline.rows.block import Block
from gradline.rows.folds import Folds
from gradline.rows.kernel import Kernel

FEW_ROWS = 10_000
"""That a loss which is no tape sees at once: they stay near the core, and outweigh the calls."""


class Asked(NamedTuple):
    """Coefficients (m, P, k) at which the loss is asked for; without: the fold whose rows do not count, None for all rows; curvature_at:
    the places among the m whose curvature is asked for too."""

    coefficients: Array
    without: int | None
    curvature_at: tuple[int, ...] = ()


class Answer(NamedTuple):
    """values (m,): mean losses; gradients (m, P, k); curvatures: (k P, k P) of each place asked for. held_out (m,), held_weight: the sum of
    the loss over the fold without which it was, and of its weights; zero where all rows count."""

    values: Array
    gradients: Array
    curvatures: list[Array]
    held_out: Array
    held_weight: float


class _Sums(NamedTuple):
    weight: float
    values: Array
    gradients: Array
    curvatures: list[Array]
    held_out: Array
    held_weight: float


def evaluate_many(problem: Problem, asked: list[Asked], folds: Folds | None = None) -> list[Answer]:
    """The mean loss of a problem, without its penalty: one pass for everything that is asked."""
    kernel = _ManyKernel(problem.loss, tuple(asked), folds)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sums = problem.rows.reduce(kernel)
        return [
            Answer(s.values / s.weight, s.gradients / s.weight, [c / s.weight for c in s.curvatures], s.held_out, s.held_weight)
            for s in sums
        ]


@dataclass(frozen=True)
class _ManyKernel(Kernel[list[_Sums]]):
    loss: Loss
    asked: tuple[Asked, ...]
    folds: Folds | None

    def map(self, block: Block) -> list[_Sums]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            owner = None if self.folds is None else self.folds.of(block)
            return [self._sums(block, owner, each) for each in self.asked]

    def _sums(self, block: Block, owner: Any, asked: Asked) -> _Sums:
        coefficients = asked.coefficients
        m, size, k = coefficients.shape
        n, weights = block.n_rows, block.row_weights
        inside = None
        if asked.without is not None and owner is not None:
            inside = owner == asked.without
        # One predictor's coefficients lie beside each other, and so do its predictions; a sparse matrix wants them the other way round.
        by_columns = k == 1 and not block.design.sparse
        flat = coefficients.reshape(m, size).T if by_columns else np.ascontiguousarray(coefficients.transpose(1, 0, 2)).reshape(size, m * k)
        # (n, m k): the predictors of one set of coefficients beside those of the next.
        predictors = block.design.predict(flat)
        if block.offset is not None:
            predictors += np.tile(block.offset, m)
        points = np.ascontiguousarray(predictors.reshape(n, m, k).transpose(1, 0, 2))
        values, gradients = self._derivatives(block.targets, points)
        held, held_weight = np.zeros(m), 0.0
        full = np.ones(n) if weights is None else weights
        if inside is not None and inside.any():
            held = _safe(values[:, inside], full[inside]) @ full[inside]
            held_weight = float(full[inside].sum())
            full = np.where(inside, 0.0, full)
        used = weights is not None or held_weight > 0
        if used:
            values, gradients = _safe(values, full), _safe(gradients, full[:, None])
            gradients = gradients * full[:, None]
        total = values @ full if used else values.sum(axis=1)
        beside = gradients.transpose(1, 0, 2) if by_columns else np.ascontiguousarray(gradients.transpose(1, 0, 2))
        adjoint = block.design.adjoint(beside[:, :, 0] if k == 1 else beside.reshape(n, m * k))
        curvatures = [self._curvature(block, points[place], full if used else None) for place in asked.curvature_at]
        return _Sums(
            float(full.sum()) if used else float(n),
            total,
            np.ascontiguousarray(adjoint.reshape(size, m, k).transpose(1, 0, 2)),
            curvatures,
            held,
            held_weight,
        )

    def _derivatives(self, targets: Array, points: Array) -> tuple[Array, Array]:
        """(values (m, n), gradients (m, n, k)) at predictors (m, n, k)."""
        m, n, k = points.shape
        values, gradients = np.empty((m, n)), np.empty((m, n, k))
        run = min(m, max(1, (RUN_ROWS if self.loss.takes_long_runs else FEW_ROWS) // max(n, 1)))
        repeated = targets if run == 1 else np.tile(targets, (run, 1))
        for first in range(0, m, run):
            part = points[first : first + run]
            found = self.loss.derivatives(repeated[: len(part) * n], part.reshape(-1, k), 1)
            assert found.gradient is not None
            values[first : first + run] = found.value.reshape(len(part), n)
            gradients[first : first + run] = found.gradient.reshape(len(part), n, k)
        return values, gradients

    def _curvature(self, block: Block, predictors: Array, weights: Array | None) -> Array:
        curvature = self.loss.derivatives(block.targets, predictors, 2).curvature
        assert curvature is not None
        if weights is not None:
            curvature = np.where(weights[:, None, None] > 0, curvature, 0.0) * weights[:, None, None]
        return weighted_gram(block.design, curvature, self.loss.intercept_only)

    def merge(self, first: list[_Sums], second: list[_Sums]) -> list[_Sums]:
        return [_merged(a, b) for a, b in zip(first, second, strict=True)]


def _safe(values: Array, weights: Array) -> Array:
    """Values that count for nothing where their weight is zero, even where they overflow."""
    return values if np.isfinite(values).all() else np.where(weights > 0, values, 0.0)


def _merged(first: _Sums, second: _Sums) -> _Sums:
    """The sums of both; the first's arrays are added to in place."""
    for mine, other in zip(
        (first.values, first.gradients, first.held_out), (second.values, second.gradients, second.held_out), strict=True
    ):
        mine += other
    for mine, other in zip(first.curvatures, second.curvatures, strict=True):
        mine += other
    return first._replace(weight=first.weight + second.weight, held_weight=first.held_weight + second.held_weight)
