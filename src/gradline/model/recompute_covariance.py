"""Another kind of standard errors for a fit that exists, from what it keeps or from its rows given again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.inference.asked import after_selection, cluster_arguments, in_given_columns, is_default, is_none
from gradline.inference.covariance.estimate import Covariance, covariance, score_products
from gradline.inference.covariance.kinds import CovarianceKind, as_kind
from gradline.inference.inference import Inference, infer, without_rows
from gradline.inference.kinked import row_loss
from gradline.inference.support import on_face
from gradline.model.attach_data import AttachedData, attach_data
from gradline.objective.objective import Problem
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.solvers.centring import centred
from gradline.solvers.protocol import Solution

BESIDE_LEVELS = ("classical", "HC0", "HC1", "HC2", "HC3")


def with_covariance(fit: Any, kind: Any, data: Any, target: Any, groups: Any, rows: Mapping[str, Any]) -> Any:
    """See ``Fit.with_covariance``. Raises as it does."""
    kind, groups = cluster_arguments(kind, groups)
    if is_none(kind) or kind is None:
        raise InferenceError(f'with_covariance needs a kind, such as "HC3", not {kind!r}')
    held: Inference | None = fit.inference
    if data is None:
        if held is None or not isinstance(kind, str):
            raise InferenceError(f"covariance {kind!r} needs the rows the model was fitted to: with_covariance({kind!r}, data)")
        return replace(fit, uncertainty=_holding(held, without_rows(held, kind)))
    labels = () if target is not None or groups is None else _columns(groups)
    found = attach_data(fit, data, target, labels=labels, levels=True, **rows)
    if found.levels is not None:
        return replace(fit, uncertainty=_holding(*_beside_levels(fit, found, kind if groups is None else None)))
    chosen = _kind(kind, groups, labels, found, data, target)
    problem, solution = found.problem, fit.solution
    if chosen is not None and chosen.name in ("debiased", "selective"):
        return replace(fit, uncertainty=_after_selection(problem, solution, chosen))
    within = fit.constraints is not None
    if within:
        problem, solution = _whose_errors(fit, problem)
    if held is None or held.bread is None:
        return replace(fit, uncertainty=_inferred(problem, solution, chosen))
    loss = row_loss(problem, solution.coefficients)
    meat = score_products(problem, solution.coefficients, held.bread, loss) if held.meat is None else held.meat
    totals = held.statistics
    new = covariance(problem, solution, chosen, bread=held.bread, statistics=None if within else totals, loss=loss, meat=meat)
    return replace(fit, uncertainty=_holding(replace(held, meat=meat), new))


def _beside_levels(fit: Any, found: AttachedData, kind: Any) -> tuple[Inference, Covariance]:
    """(what the fit holds, another covariance of its coefficients) where it has absorbed levels, whose leverage HC2 and HC3 take too."""
    held: Inference | None = fit.inference
    chosen = None if kind is None or is_default(kind) or not isinstance(kind, str) else as_kind(kind, found.problem.rows.n_rows)
    if held is None or held.bread is None or chosen is None or chosen.name not in BESIDE_LEVELS:
        raise InferenceError(
            f"beside absorbed levels the rows given again serve {', '.join(BESIDE_LEVELS)}: ask gl.fit itself for another covariance="
        )
    problem, solution, bread = found.problem, fit.solution, held.bread
    size = len(fit.names)
    if chosen.name in ("HC2", "HC3"):
        assert found.levels is not None
        errors = fit.absorbed.require_errors(f"covariance {chosen.name!r} takes the leverage of rows")
        problem, bread = found.levels.problem("lever"), errors.bread(bread, 1)
        solution = replace(solution, coefficients=np.concatenate([solution.coefficients, np.zeros((1, 1))]))
    new = covariance(problem, solution, chosen, bread=bread, statistics=held.statistics)
    return held, replace(new, factor=new.factor[:size], shape=(size, 1), estimated=new.estimated[:size])


def _whose_errors(fit: Any, problem: Problem) -> tuple[Problem, Solution]:
    """The problem and the solution whose standard errors those of a fit within constraints are."""
    held, solution = fit.constraints, fit.solution
    if held.inference == "face":
        return on_face(problem, held, solution), replace(solution, aliased=())
    if held.unconstrained is None:
        raise InferenceError('the fit holds no optimum without its constraints: ask for errors at once, gl.fit(..., covariance="default")')
    left_out = tuple(int(place) for place in np.flatnonzero(np.isnan(held.unconstrained).any(axis=1)))
    return problem, replace(solution, coefficients=fit.estimate, aliased=left_out)


def _inferred(problem: Problem, solution: Solution, kind: CovarianceKind | None) -> Any:
    """``infer``, in moved columns where these keep more digits."""
    moved = centred(problem)
    if moved is None:
        return infer(problem, solution, kind, keep_meat=True)
    if kind is not None and kind.groups is not None:
        kind = replace(kind, groups=kind.groups.changed(moved.change.rows))
    found = infer(moved.problem, moved.of_given(solution), kind, keep_meat=True)
    return in_given_columns(found, moved.change, problem, solution)


def _after_selection(problem: Problem, solution: Solution, kind: CovarianceKind) -> Any:
    moved = None if kind.name == "selective" else centred(problem)
    if moved is None:
        return after_selection(problem, solution, kind)
    found = after_selection(moved.problem, moved.of_given(solution), kind)
    assert found is not None
    return in_given_columns(found, moved.change, problem, solution)


def _holding(inference: Inference, found: Covariance) -> Inference:
    old = () if inference.covariance is None else inference.covariance.notes
    notes = tuple(note for note in inference.notes if note not in old and not note.startswith("standard errors are"))
    return replace(inference, covariance=found, unavailable="", notes=notes + found.notes)


def _columns(groups: Any) -> tuple[str, ...]:
    from gradline.preparing.table_clusters import group_columns

    return group_columns(groups)


def _kind(kind: Any, groups: Any, labels: tuple[str, ...], found: AttachedData, data: Any, target: Any) -> CovarianceKind | None:
    if is_default(kind):
        return None
    rows = found.problem.rows
    if not labels:
        chosen = as_kind(("cluster", groups) if groups is not None else kind, rows.n_rows)
        check_same_labels(of_arguments(data=data, target=target, groups=groups))
        return chosen
    from gradline.preparing.table_clusters import ClusterColumns

    assert found.source is not None
    return CovarianceKind("cluster", groups=ClusterColumns(found.source, labels).groups(rows, found.problem.n_predictors))
