"""The fits of many strengths of a penalty, one from the other, and the loss of rows that were held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import accumulate
from operator import add
from typing import Any, NamedTuple

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.fitting.classes import refuse_one_value
from gradline.fitting.held_out import HeldOutKernel, held_out_of
from gradline.fitting.left_out import check_leave_one_out, left_out
from gradline.model.path import HeldOut, PathRecord, Trail
from gradline.model.record import Model
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, as_kinked
from gradline.penalties.sums import PenaltySpec
from gradline.rows.column_change import ColumnChange
from gradline.rows.folds import Folds, without_fold
from gradline.solvers.centring import centred
from gradline.solvers.constrained.piecewise_linear import ConstrainedPiecewiseLinear
from gradline.solvers.kinks.penalty_rows import null_strength
from gradline.solvers.kinks.pieces import pieces_of
from gradline.solvers.kinks.piecewise_linear import PiecewiseLinear
from gradline.solvers.least_squares.second_moments import MomentsKernel, SecondMoments
from gradline.solvers.protocol import Solution
from gradline.solvers.proximal.fold_moments import sums_of_folds
from gradline.solvers.proximal.many import solve_many, takes_many
from gradline.solvers.proximal.moments_model import MomentsModel
from gradline.solvers.proximal.moments_path import moments_path, proportions
from gradline.solvers.proximal.newton import A_HAIR_MORE, ProximalNewton, null_dual
from gradline.solvers.proximal.wide_path import WidePath, WideRows, wide_path

CONSTANT = 1e-12
"""Of a column's spread: what is left of it where only rounding is."""

STRENGTHS, FOLDS = 100, 10
"""Tried where a strength is "auto"; folds of a path too, unless another number is given."""

MOST_COLUMNS = 5_000
"""Columns of which sums of products are held: 200 MB."""

VERTEX_MORE = 1.0 + 1e-9
"""Times the least strength under which the best vertex has no slope: a simplex tells vertices apart no better."""

WIDE = 500
"""Columns from which a path of fewer than half as many rows takes working sets."""

LEAST_SHARE, LEAST_SHARE_WIDE = 1e-4, 1e-2
"""The weakest strength of a path, of the one that leaves no slope; of data with more columns than rows."""


class PathFound(NamedTuple):
    """What a path found at each strength: coefficients (m, P, k), losses, objectives, gaps,
    gradient_norms, converged (m,), and passes."""

    coefficients: Array
    losses: Array
    objectives: Array
    gaps: Array
    gradient_norms: Array
    converged: np.ndarray[tuple[int], np.dtype[np.bool_]]
    passes: int
    knots: Array | None = None
    """Where the support changes, in units of the first strength; None where the path is not one of straight pieces."""


def record_of(
    strengths: Array, found: PathFound, penalties: tuple[KinkedPenalty, ...], held_out: HeldOut | None, template: Model
) -> PathRecord:
    """What a path found, as it is kept."""
    return PathRecord(
        strengths=strengths,
        coefficients=found.coefficients,
        losses=found.losses,
        objectives=found.objectives,
        gaps=found.gaps,
        gradient_norms=found.gradient_norms,
        converged=found.converged,
        penalties=penalties,
        held_out=held_out,
        template=template,
        passes=found.passes,
        breakpoints=None if found.knots is None else found.knots * strengths[0],
    )


