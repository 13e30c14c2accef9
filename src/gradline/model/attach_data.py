"""The rows of a fit, given again: a Fit holds none, and what needs them takes the data once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.base.types import Array
from gradline.model.same_rows import check_same_rows, how_different
from gradline.objective.objective import Problem
from gradline.preparing.from_arrays import as_offset, checked_rows
from gradline.preparing.order import labelled
from gradline.rows.array_checks import Columns, as_columns, as_numeric, select_columns
from gradline.rows.arrays import ArrayRows
from gradline.rows.kernel import RowKernel
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.rows.protocol import Rows

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster
    from gradline.model.level_rows import LevelRows
    from gradline.model.record import Model
    from gradline.preparing.from_table import TableSource


@dataclass(frozen=True, eq=False)
class AttachedData:
    """problem: the fit's objective over the rows that can be used. whole: the rows for one result each, where those that lack a value are
    NaN; of a table its rows are numbered as they lie there. source: of the rows of a table, None for arrays."""

    problem: Problem
    whole: Rows
    source: TableSource | None = None
    levels: LevelRows | None = None
    """Of a fit with absorbed levels, whose problem is in columns less what the levels say of them; None elsewhere."""

    @property
    def in_memory(self) -> bool:
        """Whether all rows are held."""
        return self.problem.rows.resident

    @property
    def plain(self) -> Rows:
        """The rows by which data are known: with the targets, weights and offsets that were given."""
        return self.problem.rows if self.levels is None else self.levels.plain

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        """A kernel's results in row order, some rows at a time: memory does not grow with the rows."""
        return self.whole.iterate(kernel)


def attach_data(
    fit: Model,
    data: Any,
    target: Any = None,
    *,
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    cluster: Cluster | None = None,
    same: bool = True,
    labels: Sequence[str] = (),
    levels: bool = False,
) -> AttachedData:
    """The fit's objective over data given again, as ``gl.fit`` took it: X with y, or a table, which also holds the target.

    weights, frequencies, offset: of arrays, where the fit had them. The columns of a table are known by the names they had in the fit;
    weights and frequencies may name others. where, query, database, cluster: as for ``gl.fit``. same: whether other rows than those of
    the fit are refused (``gradline.model.same_rows``); other rows need no weights. labels: further columns of the table that will be read.
    levels: whether the caller knows that absorbed levels stand in the offset, where they move with no coefficient; refits do not.

    Raises ValueError for rows that do not go with the fit, saying what is missing or different, and what reading them raises.
    """
    if fit.absorbed is not None and not levels:
        raise InferenceError(
            "this takes fits of the rows again, in which absorbed levels (| in the formula) would stay where they are: write C(...) for the"
            " category, where its levels are few enough for columns"
        )
    if target is None:
        if offset is not None:
            raise ArgumentTypeError("offset= goes with arrays; of a table it is a part of the formula already")
        if cluster is not None:
            from gradline.cluster.cluster import on_cluster

            data = on_cluster(data, cluster, query=query, database=database, where=where)
        row_columns = _beside(fit, weights, frequencies, same)
        found = _of_table(fit, data, row_columns, {"where": where, "query": query, "database": database}, labels, same)
    else:
        if fit.encoder is not None:
            raise ArgumentTypeError("the model was fitted with a formula, which names the target: give the table alone, which holds it")
        for keyword, value in (("where", where), ("query", query), ("database", database), ("cluster", cluster)):
            if value is not None:
                raise ArgumentTypeError(f"{keyword}= goes with a table, and the target was given as an array")
        needed = ("weights", "frequencies", "offset") if same else ("offset",)
        _check_given(fit, {"weights": weights, "frequencies": frequencies, "offset": offset}, needed)
        check_same_labels(of_arguments(X=data, y=target, weights=weights, frequencies=frequencies, offset=offset))
        found = _of_arrays(fit, data, target, weights, frequencies, offset, same)
    if same:
        check_same_rows(fit, found.problem, found.plain)
    elif fit.absorbed is not None and fit.absorbed.unidentified and how_different(fit, found.problem, found.plain):
        # What levels add together is known of the fit's own rows.
        fit.absorbed.require_values("of other rows than those of the fit nothing is known")
    return found


