"""From a request to a model: rows, a loss, a solver, and what is known of the coefficients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from gradline.base.errors import ArgumentError, ArgumentTypeError, InferenceError
from gradline.base.warnings import warn
from gradline.constraints.arguments import UNUSED
from gradline.fitting.beside_curves import penalty_beside
from gradline.fitting.classes import refuse_one_value
from gradline.fitting.column_scales import warn_of_scales
from gradline.fitting.curves import CurveFit, covariance_of_curves, described, with_curves, within_shapes
from gradline.fitting.request import FitRequest
from gradline.inference.absent import NoInference
from gradline.inference.asked import is_default, is_none, names_a_kind, uncertainty_of
from gradline.inference.covariance.kinds import CovarianceKind, as_kind
from gradline.inference.inference import extra_sums
from gradline.model.record import Model
from gradline.objective.objective import Problem
from gradline.penalties.arguments import has_strengths, left_to_data, settled
from gradline.penalties.kinked_penalty import PenaltyColumns, UnboundPenalty, chosen_by, trail_of
from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import AutomaticRidge
from gradline.preparing.from_arrays import Prepared, prepare_arrays
from gradline.rows.fingerprint import fingerprint_of
from gradline.rows.kernel import Kernel
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.solvers.centring import Centred, centred, with_gradient_of_given
from gradline.solvers.columns import standard_deviations
from gradline.solvers.protocol import EndsWithCurvature, Solution, Solver, as_start
from gradline.solvers.registry import as_solver, automatic, check_in_range, solve, solve_identified, takes_any_columns

if TYPE_CHECKING:
    from gradline.inference.asked import PendingInference
    from gradline.inference.inference import Inference


def run(request: FitRequest) -> Model:
    """Fit what is asked for. Raises as :func:`gradline.fit` says."""
    started = time.perf_counter()
    if request.absorbed:
        from gradline.fitting.absorbed import run_absorbed

        return run_absorbed(request)
    with opened(request) as (prepared, kind, progress):
        return _solve(request, prepared, kind, progress, started)


@contextmanager
def opened(request: FitRequest, ahead: Kernel[Any] | None = None) -> Iterator[tuple[Prepared, CovarianceKind | None, bool | None]]:
    """Rows and a loss, the kind of standard errors, and whether to show progress, while the data is open. ahead: what squared loss is
    going to sum first, of a table that is not held; its moments unless given."""
    if request.absorbed:
        raise ArgumentTypeError("absorbed levels (| in the formula) go with gl.fit, one fit at a time: write C(...) for the category here")
    common: dict[str, Any] = {"loss": request.loss, "prediction": request.prediction, "backend": request.backend}
    common |= {"weights": request.weights, "frequencies": request.frequencies, "offset": request.offset, "intercept": request.intercept}
    if request.of_arrays:
        prepared = prepare_arrays(request.data, request.target, names=request.names, **common)
        kind = None
        if names_a_kind(request.covariance):
            asked = request.covariance if request.groups is None else ("cluster", request.groups)
            kind = as_kind(asked, prepared.rows.n_rows)
        if request.groups is not None:
            check_same_labels(of_arguments(X=request.data, y=request.target, groups=request.groups))
        yield prepared, kind, request.progress
        return
    from gradline.preparing.from_table import watched_table

    common |= {"features": request.features, "missing": request.missing, "where": request.where, "query": request.query}
    common |= {"database": request.database, "groups": request.groups, "solver": request.solver, "progress": request.progress}
    common["ahead"] = ahead
    with watched_table(request.formula, request.data, request.target, **common) as prepared:
        # One bar at a time: where rows are read anew at each pass, it is the rows that are counted.
        own = False if prepared.streamed else request.progress
        named = prepared.clusters is None and names_a_kind(request.covariance)
        kind = as_kind(request.covariance, prepared.rows.n_rows) if named else None
        yield prepared, kind, own


CHOSEN_WITHOUT = (
    "the strength of the penalty was chosen by fits without the constraints; give strengths to gl.fit to choose among fits within them"
)


def _solve(request: FitRequest, prepared: Prepared, kind: CovarianceKind | None, progress: bool | None, started: float) -> Model:
    """From rows and a loss to the model."""
    for note in prepared.notes:
        warn(note)
    problem, curves = _with_penalty_or_curves(request, prepared, progress)
    covariance = request.covariance
    if curves is not None:
        covariance, kind = covariance_of_curves(covariance, kind, problem)
    problem = _with_constraints(request, problem, curves, prepared)
    asked = request if covariance is request.covariance else replace(request, covariance=covariance)
    problem, solution, chosen, solved = _optimum(asked, problem, prepared.names, progress, curves)
    if solution.aliased:
        left_out = ", ".join(repr(prepared.names[i]) for i in solution.aliased)
        it, its = ("it is", "Its coefficient is") if len(solution.aliased) == 1 else ("they are", "Their coefficients are")
        warn(f"left out of the model, since {it} constant or determined by earlier columns: {left_out}. {its} NaN; predictions do without")
    if solution.held is not None and chosen_by(problem.penalty):
        solution = replace(solution, notes=(*solution.notes, CHOSEN_WITHOUT))
    for note in solution.notes:
        warn(note)
    if prepared.engine is not None and prepared.engine.remarks:
        solution = replace(solution, notes=(*solution.notes, *prepared.engine.remarks))
    clusters = prepared.clusters
    read_groups = None if clusters is None else lambda: clusters.groups(problem.rows, problem.n_predictors)
    if solution.held is None:
        try:
            found = uncertainty_of(problem, solution, chosen, solved, covariance, kind, read_groups)
        except InferenceError as error:
            if curves is None or not (request.covariance is None or is_default(request.covariance)):
                raise
            found = NoInference(str(error))
    else:
        from gradline.fitting.constrained import uncertainty_within

        asked = replace(request, solver="auto", start=None, tolerance=None, accuracy="auto", covariance=covariance)
        # Degrees of freedom of curves come of their errors, so that these are worked out unasked.
        given = request if curves is None else replace(request, covariance=covariance)
        found, held = uncertainty_within(
            given, problem, solution, kind, read_groups, lambda free: _optimum(asked, free, prepared.names, False, curves)
        )
        solution = replace(solution, held=held, unconstrained=None)
    if solution.curvature is not None:
        solution = replace(solution, curvature=None, extra=())
    model = model_of(request, prepared, problem, solution, found, started)
    # Held curves are tested, as coefficients are, by the fit that standard errors belong to.
    if curves is None:
        return model
    wanted = not is_none(request.covariance)
    at = solution.coefficients if problem.penalty_kind == "proximal" else model.estimate
    return replace(model, curves=described(curves, at, found, wanted))


def _with_penalty_or_curves(request: FitRequest, prepared: Prepared, progress: bool | None) -> tuple[Problem, CurveFit | None]:
    """The problem with its penalty: the one that was given, and that of the formula's curves, whose strengths are chosen here."""
    problem = problem_of(prepared)
    if prepared.encoder is not None and prepared.encoder.has_curves:
        beside = None
        if request.penalty is not None:
            beside = penalty_beside(problem, request.penalty, prepared.encoder, prepared.names, penalty_columns(problem, prepared))
        curves = with_curves(problem, prepared.encoder, prepared.mask, beside, request.smoothing, prepared.target_names)
        return curves.problem, curves
    if request.smoothing != "REML":
        raise ArgumentError(f"smoothing={request.smoothing!r} would not be used: the model has no curves, such as s(x) in its formula")
    if request.penalty is None:
        return problem, None
    warn_of_scales(problem, prepared.names, request.penalty)
    if has_strengths(request.penalty) and problem.rows.intercept:
        refuse_one_value(problem)
    return with_penalty(problem, request.penalty, prepared, progress), None


