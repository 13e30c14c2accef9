"""What a fit is asked about its uncertainty, by ``covariance=`` and ``groups=``, and what it holds of it.

Without being asked it is the loss's default, where that costs little. Squared loss leaves the sums behind from which its classical errors
follow, so they wait there until somebody looks. Of other losses they are found at once on data so small that nobody waits; on more, a fit
says how to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.absent import ASK, JOINT, NoInference
from gradline.inference.bread import Bread, as_matrix, of_targets, penalty_part
from gradline.inference.covariance.bayesian import WORDS, dispersion_of_squares
from gradline.inference.covariance.classical import squared_factor
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.covariance.kinds import CovarianceKind
from gradline.inference.debiased import debiased
from gradline.inference.inference import MOST_COEFFICIENTS, Inference, infer, too_many
from gradline.inference.selective import selective
from gradline.inference.statistics import FitStatistics, degrees_left, normal_log_likelihood
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.rows.column_change import ColumnChange
from gradline.solvers.centring import Centred, centred
from gradline.solvers.least_squares.scaled_rows import factor_of_block, in_one_block
from gradline.solvers.protocol import LeavesSums, Solution, Solver
from gradline.solvers.squared_sums import SquaredSums

if TYPE_CHECKING:
    from gradline.inference.covariance.clusters import Groups

CHEAP_NUMBERS = 2_000_000
"""n P k up to which standard errors are found without being asked for."""

CHEAP_COEFFICIENTS = 500
"""k P up to which."""


def cluster_arguments(covariance: Any, groups: Any) -> tuple[Any, Any]:
    """(covariance, groups), with the groups of ``("cluster", groups)`` taken out. Raises ValueError for groups that nothing uses."""
    if isinstance(covariance, tuple | list) and covariance and isinstance(covariance[0], str) and covariance[0].lower() == "cluster":
        if len(covariance) != 2:
            if groups is None or len(covariance) > 2:
                raise InferenceError('covariance=("cluster", groups) takes one thing besides its name: labels, or the name of a column')
            return "cluster", groups
        if groups is not None:
            raise InferenceError('the groups are given twice: covariance="cluster" with groups=, or covariance=("cluster", groups)')
        return "cluster", covariance[1]
    if groups is None:
        return covariance, None
    if not isinstance(covariance, str) or covariance.lower() != "cluster":
        given = "" if covariance is None else f", and covariance is {covariance!r}"
        raise InferenceError(f'groups= would not be used: it goes with covariance="cluster"{given}')
    return "cluster", groups


def is_default(covariance: Any) -> bool:
    """Whether the loss's own kind is asked for."""
    return isinstance(covariance, str) and covariance == "default"


def is_none(covariance: Any) -> bool:
    """Whether no covariance is wanted."""
    return covariance is False or (isinstance(covariance, str) and covariance == "none")


def names_a_kind(covariance: Any) -> bool:
    """Whether one kind is asked for, which can be looked at before any work is done; not the loss's own, nor none."""
    return covariance is not None and not is_default(covariance) and not is_none(covariance)


