"""Intervals of the coefficients that a lasso kept, given that it kept them.

For squared loss with normal errors, to keep these columns with these signs is to say that sums over the rows lie in a polyhedron. Given
that, and what is independent of it, a slope of least squares on the kept columns is normal between two limits: Lee, Sun, Sun and Taylor
(2016), "Exact post-selection inference, with application to the lasso", Annals of Statistics 44. All of it follows from second moments:
r = X'Wy is normal with covariance sigma^2 X'WX, and the polyhedron speaks of r alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array, IntArray
from gradline.inference.conditional import Selective
from gradline.inference.inference import Inference
from gradline.inference.perfect import PERFECT
from gradline.inference.support import support_statistics
from gradline.objective.objective import Problem
from gradline.penalties.beside_curves import curve_part
from gradline.penalties.kinked_penalty import KinkedPenalty, as_kinked, chosen_by
from gradline.solvers.least_squares.second_moments import MomentsKernel
from gradline.solvers.protocol import Solution

NOTHING = 1e-11
"""Of a constraint's direction, relative: rounding."""

MOST_COLUMNS = 3_000
"""Columns of which sums of products are taken."""

NO_ERRORS = (
    "intervals given what was selected are not about the estimate by a standard error on either side: interval(), p_values and table() have"
    " them"
)


def selective(problem: Problem, solution: Solution) -> Inference:
    """What a fit holds that was asked for ``covariance="selective"``.

    Raises ValueError for another loss than squared, a penalty that is no lasso or elastic net, as many coefficients as rows, and a
    fit that has not converged.
    """
    penalty, weights = _checked(problem, solution)
    first, k = int(problem.rows.intercept), problem.shape[1]
    moments = problem.rows.reduce(MomentsKernel()).sums
    p = problem.shape[0] - first
    if moments.count <= problem.shape[0]:
        raise InferenceError(
            f"selective intervals need the variance of the errors, which least squares on all columns tells: {moments.count:,.6g} rows"
            f" leave no degree of freedom for {problem.shape[0]} coefficients; leave columns out, or give more rows"
        )
    unit = np.ldexp(1.0, moments.exponents)
    total = moments.centred() * np.outer(unit, unit)
    if not first:
        total = total + moments.weight * np.outer(moments.means, moments.means)
    means = moments.means
    more = np.zeros((k * p, k * p))
    if penalty.smooth_part is not None:
        bend = penalty.smooth_part.curvature(solution.coefficients[first:])
        more = np.diag(bend.T.ravel()) if bend.shape == (p, k) else bend
    scale = problem.loss.squared_scale()
    assert scale is not None
    found = np.full((4, *problem.shape), np.nan)
    for j in range(k):
        places = j * p + np.arange(p)
        if more[np.ix_(places, np.delete(np.arange(k * p), places))].any():
            raise InferenceError("selective intervals are for penalties that do not join the slopes of several targets")
        one = _Target(
            gram=total[:p, :p],
            cross=total[:p, p + j],
            squares=float(total[p + j, p + j]),
            weight=moments.weight,
            count=moments.count,
            means=means[:p] if first else None,
            target_mean=float(means[p + j]),
            curvature=2.0 * scale / moments.weight * total[:p, :p] + more[np.ix_(places, places)],
            rate=2.0 * scale / moments.weight,
            l1=weights[places],
            allowed=np.flatnonzero(problem.movable[first:, j]),
            bent=bool(more[np.ix_(places, places)].any()),
        )
        found[:, :, j] = one.limits(solution.coefficients[first:, j])
    words = (
        "selective: given the columns that were kept, their signs and the strength, of the slopes of least squares on the kept columns"
        " (Lee, Sun, Sun and Taylor 2016); normal errors, whose variance is that of least squares on all columns; two-sided"
    )
    notes = ("the strength was chosen from the same rows, and the intervals take it as given",) if chosen_by(penalty) else ()
    return Inference(
        support_statistics(problem, solution),
        None,
        None,
        unavailable=NO_ERRORS,
        notes=notes,
        selective=Selective(found[0], found[1], found[2], found[3], words),
    )


def _checked(problem: Problem, solution: Solution) -> tuple[KinkedPenalty, Array]:
    """The penalty, and its factors of absolute slopes."""
    name = problem.loss.name
    if problem.loss.squared_scale() is None:
        raise InferenceError(
            f"selective intervals are for squared loss, whose sums are normal with normal errors, and this is {name!r};"
            ' covariance="debiased" goes with any smooth loss'
        )
    penalty = as_kinked(problem.penalty)
    if curve_part(penalty) is not None:
        raise InferenceError(
            "selective intervals are of least squares on what was kept, and a curve is none: leave them out beside curves;"
            ' covariance="debiased" goes with them'
        )
    if penalty is None:
        raise InferenceError(
            "selective intervals are given what a penalty kept, and nothing here sets slopes to zero: leave covariance= to its default, or"
            " give penalty=gl.penalties.lasso(0.1)"
        )
    weights = penalty.absolute
    if weights is None or not penalty.rest_is_quadratic:
        raise InferenceError(
            f"selective intervals are for the lasso and the elastic net, under which a choice is a polyhedron; {penalty.name!r} is neither."
            ' covariance="debiased" goes with any penalty'
        )
    if problem.constraints is not None:
        raise InferenceError("selective intervals know nothing of constraints: leave them out, or ask for no standard errors")
    if not solution.certificate.converged:
        raise InferenceError("the fit has not converged, so that what it kept is not what the penalty keeps: no selective intervals")
    if problem.rows.n_columns > MOST_COLUMNS:
        raise InferenceError(f"selective intervals take the products of all columns, of {MOST_COLUMNS:,} at most")
    return penalty, weights


