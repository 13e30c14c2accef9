"""Intervals and tests where coefficients must satisfy constraints.

The unconstrained interval holds the true coefficient as often as it says. Where the constraints are true it does so too after it has been
cut to the values that they allow, and an interval that is cut to nothing says that they are not. Draws around the unconstrained optimum,
each moved to the nearest point of the set in the metric of their covariance, follow the constrained optimum's own distribution where its
bias at the boundary is small. That the constraints hold is tested by the distance of the unconstrained optimum from the set, whose
distribution at the worst true coefficients is a mixture of chi-squared ones (Kudo 1963, Biometrika 50; Wolak 1987, JASA 82; Silvapulle
and Sen 2005, Constrained Statistical Inference, chapter 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from gradline.base.errors import InferenceError
from gradline.base.types import Array, IntArray
from gradline.constraints.polyhedron import Polyhedron
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.intervals import Interval, check_level
from gradline.linalg.quadratic_program import EPSILON, nearest_point, solve_program

DRAWS = 2_000
"""Of the coefficients for an interval, and of the mixture of chi-squared for its weights."""

SEED = 20150


@dataclass(frozen=True)
class ConstraintTest:
    """A test that the constraints hold. statistic: the squared distance of the unconstrained optimum from the set, in units of its
    covariance. weights: of the mixture, for each number of degrees of freedom from ``fewest`` on. denominator: of F, None for chi-squared.
    distances: of each constraint that the unconstrained optimum misses, in standard errors."""

    statistic: float
    p_value: float
    weights: tuple[float, ...]
    fewest: int
    denominator: float | None
    method: str
    missed: tuple[tuple[str, float], ...]

    def __repr__(self) -> str:
        p_value = "< 1e-300" if self.p_value == 0 else f"= {self.p_value:.4g}"
        return f"the constraints hold: distance {self.statistic:.6g}, p {p_value} ({self.method})"


def coefficient_ranges(polyhedron: Polyhedron) -> Interval:
    """The least and the largest value that each coefficient can have within the constraints, (P, k) each."""
    count = polyhedron.matrix.shape[1]
    lower, upper = np.full(count, -np.inf), np.full(count, np.inf)
    bounds = polyhedron.bounds
    if bounds is not None:
        lower, upper = bounds.lower.T.ravel().copy(), bounds.upper.T.ravel().copy()
    several = polyhedron.columns < 0
    if several.any():
        from scipy.optimize import linprog

        used = np.flatnonzero((polyhedron.matrix != 0).any(axis=0))
        above = polyhedron.matrix[:, used]
        ends: dict[str, Array] = {}
        if not polyhedron.equal.all():
            ends |= {"A_ub": -above[~polyhedron.equal], "b_ub": -polyhedron.right[~polyhedron.equal]}
        if polyhedron.equal.any():
            ends |= {"A_eq": above[polyhedron.equal], "b_eq": polyhedron.right[polyhedron.equal]}
        joined = np.flatnonzero((polyhedron.matrix[several] != 0).any(axis=0))
        for place in joined:
            cost = (used == place).astype(np.float64)
            for sign, found in ((1.0, lower), (-1.0, upper)):
                solved = linprog(sign * cost, **ends, bounds=(None, None), method="highs")
                if solved.status == 0:
                    found[place] = (max if sign > 0 else min)(found[place], sign * float(solved.fun))
    shape = polyhedron.shape[::-1]
    return Interval(lower.reshape(shape).T, upper.reshape(shape).T)


def intersected(interval: Interval, ranges: Interval) -> Interval:
    """The interval cut to the ranges; NaN where nothing is left of it."""
    lower, upper = np.maximum(interval.lower, ranges.lower), np.minimum(interval.upper, ranges.upper)
    # A range of one value, of an equation, may be off by rounding.
    slack = 1e-9 * np.maximum(np.abs(lower), np.abs(upper))
    empty = lower > upper + np.where(np.isfinite(slack), slack, 0.0)
    return Interval(np.where(empty, np.nan, np.minimum(lower, upper)), np.where(empty, np.nan, np.maximum(lower, upper)))


def drawn_within(estimate: Array, covariance: Covariance, polyhedron: Polyhedron) -> Array:
    """Draws around an estimate (P, k), each moved to the nearest point of the set: (R, P, k)."""
    near = _Near.of(estimate, covariance, polyhedron)
    random = np.random.default_rng(SEED)
    rank = near.factor.shape[1]
    points = np.empty((DRAWS, *estimate.shape))
    for i in range(DRAWS):
        draw = np.asarray(random.normal(size=rank))
        if covariance.degrees_of_freedom is not None:
            draw = draw * math.sqrt(covariance.degrees_of_freedom / float(random.chisquare(covariance.degrees_of_freedom)))
        moved, held = near.moved(draw)
        # What was moved to an end is there to the bit.
        there = (near.centre + near.factor @ moved).reshape(polyhedron.shape[::-1]).T
        points[i] = polyhedron.snapped(there, held != 0)
    return points


def drawn_interval(estimate: Array, covariance: Covariance, polyhedron: Polyhedron, level: float) -> Interval:
    """Of the middle of draws around an estimate (P, k), each moved to the nearest point of the set: (P, k) each."""
    check_level(level)
    tail = 0.5 * (1.0 - level)
    lower, upper = np.quantile(drawn_within(estimate, covariance, polyhedron), [tail, 1.0 - tail], axis=0)
    left_out = ~covariance.estimated.reshape(polyhedron.shape[::-1]).T
    lower[left_out], upper[left_out] = np.nan, np.nan
    return Interval(lower, upper)


def constraints_test(estimate: Array, covariance: Covariance, polyhedron: Polyhedron) -> ConstraintTest:
    """Whether the constraints hold. estimate (P, k): the optimum without them, and its covariance.

    Raises InferenceError where a constraint is on coefficients without a standard error.
    """
    near = _Near.of(estimate, covariance, polyhedron)
    start = np.zeros(near.factor.shape[1])
    exact = solve_program(np.eye(len(start)), start, near.matrix, near.ends, near.upper)
    if exact is None:
        raise InferenceError("no coefficients near the estimate meet the constraints")
    moved = exact.x
    statistic = float(moved @ moved)
    fewest = _rank(near.matrix[polyhedron.equal])
    weights, how = _weights(near, polyhedron, fewest)
    degrees = covariance.degrees_of_freedom
    total = 0.0
    for extra, weight in enumerate(weights):
        count = fewest + extra
        if count == 0:
            total += weight * (statistic <= 0.0)
        else:
            total += weight * float(chdtrc(count, statistic) if degrees is None else fdtrc(count, degrees, statistic / count))
    kind = f"Wald, {fewest} equations" if polyhedron.equal.all() else f"chi-bar-squared, weights {how}"
    kind += f", {covariance.kind} covariance"
    size = np.linalg.norm(near.matrix, axis=1)
    gap = polyhedron.matrix @ near.centre - polyhedron.right
    gap = np.where(polyhedron.equal, -np.abs(gap), gap)
    missed = tuple(
        (polyhedron.texts[row], float(-gap[row] / size[row])) for row in np.argsort(gap / size) if gap[row] < 0 and np.isfinite(gap[row])
    )
    # What rounding leaves of a distance of none.
    if statistic <= 1e-18:
        statistic, total = 0.0, 1.0
    return ConstraintTest(statistic, min(total, 1.0), tuple(weights), fewest, degrees, kind, missed)


@dataclass(frozen=True, eq=False)
class _Near:
    """Points near an estimate, b = centre + factor w, whose squared distance is that of w from where it is drawn: matrix w >= ends."""

    centre: Array
    factor: Array
    matrix: Array
    ends: Array
    upper: Array

    @classmethod
    def of(cls, estimate: Array, covariance: Covariance, polyhedron: Polyhedron) -> _Near:
        if covariance.signs is not None:
            raise InferenceError("the two-way covariance is no covariance of draws; ask for another kind, such as clusters of one way")
        factor = np.where(covariance.estimated[:, None], covariance.factor, 0.0)
        centre = np.where(np.isnan(estimate), 0.0, estimate).T.ravel()
        matrix = polyhedron.matrix @ factor
        terms = np.abs(polyhedron.matrix) @ np.linalg.norm(factor, axis=1)
        blind = np.linalg.norm(matrix, axis=1) <= 1e-12 * terms
        if blind.any():
            raise InferenceError(
                f"the constraint {polyhedron.texts[int(np.flatnonzero(blind)[0])]!r} is on coefficients that have no standard error without"
                " it, so nothing can be said about it"
            )
        ends = polyhedron.right - polyhedron.matrix @ centre
        return cls(centre, factor, matrix, ends, polyhedron.upper - polyhedron.matrix @ centre)

    def moved(self, draw: Array) -> tuple[Array, IntArray]:
        """(the w nearest to a draw within the rows, which rows hold)."""
        return _nearest(draw, self.matrix, self.ends, self.upper)


def _nearest(draw: Array, matrix: Array, lower: Array, upper: Array) -> tuple[Array, IntArray]:
    value = matrix @ draw
    size = np.abs(matrix) @ np.abs(draw) + 1e-300
    if (value >= lower - EPSILON * size).all() and (value <= upper + EPSILON * size).all():
        return draw, np.zeros(len(matrix), dtype=np.int64)
    length = np.linalg.norm(matrix, axis=1)
    found = nearest_point(draw, matrix / length[:, None], lower / length, upper / length)
    if found is None:
        raise InferenceError("no coefficients near the estimate meet the constraints")
    return found


def _rank(matrix: Array) -> int:
    return 0 if not len(matrix) else int(np.linalg.matrix_rank(matrix / np.linalg.norm(matrix, axis=1)[:, None]))


def _weights(near: _Near, polyhedron: Polyhedron, fewest: int) -> tuple[list[float], str]:
    """(the weight of each number of inequalities that press, from none on; how they were found)."""
    free = near.matrix[~polyhedron.equal]
    if not len(free):
        return [1.0], "exact"
    if fewest:
        _, _, vectors = np.linalg.svd(near.matrix[polyhedron.equal], full_matrices=True)
        free = free @ vectors[fewest:].T
    length = np.linalg.norm(free, axis=1)
    free = free[length > 1e-12 * max(float(length.max()), 1e-300)]
    unit = free / np.linalg.norm(free, axis=1)[:, None]
    if len(unit) == 1:
        return [0.5, 0.5], "exact"
    if len(unit) == 2 and abs(float(unit[0] @ unit[1])) < 1.0 - 1e-12:
        # The angle of the cone of what two half-spaces allow, over a full turn (Kudo 1963).
        angle = math.acos(-float(unit[0] @ unit[1])) / (2.0 * math.pi)
        return [angle, 0.5, 0.5 - angle], "exact"
    random = np.random.default_rng(SEED)
    counts = np.zeros(min(unit.shape) + 1)
    zeros, ends = np.zeros(len(unit)), np.full(len(unit), np.inf)
    for _ in range(DRAWS):
        draw = random.normal(size=unit.shape[1])
        _, held = _nearest(draw, unit, zeros, ends)
        counts[min(int(np.count_nonzero(held)), len(counts) - 1)] += 1.0
    return (counts / DRAWS).tolist(), f"by {DRAWS:,} draws"
