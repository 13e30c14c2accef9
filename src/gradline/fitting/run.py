"""From a request to a model: rows, a loss, a solver, and what is known of the coefficients."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradline.base.warnings import warn
from gradline.fitting.request import FitRequest
from gradline.inference.covariance.arguments import checked_kind, is_none, riders_of_last_pass, uncertainty
from gradline.model.record import Model
from gradline.objective.objective import Problem
from gradline.preparing.arguments import as_solver, with_penalty
from gradline.preparing.from_arrays import ready_arrays
from gradline.preparing.prepared import Ready
from gradline.rows.fingerprint import fingerprint_of
from gradline.solvers.protocol import as_start

if TYPE_CHECKING:
    from gradline.inference.covariance.kinds import Kind


def run(request: FitRequest) -> Model:
    """Fit what is asked for. Raises as :func:`gradline.fit` says."""
    started = time.perf_counter()
    common: dict[str, Any] = {"loss": request.loss, "prediction": request.prediction, "backend": request.backend}
    common |= {"weights": request.weights, "frequencies": request.frequencies, "offset": request.offset, "intercept": request.intercept}
    if request.of_arrays:
        ready = ready_arrays(request.data, request.target, names=request.names, **common)
        kind = checked_kind(request.covariance, request.groups, lambda: ready.rows.n_rows)
        return _solve(request, ready, kind, request.progress, started)
    from gradline.preparing.from_table import watched_table

    common |= {"features": request.features, "missing": request.missing, "where": request.where, "query": request.query}
    common |= {"database": request.database, "groups": request.groups, "solver": request.solver, "progress": request.progress}
    with watched_table(request.formula, request.data, request.target, **common) as ready:
        # One bar at a time: where rows are read anew at each pass, it is the rows that are counted.
        own = False if ready.streamed else request.progress
        kind = None if ready.clusters is not None else checked_kind(request.covariance, None, lambda: ready.rows.n_rows)
        return _solve(request, ready, kind, own, started)


def _solve(request: FitRequest, ready: Ready, kind: Kind | None, progress: bool | None, started: float) -> Model:
    """From rows and a loss to the model."""
    for note in ready.notes:
        warn(note)
    problem = Problem(ready.rows, ready.loss, None, ready.names, ready.mask)
    if problem.joint and ready.weighted:
        raise ValueError(f"weights and frequencies need a loss of one row; {problem.joint_message}")
    problem = with_penalty(problem, request.penalty)
    chosen = as_solver(request.solver, problem, request.accuracy, request.tolerance)
    if request.covariance is not None and not is_none(request.covariance) and hasattr(chosen, "end_with_curvature"):
        chosen = replace(chosen, end_with_curvature=True, riders=riders_of_last_pass(problem))  # type: ignore[type-var]
    if ready.streamed:
        from gradline.preparing.from_table import check_streaming

        check_streaming(problem, chosen, ready.streamed)
    solution = chosen.solve(problem, None if request.start is None else as_start(request.start, problem.shape), progress)
    if solution.aliased:
        left_out = ", ".join(repr(ready.names[i]) for i in solution.aliased)
        it, its = ("it is", "Its coefficient is") if len(solution.aliased) == 1 else ("they are", "Their coefficients are")
        warn(f"left out of the model, since {it} constant or determined by earlier columns: {left_out}. {its} NaN; predictions do without")
    for note in solution.notes:
        warn(note)
    clusters = ready.clusters
    read_groups = None if clusters is None else lambda: clusters.groups(problem.rows, problem.n_predictors)
    found = uncertainty(problem, solution, request.covariance, kind, read_groups)
    if solution.curvature is not None:
        solution = replace(solution, curvature=None, along=())
    return Model(
        ready.names,
        ready.target_names,
        ready.loss,
        solution,
        ready.used,
        ready.dropped,
        named=ready.named,
        penalty=problem.penalty,
        solver_asked=request.solver != "auto",
        uncertainty=found,
        seconds=time.perf_counter() - started,
        encoder=ready.encoder,
        beside=ready.beside,
        fingerprint=fingerprint_of(ready.rows) if ready.fingerprint is None else ready.fingerprint,
    )
