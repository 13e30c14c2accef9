"""Checking arrays at the door: what was wrong, where, and what to do instead."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.base.threads import available_cores, worker_threads
from gradline.base.types import Array
from gradline.rows.sparse_checks import as_compressed_rows, check_finite_entries, without_odd_entries
from gradline.rows.whole_numbers import LARGEST_WHOLE, Whole, place_of, warn_of_rounding, warned


def holds_sparse(data: Any) -> bool:
    """Whether data is a sparse matrix of SciPy's, in any format, or a pandas frame with a sparse column."""
    if hasattr(data, "nnz") and hasattr(data, "tocsr"):
        return True
    return hasattr(data, "iloc") and getattr(data, "ndim", 0) == 2 and any(hasattr(kind, "fill_value") for kind in data.dtypes)


Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]
"""Which rows, (n,)."""


class Labelled(NamedTuple):
    """words: what messages call an object; code: how a user would write it; index: its pandas index, None where it has none."""

    words: str
    code: str
    index: Any


@dataclass(frozen=True)
class Columns:
    """values (n, p), real numbers in any dtype; names (p,); labels: what the data calls its rows."""

    values: np.ndarray[Any, Any]
    names: tuple[str, ...]
    named: bool
    """Whether the names came with the data rather than being made up."""
    labels: Sequence[Labelled] = ()


def as_columns(data: Any, what: str = "X", default: str = "x", *, sparse: bool = False) -> Columns:
    """Two-dimensional numeric data with column names: an array (n, p), a 1-D array as one column, or a data frame.

    Without names of their own, columns are called x1, x2, ... or, if there is just one, x. sparse: whether a sparse matrix may stay one;
    its values are then a csr_array without duplicates. Raises TypeError for data that is not
    numeric and ValueError for the wrong number of dimensions, for no rows and for no columns.
    """
    names = _frame_names(data)
    values: Any = as_compressed_rows(data, what) if sparse and holds_sparse(data) else as_numeric(data, what, names)
    if values.ndim == 1:
        series = getattr(data, "name", None)
        values, names = values[:, None], (str(series),) if isinstance(series, str) else None
    if values.ndim != 2:
        raise DataError(f"{what} has {values.ndim} dimensions; give one row per example and one column per variable, shape (n, p)")
    if values.shape[0] == 0:
        raise DataError(f"{what} has no rows; a fit needs at least one")
    if values.shape[1] == 0:
        # scikit-learn's conventions ask for the words after the colon.
        raise DataError(f"{what} has no columns: 0 feature(s) (shape={values.shape}) while a minimum of 1 is required.")
    p = values.shape[1]
    made_up = (default,) if p == 1 else tuple(f"{default}{j + 1}" for j in range(p))
    return Columns(values, names or made_up, names is not None, of_arguments(**{what: data}))


def of_arguments(**given: Any) -> list[Labelled]:
    """The row labels of arguments by their names; of a pair, such as two-way groups, of each part."""
    parts = []
    for name, data in given.items():
        if isinstance(data, tuple | list) and len(data) <= 2:
            parts += [Labelled(f"{name}[{i}]", f"{name}[{i}]", index_of(part)) for i, part in enumerate(data)]
        else:
            parts.append(Labelled(name, name, index_of(data)))
    return parts


def index_of(data: Any) -> Any:
    """The pandas index of an object; None where it has none, or where pandas is not in use."""
    pandas = sys.modules.get("pandas")
    index = getattr(data, "index", None)
    return index if pandas is not None and isinstance(index, pandas.Index) else None


def as_row_numbers(data: Any, what: str, n_rows: int, idle: Rows | None = None) -> Array:
    """One number per row, (n,) float64. idle: rows of weight zero, as for ``usable``.

    Raises ValueError for another length, and for a NaN or infinity, naming the row.
    """
    values = as_numeric(data, what, None)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{what} has shape {values.shape}; give one number per row, shape ({n_rows},)")
    check_length(len(values), what, n_rows)
    result = np.ascontiguousarray(values, dtype=np.float64)
    return np.asarray(usable(result[:, None], what, None, idle)[:, 0])


def usable(values: np.ndarray[Any, Any], what: str, names: Sequence[str] | None, idle: Rows | None) -> np.ndarray[Any, Any]:
    """The values (n, p) as a fit can take them. idle: rows of weight zero, (n,), which may hold anything: where one is not finite it
    becomes a copy of the first row that counts. Raises ValueError as ``check_finite`` does for the others."""
    check_finite(values, what, names, idle)
    if hasattr(values, "indptr"):  # a sparse matrix in compressed rows
        found: np.ndarray[Any, Any] = without_odd_entries(values, idle)
        return found
    if idle is None or values.dtype.kind in "iub" or not idle.any() or idle.all():
        return values
    places = np.flatnonzero(idle)
    odd = places[~np.isfinite(values[places]).all(axis=1)]
    if not odd.size:
        return values
    changed = values.copy()
    changed[odd] = values[np.flatnonzero(~idle)[0]]
    return changed


