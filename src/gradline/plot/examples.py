"""Reading what a picture is given: data beside a fit, group labels, and what is known of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign
from gradline.preparing.order import labelled
from gradline.rows.array_checks import as_columns, check_length, unmasked
from gradline.rows.labels import check_same_labels, of_arguments

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.solvers.history import History


@dataclass(frozen=True)
class Examples:
    """x (n, p) and y (n, q) in float64, complete rows only, with names; groups (n,) labels or None; missing: rows left out."""

    x: Array
    y: Array
    x_names: tuple[str, ...]
    y_names: tuple[str, ...]
    groups: np.ndarray[Any, Any] | None = None
    missing: int = 0

    @property
    def n_rows(self) -> int:
        return len(self.x)

    def take(self, rows: IntArray) -> Examples:
        """Some of the rows."""
        groups = None if self.groups is None else self.groups[rows]
        return Examples(self.x[rows], self.y[rows], self.x_names, self.y_names, groups, self.missing)

    @property
    def labels(self) -> list[Any]:
        """The groups, in the order in which they sort."""
        return [] if self.groups is None else list(np.unique(self.groups))


def read(x: Any, y: Any, groups: Any = None, fit: Model | None = None) -> Examples:
    """Data for a picture; rows with a missing or infinite value are left out and counted.

    fit: what the data must suit; its names are used. Raises ValueError for lengths that differ, columns the fit does not have, more
    or fewer targets than it has, and data without one complete row; TypeError for data that is not numeric.
    """
    targets = as_columns(y if fit is None or not fit.class_names else labelled(y, fit.class_names)[0], "y", "y")
    if fit is None:
        columns = as_columns(x, "x")
        values, names, target_names = columns.values, columns.names, targets.names
    else:
        values, names, target_names = columns_of(fit, x), input_names(fit), fit.target_names
        if targets.values.shape[1] != len(target_names):
            raise ArgumentError(
                f"y has {targets.values.shape[1]} columns, but the fit has {len(target_names)} targets: {', '.join(target_names)}"
            )
    n = len(values)
    if len(targets.values) != n:
        raise ArgumentError(f"y has {len(targets.values)} rows but x has {n}; they must match, row by row")
    values, observed = np.asarray(values, dtype=np.float64), np.asarray(targets.values, dtype=np.float64)
    check_same_labels(of_arguments(x=x, y=y, groups=groups))
    labels = None
    if groups is not None:
        labels = np.asarray(unmasked(groups))
        if labels.ndim != 1:
            raise ArgumentError(f"groups has shape {labels.shape}; give one label per row, shape ({n},)")
        check_length(len(labels), "groups", n)
        labels = labels.astype(str) if labels.dtype.kind == "O" else labels
    complete = np.isfinite(values).all(axis=1) & np.isfinite(observed).all(axis=1)
    if not complete.any():
        raise ArgumentError("no row of the data is complete: each has a missing or infinite value, so there is nothing to draw")
    if fit is not None:
        target_names, observed = fit.observed_names, np.where(complete[:, None], fit.loss_function.observed(observed), np.nan)
    everything = Examples(values, observed, tuple(names), tuple(target_names), labels, int(n - complete.sum()))
    return everything if complete.all() else everything.take(np.flatnonzero(complete))


def columns_of(fit: Model, x: Any) -> Array:
    """The columns the fit was made on, (n, p), matched by name where both have names. Raises ValueError where they do not match."""
    names = input_names(fit)
    if np.ndim(x) == 0 and np.isscalar(x):
        x = np.array([x])
    columns = as_columns(x, "x")
    values = columns.values
    if columns.named and fit.named:
        absent = [name for name in names if name not in columns.names]
        if absent:
            raise ArgumentError(f"x has no column {absent[0]!r}; the fit needs {', '.join(names)}")
        values = values[:, [columns.names.index(name) for name in names]]
    if values.shape[1] != len(names):
        raise ArgumentError(f"x has {values.shape[1]} columns, but the model was fitted to {len(names)}: {', '.join(names)}")
    return np.asarray(values, dtype=np.float64)


def input_names(fit: Model) -> tuple[str, ...]:
    """The fit's columns without the intercept."""
    return fit.names[int(fit.has_intercept) :]


