"""Checking sparse matrices at the door: SciPy's of any format, and pandas frames with sparse columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.base.types import IntArray

Idle = np.ndarray[tuple[int], np.dtype[np.bool_]]
"""Which rows are of weight zero, (n,)."""


def as_compressed_rows(data: Any, what: str) -> Any:
    """A sparse matrix of SciPy's, or a pandas frame with sparse columns, as a csr_array without duplicates.

    Duplicates are summed, as SciPy does. Nothing is copied of a matrix that is in compressed rows and has none. Raises TypeError for values
    that are no numbers, and ValueError for complex ones, for another number of dimensions and for sparse columns filled with other than 0.
    """
    if not (hasattr(data, "nnz") and hasattr(data, "tocsr")):
        data = _of_frame(data, what)
    elif len(data.shape) != 2:
        n = data.shape[0]
        raise DataError(
            f"{what} is a sparse array of {len(data.shape)} dimension{'s' * (len(data.shape) != 1)}, shape {data.shape}; give one row per"
            f" example and one column per variable, shape (n, p): {what}.reshape(({n}, 1)) for one column of {n:,} rows"
        )
    kind = data.dtype.kind
    if kind == "c":
        raise DataError(f"Complex data not supported: {what} is a sparse matrix of complex numbers; give real ones")
    if kind not in "fiub":
        raise ArgumentTypeError(
            f"{what} is a sparse matrix of {data.dtype} values, not numbers; make numbers of them first, {what}.astype(float)"
        )
    from scipy.sparse import csr_array

    rows = csr_array(data)
    if rows.has_canonical_format:
        return rows
    if rows.data is getattr(data, "data", None) or np.shares_memory(rows.data, getattr(data, "data", rows.data[:0])):
        rows = rows.copy()  # those of whoever gave them stay as they are
    rows.sum_duplicates()
    return rows


def check_finite_entries(rows: Any, what: str, names: Sequence[str] | None, idle: Idle | None = None, *, missing: bool = False) -> None:
    """Raises ValueError naming the first row and the column of a NaN or infinity that is held; idle rows, (n,), may hold them. missing:
    whether NaN may be held."""
    if rows.dtype.kind in "iub":
        return
    odd = np.flatnonzero(np.isinf(rows.data) if missing else ~np.isfinite(rows.data))
    if not odd.size:
        return
    of_row = _rows_of(rows, odd)
    if idle is not None:
        odd, of_row = odd[~idle[of_row]], of_row[~idle[of_row]]
    if odd.size:
        column = int(rows.indices[odd[0]])
        where = f"column {column}" if names is None else f"column {names[column]!r}"
        raise DataError(
            f"{what} holds {'NaN' if np.isnan(rows.data[odd[0]]) else 'infinity'} in row {of_row[0]}, {where}; drop that row or fill the"
            " value in before fitting"
        )


def without_odd_entries(rows: Any, idle: Idle | None) -> Any:
    """The matrix with zeros in place of what is not finite in idle rows, (n,)."""
    if idle is None or rows.dtype.kind in "iub" or np.isfinite(rows.data).all():
        return rows
    changed = rows.copy()
    changed.data[~np.isfinite(changed.data)] = 0.0
    return changed


def _rows_of(rows: Any, entries: IntArray) -> IntArray:
    """The row of each entry."""
    return np.asarray(np.searchsorted(rows.indptr, entries, side="right") - 1, dtype=np.int64)


def _of_frame(data: Any, what: str) -> Any:
    """The columns of a pandas frame as a sparse matrix."""
    from scipy.sparse import coo_array

    places, columns, values = list[Any](), list[Any](), list[Any]()
    for j, kind in enumerate(data.dtypes):
        column, name = data.iloc[:, j], f"column {str(data.columns[j])!r} of {what}"
        if hasattr(kind, "fill_value"):
            array = column.array
            held, rows = np.asarray(array.sp_values), np.asarray(array.sp_index.indices)
            if len(held) < len(data) and not _is_zero(kind.fill_value):
                raise DataError(
                    f"{name} is sparse with {kind.fill_value!r} where nothing is held, and only zeros can"
                    f" be left out; where they are zeros, {what}.fillna(0.0).astype(pandas.SparseDtype(float, 0.0)), else give the column"
                    " dense"
                )
        else:
            whole = column.to_numpy()
            if whole.dtype.kind not in "fiub":
                raise ArgumentTypeError(f"{name} holds {whole.dtype} values, not numbers; encode it as numbers, or leave it out")
            rows = np.flatnonzero(whole)
            held = whole[rows]
        if held.dtype.kind not in "fiub":
            raise ArgumentTypeError(f"{name} is a sparse column of {held.dtype} values, not numbers")
        places.append(rows)
        columns.append(np.full(len(rows), j))
        values.append(held.astype(np.float64))
    parts = np.concatenate(values), (np.concatenate(places), np.concatenate(columns))
    return coo_array(parts, shape=data.shape)


def _is_zero(value: Any) -> bool:
    try:
        return bool(value == 0)
    except (TypeError, ValueError):
        return False
