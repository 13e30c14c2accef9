"""The rows of a fit, given again: a Fit holds none, and what needs them takes the data once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.preparing.from_arrays import as_offset, checked_rows
from gradline.rows.array_checks import Columns, as_columns, select_columns
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import RowKernel, Rows
from gradline.rows.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.preparing.from_table import TableSource

PART_ROWS = 2**17
"""Rows in memory whose results are made at a time."""


@dataclass(frozen=True)
class AttachedData:
    """problem: the fit's objective over the rows that can be used. whole: the rows for one result each, where those that lack a value are
    NaN; of a table its rows are numbered as they lie there. source: of the rows of a table, None for arrays."""

    problem: Problem
    whole: Rows
    source: TableSource | None = None

    @property
    def in_memory(self) -> bool:
        """Whether all rows are held."""
        return isinstance(self.problem.rows, ArrayRows)

    def iterate(self, kernel: RowKernel) -> Iterator[Array]:
        """A kernel's results in row order, some rows at a time: memory does not grow with the rows."""
        rows: Any = self.whole
        if isinstance(rows, ArrayRows):
            for start in range(0, rows.n_rows, PART_ROWS):
                yield rows.part(start, min(start + PART_ROWS, rows.n_rows)).map(kernel)
        else:
            yield from rows.iterate(kernel)


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
    same: bool = True,
    labels: Sequence[str] = (),
) -> AttachedData:
    """The fit's objective over data given again, as ``gl.fit`` took it: X with y, or a table, which also holds the target.

    weights, frequencies, offset: of arrays, where the fit had them. The columns of a table are known by the names they had in the fit;
    weights and frequencies may name others. where, query, database: as for ``gl.fit``. same: whether other rows than those of the fit are
    refused, by their fingerprint; other rows need no weights. labels: further columns of the table that will be read.

    Raises ValueError for rows that do not go with the fit, saying what is missing or different, and what reading them raises.
    """
    if target is None:
        if offset is not None:
            raise TypeError("offset= goes with arrays; of a table it is a part of the formula already")
        row_columns = _beside(fit, weights, frequencies, same)
        found = _of_table(fit, data, row_columns, {"where": where, "query": query, "database": database}, labels, same)
    else:
        if fit.encoder is not None:
            raise TypeError("the model was fitted with a formula, which names the target: give the table alone, which holds it")
        for keyword, value in (("where", where), ("query", query), ("database", database)):
            if value is not None:
                raise TypeError(f"{keyword}= goes with a table, and the target was given as an array")
        needed = ("weights", "frequencies", "offset") if same else ("offset",)
        _check_given(fit, {"weights": weights, "frequencies": frequencies, "offset": offset}, needed)
        found = _of_arrays(fit, data, target, weights, frequencies, offset)
    if same:
        check_same_rows(fit, found.problem.rows)
    return found


def check_same_rows(fit: Model, rows: Rows) -> None:
    """Raises ValueError where the rows are not those of the fit, as far as their targets and weights tell."""
    if fit.fingerprint is None or fingerprint_of(rows) == fit.fingerprint:
        return
    n = rows.n_rows
    used = f"{n:,} rows, and the fit used {fit.rows_used:,}" if n != fit.rows_used else f"{n:,} rows, with other targets or weights"
    raise ValueError(
        f"these are not the rows the model was fitted to ({used}): give the same data again, with the same weights, frequencies and where=;"
        " for other rows there are predict and residuals"
    )


def _of_arrays(fit: Model, data: Any, target: Any, weights: Any, frequencies: Any, offset: Any) -> AttachedData:
    expected = fit.names[int(fit.has_intercept) :]
    columns = as_columns(select_columns(data, expected) if fit.named else data, "X")
    if columns.values.shape[1] != len(expected):
        raise ValueError(f"X has {columns.values.shape[1]} columns, but the model was fitted to {len(expected)}: {', '.join(expected)}")
    targets = as_columns(target, "y", "y")
    if targets.values.shape[1] != len(fit.target_names):
        raise ValueError(f"y has {targets.values.shape[1]} columns, but the model was fitted to {len(fit.target_names)}")
    y, row_weights, counts = checked_rows(Columns(columns.values, expected, columns.named), targets, weights, frequencies)
    fit.loss_function.check_targets(y)
    n, k = len(y), fit.solution.coefficients.shape[1]
    offsets = None if offset is None else as_offset(np.full(n, offset) if np.ndim(offset) == 0 else offset, n, k)
    rows = ArrayRows(columns.values, y, weights=row_weights, frequencies=counts, offset=offsets, intercept=fit.has_intercept)
    return AttachedData(_problem(fit, rows), rows)


def _check_given(fit: Model, given: Mapping[str, Any], needed: Sequence[str]) -> None:
    for keyword in needed:
        if given[keyword] is None and keyword in fit.row_columns:
            raise ValueError(f"the model was fitted with {keyword}=, which belong to the rows: give them again, {keyword}=...")


def _beside(fit: Model, weights: Any, frequencies: Any, same: bool) -> dict[str, str | None]:
    """The columns of weights and frequencies: those given, or those of the fit."""
    found = {"weights": weights, "frequencies": frequencies}
    for keyword, name in found.items():
        if name is None and keyword in fit.row_columns:
            found[keyword] = fit.row_columns[keyword]
            if found[keyword] is None and same:
                raise ValueError(f"the model was fitted with {keyword}= as an array: name the column of the table, {keyword}=...")
        elif name is not None and not isinstance(name, str):
            raise TypeError(f"{keyword}= names a column where the data is a table, and this is {type(name).__name__}")
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
        raise ValueError("the model was fitted to arrays with offset=: give the arrays again, with offset=...")
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
    table = table.restricted([*encoder.columns, *names, *labels])
    check_kinds(encoder, table, encoder.columns)
    k = fit.solution.coefficients.shape[1]
    source = TableSource(table, encoder, row_columns.get("weights"), row_columns.get("frequencies"), "drop")
    rows = source.rows(k)
    held = rows.as_arrays(MOST_HELD)
    return AttachedData(_problem(fit, rows if held is None else held), source.rows(k, missing="keep"), source)


def _needs_target(fit: Model) -> NoReturn:
    if fit.encoder is not None:
        raise ValueError(f"the rows need their targets too: give a table that holds {', '.join(fit.encoder.columns)}")
    raise ValueError("the rows need their targets too: give X and y")


def _problem(fit: Model, rows: Rows) -> Problem:
    mask = None if fit.encoder is None or len(fit.encoder.predictors) == 1 else fit.encoder.mask
    return Problem(rows, fit.loss_function, fit.penalty, fit.names, mask)
