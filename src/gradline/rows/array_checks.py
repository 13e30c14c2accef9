"""Checking arrays at the door: what was wrong, where, and what to do instead."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.types import Array
from gradline.rows.arrays import available_cores, worker_threads


@dataclass(frozen=True)
class Columns:
    """values (n, p), real numbers in any dtype; names (p,)."""

    values: np.ndarray[Any, Any]
    names: tuple[str, ...]
    named: bool
    """Whether the names came with the data rather than being made up."""


def as_columns(data: Any, what: str = "X", default: str = "x") -> Columns:
    """Two-dimensional numeric data with column names: an array (n, p), a 1-D array as one column, or a data frame.

    Without names of their own, columns are called x1, x2, ... or, if there is just one, x. Raises TypeError for data that is not
    numeric and ValueError for the wrong number of dimensions, for no rows and for no columns.
    """
    names = _frame_names(data)
    values = _numeric(data, what, names)
    if values.ndim == 1:
        series = getattr(data, "name", None)
        values, names = values[:, None], (str(series),) if isinstance(series, str) else None
    if values.ndim != 2:
        raise ValueError(f"{what} has {values.ndim} dimensions; give one row per example and one column per variable, shape (n, p)")
    if values.shape[0] == 0:
        raise ValueError(f"{what} has no rows; a fit needs at least one")
    if values.shape[1] == 0:
        # scikit-learn's conventions ask for the words after the colon.
        raise ValueError(f"{what} has no columns: 0 feature(s) (shape={values.shape}) while a minimum of 1 is required.")
    p = values.shape[1]
    made_up = (default,) if p == 1 else tuple(f"{default}{j + 1}" for j in range(p))
    return Columns(values, names or made_up, names is not None)


def as_row_numbers(data: Any, what: str, n_rows: int) -> Array:
    """One number a row, (n,) float64. Raises ValueError for another length, and for a NaN or infinity, naming the row."""
    values = _numeric(data, what, None)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"{what} has shape {values.shape}; give one number a row, shape ({n_rows},)")
    check_length(len(values), what, n_rows)
    result = np.ascontiguousarray(values, dtype=np.float64)
    check_finite(result[:, None], what, None)
    return result


def as_weights(data: Any, what: str, n_rows: int, whole: bool) -> Array:
    """Weights a row: not negative, not all zero and, for frequencies, whole numbers."""
    values = as_row_numbers(data, what, n_rows)
    if (values < 0).any():
        row = int(np.flatnonzero(values < 0)[0])
        raise ValueError(f"{what} is negative in row {row} ({values[row]:g}); {what} are zero or more")
    if not values.any():
        raise ValueError(f"{what} is zero in every row; at least one row must count")
    if whole and (values != np.round(values)).any():
        row = int(np.flatnonzero(values != np.round(values))[0])
        raise ValueError(f"{what} is {values[row]:g} in row {row}; frequencies count repeated rows, so give whole numbers, or use weights=")
    return values


def check_length(length: int, what: str, n_rows: int) -> None:
    """Raises ValueError unless there is one entry for each row of X."""
    if length != n_rows:
        raise ValueError(f"{what} has {length} rows but X has {n_rows}; they must match, row by row")


def check_finite(values: np.ndarray[Any, Any], what: str, names: Sequence[str] | None) -> None:
    """Raises ValueError naming the first row and the column of a NaN or infinity."""
    if values.dtype.kind in "iub" or _surely_finite(values):
        return
    step = max(1, 2**20 // values.shape[1])
    for start in range(0, len(values), step):
        wrong = ~np.isfinite(values[start : start + step])
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            value = values[start + row, column]
            where = f"row {start + row}" if names is None else f"row {start + row}, column {names[column]!r}"
            raise ValueError(
                f"{what} holds {'NaN' if np.isnan(value) else 'infinity'} in {where}; drop that row or fill the value in before fitting"
            )


def _surely_finite(values: np.ndarray[Any, Any]) -> bool:
    """A sum is finite only if every term is; an overflowing sum just means a closer look. One read on every core, no temporary."""

    def total(part: np.ndarray[Any, Any]) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.add.reduce(part, axis=None)

    if values.size < 2**20:
        return bool(np.isfinite(total(values)))
    cores = available_cores()
    bounds = [len(values) * i // cores for i in range(cores + 1)]
    sums = worker_threads(cores).map(total, [values[a:b] for a, b in itertools.pairwise(bounds)])
    return all(np.isfinite(part) for part in sums)


def select_columns(data: Any, names: Sequence[str]) -> Any:
    """The named columns of a data frame, in that order; anything without column names as it is. Raises ValueError for an absent one."""
    labels = _labels(data)
    if labels is None:
        return data
    known = {str(label): label for label in labels}
    absent = [name for name in names if name not in known]
    if absent:
        raise ValueError(f"data has no column {absent[0]!r}; the model needs {', '.join(names)}")
    wanted = [known[name] for name in names]
    return data.select(wanted) if hasattr(data, "select") else data[wanted]


def _labels(data: Any) -> list[Any] | None:
    """The column labels of a data frame (pandas, polars) or an Arrow table; None for anything else."""
    if _is_lazy(data):  # refused further on; to ask for its columns would run it
        return None
    labels = getattr(data, "column_names", None)
    if labels is None:
        labels = getattr(data, "columns", None)
    return None if labels is None else list(labels)


def _is_lazy(data: Any) -> bool:
    return hasattr(data, "collect") and not hasattr(data, "to_numpy")


def _frame_names(data: Any) -> tuple[str, ...] | None:
    labels = _labels(data)
    if labels is None:
        return None
    names = [str(label) for label in labels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"column name {twice[0]!r} appears more than once; rename the columns so that each can be told apart")
    return tuple(names)


def _numeric(data: Any, what: str, names: Sequence[str] | None) -> np.ndarray[Any, Any]:
    array = _array(data, what)
    if array.dtype.kind in "fiub":
        return array if array.dtype.itemsize <= 8 else array.astype(np.float64)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {what} holds complex numbers; give real ones")
    if array.dtype.kind == "O":
        return _from_objects(array, what, names)
    if array.dtype.kind in "US":
        index = next((i for i in np.ndindex(array.shape) if not _reads_as_number(array[i])), (0,) * array.ndim)
        raise TypeError(f"{what} holds text, {str(array[index])!r} in {_place(index, names)}; encode it as numbers first")
    if array.dtype.name == "bfloat16":  # known to NumPy through TensorFlow and JAX only
        return array.astype(np.float64)
    raise TypeError(f"{what} holds {array.dtype} values, not numbers; encode them as numbers first")


def _array(data: Any, what: str) -> np.ndarray[Any, Any]:
    """Data as an array of any dtype. Raises TypeError for what is no table of values, ValueError for a ragged one."""
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise TypeError(f"{what} is a sparse matrix, which gradline does not take yet; convert it with .toarray() if it fits in memory")
    if _is_lazy(data):
        raise TypeError(f"{what} is a {type(data).__name__}, not read yet; give {what}.collect()")
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        return np.asarray(np.ma.filled(data.astype(np.float64), np.nan))  # what is masked is missing
    if hasattr(data, "to_numpy") and not isinstance(data, np.ndarray):
        _check_frame(data, what)
        return np.asarray(data.to_numpy())
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(f"{what} is ragged: its rows have different lengths ({error})") from None
    except Exception as error:
        raise TypeError(f"{what} could not be turned into an array; {type(error).__name__}: {error}") from error
    if array.ndim == 0:
        shown = repr(data) if data is None or isinstance(data, str | int | float) else f"a {type(data).__name__}"
        raise TypeError(f"{what} is {shown}, not rows of numbers; give an array, a list of rows or a data frame")
    return array


def _check_frame(data: Any, what: str) -> None:
    dtypes = getattr(data, "dtypes", None)
    columns = getattr(data, "columns", None)
    if dtypes is None or columns is None:
        return
    for name, dtype in zip(columns, dtypes, strict=True):
        kind = str(dtype).lower()
        if kind.startswith(("str", "category", "categorical", "date", "time", "duration", "period", "enum")):
            raise TypeError(f"column {str(name)!r} of {what} holds {dtype} values, not numbers; encode it as numbers, or leave it out")


def _from_objects(array: np.ndarray[Any, Any], what: str, names: Sequence[str] | None) -> np.ndarray[Any, Any]:
    """Numbers held as objects: Decimals, Fractions, None and pandas' NA (both missing). Text that looks like a number is still text."""
    numbers = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value: Any = array[index]
        if type(value).__name__ in ("NAType", "NaTType"):
            value = None
        try:
            if isinstance(value, str | bytes):
                raise TypeError
            numbers[index] = np.nan if value is None else float(value)
        except (TypeError, ValueError):
            # scikit-learn's conventions ask for TypeError and for these words where a value is no number.
            where = _place(index, names)
            raise TypeError(f"{what} holds {value!r} in {where}; the argument must be free of strings and objects: give numbers") from None
    return numbers


def _place(index: tuple[int, ...], names: Sequence[str] | None) -> str:
    if len(index) < 2:
        return f"row {index[0]}"
    return f"row {index[0]}, column " + (repr(names[index[1]]) if names is not None else str(index[1]))


def _reads_as_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
