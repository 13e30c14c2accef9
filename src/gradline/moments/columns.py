"""The columns that moments are made of: which of the data's hold numbers, and whether every number that counts is finite."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError, DataError
from gradline.base.types import Array
from gradline.base.words import nearest
from gradline.preparing.from_arrays import idle_rows
from gradline.rows.array_checks import Labelled, as_numeric, column_labels, index_of
from gradline.rows.arrays import ArrayRows
from gradline.solvers.least_squares.second_moments import MomentsKernel, SecondMoments
from gradline.tables.sources.databases import is_duckdb_relation

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster
    from gradline.tables.table import Table


class SideBySide:
    """Columns side by side, sliced a block of rows at a time, so that no whole table is built."""

    def __init__(self, columns: dict[str, np.ndarray[Any, Any]]) -> None:
        self._columns = list(columns.values())
        self.shape = (len(self._columns[0]), len(self._columns))
        for name, column in columns.items():
            if len(column) != self.shape[0]:
                first = next(iter(columns))
                raise ArgumentError(f"column {name!r} has {len(column)} rows, but {first!r} has {self.shape[0]}")

    def __getitem__(self, rows: Any) -> Array:
        # Stacked the way columns lie in memory: the block is a transposed view.
        return np.stack([column[rows] for column in self._columns]).astype(np.float64, copy=False).T


@dataclass(frozen=True)
class NamedColumns:
    """The columns of numbers of some data, and why others are none.

    numbers: by name, (n,) each. left_out: what to say of every other column. labelled: what may carry the labels of rows.
    """

    numbers: dict[str, np.ndarray[Any, Any]]
    left_out: dict[str, str]
    labelled: tuple[Labelled, ...]


NO_COLUMNS = NamedColumns({}, {}, ())


def named_columns(data: Any, only: Sequence[str] | None) -> NamedColumns:
    """The columns of a mapping, a frame, or whatever else a table can be read from; only: the names of those that are wanted.

    Columns that hold no numbers are left out, unless they are wanted by name: then they are an error, as is a name that is not there.
    """
    if isinstance(data, np.ndarray) or (isinstance(data, list | tuple) and not all(isinstance(part, str | os.PathLike) for part in data)):
        raise ArgumentError("give a mapping from names to arrays, a data frame or a file; for arrays use Moments.from_arrays(X, y)")
    names = list(data) if isinstance(data, Mapping) else None if is_duckdb_relation(data) else column_labels(data)
    if names is None:
        return _of_table(data, only)
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise ArgumentError(f"column names are text, but one is {name!r}")
        if name in names[:i]:
            raise ArgumentError(f"two columns are named {name!r}")
    numbers: dict[str, np.ndarray[Any, Any]] = {}
    left_out: dict[str, str] = {}
    for name in _wanted(names, only):
        try:
            numbers[name] = numeric(data[name], f"column {name!r}")
        except (ArgumentError, DataError) as error:
            if only is not None:
                raise
            left_out[name] = str(error)
    labelled = [Labelled("data", "data", index_of(data))]
    if isinstance(data, Mapping):
        labelled = [Labelled(f"column {name!r}", f"data[{name!r}]", index_of(data[name])) for name in (*numbers, *left_out)]
    return NamedColumns(numbers, left_out, tuple(labelled))


def _of_table(data: Any, only: Sequence[str] | None) -> NamedColumns:
    """Of a path, an open file, a stream, a relation, a lazy frame: its columns of numbers, read into memory."""
    from gradline.tables.sources.arrow import as_numbers
    from gradline.tables.table import open_table

    table = open_table(data)
    kept, left_out = _numbers_of(table, only)
    parts = [[as_numbers(batch.column(name)) for name in kept] for batch in table.batches(kept)] if kept else []
    numbers = {name: np.concatenate(columns) for name, *columns in zip(kept, *parts, strict=True)} if parts else {}
    return NamedColumns(numbers or {name: np.empty(0) for name in kept}, left_out, ())


def _numbers_of(table: Table, only: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """(the columns of numbers, what to say of every other column). Raises ArgumentError for a column that is wanted and holds none."""
    kinds = table.columns
    names = _wanted(list(kinds), only)
    left_out = {}
    for name in names:
        if kinds[name] not in ("number", "boolean"):
            try:
                holds = {"text": "text", "category": "categories"}.get(kinds[name]) or table.told(name).holds
                left_out[name] = f"column {name!r} is not numeric: it holds {holds}"
            except DataError as error:
                left_out[name] = str(error)
    if only is not None and left_out:
        raise ArgumentError(next(iter(left_out.values())))
    return [name for name in names if name not in left_out], left_out


def moments_on(
    cluster: Cluster, data: Any, only: Sequence[str] | None, weights: Any, frequencies: Any
) -> tuple[tuple[str, ...], SecondMoments, dict[str, str]]:
    """(names, sums, what to say of columns left out) of a table whose rows a cluster's workers read. Raises as ``Moments``."""
    from gradline.cluster.cluster import on_cluster
    from gradline.tables.encoders import PlainEncoder
    from gradline.tables.rows import TableRows

    for label, given in (("weights", weights), ("frequencies", frequencies)):
        if given is not None and not isinstance(given, str):
            raise ArgumentError(f"{label} name a column of the table where a cluster reads it, and this is {type(given).__name__}")
    with_weights = [name for name in (weights, frequencies) if name is not None]
    table = on_cluster(data, cluster)
    kept, left_out = _numbers_of(table, None if only is None else [*only, *with_weights])
    for name in with_weights:
        if name not in kept:
            raise ArgumentError(left_out.get(name, f"{name!r} is not a column"))
    names = tuple(name for name in kept if name not in with_weights)
    if not names:
        raise ArgumentError(f"no columns: {next(iter(left_out.values()), 'the table has none')}")
    encoder = PlainEncoder(names, intercept=False)
    rows = TableRows(table.restricted(kept), encoder, weights=weights, frequencies=frequencies, missing="error")
    return names, _checked_sums(rows.reduce(MomentsKernel()).sums), left_out


