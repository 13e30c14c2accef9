"""Where Newton's method begins: at a constant, or with a loss of residuals at least squares, one pass and no call of a framework."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradline.base.types import Array
from gradline.losses.families.robust import Squared
from gradline.objective.objective import Problem

LOOKED_AT = 10_000
"""Rows that tell which of two beginnings is nearer."""


def constant_start(problem: Problem) -> Array:
    """Slopes of zero, and an intercept at which the loss is finite."""
    begin = np.zeros(problem.shape)
    if problem.rows.intercept:
        block = problem.rows.sample(10_000)
        begin[0] = problem.loss.start(block.without_zero_weights().targets)
        if block.offset is not None:
            begin[0] -= block.offset.mean(axis=0)
    return begin


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
