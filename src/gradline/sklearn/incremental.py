"""Rows added to a fit of squared loss, from sums of products: for ``partial_fit``."""

from __future__ import annotations

from typing import Any, Protocol

from gradline.api.result import Fit
from gradline.base.errors import ArgumentError
from gradline.fitting.from_sums import RowSums, fit_sums
from gradline.preparing.from_arrays import prepare_arrays
from gradline.rows.array_checks import column_labels, select_columns
from gradline.rows.fingerprint import fingerprint_of
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.sklearn.linear import row_weights, two_dimensional
from gradline.solvers.least_squares.second_moments import MomentsKernel


class Settings(Protocol):
    """The parameters of an estimator."""

    loss: Any
    solver: Any
    accuracy: Any
    start: Any
    tolerance: Any
    penalty: Any
    covariance: Any
    fit_intercept: Any

    def _constraints(self) -> Any: ...


def why_no_sums(model: Settings) -> str:
    """Why the model cannot be fitted from sums; empty where it can."""
    loss = model.loss
    if loss != "squared" and getattr(loss, "squared_scale", lambda: None)() is None:
        return f'{needs_its_rows(called(loss))} (a function of yours that is squared loss is loss="squared")'
    if model.solver != "auto" or model.accuracy != "auto" or model.start is not None or model.tolerance is not None:
        return "it solves sums of products, and has no use for solver=, accuracy=, start= or tolerance=: leave them as they are"
    return ""


def called(loss: Any) -> str:
    """What messages call a loss, as it was given."""
    return str(loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", repr(loss))))


def needs_its_rows(name: str) -> str:
    """Why no loss but the squared one is fitted from sums. name: of the loss."""
    return (
        f"only sums of products tell all that a loss needs of its rows, and they do so for squared loss alone; the loss {name!r} needs"
        " the rows themselves, so fit them together"
    )


def add_rows(
    model: Settings, sums: RowSums | None, X: Any, y: Any, sample_weight: Any, frequencies: Any, offset: Any
) -> tuple[Fit, RowSums]:
    """The fit of the rows before, of which ``sums`` tell, and of these; and the sums of all.

    Raises ValueError for rows that do not go with those before.
    """
    data = X
    if sums is not None and sums.named:
        if column_labels(X) is not None:
            _refuse_others(X, sums)
        data = select_columns(X, sums.names)
    columns = two_dimensional(data)
    if sums is not None and columns.values.shape[1] != len(sums.names):
        raise ArgumentError(
            f"X has {columns.values.shape[1]} features, but {type(model).__name__} is expecting {len(sums.names)} features as input"
        )
    beside = row_weights(sample_weight, frequencies, columns.values.shape[0])
    check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight, frequencies=frequencies, offset=offset))
    prepared = prepare_arrays(
        columns.values,
        y,
        loss="squared",
        prediction=None,
        backend=None,
        weights=beside.weights,
        frequencies=beside.frequencies,
        offset=offset,
        intercept=True,
        names=(columns.names if columns.named else None) if sums is None else sums.names,
    )
    if sums is not None and len(prepared.target_names) != len(sums.target_names):
        raise ArgumentError(f"y has {len(prepared.target_names)} targets, but there were {len(sums.target_names)} before")
    if sums is not None and ("offset" in sums.row_columns) != (offset is not None):
        was = "with" if "offset" in sums.row_columns else "without"
        raise ArgumentError(f"the rows before came {was} offset=: give one for every row, with zeros where there is none, or for none")
    found = RowSums(
        prepared.rows.reduce(MomentsKernel()).sums,
        prepared.names[1:],
        prepared.target_names,
        prepared.rows.n_rows,
        fingerprint_of(prepared.rows),
        prepared.row_columns,
        columns.named,
    )
    total = found if sums is None else sums + found
    fit = fit_sums(
        total,
        intercept=bool(model.fit_intercept),
        penalty=model.penalty,
        covariance=model.covariance,
        constraints=model._constraints(),
    )
    return Fit.of(fit), total


def _refuse_others(X: Any, sums: RowSums) -> None:
    """Raises ValueError for a frame with columns that there were not before: they would be left out in silence."""
    more = [str(label) for label in column_labels(X) or () if str(label) not in sums.names]
    if more:
        raise ArgumentError(f"X has a column {more[0]!r}, which the rows before did not have; they had {', '.join(sums.names)}")
