"""poly(): orthogonal polynomials."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array
from gradline.formulas.errors import FormulaError
from gradline.formulas.learner import Learner, Options, State


class _Polynomials:
    """The three-term recurrence of the orthogonal polynomials over the rows, one coefficient a pass (the Stieltjes procedure;
    Gautschi 2004, Orthogonal Polynomials, section 2.2)."""

    def __init__(self, options: Options, key: str) -> None:
        self.degree, self.key = int(options["degree"]), key
        self.alpha: list[float] = []
        self.norms: list[float] = []
        self.square = self.moment = 0.0

    def update(self, values: Array) -> None:
        here = _monic(values, self.alpha, self.norms, len(self.norms))[-1]
        squared = here * here
        self.square += float(squared.sum())
        self.moment += float(squared @ values)

    def finish(self) -> State | None:
        if not self.square > self._rounding():
            raise FormulaError(f"{self.key} needs more than {self.degree} distinct values in its column")
        self.norms.append(self.square)
        if len(self.norms) == self.degree + 1:
            return {"alpha": self.alpha, "norms2": self.norms}
        self.alpha.append(self.moment / self.square)
        self.square = self.moment = 0.0
        return None

    def _rounding(self) -> float:
        """What rounding leaves of a square sum that is exactly zero, with room to spare."""
        if not self.norms:
            return 0.0
        spread = self.alpha[0] ** 2 * 1e-6 if len(self.norms) == 1 else self.norms[1] / self.norms[0]
        return 1e-20 * self.norms[-1] * spread


def _monic(x: Array, alpha: list[float], norms: list[float], degree: int) -> list[Array]:
    """The monic orthogonal polynomials up to a degree, each (m,)."""
    found = [np.ones(len(x))]
    for i in range(degree):
        following = (x - alpha[i]) * found[i]
        if i > 0:
            following -= (norms[i] / norms[i - 1]) * found[i - 1]
        found.append(following)
    return found


def learn_polynomials(options: Options, key: str) -> Learner | None:
    """What learns the recurrence; None for raw powers. Raises FormulaError for a degree below 1."""
    degree = options["degree"]
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < 1:
        raise FormulaError(f"{key}: the degree must be a whole number of at least 1, not {degree!r}")
    return None if options["raw"] else _Polynomials(options, key)


def apply_polynomials(values: Array, options: Options, state: State, key: str) -> Array:
    """The polynomials of degree 1 and up: (m,) -> (m, degree), of unit length over the rows learned from unless raw."""
    degree = options["degree"]
    if options["raw"]:
        return np.stack([values**d for d in range(1, degree + 1)], axis=1)
    polynomials = _monic(values, state["alpha"], state["norms2"], degree)
    return np.stack([column / np.sqrt(norm) for column, norm in zip(polynomials[1:], state["norms2"][1:], strict=True)], axis=1)
