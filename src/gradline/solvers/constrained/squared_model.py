"""Squared loss within constraints from the sums of one pass: the model of every step, exact but for the digits of the sums.

Columns are taken about their means, so that nothing cancels beside the intercept: with z = x - mean and a = b_0 + mean'b the curvature of
the intercept stands alone. Constraints on the intercept become constraints on a and the slopes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.solvers.least_squares.second_moments import SecondMoments


@dataclass(frozen=True, eq=False)
class SquaredModel:
    """The mean of c |y - X b|^2 for p columns, then k targets. movable (P, k): the coefficients there are. scale: c."""

    moments: SecondMoments
    intercept: bool
    movable: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    scale: float = 1.0

    @property
    def n_targets(self) -> int:
        """k."""
        return self.movable.shape[1]

    @cached_property
    def _parts(self) -> tuple[Array, Array, Array]:
        """(gram (p, p), cross (p, k), squares (k, k)) a row, about the means or about zero, in the data's units."""
        m = self.moments
        p = len(m.shift) - self.n_targets
        unit = np.ldexp(1.0, m.exponents)
        centred = m.centred() / m.weight * np.outer(unit, unit)
        if not self.intercept:
            centred = centred + np.outer(m.means, m.means)
        return centred[:p, :p], centred[:p, p:], centred[p:, p:]

    @cached_property
    def free(self) -> CoefficientMap:
        """From intercepts about the means and slopes, those that are free, to vec(B)."""
        plain = CoefficientMap.selecting(self.movable)
        if not self.intercept:
            return plain
        (size, k), means = self.movable.shape, self.moments.means
        shift = np.eye(size)
        shift[0, 1:] = -means[: size - 1]
        whole = sparse.kron(sparse.eye_array(k), sparse.csr_array(shift))
        return CoefficientMap(plain.base, sparse.csr_array(whole @ plain.matrix))

    @cached_property
    def curvature(self) -> Array:
        """(d, d), over the free coefficients of ``free``."""
        gram = self._parts[0]
        if self.intercept:
            gram = np.block([[np.ones((1, 1)), np.zeros((1, len(gram)))], [np.zeros((len(gram), 1)), gram]])
        whole = gram if self.n_targets == 1 else np.kron(np.eye(self.n_targets), gram)
        used = np.flatnonzero(self.movable.T.ravel())
        return np.asarray(2.0 * self.scale * whole[np.ix_(used, used)])

    def gradient(self, coefficients: Array) -> Array:
        """(d,), at coefficients (P, k)."""
        gram, cross, _ = self._parts
        first = int(self.intercept)
        slopes = coefficients[first:]
        found = gram @ slopes - cross
        if self.intercept:
            found = np.concatenate([self._left(coefficients)[None, :] * -1.0, found])
        return np.asarray(2.0 * self.scale * found.T.ravel()[np.flatnonzero(self.movable.T.ravel())])

    def squares(self, coefficients: Array) -> Array:
        """The mean square of each target's residuals, (k,)."""
        gram, cross, squares = self._parts
        slopes = coefficients[int(self.intercept) :]
        found = np.diag(squares) - 2.0 * np.einsum("ij,ij->j", cross, slopes) + np.einsum("ij,ij->j", slopes, gram @ slopes)
        if self.intercept:
            found = found + self._left(coefficients) ** 2
        return np.asarray(np.maximum(found, 0.0))

    @property
    def target_squares(self) -> Array:
        """The mean square of each target about zero, (k,), which the squares of residuals are worked out of."""
        squares = np.diag(self._parts[2])
        return np.asarray(squares + self.moments.means[-self.n_targets :] ** 2 if self.intercept else squares)

    def in_centred(self, gradient: Array) -> Array:
        """A gradient (P, k) over the coefficients as the data has them, over those of ``free``, (d,)."""
        return self.free.restrict_gradient(gradient)

    def _left(self, coefficients: Array) -> Array:
        """The mean residual of each target, (k,)."""
        means = self.moments.means
        p = len(means) - self.n_targets
        return np.asarray(means[p:] - coefficients[0] - means[:p] @ coefficients[1:])

    @property
    def claim(self) -> float:
        """The share of the coefficients, roughly, that rounding of the sums may take: of squares of sizes before columns were centred,
        times the condition of the correlations."""
        matrix = self.curvature
        diagonal = np.diag(matrix)
        if not (diagonal > 0).all():
            return np.inf
        unit = np.sqrt(diagonal)
        values = np.linalg.eigvalsh(matrix / np.outer(unit, unit))
        m = self.moments
        p = len(m.shift) - self.n_targets
        gram = np.diag(self._parts[0])
        offset = np.ldexp(m.sums / m.weight, m.exponents)[:p] if self.intercept else m.means[:p]
        inflation = float((1.0 + offset**2 / np.where(gram > 0, gram, 1.0)).max(initial=1.0))
        return 2.0**-53 * (64.0 + m.steps) * inflation / max(float(values[0]), 1e-300)

    def in_units_of_data(self, curvature: Array) -> Array:
        """A curvature (P, P) over every coefficient of ``free``, one target, over the coefficients as the data has them."""
        back = np.linalg.inv(self.free.matrix.toarray())
        return np.asarray(back.T @ curvature @ back)

    def with_movable(self, movable: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> SquaredModel:
        """The same over fewer coefficients."""
        return replace(self, movable=movable)
