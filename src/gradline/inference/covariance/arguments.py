"""What ``covariance=`` and ``groups=`` ask of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradline.base.errors import InferenceError
from gradline.inference.absent import ASK, JOINT, NoInference
from gradline.objective.objective import ExtraSum, Problem
from gradline.solvers.centring import Centred, centred
from gradline.solvers.protocol import Solution, Solver

if TYPE_CHECKING:
    from gradline.inference.covariance.clusters import Groups
    from gradline.inference.covariance.default import PendingInference
    from gradline.inference.covariance.kinds import CovarianceKind
    from gradline.inference.inference import Inference


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


def checked_kind(covariance: Any, groups: Any, n_rows: Callable[[], int]) -> CovarianceKind | None:
    """The kind, looked at before any work is done; None for a default or for none, and for clusters, whose groups are yet to be read.

    groups: of arrays. Raises as ``kinds.as_kind`` does.
    """
    if covariance is None or is_default(covariance) or is_none(covariance):
        return None
    from gradline.inference.covariance.kinds import as_kind

    return as_kind(("cluster", groups) if groups is not None else covariance, n_rows())


def extra_sums_of_last_pass(problem: Problem) -> tuple[ExtraSum, ...]:
    """What the solver's last pass may take along for ``uncertainty``."""
    from gradline.inference.inference import extra_sums

    return extra_sums(problem)


def uncertainty(
    problem: Problem, solution: Solution, covariance: Any, kind: CovarianceKind | None, read_groups: Callable[[], Groups] | None
) -> Inference | PendingInference | NoInference:
    """What a Fit is to hold. kind: of ``checked_kind``. read_groups: reads the clusters of a table's columns."""
    if covariance is None:
        from gradline.inference.covariance.default import default_inference

        return default_inference(problem, solution)
    if is_none(covariance):
        return NoInference(f"none were wanted (covariance={covariance!r}): {ASK}")
    from gradline.inference.covariance.default import asked_inference
    from gradline.inference.covariance.kinds import CovarianceKind

    if read_groups is not None:
        kind = CovarianceKind("cluster", groups=read_groups())
    if kind is None and problem.joint:
        return NoInference(JOINT.format(problem.loss.name))
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
    if solved is None and not is_none(covariance):
        from gradline.inference.covariance.default import passes_over_rows

        moved = centred(problem) if passes_over_rows(problem, solution, covariance is None) else None
        if moved is not None:
            # Coefficients that are exact are rounded in the columns given: in moved ones they are found again.
            exact = solution.digits is not None
            solved = moved, solver.solve(moved.problem) if exact else moved.of_given(solution)
    if solved is None:
        return uncertainty(problem, solution, covariance, kind, read_groups)
    from gradline.inference.centred import in_given_columns

    moved, there = solved
    read = None if read_groups is None else lambda: read_groups().changed(moved.change.rows)
    return in_given_columns(uncertainty(moved.problem, there, covariance, kind, read), moved.change, problem, solution)
