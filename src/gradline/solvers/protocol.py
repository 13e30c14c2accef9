"""What a solver is, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from gradline.base.errors import ArgumentTypeError, SolverError
from gradline.base.numbers import short
from gradline.base.types import Array
from gradline.base.written_tables import WrittenTable
from gradline.rows.labels import check_names_of_rows
from gradline.solvers.history import History

if TYPE_CHECKING:
    from gradline.constraints.held import HeldConstraints
    from gradline.objective.objective import ExtraSum, Problem
    from gradline.solvers.squared_sums import SquaredSums


@dataclass(frozen=True)
class Certificate:
    """Why the answer can be believed, or not.

    converged: the solver's own test held. gradient_norm: Euclidean norm of the objective's gradient at the answer. reason: one sentence
    on why the solver stopped. remedy: what to do when it did not converge, otherwise empty. gap: by how much the objective can be above its
    minimum at most, where a solver proves that; None elsewhere.
    """

    converged: bool
    gradient_norm: float
    reason: str
    remedy: str = ""
    gap: float | None = None

    def _repr_html_(self) -> str:
        found = [
            ("converged", "yes" if self.converged else "no"),
            ("why", self.reason),
            ("gradient norm", short(self.gradient_norm)),
            *([("gap to the minimum, at most", short(self.gap))] if self.gap is not None else []),
            *([("what to do", self.remedy)] if self.remedy else []),
        ]
        return WrittenTable(("certificate", ""), tuple(found), words=2).to_html()


class LeavesSums(Protocol):
    """What least squares leaves of the rows."""

    def sums(self) -> SquaredSums:
        """What classical standard errors follow from."""


@dataclass(frozen=True, eq=False)
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
    sums: LeavesSums | None = None
    curvature: Array | None = None
    extra: tuple[Any, ...] = ()
    without_errors: str = ""
    """Why these coefficients can have no standard errors; empty where they can."""
    held: HeldConstraints | None = None
    """Which constraints hold, and their multipliers; None where there are none."""
    unconstrained: Solution | None = None
    """The optimum without the constraints, where the solver had it at no cost. A Fit keeps its coefficients only."""


@runtime_checkable
class Solver(Protocol):
    """What finds the minimum of a Problem. ``registry.solve`` asks ``refuses`` first, for every solver alike."""

    def refuses(self, problem: Problem) -> str | None:
        """Why the solver cannot honour everything the problem holds, naming who can; None where it can.

        A problem may hold coefficients that are not free (``problem.all_free``), a penalty, several linear predictors, a loss with kinks
        or without a loss of one row (``problem.joint``), rows that are read anew at each pass (``rows.resident``) and
        categories kept as codes (``rows.coded_levels``). A solver whose every look at the problem is ``problem.evaluate`` honours
        penalties, weights and offsets by that alone; that coefficients stay where they are held is its own to see to.
        """

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The minimum of a problem that the solver does not refuse."""


@runtime_checkable
class EndsWithCurvature(Protocol):
    """A solver whose last pass can take along what standard errors need."""

    def ending_with_curvature(self, extra_sums: tuple[ExtraSum, ...]) -> Self:
        """The same solver, whose last pass takes the curvature at the optimum, and the extra sums' sums."""


@runtime_checkable
class TakesAnyColumns(Protocol):
    """A solver whose path does not depend on the origin and unit of the columns: it may be given a problem in columns of mean and size near
    one where those of the data are far from it."""

    @property
    def any_columns(self) -> bool: ...


@runtime_checkable
class BeginsWithMoments(Protocol):
    """A solver that may begin squared loss with a pass of second moments, which a pass made before it can take along."""

    @property
    def begins_with_moments(self) -> bool: ...


def as_start(start: Array | Sequence[float] | None, shape: tuple[int, int], names: Sequence[str] = ()) -> Array:
    """The starting coefficients as (P, k): zeros unless given; (P,) is accepted where k = 1. names: of the P coefficients.

    Raises ValueError for another shape, for a NaN or infinity (what is masked is one), and for coefficients that come under other names.
    """
    if start is None:
        return np.zeros(shape)
    check_names_of_rows(start, names, "start")
    if isinstance(start, np.ma.MaskedArray):
        start = np.asarray(np.ma.filled(start.astype(np.float64), np.nan))
    try:
        array = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"start must be an array of coefficients, shape {shape}, not {start!r}") from None
    if array.ndim == 1 and shape[1] == 1:
        array = array[:, None]
    if array.shape != shape:
        raise SolverError(
            f"start has shape {np.shape(start)}, but the model has {shape[0]} coefficients for each of {shape[1]} linear predictors:"
            f" give shape {shape}"
        )
    if not np.isfinite(array).all():
        raise SolverError("start holds NaN or infinity; give finite coefficients")
    return array
