"""The classical covariance: what holds where the model is right about the spread of the targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.bread import Bread, compute_bread
from gradline.inference.kinked import RowLoss
from gradline.inference.perfect import PERFECT, require_spread
from gradline.inference.statistics import FitStatistics
from gradline.losses.families.robust import squared
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

PROBED = 200
"""Rows on which a loss is asked whether it is one of y - eta alone."""


def classical_factor(problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, loss: RowLoss) -> tuple[Array, str]:
    """(F (k P, r) with covariance F F', description). Raises ValueError where the loss has no classical covariance, and where no degree of
    freedom is left for the dispersion."""
    scale = problem.loss.squared_scale()
    if scale is not None:
        products = None if problem.rows.n_targets == 1 else problem.rows.reduce(_ProductsKernel(squared, coefficients)) / 4.0
        return squared_factor(bread, statistics, 2.0 * scale, products, penalised=problem.penalty is not None)
    if problem.loss.is_likelihood or problem.loss.has_free_dispersion:
        return _information(problem, coefficients, bread, statistics)
    return _one_distribution(problem, coefficients, bread, statistics, loss)


def squared_factor(
    bread: Bread, statistics: FitStatistics, curvature: float, products: Array | None, *, penalised: bool
) -> tuple[Array, str]:
    """The textbook's covariance of squared loss, whose curvature in eta is ``curvature``. products (q, q): sums of residuals' products,
    needed for several targets. Raises ValueError without a degree of freedom, and where targets have different free coefficients."""
    _require_spare(statistics)
    assert statistics.squares is not None
    if bread.target_root is None:
        raise InferenceError("the targets have different free coefficients, so they share no classical covariance: ask for HC1")
    target_root = _kept_by_penalty(bread.target_root, bread.penalty_of_one_target)
    spare, q = statistics.degrees_of_freedom, len(statistics.squares)
    if not statistics.squares.any():
        raise InferenceError(f"no standard errors: {PERFECT}")
    words = f"sigma^2 (X'WX)^-1, sigma^2 = RSS / (n - p) with n - p = {spare:,.6g}"
    if penalised:
        words += "; at the penalised optimum: sigma^2 A^-1 X'WX A^-1, bias not included, p the effective number of coefficients"
    if q == 1:
        return float(np.sqrt(statistics.squares[0] / spare * curvature)) * target_root, words
    assert products is not None
    # Of a target that is fitted perfectly what is left is rounding.
    products = np.where((statistics.squares > 0)[:, None] & (statistics.squares > 0), products, 0.0)
    return _kron(_psd_root(products / spare * curvature), target_root), words + "; Sigma (x) (X'WX)^-1 for several targets"


def _information(problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics) -> tuple[Array, str]:
    words = "inverse information"
    if problem.loss.uses_expected_information:
        bread = compute_bread(problem, coefficients, bread.free, RowLoss(problem.loss, expected=True))
        words = "inverse expected information"
    factor = _kept_by_penalty(bread.root, bread.penalty)
    if problem.penalty is not None:
        words += " at the penalised optimum: A^-1 I A^-1, bias not included"
    if not problem.loss.has_free_dispersion:
        return factor, words
    _require_spare(statistics)
    assert statistics.dispersion is not None
    if not statistics.dispersion.any():
        raise InferenceError(f"no standard errors: {PERFECT}")
    words += f", times the dispersion: Pearson's chi-squared over n - p = {statistics.degrees_of_freedom:,.6g}"
    return np.repeat(np.sqrt(statistics.dispersion), problem.shape[0])[:, None] * factor, words


def _one_distribution(problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, loss: RowLoss) -> tuple[Array, str]:
    """Errors of one distribution: tau^2 (X'WX)^-1 X'W^2X (X'WX)^-1, tau^2 = E g^2 / (E h)^2 of the unweighted scores.

    For smooth losses with Huber's factors, n / (n - p) and K = 1 + p / n var(h) / mean(h)^2 squared (statsmodels RLM's H1).
    """
    if not _of_residuals_alone(problem.loss, coefficients, problem):
        raise InferenceError(
            f'covariance="classical" needs a likelihood or a loss of y - eta alone, and {problem.loss.name!r} is not known to be either:'
            ' ask for "HC1" or "HC3" (the default), or say likelihood=True in gl.losses.custom if it is one'
        )
    require_spread(problem, coefficients, "standard errors")
    if problem.penalty is not None:
        raise InferenceError('covariance="classical" of a penalised fit needs squared loss or a likelihood: ask for "HC1" or "HC3"')
    moments = score_moments(problem, coefficients, loss)
    n = moments.copies
    rate = moments.curvature / n
    if not (rate > 0).all():
        raise InferenceError(f"the loss {problem.loss.name!r} has no curvature at the coefficients, so there is no classical covariance")
    if loss.kinks:
        spread, words = moments.products / n, "errors of one distribution: tau^2 (X'X)^-1, density at the kink by kernel"
        if len(loss.kinks) == 1:
            np.fill_diagonal(spread, loss.kinks[0].mean_square_slope if problem.loss.piecewise_linear else np.diag(spread))
    else:
        _require_spare(statistics)
        spare = statistics.degrees_of_freedom
        correction = 1.0 + (n - spare) / n * (moments.curvature_squares / n / rate**2 - 1.0)
        spread = moments.products / spare * np.outer(correction, correction)
        words = "errors of one distribution: K^2 sum g^2 / (n - p) over (mean h)^2, times (X'X)^-1 (Huber 1973)"
    plain = compute_bread(replace(problem, loss=squared), coefficients, bread.free)
    assert plain.target_root is not None
    target_root = np.sqrt(2.0) * plain.target_root
    if problem.rows.take(np.arange(1)).weights is not None:
        gram = problem.rows.reduce(_SquaredWeightsKernel())
        target_root = target_root @ _psd_root(target_root.T @ gram @ target_root)
    return _kron(_psd_root(spread / np.outer(rate, rate)), target_root), words


class ScoreMoments(NamedTuple):
    """Over rows, counted by frequency and not weighted. copies: how many; products (q, q): of gradients; curvature, curvature_squares (q,):
    sums of the curvatures and of their squares."""

    copies: float
    products: Array
    curvature: Array
    curvature_squares: Array


def score_moments(problem: Problem, coefficients: Array, loss: RowLoss) -> ScoreMoments:
    """One pass."""
    return problem.rows.reduce(_ScoreMomentsKernel(loss, coefficients))


@dataclass(frozen=True)
class _ScoreMomentsKernel(Kernel[ScoreMoments]):
    loss: RowLoss
    coefficients: Array

    def map(self, block: Block) -> ScoreMoments:
        counts = block.row_counts
        used = np.flatnonzero(counts)
        counts = counts[used]
        gradient, curvature = self.loss.both(block.targets[used], block.linear_predictors(self.coefficients)[used])
        diagonal = np.einsum("ijj->ij", curvature)
        return ScoreMoments(
            float(counts.sum()),
            np.dot((gradient * counts[:, None]).T, gradient),
            np.dot(counts, diagonal),
            np.asarray(np.dot(counts, np.square(diagonal))),
        )

    def merge(self, first: ScoreMoments, second: ScoreMoments) -> ScoreMoments:
        return ScoreMoments(
            first.copies + second.copies,
            first.products + second.products,
            first.curvature + second.curvature,
            first.curvature_squares + second.curvature_squares,
        )


@dataclass(frozen=True)
class _ProductsKernel(Kernel[Array]):
    """sum f w g g', (q, q)."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Array:
        gradient = self.loss.derivatives(block.targets, block.linear_predictors(self.coefficients), 1).gradient
        assert gradient is not None
        weights = block.row_weights
        if weights is None:
            return np.asarray(np.dot(gradient.T, gradient))
        return np.asarray(np.dot((gradient * weights[:, None])[weights > 0].T, gradient[weights > 0]))

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


@dataclass(frozen=True)
class _SquaredWeightsKernel(Kernel[Array]):
    """X' F W^2 X."""

    def map(self, block: Block) -> Array:
        assert block.weights is not None
        return block.design.gram((block.row_counts * np.square(block.weights))[:, None, None])

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


def _kept_by_penalty(root: Array, penalty: Array) -> Array:
    """F with F F' = A^-1 (A - penalty) A^-1: the root times that of I - root' penalty root."""
    if not penalty.any():
        return root
    held = (root.T * penalty if penalty.ndim == 1 else root.T @ penalty) @ root
    return np.asarray(root @ _psd_root(np.eye(root.shape[1]) - held))


def _kron(left: Array, right: Array) -> Array:
    return np.asarray(np.kron(left, right), dtype=np.float64)


def _psd_root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _of_residuals_alone(loss: Loss, coefficients: Array, problem: Problem) -> bool:
    """Whether moving y and eta together changes nothing, on a few rows.

    Asked at residuals drawn at random, as wide as the fit's own: those of the fit may lie on kinks by the dozen, where rounding decides.
    """
    if problem.shape[1] != problem.rows.n_targets:
        return False
    n = problem.rows.n_rows
    block = problem.rows.take(np.unique(np.linspace(0, n - 1, min(n, PROBED)).astype(np.int64))).without_zero_weights()
    residuals = block.targets - block.linear_predictors(coefficients)
    drawn = np.random.default_rng(0).normal(size=(PROBED, residuals.shape[1])) * (2.0 * np.abs(residuals).max(axis=0))
    targets = np.resize(block.targets, drawn.shape)
    predictors = targets - drawn
    shift = 0.25 + np.abs(block.targets).max(initial=1.0) / 4.0
    with np.errstate(all="ignore"):
        here = loss.derivatives(targets, predictors, 2)
        there = loss.derivatives(targets + shift, predictors + shift, 2)
    assert here.gradient is not None
    assert there.gradient is not None
    assert here.curvature is not None
    assert there.curvature is not None
    off = ~(np.abs(here.gradient - there.gradient) <= 1e-6 * (np.abs(here.gradient).max() + 1e-300))
    bent = ~(np.abs(here.curvature - there.curvature) <= 1e-6 * (np.abs(here.curvature).max() + 1e-300))
    # A row beside a bend of the loss may fall on its other side by rounding.
    return int(off.sum()) <= 1 and int(bent.sum()) <= 1


def _require_spare(statistics: FitStatistics) -> None:
    if not statistics.degrees_of_freedom > 0:
        used = statistics.count - statistics.degrees_of_freedom
        raise InferenceError(
            f"no standard errors: {statistics.count:,.6g} rows leave no degree of freedom after {used:,.6g} coefficients for the"
            " dispersion; give more rows or leave columns out"
        )