def _wanted(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    if only is None:
        return list(names)
    for name in only:
        if name not in names:
            near = nearest(str(name), names)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names[:8])}"
            raise ArgumentError(f"columns= names {name!r}, which is no column; {hint}")
    return list(dict.fromkeys(only))


def checked(table: np.ndarray[Any, Any], labels: Sequence[str], weights: Array | None, frequencies: Array | None) -> Any:
    """The columns (n, p) as real numbers that are finite in every row that counts. Raises ValueError naming the column."""
    # One look at the whole table; column by column only to say which is at fault.
    if table.dtype.kind in "fb" and table.dtype.itemsize <= 8 and _sum_is_finite(table):
        return table
    called = [f"column {label!r}" for label in labels[: table.shape[1]]]
    columns = [finite(numeric(table[:, j], label), label, weights, frequencies) for j, label in enumerate(called)]
    return np.column_stack(columns) if columns else table


def numeric(values: Any, label: str) -> np.ndarray[Any, Any]:
    """The column as real numbers (n,). Raises ValueError for what holds none."""
    try:
        column = as_numeric(values, label)
    except TypeError as error:
        raise ArgumentError(f"{label} is not numeric: leave it out, or turn it into numbers ({error})") from None
    if column.ndim != 1:
        raise ArgumentError(f"{label} has {column.ndim} dimensions: give one value per row")
    return column


def finite(column: np.ndarray[Any, Any], label: str, weights: Array | None = None, frequencies: Array | None = None) -> Any:
    """The column (n,), with 0 in rows of weight zero that are not finite. Raises ValueError naming the first other row that is not."""
    if _sum_is_finite(column):
        return column
    wrong = ~np.isfinite(column)
    idle = idle_rows(weights, frequencies)
    counts = wrong if idle is None or len(idle) != len(column) else wrong & ~idle
    if counts.any():
        row = int(np.flatnonzero(counts)[0])
        raise DataError(f"{label} holds {column[row]} in row {row}: drop such rows first, or leave the column out with columns=")
    return np.where(wrong, 0.0, column)


def _sum_is_finite(values: np.ndarray[Any, Any]) -> bool:
    """True only where every value is finite, in one pass without an array of answers; sums of large finite values can be False."""
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum(dtype=np.float64)))


def row_numbers(columns: NamedColumns, given: Any, label: str) -> Array | None:
    """Weights or frequencies, given as numbers or as a column's name. Raises ValueError for what they cannot be."""
    if given is None:
        return None
    if isinstance(given, str):
        if given in columns.left_out:
            raise ArgumentError(f"{label}: {columns.left_out[given]}")
        if given not in columns.numbers:
            raise ArgumentError(f"{label}={given!r} is not a column")
        given = columns.numbers[given]
    numbers = np.asarray(numeric(given, label), dtype=np.float64)
    finite(numbers, label)
    if (numbers < 0).any():
        row = int(np.flatnonzero(numbers < 0)[0])
        raise ArgumentError(f"{label} holds {numbers[row]} in row {row}: they cannot be negative")
    return numbers


def sum_rows(values: Any, targets: Array, weights: Array | None, frequencies: Array | None, threads: int | None) -> SecondMoments:
    """The second moments of values (n, p) and targets (n, q), in a pass. Raises ValueError where they cannot be summed."""
    n = values.shape[0]
    if n == 0:
        raise ArgumentError("no rows")
    for given, label in ((weights, "weights"), (frequencies, "frequencies")):
        if given is not None and len(given) != n:
            raise ArgumentError(f"{label} has {len(given)} rows, but the columns have {n}")
    if frequencies is not None and (frequencies != np.round(frequencies)).any():
        raise ArgumentError("frequencies are counts of rows: whole numbers; precision weights go in weights=")
    targets = targets.astype(np.float64, copy=False)
    rows = ArrayRows(values, targets, weights=weights, frequencies=frequencies, intercept=False, threads=threads)
    return _checked_sums(rows.reduce(MomentsKernel()).sums)


def _checked_sums(sums: SecondMoments) -> SecondMoments:
    """Raises ArgumentError for sums of no row, or that are not finite."""
    if sums.rows == 0:
        raise ArgumentError("every row has weight zero")
    if not sums.finite():
        raise ArgumentError("the columns' squares overflow although every value is finite: divide the largest columns by a power of ten")
    return sums
