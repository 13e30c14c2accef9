"""A problem in columns of another origin and unit, where those given would cost digits; and its answers in the units given.

The curvature of a column whose mean is r times its spread is lost to r^2 roundings beside the intercept, and squares of columns near 1e160
leave the range of a double. Of a column that differs from others by a ten-millionth, as a copy in single precision does, curvature has
nothing left. A fit does not depend on where a column's zero lies, nor on its unit, and is the same for what a column has of its own: so a
solver may have them as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray
from gradline.objective.objective import Problem
from gradline.penalties.kinds import as_proximal, has_units, in_units
from gradline.rows.column_change import ColumnChange
from gradline.solvers.columns import aliased_columns
from gradline.solvers.history import History
from gradline.solvers.near_copies import near_copies
from gradline.solvers.protocol import Solution

FAR = 100.0
"""Means at this many spreads are moved: four digits of a curvature."""

CONSTANT = 2.0**-46
"""A spread below this share of the mean is rounding: such a column is constant, and stays as it is to be found out."""

EXTREME = 200
"""Powers of two from which a column's unit is changed; its squares are still far inside the range of a double."""

SAMPLE = 500
"""Rows that tell."""

NOTHING = 1e-8
"""Share of the sizes of its terms up to which a gradient is no matter."""

MOST_COLUMNS = 3000
"""Up to which columns are looked at for aliasing before they are moved."""


SMALLEST_TARGET, LARGEST_TARGET = 1e-305, 1e290
"""Sizes of targets between which sums of residuals stay in the range of a double, with all their digits."""


@dataclass(frozen=True)
class Centred:
    """problem: the same in changed columns. change: how they were changed."""

    problem: Problem
    change: ColumnChange
    aliased: tuple[int, ...] = field(default=())

    def solution(self, solution: Solution) -> Solution:
        """A solution in the columns given, from one of ``problem``. What a solver leaves for standard errors stays with that one."""
        history = solution.history
        if history is not None and len(history):
            points = np.stack([self.change.from_changed(point) for point in history.coefficients])
            history = History(history.step, history.loss, history.gradient_norm, points)
        coefficients = self.change.from_changed(solution.coefficients)
        return replace(solution, coefficients=coefficients, history=history, curvature=None, extra=(), sums=None)

    def of_given(self, solution: Solution) -> Solution:
        """A solution of ``problem``, from one in the columns given."""
        coefficients = self.change.to_changed(solution.coefficients)
        return replace(solution, coefficients=coefficients, history=None, curvature=None, extra=(), sums=None)


def centred(problem: Problem) -> Centred | None:
    """The problem in columns of mean and size near one that have something of their own; None where none of the columns asks for it, by a
    sample of the rows.

    Only where every linear predictor that has the column has an intercept is its zero moved. Which columns others determine is decided by
    the columns as they are, since moved ones show rounding for a difference. Constraints, and a penalty with kinks that knows no units,
    leave them as they are.
    """
    unmoved = not has_units(problem.penalty)
    if unmoved or problem.constraints is not None or problem.face is not None:
        return None
    rows = problem.rows
    sample = rows.sample(SAMPLE).without_zero_weights()
    values = sample.design.numbers()
    size, held = rows.n_columns, values.shape[1]
    if not values.size or not np.isfinite(values).all():
        return None
    origin, unit = np.zeros(size), np.ones(size)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        middle = values.mean(axis=0)
        spread = np.abs(values - middle).mean(axis=0)
        far = (np.abs(middle) > FAR * spread) & (spread > CONSTANT * np.abs(middle)) & np.isfinite(spread)
    far &= _movable(problem)[:held]
    origin[:held] = np.where(far, middle, 0.0)
    exponents = _exponents(np.abs(values - origin[:held]).max(axis=0))
    if problem.penalty is not None:
        # Beside a penalty the square of a small column may vanish; that of the penalty in its unit would leave the range.
        exponents = np.maximum(exponents, 0)
    unit[:held] = np.ldexp(1.0, -exponents)
    if rows.intercept:
        unit[0] = 1.0
    remainders = None
    if problem.penalty is None:
        # A penalty charges for the columns as they are, and gives curvature to what has none.
        remainders = near_copies((values - origin[:held]) * unit[:held], problem.movable)
    if not origin.any() and (unit == 1.0).all() and remainders is None:
        return None
    aliased: tuple[int, ...] = ()
    if problem.penalty is None and held == size <= MOST_COLUMNS:
        plain = rows if (unit == 1.0).all() else ColumnChange(np.zeros(size), unit, rows.intercept).rows(rows)
        aliased = aliased_columns(plain)
        unit[list(aliased)] = 0.0
        remainders = None if remainders is None else remainders.without(aliased)
    change = ColumnChange(origin, unit, rows.intercept, remainders)
    penalty = problem.penalty
    if penalty is not None and (unit != 1.0).any():
        penalty = in_units(penalty, unit[int(rows.intercept) :, None])
    return Centred(replace(problem, rows=change.rows(rows), penalty=penalty), change, aliased)


