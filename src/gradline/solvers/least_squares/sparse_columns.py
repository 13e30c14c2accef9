"""Least squares of a sparse matrix: its second moments, then corrections by residuals, since its rows are not to be written out for QR.

Normal equations lose digits with the square of the condition. A correction by the residuals themselves, solved for with the same factor,
wins back half of them (Bjorck 1987, "Stability analysis of the method of seminormal equations", Linear Algebra Appl. 88/89).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray
from gradline.linalg.double_double import UNIT
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.normal_equations import NormalEquations, solve_normal_equations
from gradline.solvers.least_squares.refinement import claimed_digits
from gradline.solvers.least_squares.second_moments import MomentsKernel, SecondMoments
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.squared_sums import SquaredSums, WeightSums, without_rounding

MOST_CORRECTIONS = 6

LAST_DIGIT = 2.0**-50
"""Of the largest coefficient: a correction below it is the last."""


class _Residuals(NamedTuple):
    """Weighted sums over rows: gradient X' W r (P, k); sizes, the same of absolute values (P, k); products r' W r (k, k)."""

    gradient: Array
    sizes: Array
    products: Array


@dataclass(frozen=True)
class ResidualsKernel(Kernel[_Residuals]):
    """The pass, at coefficients (P, k)."""

    coefficients: Array

    def map(self, block: Block) -> _Residuals:
        predictors = block.linear_predictors(self.coefficients)
        residuals, weights = block.targets - predictors, block.row_weights
        if weights is not None:
            residuals[weights == 0] = 0.0
        weighted = residuals if weights is None else weights[:, None] * residuals
        size = np.abs(block.targets) + block.design.absolute().predict(np.abs(self.coefficients))
        size = size if weights is None else np.where(weights[:, None] > 0, weights[:, None] * size, 0.0)
        return _Residuals(block.design.adjoint(weighted), block.design.absolute().adjoint(size), np.asarray(np.dot(residuals.T, weighted)))

    def merge(self, first: _Residuals, second: _Residuals) -> _Residuals:
        for mine, other in zip(first, second, strict=True):
            mine += other
        return first


def solve_sparse(rows: Rows, strength: float) -> Solution:
    """The minimum of ``sum f w |y - X b|^2 / sum f w + strength / 2 sum b^2``, the intercept unpenalised.

    Raises ValueError where sums of squares leave the range of a double.
    """
    moments: SecondMoments = rows.reduce(MomentsKernel()).sums
    if not moments.finite():
        raise SolverError("sums of squares of the columns or the target leave the range of a double; give them in other units")
    slopes, k = rows.n_columns - int(rows.intercept), rows.n_targets
    ridge = moments.weight * strength / 2.0
    columns, targets = np.arange(slopes), np.arange(slopes, slopes + k)
    fit = solve_normal_equations(moments, columns, targets, intercept=rows.intercept, ridge=ridge)
    charged = np.full(rows.n_columns, ridge)
    charged[: int(rows.intercept)] = 0.0
    refined = _corrected(rows, fit, moments, charged)
    b, at, error, converged, passes = refined
    products = at.products
    objective = float(np.trace(products)) / moments.weight
    objective += strength / 2.0 * float(np.square(b[int(rows.intercept) :]).sum())
    digits = claimed_digits(b, error)
    digits[list(fit.aliased)] = np.nan
    left = np.delete(at.gradient - charged[:, None] * b, fit.aliased, axis=0)
    certificate = Certificate(
        converged,
        float(np.linalg.norm(left)) * 2.0 / moments.weight,
        "normal equations solved, and corrected by residuals" + ("" if converged else ", which did not shrink to the last digit"),
        "" if converged else "The columns are too nearly dependent for doubles: leave one out, or add a ridge.",
    )
    sums = _sums_of(fit, moments, products)
    return Solution(b, objective, "least_squares", certificate, passes + 1, aliased=fit.aliased, digits=digits, sums=sums)


def _corrected(rows: Rows, fit: NormalEquations, moments: SecondMoments, charged: Array) -> tuple[Array, _Residuals, Array, bool, int]:
    """(coefficients, sums there, bounds of their error, whether corrections came to the last digit, passes). charged (P,): the ridge's."""
    inverse, b, last = _in_units(fit.inverse, fit.exponents), fit.coefficients, np.inf
    gamma = UNIT * (64.0 + np.sqrt(moments.rows))
    at = rows.reduce(ResidualsKernel(b))
    for passes in range(1, MOST_CORRECTIONS + 1):
        step = inverse @ (at.gradient - charged[:, None] * b)
        size = float(np.abs(step).max(initial=0.0))
        error = np.abs(inverse) @ (gamma * at.sizes) + UNIT * np.abs(b)
        done = size <= LAST_DIGIT * float(np.abs(b).max(initial=0.0)) or bool((np.abs(step) <= error).all())
        if done and passes > 1:
            return b, at, error, True, passes
        if size > 0.5 * last:
            return b, at, error + np.abs(step), done, passes
        trial = b + step
        b, last, at = trial, size, rows.reduce(ResidualsKernel(trial))
    return b, at, np.abs(inverse) @ (gamma * at.sizes) + last, False, MOST_CORRECTIONS + 1


def _in_units(inverse: Array, exponents: IntArray) -> Array:
    """The inverse for columns in the user's units."""
    return np.asarray(np.ldexp(inverse, -(exponents[:, None] + exponents[None, :]))) if exponents.any() else inverse


def _sums_of(fit: NormalEquations, moments: SecondMoments, products: Array) -> SquaredSums:
    weights = WeightSums(moments.rows, moments.count, moments.weight, moments.log_weight)
    total = without_rounding(fit.total_squares, fit.target_squares)
    left = products.copy()
    np.fill_diagonal(left, without_rounding(np.diag(left), fit.target_squares))
    return SquaredSums(np.ldexp(fit.root, -fit.exponents[:, None]), left, total, weights)
