"""Least squares: the exact solution for most problems, normal equations where data are large and the digits they leave suffice."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array
from gradline.base.words import Options
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.minimum_norm import minimum_norm
from gradline.solvers.least_squares.normal_equations import NormalEquations, solve_normal_equations
from gradline.solvers.least_squares.refinement import Refined, gradient_pass, refine
from gradline.solvers.least_squares.scaled_rows import (
    Scales,
    SquaredFactor,
    find_scales,
    in_one_block,
    independent_columns,
    scale_rows,
    scaled_ridge,
    triangular_factor,
    with_ridge,
)
from gradline.solvers.least_squares.second_moments import MomentsKernel, MomentsOfRows, SecondMoments
from gradline.solvers.least_squares.sparse_columns import solve_sparse
from gradline.solvers.least_squares.wide import is_wide, solve_wide
from gradline.solvers.least_squares.word_moments import WordMomentsKernel, solve_word_moments
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.refusing import moves_every_coefficient, smooth_and_free, writes_codes_out
from gradline.solvers.squared_sums import SquaredSums, WeightSums, weight_sums, weight_sums_of, without_rounding

if TYPE_CHECKING:
    from gradline.objective.objective import Problem

EXACT_NUMBERS = 2_000_000
"""n P up to which the exact solution is taken at once: it costs well under a second."""

WORTH_THREADS = 5_000
"""n P above which BLAS may start threads for one block."""

ENOUGH_DIGITS = 10.0
"""The digits that normal equations must claim; with less the exact solution follows."""


@dataclass(frozen=True)
class LeastSquares(Options):
    """Weighted least squares, with a ridge if the problem has one.

    Parameters
    ----------
    accuracy : {"auto", "full"}
        "auto" takes normal equations for more than 2,000,000 numbers where they claim ten digits. "full" never does.

    Raises
    ------
    ValueError
        For another accuracy.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> bool((gl.fit(x, y, solver=gl.LeastSquares("full")).digits > 15).all())
    True
    """

    accuracy: Literal["auto", "full"] = "auto"

    def __post_init__(self) -> None:
        if self.accuracy not in ("auto", "full"):
            raise SolverError(f'accuracy is "auto" or "full", not {self.accuracy!r}')

    @property
    def begins_with_moments(self) -> bool:
        """Large data are solved by second moments first."""
        return self.accuracy == "auto"

    def refuses(self, problem: Problem) -> str | None:
        """A loss that is not c (y - eta)^2, a penalty that is not a ridge, constraints, coefficients that are not free, codes of very many
        levels, and a sparse matrix where its rows would be factored, or with very many columns."""
        scale = problem.loss.squared_scale()
        if scale is None or not scale > 0:
            return (
                f"LeastSquares solves squared loss only, and the loss is {problem.loss.name}: "
                "use Newton or LBFGS for a smooth loss, GradientDescent for any loss"
            )
        if problem.ridge_strength is None:
            assert problem.penalty is not None
            other = "gl.ProximalNewton()" if problem.penalty_kind == "proximal" else "gl.Newton() or gl.LBFGS()"
            return f"LeastSquares takes a ridge penalty or none, and the penalty is {problem.penalty.name}; use {other}"
        reason = moves_every_coefficient(self, problem) or writes_codes_out(self, problem) or smooth_and_free(self, problem)
        return reason or self._needs_written_rows(problem)

    def _needs_written_rows(self, problem: Problem) -> str | None:
        """Why not, where the exact solution, by QR of the rows written out, would be needed of a sparse matrix."""
        rows = problem.rows
        if not rows.sparse_columns:
            return None
        if self.accuracy == "full":
            return (
                'LeastSquares(accuracy="full") factors the rows written out (QR), and X is a sparse matrix; use accuracy="auto", which'
                " corrects normal equations by residuals, or give X.toarray()"
            )
        if rows.n_rows < rows.n_columns and problem.penalty is None:
            return (
                f"LeastSquares factors the rows written out (QR) where there are fewer of them ({rows.n_rows:,}) than columns"
                f" ({rows.n_columns:,}), and X is a sparse matrix; use gl.Newton(), or add a ridge (penalty=gl.penalties.ridge(0.1))"
            )
        return None

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The minimum of the problem's objective. Neither ``start`` nor ``progress`` is needed, and neither is used."""
        scale, strength = problem.loss.squared_scale(), problem.ridge_strength
        assert scale is not None
        assert strength is not None
        return least_squares(problem.rows, accuracy=self.accuracy, ridge=strength, loss_scale=scale)


