"""Coefficients that move along a curve while no row's loss changes: (y - p0 p1)^2, where one factor grows as the other shrinks.

No direction of the linear predictors is open everywhere, so nothing is found before the fit. At the solution the curvature is singular.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.protocol import Solution

SINGULAR = 1e-8
"""Share of the largest curvature, each coefficient's own being one, that counts as none."""

NO_SLOPE = 1e-6
"""Of a row's gradient times the move of its linear predictors: what counts as no slope along it."""

AWAY = 0.1
"""How far another start lies along the curve, beside the coefficients."""


def with_freedom_said(problem: Problem, solution: Solution, solve_from: Callable[[Array], Solution]) -> Solution:
    """The solution, whose certificate and notes say so where other coefficients fit each row alike.

    It is asked where the curvature is singular although the columns are independent and no row's loss has a slope along that direction.
    A fit begun a little further along, by ``solve_from``, then ends elsewhere, with the same loss.
    """
    curvature = solution.curvature
    if curvature is None or problem.joint or problem.loss.is_convex or not solution.certificate.converged:
        return solution
    free = problem.free.without(solution.aliased) if solution.aliased else problem.free
    moves = _moves_without_slope(problem, free, solution, curvature)
    if not moves:
        return solution
    size = float(np.abs(solution.coefficients).max()) or 1.0
    begin = solution.coefficients + AWAY * size * sum(moves) / float(np.abs(sum(moves)).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is said of a second fit would be taken for the first
        other = solve_from(begin)
    apart = float(np.abs(other.coefficients - solution.coefficients).max())
    if apart < 0.1 * AWAY * size or abs(other.loss - solution.loss) > 1e-9 * abs(solution.loss):
        return solution
    words = (
        f"other coefficients of {_names(problem, moves)} give every row the same loss, since one can make up for another; those met first"
        " are given, and have no standard errors"
    )
    certificate = replace(solution.certificate, reason=f"{solution.certificate.reason}; not identified: {words}")
    note = f"the loss {problem.loss.name!r} does not identify all its coefficients: {words}. Fix one of them, or add a penalty"
    return replace(solution, certificate=certificate, notes=(*solution.notes, note), without_errors=f"not identified: {words}")


def _moves_without_slope(problem: Problem, free: CoefficientMap, solution: Solution, curvature: Array) -> list[Array]:
    """Moves of the coefficients, (P, k) each, without curvature and along which no row has a slope."""
    diagonal = np.abs(np.diag(curvature))
    if len(diagonal) != free.size or not np.isfinite(curvature).all() or not diagonal.min() > 0:
        return []
    scale = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    moves = [free.expand(vector / scale) - free.base for vector in vectors.T[np.abs(values) <= SINGULAR * values[-1]]]
    return [move for move in moves if problem.rows.reduce(_SlopeKernel(problem.loss, solution.coefficients, move)).is_none]


def _names(problem: Problem, moves: list[Array]) -> str:
    moved = np.flatnonzero(np.any([np.abs(move).max(axis=0) > 1e-6 * np.abs(move).max() for move in moves], axis=0))
    predictors = problem.loss.predictor_names(problem.rows.n_targets)
    return " and ".join(predictors[int(j)] for j in moved)


@dataclass(frozen=True)
class _Slope:
    """Over rows: the largest slope along a move, and the largest that its gradient and its move allow."""

    along: float
    most: float

    @property
    def is_none(self) -> bool:
        return self.most > 0 and self.along <= NO_SLOPE * self.most


@dataclass(frozen=True)
class _SlopeKernel(Kernel[_Slope]):
    loss: Loss
    coefficients: Array
    move: Array

    def map(self, block: Block) -> _Slope:
        counted = block.without_zero_weights()
        gradient = self.loss.derivatives(counted.targets, counted.linear_predictors(self.coefficients), 1).gradient
        assert gradient is not None
        moved = counted.design.predict(self.move)
        along = np.abs(np.einsum("ij,ij->i", gradient, moved))
        most = np.linalg.norm(gradient, axis=1) * np.linalg.norm(moved, axis=1)
        return _Slope(float(along.max(initial=0.0)), float(most.max(initial=0.0)))

    def merge(self, first: _Slope, second: _Slope) -> _Slope:
        return _Slope(max(first.along, second.along), max(first.most, second.most))
