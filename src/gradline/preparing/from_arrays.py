"""What a fit is made of once its data are read; and how arrays get there: X and y checked, and held as Rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.names import INTERCEPT
from gradline.base.types import Array
from gradline.losses.arguments import LossArgument, as_loss
from gradline.losses.protocol import Loss
from gradline.preparing.order import labelled, numbered
from gradline.rows.array_checks import Columns, as_columns, as_row_numbers, as_weights, check_finite, check_length, usable
from gradline.rows.arrays import ArrayRows
from gradline.rows.fingerprint import fingerprint
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.rows.protocol import Rows

if TYPE_CHECKING:
    from gradline.formulas.encoder import Encoder
    from gradline.preparing.absorbed_columns import AbsorbedColumns
    from gradline.preparing.table_clusters import ClusterColumns
    from gradline.tables.passes import Engine


Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]

Idle = np.ndarray[tuple[int], np.dtype[np.bool_]]
"""Where rows are of weight zero."""


@dataclass(frozen=True)
class Prepared:
    """Rows and a loss that go together.

    names (P), the intercept first where there is one; target_names (q). used: rows that count; dropped: rows left out, by reason. named:
    whether the data named its columns. encoder: the formula with what it learned, for tables. mask (P, k): which coefficients the formula
    of each linear predictor has; None for all. streamed: the table's name where its rows are read anew at each pass, else empty. notes:
    what the user should be told. beside: what came beside columns and targets, "weights" and the like: the name of the table's column, None
    for an array. fingerprint: of the rows, where a pass has found it already. clusters: the columns that ``groups=`` names. absorbed: the
    columns after ``|``. engine: the processes that read the rows, None for this one. class_labels: what the numbers of classes stand
    for, where the targets of arrays were text.
    """

    rows: Rows
    loss: Loss
    names: tuple[str, ...]
    target_names: tuple[str, ...]
    used: int
    dropped: dict[str, int]
    named: bool
    weighted: bool
    encoder: Encoder | None = None
    mask: Mask | None = None
    streamed: str = ""
    notes: tuple[str, ...] = field(default=())
    row_columns: Mapping[str, str | None] = field(default_factory=dict)
    fingerprint: int | None = None
    clusters: ClusterColumns | None = None
    absorbed: AbsorbedColumns | None = None
    engine: Engine | None = None
    class_labels: tuple[str, ...] = ()


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
    unknown = as_loss(loss, prediction, backend)
    if unknown.takes_order:
        target = numbered(target)
    classes: tuple[str, ...] = ()
    if unknown.takes_labels:
        target, classes = labelled(target)
    if INTERCEPT in columns.names:
        raise ArgumentError(
            f"a column is called {INTERCEPT!r}, as the intercept is; leave it out if it holds ones, which the model adds, else rename it"
        )
    targets = as_columns(target, "y", "y")
    n = columns.values.shape[0]
    beside = of_arguments(weights=weights, frequencies=frequencies, offset=offset)
    check_same_labels([*columns.labels, *targets.labels, *beside])
    given = checked_rows(columns, targets, weights, frequencies)
    y, row_weights, counts = given.targets, given.weights, given.frequencies
    unbound = unknown.resolve(y.max(axis=0))
    offsets = None if offset is None else as_offset(offset, n, unbound.n_predictors(y.shape[1]), given.idle, unbound.intercept_only)
    bound = unbound.bind(y, offsets)
    rows = ArrayRows(given.values, y, weights=row_weights, frequencies=counts, offset=offsets, intercept=_as_flag(intercept))
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
        fingerprint=fingerprint(y, row_weights, counts, offsets),
        class_labels=classes,
    )


class CheckedRows(NamedTuple):
    """values (n, p) and targets (n, q) that are finite in every row; weights, frequencies (n,) or None. idle: rows of weight zero, (n,),
    which hold something harmless in place of what is not finite; None where there are no weights."""

    values: np.ndarray[Any, Any]
    targets: Array
    weights: Array | None
    frequencies: Array | None
    idle: Idle | None


def checked_rows(columns: Columns, targets: Columns, weights: Any, frequencies: Any) -> CheckedRows:
    """What goes with the columns, row by row; a row of weight zero may hold anything. Raises ValueError for what does not go with them."""
    n = columns.values.shape[0]
    check_length(len(targets.values), "y", n)
    row_weights = None if weights is None else as_weights(weights, "weights", n, whole=False)
    counts = None if frequencies is None else as_weights(frequencies, "frequencies", n, whole=True)
    idle = idle_rows(row_weights, counts)
    values = usable(columns.values, "X", columns.names, idle)
    check_finite(targets.values, "y", targets.names if targets.values.shape[1] > 1 else None, idle)
    y = np.ascontiguousarray(targets.values, dtype=np.float64)
    return CheckedRows(values, without_idle_targets(y, row_weights, counts), row_weights, counts, idle)


def _columns(data: Any, names: Sequence[str] | None) -> Columns:
    columns = as_columns(data, sparse=True)
    if names is None:
        return columns
    if isinstance(names, str):
        raise ArgumentTypeError(f"names must be a sequence with one name for each column, not the single string {names!r}")
    given = tuple(str(name) for name in names)
    if len(given) != len(columns.names):
        raise ArgumentError(f"names has {len(given)} entries, but X has {len(columns.names)} columns")
    if len(set(given)) < len(given):
        raise ArgumentError("names holds the same name twice; each column needs its own")
    return replace(columns, names=given)


def _as_flag(intercept: Any) -> bool:
    if not isinstance(intercept, bool | np.bool_) and not (isinstance(intercept, int) and intercept in (0, 1)):
        raise ArgumentTypeError(f"intercept must be True or False, not {intercept!r}")
    return bool(intercept)


def as_offset(offset: Any, n_rows: int, n_predictors: int, idle: Idle | None = None, constant: tuple[bool, ...] = ()) -> Array:
    """An offset for each linear predictor, (n, k); one for a row is that of each that is not one number for all rows (constant).

    idle: rows of weight zero, (n,), which may hold anything.

    Raises ValueError for another shape and for a NaN or infinity.
    """
    if np.ndim(offset) <= 1:
        column = as_row_numbers(offset, "offset", n_rows, idle)
        return spread_offset(column[:, None], n_predictors, constant)
    columns = as_columns(offset, "offset")
    check_length(len(columns.values), "offset", n_rows)
    if columns.values.shape[1] != n_predictors:
        predictors = "is 1 linear predictor" if n_predictors == 1 else f"are {n_predictors} linear predictors"
        raise ArgumentError(f"offset has {columns.values.shape[1]} columns, but there {predictors}")
    return np.ascontiguousarray(usable(columns.values, "offset", columns.names, idle), dtype=np.float64)


def spread_offset(offset: Array, n_predictors: int, constant: tuple[bool, ...]) -> Array:
    """An offset of one column for each of k linear predictors, (m, k), but for those that are one number for all rows."""
    if offset.shape[1] == n_predictors:
        return offset
    spread = np.repeat(offset, n_predictors, axis=1)
    for j, only in enumerate(constant):
        if only:
            spread[:, j] = 0.0
    return spread


def without_idle_targets(y: Array, weights: Array | None, frequencies: Array | None) -> Array:
    """y with something harmless where a row counts for nothing: a row of weight zero equals the row left out, whatever it holds."""
    idle = idle_rows(weights, frequencies)
    if idle is None or not idle.any():
        return y
    if idle.all():
        raise ArgumentError("weights times frequencies is zero in every row; at least one row must count")
    return np.where(idle[:, None], y[np.flatnonzero(~idle)[0]], y)


def idle_rows(weights: Array | None, frequencies: Array | None) -> Idle | None:
    """Where a weight is zero, (m,); None where there are no weights."""
    given = [held == 0 for held in (weights, frequencies) if held is not None]
    return np.logical_or.reduce(given) if given else None
