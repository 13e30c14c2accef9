"""What a solver returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gradline.base.types import Array, IntArray

if TYPE_CHECKING:
    from gradline.objective.objective import Problem
    from gradline.solvers.least_squares.squared_sums import SquaredFactor, SquaredSums


class Record(NamedTuple):
    """The objective at one step: coefficients (P, k), loss and the Euclidean norm of its gradient."""

    step: int
    loss: float
    gradient_norm: float
    coefficients: Array


@dataclass(frozen=True)
class History:
    """The path of a fit: step (t,), loss (t,), gradient_norm (t,), coefficients (t, P, k). Step 0 is the start.

    Iterates and indexes as Records.
    """

    step: IntArray
    loss: Array
    gradient_norm: Array
    coefficients: Array

    def __len__(self) -> int:
        return int(self.step.size)

    def __getitem__(self, index: int) -> Record:
        return Record(int(self.step[index]), float(self.loss[index]), float(self.gradient_norm[index]), self.coefficients[index])

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if not len(self):
            return "History(empty)"
        first, last = self[0], self[-1]
        return f"History({len(self)} records, steps {first.step} to {last.step}, loss {first.loss:.6g} to {last.loss:.6g})"


@dataclass(frozen=True)
class Certificate:
    """Why the answer can be believed, or not.

    converged: the solver's own test held. gradient_norm: Euclidean norm of the objective's gradient at the answer. reason: one sentence
    on why the solver stopped. remedy: what to do when it did not converge, otherwise empty.
    """

    converged: bool
    gradient_norm: float
    reason: str
    remedy: str = ""


@dataclass(frozen=True)
class Solution:
    """Coefficients (P, k), the objective there, and how they were found.

    aliased: design columns left out because earlier columns determine them. digits: (P, k) significant digits claimed, or None.
    learning_rate: the rate gradient descent used, otherwise None. sums: what least squares leaves for standard errors. curvature: of the
    objective at the coefficients, over the d that were free, (d, d), where Newton has it; along: what its extra sums summed there, if they
    did. A Fit keeps neither.
    """

    coefficients: Array
    loss: float
    solver: str
    certificate: Certificate
    passes: int
    history: History | None = None
    aliased: tuple[int, ...] = ()
    digits: Array | None = None
    learning_rate: float | None = None
    notes: tuple[str, ...] = field(default=())
    sums: SquaredSums | SquaredFactor | None = None
    curvature: Array | None = None
    extra: tuple[Any, ...] = ()


class Solver(Protocol):
    """``solve`` raises ValueError where the problem is outside what the solver can do, and says which solver can."""

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution: ...


def as_start(start: Array | Sequence[float] | None, shape: tuple[int, int]) -> Array:
    """The starting coefficients as (P, k): zeros unless given; (P,) is accepted where k = 1."""
    if start is None:
        return np.zeros(shape)
    try:
        array = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"start must be an array of coefficients, shape {shape}, not {start!r}") from None
    if array.ndim == 1 and shape[1] == 1:
        array = array[:, None]
    if array.shape != shape:
        raise ValueError(
            f"start has shape {np.shape(start)}, but the model has {shape[0]} coefficients for each of {shape[1]} linear predictors:"
            f" give shape {shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError("start holds NaN or infinity; give finite coefficients")
    return array
