"""The curvature of a kinked loss: it sits in the kinks, where differentiation does not see it, and is found with a kernel.

A jump d of the slope at residual c adds d f(c | x) x x' to the expected curvature, f the density of the residual y - eta. Powell (1991),
"Estimation of monotonic regression models under quantile restrictions", replaces f(c | x_i) by K((r_i - c) / h) / h; here K is
Epanechnikov's, and h follows Hall and Sheather (1988), JRSS B 50, as in Koenker (2005), Quantile Regression, section 3.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block

SAMPLE = 2_000_000
"""Rows from which the bandwidth is found; all of them where there are no more."""


class Kink(NamedTuple):
    """A kink of a loss of r = y - eta. position: where; below, above: the slopes in r on either side; widths (q,): the bandwidths."""

    position: float
    below: float
    above: float
    widths: Array

    @property
    def mean_square_slope(self) -> float:
        """What a row on the kink counts for in the variance of the score: its expectation where one kink separates falling from
        rising, which is level (1 - level) for the pinball loss; otherwise the mean of both sides."""
        if self.below < 0 < self.above:
            return -self.below * self.above
        return 0.5 * (self.below**2 + self.above**2)


@dataclass(frozen=True)
class RowLoss:
    """Gradients and curvatures of rows as inference needs them: the loss's own, plus those of its kinks, smoothed.

    constant: one density for all rows, instead of Powell's kernel at each row: curvature of each target (q,), or None. expected: the
    curvature's expectation in place of its value.
    """

    loss: Loss
    kinks: tuple[Kink, ...] = ()
    constant: Array | None = None
    expected: bool = False

    def gradient(self, targets: Array, predictors: Array) -> Array:
        """(m, k). A row on a kink, within rounding, gets the root of its mean square slope: only squares of gradients are asked for."""
        gradient = self.loss.derivatives(targets, predictors, 1).gradient
        assert gradient is not None
        return self._off_kinks(gradient, targets, predictors)

    def both(self, targets: Array, predictors: Array) -> tuple[Array, Array]:
        """Gradients (m, k) and curvatures (m, k, k)."""
        _, gradient, curvature = self.loss.derivatives(targets, predictors, 2)
        assert gradient is not None
        assert curvature is not None
        if self.expected:
            # In a generalised linear model the curvature is linear in y, so its expectation is its value at the mean.
            curvature = self.loss.derivatives(self.loss.expected_targets(targets, predictors), predictors, 2).curvature
            assert curvature is not None
        if not self.kinks:
            return gradient, curvature
        curvature = np.array(curvature)
        diagonal = np.einsum("ijj->ij", curvature)
        if self.constant is not None:
            diagonal[...] = self.constant
        else:
            diagonal += self.density(targets, predictors)
        return self._off_kinks(gradient, targets, predictors), curvature

    def density(self, targets: Array, predictors: Array) -> Array:
        """Jump times kernel, summed over the kinks: (m, q)."""
        residuals = targets - predictors
        total = np.zeros(residuals.shape)
        for kink in self.kinks:
            u = (residuals - kink.position) / kink.widths
            total += (kink.above - kink.below) * 0.75 * np.maximum(1.0 - u * u, 0.0) / kink.widths
        return total

    def _off_kinks(self, gradient: Array, targets: Array, predictors: Array) -> Array:
        if not self.kinks:
            return gradient
        residuals, gradient = targets - predictors, np.array(gradient)
        for kink in self.kinks:
            near = np.abs(residuals - kink.position) <= 1e-10 * (np.abs(targets) + np.abs(predictors) + kink.widths)
            gradient[near] = math.sqrt(kink.mean_square_slope)
        return gradient


def row_loss(problem: Problem, coefficients: Array) -> RowLoss:
    """The loss of the problem as inference sees it at coefficients (P, k).

    Raises ValueError for a loss that is one scalar of all rows, and for kinks that are not places of y - eta.
    """
    if problem.joint:
        raise InferenceError(f"no standard errors: {problem.joint_message}")
    positions = problem.loss.kinks()
    if positions is None:
        return RowLoss(problem.loss)
    if not positions:
        raise InferenceError(
            f"the loss {problem.loss.name!r} has kinks that are not places of y - eta, so its curvature cannot be estimated from the"
            " density of the residuals there: smooth the kinks, as huber does for absolute"
        )
    return RowLoss(problem.loss, _kinks(problem, coefficients, positions))


def hall_sheather(n: float, level: float, alpha: float = 0.05) -> float:
    """The bandwidth, in probability, for the density at a quantile; halved until level -+ it lies inside (0, 1).

    Hall and Sheather (1988), "On the distribution of a studentized quantile", JRSS B 50.
    """
    z = float(ndtri(level))
    square = math.exp(-z * z) / (2.0 * math.pi)
    width = n ** (-1.0 / 3.0) * float(ndtri(1.0 - alpha / 2.0)) ** (2.0 / 3.0) * (1.5 * square / (2.0 * z * z + 1.0)) ** (1.0 / 3.0)
    while not (level - width > 0.0 and level + width < 1.0):
        width /= 2.0
    return float(width)


@dataclass(frozen=True)
class _Residuals:
    """y - eta beside the frequency of the row (0 for a row of weight zero), (m, q + 1)."""

    coefficients: Array

    def map(self, block: Block) -> Array:
        residuals = block.targets - block.linear_predictors(self.coefficients)
        return np.concatenate([residuals, block.row_counts[:, None]], axis=1)


def _kinks(problem: Problem, coefficients: Array, positions: tuple[float, ...]) -> tuple[Kink, ...]:
    rows, q = problem.rows, problem.rows.n_targets
    if rows.n_rows > SAMPLE:
        found = _Residuals(coefficients).map(rows.take(np.sort(np.random.default_rng(0).choice(rows.n_rows, SAMPLE, replace=False))))
    else:
        found = rows.map(_Residuals(coefficients))
    counts = found[:, q].astype(np.int64)
    n = float(counts.sum()) * rows.n_rows / len(counts)
    residuals = found[:, :q] if (counts == 1).all() else np.repeat(found[:, :q], counts, axis=0)
    # R's rule takes the spread of the residuals; statsmodels that of y, which changes when y moves along the columns.
    quartiles = np.quantile(residuals, [0.25, 0.75], axis=0)
    spread = np.minimum(residuals.std(axis=0), (quartiles[1] - quartiles[0]) / 1.34)
    spread = np.where(spread > 0, spread, residuals.std(axis=0))
    # Rounding of the targets is no spread: 16 units in the last place of theirs.
    if not (spread > 16.0 * 2.0**-52 * problem.target_scale).all():
        raise InferenceError(f"no standard errors for the loss {problem.loss.name!r}: every residual is the same, so they have no density")
    if _flat(problem, residuals, positions):
        raise InferenceError(
            f"no standard errors for the loss {problem.loss.name!r}: the fit is perfect, since no row lies where the loss has a slope;"
            " other coefficients do as well"
        )
    slopes = _slopes(problem.loss, positions, q)
    kinks = list[Kink]()
    for position, (below, above) in zip(positions, slopes, strict=True):
        widths = np.empty(q)
        for j in range(q):
            share = float(np.mean(residuals[:, j] < position))
            if below < 0 < above and len(positions) == 1 and problem.loss.piecewise_linear:
                share = above / (above - below)
            share = min(max(share, 1.0 / (n + 1.0)), n / (n + 1.0))
            h = hall_sheather(n, share)
            widths[j] = spread[j] * float(ndtri(share + h) - ndtri(share - h))
        kinks.append(Kink(position, below, above, widths))
    return tuple(kinks)


def _flat(problem: Problem, residuals: Array, positions: tuple[float, ...]) -> bool:
    """Whether no residual (n, q) lies where the loss has a slope, those on a kink left out: as where all are within an insensitive band."""
    off = np.ones(len(residuals), dtype=np.bool_)
    for position in positions:
        off &= (np.abs(residuals - position) > 1e-10 * (abs(position) + problem.target_scale)).all(axis=1)
    gradient = problem.loss.derivatives(residuals[off], np.zeros_like(residuals[off]), 1).gradient
    assert gradient is not None
    return not gradient.any()


def _slopes(loss: Loss, positions: tuple[float, ...], n_targets: int) -> list[tuple[float, float]]:
    """The slope in r just below and just above each kink."""
    found = []
    for position in positions:
        step = 1e-9 * max(1.0, abs(position))
        targets = np.zeros((2, n_targets))
        targets[:, 0] = position - step, position + step
        gradient = loss.derivatives(targets, np.zeros((2, n_targets)), 1).gradient
        assert gradient is not None
        found.append((float(-gradient[0, 0]), float(-gradient[1, 0])))
    return found