def strengths_of(asked: Any, way: Way) -> Array:
    """The strengths that ``gl.path(strengths=)`` asks for, (m,), falling. Raises as it does."""
    if isinstance(asked, int | np.integer) and not isinstance(asked, bool):
        if asked < 1:
            raise ArgumentError(f"strengths must be a count of at least 1, or the strengths themselves, not {asked!r}")
        refuse_one_value(way.problem)
        largest = way.largest()
        if not largest > 0:
            if any(part.name == "elastic_net" and part.l1_share == 0 for part in getattr(way.spec, "parts", (way.spec,))):
                raise ArgumentError(
                    "at l1_share=0 an elastic net is a ridge, which sets no slope to zero: give a larger share, or"
                    ' penalty=gl.penalties.ridge("auto")'
                )
            raise ArgumentError(
                "no slope differs from zero at any strength: the target does not vary with the columns, or no column is penalised"
            )
        if not np.isfinite(largest):
            raise ArgumentError(
                "no strength sets all slopes to zero, since the penalty has no kink at zero on one of its sides: give strengths= as an"
                " array"
            )
        share = LEAST_SHARE_WIDE if way.wide else LEAST_SHARE
        return np.asarray(largest * np.geomspace(1.0, share, int(asked)))
    try:
        given = np.asarray(asked)
    except ValueError:  # Lists of lists of different lengths.
        given = np.zeros((0, 0))
    if given.ndim != 1 or given.dtype.kind not in "iuf" or not given.size:
        raise ArgumentTypeError(f"strengths must be a count, or an array of strengths, not {asked!r}")
    if not np.isfinite(given).all() or (given < 0).any():
        raise ArgumentError(f"strengths must be finite and at least 0; {given[~(np.isfinite(given) & (given >= 0))][0]:g} is not")
    return np.unique(given.astype(np.float64))[::-1].copy()


@dataclass
class Way:
    """How a path is found: by solving each strength from the one before, with passes over the rows."""

    problem: Problem
    columns: PenaltyColumns
    spec: Any
    folds: Folds | None = None
    """The rows that are held out in turn; None where none are."""
    change: ColumnChange | None = None
    """How the columns of the problem were changed, where those given would cost digits."""

    def penalty(self, strength: float) -> KinkedPenalty:
        bound = self.spec.with_strength(strength).bind(self.columns)
        found = as_kinked(bound)
        if found is None:
            raise ArgumentError(f"a path is for penalties that set slopes to zero, and {bound.name!r} does not; use gl.penalties.lasso()")
        return found

    @property
    def wide(self) -> bool:
        """Whether there are no more rows than columns."""
        return self.problem.rows.n_rows <= self.problem.rows.n_columns

    def largest(self) -> float:
        """The least strength that leaves no slope."""
        unit = self._working(self.penalty(1.0))
        if solved_exactly(self.problem, unit):
            return VERTEX_MORE * null_strength(self.problem, unit, pieces_of(self.problem.loss, self.problem.rows.n_targets))
        return null_dual(self.problem, unit)

    def _working(self, penalty: KinkedPenalty) -> KinkedPenalty:
        """The penalty on slopes of the problem's columns."""
        if self.change is None or (self.change.unit == 1.0).all():
            return penalty
        return penalty.in_units(self.change.unit[int(self.problem.rows.intercept) :, None])

    def _given(self, found: PathFound) -> PathFound:
        """What was found, in the columns given."""
        if self.change is None:
            return found
        return found._replace(coefficients=np.array([self.change.from_changed(point) for point in found.coefficients]))

    def run(self, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]) -> tuple[PathFound, HeldOut | None]:
        """The fits of all strengths, and the loss of what was held out."""
        folds = self.folds
        penalties = [self._working(penalty) for penalty in penalties]
        together = not solved_exactly(self.problem, penalties[0]) and takes_many(self.problem, penalties)
        many = solve_many(self.problem, penalties, folds, advance) if together else None
        found = _along(self.problem, penalties, advance, None if many is None else many.solutions)
        if many is not None:
            found = found._replace(passes=found.passes + many.passes)
        if folds is None:
            return self._given(found), None
        held = np.empty((folds.count, len(penalties), *found.coefficients.shape[1:]))
        known = many is not None
        for fold in range(folds.count):
            rest = replace(self.problem, rows=without_fold(self.problem.rows, folds, fold))
            solved = None if many is None else many.folds[fold]
            known = known and solved is not None and None not in solved
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                without = _along(rest, penalties, advance, solved)
            held[fold] = without.coefficients
            if not without.converged.all():
                _say_of_fold(fold, folds, int((~without.converged).sum()), [str(each.message) for each in caught])
        if many is not None and known:
            return self._given(found), held_out_of(many.held_out, many.weights, folds)
        sums, weights = self.problem.rows.reduce(HeldOutKernel(self.problem.loss, held, folds))
        return self._given(found), held_out_of(sums, weights, folds)


