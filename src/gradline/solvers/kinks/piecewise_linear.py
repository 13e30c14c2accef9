"""Piecewise-linear losses to the exact vertex: quantile, absolute, epsilon-insensitive, and a user's own with kinks that were found.

Smoothing brings Newton's method near; the rows nearest a kink then carry a small linear program, all others entering by the side they are
on; one pass checks that none has changed sides (Portnoy and Koenker 1997, "The Gaussian hare and the Laplacian tortoise", Statistical
Science 12). No change, and multipliers between the slopes of their kinks, prove the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.objective.objective import Problem
from gradline.solvers.centring import check_target_range
from gradline.solvers.kinks.passes import OneTarget
from gradline.solvers.kinks.pieces import Pieces, pieces_of
from gradline.solvers.kinks.vertex_search import Found, VertexSearch
from gradline.solvers.kinks.whitening import draw_sample, whiten
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.refusing import moves_every_coefficient, smooth_and_free, writes_codes_out

NOT_UNIQUE = "the optimum is not unique: other coefficients give the same objective, and one vertex of the optimal set is returned"

REMEDY = "Scale the columns, leave out nearly dependent ones, or use gl.GradientDescent."


@dataclass(frozen=True)
class PiecewiseLinear(Options):
    """The exact optimum of a convex piecewise-linear loss of y - eta. Several targets are solved one by one.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, loss=gl.losses.absolute, solver=gl.PiecewiseLinear())
    >>> int((abs(fit.residuals(x, y)) < 1e-12).sum())  # the line runs through as many rows as it has coefficients
    2
    """

    any_columns: ClassVar[bool] = True

    def refuses(self, problem: Problem) -> str | None:
        """A loss that is not convex and piecewise linear with kinks it can name, a penalty, constraints, coefficients that are not free,
        codes of very many levels."""
        if (reason := smooth_and_free(self, problem)) is not None:
            return reason
        if problem.penalty is not None:
            return (
                f"PiecewiseLinear takes no penalty, and the problem has a {problem.penalty.name}, which moves the optimum off the vertices:"
                " use gl.ActiveSetNewton, or leave the penalty out"
            )
        if problem.joint:
            return problem.joint_message
        try:
            pieces_of(problem.loss, problem.rows.n_targets)
        except ValueError as error:
            return str(error)
        return moves_every_coefficient(self, problem) or writes_codes_out(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The vertex, with its certificate. ``start`` may save passes; ``progress`` is not needed."""
        pieces = pieces_of(problem.loss, problem.rows.n_targets)
        check_target_range(problem)
        rows = problem.rows
        sample = draw_sample(rows)
        given = None if start is None else as_start(start, problem.shape)
        found, passes = list[Found](), 1
        with single_threaded_blas():
            whitening = whiten(rows, sample)
            for target in range(rows.n_targets):
                search = VertexSearch(rows, whitening, sample, OneTarget(pieces, target), problem.total_weight)
                point = whitening.start[:, target] if given is None else whitening.point(given[:, target])
                found.append(search.run(point))
                passes += search.passes
        coefficients = np.stack([one.coefficients for one in found], axis=1)
        loss = problem.evaluate(coefficients, 0).value
        certificate = _certificate(found)
        if certificate.converged and not _agree(problem, pieces, found, loss, float(np.abs(sample.block.targets).max())):
            reason = f"the loss {problem.loss.name!r} is not the piecewise-linear function that its kinks describe"
            certificate = replace(certificate, converged=False, reason=reason, remedy="Use gl.GradientDescent.")
        if not certificate.converged:
            warn(f"PiecewiseLinear has not converged: {certificate.reason}. {certificate.remedy}")
        notes = () if all(one.unique for one in found) else (NOT_UNIQUE,)
        return Solution(coefficients, loss, "PiecewiseLinear", certificate, passes + 1, aliased=whitening.aliased, notes=notes)


def _certificate(found: list[Found]) -> Certificate:
    worst = max(found, key=lambda one: (not one.converged, one.excess))
    violation = max(one.violation for one in found)
    return Certificate(worst.converged, violation, worst.reason, "" if worst.converged else REMEDY)


def _agree(problem: Problem, pieces: Pieces, found: list[Found], loss: float, largest: float) -> bool:
    """Whether the objective is what the pieces say: a kink that a search missed shows here. largest: target."""
    zeros = np.zeros((1, len(found)))
    at_zero = float(problem.loss.derivatives(zeros, zeros, 0).value[0]) - len(found) * float(pieces.value(np.zeros(1))[0])
    by_pieces = sum(one.value for one in found) / problem.total_weight + at_zero
    return abs(by_pieces - loss) <= 1e-8 * (abs(loss) + abs(at_zero)) + 1e-12 * largest * pieces.steepest
