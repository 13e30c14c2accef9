"""A penalty that is any quadratic form of the slopes: differences of neighbours, known scales, a prior's precision."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.penalties.protocol import PenaltyKind


class Quadratic:
    """``sum_j b_j' Q b_j / 2`` over the linear predictors j, with slopes b_j (p,) and Q (p, p).

    matrix: Q, symmetric and positive semidefinite. Raises ValueError where it is not, beyond rounding.
    """

    kind: ClassVar[PenaltyKind] = "quadratic"
    ridge_strength: ClassVar[None] = None

    def __init__(self, matrix: Array, name: str = "quadratic") -> None:
        given = np.array(matrix, dtype=np.float64)
        if given.ndim != 2 or given.shape[0] != given.shape[1] or not np.isfinite(given).all():
            raise ArgumentError(f"the matrix of a quadratic penalty must be square and finite, and its shape is {given.shape}")
        size = np.abs(given).max(initial=0.0)
        if (np.abs(given - given.T) > 1e-12 * size).any():
            i, j = (int(place) for place in np.argwhere(np.abs(given - given.T) > 1e-12 * size)[0])
            raise ArgumentError(f"the matrix of a quadratic penalty must be symmetric: entry ({i}, {j}) is not entry ({j}, {i})")
        self.matrix: Array = 0.5 * (given + given.T)
        lowest = float(np.linalg.eigvalsh(self.matrix).min(initial=0.0))
        if lowest < -1e-10 * size:
            raise ArgumentError(f"the matrix of a quadratic penalty must be positive semidefinite, and has the eigenvalue {lowest:.3g}")
        self.name = name

    def value(self, slopes: Array) -> float:
        return 0.5 * float(np.einsum("ij,ij->", slopes, self.gradient(slopes)))

    def gradient(self, slopes: Array) -> Array:
        if len(slopes) != len(self.matrix):
            raise ArgumentError(f"the penalty {self.name!r} is for {len(self.matrix)} columns, and the model has {len(slopes)}")
        return np.asarray(self.matrix @ slopes)

    def curvature(self, slopes: Array) -> Array:
        return np.asarray(np.kron(np.eye(slopes.shape[1]), self.matrix), dtype=np.float64)