def _with_constraints(request: FitRequest, problem: Problem, curves: CurveFit | None, prepared: Prepared) -> Problem:
    """The problem with the constraints that were given and those of its curves. Raises ArgumentError for what does not go together."""
    constraints = request.constraints if curves is None else within_shapes(curves, request.constraints)
    if constraints is None and request.inference is not None:
        raise ArgumentError(UNUSED.format(request.inference))
    if curves is not None and request.inference == "face":
        raise ArgumentError(
            'inference="face" is not for models with curves: their errors take the penalty for a prior, which gives a face of its slopes no'
            ' probability; take "intersection" or "draws"'
        )
    if constraints is None:
        return problem
    if request.inference == "face" and problem.penalty_kind == "proximal":
        raise ArgumentError(
            'inference="face" is not for penalties with kinks: their estimates are not near normal, on a face as elsewhere; take'
            ' "intersection" or "draws" with covariance="debiased"'
        )
    from gradline.fitting.constrained import with_constraints

    return with_constraints(problem, constraints, prepared)


def _optimum(
    request: FitRequest, problem: Problem, names: tuple[str, ...], progress: bool | None, curves: CurveFit | None
) -> tuple[Problem, Solution, Solver, tuple[Centred, Solution] | None]:
    """(the problem that was solved, its solution, the solver, what that was given and found where the columns were moved for it)."""
    if curves is not None and curves.solver is not None and problem.constraints is None and request.leaves_all_to_us:
        chosen: Solver = curves.solver
    else:
        chosen = as_solver(request.solver, problem, request.accuracy, request.tolerance)
    # What a fit holds does not depend on where a column's zero lies or on its unit; what a solver makes of it does.
    moved = centred(problem) if takes_any_columns(chosen) else None
    working = problem if moved is None else moved.problem
    if request.covariance is not None and not is_none(request.covariance) and isinstance(chosen, EndsWithCurvature):
        chosen = chosen.ending_with_curvature(extra_sums(working))
    begin = None if request.start is None else as_start(request.start, problem.shape, names)
    if begin is None and curves is not None and problem.constraints is None:
        begin = curves.start
    if begin is None and problem.penalty is not None and problem.constraints is None:
        # Where the strength was chosen its optimum was found on the way.
        trail = trail_of(problem.penalty)
        begin = None if trail is None else trail.best
    if begin is not None and moved is not None:
        begin = moved.change.to_changed(begin)
    working, there = solve_identified(working, chosen, begin, progress)
    problem, solution = problem if working.loss is problem.loss else replace(problem, loss=working.loss), there
    if moved is not None:
        moved, solution = replace(moved, problem=working), moved.solution(there)
    if moved is not None or solution.digits is not None:
        check_in_range(problem, solution)
    if moved is not None:
        solution = with_gradient_of_given(problem, solution, moved)
    return problem, solution, chosen, None if moved is None else (moved, there)


