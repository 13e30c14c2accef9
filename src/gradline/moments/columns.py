"""Columns whose moments are taken: checked, and summed a block of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.preparing.from_arrays import idle_rows
from gradline.rows.array_checks import as_numeric, column_labels
from gradline.rows.arrays import ArrayRows
from gradline.solvers.least_squares.second_moments import MomentsKernel, SecondMoments


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
    sums = rows.reduce(MomentsKernel()).sums
    if sums.rows == 0:
        raise ArgumentError("every row has weight zero")
    if not sums.finite():
        raise ArgumentError("the columns' squares overflow although every value is finite: divide the largest columns by a power of ten")
    return sums


def named_columns(data: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of a mapping or a data frame, as numbers (n,). Raises ValueError for names that are no text, and for no numbers."""
    names = list(data) if isinstance(data, Mapping) else (column_labels(data) or [])
    if not names and not isinstance(data, Mapping):
        raise ArgumentError("give a mapping from names to arrays or a data frame; for arrays use Moments.from_arrays(X, y)")
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for name in names:
        if not isinstance(name, str):
            raise ArgumentError(f"column names are text, but one is {name!r}")
        if name in columns:
            raise ArgumentError(f"two columns are named {name!r}")
        columns[name] = _numeric(data[name], f"column {name!r}")
    return columns


def checked(table: np.ndarray[Any, Any], labels: Sequence[str], weights: Array | None, frequencies: Array | None) -> Any:
    """The columns (n, p) as real numbers that are finite in every row that counts. Raises ValueError naming the column."""
    # One look at the whole table; column by column only to say which is at fault.
    if table.dtype.kind in "fb" and table.dtype.itemsize <= 8 and _sum_is_finite(table):
        return table
    called = [f"column {label!r}" for label in labels[: table.shape[1]]]
    columns = [finite_column(_numeric(table[:, j], label), label, weights, frequencies) for j, label in enumerate(called)]
    return np.column_stack(columns) if columns else table


def _numeric(values: Any, label: str) -> np.ndarray[Any, Any]:
    try:
        column = as_numeric(values, label)
    except TypeError as error:
        raise ArgumentError(f"{label} is not numeric: leave it out, or turn it into numbers ({error})") from None
    if column.ndim != 1:
        raise ArgumentError(f"{label} has {column.ndim} dimensions: give one value per row")
    return column


def finite_column(column: np.ndarray[Any, Any], label: str, weights: Array | None = None, frequencies: Array | None = None) -> Any:
    """The column (n,), with 0 in rows of weight zero that are not finite. Raises ValueError naming the first other row that is not."""
    if _sum_is_finite(column):
        return column
    wrong = ~np.isfinite(column)
    idle = idle_rows(weights, frequencies)
    counts = wrong if idle is None or len(idle) != len(column) else wrong & ~idle
    if counts.any():
        row = int(np.flatnonzero(counts)[0])
        raise ArgumentError(f"{label} holds {column[row]} in row {row}: drop such rows first")
    return np.where(wrong, 0.0, column)


def _sum_is_finite(values: np.ndarray[Any, Any]) -> bool:
    """True only where every value is finite, in one pass without an array of answers; sums of large finite values can be False."""
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum(dtype=np.float64)))


def row_numbers(columns: dict[str, np.ndarray[Any, Any]], given: Any, label: str) -> Array | None:
    """Weights or frequencies (n,), given or named as a column; None where there are none. Raises ValueError for a negative one."""
    if given is None:
        return None
    if isinstance(given, str):
        if given not in columns:
            raise ArgumentError(f"{label}={given!r} is not a column")
        given = columns[given]
    numbers = np.asarray(_numeric(given, label), dtype=np.float64)
    finite_column(numbers, label)
    if (numbers < 0).any():
        row = int(np.flatnonzero(numbers < 0)[0])
        raise ArgumentError(f"{label} holds {numbers[row]} in row {row}: they cannot be negative")
    return numbers
