"""Piecewise-linear losses to the exact vertex: quantile, absolute, epsilon-insensitive, and a user's own with kinks that were found.

Smoothing brings Newton's method near; the rows nearest a kink then carry a small linear program, all others entering by the side they are
on; one pass checks that none has changed sides (Portnoy and Koenker 1997, "The Gaussian hare and the Laplacian tortoise", Statistical
Science 12). No change, and multipliers between the slopes of their kinks, prove the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty, as_kinked
from gradline.rows.protocol import Rows
from gradline.solvers.centring import check_target_range
from gradline.solvers.kinks.passes import OneTarget
from gradline.solvers.kinks.penalty_rows import refuses_as_rows, with_penalty_rows
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

    Beside a loss with one kink, absolute and quantile, it takes a lasso, as rows with kinks of their own.

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
        lasso = as_kinked(problem.penalty)
        if (lasso is None or problem.constraints is not None) and (reason := smooth_and_free(self, problem)) is not None:
            return reason
        if problem.penalty is not None and lasso is None:
            return (
                f"PiecewiseLinear takes no penalty, and the problem has a {problem.penalty.name}, which moves the optimum off the vertices:"
                " use gl.ActiveSetNewton, or leave the penalty out"
            )
        if problem.joint:
            return problem.joint_message
        try:
            pieces = pieces_of(problem.loss, problem.rows.n_targets)
        except ValueError as error:
            return str(error)
        if lasso is not None and (reason := refuses_as_rows(problem, pieces)) is not None:
            return reason
        return moves_every_coefficient(self, problem) or writes_codes_out(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The vertex, with its certificate. ``start`` may save passes; ``progress`` is not needed."""
        pieces = pieces_of(problem.loss, problem.rows.n_targets)
        check_target_range(problem)
        given = None if start is None else as_start(start, problem.shape)
        lasso = as_kinked(problem.penalty)
        with single_threaded_blas():
            if lasso is None:
                search = _searched(problem.rows, pieces, problem.total_weight, given)
            else:
                search = _beside_lasso(problem, lasso, pieces, given)
        found = search.found
        coefficients = np.stack([one.coefficients for one in found], axis=1)
        loss = problem.evaluate(coefficients, 0).value
        certificate = _certificate(found)
        if certificate.converged and not _agree(problem, pieces, found, loss, search.largest):
            reason = f"the loss {problem.loss.name!r} is not the piecewise-linear function that its kinks describe"
            certificate = replace(certificate, converged=False, reason=reason, remedy="Use gl.GradientDescent.")
        if not certificate.converged:
            warn(f"PiecewiseLinear has not converged: {certificate.reason}. {certificate.remedy}")
        notes = () if all(one.unique for one in found) else (NOT_UNIQUE,)
        return Solution(coefficients, loss, "PiecewiseLinear", certificate, search.passes + 1, aliased=search.aliased, notes=notes)


class _Searched(NamedTuple):
    """The vertex of each target, and the rows on a kink that determine it; passes; the columns that are aliased; the largest target of a
    sample."""

    found: list[Found]
    on_kinks: list[IntArray]
    passes: int
    aliased: tuple[int, ...]
    largest: float


def _searched(rows: Rows, pieces: Pieces, weight: float, given: Array | None) -> _Searched:
    sample, found, on_kinks, passes = draw_sample(rows), list[Found](), list[IntArray](), 1
    whitening = whiten(rows, sample)
    for target in range(rows.n_targets):
        search = VertexSearch(rows, whitening, sample, OneTarget(pieces, target), weight)
        point = whitening.start[:, target] if given is None else whitening.point(given[:, target])
        found.append(search.run(point))
        on_kinks.append(search.basis_numbers)
        passes += search.passes
    return _Searched(found, on_kinks, passes, whitening.aliased, float(np.abs(sample.block.targets).max()))


def _beside_lasso(problem: Problem, lasso: KinkedPenalty, pieces: Pieces, given: Array | None) -> _Searched:
    """The same with a lasso, whose rows weigh otherwise for each target."""
    parts = list[_Searched]()
    for target in range(problem.rows.n_targets):
        rows, columns, unit = with_penalty_rows(problem, lasso, pieces, target)
        one = _searched(rows, pieces, problem.total_weight, None if given is None else given[:, [target]] / unit[:, None])
        # What a row of the penalty holds at zero is that, and not rounding.
        own = one.on_kinks[0] - (rows.n_rows - len(columns))
        one.found[0].coefficients[columns[own[own >= 0]]] = 0.0
        parts.append(one._replace(found=[one.found[0]._replace(coefficients=one.found[0].coefficients * unit)]))
    return _Searched(
        [one.found[0] for one in parts],
        [one.on_kinks[0] for one in parts],
        sum(one.passes for one in parts),
        tuple(sorted({place for one in parts for place in one.aliased})),
        max(one.largest for one in parts),
    )


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
