"""Whether rows given again are those of a fit: by the fingerprint of targets, weights and offsets, and by the gradient for the columns.

A fingerprint of the columns would have to be taken at every fit. The gradient of the objective at the coefficients costs nothing there: the
solver left its size in the certificate, next to nothing where it converged, and other columns give another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.support import on_support
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.fingerprint import MODULUS, fingerprint, fingerprint_of
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.centring import length

if TYPE_CHECKING:
    from gradline.model.record import Model

SAME_GRADIENT = 1e-6
"""Of the sum of the sizes of its terms: how far two gradients of the same rows may be apart. Columns once rounded to float32 pass."""

ROUNDING, ON_KINK = 1e-13, 1e-10
"""Of the sizes that a linear predictor is the sum of: the error it may have, and how near a row is to a kink that it sits on."""

MOST_TRIED = 4
"""Linear predictors up to which each is moved by itself."""


def check_same_rows(fit: Model, problem: Problem, plain: Rows | None = None) -> None:
    """Raises ValueError where the rows of the problem are not those of the fit, as far as targets, weights, offsets and gradient tell.
    plain: as for ``how_different``."""
    difference = how_different(fit, problem, plain)
    if difference:
        raise InferenceError(
            f"these are not the rows the model was fitted to ({difference}): give the same data again, with the same weights, frequencies,"
            " offset and where=; for other rows there are predict and residuals"
        )


def how_different(fit: Model, problem: Problem, plain: Rows | None = None) -> str:
    """In a few words what tells the rows from those of the fit; empty where they are the same. One pass.

    plain: the same rows as they were given, where the problem has put more into their offset, as absorbed levels; then two passes.
    """
    rows = problem.rows
    given = rows if plain is None else plain
    apart = given is not rows
    if fit.fingerprint is not None and (rows.resident or apart) and fit.fingerprint not in _of_arrays(given):
        return _other_targets(fit, rows.n_rows)
    sums = _joint_sums(problem, fit.solution.coefficients) if problem.joint else rows.reduce(_kernel(problem, fit.solution.coefficients))
    if fit.fingerprint is not None and not apart and fit.fingerprint not in (sums.fingerprint, sums.older):
        return _other_targets(fit, rows.n_rows)
    return "" if _has_gradient(fit, problem, sums) else "targets and weights agree, and the columns do not: the gradient there is another"


def _of_arrays(rows: Rows) -> tuple[int, int]:
    """The fingerprint of rows in memory, and the one that model files of earlier versions hold, which leaves offsets out."""
    now, held = fingerprint_of(rows), rows.row_columns
    return now, now if held is None or held.offset is None else fingerprint(held.targets, held.weights, held.frequencies)


def _other_targets(fit: Model, n: int) -> str:
    if n != fit.rows_used:
        return f"{n:,} rows, and the fit used {fit.rows_used:,}"
    return f"{n:,} rows, with other targets, weights or offsets"


class _GradientSums(NamedTuple):
    """Over rows: weight; fingerprint; older: the same as earlier versions took it, without offsets; gradient (P, k);
    radius (P, k): how far it may be off where rows sit on a kink, and by rounding; size
    (P, k): the sum of its terms' sizes."""

    weight: float
    fingerprint: int
    older: int
    gradient: Array
    radius: Array
    size: Array


def _has_gradient(fit: Model, problem: Problem, sums: _GradientSums) -> bool:
    """Whether the gradient is the one that the fit's solver left."""
    certificate, coefficients = fit.certificate, fit.solution.coefficients
    recorded = certificate.gradient_norm
    # A penalty that set coefficients to zero has a gradient over the others.
    problem = on_support(problem, coefficients)
    kinked = not problem.joint and problem.loss.kinks() is not None
    if problem.penalty_kind == "proximal":
        # At its minimum the gradient of the smooth rest is not near zero, and the penalty's subdifferential is a set.
        return True
    if not np.isfinite(recorded) or (kinked and not certificate.converged and fit.history is None):
        # Where a search between kinks was given up, what it recorded is no gradient.
        return True
    gradient, radius, size = (part / sums.weight for part in (sums.gradient, sums.radius, sums.size))
    slope = problem.penalty_terms(coefficients, 1).gradient
    assert slope is not None
    gradient, size = gradient + slope, size + np.abs(slope)
    if fit.constraints is not None:
        # What the multipliers of the constraints balance is left of the gradient at the optimum.
        force = fit.constraints.force
        gradient, size = gradient - force, size + np.abs(force)
    free = free_coefficients(problem, fit.solution)
    reach = np.abs(free.restrict_gradient(gradient))
    allowed, slack = free.restrict_gradient(radius), SAME_GRADIENT * free.restrict_gradient(size)
    if not (np.isfinite(reach).all() and np.isfinite(allowed).all()):
        return True
    # By itself too: a column in large units would hide what one in small units says. What an exact solution leaves is rounding, and the
    # rounding of one column in large units is more than the whole slope of another.
    left = 0.0 if fit.solution.digits is not None and certificate.converged and not kinked else recorded
    if (reach - allowed > (1.0 + SAME_GRADIENT) * left + slack).any():
        return False
    least, most = length(np.maximum(reach - allowed - slack, 0.0)), length(reach + allowed + slack)
    return bool(least <= (1.0 + SAME_GRADIENT) * recorded and most >= (1.0 - SAME_GRADIENT) * recorded)


