"""Piecewise-linear losses to the exact vertex: quantile, absolute, epsilon-insensitive, and a user's own with kinks that were found.

Smoothing brings Newton's method near; the rows nearest a kink then carry a small linear program, all others entering by the side they are
on; one pass checks that none has changed sides (Portnoy and Koenker 1997, "The Gaussian hare and the Laplacian tortoise", Statistical
Science 12). No change, and multipliers between the slopes of their kinks, prove the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.messages import warn
from gradline.problem import Problem
from gradline.rows.arrays import single_threaded_blas
from gradline.solvers.kink_passes import Column
from gradline.solvers.pieces import pieces_of
from gradline.solvers.solution import Certificate, Solution, as_start
from gradline.solvers.vertex_search import Found, VertexSearch
from gradline.solvers.whitening import sample_numbers, whiten
from gradline.types import Array

NOT_UNIQUE = "the optimum is not unique: other coefficients give the same objective, and one vertex of the optimal set is returned"


@dataclass(frozen=True)
class PiecewiseLinear:
    """The exact optimum of a convex piecewise-linear loss of y - eta. Several targets are solved one by one."""

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The vertex, with its certificate. ``start`` saves passes and does not change the answer; ``progress`` is not needed.

        Raises ValueError for a loss that is not convex and piecewise linear with kinks it can name, and for a penalty.
        """
        if problem.penalty is not None:
            raise ValueError(
                f"PiecewiseLinear takes no penalty, and the problem has a {problem.penalty.name}: a quadratic penalty moves the optimum off the"
                " vertices. Use gl.Newton on a smoothed loss (gl.losses.huber for the absolute loss) or gl.GradientDescent, or leave the penalty out"
            )
        if problem.joint:
            raise ValueError(problem.joint_message)
        rows = problem.rows
        pieces = pieces_of(problem.loss, rows.n_targets)
        numbers = sample_numbers(rows.n_rows, rows.n_columns)
        complete = numbers is None
        if numbers is None:
            numbers = np.arange(rows.n_rows)
        sample = rows.take(numbers)
        weights = sample.row_weights
        if weights is not None and not (weights > 0).all():
            kept = weights > 0
            numbers, sample = numbers[kept], sample.without_zero_weights()
        with single_threaded_blas():
            whitening = whiten(rows, sample, complete)
        given = None if start is None else as_start(start, problem.shape)
        found, passes = list[Found](), 1
        for target in range(rows.n_targets):
            search = VertexSearch(rows, whitening, sample, numbers, complete, Column(pieces, target), problem.total_weight)
            point = whitening.start[:, target] if given is None else whitening.point(given[:, target])
            with single_threaded_blas():
                found.append(search.run(point))
            passes += search.passes
        coefficients = np.stack([one.coefficients for one in found], axis=1)
        loss = problem.evaluate(coefficients, 0).value
        certificate = _certificate(found)
        if not certificate.converged:
            warn(f"PiecewiseLinear has not converged: {certificate.reason}. {certificate.remedy}")
        notes = () if all(one.unique for one in found) else (NOT_UNIQUE,)
        return Solution(coefficients, loss, "PiecewiseLinear", certificate, passes + 1, aliased=whitening.aliased, notes=notes)


def _certificate(found: list[Found]) -> Certificate:
    worst = max(found, key=lambda one: (not one.converged, one.excess))
    remedy = "" if worst.converged else "Scale the columns, leave out nearly dependent ones, or use gl.GradientDescent."
    return Certificate(worst.converged, max(one.violation for one in found), worst.reason, remedy)