@dataclass(frozen=True, eq=False)
class PendingInference:
    """The classical inference of squared loss, not worked out before it is looked at. Holds sums, never rows."""

    held: LeavesSums
    aliased: tuple[int, ...]
    coefficients: Array
    loss_name: str
    scale: float
    strength: float
    intercept: bool
    penalised: bool
    penalty: Array | None = None
    """The penalty's part of A where it is no ridge, (P, P): the covariance is then the Bayesian one."""
    is_pending: ClassVar[bool] = True

    @property
    def sums(self) -> SquaredSums:
        """Worked out of the factor where that is what the solver left, anew each time: of many columns nobody holds them for nothing."""
        return self.held.sums()

    def infer(self) -> Inference:
        """The same that ``infer`` finds in two passes over the rows."""
        sums = self.sums
        (size, k), weights = self.coefficients.shape, sums.weights
        ridge = np.zeros((size, k))
        ridge[int(self.intercept) :] = weights.weight * self.strength
        penalty = np.asarray(ridge.T.ravel()) if self.penalty is None else self.penalty
        # The curvature of c (y - eta)^2 is 2 c.
        free = CoefficientMap.selecting(np.ones((size, k), dtype=np.bool_))
        free = free.without(self.aliased) if self.aliased else free
        bread = of_targets(sums.root / np.sqrt(2.0 * self.scale), (size, k), free, penalty)
        totals = self._statistics(bread, sums)
        words = ""
        found = None
        try:
            if self.penalty is not None:
                factor, description = np.sqrt(dispersion_of_squares(totals) * 2.0 * self.scale) * bread.root, WORDS
            else:
                factor, description = squared_factor(bread, totals, 2.0 * self.scale, sums.products, penalised=self.penalised)
            estimated = np.asarray(abs(free.matrix).sum(axis=1)).ravel() > 0
            kind = "classical" if self.penalty is None else "bayesian"
            found = Covariance(kind, description, factor, (size, k), estimated, totals.degrees_of_freedom)
            if k > 1 and totals.squares is not None:
                found = found.without_targets(totals.squares == 0.0)
        except ValueError as error:
            words = str(error)
        return Inference(totals, found, bread, unavailable=words, notes=() if found is None else found.notes)

    def _statistics(self, bread: Bread, sums: SquaredSums) -> FitStatistics:
        weights, squares = sums.weights, np.diag(sums.products).copy()
        effective = bread.effective_parameters if self.penalised else float(bread.free.size)
        spare = degrees_left(weights.copies, effective / len(squares))
        return FitStatistics(
            rows=weights.rows,
            count=weights.copies,
            weight=weights.weight,
            parameters=bread.free.size,
            effective_parameters=effective,
            degrees_of_freedom=spare,
            loss_name=self.loss_name,
            loss_sum=self.scale * float(squares.sum()),
            squared=True,
            intercept=self.intercept,
            penalised=self.penalised,
            squares=squares,
            total_squares=sums.total_squares,
            dispersion=squares / spare if spare > 0 else np.full(len(squares), np.nan),
            log_likelihood=normal_log_likelihood(squares, weights.copies, weights.log_weight),
            deviance=float(squares.sum()),
        )


def default_inference(problem: Problem, solution: Solution) -> Inference | PendingInference | NoInference:
    """What ``gl.fit`` leaves in a Fit where ``covariance=`` was not given."""
    if solution.without_errors:
        return NoInference(solution.without_errors)
    if not solution.certificate.converged:
        return NoInference("the fit has not converged, so its coefficients are no minimum whose errors could be told")
    if problem.joint:
        return NoInference(JOINT.format(problem.loss.name))
    pending = pending_inference(problem, solution)
    if pending is not None:
        return pending
    if problem.shape[0] * problem.shape[1] > MOST_COEFFICIENTS:
        return NoInference(too_many(problem.shape[0] * problem.shape[1]))
    if not is_cheap(problem) or not problem.rows.resident:
        return NoInference(f"on {problem.rows.n_rows:,} rows they cost a pass or two, and were not asked for: {ASK}")
    return infer(problem, solution)


def passes_over_rows(problem: Problem, solution: Solution, unasked: bool) -> bool:
    """Whether ``default_inference``, or ``asked_inference`` where it was asked for, goes over the rows for a matrix of curvature."""
    if problem.joint or pending_inference(problem, solution) is not None:
        return False
    return not unasked or (solution.certificate.converged and is_cheap(problem) and problem.rows.resident)


def is_cheap(problem: Problem) -> bool:
    """Whether standard errors of the problem cost so little that nobody need ask for them."""
    size, k = problem.shape
    return problem.rows.n_rows * size * k <= CHEAP_NUMBERS and size * k <= CHEAP_COEFFICIENTS


def asked_inference(problem: Problem, solution: Solution, kind: CovarianceKind | None) -> Inference:
    """What ``gl.fit`` leaves where ``covariance=`` was given; least squares saves it all passes but those of the kind's own sums.

    What a sandwich needs is kept along, but not where that alone would read the rows of a file once more.
    """
    pending = pending_inference(problem, solution)
    known = None if pending is None else pending.infer()
    if known is None:
        # Of curves, what a sandwich needs would be a pass that nobody asked for.
        return infer(problem, solution, kind, keep_meat=kind is None or kind.name != "bayesian")
    own = known.covariance is not None and (kind is None or kind.name == known.covariance.kind)
    if own and ((kind is not None and kind.name == "bayesian") or problem.rows.in_memory() is None):
        return known
    return infer(problem, solution, kind, keep_meat=True, bread=known.bread, statistics=known.statistics)


