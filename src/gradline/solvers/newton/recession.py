"""Objectives that fall for ever: separation and its kin.

A logistic fit to data that a line separates, or a Poisson fit with a group whose counts are all zero, has no optimum: some direction
lowers the objective without end, ever more slowly (Albert and Anderson 1984, Biometrika 71). Newton's steps then look like convergence.
A loss with a spread of its own falls without end, ever faster, where rows are fitted exactly: their spread shrinks to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


class Runaway(NamedTuple):
    """Why there is no optimum, and what to do. bounded: the objective has a minimum, but the same along a whole line."""

    reason: str
    remedy: str
    bounded: bool = False


FLAT = 1e-6
"""Curvature below this share of what it was at the start is a sign of a direction that never ends."""

EXACT = 1e20
"""Curvature that has grown by this much says that a spread has shrunk to nothing: by 1e-10 where curvature is one over its square.
Residuals of that size are rounding, or an exact fit."""


@dataclass(frozen=True)
class _ReachKernel(Kernel[tuple[float, Array]]):
    """How far a step moves the linear predictors: the largest |x_i' step| over the rows that count, and each column's largest value."""

    step: Array

    def map(self, block: Block) -> tuple[float, Array]:
        counted = block.without_zero_weights()
        return float(np.abs(counted.design.predict(self.step)).max(initial=0.0)), counted.design.largest()

    def merge(self, first: tuple[float, Array], second: tuple[float, Array]) -> tuple[float, Array]:
        return max(first[0], second[0]), np.maximum(first[1], second[1])


@dataclass(frozen=True)
class _ResidualKernel(Kernel[float]):
    """The largest |y - prediction| over the rows that count, of a loss whose first predictions are of y."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> float:
        counted = block.without_zero_weights()
        predictions = self.loss.predict(counted.linear_predictors(self.coefficients))[:, : counted.targets.shape[1]]
        return float(np.abs(counted.targets - predictions).max(initial=0.0))

    def merge(self, first: float, second: float) -> float:
        return max(first, second)


def unbounded_direction(
    problem: Problem,
    free: CoefficientMap,
    theta: Array,
    value: float,
    gradient: Array,
    curvature: Array,
    scale: Array,
    stuck: bool = False,
) -> Runaway | None:
    """A direction along which the objective keeps falling far away, or None.

    theta (d,): where the solver stopped; value, gradient (d,) and curvature (d, d) there; scale (d,): square roots of the diagonal of
    the curvature at the start. stuck: the solver could not go on, although its test did not hold.
    """
    if not np.isfinite(curvature).all():
        return None
    exact = _exact(problem, free.expand(theta), float((np.diag(curvature) / scale**2).max()), stuck)
    if exact is not None:
        return exact
    scale = np.maximum(scale, np.sqrt(np.abs(np.diag(curvature))))
    eigenvalues, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    flat = eigenvalues <= FLAT
    if not flat.any():
        return None
    level = None
    for direction in _candidates(eigenvalues[flat], vectors[:, flat], theta * scale, gradient / scale):
        found = _falls(problem, free, theta, direction / scale, value)
        if found is not None and not found.bounded:
            return found
        level = level or found
    return level


def _candidates(eigenvalues: Array, vectors: Array, theta: Array, gradient: Array) -> Iterator[Array]:
    """Directions to try in the flat subspace: the way come, Newton's step, then every axis of it both ways.

    Where several directions are flat at once an axis may mix one that falls with one that rises; the way come does not.
    """
    yield vectors @ (vectors.T @ theta)
    yield -vectors @ ((vectors.T @ gradient) / np.maximum(eigenvalues, 1e-16 * max(float(eigenvalues.max()), 1e-300)))
    for vector in vectors.T:
        yield vector
        yield -vector


def _falls(problem: Problem, free: CoefficientMap, theta: Array, direction: Array, value: float) -> Runaway | None:
    """What runs away, if the objective is no higher at 10, 100 and 1,000 units of linear predictor further on."""
    largest = float(np.abs(direction).max())
    if not 0 < largest < np.inf:
        return None
    direction = direction / largest
    unit = free.expand(direction) - free.base
    reach, sizes = problem.rows.reduce(_ReachKernel(unit))
    if not 0 < reach < np.inf:
        return None
    last = value
    for distance in (10.0, 100.0, 1000.0):
        with np.errstate(over="ignore", invalid="ignore"):
            further = problem.evaluate(free.expand(theta + direction * (distance * _far(problem) / reach)), 0).value
        if not further <= last + 1e-12 * abs(value):
            return None
        last = further
    share = np.abs(unit) * sizes[:, None]
    runs_away = share > 0.1 * share.max()
    if _bottomless(problem, free, theta, value):
        return Runaway(
            f"the objective falls without a lower bound as {_named(problem, runs_away)} grows in size: the loss {problem.loss.name!r} has"
            " no least value",
            "Look at the loss: is its sign right, and does it rise on both sides of the target?",
        )
    # Far on towards the limit of a distribution the last digits have gone, and the objective is level.
    limit = problem.loss.limit_remedy if runs_away[:, 1:].any() else ""
    if not limit and _level(problem, free, theta, direction * (_far(problem) / reach), value):
        return Runaway(
            f"the objective is the same however far one goes along {_named(problem, runs_away)}: these coefficients are not identified, and"
            " of those that fit alike the ones met first are given",
            "Leave one of them out, or add a ridge such as penalty=gl.penalties.ridge(1e-3).",
            bounded=True,
        )
    slopes = runs_away[int(problem.rows.intercept) :].any()
    remedy = (
        "Leave that column out, merge its level with another, or add a ridge such as penalty=gl.penalties.ridge(1e-3)."
        if slopes
        else "A ridge leaves the intercept alone: look at the target, which may hold one value only, or never one of its classes."
    )
    if problem.penalty is not None and problem.penalty.name == "curves":
        remedy = "Give curves strengths, as in s(x, strength=0.01), leave a column out, or merge its level with another."
    if limit:
        remedy = limit
    return Runaway(
        f"the objective keeps falling as {_named(problem, runs_away)} grows in size without end: no finite coefficients are best"
        " (separation)",
        remedy,
    )