def _say_of_fold(fold: int, folds: Folds, count: int, said: Sequence[str]) -> None:
    """Warn once for a fold, instead of once for each of its strengths and without a word of the fold."""
    why = said[0] if said else "they have not converged"
    strengths = "one strength" if count == 1 else f"{count} strengths"
    warn(
        f"without the rows of fold {fold + 1} of {folds.count} the fits of {strengths} have no sure optimum, and their held-out loss means"
        f" little; the other rows may lack a class, or be told apart by a column: ask for fewer folds, or give another seed=. {why}"
    )


class MomentsWay(Way):
    """Of squared loss: one pass makes sums of each fold, and the rest is algebra."""

    def _of(self, moments: SecondMoments) -> MomentsModel:
        scale = self.problem.loss.squared_scale()
        assert scale is not None
        return MomentsModel(moments, self.problem.rows.n_targets, self.problem.rows.intercept, scale)

    @cached_property
    def parts(self) -> list[SecondMoments]:
        """The sums of each fold, or of all rows where none are held out: a pass."""
        if self.folds is None:
            return [self.problem.rows.reduce(MomentsKernel()).sums]
        states = sums_of_folds(self.problem.rows, self.folds)
        empty = [fold for fold, state in enumerate(states) if state is None]
        if empty:
            raise ArgumentError(f"fold {empty[0] + 1} of {self.folds.count} has no rows; ask for fewer folds, or give another seed=")
        return [state for state in states if state is not None]

    @cached_property
    def total(self) -> SecondMoments:
        """The sums of all rows."""
        return reduce(add, self.parts)

    @cached_property
    def model(self) -> MomentsModel:
        """Of all rows."""
        return self._of(self.total)

    def largest(self) -> float:
        model, unit = self.model, self.penalty(1.0)
        zero = np.zeros((model.n_slopes, model.n_targets))
        dual = unit.part.largest_dual(model.gradient(zero).T.ravel() / unit.scales)
        if not dual > 0:
            return 0.0
        slopes = model.solve(unit.times(1e3 * dual), zero).coefficients[int(model.intercept) :]
        return A_HAIR_MORE * unit.part.largest_dual(model.gradient(slopes).T.ravel() / unit.scales)

    def run(self, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]) -> tuple[PathFound, HeldOut | None]:
        found, parts, folds = _along_moments(self.model, penalties, advance), self.parts, self.folds
        if folds is None:
            return found, None
        sums, weights = np.empty((folds.count, len(penalties))), np.array([part.weight for part in parts])
        for fold, others in enumerate(all_but_one(parts)):
            self._say_what_is_constant(fold, folds, others)
            rest = _along_moments(self._of(others), penalties, advance)
            sums[fold] = self._of(parts[fold]).losses_at(rest.coefficients) * weights[fold]
        return found, held_out_of(sums, weights, folds)

    def _say_what_is_constant(self, fold: int, folds: Folds, others: SecondMoments) -> None:
        """Warn of columns that vary in the rows of this fold alone, such as those of a level: the fits without it know nothing of them."""
        p = self.model.n_slopes
        total = np.ldexp(np.diag(self.total.centred())[:p], 2 * self.total.exponents[:p])
        left = np.ldexp(np.diag(others.centred())[:p], 2 * others.exponents[:p])
        gone = np.flatnonzero((total > 0) & (left <= CONSTANT * total))
        if gone.size:
            names = ", ".join(self.problem.column_name(int(j) + int(self.model.intercept)) for j in gone[:4])
            more = f" and {gone.size - 4} more" if gone.size > 4 else ""
            warn(
                f"without the rows of fold {fold + 1} of {folds.count} nothing varies in {names}{more}, whose slope is zero there; its"
                " rows are held out all the same: ask for fewer folds, or give another seed="
            )