def pending_inference(problem: Problem, solution: Solution) -> PendingInference | None:
    """What least squares left behind, or a small block of rows gives; None for other losses and where too few digits would be left."""
    scale = problem.loss.squared_scale()
    strength = problem.ridge_strength
    if scale is None or not problem.all_free or problem.shape[1] != problem.rows.n_targets:
        return None
    sums = solution.sums
    if strength is None:
        # Who solved with a penalty of any matrix left its root, or nothing.
        if sums is None or problem.shape[1] > 1:
            return None
        return PendingInference(
            sums,
            solution.aliased,
            solution.coefficients,
            problem.loss.name,
            scale,
            0.0,
            problem.rows.intercept,
            True,
            as_matrix(penalty_part(problem, solution.coefficients)),
        )
    if sums is None:
        block = in_one_block(problem.rows)
        sums = None if block is None or solution.aliased else factor_of_block(problem.rows, block, strength / scale, solution.coefficients)
    if sums is None:
        return None
    return PendingInference(
        sums,
        solution.aliased,
        solution.coefficients,
        problem.loss.name,
        scale,
        strength,
        problem.rows.intercept,
        problem.penalty is not None,
    )


def after_selection(problem: Problem, solution: Solution, kind: CovarianceKind | None) -> Inference | None:
    """What is found of a penalised fit in a way of its own; None for a kind that is a covariance of the coefficients."""
    if kind is not None and kind.name == "debiased":
        return debiased(problem, solution)
    return selective(problem, solution) if kind is not None and kind.name == "selective" else None


def uncertainty(
    problem: Problem, solution: Solution, covariance: Any, kind: CovarianceKind | None, read_groups: Callable[[], Groups] | None
) -> Inference | PendingInference | NoInference:
    """What a Fit is to hold. kind: as ``as_kind`` read it; None where none was named, and for clusters, whose groups are yet to be read.
    read_groups: reads the clusters of a table's columns."""
    if covariance is None:
        return default_inference(problem, solution)
    if is_none(covariance):
        return NoInference(f"none were wanted (covariance={covariance!r}): {ASK}")
    if read_groups is not None:
        kind = CovarianceKind("cluster", groups=read_groups())
    if kind is None and problem.joint:
        return NoInference(JOINT.format(problem.loss.name))
    special = after_selection(problem, solution, kind)
    if special is not None:
        return special
    return asked_inference(problem, solution, kind)


def uncertainty_of(
    problem: Problem,
    solution: Solution,
    solver: Solver,
    solved: tuple[Centred, Solution] | None,
    covariance: Any,
    kind: CovarianceKind | None,
    read_groups: Callable[[], Groups] | None,
) -> Inference | PendingInference | NoInference:
    """``uncertainty``, worked out in moved columns where these keep more digits.

    problem, solution: in the columns given. solved: what the solver was given and found, where that was in moved columns.
    """
    if kind is not None and kind.name == "selective":
        # Its sums have an origin of their own.
        return selective(problem, solution)
    if solved is None and not is_none(covariance):
        moved = centred(problem) if passes_over_rows(problem, solution, covariance is None) else None
        if moved is not None:
            # Coefficients that are exact are rounded in the columns given: in moved ones they are found again.
            exact = solution.digits is not None
            solved = moved, solver.solve(moved.problem) if exact else moved.of_given(solution)
    if solved is None:
        return uncertainty(problem, solution, covariance, kind, read_groups)
    moved, there = solved
    read = None if read_groups is None else lambda: read_groups().changed(moved.change.rows)
    return in_given_columns(uncertainty(moved.problem, there, covariance, kind, read), moved.change, problem, solution)


def in_given_columns(
    found: Inference | PendingInference | NoInference, change: ColumnChange, problem: Problem, solution: Solution
) -> Inference | NoInference:
    """What was found of a problem in changed columns. problem, solution: those in the columns given."""
    if isinstance(found, NoInference):
        return found
    found = found.infer()
    held, bread = found.covariance, found.bread
    return replace(
        found,
        covariance=None if held is None else _covariance(held, change),
        bread=None if bread is None else _bread(bread, change, problem, solution),
    )


def _covariance(held: Covariance, change: ColumnChange) -> Covariance:
    estimates = None if held.estimates is None else change.from_changed(held.estimates)
    return replace(held, factor=change.combinations_from_changed(held.factor), estimates=estimates)


def _bread(bread: Bread, change: ColumnChange, problem: Problem, solution: Solution) -> Bread:
    free = problem.free.without(solution.aliased) if solution.aliased else problem.free
    penalty = penalty_part(problem, solution.coefficients)
    if bread.target_root is not None:
        return of_targets(change.combinations_from_changed(bread.target_root), bread.shape, free, penalty)
    return Bread(change.combinations_from_changed(bread.root), bread.shape, free, penalty)