def _level(problem: Problem, free: CoefficientMap, theta: Array, step: Array, value: float) -> bool:
    """Whether the objective is the same 1,000 steps to either side: along a direction that separates it rises on the other."""
    with np.errstate(over="ignore", invalid="ignore"):
        ends = [problem.evaluate(free.expand(theta + distance * step), 0).value for distance in (-1000.0, -1.0, 1.0, 1000.0)]
    return all(abs(end - value) <= 1e-11 * abs(value) for end in ends)


def _bottomless(problem: Problem, free: CoefficientMap, theta: Array, value: float) -> bool:
    """Whether twice the coefficients lower an objective below zero by half of itself again: separation falls ever less, to a bound."""
    if not value < 0:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return problem.evaluate(free.expand(2.0 * theta), 0).value < 1.5 * value


def _far(problem: Problem) -> float:
    """What one unit of linear predictor is: where it is a prediction of y itself, the size of y."""
    points = np.array([[-2.0], [1.0]]) * np.ones((1, problem.n_predictors))
    with np.errstate(all="ignore"):
        identity = np.array_equal(problem.loss.predict(points)[:, :1], points[:, :1])
    return max(problem.target_scale, 1.0) if identity else 1.0


def _exact(problem: Problem, coefficients: Array, grown: float, stuck: bool) -> Runaway | None:
    """Where curvature has grown beyond all bounds: an exact fit whose spread shrinks to nothing."""
    q = problem.rows.n_targets
    if problem.n_predictors <= q:
        return None
    # A scale with an intercept only, as Huber's: no curvature grows as fast as that of a variance.
    vanished = problem.loss.estimates_scale and abs(coefficients[0, q]) <= (1e-4 if stuck else 1e-10) * problem.target_scale
    everywhere = (stuck or vanished) and problem.rows.reduce(_ResidualKernel(problem.loss, coefficients)) <= 1e-12 * problem.target_scale
    if vanished and not everywhere:
        return Runaway(
            "the scale falls to zero: with this threshold, and so many coefficients for the rows, the smallest scale is the best",
            "Give a larger threshold (1.35 is usual), leave columns out, or take a loss of fixed scale (gl.losses.huber(threshold)).",
        )
    if not (everywhere or grown > EXACT):
        return None
    sizes = problem.rows.reduce(_ReachKernel(coefficients))[1]
    share = np.abs(coefficients) * sizes[:, None]
    share[:, :q] = 0.0
    columns = np.flatnonzero(share.max(axis=1) > 0.3 * share.max())
    if everywhere or (problem.rows.intercept and 0 in columns):
        return Runaway(
            "the rows are fitted exactly, so their spread shrinks without end: no finite coefficients are best",
            "A spread cannot be learned from an exact fit, and no ridge changes that: use loss='squared', or a loss of fixed scale.",
        )
    return Runaway(
        f"the rows where {_columns(problem, columns)} is not zero are fitted exactly, so their spread shrinks without end: no finite"
        " coefficients are best",
        "Leave that column out, merge its level with another, or add a ridge such as penalty=gl.penalties.ridge(1e-3).",
    )


def _named(problem: Problem, runs_away: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    """The coefficients, (P, k), for a message."""
    columns = _columns(problem, np.flatnonzero(runs_away.any(axis=1)))
    if problem.n_predictors == 1:
        return f"the coefficient of {columns}"
    predictors = problem.loss.predictor_names(problem.rows.n_targets)
    moving = [predictors[int(j)] for j in np.flatnonzero(runs_away.any(axis=0))]
    return f"the coefficient of {columns} in {' and '.join(moving[:4])}"


def _columns(problem: Problem, columns: IntArray) -> str:
    labels = [problem.column_name(int(i)) for i in columns]
    return " and ".join(labels[:4]) + (" and others" if len(labels) > 4 else "")
