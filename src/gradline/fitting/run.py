"""fit(): the one road from data to Fit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from gradline.base.warnings import warn
from gradline.fitting.uncertainty import checked_kind, cluster_arguments, is_none, riders_of_last_pass, uncertainty
from gradline.model.record import Fit
from gradline.objective.objective import Problem
from gradline.penalties.ridge import AutomaticRidge, Penalty
from gradline.preparing.arguments import LossArgument, as_loss, as_penalty, as_solver, unknown_keyword, with_penalty
from gradline.preparing.from_arrays import ready_arrays
from gradline.preparing.prepared import Ready
from gradline.rows.fingerprint import fingerprint_of
from gradline.solvers.protocol import Solver, as_start

if TYPE_CHECKING:
    from gradline.inference.covariance.kinds import Kind

__all__ = ["LossArgument", "as_loss", "as_penalty", "as_solver", "fit", "unknown_keyword"]

_OF_TABLES = ("features", "missing", "where", "query", "database")
"""Keywords that go with a table only."""


@overload
def fit(
    formula: str | Mapping[str, str],
    data: Any = None,
    /,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: str | None = None,
    frequencies: str | None = None,
    offset: str | None = None,
    missing: Literal["drop", "error"] | None = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    backend: str | None = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
) -> Fit: ...
@overload
def fit(
    data: Any = None,
    /,
    *,
    target: str | Sequence[str],
    features: Sequence[str],
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: str | None = None,
    frequencies: str | None = None,
    offset: str | None = None,
    missing: Literal["drop", "error"] | None = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: bool = True,
    backend: str | None = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
) -> Fit: ...
@overload
def fit(
    data: Any,
    target: Any,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: bool = True,
    names: Sequence[str] | None = None,
    backend: str | None = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
) -> Fit: ...
def fit(
    *positional: Any,
    data: Any = None,
    target: Any = None,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    backend: str | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: Any = True,
    names: Sequence[str] | None = None,
    formula: Any = None,
    features: Any = None,
    missing: Any = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
    **unknown: Any,
) -> Fit:
    """Fit a linear model: ``fit("y ~ x1 + C(g)", data)``, ``fit(data, target="y", features=["x1", "x2"])`` or ``fit(X, y)``.

    With a formula, or one for each linear predictor such as ``{"mean": "y ~ x1 + x2", "log_scale": "~ x2"}``, data is a table: a path of
    Parquet, CSV, JSON lines or Arrow files (a list, a glob pattern, a folder), a data frame, an Arrow table, a dict of arrays, a DuckDB
    relation, a generator of batches; see ``gradline.tables.table.open_table``. Tables beyond memory are read anew at each pass. query:
    SQL that selects the rows, over ``data`` or with database=, a DuckDB or SQLite file or an address, where data may be a table's name.
    where: a condition in SQL. weights, frequencies, offset are names of columns. missing: "drop" leaves rows with a missing value out and
    counts them in ``rows_dropped``; "error" refuses them. target, features: columns by name in place of a formula.

    With arrays, data is X, an array (n, p), one column (n,), or a data frame of numbers; target is y, (n,) or (n, q) for q outputs at once.
    weights: precision weights (n,); frequencies: repeat counts (n,); a zero leaves its row out. offset: added to the linear predictor,
    (n,) or (n, k). names: for the columns of X, where the data does not name them. intercept: whether the model has one.

    loss: "squared", a loss of ``gl.losses``, or your own function ``loss(y, prediction)`` written in TensorFlow, JAX or PyTorch, which
    returns one number a row, or one scalar such as their mean. prediction: with your own function, the forward pass from the linear
    predictor to the prediction it sees; the identity unless given. backend: "tensorflow", "jax" or "torch", where it cannot be read off
    your function. penalty: on the slopes, such as ``gl.penalties.ridge(0.1)`` or ``ridge("auto")``. solver: "auto" (see
    ``gradline.solvers.registry``), or a solver object such as ``gl.GradientDescent(learning_rate=0.01)``. start: coefficients to start from,
    the intercept first. accuracy: for squared loss, "full" asks for every digit at any size (see ``gl.LeastSquares``). tolerance: for other
    losses, when Newton's method or L-BFGS stops. progress: a progress bar; unless said, in a terminal or a notebook only.

    covariance: the kind of standard errors. Unless given, the loss's own where it is free (squared loss) or costs little (up to two
    million numbers in memory); "default" asks for it at any size, for a pass or two; "classical", "HC0" to "HC3", "cluster",
    ("newey-west", lags) and, for kinked losses, "constant-density" name one; False asks for none. groups: with "cluster", a label a row
    (two for two-way clusters), or for a table the names of one or two columns. See docs/inference.md.

    Raises TypeError and ValueError for data or arguments that cannot be used, naming the column, row or value; OSError for files and
    databases that cannot be read; ImportError, with the pip command, when the loss's framework is not installed.
    """
    if unknown:
        raise TypeError(unknown_keyword("fit", unknown, fit))
    started = time.perf_counter()
    formula, data, target = _arguments(positional, formula, data, target)
    covariance, groups = cluster_arguments(covariance, groups)
    of_tables = {"features": features, "missing": missing, "where": where, "query": query, "database": database}
    common: dict[str, Any] = {"loss": loss, "prediction": prediction, "backend": backend}
    common |= {"weights": weights, "frequencies": frequencies, "offset": offset, "intercept": intercept}
    known_penalty = as_penalty(penalty)
    if formula is None and features is None:
        _refuse_of_tables(data, target, of_tables)
        ready = ready_arrays(data, target, names=names, **common)
        kind = checked_kind(covariance, groups, lambda: ready.rows.n_rows)
        return _solve(ready, known_penalty, solver, accuracy, tolerance, start, covariance, kind, progress, started)
    if names is not None:
        raise TypeError("names= goes with arrays; a table names its own columns")
    from gradline.preparing.from_table import watched_table

    with watched_table(formula, data, target, **of_tables, **common, groups=groups, solver=solver, progress=progress) as ready:
        # One bar at a time: where rows are read anew at each pass, it is the rows that are counted.
        own = False if ready.streamed else progress
        kind = None if ready.clusters is not None else checked_kind(covariance, None, lambda: ready.rows.n_rows)
        return _solve(ready, known_penalty, solver, accuracy, tolerance, start, covariance, kind, own, started)


def _solve(
    ready: Ready,
    penalty: Penalty | AutomaticRidge | None,
    solver: str | Solver,
    accuracy: Literal["auto", "full"],
    tolerance: float | None,
    start: Any,
    covariance: Any,
    kind: Kind | None,
    progress: bool | None,
    started: float,
) -> Fit:
    """From rows and a loss to the Fit."""
    for note in ready.notes:
        warn(note)
    problem = Problem(ready.rows, ready.loss, None, ready.names, ready.mask)
    if problem.joint and ready.weighted:
        raise ValueError(f"weights and frequencies need a loss of one row; {problem.joint_message}")
    problem = with_penalty(problem, penalty)
    chosen = as_solver(solver, problem, accuracy, tolerance)
    if covariance is not None and not is_none(covariance) and hasattr(chosen, "end_with_curvature"):
        chosen = replace(chosen, end_with_curvature=True, riders=riders_of_last_pass(problem))  # type: ignore[type-var]
    if ready.streamed:
        from gradline.preparing.from_table import check_streaming

        check_streaming(problem, chosen, ready.streamed)
    solution = chosen.solve(problem, None if start is None else as_start(start, problem.shape), progress)
    if solution.aliased:
        left_out = ", ".join(repr(ready.names[i]) for i in solution.aliased)
        it, its = ("it is", "Its coefficient is") if len(solution.aliased) == 1 else ("they are", "Their coefficients are")
        warn(f"left out of the model, since {it} constant or determined by earlier columns: {left_out}. {its} NaN; predictions do without")
    for note in solution.notes:
        warn(note)
    clusters = ready.clusters
    read_groups = None if clusters is None else lambda: clusters.groups(problem.rows, problem.n_predictors)
    found = uncertainty(problem, solution, covariance, kind, read_groups)
    if solution.curvature is not None:
        solution = replace(solution, curvature=None, along=())
    return Fit(
        ready.names,
        ready.target_names,
        ready.loss,
        solution,
        ready.used,
        ready.dropped,
        named=ready.named,
        penalty=problem.penalty,
        solver_asked=solver != "auto",
        uncertainty=found,
        seconds=time.perf_counter() - started,
        encoder=ready.encoder,
        beside=ready.beside,
        fingerprint=fingerprint_of(ready.rows) if ready.fingerprint is None else ready.fingerprint,
    )


def _arguments(positional: tuple[Any, ...], formula: Any, data: Any, target: Any) -> tuple[Any, Any, Any]:
    """(formula, data, target): the first argument is a formula, or a dict of formulas, or else the data."""
    if len(positional) > 2:
        raise TypeError(f"fit() takes a formula and data, or X and y, and then keywords; {len(positional)} values came without a keyword")
    rest = list(positional)
    if rest and formula is None and _is_formula(rest[0]):
        formula = rest.pop(0)
    if (rest and data is not None) or (len(rest) > 1 and (target is not None or formula is not None)):
        raise TypeError("fit() got the same argument twice; give a formula and data, or X and y")
    data, target = [*rest, data][0], [*rest[1:], target][0]
    if formula is None and _is_formula(target):
        raise TypeError(f"the formula comes first: gl.fit({target!r}, data) rather than gl.fit(data, {target!r})")
    if formula is not None and target is not None:
        raise TypeError("the formula names the target already; leave target= out")
    if formula is not None and not _is_formula(formula):
        raise TypeError(f'formula must be a text such as "y ~ x1 + x2", or a dict of one for each linear predictor, not {formula!r}')
    return formula, data, target


def _is_formula(value: Any) -> bool:
    if isinstance(value, str):
        return "~" in value and "://" not in value
    return isinstance(value, Mapping) and any(isinstance(part, str) and "~" in part for part in value.values())


def _refuse_of_tables(data: Any, target: Any, given: Mapping[str, Any]) -> None:
    """Raises TypeError for keywords of tables beside arrays, and for a table that comes without a formula."""
    looks_like_a_path = isinstance(data, str) and (os.path.exists(data) or "." in data or "/" in data)
    if isinstance(data, str) and not looks_like_a_path and target is not None and (not isinstance(target, str) or os.path.exists(target)):
        raise TypeError(f'{data!r} is no formula: it lacks the ~ between what is explained and what explains it, as in "y ~ x1 + x2"')
    for keyword in _OF_TABLES:
        if given[keyword] is not None:
            raise TypeError(
                f'{keyword}= goes with a table; give a formula, as in gl.fit("y ~ x1 + x2", data, {keyword}=...), or target= and features='
            )
    if target is None or isinstance(target, str) or (isinstance(data, str) and target is not None):
        what = "y ~ x1 + x2" if not isinstance(target, str) else f"{target} ~ x1 + x2"
        raise TypeError(
            f'fit() needs a formula and data, as in gl.fit("{what}", data), or gl.fit(data, target="y", features=["x1", "x2"]) by name, or'
            " arrays, as in gl.fit(X, y)"
        )
