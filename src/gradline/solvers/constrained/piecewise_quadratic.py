"""Piecewise-linear losses with a quadratic penalty within constraints: a ridge beside quantiles.

A kink is an absolute value: jump max(r - k, 0) = jump / 2 (r - k + |r - k|). So the rows nearest a kink, the constraints and a lasso are a
quadratic program with absolute values (``linalg/absolute_program.py``) of as many coefficients as there are. All other rows enter by the
line they are on, and those that turn out to be on another join, until there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentError, SolverError
from gradline.base.types import Array
from gradline.constraints.contradictions import check_possible
from gradline.linalg.absolute_program import AbsoluteMinimum, AbsoluteTerms, solve_with_absolutes
from gradline.linalg.quadratic_program import FallsWithoutEnd
from gradline.objective.objective import Problem
from gradline.solvers.constrained.piecewise_rows import Entries, FoundWithin
from gradline.solvers.constrained.working import WorkingRows
from gradline.solvers.kinks.pieces import PieceArray, Pieces

AT_LEAST = 60
"""Residuals in the program at first; five for each coefficient where that is more."""

MOST_PROGRAMS = 60

ROUNDING = 1e-12
"""Of the size of the targets: how far beyond a kink a row counts as on it."""

LEFT = 1e-9
"""Of the steepest slope: what may be left of it."""


def quadratic_of(smooth: Problem, working: WorkingRows) -> Array:
    """The curvature (d, d) of a quadratic penalty over free coefficients, in sums over rows."""
    bend = smooth.penalty_terms(np.zeros(smooth.shape), 2).curvature
    assert bend is not None
    matrix = np.diag(bend.T.ravel()) if bend.shape == smooth.shape else bend
    return smooth.total_weight * working.free.restrict_curvature(matrix)


@dataclass(frozen=True, eq=False)
class PiecewiseQuadratic:
    """quadratic (d, d): the curvature of the penalty; charges (d,): of ``|theta|``; both in sums over rows."""

    entries: Entries
    pieces: Pieces
    working: WorkingRows
    quadratic: Array
    charges: Array

    def solve(self, theta: Array) -> FoundWithin:
        """The minimum, from theta (d,) that meets the constraints."""
        entries, pieces = self.entries, self.pieces
        residuals = entries.targets - entries.rows @ theta
        size = float(np.abs(entries.targets).max(initial=0.0)) or 1.0
        count = min(len(residuals), max(AT_LEAST, 5 * len(theta)))
        distance = pieces.distance(residuals)
        held = distance <= np.partition(distance, count - 1)[count - 1]
        piece = pieces.piece(residuals)
        for program in range(1, MOST_PROGRAMS + 1):
            try:
                found = self._program(theta, residuals, held, piece)
            except FallsWithoutEnd:
                # The rows left out were what held it.
                if held.all():
                    raise
                count = min(len(residuals), 4 * count)
                held = held | (distance <= np.partition(distance, count - 1)[count - 1])
                continue
            there = theta + found.program.x
            left = entries.targets - entries.rows @ there
            turned = ~held & (pieces.excess(left, piece, ROUNDING * size) > 0)
            if not turned.any():
                return self._proved(there, found, held, piece, program)
            held = held | turned
        raise SolverError("rows keep changing their lines in the quadratic programs; scale the columns, or leave nearly dependent ones out")

    def _lines(self, held: np.ndarray[tuple[int], np.dtype[np.bool_]], piece: PieceArray) -> Array:
        """The slope (d,) of all rows: those held by the mean of their first and last line, the others by their own."""
        pieces = self.pieces
        slopes = np.where(held, 0.5 * (pieces.slopes[0] + pieces.slopes[-1]), pieces.slopes[piece])
        return np.asarray(-(self.entries.weights * slopes) @ self.entries.rows)

    def _terms(self, theta: Array, residuals: Array, held: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> AbsoluteTerms:
        rows, weights = self.entries.rows[held], self.entries.weights[held]
        charged = np.flatnonzero(self.charges)
        alive = (rows != 0).any(axis=1) & (weights > 0)
        rows, weights, offsets = rows[alive], weights[alive], residuals[held][alive]
        pairs = list(zip(self.pieces.kinks.tolist(), self.pieces.jumps.tolist(), strict=True))
        return AbsoluteTerms(
            np.concatenate([np.eye(len(theta))[charged], *(-rows for _ in pairs)]),
            np.concatenate([theta[charged], *(offsets - kink for kink, _ in pairs)]),
            np.concatenate([self.charges[charged], *(0.5 * jump * weights for _, jump in pairs)]),
        )

    def _program(
        self, theta: Array, residuals: Array, held: np.ndarray[tuple[int], np.dtype[np.bool_]], piece: PieceArray
    ) -> AbsoluteMinimum:
        lower, upper = self.working.ends(self.working.free.expand(theta))
        slope = self.quadratic @ theta + self._lines(held, piece)
        terms = self._terms(theta, residuals, held)
        found = solve_with_absolutes(self.quadratic, slope, self.working.matrix, lower, upper, terms)
        if found is None:
            check_possible(self.working.polyhedron)
            raise ArgumentError("no coefficients meet the constraints")
        return found

    def _proved(
        self,
        theta: Array,
        found: AbsoluteMinimum,
        held: np.ndarray[tuple[int], np.dtype[np.bool_]],
        piece: PieceArray,
        programs: int,
    ) -> FoundWithin:
        """With what multipliers and subgradients leave of the slope."""
        theta = theta.copy()
        terms = self._terms(theta, self.entries.targets - self.entries.rows @ theta, held)
        charged = np.flatnonzero(self.charges)
        within = np.abs(found.slopes[: len(charged)]) < self.charges[charged]
        theta[charged[within]] = 0.0
        slope = self.quadratic @ theta + self._lines(held, piece)
        pushes = found.program.multipliers
        left = slope + found.slopes @ terms.rows - pushes @ self.working.matrix
        steepest = np.abs(self.entries.weights @ np.abs(self.entries.rows)) * self.pieces.steepest
        converged = found.program.exact and bool((np.abs(left) <= LEFT * np.maximum(steepest, np.abs(slope))).all())
        reason = "no row changes its line, and subgradients prove the optimum" if converged else "subgradients do not prove the optimum"
        active = np.flatnonzero(found.program.held)
        return FoundWithin(theta, pushes, active, converged, reason, float(np.linalg.norm(left)), programs)
