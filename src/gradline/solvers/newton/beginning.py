"""Where Newton's method begins: at a constant, or with a loss of residuals at least squares, one pass and no call of a framework."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradline.base.types import Array
from gradline.losses.families.robust import Squared
from gradline.objective.objective import Problem
from gradline.rows.block import Block

LOOKED_AT = 10_000
"""Rows that tell which of two beginnings is nearer."""


def constant_start(problem: Problem) -> Array:
    """Slopes of zero, and an intercept at which the loss is finite."""
    begin = np.zeros(problem.shape)
    if problem.rows.intercept:
        block = problem.rows.sample(LOOKED_AT)
        begin[0] = problem.loss.start(_as_often_as_they_count(block.without_zero_weights()))
        if block.offset is not None:
            begin[0] -= block.offset.mean(axis=0)
    return begin


def _as_often_as_they_count(block: Block) -> Array:
    """The targets, each as often as its weight says where weights are small whole numbers, so that weight 2 equals the row twice even where
    there is no optimum and the end depends on the start."""
    weights = block.row_weights
    if weights is None or (weights != np.round(weights)).any() or not 0 < weights.sum() <= 100 * LOOKED_AT:
        return block.targets
    return np.repeat(block.targets, weights.astype(np.int64), axis=0)


def from_least_squares(problem: Problem, begin: Array) -> Array:
    """The coefficients (P, k) of least squares, or ``begin`` where most residuals of a sample are smaller there, as where some targets are
    wild."""
    free = problem.free
    with np.errstate(all="ignore"):
        found = replace(problem, loss=Squared()).evaluate(begin, 2)
        assert found.gradient is not None
        assert found.curvature is not None
        gradient, curvature = free.restrict_gradient(found.gradient), free.restrict_curvature(found.curvature)
        scale = np.sqrt(np.diag(curvature))
        scale[~(scale > 0)] = 1.0
        gradient, curvature = gradient / scale, curvature / np.outer(scale, scale)
        if not (np.isfinite(gradient).all() and np.isfinite(curvature).all()):
            return begin
        step = np.linalg.lstsq(curvature, -gradient, rcond=1e-10)[0] / scale
        near = free.expand(free.contract(begin) + step)
        return near if _typical_residual(problem, near) < _typical_residual(problem, begin) else begin


def _typical_residual(problem: Problem, coefficients: Array) -> float:
    block = problem.rows.sample(LOOKED_AT).without_zero_weights()
    return float(np.median(np.abs(block.targets - block.linear_predictors(coefficients))))
