"""A few rows held in memory with the pull of all others: where smoothing and pivoting happen.

The objective is ``sum_held w rho(t - x'c) - pull'c``: rows outside enter by the line they are on, whose constant does not matter. The
columns are whitened (x = R'^-1 times the design's), so that c has the scale of the linear predictors.

Smoothing first finishes by itself once the window holds few rows (Madsen and Nielsen 1993, "A finite smoothing algorithm for linear l1
estimation", SIAM J. Optim. 3): the window shrinks by counts of rows, which needs no scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gradline.base.types import Array, IntArray
from gradline.linalg.line_search import level_length
from gradline.solvers.kinks.pieces import PieceArray, Pieces


@dataclass(frozen=True)
class Subproblem:
    """values (M, P), whitened; targets (M,), offset subtracted; weights (M,); numbers (M,) of the rows; piece (M,) each was taken to be
    on when ``pull`` (P,) was summed over the rest."""

    values: Array
    targets: Array
    weights: Array
    numbers: IntArray
    piece: PieceArray
    outside_gradient: Array

    @property
    def n_rows(self) -> int:
        return len(self.targets)

    def residuals(self, point: Array) -> Array:
        return np.asarray(self.targets - self.values @ point)

    def joined(self, other: Subproblem, pieces: Pieces) -> Subproblem:
        """With rows that were outside until now: they leave the pull."""
        outside_gradient = self.outside_gradient - other.values.T @ (other.weights * pieces.slopes[other.piece])
        return Subproblem(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.weights, other.weights]),
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.piece, other.piece]),
            outside_gradient,
        )


def window_counts(n_rows: int, n_columns: int, last: float) -> Iterator[int]:
    """How many rows the shrinking window is to hold: half of all, then a third each time, down to ``last`` times the columns.

    Slower near the end: the better the last windows are followed, the fewer pivots remain.
    """
    count, lowest = 0.5 * n_rows, max(last * n_columns, 2.0)
    while count > lowest:
        yield int(count)
        count *= 1.0 / 3.0 if count > 6.0 * n_columns else 0.7
    yield min(n_rows, int(lowest))


def window(held: Subproblem, pieces: Pieces, residuals: Array, count: int) -> float:
    """The half-width that holds ``count`` rows of positive distance to a kink; 0 where all rows sit on kinks."""
    distance = pieces.distance(residuals)
    width = float(np.partition(distance, count - 1)[count - 1])
    if width > 0:
        return width
    positive = distance[distance > 0]
    return float(positive.min(initial=np.inf)) if positive.size else 0.0


def descend(held: Subproblem, pieces: Pieces, point: Array, last: float, floor: float) -> tuple[Array, float]:
    """Newton's method under a shrinking window from ``point`` (P,): the point reached and the last half-width.

    last: rows in the last window, times P. floor: the least half-width worth having, where ties put many rows on kinks.
    """
    width = floor
    for count in window_counts(held.n_rows, len(point), last):
        width = max(window(held, pieces, held.residuals(point), count), floor)
        point = _newton(held, pieces, point, width)
        if width == floor:
            break
    return point, width


def _newton(held: Subproblem, pieces: Pieces, point: Array, width: float, most: int = 8) -> Array:
    """Newton's steps with an exact line search, until the steps are small beside the window."""
    for _ in range(most):
        residuals = held.residuals(point)
        _, slope, curvature = pieces.smooth(residuals, width)
        gradient = -(held.values.T @ (held.weights * slope) + held.outside_gradient)
        step = newton_step(_gram(held, curvature), gradient)
        move = held.values @ step
        length = _line_search(held, pieces, residuals, move, float(held.outside_gradient @ step), width)
        point = point + length * step
        if length * np.sqrt(np.mean(np.square(move))) < 0.1 * width or length == 0.0:
            break
    return point


def _gram(held: Subproblem, curvature: Array) -> Array:
    inside = np.flatnonzero(curvature)
    part = held.values[inside] * np.sqrt(held.weights[inside] * curvature[inside])[:, None]
    gram: Array = part.T @ part
    return gram


def newton_step(curvature: Array, gradient: Array) -> Array:
    """``-H^-1 g`` with a trace of ridge, for windows that miss a direction."""
    size = float(np.trace(curvature)) / len(gradient)
    damping = 1e-7 * size if size > 0 else 1.0
    for _ in range(8):
        try:
            matrix = curvature + damping * np.eye(len(gradient))
            return -np.asarray(cho_solve(cho_factor(matrix, lower=True, check_finite=False), gradient, check_finite=False))
        except np.linalg.LinAlgError:
            damping *= 100.0
    return -gradient / damping


def supported_step(curvature: Array, gradient: Array) -> Array:
    """``-H^-1 g`` in the directions that the window's rows support; no step in others, whose length nothing would limit."""
    values, vectors = np.linalg.eigh(curvature)
    supported = values > 1e-2 * np.median(values)
    part = vectors[:, supported]
    return np.asarray(-(part @ ((part.T @ gradient) / values[supported])))


def _line_search(held: Subproblem, pieces: Pieces, residuals: Array, move: Array, outside_gradient: float, width: float) -> float:
    """Where the slope along the step is a tenth of what it was; it rises along the step."""

    def slope_at(length: float) -> float:
        return -float((held.weights * pieces.smooth_slope(residuals - length * move, width)) @ move) - outside_gradient

    return level_length(slope_at, 0.1, 0.1)
