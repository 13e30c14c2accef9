"""Arrays on their way into a fit: X and y checked, and held as Rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradline.base.names import INTERCEPT
from gradline.base.types import Array
from gradline.losses.own_loss import CustomLoss
from gradline.preparing.arguments import LossArgument, as_loss, predictor_count
from gradline.preparing.prepared import Prepared, without_idle_targets
from gradline.rows.array_checks import Columns, as_columns, as_row_numbers, as_weights, check_finite, check_length
from gradline.rows.arrays import ArrayRows


def prepare_arrays(
    data: Any,
    target: Any,
    *,
    loss: LossArgument,
    prediction: Callable[[Any], Any] | None,
    backend: str | None,
    weights: Any,
    frequencies: Any,
    offset: Any,
    intercept: Any,
    names: Sequence[str] | None,
) -> Prepared:
    """X (n, p) and y (n,) or (n, q) as Rows, with the loss bound to them. Raises as :func:`gradline.fit` says."""
    columns = _columns(data, names)
    targets = as_columns(target, "y", "y")
    n = len(columns.values)
    y, row_weights, counts = checked_rows(columns, targets, weights, frequencies)
    unbound = as_loss(loss, prediction, backend)
    if not isinstance(unbound, CustomLoss):
        unbound = unbound.resolve(y.max(axis=0))
        unbound.check_targets(y)
    offsets = None if offset is None else as_offset(offset, n, predictor_count(unbound, y.shape[1]))
    bound = unbound.bind(y, offsets) if isinstance(unbound, CustomLoss) else unbound
    rows = ArrayRows(columns.values, y, weights=row_weights, frequencies=counts, offset=offsets, intercept=_as_flag(intercept))
    given_beside = {"weights": weights, "frequencies": frequencies, "offset": offset}
    used = n if rows.row_weights is None else int(np.count_nonzero(rows.row_weights))
    return Prepared(
        rows,
        bound,
        ((INTERCEPT,) if rows.intercept else ()) + columns.names,
        targets.names,
        used,
        {} if used == n else {"weight zero": n - used},
        columns.named or names is not None,
        row_weights is not None or counts is not None,
        row_columns={name: None for name, given in given_beside.items() if given is not None},
    )


def checked_rows(columns: Columns, targets: Columns, weights: Any, frequencies: Any) -> tuple[Array, Array | None, Array | None]:
    """(y (n, q), weights, frequencies) that go with the columns, row by row. Raises ValueError for lengths and values that do not."""
    n = len(columns.values)
    check_length(len(targets.values), "y", n)
    check_finite(columns.values, "X", columns.names)
    check_finite(targets.values, "y", targets.names if targets.values.shape[1] > 1 else None)
    y = np.ascontiguousarray(targets.values, dtype=np.float64)
    row_weights = None if weights is None else as_weights(weights, "weights", n, whole=False)
    counts = None if frequencies is None else as_weights(frequencies, "frequencies", n, whole=True)
    return without_idle_targets(y, row_weights, counts), row_weights, counts


def _columns(data: Any, names: Sequence[str] | None) -> Columns:
    columns = as_columns(data)
    if names is None:
        return columns
    if isinstance(names, str):
        raise TypeError(f"names must be a sequence with one name for each column, not the single string {names!r}")
    given = tuple(str(name) for name in names)
    if len(given) != len(columns.names):
        raise ValueError(f"names has {len(given)} entries, but X has {len(columns.names)} columns")
    if len(set(given)) < len(given):
        raise ValueError("names holds the same name twice; each column needs its own")
    return Columns(columns.values, given, columns.named)


def _as_flag(intercept: Any) -> bool:
    if not isinstance(intercept, bool | np.bool_) and not (isinstance(intercept, int) and intercept in (0, 1)):
        raise TypeError(f"intercept must be True or False, not {intercept!r}")
    return bool(intercept)


def as_offset(offset: Any, n_rows: int, n_predictors: int) -> Array:
    """An offset for each linear predictor, (n, k). Raises ValueError for another shape and for a NaN or infinity."""
    if np.ndim(offset) <= 1:
        column = as_row_numbers(offset, "offset", n_rows)
        return np.repeat(column[:, None], n_predictors, axis=1)
    columns = as_columns(offset, "offset")
    check_length(len(columns.values), "offset", n_rows)
    if columns.values.shape[1] != n_predictors:
        predictors = "is 1 linear predictor" if n_predictors == 1 else f"are {n_predictors} linear predictors"
        raise ValueError(f"offset has {columns.values.shape[1]} columns, but there {predictors}")
    check_finite(columns.values, "offset", columns.names)
    return np.ascontiguousarray(columns.values, dtype=np.float64)