def as_weights(data: Any, what: str, n_rows: int, whole: bool) -> Array:
    """Weights a row: not negative, not all zero and, for frequencies, whole numbers."""
    values = as_row_numbers(data, what, n_rows)
    if (values < 0).any():
        row = int(np.flatnonzero(values < 0)[0])
        rule = f"{what} {'are' if what.endswith('s') else 'is'} zero or more"
        raise DataError(f"{what} is negative in row {row} ({values[row]:g}); {rule}")
    if not values.any():
        raise DataError(f"{what} is zero in every row; at least one row must count")
    if whole and (values != np.round(values)).any():
        row = int(np.flatnonzero(values != np.round(values))[0])
        raise DataError(f"{what} is {values[row]:g} in row {row}; frequencies count repeated rows, so give whole numbers, or use weights=")
    return values


def check_length(length: int, what: str, n_rows: int) -> None:
    """Raises ValueError unless there is one entry for each row of X."""
    if length != n_rows:
        raise DataError(f"{what} has {length} rows but X has {n_rows}; they must match, row by row")


def check_finite(
    values: np.ndarray[Any, Any], what: str, names: Sequence[str] | None, idle: Rows | None = None, *, missing: bool = False
) -> None:
    """Raises ValueError naming the first row and the column of a NaN or infinity; rows that are idle, (n,), may hold them. missing: whether
    a sparse matrix may hold NaN."""
    if hasattr(values, "indptr"):  # a sparse matrix in compressed rows
        check_finite_entries(values, what, names, idle, missing=missing)
        return
    if values.dtype.kind in "iub" or _surely_finite(values):
        return
    step = max(1, 2**20 // values.shape[1])
    for start in range(0, len(values), step):
        wrong = ~np.isfinite(values[start : start + step])
        if idle is not None:
            wrong &= ~idle[start : start + step, None]
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            value = values[start + row, column]
            where = f"row {start + row}" if names is None else f"row {start + row}, column {names[column]!r}"
            raise DataError(
                f"{what} holds {'NaN' if np.isnan(value) else 'infinity'} in {where}; drop that row or fill the value in before fitting"
            )


def _in_numbers(what: str, text: str) -> str:
    """How to make numbers of text."""
    if what != "y":
        return 'encode it as numbers first, or give a table and a formula, in which text is a category: gl.fit("y ~ C(g)", data)'
    return (
        f'encode it as numbers first: for one of two classes, y == {text!r} with loss="logistic"; for several, loss="multinomial" takes'
        " text as it is. gl.LinearClassifier() takes labels of any kind, and predicts them"
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
    labels = column_labels(data)
    if labels is None:
        return data
    known = {str(label): label for label in labels}
    absent = [name for name in names if name not in known]
    if absent:
        raise DataError(f"data has no column {absent[0]!r}; the model needs {', '.join(names)}")
    wanted = [known[name] for name in names]
    return data.select(wanted) if hasattr(data, "select") else data[wanted]


def column_labels(data: Any) -> list[Any] | None:
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
    labels = column_labels(data)
    if labels is None:
        return None
    names = [str(label) for label in labels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"column name {twice[0]!r} appears more than once; rename the columns so that each can be told apart")
    return tuple(names)


def as_numeric(data: Any, what: str, names: Sequence[str] | None = None) -> np.ndarray[Any, Any]:
    """Data as real numbers in some dtype of at most 64 bits, NaN where something is missing or masked. names: of the columns.

    Warns of integers that float64 cannot hold. Raises TypeError for text, categories, dates and objects, ValueError for complex numbers.
    """
    array = as_array(data, what)
    if array.dtype.kind in "iuf" and array.dtype.itemsize >= 8 and array.dtype != np.float64:
        told = warned(array, [Whole(array, what, names)])
        return told if told.dtype.itemsize <= 8 else told.astype(np.float64)
    if array.dtype.kind in "fiub":
        return array
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {what} holds complex numbers; give real ones")
    if array.dtype.kind == "O":
        return _from_objects(array, what, names)
    if array.dtype.kind in "US":
        index = next((i for i in np.ndindex(array.shape) if not _reads_as_number(array[i])), (0,) * array.ndim)
        raise ArgumentTypeError(
            f"{what} holds text, {str(array[index])!r} in {place_of(index, names)}; {_in_numbers(what, str(array[index]))}"
        )
    if array.dtype.name == "bfloat16":  # known to NumPy through TensorFlow and JAX only
        return array.astype(np.float64)
    raise ArgumentTypeError(f"{what} holds {array.dtype} values, not numbers; encode them as numbers first")


def as_array(data: Any, what: str) -> np.ndarray[Any, Any]:
    """Data as an array of any dtype, where what is masked is missing: NaN among numbers, NaT among dates, None among the rest.

    Raises TypeError for what is no table of values and for categories, ValueError for a ragged one.
    """
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        shown = f"{what}.toarray()" + (".ravel()" if 1 in data.shape else "")
        raise ArgumentTypeError(f"{what} is a sparse matrix, and only X may be one; give {shown}")
    if _is_lazy(data):
        raise ArgumentTypeError(f"{what} is a {type(data).__name__}, not read yet; give {what}.collect()")
    data = unmasked(data)
    wide = _check_columns(data, what)
    if hasattr(data, "to_numpy") and not isinstance(data, np.ndarray):
        array = np.asarray(data.to_numpy())
        return warned(array, wide) if wide else array
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise DataError(f"{what} is ragged: its rows have different lengths ({error})") from None
    except Exception as error:
        raise ArgumentTypeError(f"{what} could not be turned into an array; {type(error).__name__}: {error}") from error
    if array.ndim == 0:
        shown = repr(data) if data is None or isinstance(data, str | int | float) else f"a {type(data).__name__}"
        raise ArgumentTypeError(f"{what} is {shown}, not rows of numbers; give an array, a list of rows or a data frame")
    return warned(array, wide) if wide else array


def unmasked(data: Any) -> Any:
    """A masked array as a plain one in which what is masked is missing; so too a list of masked arrays; anything else as it is."""
    if isinstance(data, list | tuple) and any(isinstance(part, np.ma.MaskedArray) for part in data):
        if any(part is np.ma.masked for part in data):
            return np.asarray([np.nan if part is np.ma.masked else part for part in data])
        data = np.ma.array(data)  # np.asarray would forget the masks of its rows
    if not isinstance(data, np.ma.MaskedArray):
        return data
    if not np.ma.is_masked(data):
        return np.asarray(np.ma.getdata(data))
    kind = data.dtype.kind
    plain = np.ma.getdata(data)
    plain = plain.astype(np.float64) if kind in "iub" else plain.copy() if kind in "fcmM" else plain.astype(object)
    missing = {"M": np.datetime64("NaT"), "m": np.timedelta64("NaT")}.get(kind, np.nan if kind in "iubfc" else None)
    plain[np.ma.getmaskarray(data)] = missing
    return np.asarray(plain)


_NO_NUMBERS = ("str", "category", "categorical", "date", "time", "duration", "period", "enum", "dictionary")
"""How the types of columns begin, in pandas, polars and Arrow, that are not numbers whatever they turn into."""


def _check_columns(data: Any, what: str) -> list[Whole]:
    """The columns of a frame that hold integers of 64 bits, which an array of several columns may round.

    Raises TypeError for categories, text and dates, in a frame or by themselves; a category of integers is a category all the same.
    """
    if isinstance(data, np.ndarray | list | tuple):
        return []
    labels = column_labels(data)
    if labels is None:
        dtype = str(getattr(data, "dtype", getattr(data, "type", ""))).lower()
        if dtype.startswith(("category", "dictionary")):
            raise ArgumentTypeError(f"{what} holds {dtype} values, not numbers; encode it as numbers, say with .astype(float)")
        return []
    found = getattr(data, "dtypes", None)
    dtypes = data.schema.types if found is None and hasattr(data, "column_names") else found
    wide = []
    for label, dtype in zip(labels, dtypes, strict=True) if dtypes is not None else ():
        kind = str(dtype).lower()
        if kind.startswith(_NO_NUMBERS):
            raise ArgumentTypeError(
                f"column {str(label)!r} of {what} holds {dtype} values, not numbers; encode it as numbers, or leave it out"
            )
        if kind.startswith(("int64", "uint64")):
            column = np.asarray(data[label])
            wide += [Whole(column, f"column {str(label)!r} of {what}", None)] if column.dtype.kind in "iu" else []
    return wide


def _from_objects(array: np.ndarray[Any, Any], what: str, names: Sequence[str] | None) -> np.ndarray[Any, Any]:
    """Numbers held as objects: Decimals, Fractions, None and pandas' NA (both missing). Text that looks like a number is still text."""
    numbers = np.empty(array.shape)
    rounded: list[tuple[int, ...]] = []
    for index in np.ndindex(array.shape):
        value: Any = array[index]
        if value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
            value = None
        try:
            if isinstance(value, str | bytes):
                raise TypeError
            numbers[index] = np.nan if value is None else float(value)
        except (TypeError, ValueError):
            # scikit-learn's conventions ask for TypeError and for these words where a value is no number.
            where = place_of(index, names)
            raise ArgumentTypeError(
                f"{what} holds {value!r} in {where}; the argument must be free of strings and objects: give numbers"
            ) from None
        except OverflowError:
            raise DataError(f"{what} holds a number beyond the range of float64 in {place_of(index, names)}; divide it first") from None
        if isinstance(value, int | np.integer) and abs(int(value)) >= LARGEST_WHOLE and int(numbers[index]) != value:
            rounded.append(index)
    if rounded:
        warn_of_rounding(what, len(rounded), int(array[rounded[0]]), place_of(rounded[0], names))
    return numbers


def _reads_as_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