def _of_arrays(fit: Model, data: Any, target: Any, weights: Any, frequencies: Any, offset: Any, same: bool) -> AttachedData:
    expected = fit.names[int(fit.has_intercept) :]
    columns = as_columns(select_columns(data, expected) if fit.named else data, "X", sparse=True)
    if columns.values.shape[1] != len(expected):
        raise InferenceError(f"X has {columns.values.shape[1]} columns, but the model was fitted to {len(expected)}: {', '.join(expected)}")
    targets = as_columns(labelled(target, fit.class_names)[0] if fit.class_names else target, "y", "y")
    if targets.values.shape[1] != len(fit.target_names):
        raise InferenceError(f"y has {targets.values.shape[1]} columns, but the model was fitted to {len(fit.target_names)}")
    given = checked_rows(Columns(columns.values, expected, columns.named), targets, weights, frequencies)
    fit.loss_function.check_targets(given.targets)
    n, k = len(given.targets), fit.solution.coefficients.shape[1]
    constant = fit.loss_function.intercept_only
    offsets = None if offset is None else as_offset(np.full(n, offset) if np.ndim(offset) == 0 else offset, n, k, given.idle, constant)
    row_columns: dict[str, Any] = {"weights": given.weights, "frequencies": given.frequencies, "offset": offsets}
    rows = ArrayRows(given.values, given.targets, **row_columns, intercept=fit.has_intercept)
    whole = rows
    if not same and given.idle is not None and given.idle.any():
        # A row of weight zero has a prediction and a residual all the same, of what it really holds.
        values = given.values if rows.sparse_columns else _finite(columns.values)
        whole = ArrayRows(values, _own_targets(targets.values, offset), **row_columns, intercept=fit.has_intercept)
    return AttachedData(_problem(fit, rows), whole)


def _finite(values: np.ndarray[Any, Any]) -> Array:
    """The values with NaN for infinity."""
    return np.where(np.isfinite(values), values, np.nan)


def _own_targets(targets: np.ndarray[Any, Any], offset: Any) -> Array:
    """The targets (n, q), NaN where they or the offset of their row are not finite."""
    found = _finite(targets)
    if offset is not None and np.ndim(offset):
        given = np.asarray(as_numeric(offset, "offset"), dtype=np.float64).reshape(len(found), -1)
        found[~np.isfinite(given).all(axis=1)] = np.nan
    return found


def _check_given(fit: Model, given: Mapping[str, Any], needed: Sequence[str]) -> None:
    for keyword in needed:
        if given[keyword] is None and keyword in fit.row_columns:
            raise InferenceError(f"the model was fitted with {keyword}=, which belong to the rows: give them again, {keyword}=...")


def _beside(fit: Model, weights: Any, frequencies: Any, same: bool) -> dict[str, str | None]:
    """The columns of weights and frequencies: those given, or those of the fit."""
    found = {"weights": weights, "frequencies": frequencies}
    for keyword, name in found.items():
        if name is None and keyword in fit.row_columns:
            found[keyword] = fit.row_columns[keyword]
            if found[keyword] is None and same:
                raise InferenceError(f"the model was fitted with {keyword}= as an array: name the column of the table, {keyword}=...")
        elif name is not None and not isinstance(name, str):
            raise ArgumentTypeError(f"{keyword}= names a column where the data is a table, and this is {type(name).__name__}")
    return found


def _of_table(
    fit: Model, data: Any, row_columns: dict[str, str | None], how: Mapping[str, Any], labels: Sequence[str], same: bool
) -> AttachedData:
    if isinstance(data, np.ndarray):
        _needs_target(fit)
    from gradline.model.predict_table import check_kinds, encoder_of
    from gradline.preparing.from_table import MOST_HELD, TableSource
    from gradline.tables.table import open_table

    if "offset" in fit.row_columns:
        raise InferenceError("the model was fitted to arrays with offset=: give the arrays again, with offset=...")
    encoder, table = encoder_of(fit), open_table(data, **how)
    if not same:
        # A name that was given must be there; those remembered from the fit need not be.
        row_columns = {
            keyword: name for keyword, name in row_columns.items() if name in table.columns or name != fit.row_columns.get(keyword)
        }
    names = [name for name in row_columns.values() if name is not None]
    absent = [name for name in encoder.columns if name not in table.columns]
    if fit.encoder is None and absent and set(absent) <= set(fit.target_names):
        _needs_target(fit)
    absorbed = () if fit.absorbed is None else fit.absorbed.columns
    table.check_columns(absorbed)
    table = table.restricted([*encoder.columns, *absorbed, *names, *labels])
    check_kinds(encoder, table, encoder.columns)
    k = fit.solution.coefficients.shape[1]
    source = TableSource(table, encoder, row_columns.get("weights"), row_columns.get("frequencies"), "drop")
    if fit.absorbed is not None:
        from gradline.model.level_rows import LevelRows

        levels = LevelRows.read(fit, source)
        return AttachedData(levels.problem(), levels.whole(), source, levels)
    constant = fit.loss_function.intercept_only
    rows = source.rows(k, constant=constant)
    held = rows.as_arrays(MOST_HELD)
    return AttachedData(_problem(fit, rows if held is None else held), source.rows(k, missing="keep", constant=constant), source)


def _needs_target(fit: Model) -> NoReturn:
    if fit.encoder is not None:
        raise InferenceError(f"the rows need their targets too: give a table that holds {', '.join(fit.encoder.columns)}")
    raise InferenceError("the rows need their targets too: give X and y")


def _problem(fit: Model, rows: Rows) -> Problem:
    mask = None if fit.encoder is None or len(fit.encoder.predictors) == 1 else fit.encoder.mask
    return Problem(rows, fit.loss_function, fit.penalty, fit.names, mask)
