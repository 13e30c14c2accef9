"""The strength of a ridge by leave-one-out loss.

Squared loss needs no fit a strength: with the columns' second moments G = V diag(d) V' about their means, the ridge of strength s has the
slopes V (V'c) / (d + t), t = s W / 2, and row i the leverage w_i (1/W + sum_j (V'x_i)_j^2 / (d_j + t)), for as many strengths at a time
as one likes (Golub, Heath and Wahba 1979, Technometrics 21). Other losses are fitted with one strength after another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.covariance.meat import FULL_LEVERAGE
from gradline.inference.leave_one_out import leave_one_out
from gradline.objective.objective import Problem
from gradline.penalties.ridge import Ridge
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.least_squares.second_moments import MomentsKernel, columns_of

MOST_COEFFICIENTS = 6_000
"""Coefficients of a sparse matrix up to which rows are left out to choose a ridge."""

FIRST_EXPONENTS = np.linspace(-6.0, 4.0, 21)
"""Strengths tried first, as powers of ten of the columns' mean curvature."""

NEARER = (21, 41)
"""Strengths tried together between the neighbours of the best, time and again: the last differ by 0.6 %."""

NEAR_ENOUGH = 1e-3
"""A strength found one by one is this near, as a power of ten."""


class RidgeChoice(NamedTuple):
    """strength: the one chosen. strengths (t,) and losses (t,): those tried, in rising order, and their leave-one-out losses."""

    strength: float
    strengths: Array
    losses: Array


def ridge_auto(problem: Problem, solve: Any = None) -> RidgeChoice:
    """The strength of a ridge with the least leave-one-out loss, to 1 part in 150.

    The first are 21 strengths spread over ten powers of ten about the columns' own curvature. The problem's penalty is replaced.
    solve: ``solve(problem, start) -> Solution``; the automatic solver unless given. Columns should be on one scale, since a ridge treats
    them alike. Squared loss takes a pass for sums and one for each round of strengths. Raises ValueError for losses without a curvature.
    """
    if problem.loss.kinks() is not None:
        raise InferenceError(f"the loss {problem.loss.name!r} has kinks: give its ridge a strength, chosen on rows held back")
    coefficients = problem.shape[0] * problem.shape[1]
    if problem.rows.sparse_columns and coefficients > MOST_COEFFICIENTS:
        raise InferenceError(
            f'ridge("auto") leaves rows out by the inverse curvature, a matrix of {coefficients:,} x {coefficients:,} numbers here; give'
            " the ridge a strength, chosen on rows held back (as scikit-learn's GridSearchCV does with gl.LinearRegression)"
        )
    problem = replace(problem, penalty=None)
    return _by_sums(problem) or _by_fits(problem, solve)


class _Tried:
    """Strengths and their losses; size: what a strength of 1 is in the columns' units."""

    def __init__(self, size: float, losses: Callable[[Array], Array]) -> None:
        self.size = size if np.isfinite(size) and size > 0 else 1.0
        self._losses, self._found = losses, dict[float, float]()

    def losses(self, exponents: Array) -> Array:
        """At powers of ten of the size, rising, (t,): infinite where one is not finite."""
        new = np.array([each for each in exponents.tolist() if each not in self._found])
        if new.size:
            found = self._losses(self.size * 10.0**new)
            self._found |= zip(new.tolist(), np.where(np.isfinite(found), found, np.inf).tolist(), strict=True)
        return np.array([self._found[each] for each in exponents.tolist()])

    def about_best(self, exponents: Array) -> tuple[float, float]:
        """The neighbours of the best of exponents in rising order."""
        best = int(np.argmin(self.losses(exponents)))
        return float(exponents[max(best - 1, 0)]), float(exponents[min(best + 1, len(exponents) - 1)])

    def choice(self) -> RidgeChoice:
        exponents = np.array(sorted(self._found))
        losses = np.array([self._found[each] for each in exponents.tolist()])
        strengths = self.size * 10.0**exponents
        return RidgeChoice(float(strengths[np.argmin(losses)]), strengths, losses)


