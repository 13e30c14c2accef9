"""Objectives that fall for ever: separation and its kin.

A logistic fit to data that a line separates, or a Poisson fit with a group whose counts are all zero, has no optimum: some direction
lowers the objective without end, ever more slowly (Albert and Anderson 1984, Biometrika 71). Newton's steps then look like convergence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradline.coefficient_map import CoefficientMap
from gradline.problem import Problem
from gradline.types import Array


class Runaway(NamedTuple):
    """Why there is no optimum, and what to do."""

    reason: str
    remedy: str


FLAT = 1e-6
"""Curvature below this share of what it was at the start is a sign of a direction that never ends."""


def unbounded_direction(
    problem: Problem, free: CoefficientMap, theta: Array, curvature: Array, scale: Array, value: float
) -> Runaway | None:
    """A direction along which the objective keeps falling far away, or None.

    theta (d,): where the solver stopped; curvature (d, d) there; scale (d,): square roots of the diagonal of the curvature at the start.
    """
    if not np.isfinite(curvature).all():
        return None
    scale = np.maximum(scale, np.sqrt(np.abs(np.diag(curvature))))
    eigenvalues, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    if eigenvalues[0] > FLAT:
        return None
    for index in np.flatnonzero(eigenvalues <= FLAT):
        for sign in (1.0, -1.0):
            direction = sign * vectors[:, index] / scale
            names = _falls(problem, free, theta, direction, value)
            if names is not None:
                return Runaway(
                    f"the objective keeps falling as {names} grows in size without end: no finite coefficients are best (separation)",
                    "Leave that column out, merge its level with another, or add a ridge such as penalty=gl.penalties.ridge(1e-3).",
                )
    return None


def _falls(problem: Problem, free: CoefficientMap, theta: Array, direction: Array, value: float) -> str | None:
    """The columns that run away, if the objective is no higher at 10, 100 and 1,000 units of linear predictor further on."""
    unit = free.expand(direction) - free.base
    block = problem.rows.take(np.unique(np.linspace(0, problem.rows.n_rows - 1, min(problem.rows.n_rows, 10_000)).astype(np.int64)))
    reach = float(np.abs(block.design.predict(unit)).max())
    if reach == 0:
        return None
    last = value
    for distance in (10.0, 100.0, 1000.0):
        with np.errstate(over="ignore", invalid="ignore"):
            further = problem.evaluate(free.expand(theta + direction * (distance / reach)), 0).value
        if not further <= last + 1e-12 * abs(value):
            return None
        last = further
    share = np.abs(unit) * np.abs(block.design.dense()).max(axis=0)[:, None]
    columns = np.flatnonzero(share.max(axis=1) > 0.1 * share.max())
    labels = [problem.column_name(int(i)) for i in columns]
    return "the coefficient of " + " and ".join(labels[:4]) + (" and others" if len(labels) > 4 else "")