class _WideWay(Way):
    """Of squared loss with more columns than rows: working sets of columns, of rows in memory."""

    def _rows(self, kept: Any = None) -> WideRows:
        """All rows, or those that are kept, (n,) bool."""
        rows, scale = self.problem.rows, self.problem.loss.squared_scale()
        block = rows.in_memory()
        assert block is not None
        assert scale is not None
        weights = block.weight_of_each_row
        target = block.targets[:, 0] if block.offset is None else block.targets[:, 0] - block.offset[:, 0]
        columns = block.design.slopes()
        if kept is not None:
            columns, target, weights = columns[kept], target[kept], weights[kept]
        return WideRows(columns, target, weights / weights.sum(), scale, rows.intercept)

    def largest(self) -> float:
        rows, unit = self._rows(), self.penalty(1.0)
        gradient = rows.gradients((rows.target - rows.level)[:, None])[0]
        return A_HAIR_MORE * unit.part.largest_dual(gradient / unit.scales)

    def run(self, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]) -> tuple[PathFound, HeldOut | None]:
        first, folds = penalties[0], self.folds
        shares = proportions(penalties, (self.problem.rows.n_columns - int(self.problem.rows.intercept), 1))
        absolute = first.part.absolute
        assert shares is not None
        assert absolute is not None
        weights, whole = absolute * first.scales, self._rows()
        found = self._found(whole, wide_path(whole, weights, shares, advance))
        if folds is None:
            return found, None
        block = self.problem.rows.in_memory()
        assert block is not None
        owner = folds.of(block)
        counts = block.weight_of_each_row
        sums, held = np.zeros((folds.count, len(penalties))), np.bincount(owner, counts, minlength=folds.count).astype(np.float64)
        for fold in range(folds.count):
            rest = self._rows((owner != fold) & (counts > 0))
            without = wide_path(rest, weights, shares, advance).slopes
            inside = (owner == fold) & (counts > 0)
            left = whole.target[inside][:, None] - rest.intercepts(without) - whole.columns[inside] @ without.T
            sums[fold] = whole.scale * (counts[inside] @ np.square(left))
        return found, held_out_of(sums, held, folds)

    def _found(self, rows: WideRows, path: WidePath) -> PathFound:
        slopes = path.slopes[:, :, None]
        coefficients = np.concatenate([rows.intercepts(path.slopes)[:, None, None], slopes], axis=1) if rows.centred else slopes
        return PathFound(coefficients, path.losses, path.objectives, path.gaps, path.gradient_norms, path.converged, 1, path.knots)


def way_of(problem: Problem, columns: PenaltyColumns, spec: Any, folds: Folds | None) -> Way:
    """The way of a path that suits the loss and the rows."""
    rows = problem.rows
    flat = Way(problem, columns, spec).penalty(1.0).rest_is_quadratic
    if problem.loss.squared_scale() is not None and flat and problem.mask is None and not rows.coded_levels:
        wide = rows.n_columns > WIDE and rows.n_columns > 2 * rows.n_rows and rows.n_targets == 1 and rows.resident
        wide = wide and not rows.sparse_columns
        if wide and _charges_each_alone(Way(problem, columns, spec)):
            return _WideWay(problem, columns, spec, folds)
        if rows.n_columns <= MOST_COLUMNS:
            return MomentsWay(problem, columns, spec, folds)
    moved = centred(replace(problem, penalty=Way(problem, columns, spec).penalty(1.0)))
    if moved is None:
        return Way(problem, columns, spec, folds)
    return Way(replace(moved.problem, penalty=None), columns, spec, folds, moved.change)


def _charges_each_alone(way: Way) -> bool:
    """Whether the penalty is its strength times a sum of sizes, of all slopes, and nothing else."""
    one, two = way.penalty(1.0), way.penalty(2.0)
    absolute, shape = one.part.absolute, (way.problem.rows.n_columns - int(way.problem.rows.intercept), 1)
    return absolute is not None and bool((absolute > 0).all()) and one.smooth_part is None and proportions([two, one], shape) is not None


def all_but_one(parts: Sequence[SecondMoments]) -> list[SecondMoments]:
    """The sums of all parts but each. They are added up, from both ends: to subtract one from the total would lose digits."""
    before, after = list(accumulate(parts[:-1], add)), list(accumulate(parts[:0:-1], add))[::-1]
    return [after[0], *(before[i - 1] + after[i] for i in range(1, len(parts) - 1)), before[-1]]