def model_of(
    request: FitRequest,
    prepared: Prepared,
    problem: Problem,
    solution: Solution,
    uncertainty: Inference | PendingInference | NoInference,
    started: float,
) -> Model:
    """The record of a fit."""
    return Model(
        prepared.names,
        prepared.target_names,
        problem.loss,
        solution,
        prepared.used,
        prepared.dropped,
        named=prepared.named,
        penalty=problem.penalty,
        solver_asked=request.solver != "auto",
        uncertainty=uncertainty,
        seconds=time.perf_counter() - started,
        encoder=prepared.encoder,
        row_columns=prepared.row_columns,
        fingerprint=fingerprint_of(prepared.rows) if prepared.fingerprint is None else prepared.fingerprint,
        class_labels=prepared.class_labels,
    )


def problem_of(prepared: Prepared) -> Problem:
    """The problem without its penalty. Raises ValueError for weights beside a loss of all rows together."""
    problem = Problem(prepared.rows, prepared.loss, None, prepared.names, prepared.mask)
    if problem.joint and prepared.weighted:
        raise ArgumentError(f"weights and frequencies need a loss of one row; {problem.joint_message}")
    return problem


def penalty_columns(problem: Problem, prepared: Prepared) -> PenaltyColumns:
    """What a penalty is told of the model."""
    rows, first = problem.rows, int(problem.rows.intercept)
    names = prepared.names[first:]
    terms = names if prepared.encoder is None else prepared.encoder.terms[first:]
    predictors = problem.loss.predictor_names(rows.n_targets)
    return PenaltyColumns(names, terms, predictors, cache(lambda: standard_deviations(rows)[first:]))


def with_penalty(
    problem: Problem, penalty: Penalty | UnboundPenalty | AutomaticRidge | None, prepared: Prepared, progress: bool | None = False
) -> Problem:
    """The problem with its penalty; a strength that is left to the data is chosen first, by fits whose solver is the automatic one.

    Raises ValueError for losses without a leave-one-out loss.
    """

    def choose() -> tuple[float, float]:
        from gradline.inference.ridge_strength import ridge_auto

        # Where the columns' units stay as they are, a strength is the same wherever their zeros lie.
        moved = None if problem.loss.squared_scale() is not None else centred(problem)
        given = moved is None or (moved.change.unit != 1.0).any() or moved.change.remainders is not None
        tried_on = problem if moved is None or given else moved.problem
        choice = ridge_auto(tried_on, lambda tried, start: solve(automatic(tried), tried, start))
        return float(choice.strength), float(choice.losses.min())

    undecided = left_to_data(penalty)
    if undecided is not None:
        from gradline.fitting.along import with_chosen_strength

        return replace(problem, penalty=with_chosen_strength(problem, penalty_columns(problem, prepared), undecided, progress))
    return replace(problem, penalty=settled(penalty, lambda: penalty_columns(problem, prepared), choose))
