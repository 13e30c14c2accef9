"""Small quadratic programs with absolute values: minimise x'Hx / 2 + g'x + sum w |offset + Rx| over lower <= A x <= upper.

Where no absolute value changes its sign, the program is a quadratic one: within walls at which a value is zero. A wall that pushes by more
than twice the weight has a lower point behind it, and is crossed; one that pushes by less holds its value at zero, exactly, and its push is
a subgradient. Every program begins where the last one ended, so that the objective never rises. At a point of more walls and rows than
coefficients the pushes are not unique: bounded least squares finds those that balance the slope, or the direction that falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg.quadratic_program import FallsWithoutEnd, ProgramMinimum, rows_of_one, solve_program

BEYOND = 1e-11
"""Of the largest push: what a wall may push beyond twice its weight, by rounding."""

BALANCED = 1e-10
"""Of the steepest slope: what pushes may leave of it."""

MOST_CROSSINGS = 500


class AbsoluteTerms(NamedTuple):
    """sum w |offset + R x|: rows (q, d), none of them zero; offset (q,); weights (q,), above zero."""

    rows: Array
    offset: Array
    weights: Array

    def rise(self, change: Array) -> float:
        """By how much they are more at a change (d,) than at zero."""
        return float(self.weights @ (np.abs(self.offset + self.rows @ change) - np.abs(self.offset)))


@dataclass(frozen=True, eq=False)
class AbsoluteMinimum:
    """program: the minimum, with the multipliers of the rows. slopes (q,): of each absolute value times its weight: the weight and its
    sign, or a subgradient where it is zero. walls: how many programs were solved."""

    program: ProgramMinimum
    slopes: Array
    walls: int


class _Walled(NamedTuple):
    """found: the minimum within the walls; its multipliers and what is held are those of the rows, then of the walls."""

    found: ProgramMinimum
    walls: IntArray


@dataclass(frozen=True, eq=False)
class _Program:
    curvature: Array
    linear: Array
    matrix: Array
    lower: Array
    upper: Array
    terms: AbsoluteTerms

    def within(self, signs: Array, known: np.ndarray[tuple[int], np.dtype[np.bool_]], guess: IntArray | None) -> _Walled | None:
        """The minimum where each absolute value has its sign or is zero. known (q,): the signs that the rows hold already."""
        walls, (rows, offset, weights) = np.flatnonzero(~known), self.terms
        matrix = np.concatenate([self.matrix, signs[walls, None] * rows[walls]])
        lower = np.concatenate([self.lower, -signs[walls] * offset[walls]])
        upper = np.concatenate([self.upper, np.full(len(walls), np.inf)])
        found = solve_program(self.curvature, self.linear + (weights * signs) @ rows, matrix, lower, upper, guess)
        return None if found is None else _Walled(found, walls)

    def value(self, x: Array) -> float:
        return float(self.linear @ x + 0.5 * x @ self.curvature @ x) + self.terms.rise(x)

    def known_signs(self) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """(the signs, which of them are known): of absolute values of one coefficient that a row of that coefficient keeps on one side."""
        q = len(self.terms.weights)
        signs, known = np.zeros(q), np.zeros(q, dtype=np.bool_)
        own, columns = rows_of_one(self.terms.rows), rows_of_one(self.matrix)
        for term in np.flatnonzero(own >= 0):
            for row in np.flatnonzero(columns == own[term]):
                ratio = self.terms.rows[term, own[term]] / self.matrix[row, own[term]]
                ends = sorted(self.terms.offset[term] + ratio * np.array([self.lower[row], self.upper[row]]))
                if ends[0] >= 0 or ends[1] <= 0:
                    signs[term], known[term] = (1.0 if ends[0] >= 0 else -1.0), True
        return signs, known

    def somewhere(self) -> Array | None:
        """A point (d,) that meets the rows, the lowest one without absolute values where there is one; None where no point does."""
        still = np.zeros(len(self.linear))
        if ((self.lower <= 1e-14) & (self.upper >= -1e-14)).all():
            return still
        try:
            found = solve_program(self.curvature, self.linear, self.matrix, self.lower, self.upper)
        except FallsWithoutEnd:
            unit = np.diag(self.curvature)
            found = solve_program(np.diag(np.where(unit > 0, unit, 1.0)), still, self.matrix, self.lower, self.upper)
        return None if found is None else found.x

    def balanced(self, x: Array, held: IntArray, zero: IntArray, signs: Array) -> tuple[Array, Array, Array]:
        """(multipliers of the held rows, slopes of the absolute values that are zero, what these leave of the slope (d,)): the least."""
        from scipy.optimize import lsq_linear

        rows, _, weights = self.terms
        others = np.setdiff1d(np.arange(len(weights)), zero)
        unit = np.sqrt(np.maximum(np.diag(self.curvature), 0.0))
        unit = np.where(unit > 0, unit, 1.0)
        slope = (self.linear + self.curvature @ x + (weights * signs)[others] @ rows[others]) / unit
        matrix = np.concatenate([-self.matrix[held], rows[zero]]).T / unit[:, None]
        free = self.lower[held] == self.upper[held]
        at_lower = self.lower[held] - self.matrix[held] @ x >= self.matrix[held] @ x - self.upper[held]
        low = np.concatenate([np.where(free | ~at_lower, -np.inf, 0.0), -weights[zero]])
        high = np.concatenate([np.where(free | at_lower, np.inf, 0.0), weights[zero]])
        found = lsq_linear(matrix, -slope, bounds=(low, high), method="bvls", tol=1e-14)
        left = slope + matrix @ found.x
        if float(np.abs(left).max(initial=0.0)) <= BALANCED * max(float(np.abs(slope).max(initial=0.0)), 1e-300):
            left = np.zeros(len(left))
        return found.x[: len(held)], found.x[len(held) :], left / unit


def solve_with_absolutes(
    curvature: Array,
    linear: Array,
    matrix: Array,
    lower: Array,
    upper: Array,
    terms: AbsoluteTerms,
    guess: IntArray | None = None,
) -> AbsoluteMinimum | None:
    """The minimum; None where no x meets every row. The rows and the guess (m,) are those of ``solve_program``.

    Raises FallsWithoutEnd where the objective has no lowest point.
    """
    program = _Program(curvature, linear, matrix, lower, upper, terms)
    count = len(matrix)
    begin = program.somewhere()
    if begin is None:
        return None
    values = terms.offset + terms.rows @ begin
    given, known = program.known_signs()
    slopes = terms.rows @ (linear + curvature @ begin)
    signs = np.where(known, given, np.where(values != 0, np.sign(values), np.where(slopes > 0, -1.0, 1.0)))
    held = None if guess is None else np.concatenate([guess, np.where(values[~known] == 0, -1, 0)])
    lowest, seen = np.inf, set[bytes]()
    for turn in range(1, MOST_CROSSINGS + 1):
        walled = program.within(signs, known, held)
        if walled is None:
            return None
        found, walls = walled
        pushes = found.multipliers[count:]
        limit = BEYOND * float(np.abs(pushes).max(initial=0.0))
        crossed = walls[pushes > 2.0 * terms.weights[walls] + limit]
        rows_held, at_zero = found.multipliers[:count], np.zeros(len(signs), dtype=np.bool_)
        at_zero[walls] = found.held[count:] != 0
        slopes = terms.weights * signs
        slopes[walls] -= pushes * signs[walls]
        now = replace(found, multipliers=rows_held, held=found.held[:count])
        if not len(crossed):
            return _shared(program, now, np.clip(slopes, -terms.weights, terms.weights), turn, at_zero)
        height = program.value(found.x)
        if signs.tobytes() in seen or not height < lowest:
            # Pushes that are not unique: whether any balance the slope, and else where it falls.
            reach = np.where(matrix @ found.x - lower <= upper - matrix @ found.x, lower, upper)
            size = np.abs(reach) + np.abs(matrix) @ np.abs(found.x)
            touched = np.flatnonzero(np.abs(matrix @ found.x - reach) <= 1e-12 * size)
            value = terms.offset + terms.rows @ found.x
            zero = np.flatnonzero(np.abs(value) <= 1e-12 * (np.abs(terms.offset) + np.abs(terms.rows) @ np.abs(found.x)))
            of_rows, of_terms, left = program.balanced(found.x, touched, zero, signs)
            if not left.any():
                rows_held = np.zeros(count)
                rows_held[touched] = of_rows
                slopes = terms.weights * np.where(value < 0, -1.0, np.where(value > 0, 1.0, signs))
                slopes[zero] = of_terms
                return AbsoluteMinimum(replace(now, multipliers=rows_held), slopes, turn)
            along = -(terms.rows[zero] @ left)
            turned = np.where(np.abs(along) > 1e-9 * np.abs(along).max(initial=0.0), np.sign(along), signs[zero])
            crossed = zero[(turned != signs[zero]) & ~known[zero]]
            if not len(crossed):
                return AbsoluteMinimum(replace(now, exact=False), np.clip(slopes, -terms.weights, terms.weights), turn)
        seen.add(signs.tobytes())
        lowest = min(lowest, height)
        signs = signs.copy()
        signs[crossed] *= -1.0
        release = found.held.copy()
        release[count:][np.isin(walls, crossed)] = 0
        held = release
    return AbsoluteMinimum(replace(now, exact=False), np.clip(slopes, -terms.weights, terms.weights), MOST_CROSSINGS)


def pushed_beyond(weight: float, multiplier: float, each: float, slope: float, most: float) -> tuple[float, float]:
    """(multiplier, slope) of a row ``weight x >= 0`` and of ``most |each x|`` that hold x at zero together: the absolute value
    pushes as far as it can, and the row by the rest, so that a row has a price only where without it x would not stay at zero."""
    balance = weight * multiplier - each * slope
    slope = float(np.clip(-balance / each, -most, most))
    return (balance + each * slope) / weight, slope


def _shared(
    program: _Program, found: ProgramMinimum, slopes: Array, turn: int, at_zero: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> AbsoluteMinimum:
    """With the multipliers of ``pushed_beyond`` where a row of one coefficient holds it at the zero of an absolute value."""
    terms, multipliers = program.terms, found.multipliers.copy()
    own, columns = rows_of_one(terms.rows), rows_of_one(program.matrix)
    slopes = slopes.copy()
    for term in np.flatnonzero((own >= 0) & ~at_zero):
        column = own[term]
        for row in np.flatnonzero((columns == column) & (found.held != 0)):
            if terms.offset[term] + terms.rows[term, column] * found.x[column] != 0:
                continue
            weight, each, most = program.matrix[row, column], terms.rows[term, column], terms.weights[term]
            multipliers[row], slopes[term] = pushed_beyond(weight, multipliers[row], each, slopes[term], most)
            break
    return AbsoluteMinimum(replace(found, multipliers=multipliers), slopes, turn)
