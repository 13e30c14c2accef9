"""Constraints over the coefficients that a solver moves, and the step of a quadratic model within them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, SolverError
from gradline.base.types import Array, IntArray
from gradline.constraints.contradictions import check_possible, contradiction_message
from gradline.constraints.polyhedron import Polyhedron
from gradline.linalg.absolute_program import AbsoluteTerms, solve_with_absolutes
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.quadratic_program import ProgramMinimum, solve_program
from gradline.solvers.columns import well_conditioned

INFEASIBLE = 1e-9
"""Beside the sizes of a row's terms: by more a start misses it."""


NO_CURVATURE = 1e-11
"""Of the largest eigenvalue of a curvature of unit diagonal: a direction with less has none."""

ROUNDING = 1e-13
"""Of the steepest slope: what is left along directions that have no slope."""


DUST = 1e-14
"""Of the root of the objective, or of the largest coefficient: what is left of coefficients that are zero."""


class NoPoint(SolverError):
    """A program of which no point was found, though its constraints do not contradict each other."""


class Step(NamedTuple):
    """change (d,); promise: by how much the model would fall; length: of the change, by the model's curvature; program: what was solved;
    pull (d,): the subgradient of the absolute values there, None where there are none."""

    change: Array
    promise: float
    length: float
    program: ProgramMinimum
    pull: Array | None = None