def _along_moments(model: MomentsModel, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]) -> PathFound:
    points, knots = moments_path(model, penalties, advance)
    return PathFound(
        np.array([point.coefficients for point in points]),
        np.array([point.loss for point in points]),
        np.array([point.objective for point in points]),
        np.array([np.nan if point.gap is None else point.gap for point in points]),
        np.array([point.gradient_norm for point in points]),
        np.array([point.exact for point in points]),
        1,
        knots,
    )


def solved_exactly(problem: Problem, penalty: KinkedPenalty) -> bool:
    """Whether each strength is an exact vertex, of a loss with kinks. Raises ValueError where no solver of a path takes the problem."""
    one = replace(problem, penalty=penalty)
    reason, exact = ProximalNewton().refuses(one), False
    if reason is not None and not problem.joint and problem.loss.kinks() is not None:
        reason, exact = PiecewiseLinear().refuses(one), True
    if exact and reason is not None and ConstrainedPiecewiseLinear().refuses(one) is None:
        loss = problem.loss.name
        reason = (
            f"a path beside the loss {loss!r} is of a lasso, and the {penalty.name} has a smooth part: gl.fit takes it with a strength"
            " that is given, and beside a smooth loss such as gl.losses.huber it has a path"
        )
    if reason is not None:
        raise ArgumentError(reason)
    return exact


def _along(
    problem: Problem, penalties: Sequence[KinkedPenalty], advance: Callable[[], None], known: Sequence[Solution | None] | None = None
) -> PathFound:
    """One strength from the other, but for those that are known."""
    smooth, vertex, exact = ProximalNewton(), PiecewiseLinear(), solved_exactly(problem, penalties[0])
    start, curvature, passes = None, None, 0
    solutions = []
    for place, penalty in enumerate(penalties):
        solution = None if known is None else known[place]
        if solution is None:
            one = replace(problem, penalty=penalty)
            solution = vertex.solve(one, start) if exact else smooth.solve_from(one, start, curvature)
            advance()
        start, curvature, passes = solution.coefficients, solution.curvature, passes + solution.passes
        solutions.append(solution)
    first = int(problem.rows.intercept)
    objectives = np.array([solution.loss for solution in solutions])
    penalised = np.array([p.value(s.coefficients[first:]) for p, s in zip(penalties, solutions, strict=True)])
    return PathFound(
        np.array([solution.coefficients for solution in solutions]),
        objectives - penalised,
        objectives,
        np.array([np.nan if s.certificate.gap is None else s.certificate.gap for s in solutions]),
        np.array([s.certificate.gradient_norm for s in solutions]),
        np.array([solution.certificate.converged for solution in solutions]),
        passes,
    )


def with_chosen_strength(problem: Problem, columns: PenaltyColumns, spec: PenaltySpec, progress: bool | None = False) -> KinkedPenalty:
    """The penalty of the strength whose loss of rows held out is least, of 100 strengths, and 10 folds or each row by itself."""
    n, alone = problem.rows.n_rows, spec.chosen_by == "leave-one-out"
    way = way_of(problem, columns, spec, None if alone else Folds.of_rows(min(FOLDS, n), 0, n))
    strengths = strengths_of(STRENGTHS, way)
    penalties = [way.penalty(float(strength)) for strength in strengths]
    if alone:
        check_leave_one_out(problem, penalties[0])
    rounds = 2 if way.folds is None else way.folds.count + 1
    with progress_bar.bar("Strengths", len(strengths) * rounds, progress, patience=1.0) as advance:
        found, held_out = way.run(penalties, lambda: advance(1, ""))
        if alone:
            held_out = left_out(problem, found.coefficients, penalties, lambda: advance(1, ""))
    assert held_out is not None
    trail = Trail(np.array(strengths), found.coefficients, found.losses, found.gaps, tuple(penalties), held_out)
    return replace(penalties[held_out.best], chosen_by=held_out.how, trail=trail)