def least_squares(rows: Rows, *, accuracy: Literal["auto", "full"] = "auto", ridge: float = 0.0, loss_scale: float = 1.0) -> Solution:
    """The minimum of ``c sum f w |y - X b|^2 / sum f w + ridge / 2 sum b^2``, the intercept unpenalised; c is ``loss_scale``."""
    strength = ridge / loss_scale
    if rows.sparse_columns:
        return scaled_solution(solve_sparse(rows, strength), loss_scale)
    solution = None
    if accuracy == "auto" and rows.n_rows * rows.n_columns > EXACT_NUMBERS:
        solution = (solve_wide if is_wide(rows, strength) else solve_by_moments)(rows, strength)
    if solution is None:
        block = in_one_block(rows)
        # BLAS would set threads on a block of this size to wait for each other; below, it keeps to one by itself.
        alone = block is not None and block.n_rows * rows.n_columns > WORTH_THREADS
        with single_threaded_blas() if alone else contextlib.nullcontext():
            solution = solve_exact(rows, block, strength)
    return scaled_solution(solution, loss_scale)


def scaled_solution(solution: Solution, loss_scale: float) -> Solution:
    """The solution of a loss c times as large: same coefficients."""
    if loss_scale == 1.0:
        return solution
    certificate = replace(solution.certificate, gradient_norm=solution.certificate.gradient_norm * loss_scale)
    return replace(solution, loss=solution.loss * loss_scale, certificate=certificate)


def solve_by_moments(rows: Rows, strength: float) -> Solution | None:
    """One pass of second moments and Cholesky, and one more in two words where doubles cannot claim enough digits; None where those
    cannot either."""
    return solution_of_moments(rows, rows.reduce(MomentsKernel()), strength)


def solution_of_moments(rows: Rows, found: MomentsOfRows, strength: float) -> Solution | None:
    """The same of the second moments that a pass has found."""
    moments = found.sums
    slopes, k = rows.n_columns - int(rows.intercept), rows.n_targets
    if not moments.finite() or moments.rows < rows.n_columns:
        return None
    ridge = moments.weight * strength / 2.0
    columns, targets = np.arange(slopes), np.arange(slopes, slopes + k)
    fit = solve_normal_equations(moments, columns, targets, intercept=rows.intercept, ridge=ridge)
    if fit.aliased:
        return None
    b = fit.coefficients
    spare = max(moments.count - rows.n_columns, 1.0)
    standard_errors = np.ldexp(np.sqrt(np.outer(np.diag(fit.inverse), fit.squares / spare)), -fit.exponents[:, None])
    # An error that is no part of the coefficient, but none of its standard error either, does no harm.
    if not (fit.error <= 10.0**-ENOUGH_DIGITS * np.maximum(np.abs(b), standard_errors)).all():
        # Weighted rows are no exact slices, and a scaled column no exact sum.
        possible = found.plain and k == 1 and strength == 0 and not moments.exponents.any()
        return solve_by_words(rows, moments, fit) if possible else None
    passes, squares = 1, fit.squares
    if (fit.squares_error > 10.0**-ENOUGH_DIGITS * squares).any():
        # A good fit leaves little of the moments it is the difference of: take the residuals themselves.
        squares, passes = rows.reduce(SquaresKernel(b)), 2
    return moments_solution(fit, moments, squares, strength, intercept=rows.intercept, passes=passes)


def moments_solution(
    fit: NormalEquations, moments: SecondMoments, squares: Array, strength: float, *, intercept: bool, passes: int
) -> Solution:
    """What normal equations found, as a solution. squares (k,): weighted sums of squared residuals; strength: of a ridge."""
    b = fit.coefficients
    objective = float(squares.sum()) / moments.weight
    if strength > 0:
        objective += strength / 2.0 * float(np.einsum("ij,ij->", b[int(intercept) :], b[int(intercept) :]))
    certificate = Certificate(True, fit.gradient_norm * 2.0 / moments.weight, "normal equations solved, with digits to spare")
    sums = _sums_of(fit, moments, squares)
    return Solution(b, objective, "least_squares", certificate, passes, aliased=fit.aliased, digits=fit.digits, sums=sums)


def solve_by_words(rows: Rows, moments: SecondMoments, fit: NormalEquations) -> Solution | None:
    """A pass of second moments in two words, and the normal equations solved in them; None where they cannot claim the last digits.

    moments and fit: of the pass before, in doubles, which is near enough for the shift and for standard errors.
    """
    shift = moments.means if rows.intercept else np.zeros(len(moments.shift))
    found = solve_word_moments(rows.reduce(WordMomentsKernel(shift)), shift, intercept=rows.intercept)
    if found is None:
        return None
    squares = np.array([found.squares])
    near = replace(fit, total_squares=np.array([found.total_squares]))
    certificate = Certificate(True, found.gradient_norm * 2.0 / moments.weight, "normal equations solved in two words")
    sums = _sums_of(near, moments, squares)
    b, digits = found.coefficients[:, None], found.digits[:, None]
    return Solution(b, found.squares / moments.weight, "least_squares", certificate, 2, digits=digits, sums=sums)