@dataclass(frozen=True, eq=False)
class _Target:
    """Sums of one target. gram (p, p), cross (p,), squares: about the means (None where there is no intercept), or about zero. curvature
    (p, p): of the objective. rate: the loss's part of it over ``gram``. l1 (p,). allowed: the columns that the
    model may use. bent: whether the penalty has a part of squares."""

    gram: Array
    cross: Array
    squares: float
    weight: float
    count: float
    means: Array | None
    target_mean: float
    curvature: Array
    rate: float
    l1: Array
    allowed: IntArray
    bent: bool

    def limits(self, slopes: Array) -> Array:
        """(4, P): estimates, spreads, below, above."""
        first = int(self.means is not None)
        out = np.full((4, first + len(self.l1)), np.nan)
        sigma = self._sigma()
        free = self.l1 == 0
        kept = np.array([i for i in self.allowed if slopes[i] != 0 or free[i]], dtype=np.int64)
        idle = np.array([i for i in self.allowed if slopes[i] == 0 and not free[i]], dtype=np.int64)
        inverse, answer = _inverse(self.gram[np.ix_(kept, kept)]), _inverse(self.curvature[np.ix_(kept, kept)])
        sign = np.sign(slopes[kept])
        penalised = self.rate * answer @ self.cross[kept] - answer @ (self.l1[kept] * sign)
        gradient = self.curvature[np.ix_(idle, kept)] @ penalised - self.rate * self.cross[idle]
        signed = ~free[kept]
        # At least zero for what was seen; rounding may say otherwise of a slope that is nearly zero.
        slack = np.maximum(np.concatenate([(sign * penalised)[signed], self.l1[idle] - gradient, self.l1[idle] + gradient]), 0.0)
        least = inverse @ self.cross[kept]
        for place in range(-first, len(kept)):
            # estimate = (a constant) + direction' r[kept], with r = cross; the intercept comes first.
            if place < 0:
                assert self.means is not None
                direction = -inverse @ self.means[kept]
                variance = 1.0 / self.weight - float(self.means[kept] @ direction)
                estimate, where = self.target_mean - float(self.means[kept] @ least), 0
            else:
                direction, variance, estimate = inverse[place], float(inverse[place, place]), float(least[place])
                where = first + int(kept[place])
            moves = self.gram[:, kept] @ direction / variance
            steps = self.rate * answer @ moves[kept]
            pushed = self.curvature[np.ix_(idle, kept)] @ steps
            rise, size = pushed - self.rate * moves[idle], np.abs(pushed) + np.abs(self.rate * moves[idle])
            # What a lasso leaves of the idle columns is independent of the estimates; only a ridge beside it ties them together.
            rise[(np.abs(rise) <= NOTHING * size) | (not self.bent)] = 0.0
            rates = np.concatenate([-(sign * steps)[signed], rise, -rise])
            spread = sigma * np.sqrt(variance)
            with np.errstate(over="ignore"):
                above = (slack[rates > 0] / rates[rates > 0]).min(initial=np.inf) / spread
                below = (slack[rates < 0] / rates[rates < 0]).max(initial=-np.inf) / spread
            out[:, where] = estimate, spread, below, above
        return out

    def _sigma(self) -> float:
        """The standard deviation of the errors, of least squares on all columns."""
        gram, cross = self.gram[np.ix_(self.allowed, self.allowed)], self.cross[self.allowed]
        size = np.sqrt(gram.diagonal())
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(gram / np.outer(size, size))
        used = values > NOTHING * values.max(initial=1.0)
        explained = float(np.square(vectors[:, used].T @ (cross / size) / np.sqrt(values[used])).sum())
        left, spare = self.squares - explained, self.count - int(self.means is not None) - int(used.sum())
        if not spare > 0 or not left > NOTHING * self.squares:
            raise InferenceError(f"no selective intervals: {PERFECT}")
        return float(np.sqrt(left / spare))


def _inverse(matrix: Array) -> Array:
    size = np.sqrt(matrix.diagonal())
    try:
        lower = np.linalg.cholesky(matrix / np.outer(size, size))
    except np.linalg.LinAlgError:
        raise InferenceError(
            "no selective intervals: columns that were kept determine each other, so that least squares on them has no one answer;"
            " leave one out"
        ) from None
    half = np.linalg.solve(lower, np.eye(len(lower))) / size
    return np.asarray(half.T @ half)
