"""A curvature matrix, factored: what a Newton step is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gradline.types import Array

Pair = tuple[Array, Array]
"""A step and the change of the gradient over it."""


@dataclass(frozen=True)
class CurvatureFactor:
    """Cholesky factor of a curvature matrix (d, d) in unit-diagonal scale, with ``damping`` added to the diagonal.

    floor: (d,), the least each diagonal entry counts for, so that a coefficient without curvature has a scale.
    """

    cholesky: tuple[Array, bool]
    scale: Array
    damping: float

    @classmethod
    def of(cls, curvature: Array, floor: Array, damping: float) -> CurvatureFactor:
        """The factor with this damping or, where that is not positive definite, the least more that is."""
        scale = unit_scale(curvature, floor)
        unit = curvature / np.outer(scale, scale)
        while True:
            try:
                factor = cho_factor(unit + damping * np.eye(len(unit)) if damping else unit, lower=True, check_finite=False)
                if damping or np.diag(factor[0]).min() > 1e-7:
                    return cls(factor, scale, damping)
            except np.linalg.LinAlgError:
                pass
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
