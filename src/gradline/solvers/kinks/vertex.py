"""The exact vertex: a simplex method for piecewise-linear fits, started near the optimum.

At a vertex P rows sit exactly on a kink and determine the coefficients. Their multipliers are the slopes with which these rows must
enter for the gradient to vanish; all within the slopes on either side of their kinks is the proof of optimality. Otherwise one row leaves
its kink and the point moves along the edge, past as many kinks of other rows as still lower the objective. Barrodale and Roberts (1973),
SIAM J. Numer. Anal. 10; Koenker and d'Orey (1987), Applied Statistics 36.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from scipy.linalg import lu_factor, lu_solve, qr

from gradline.base.types import Array, IntArray
from gradline.linalg import double_double as dd
from gradline.rows.block import Block
from gradline.solvers.kinks.pieces import PieceArray, Pieces
from gradline.solvers.kinks.subproblem import Subproblem

REFRESH = 50
"""Pivots after which the inverse is computed afresh."""

REFINEMENTS = 3
"""Of the coefficients of a vertex, at most."""

Status = Literal["optimal", "unbounded", "stalled", "limit"]


class Basis(NamedTuple):
    """Places (P,) among the held rows of the rows that sit on a kink, and which kink (P,)."""

    places: IntArray
    kinks: IntArray


class Vertex(NamedTuple):
    """status: "optimal" for these rows; "unbounded" where their objective falls without end along ``edge``; "stalled" where ties stop
    every step; "limit" for too many pivots. point (P,); multipliers (P,), weight times slope; violation: the largest excess of a
    multiplier over what its kink allows, relative to its weight; unique: False where another vertex is known to be as good."""

    status: Status
    point: Array
    basis: Basis
    piece: PieceArray
    multipliers: Array
    violation: float
    pivots: int
    unique: bool
    edge: Array | None


class _Edge(NamedTuple):
    """rates (M,): how fast residuals move along it. Of each kink ahead: length, how far off; rise, how much the slope rises there;
    places, the row; kinks, its number."""

    rates: Array
    length: Array
    rise: Array
    places: IntArray
    kinks: IntArray


def first_basis(held: Subproblem, pieces: Pieces, point: Array, width: float) -> Basis | None:
    """P independent rows, those nearest a kink by preference; None where the held rows do not span the columns."""
    residuals, size = held.residuals(point), len(point)
    distance = pieces.distance(residuals)
    count = 3 * size + 10
    while True:
        count = min(count, held.n_rows)
        near = np.argpartition(distance, count - 1)[:count] if count < held.n_rows else np.arange(count)
        # Rows well inside the window are most likely to be on their kink at the optimum.
        preference = 1.0 / (1.0 + np.square(distance[near] / width)) if width > 0 else np.ones(count)
        rows = held.values[near]
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        scale = np.maximum(preference, 1e-3) / np.maximum(norms, 1e-3 * np.sqrt(size))
        triangle, order = qr((rows * scale[:, None]).T, mode="r", pivoting=True, check_finite=False)
        pivots = np.abs(np.diag(triangle))
        if len(pivots) == size and pivots[-1] > 1e-7 * pivots[0]:
            chosen = near[order[:size]]
            return Basis(np.asarray(chosen, dtype=np.int64), pieces.nearest(residuals[chosen]))
        if count == held.n_rows:
            return None
        count *= 4


def spanned(held: Subproblem) -> Array | None:
    """A direction (P,) along which no held row moves, or None where they span the columns."""
    triangle = np.linalg.qr(held.values, mode="r") if held.n_rows else np.zeros((1, held.values.shape[1]))
    _, sizes, directions = np.linalg.svd(triangle)
    if len(sizes) == directions.shape[0] and sizes[-1] > 1e-9 * sizes[0]:
        return None
    return np.asarray(directions[-1])


class Simplex:
    """The state of the method over held rows."""

    def __init__(self, held: Subproblem, pieces: Pieces, basis: Basis, total_weight: float) -> None:
        self.held, self.pieces = held, pieces
        self.places, self.kinks = basis.places.copy(), basis.kinks.copy()
        self.total_weight = total_weight
        self.piece: PieceArray | None = None
        self.refresh()

    def refresh(self) -> None:
        """Everything afresh from the basis."""
        held, pieces = self.held, self.pieces
        self.inverse = np.linalg.inv(held.values[self.places])
        self.point = self.inverse @ (held.targets[self.places] - pieces.kinks[self.kinks])
        self.residuals = held.residuals(self.point)
        self.residuals[self.places] = pieces.kinks[self.kinks]
        found = pieces.piece(self.residuals)
        if self.piece is not None:
            # A row that pivoting left on a kink stays on the side it was taken to be on.
            on_kink = pieces.excess(self.residuals, self.piece, 1e-12 * (1.0 + np.abs(held.targets))) == 0
            found = np.where(on_kink, self.piece, found)
        self.piece = found
        outside_gradient = held.weights * pieces.slopes[found]
        outside_gradient[self.places] = 0.0
        self.outside_gradient = held.values.T @ outside_gradient + held.outside_gradient

    def run(self, limit: int) -> Vertex:
        """Pivot until optimal."""
        stalls, status, edge = 0, "optimal", None
        # Steps that move no residual by more than rounding may go round in circles.
        rounding = 1e-13 * (float(np.median(np.abs(self.held.targets))) + float(np.linalg.norm(self.point)))
        pivots = 0
        while True:
            multipliers, excess, tolerance = self._multipliers()
            if not (excess > tolerance).any():
                if pivots % REFRESH == 0:
                    break
                # The last word is from a fresh inverse.
                self.refresh()
                multipliers, excess, tolerance = self._multipliers()
                if not (excess > tolerance).any():
                    break
            if pivots >= limit:
                status = "limit"
                break
            lengths = np.sqrt(np.einsum("ij,ij->j", self.inverse, self.inverse))
            score = np.where(excess > tolerance, excess / lengths, 0.0)
            leaving = int(score.argmax())
            sign = 1.0 if multipliers[leaving] > self._bounds()[1][leaving] else -1.0
            step = self._pivot(leaving, sign, float(excess[leaving]))
            if step is None:
                status, edge = "unbounded", self.inverse[:, leaving]
                break
            pivots += 1
            stalls = stalls + 1 if step <= rounding else 0
            if stalls > 20 + len(self.places):
                status = "stalled"
                break
            if pivots % REFRESH == 0:
                self.refresh()
        assert self.piece is not None
        violation = float(np.max(excess / self.held.weights[self.places], initial=0.0))
        basis = Basis(self.places.copy(), self.kinks.copy())
        unique = status != "optimal" or self._is_unique(multipliers, tolerance)
        return Vertex(status, self.point, basis, self.piece, multipliers, max(violation, 0.0), pivots, unique, edge)  # type: ignore[arg-type]

    def _bounds(self) -> tuple[Array, Array]:
        weights = self.held.weights[self.places]
        return weights * self.pieces.slopes[self.kinks], weights * self.pieces.slopes[self.kinks + 1]

    def _multipliers(self) -> tuple[Array, Array, Array]:
        """Multipliers (P,), their excess over the bounds (negative within), and how much of it is rounding."""
        multipliers = -(self.inverse.T @ self.outside_gradient)
        low, high = self._bounds()
        excess = np.maximum(multipliers - high, low - multipliers)
        lengths = np.abs(self.inverse).sum(axis=0)
        tolerance = self.pieces.steepest * (1e-11 * self.held.weights[self.places] + 1e-15 * self.total_weight * lengths)
        return multipliers, excess, tolerance

    def _edge(self, leaving: int, sign: float) -> _Edge:
        """The edge along which ``leaving`` moves off its kink."""
        held, pieces = self.held, self.pieces
        assert self.piece is not None
        rates = held.values @ (self.inverse[:, leaving] * sign)
        rates[self.places] = 0.0
        rates[self.places[leaving]] = sign
        self.piece[self.places[leaving]] = self.kinks[leaving] + (1 if sign > 0 else 0)
        moving = np.abs(rates) > 1e-11 * np.abs(rates).max()
        parts = []
        for ahead in range(len(pieces.kinks)):
            kink = np.where(rates > 0, self.piece + ahead, self.piece - (1 + ahead))
            places = np.flatnonzero(moving & (kink >= 0) & (kink < len(pieces.kinks)))
            index, rate = kink[places], rates[places]
            length = np.maximum((pieces.kinks[index] - self.residuals[places]) / rate, 0.0)
            parts.append((length, held.weights[places] * pieces.jumps[index] * np.abs(rate), places, index))
        if len(parts) == 1:
            return _Edge(rates, *parts[0])
        return _Edge(rates, *(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _pivot(self, leaving: int, sign: float, descent: float) -> float | None:
        """Move along an edge that falls at the rate ``descent`` to where it stops falling: how far the point moved, or None where
        the edge falls without end."""
        held, pieces = self.held, self.pieces
        edge = self._edge(leaving, sign)
        rates, length, places, kinks = edge.rates, edge.length, edge.places, edge.kinks
        assert self.piece is not None
        count = 32
        while True:
            if count < len(length):
                first = np.argpartition(length, count)[:count]
                first = first[np.argsort(length[first], kind="stable")]
            else:
                first = np.argsort(length, kind="stable")
            total = np.cumsum(edge.rise[first])
            stop = int(np.searchsorted(total, descent))
            if stop < len(first):
                break
            if len(first) == len(length):
                return None
            count *= 8
        entering = first[stop]
        step = float(length[entering])
        passed = first[:stop]
        up = rates > 0
        old = self.places[leaving]
        self.outside_gradient += held.values[old] * (held.weights[old] * pieces.slopes[self.piece[old]])
        if passed.size:
            rows = places[passed]
            change = held.weights[rows] * pieces.jumps[kinks[passed]] * np.where(up[rows], 1.0, -1.0)
            self.outside_gradient += change @ held.values[rows]
            np.add.at(self.piece, rows, np.where(up[rows], 1, -1).astype(np.int16))
        new = int(places[entering])
        self.outside_gradient -= held.values[new] * (held.weights[new] * pieces.slopes[self.piece[new]])
        direction = self.inverse[:, leaving] * sign
        self.point = self.point - step * direction
        self.residuals += step * rates
        self.residuals[new] = pieces.kinks[kinks[entering]]
        moved = step * float(np.linalg.norm(direction))
        if new != old:
            row = held.values[new] @ self.inverse
            column = self.inverse[:, leaving] / row[leaving]
            row[leaving] -= 1.0
            self.inverse -= np.outer(column, row)
        self.places[leaving], self.kinks[leaving] = new, kinks[entering]
        return moved

    def _is_unique(self, multipliers: Array, tolerance: Array) -> bool:
        """False where some edge is level for some way."""
        low, high = self._bounds()
        assert self.piece is not None
        for leaving in range(len(multipliers)):
            for sign, gap in ((1.0, high[leaving] - multipliers[leaving]), (-1.0, multipliers[leaving] - low[leaving])):
                if gap > 10.0 * tolerance[leaving]:
                    continue
                if self._edge(leaving, sign).length.min(initial=np.inf) > 1e-9 * (1.0 + np.abs(self.residuals).max()):
                    return False
        return True


def solve_active(block: Block, targets: Array, kept: list[int], target: int, kinks: Array) -> Array:
    """b (P,) with x_i'b = targets_i - offset_i - kink_i for the K rows of the block, zeros for columns not kept.

    targets, kinks: (K,). target: which column of the offset.

    Rows and columns are brought to one scale by powers of two, factored once, and refined with residuals in double-double (Wilkinson
    1963, Rounding Errors in Algebraic Processes, chapter 3), so that the error is that of the last digits unless the equations are singular
    to working accuracy.
    """
    matrix = block.design.dense()[:, kept]
    right = np.stack([targets, np.zeros(len(kinks))])
    if block.offset is not None:
        right = dd.add(right, -np.stack([block.offset[:, target], np.zeros(len(kinks))]))
    right = dd.add(right, -np.stack([kinks, np.zeros(len(kinks))]))
    row_scale = -dd.power_of_two(np.abs(matrix).max(axis=1))
    matrix = np.ldexp(matrix, row_scale[:, None])
    column_scale = -dd.power_of_two(np.abs(matrix).max(axis=0))
    matrix = np.ldexp(matrix, column_scale[None, :])
    right = np.ldexp(right, row_scale[None, :])
    factor = lu_factor(matrix, check_finite=False)
    high, low = dd.split(matrix)
    solution = np.stack([lu_solve(factor, right[0], check_finite=False), np.zeros(len(kinks))])
    for _ in range(REFINEMENTS):
        residual = dd.add(right, -dd.product_sum(matrix, high, low, solution[:, None, :], 1))
        correction = lu_solve(factor, residual[0], check_finite=False)
        solution = dd.add(solution, np.stack([correction, np.zeros(len(kinks))]))
        if np.abs(correction).max(initial=0.0) <= 1e-17 * np.abs(solution[0]).max(initial=0.0):
            break
    found = np.zeros(block.design.n_columns)
    found[kept] = np.ldexp(solution[0], column_scale)
    return found