def predictions(fit: Model, x: Array, coefficients: Array | None = None) -> Array:
    """Predictions (n, outputs) for x (n, p), with the fit's own coefficients or others (P, k)."""
    chosen = fit.solution.coefficients if coefficients is None else coefficients
    predicted = np.asarray(fit.loss_function.predict(DenseDesign(x, fit.has_intercept).predict(chosen)), dtype=np.float64)
    predicted = predicted[:, None] if predicted.ndim == 1 else predicted
    q = len(fit.observed_names)
    if predicted.shape[1] != q:
        raise ArgumentError(
            f"the fit predicts {predicted.shape[1]} numbers per row for {q} targets, so observed and predicted cannot share an axis"
        )
    return predicted


def is_straight(fit: Model, coefficients: Array) -> bool:
    """Whether predictions are the linear predictors themselves, so that an equation tells all."""
    if coefficients.shape[1] != len(fit.observed_names):
        return False
    probe = np.random.default_rng(0).normal(size=(8, coefficients.shape[0] - int(fit.has_intercept)))
    linear = DenseDesign(probe, fit.has_intercept).predict(coefficients)
    return bool(np.array_equal(linear, predictions(fit, probe, coefficients)))


def true_coefficients(fit: Model, true: Any) -> Array:
    """The truth as coefficients (P, k) of the fit.

    true: a pair (slopes, intercept); an object with ``slope`` and ``intercept``, such as gl.datasets.line's, with ``coefficients`` (slopes
    alone) and ``intercepts``, such as gl.datasets.plane's, or another Fit; or an array shaped like ``fit.coefficients``, the intercept
    first (a 1-D array of two numbers is taken as a pair). Raises ValueError where the shape does not suit the fit.
    """
    shape = fit.solution.coefficients.shape
    p = shape[0] - int(fit.has_intercept)
    wanted = f"give true=(slopes, intercept) with slopes of shape ({p}, {shape[1]}), or an array of shape {shape}, the intercept first"
    slopes, intercept = _pair(true)
    try:
        if slopes is None:
            matrix = np.asarray(intercept, dtype=np.float64)
            matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        else:
            body = np.asarray(slopes, dtype=np.float64)
            body = np.broadcast_to(body, (p, shape[1])) if body.ndim == 0 else body.reshape(p, shape[1])
            head = np.broadcast_to(np.asarray(0.0 if intercept is None else intercept, dtype=np.float64), (shape[1],))
            if not fit.has_intercept and np.any(head != 0):
                raise ArgumentError("true has an intercept, but the fit has none")
            matrix = np.vstack([head[None, :], body]) if fit.has_intercept else np.array(body)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"true could not be read ({error}); {wanted}") from None
    if matrix.shape != shape:
        raise ArgumentError(f"true has shape {matrix.shape}, but the fit's coefficients have shape {shape}; {wanted}")
    return matrix


def _pair(true: Any) -> tuple[Any, Any]:
    """(slopes, intercept), or (None, whole matrix)."""
    for slopes, intercept in (("slope", "intercept"), ("slopes", "intercept"), ("coefficients", "intercepts")):
        if hasattr(true, slopes) and hasattr(true, intercept):
            return getattr(true, slopes), getattr(true, intercept)
    if hasattr(true, "coefficients"):
        return None, true.coefficients
    if isinstance(true, np.ndarray) and (true.ndim == 2 or true.size != 2):
        return None, true
    if isinstance(true, Sequence | np.ndarray) and len(true) == 2:
        return true[0], true[1]
    return None, true


def history_of(fit_or_history: Any, what: str) -> History:
    """The path of a fit. Raises ValueError, naming the solver that records one, where there is none."""
    history = getattr(fit_or_history, "history", fit_or_history)
    if history is None:
        raise ArgumentError(
            f"this fit was found by {fit_or_history.solver}, which records no path, so there is no {what} to draw;"
            " fit with solver=gl.GradientDescent() to record one"
        )
    if not (hasattr(history, "loss") and hasattr(history, "step")):
        raise ArgumentTypeError(f"give a Fit or its history, not {type(fit_or_history).__name__}")
    if not len(history):
        raise ArgumentError(f"the history is empty, so there is no {what} to draw")
    found: History = history
    return found


def axis_labels(override: str | Sequence[str] | None, names: Sequence[str], what: str) -> list[str]:
    """A label for each name: the name itself unless overridden. Raises ValueError for a wrong number of labels."""
    if override is None:
        return list(names)
    given = [override] if isinstance(override, str) else list(override)
    if len(given) != len(names):
        raise ArgumentError(f"{what} has {len(given)} labels, but the picture needs {len(names)}: for {', '.join(names)}")
    return given
