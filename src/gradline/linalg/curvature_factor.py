"""A curvature matrix, factored: what a Newton step is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gradline.base.types import Array

Pair = tuple[Array, Array]
"""A step and the change of the gradient over it."""

FLAT = 1e-6
"""A coefficient whose curvature is below this share of the usual counts as having none: all its rows lie where the loss is straight."""


@dataclass(frozen=True)
class CurvatureFactor:
    """Cholesky factor of a curvature matrix (d, d) in unit-diagonal scale, with ``damping`` times its usual size added to the diagonal."""

    cholesky: tuple[Array, bool]
    scale: Array
    damping: float

    @classmethod
    def of(cls, curvature: Array, floor: Array, damping: float, usual: Callable[[], Array]) -> CurvatureFactor:
        """The factor with this damping or, where that is not positive definite, the least more that is.

        floor: (d,), the root of the least each diagonal entry counts for, so that a coefficient without curvature has a scale. usual: asked
        for where the curvature alone does not do, (d,), what each diagonal entry would be if all rows curved alike. It is the unit of
        damping, and stands in for the curvature of coefficients that have none: their steps are then of the size of the others', which
        would be damped to nothing before damping in units of no curvature could hold such a coefficient.
        """
        if not damping:
            plain = _cholesky(curvature, unit_scale(curvature, floor))
            if plain is not None and np.diag(plain[0]).min() > 1e-7:
                return cls(plain, unit_scale(curvature, floor), 0.0)
        unit = usual()
        filled = with_flat_filled(curvature, unit)
        while True:
            damped = filled + np.diag(damping * np.maximum(unit, np.abs(np.diag(curvature))))
            scale = unit_scale(damped, floor)
            factor = _cholesky(damped, scale)
            if factor is not None and (damping or np.diag(factor[0]).min() > 1e-7):
                return cls(factor, scale, damping)
            damping = max(8.0 * damping, 1e-6)

    def inverse_times(self, gradient: Array, pairs: list[Pair]) -> Array:
        """The inverse curvature, sharpened by the pairs seen since it was taken, times a gradient (d,).

        The two-loop recursion of limited-memory BFGS, begun from the inverse curvature: Nocedal and Wright (2006), Numerical
        Optimization, algorithm 7.4. Pairs without positive curvature are left out.
        """
        useful = [(step, change, float(step @ change)) for step, change in pairs if float(step @ change) > 0]
        q, held = gradient.copy(), []
        for step, change, curved in reversed(useful):
            alpha = float(step @ q) / curved
            held.append(alpha)
            q -= alpha * change
        result: Array = cho_solve(self.cholesky, q / self.scale, check_finite=False) / self.scale
        for (step, change, curved), alpha in zip(useful, reversed(held), strict=True):
            result = result + (alpha - float(change @ result) / curved) * step
        return result


def _cholesky(matrix: Array, scale: Array) -> tuple[Array, bool] | None:
    """Of the matrix in the given scale; None unless it is positive definite."""
    try:
        return cho_factor(matrix / np.outer(scale, scale), lower=True, check_finite=False)  # type: ignore[no-any-return]
    except np.linalg.LinAlgError:
        return None


def with_flat_filled(curvature: Array, usual: Array) -> Array:
    """The curvature (d, d) with what is usual on the diagonal where there is none to speak of."""
    return np.asarray(curvature + np.diag(np.where(np.abs(np.diag(curvature)) < FLAT * usual, usual, 0.0)))


def unit_scale(curvature: Array, floor: Array) -> Array:
    """What to divide rows and columns by to bring the diagonal to one in size: (d,)."""
    return np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-12 * floor**2))


def spectrum(curvature: Array, floor: Array) -> tuple[Array, Array, Array]:
    """scale (d,), and eigenvalues (d,) and eigenvectors (d, d) of the curvature in unit-diagonal scale, the lowest first."""
    scale = unit_scale(curvature, floor)
    eigenvalues, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    return scale, eigenvalues, vectors


def spectral_step(curvature: Array, floor: Array, gradient: Array) -> tuple[Array, float, float]:
    """The step by the curvature's eigenvalues, negative ones by their size; its decrement; the lowest eigenvalue, in unit scale."""
    scale, eigenvalues, vectors = spectrum(curvature, floor)
    along = vectors.T @ (gradient / scale)
    step = -along / np.maximum(np.abs(eigenvalues), 1e-15 * float(np.abs(eigenvalues).max()))
    return vectors @ step / scale, math.sqrt(max(-float(along @ step), 0.0)), float(eigenvalues[0])


STRAIGHT = 1e-14
"""Of the largest eigenvalue of a curvature in unit-diagonal scale: below it a direction counts as straight."""


def bent_upwards(matrix: Array) -> Array:
    """A curvature with directions that bend downwards bent upwards as much, since a parabola without a lowest point leads nowhere."""
    size = np.sqrt(np.abs(matrix.diagonal()))
    size = np.where(size > 0, size, 1.0)
    unit = matrix / np.outer(size, size)
    if not np.isfinite(unit).all():
        return matrix
    values, vectors = np.linalg.eigh(unit)
    straight = STRAIGHT * len(values) * float(np.abs(values).max(initial=0.0))
    if values[0] >= -straight:
        return matrix
    return np.asarray((vectors * np.maximum(np.abs(values), straight)) @ vectors.T * np.outer(size, size))
