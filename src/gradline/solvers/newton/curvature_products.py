"""What conjugate gradients ask of the objective at a point: its gradient, products with its curvature, and the diagonal to scale by.

The curvature is never formed: ``H v = X' (h * (X v))``, row by row. An intercept is a border of it. A sparse column meets the intercept
wherever it is not zero, so that the diagonal is that of centred columns, which a rank-one shift on either side makes of those given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem, Sums, merged_sums, weighted_sums
from gradline.objective.row_curvature import MOST_NUMBERS
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

NOTHING = 1e-200
"""Curvature of a coefficient that counts as none."""

LEAST_LEFT = 1e-6
"""Share of a column's own curvature that centring is taken to leave at least."""


class _Local(NamedTuple):
    """Sums over rows, before they are divided by the weight: sums; diagonal (P, k) of the curvature; border (P, k), its first row; rows:
    the weighted curvature (m, k, k) of each block, in order, where it is kept."""

    sums: Sums
    diagonal: Array
    border: Array
    rows: tuple[Array, ...]


@dataclass(frozen=True)
class LocalKernel(Kernel[_Local]):
    """The pass at coefficients (P, k). keep: whether each row's curvature is kept."""

    loss: Loss
    coefficients: Array
    keep: bool

    def map(self, block: Block) -> _Local:
        curvature, derivatives = row_curvature(self.loss, block, self.coefficients)
        own = np.ascontiguousarray(np.einsum("iaa->ia", curvature))
        border = block.design.adjoint(own) if block.design.intercept else np.zeros((block.design.n_columns, own.shape[1]))
        sums = weighted_sums(block, derivatives._replace(curvature=None))
        return _Local(sums, block.design.squares(own), border, (curvature,) if self.keep else ())

    def merge(self, first: _Local, second: _Local) -> _Local:
        diagonal, border = first.diagonal, first.border
        diagonal += second.diagonal
        border += second.border
        return _Local(merged_sums(first.sums, second.sums), diagonal, border, first.rows + second.rows)


@dataclass(frozen=True)
class ProductKernel(Kernel[Array]):
    """``X' (h * (X v))``, (P, k), for a direction v (P, k). curvature: of every row (n, k, k), None for it to be worked out again."""

    loss: Loss
    coefficients: Array
    direction: Array
    curvature: Array | None

    def map(self, block: Block) -> Array:
        if self.curvature is None:
            curvature = row_curvature(self.loss, block, self.coefficients)[0]
        else:
            curvature = self.curvature[block.first_row : block.first_row + block.n_rows]
        moved = block.design.predict(self.direction)
        bent = curvature[:, :, 0] * moved if moved.shape[1] == 1 else np.einsum("iab,ib->ia", curvature, moved)
        return block.design.adjoint(bent)

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


def row_curvature(loss: Loss, block: Block, coefficients: Array) -> tuple[Array, RowDerivatives]:
    """(weighted curvature (m, k, k), derivatives) of a block's rows; zero for rows of weight zero, whatever their loss."""
    derivatives = loss.derivatives(block.targets, block.linear_predictors(coefficients), 2)
    curvature = derivatives.curvature
    assert curvature is not None
    weights = block.row_weights
    if weights is not None:
        curvature = np.where(weights[:, None, None] > 0, weights[:, None, None] * curvature, 0.0)
    return curvature, derivatives


@dataclass(frozen=True, eq=False)
class LocalPass:
    """The objective at coefficients (P, k): value; gradient, diagonal and border (P, k), penalty included; penalty: its curvature, (P, k)
    or (k P, k P), None where there is none; rows: the curvature of each row, where it is kept."""

    coefficients: Array
    value: float
    gradient: Array
    diagonal: Array
    border: Array
    weight: float
    penalty: Array | None
    rows: Array | None

    @property
    def finite(self) -> bool:
        """Whether value, gradient and the curvature's diagonal are."""
        return math.isfinite(self.value) and bool(np.isfinite(self.gradient).all() and np.isfinite(self.diagonal).all())

    def product(self, problem: Problem, free: CoefficientMap, direction: Array) -> Array:
        """The curvature over free coefficients times a direction (d,). A pass."""
        moved = free.expand(direction) - free.base
        found = problem.rows.reduce(ProductKernel(problem.loss, self.coefficients, moved, self.rows)) / self.weight
        if self.penalty is not None:
            if self.penalty.shape == moved.shape:
                found = found + self.penalty * moved
            else:
                found = found + (self.penalty @ moved.T.ravel()).reshape(moved.shape[::-1]).T
        return free.restrict_gradient(found)


def local_pass(problem: Problem, coefficients: Array) -> LocalPass:
    """One pass at coefficients (P, k)."""
    rows, k = problem.rows, problem.n_predictors
    keep = rows.resident and rows.n_rows * k * k <= MOST_NUMBERS
    found = rows.reduce(LocalKernel(problem.loss, coefficients, keep))
    weight, gradient = found.sums.weight, found.sums.gradient
    assert gradient is not None
    value, gradient, diagonal = found.sums.value / weight, gradient / weight, found.diagonal / weight
    penalty = None
    if problem.penalty is not None:
        terms = problem.penalty_terms(coefficients, 2)
        assert terms.gradient is not None
        assert terms.curvature is not None
        value, gradient, penalty = value + terms.value, gradient + terms.gradient, terms.curvature
        diagonal = diagonal + (penalty if penalty.shape == diagonal.shape else np.diag(penalty).reshape(diagonal.shape[::-1]).T)
    held = np.concatenate(found.rows) if found.rows else None
    return LocalPass(coefficients, value, gradient, diagonal, found.border / weight, weight, penalty, held)


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """An approximate inverse of the curvature: ``T D^-1 T'``, D the diagonal of centred columns, T the shift back to those given.

    inverse (P, k): D^-1. means (P, k): the columns' means by the rows' curvature, zero where nothing is shifted.
    """

    free: CoefficientMap
    inverse: Array
    means: Array

    @classmethod
    def of(cls, problem: Problem, free: CoefficientMap, here: LocalPass) -> Preconditioner:
        """At a point."""
        diagonal, means = np.abs(here.diagonal), np.zeros_like(here.diagonal)
        if problem.rows.intercept:
            corner = here.border[0]
            with np.errstate(all="ignore"):
                shifted = np.where(corner > 0, here.border / corner, 0.0)
            # Only where a column and the intercept are both free to move in a linear predictor.
            means = np.where(problem.movable & problem.movable[0] & np.isfinite(shifted), shifted, 0.0)
            means[0] = 0.0
            diagonal = np.maximum(diagonal - np.square(means) * np.maximum(corner, 0.0), LEAST_LEFT * diagonal)
        # A coefficient without curvature has no scale; columns of any unit have.
        usual = diagonal[diagonal > NOTHING].mean() if (diagonal > NOTHING).any() else 1.0
        return cls(free, 1.0 / np.where(diagonal > NOTHING, diagonal, usual), means)

    def times(self, gradient: Array) -> Array:
        """(d,) -> (d,)."""
        full = (self.free.matrix @ gradient).reshape(self.inverse.shape[::-1]).T
        shifted = full - self.means * full[0]
        found = self.inverse * shifted
        found[0] -= np.einsum("pa,pa->a", self.means, found)
        return self.free.restrict_gradient(found)
