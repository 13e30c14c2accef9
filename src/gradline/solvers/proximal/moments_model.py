"""Squared loss with a penalty that sets coefficients to zero, from sums over rows alone: any strength, and any folds, of one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.solvers.least_squares.second_moments import SecondMoments
from gradline.solvers.proximal.gap import duality_gap
from gradline.solvers.proximal.quadratic_model import minimise_model


class PenalisedPoint(NamedTuple):
    """coefficients (P, k), the intercept first where there is one; loss: the mean; objective; gap: how far that can be above its minimum,
    None where the penalty is not convex, or no norm; gradient_norm: of what the penalty leaves of the gradient; exact: down to rounding."""

    coefficients: Array
    loss: float
    objective: float
    gap: float | None
    gradient_norm: float
    exact: bool


@dataclass(frozen=True, eq=False)
class MomentsModel:
    """The mean of c |y - X b|^2 over rows of which the second moments are known: p columns, then k targets.

    intercept: whether the columns' means are taken out. scale: c.
    """

    moments: SecondMoments
    n_targets: int
    intercept: bool
    scale: float = 1.0

    @cached_property
    def _parts(self) -> tuple[Array, Array, Array]:
        """(gram (p, p), cross (p, k), squares (k, k)) a row, of columns in the data's units, about the means or about zero."""
        m = self.moments
        p = len(m.shift) - self.n_targets
        centred = m.centred() / m.weight
        unit = np.ldexp(1.0, m.exponents)
        centred = centred * np.outer(unit, unit)
        if not self.intercept:
            centred = centred + np.outer(m.means, m.means)
        return centred[:p, :p], centred[:p, p:], centred[p:, p:]

    @property
    def n_slopes(self) -> int:
        """p."""
        return len(self.moments.shift) - self.n_targets

    def gradient(self, slopes: Array) -> Array:
        """Of the mean loss, (p, k)."""
        gram, cross, _ = self._parts
        return np.asarray(2.0 * self.scale * (gram @ slopes - cross))

    def loss(self, slopes: Array) -> float:
        """The mean loss with the best intercept there is."""
        gram, cross, squares = self._parts
        return self.scale * float(np.trace(squares) - 2.0 * np.sum(cross * slopes) + np.sum(slopes * (gram @ slopes)))

    def loss_at(self, coefficients: Array) -> float:
        """The mean loss at coefficients (P, k) found on other rows."""
        slopes = coefficients[1:] if self.intercept else coefficients
        total = self.loss(slopes)
        if self.intercept:
            means = self.moments.means
            left = means[self.n_slopes :] - coefficients[0] - means[: self.n_slopes] @ slopes
            total += self.scale * float(left @ left)
        return total

    def coefficients(self, slopes: Array) -> Array:
        """Slopes (p, k) with the best intercept, (P, k)."""
        if not self.intercept:
            return slopes
        means = self.moments.means
        return np.concatenate([(means[self.n_slopes :] - means[: self.n_slopes] @ slopes)[None, :], slopes])

    def losses(self, slopes: Array) -> Array:
        """``loss`` of many slopes (m, p, k), (m,)."""
        gram, cross, squares = self._parts
        products = np.matmul(gram, slopes)
        found = np.trace(squares) + np.einsum("mpk,mpk->m", slopes, products) - 2.0 * np.einsum("pk,mpk->m", cross, slopes)
        return np.asarray(self.scale * found)

    def losses_at(self, coefficients: Array) -> Array:
        """``loss_at`` of many coefficients (m, P, k), (m,)."""
        slopes = coefficients[:, 1:] if self.intercept else coefficients
        total = self.losses(slopes)
        if self.intercept:
            means, p = self.moments.means, self.n_slopes
            left = means[p:] - coefficients[:, 0] - np.matmul(means[:p], slopes)
            total += self.scale * np.square(left).sum(axis=1)
        return np.asarray(total)

    def scaled(self, penalty: KinkedPenalty) -> tuple[Array, Array]:
        """(curvature (d, d), linear (d,)) of loss and smooth part over the penalty's scaled slopes, targets one after the other.

        The smooth part is quadratic.
        """
        gram, cross, _ = self._parts
        k, scales = self.n_targets, penalty.scales
        curvature = 2.0 * self.scale * (gram if k == 1 else np.kron(np.eye(k), gram))
        linear = -2.0 * self.scale * cross.T.ravel()
        smooth = penalty.smooth_part
        if smooth is not None:
            more = smooth.curvature(np.zeros((self.n_slopes, k)))
            curvature = curvature + (np.diag(more.T.ravel()) if more.shape == (self.n_slopes, k) else more)
        return curvature / np.outer(scales, scales), linear / scales

    def solve(self, penalty: KinkedPenalty, start: Array) -> PenalisedPoint:
        """The minimum with a penalty, from slopes (p, k)."""
        k, scales = self.n_targets, penalty.scales
        matrix, linear = self.scaled(penalty)
        found = minimise_model(matrix, linear, penalty.part, scales * start.T.ravel())
        slopes = (found.x / scales).reshape(k, -1).T
        loss = self.loss(slopes)
        objective = loss + penalty.value(slopes)
        gradient, gap = linear + matrix @ found.x, None
        if penalty.part.convex and penalty.part.homogeneous:
            gap = duality_gap(penalty.part, found.x, gradient, objective, 0.0)
        left = float(np.linalg.norm(penalty.part.violation(found.x, gradient) * scales))
        return PenalisedPoint(self.coefficients(slopes), loss, objective, gap, left, found.exact)