def _by_sums(problem: Problem) -> RidgeChoice | None:
    """Of squared loss with fewer columns than rows; None of any other, and where no row can be left out."""
    rows, scale = problem.rows, problem.loss.squared_scale()
    q = rows.n_targets
    if scale is None or problem.joint or not int(rows.intercept) < rows.n_columns <= rows.n_rows:
        return None
    sums = rows.reduce(MomentsKernel()).sums
    if sums.exponents.any() or not sums.finite() or not sums.weight > 0:
        return None
    if rows.intercept:
        centre, products, level = sums.means, sums.centred(), 1.0 / sums.weight
    else:
        centre, level = np.zeros(len(sums.shift)), 0.0
        products = sums.about(centre, sums.exponents).products
    values, vectors = eigh(products[:-q, :-q])
    values = np.maximum(values, 0.0)
    along = vectors.T @ products[:-q, -q:]

    def losses(strengths: Array) -> Array:
        inverses = 1.0 / (values + strengths[:, None] * (sums.weight / (2.0 * scale)))
        kernel = _LeftOutSquares(centre, vectors, along, inverses, level)
        return np.asarray(rows.reduce(kernel) * (scale / sums.weight))

    tried = _Tried(2.0 * scale / sums.weight * float(np.mean(products.diagonal()[:-q])), losses)
    exponents = FIRST_EXPONENTS
    if not np.isfinite(tried.losses(exponents)).any():
        return None
    for count in NEARER:
        exponents = np.linspace(*tried.about_best(exponents), count)
        tried.losses(exponents)
    return tried.choice()


@dataclass(frozen=True, eq=False)
class _LeftOutSquares(Kernel[Array]):
    """Weighted sums of squared residuals of rows left out, one a strength, (t,).

    centre: of columns and targets, (p + q,). vectors (p, p); along (p, q); inverses 1 / (d + t), (t, p); level: the intercept's leverage.
    """

    writes_columns: ClassVar[bool] = True

    centre: Array
    vectors: Array
    along: Array
    inverses: Array
    level: float

    def map(self, block: Block) -> Array:
        total = np.zeros(len(self.inverses))
        for piece in block.pieces(len(self.centre) + 3 * len(total)):
            total += self._squares(piece)
        return total

    def _squares(self, block: Block) -> Array:
        block = block.without_zero_weights()
        weights, p = block.weight_of_each_row, len(self.vectors)
        precision = block.precision
        if block.design.sparse:
            # Such columns lie about zero, and nothing is lost by moving what they make.
            first = int(block.design.intercept)
            targets = block.targets_less_offset
            turned = block.design.predict(np.vstack([np.zeros((first, p)), self.vectors])) - np.dot(self.centre[:p], self.vectors)
        else:
            values, targets = columns_of(block)
            turned = np.dot(values - self.centre[:p], self.vectors)
        left = 1.0 - precision[:, None] * (self.level + np.dot(np.square(turned), self.inverses.T))
        total = np.zeros(len(self.inverses))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            for target, along in zip((targets - self.centre[p:]).T, self.along.T, strict=True):
                residuals = target[:, None] - np.dot(turned, (self.inverses * along).T)
                total += np.dot(weights, np.square(residuals / left))
        # A row that alone determines a coefficient cannot be left out.
        return np.where((left <= FULL_LEVERAGE).any(axis=0), np.inf, total)

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


def _by_fits(problem: Problem, solve: Any) -> RidgeChoice:
    """By fits of one problem with one ridge after another, each from the last."""
    coefficients: Array | None = None

    def loss(strength: float) -> float:
        nonlocal coefficients
        tried = replace(problem, penalty=Ridge(strength))
        if solve is None:
            from gradline.solvers import registry

            solution = registry.solve(registry.automatic(tried), tried, coefficients)
        else:
            solution = solve(tried, coefficients)
        coefficients = solution.coefficients
        return leave_one_out(tried, solution.coefficients, tried.free).left_out

    # From the strongest, whose slopes are near zero.
    tried = _Tried(_curvature(problem), lambda strengths: np.array([loss(each) for each in strengths.tolist()[::-1]])[::-1])
    bounds = tried.about_best(FIRST_EXPONENTS)
    minimize_scalar(lambda at: float(tried.losses(np.array([at]))[0]), bounds=bounds, method="bounded", options={"xatol": NEAR_ENOUGH})
    return tried.choice()


def _curvature(problem: Problem) -> float:
    """The mean curvature of the objective in a slope, at the start of a fit."""
    from gradline.solvers.newton.newton import Newton

    curvature = problem.evaluate(Newton().begin(problem), 2).curvature
    assert curvature is not None
    diagonal = np.diag(curvature).reshape(problem.shape[1], -1)[:, int(problem.rows.intercept) :]
    return float(np.abs(diagonal).mean()) if diagonal.size else 1.0
