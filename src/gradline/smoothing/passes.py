"""What a pass over the rows takes along for the strengths: how the determinant of the curvature bends, and the dispersion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array
from gradline.inference.bread import quadratic_forms
from gradline.losses.protocol import Loss
from gradline.rows.block import Block


class Beside(NamedTuple):
    """bend (P, k): sum of f w T h over rows, the slope of log |A| by the coefficients at fixed penalty, zeros where not asked for. squares:
    sum f w g^2; curvatures: sum f H; copies: sum f."""

    bend: Array
    squares: float
    curvatures: float
    copies: float


@dataclass(frozen=True)
class BesideSum:
    """shape: (P, k). roots (k, P, d): of the inverse curvature A^-1, None where the bend is not wanted. steps (k,): by which linear
    predictors are moved.

    With H_i the curvature of a row in its linear predictors and h_i = Z_i' A^-1 Z_i its leverage, d log |A| / d eta_ic is tr(h_i dH_i /
    d eta_ic), of which dH_i is a central difference, so that any loss has it.
    """

    loss: Loss
    roots: Array | None
    steps: Array
    shape: tuple[int, int]

    def map_evaluated(self, block: Block, predictors: Array, derivatives: RowDerivatives) -> Beside:
        counts = block.row_counts
        used = counts > 0
        weights = counts if block.weights is None else np.where(used, counts * np.where(used, block.weights, 0.0), 0.0)
        gradient, curvature = derivatives.gradient, derivatives.curvature
        assert gradient is not None
        assert curvature is not None
        squares = float(np.dot(weights[used], np.square(gradient[used]).sum(axis=1)))
        curvatures = float(np.dot(counts[used], np.einsum("ijj->i", curvature[used])))
        bend = np.zeros(self.shape)
        if self.roots is not None:
            leverage = quadratic_forms(block.design, self.roots)
            slopes = np.empty(predictors.shape)
            for c, step in enumerate(self.steps):
                above, below = predictors.copy(), predictors.copy()
                above[:, c] += step
                below[:, c] -= step
                change = self._curvature(block, above) - self._curvature(block, below)
                slopes[:, c] = np.einsum("iab,iab->i", change, leverage) / (2.0 * step)
            bend = block.design.adjoint(np.where(used[:, None], weights[:, None] * slopes, 0.0))
        return Beside(bend, squares, curvatures, float(counts.sum()))

    def _curvature(self, block: Block, predictors: Array) -> Array:
        found = self.loss.derivatives(block.targets, predictors, 2).curvature
        assert found is not None
        return found

    def merge(self, first: Beside, second: Beside) -> Beside:
        return Beside(
            first.bend + second.bend,
            first.squares + second.squares,
            first.curvatures + second.curvatures,
            first.copies + second.copies,
        )