def _sums_of(fit: NormalEquations, moments: SecondMoments, squares: Array) -> SquaredSums | None:
    """What the moments of one target say beside the coefficients; of several, they do not hold the products of residuals."""
    if len(squares) > 1:
        return None
    weights = WeightSums(moments.rows, moments.count, moments.weight, moments.log_weight)
    left, total = without_rounding(squares, fit.target_squares), without_rounding(fit.total_squares, fit.target_squares)
    return SquaredSums(np.ldexp(fit.root, -fit.exponents[:, None]), left[:, None], total, weights)


@dataclass(frozen=True)
class SquaresKernel(Kernel[Array]):
    """Weighted sums of squared residuals, (k,)."""

    coefficients: Array

    def map(self, block: Block) -> Array:
        residuals = block.targets - block.linear_predictors(self.coefficients)
        weights = block.row_weights
        if weights is None:
            return np.asarray(np.einsum("ij,ij->j", residuals, residuals))
        residuals[weights == 0] = 0.0
        return np.asarray(np.einsum("i,ij,ij->j", weights, residuals, residuals))

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


def solve_exact(rows: Rows, block: Block | None, strength: float = 0.0) -> Solution:
    """QR, then refinement with exact residuals; a minimum-norm answer where there are fewer rows than columns."""
    from scipy.linalg.lapack import dtrtrs

    scales = find_scales(rows, block)
    held = None if block is None else scale_rows(block, scales)
    factor = triangular_factor(rows, scales, held)
    ridge = scaled_ridge(scales, strength, rows.intercept)
    factor = with_ridge(factor, ridge[0])
    if strength == 0 and scales.rows < rows.n_columns:
        return minimum_norm(rows, scales)
    factor, kept, aliased = independent_columns(factor, rows.n_columns)
    size = len(kept)
    triangle, projections = factor[:size, :size], factor[:size, size:]
    norms = np.sqrt(np.einsum("ij,ij->j", factor[:, size:], factor[:, size:]))
    if size == 0:
        refined = Refined(projections.T, projections.T, norms**2, projections.T, 0, True)
    else:
        first = np.asarray(dtrtrs(triangle, projections)[0].T)
        evaluate = gradient_pass(rows, scales, held, kept)
        refined = refine(triangle, first, evaluate, norms, rows.n_rows, ridge[:, kept])
    solution = exact_solution(refined, scales, rows, kept, aliased, strength)
    weights = weight_sums_of(rows) if block is None else weight_sums(block.n_rows, block.weights, block.frequencies)
    found = SquaredFactor(factor, kept, scales, weights, solution.coefficients, rows.intercept, ridge[0], refined.sum_of_squares)
    return replace(solution, sums=found) if found.is_accurate else solution


def exact_solution(refined: Refined, scales: Scales, rows: Rows, kept: list[int], aliased: tuple[int, ...], strength: float) -> Solution:
    """From scaled units back to the user's, with the aliased columns at zero and their digits NaN."""
    scaled, gradient, digits = refined.coefficients, refined.gradient, refined.digits
    if aliased:
        shape = (rows.n_targets, rows.n_columns)
        scaled, gradient, digits = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
        scaled[:, kept], gradient[:, kept], digits[:, kept] = refined.coefficients, refined.gradient, refined.digits
    coefficients = scales.coefficients(scaled)
    total = float(scales.total_weight[0])
    with np.errstate(over="ignore"):
        squares = np.ldexp(refined.sum_of_squares, scales.weight + 2 * scales.targets)
        gradient = np.ldexp(gradient, scales.weight + scales.targets[:, None] + scales.columns[None, :]) * (2.0 / total)
    loss = float(squares.sum()) / total
    if strength > 0:
        slopes = coefficients[1:] if rows.intercept else coefficients
        loss += strength / 2.0 * float(np.einsum("ij,ij->", slopes, slopes))
    largest = float(np.abs(gradient).max(initial=0.0))
    norm = largest * float(np.linalg.norm(gradient / largest)) if 0 < largest < np.inf else largest
    certificate = Certificate(
        refined.converged,
        norm,
        "corrections fell below the last digit" if refined.converged else "corrections stopped shrinking before the last digit",
        "" if refined.converged else "the columns are too nearly dependent for doubles: leave one out, or centre and scale them",
    )
    return Solution(coefficients, loss, "least_squares", certificate, refined.steps + 2, aliased=aliased, digits=digits.T)
