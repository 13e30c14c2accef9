"""A fit whose loss leaves some directions of its linear predictors open: solved all the same, and said so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import qr

from gradline.base.types import Array, IntArray
from gradline.linalg.coefficient_map import inside
from gradline.losses.identification import in_words
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.protocol import Solution, Solver

ROUNDING = 1e-7
"""Of the gradients at a start of zero: those at the solution below that are taken for as large. With ``NONE``, 1e-14 is rounding."""

NONE = 1e-7
"""Share of the largest gradient of a row that counts as no gradient along a direction."""


def changes_along(problem: Problem, solution: Solution) -> bool:
    """Whether the loss of some row changes along the directions that a few rows left open (``Loss.flat_directions``): a pass at the
    solution, where there are any."""
    flat = problem.loss.flat_directions
    if flat is None:
        return False
    along, largest = problem.rows.reduce(_AlongKernel(problem.loss, solution.coefficients, flat))
    if along > NONE * largest:
        # Far out, as under separation, gradients are next to nothing, and what they have along a direction is their rounding.
        beside = problem.rows.reduce(_AlongKernel(problem.loss, np.zeros(problem.shape), flat))[1]
        largest = max(largest, beside * ROUNDING if np.isfinite(beside) else 0.0)
    return along > NONE * largest


def naming_directions(problem: Problem, solution: Solution) -> Solution:
    """The solution with the open directions in its certificate and notes, where there are any."""
    flat = problem.loss.flat_directions
    if flat is None:
        return solution
    words = in_words(flat, problem.loss.predictor_names(problem.rows.n_targets))
    note = f"the loss {problem.loss.name!r} does not identify all its linear predictors: {words}"
    left = solution.coefficients[problem.undecided & problem.movable.all(axis=1)] @ flat
    smallest = np.abs(left).max(initial=0.0) <= 1e-8 * np.abs(solution.coefficients).max(initial=0.0)
    chosen = f"of the coefficients that fit alike {'the smallest' if smallest else 'those met first'} are given"
    certificate = replace(solution.certificate, reason=f"{solution.certificate.reason}; not identified: {words}; {chosen}")
    common = flat.shape[1] == 1 and float(np.ptp(flat)) <= 1e-8
    if smallest and common and problem.loss.scores_classes:
        return replace(solution, certificate=certificate)
    return replace(solution, certificate=certificate, notes=(*solution.notes, f"{note}; {chosen}"))


def by_reference(problem: Problem, solver: Solver, start: Array | None = None, progress: bool | None = False) -> Solution | None:
    """What a solver that moves single coefficients finds: some are held at zero, as many as there are directions, and what it finds is
    taken to the smallest coefficients of the same loss. None where the problem leaves no direction open."""
    flat = problem.loss.flat_directions
    if flat is None:
        return None
    free, undecided = problem.movable, problem.undecided
    mask = free.copy()
    moves = dict[bytes, tuple[Array, IntArray]]()
    for pattern in {row.tobytes(): row for row in free[undecided]}.values():
        within = inside(flat, pattern)
        if within.shape[1]:
            moves[pattern.tobytes()] = within, qr(within.T, mode="r", pivoting=True)[1][: within.shape[1]]
    held = [p for p in np.flatnonzero(undecided) if free[p].tobytes() in moves]
    if not held:
        return None
    for p in held:
        mask[p, moves[free[p].tobytes()][1]] = False
    if start is not None:
        start = start.copy()
        for p in held:
            within, places = moves[free[p].tobytes()]
            start[p] -= within @ np.linalg.solve(within[places], start[p, places])
    solution = solver.solve(replace(problem, mask=mask), start, progress)
    coefficients = solution.coefficients.copy()
    for p in held:
        within = moves[free[p].tobytes()][0]
        coefficients[p] -= within @ (within.T @ coefficients[p])
    return replace(solution, coefficients=coefficients, curvature=None, extra=())


@dataclass(frozen=True)
class _AlongKernel(Kernel[tuple[float, float]]):
    """The largest gradient of a row along the directions (k, r), and the largest of all; rows of weight zero left out."""

    loss: Loss
    coefficients: Array
    directions: Array

    def map(self, block: Block) -> tuple[float, float]:
        counted = block.without_zero_weights()
        gradient = self.loss.derivatives(counted.targets, counted.linear_predictors(self.coefficients), 1).gradient
        assert gradient is not None
        return float(np.abs(gradient @ self.directions).max(initial=0.0)), float(np.abs(gradient).max(initial=0.0))

    def merge(self, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
        return max(first[0], second[0]), max(first[1], second[1])
