"""A penalty that is any quadratic form of the slopes: differences of neighbours, known scales, a prior's precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.penalties.numbers import checked_number
from gradline.penalties.protocol import PenaltyKind
from gradline.penalties.sums import PenaltySum, added


@dataclass(frozen=True, eq=False)
class Diagonal:
    """``sum_ij strengths_ij b_ij^2 / 2``: a ridge whose strength may differ from slope to slope. strengths (p, k), at least zero."""

    strengths: Array
    name: str = "ridge"
    kind: ClassVar[PenaltyKind] = "quadratic"
    ridge_strength: ClassVar[None] = None

    def value(self, slopes: Array) -> float:
        return 0.5 * float(np.einsum("ij,ij,ij->", self.strengths, slopes, slopes))

    def gradient(self, slopes: Array) -> Array:
        return self.strengths * slopes

    def curvature(self, slopes: Array) -> Array:
        return self.strengths.copy()


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

    def __add__(self, other: Any) -> PenaltySum:
        return added(self, other)


def quadratic(matrix: Any, strength: float = 1.0) -> Quadratic:
    """Any quadratic form of the slopes: mean loss + strength / 2 * sum over linear predictors of b' matrix b.

    A prior's precision, for example, or Tikhonov's regularisation (Tikhonov and Arsenin 1977, Solutions of Ill-posed Problems).

    Parameters
    ----------
    matrix : array-like (p, p)
        Symmetric and positive semidefinite; p is the number of columns without the intercept.
    strength : float
        At least 0.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        For a matrix that is not symmetric or not positive semidefinite, or a negative strength; by the fit, for one of another size.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> shrunk = gl.fit(x, y, penalty=gl.penalties.quadratic([[0.5]]))
    >>> bool(abs(shrunk.slopes[0] - gl.fit(x, y, penalty=gl.penalties.ridge(0.5)).slopes[0]) < 1e-12)
    True
    """
    return Quadratic(checked_number(strength, "a quadratic penalty") * np.asarray(matrix, dtype=np.float64))