@dataclass(frozen=True, eq=False)
class WorkingRows:
    """The rows of a polyhedron over free coefficients theta, vec(B) = b0 + C theta: matrix (r, d), and which row of the polyhedron each is,
    places (r,). Rows that no free coefficient has are left out, and met. absolute (k P,): beside them, the factors of ``|b|`` that every
    model is charged, as a lasso charges them; None for none."""

    polyhedron: Polyhedron
    free: CoefficientMap
    matrix: Array
    places: IntArray
    absolute: Array | None = None

    @classmethod
    def of(cls, polyhedron: Polyhedron, free: CoefficientMap, absolute: Array | None = None) -> WorkingRows:
        """Raises ArgumentError where a row that no free coefficient has is not met."""
        matrix = np.asarray((free.matrix.T @ polyhedron.matrix.T).T)
        empty = ~(matrix != 0).any(axis=1)
        if empty.any():
            missed = polyhedron.missed(free.base)
            for row in np.flatnonzero(empty & (missed > INFEASIBLE)):
                raise ArgumentError(contradiction_message([polyhedron.texts[row]]) + ": none of its coefficients is free")
        places = np.flatnonzero(~empty & np.isfinite(polyhedron.right))
        return cls(polyhedron, free, matrix[places], places, absolute)

    def ends(self, coefficients: Array) -> tuple[Array, Array]:
        """(lower, upper): how far each row may move from coefficients (P, k), (r,)."""
        poly = self.polyhedron
        value = poly.matrix[self.places] @ coefficients.T.ravel()
        return poly.right[self.places] - value, poly.upper[self.places] - value

    def step(self, coefficients: Array, curvature: Array, gradient: Array, guess: IntArray | None = None) -> Step:
        """The change (d,) of free coefficients to the minimum of a quadratic model within the constraints.

        Raises ArgumentError naming constraints that contradict each other.
        """
        lower, upper = self.ends(coefficients)
        terms, pull = self._charged(coefficients), None
        if terms is None:
            found = solve_program(curvature, gradient, self.matrix, lower, upper, guess)
        else:
            charged = solve_with_absolutes(curvature, gradient, self.matrix, lower, upper, terms, guess)
            found = None if charged is None else charged.program
            pull = None if charged is None else charged.slopes @ terms.rows
        if found is None:
            check_possible(self.polyhedron)
            if not well_conditioned(curvature):
                raise NoPoint(
                    "no lowest point was found within the constraints: the columns are nearly dependent, and which coefficients are best is"
                    " lost in rounding; leave a column out, or add a ridge such as penalty=gl.penalties.ridge(1e-6)"
                )
            raise NoPoint("no coefficients meet the constraints to the last digit: some of them contradict each other by a little")
        change = found.x if terms is None else self._without_traces(coefficients, found.x, curvature, terms)
        promise = -(float(gradient @ change) + 0.5 * float(change @ curvature @ change))
        promise -= 0.0 if terms is None else terms.rise(change)
        return Step(change, promise, float(np.sqrt(max(float(change @ curvature @ change), 0.0))), found, pull)

    def _charged(self, coefficients: Array) -> AbsoluteTerms | None:
        """The absolute values as functions of a change (d,) of the free coefficients; None where there are none."""
        if self.absolute is None:
            return None
        free = np.flatnonzero((self.absolute > 0) & (np.diff(self.free.matrix.tocsr().indptr) > 0))
        if not len(free):
            return None
        return AbsoluteTerms(self.free.matrix.tocsr()[free].toarray(), coefficients.T.ravel()[free], self.absolute[free])

    def _without_traces(self, coefficients: Array, change: Array, curvature: Array, terms: AbsoluteTerms) -> Array:
        """A change (d,) that takes charged coefficients to zero where it leaves rounding of them only: at a point of more equations than
        coefficients any of these may be the ones that hold, and not each says zero."""
        unit = np.sqrt(np.maximum(curvature.diagonal(), 0.0))
        largest = float((np.abs(self.free.contract(coefficients) + change) * unit).max(initial=0.0))
        columns = terms.rows.argmax(axis=1)
        left = np.abs(terms.offset + change[columns]) * unit[columns]
        trace = left <= DUST * largest
        change = change.copy()
        change[columns[trace]] = -terms.offset[trace]
        return change

    def charge(self, coefficients: Array) -> float:
        """What the absolute values add to the objective at coefficients (P, k)."""
        return 0.0 if self.absolute is None else float(self.absolute @ np.abs(coefficients.T.ravel()))

    def nearest(self, coefficients: Array, scale: Array) -> Array:
        """The coefficients (P, k) that meet the constraints nearest to those given. scale (d,): sizes of the free coefficients' columns."""
        moved = replace(self, absolute=None).step(coefficients, np.diag(scale**2), np.zeros(len(scale))).change
        return self.moved(coefficients, moved, None)

    def moved(self, coefficients: Array, change: Array, program: ProgramMinimum | None) -> Array:
        """Coefficients (P, k) after a change (d,), at the very ends of the rows of one coefficient that the program holds."""
        held = self._nothing.copy()
        if program is not None and len(self.places):
            held[self.places] = program.held != 0
        return self.polyhedron.snapped(coefficients + self._expanded(change), held)

    def without_dust(self, coefficients: Array, curvature: Array, objective: float) -> Array:
        """Coefficients (P, k) with zero for what rounding left where equations of several coefficients allow zero only.

        A coefficient counts as dust beside the root of the objective, in its unit of curvature (d, d).
        """
        flat = coefficients.T.ravel()
        rows = (self.polyhedron.right == 0) & (self.polyhedron.columns < 0)
        touched = (self.polyhedron.matrix[rows] != 0).any(axis=0)
        size = np.abs(flat) * (abs(self.free.matrix) @ np.sqrt(np.maximum(curvature.diagonal(), 0.0)))
        dust = touched & (size <= DUST * np.sqrt(abs(objective))) & (flat != 0)
        if not dust.any():
            return coefficients
        found = np.where(dust, 0.0, flat).reshape(coefficients.shape[::-1]).T.copy()
        worse = self.polyhedron.missed(found).max(initial=0.0) > self.polyhedron.missed(coefficients).max(initial=0.0)
        return coefficients if worse else found

    def _expanded(self, change: Array) -> Array:
        """What a change (d,) is of all coefficients, (P, k)."""
        step: Array = np.asarray(self.free.matrix @ change)
        return step.reshape(self.free.base.shape[::-1]).T

    @property
    def _nothing(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.zeros(len(self.polyhedron.right), dtype=np.bool_)

    def multipliers(self, program: ProgramMinimum) -> Array:
        """(m,): of the polyhedron's rows."""
        found = np.zeros(len(self.polyhedron.right))
        if len(self.places):
            found[self.places] = program.multipliers
        return found


def without_rounding(gradient: Array, curvature: Array, steepest: float) -> tuple[Array, float]:
    """(the gradient (d,) without what is rounding along directions that have no curvature, down which the parabola would fall; the
    steepest slope in coefficients of unit curvature). steepest: seen before."""
    unit = np.sqrt(np.maximum(curvature.diagonal(), 0.0))
    unit = np.where(unit > 0, unit, 1.0)
    slope = gradient / unit
    steepest = max(steepest, float(np.abs(slope).max(initial=0.0)))
    if not np.isfinite(curvature).all() or well_conditioned(curvature):
        return gradient, steepest
    values, vectors = np.linalg.eigh(curvature / np.outer(unit, unit))
    along = vectors.T @ slope
    rounding = (values <= NO_CURVATURE * float(values[-1])) & (np.abs(along) <= ROUNDING * len(values) * steepest)
    return np.asarray(gradient - unit * (vectors[:, rounding] @ along[rounding])), steepest