def _kernel(problem: Problem, coefficients: Array) -> _GradientKernel:
    return _GradientKernel(problem.loss, coefficients, problem.loss.kinks() is not None)


@dataclass(frozen=True)
class _GradientKernel(Kernel[_GradientSums]):
    """The fingerprint and the gradient in one pass. kinked: whether the loss has kinks."""

    loss: Loss
    coefficients: Array
    kinked: bool

    def map(self, block: Block) -> _GradientSums:
        design, counts = block.design, block.row_counts
        predictors = block.linear_predictors(self.coefficients)
        absolute = design.absolute()
        terms = absolute.predict(np.abs(self.coefficients))
        if block.offset is not None:
            terms += np.abs(block.offset)
        terms *= ON_KINK if self.kinked else ROUNDING
        if self.kinked:
            # A median of zero leaves a row on its kink without any term.
            terms += ON_KINK * np.abs(block.targets).max(initial=0.0)
        here = self._slopes(block, predictors)
        spread = np.zeros(here.shape)
        with np.errstate(all="ignore"):
            for move in _moves(predictors.shape[1]):
                spread = np.maximum(spread, np.abs(self._slopes(block, predictors + terms * move) - here))
        factor = counts if block.weights is None else counts * block.weights
        parts = [np.where(factor[:, None] > 0, factor[:, None] * part, 0.0) for part in (here, spread, np.abs(here))]
        known = fingerprint(block.targets, block.weights, block.frequencies, block.offset)
        return _GradientSums(
            float(factor.sum()),
            known,
            known if block.offset is None else fingerprint(block.targets, block.weights, block.frequencies),
            design.adjoint(parts[0]),
            absolute.adjoint(parts[1]),
            absolute.adjoint(parts[2]),
        )

    def merge(self, first: _GradientSums, second: _GradientSums) -> _GradientSums:
        return _GradientSums(
            first.weight + second.weight,
            (first.fingerprint + second.fingerprint) % MODULUS,
            (first.older + second.older) % MODULUS,
            first.gradient + second.gradient,
            first.radius + second.radius,
            first.size + second.size,
        )

    def _slopes(self, block: Block, predictors: Array) -> Array:
        with np.errstate(all="ignore"):
            gradient = self.loss.derivatives(block.targets, predictors, 1).gradient
        assert gradient is not None
        return np.asarray(gradient)


def _moves(k: int) -> Iterator[Array]:
    """Directions in which linear predictors (k,) are moved, by the error they may have."""
    together = [np.ones(k)] if k == 1 else [np.ones(k), np.where(np.arange(k) % 2, -1.0, 1.0)]
    alone = list(np.eye(k)) if 1 < k <= MOST_TRIED else []
    for direction in (*together, *alone):
        yield direction
        yield -direction


def _joint_sums(problem: Problem, coefficients: Array) -> _GradientSums:
    """The same of a scalar of all rows together, which are in memory and have no weights."""
    block, tape = problem.rows.in_memory(), problem.loss.tape
    assert block is not None
    assert tape is not None
    slopes = tape.gradient(block.targets, block.linear_predictors(coefficients))
    assert slopes is not None
    size = block.design.absolute().adjoint(np.abs(slopes))
    # A scalar of all rows has no curvature of a row by which rounding could be told.
    return _GradientSums(1.0, *_of_arrays(problem.rows), block.design.adjoint(slopes), 1e-3 * size, size)