def with_gradient_of_given(problem: Problem, solution: Solution, moved: Centred) -> Solution:
    """The solution in the columns given with the size of the objective's gradient there in its certificate, which rows given again are
    known by. problem: in the columns given. A pass, and none where a sample says that what is left is nothing in either columns.

    Kinked losses are left as they are: what their solvers record is no gradient.
    """
    if not problem.joint and problem.loss.kinks() is not None:
        return solution
    certificate, change = solution.certificate, moved.change
    if not problem.joint and _is_nothing(problem, solution, change, certificate.gradient_norm):
        return solution
    return replace(solution, certificate=replace(certificate, gradient_norm=_gradient_norm(problem, solution)))


def _gradient_norm(problem: Problem, solution: Solution) -> float:
    """Of the objective; with a penalty that has kinks, the distance of its subgradients from zero. A pass."""
    kinked = as_proximal(problem.penalty)
    with np.errstate(all="ignore"):
        gradient = (problem if kinked is None else replace(problem, penalty=None)).evaluate(solution.coefficients, 1).gradient
    assert gradient is not None
    if kinked is not None:
        first = int(problem.rows.intercept)
        gradient = np.where(problem.movable, gradient, 0.0)
        return float(
            np.hypot(length(gradient[:first].ravel()), kinked.subgradient_distance(solution.coefficients[first:], gradient[first:]))
        )
    free = problem.free.without(solution.aliased) if solution.aliased else problem.free
    return length(free.restrict_gradient(gradient))


def length(entries: Array) -> float:
    """The Euclidean norm of entries (d,) whose squares may leave the range of a double."""
    largest = float(np.abs(entries).max(initial=0.0))
    return largest * float(np.linalg.norm(entries / largest)) if 0 < largest < np.inf else largest


def _is_nothing(problem: Problem, solution: Solution, change: ColumnChange, norm: float) -> bool:
    """Whether a gradient of this size in changed columns is a hundred-millionth of the terms it is the sum of, in columns as they were."""
    if change.remainders is not None:
        return False
    block = problem.rows.sample(SAMPLE).without_zero_weights()
    with np.errstate(all="ignore"):
        slopes = problem.loss.derivatives(block.targets, block.linear_predictors(solution.coefficients), 1).gradient
        assert slopes is not None
        size = block.design.absolute().adjoint(np.abs(slopes)) / block.n_rows
        used = change.unit > 0
        most = norm * (np.abs(change.origin) + 1.0 / np.where(used, change.unit, 1.0))
        clear = (most[:, None] <= NOTHING * size) | ~problem.movable | ~used[:, None]
    return bool(clear.all())


def check_target_range(problem: Problem) -> None:
    """Raises ValueError for targets so large that sums over them overflow, or so small that they have lost digits already."""
    size = problem.target_scale
    if size > LARGEST_TARGET or 0 < size < SMALLEST_TARGET:
        raise SolverError(
            f"the target's values are as {'large' if size > 1 else 'small'} as {size:.1e}, and sums over them leave the range of a double:"
            " give the target in another unit, such as one in which it is near 1"
        )


def _movable(problem: Problem) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(P,): whether an intercept can take up what moving a column's zero changes, in every linear predictor that has the column."""
    if not problem.rows.intercept:
        return np.zeros(problem.shape[0], dtype=np.bool_)
    free = problem.movable
    found = np.asarray((~free | free[0]).all(axis=1))
    found[0] = False
    return found


def _exponents(largest: Array) -> IntArray:
    """(P,): powers of two that bring columns of this size to one; zero where that is not needed."""
    found = np.frexp(largest)[1].astype(np.int64)
    return np.where((np.abs(found) > EXTREME) & (largest > 0), np.clip(found, -1000, 1000), 0)
