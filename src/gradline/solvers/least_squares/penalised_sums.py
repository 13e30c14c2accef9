"""Squared loss with a quadratic penalty of any matrix, from second moments that a pass has made already."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.solvers.least_squares.second_moments import SecondMoments
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.squared_sums import SquaredSums, WeightSums, without_rounding


@dataclass(frozen=True, eq=False)
class CentredSums:
    """Of c times squared loss over slopes, the intercept taken out: target j has constant(j) - cross[:, j]'b + b'gram b / 2 in total.

    gram (p, p), cross (p, q) in the data's units.
    """

    moments: SecondMoments
    n_targets: int
    intercept: bool
    scale: float

    @cached_property
    def _products(self) -> Array:
        m = self.moments
        unit = np.ldexp(1.0, m.exponents)
        found = m.centred() * np.outer(unit, unit)
        return np.asarray(found if self.intercept else found + m.weight * np.outer(m.means, m.means))

    @property
    def n_slopes(self) -> int:
        """p."""
        return len(self.moments.shift) - self.n_targets

    @cached_property
    def gram(self) -> Array:
        return 2.0 * self.scale * self._products[: self.n_slopes, : self.n_slopes]

    @cached_property
    def cross(self) -> Array:
        return 2.0 * self.scale * self._products[: self.n_slopes, self.n_slopes :]

    @property
    def squares(self) -> Array:
        """(q, q): of the targets, about their means where there is an intercept."""
        return self._products[self.n_slopes :, self.n_slopes :]

    def constant(self, target: int) -> float:
        """The total loss at slopes of zero."""
        return self.scale * float(self.squares[target, target])


@dataclass(frozen=True)
class PenalisedSums:
    """The minimum of squared loss with a quadratic penalty, without a look at the rows: ``moments`` are of all of them."""

    moments: SecondMoments

    def refuses(self, problem: Problem) -> str | None:
        """Any loss but squared, penalties that are not quadratic, and coefficients that are held."""
        plain = problem.loss.squared_scale() is not None and problem.all_free and problem.constraints is None
        if plain and problem.penalty_kind in (None, "quadratic"):
            return None
        return "sums of products are all there is to squared loss with a quadratic penalty only; use gl.Newton()"

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """Cholesky of the penalised curvature, refined twice by its residual. Raises ValueError where it is singular."""
        scale, rows = problem.loss.squared_scale(), problem.rows
        assert scale is not None
        held = CentredSums(self.moments, rows.n_targets, rows.intercept, scale)
        p, q, first, weight = held.n_slopes, rows.n_targets, int(rows.intercept), self.moments.weight
        curvature = np.asarray(problem.penalty_terms(np.zeros(problem.shape), 2).curvature)
        if curvature.shape == problem.shape:
            curvature = np.diag(curvature.T.ravel())
        places = (np.arange(q)[:, None] * (p + first) + np.arange(first, p + first)).ravel()
        total = np.kron(np.eye(q), held.gram) + weight * curvature[np.ix_(places, places)]
        unit = np.sqrt(np.maximum(np.diag(total), 1e-300))
        scaled, right = total / np.outer(unit, unit), held.cross.T.ravel() / unit
        try:
            factor = cho_factor(scaled, lower=True)
        except np.linalg.LinAlgError:
            raise SolverError(
                "columns of the model determine each other, and the penalty does not tell them apart; leave one of them out, or give curves"
                " a smaller k"
            ) from None
        b = cho_solve(factor, right)
        for _ in range(2):
            b += cho_solve(factor, right - scaled @ b)
        left = float(np.linalg.norm((right - scaled @ b) * unit)) / weight
        slopes = (b / unit).reshape(q, p).T
        means = self.moments.means
        coefficients = np.concatenate([(means[p:] - means[:p] @ slopes)[None], slopes]) if first else slopes
        fitted = slopes.T @ held.gram @ slopes / (2.0 * scale)
        explained = slopes.T @ held.cross / (2.0 * scale)
        products = held.squares - explained - explained.T + fitted
        loss = scale * float(np.maximum(np.diag(products), 0.0).sum()) / weight
        sums = None
        if q == 1:
            root = solve_triangular(np.tril(factor[0]), np.eye(p), lower=True).T / unit[:, None] * np.sqrt(2.0 * scale)
            if first:
                whole = np.zeros((p + 1, p + 1))
                whole[0, 0], whole[0, 1:], whole[1:, 1:] = 1.0 / np.sqrt(weight), -(means[:p] @ root), root
                root = whole
            totals = np.diag(held.squares).copy()
            sizes = totals + weight * np.square(means[p:]) * first
            kept = without_rounding(np.maximum(np.diag(products), 0.0), sizes)
            m = self.moments
            sums = SquaredSums(root, np.diag(kept), totals, WeightSums(m.rows, m.count, m.weight, m.log_weight))
        objective = loss + problem.penalty_terms(coefficients, 0).value
        reason = "the normal equations of the penalised sums are solved to rounding"
        return Solution(coefficients, objective, "penalised least squares", Certificate(True, left, reason), 1, sums=sums)
