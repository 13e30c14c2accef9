"""Labels of any type as numbers of classes, and the weights that classes are given."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, DataError
from gradline.base.types import Array, IntArray
from gradline.base.warnings import GradlineWarning, warn
from gradline.rows.array_checks import unmasked

Labels = np.ndarray[Any, Any]
"""(n,), of any dtype."""


def as_labels(y: Any, name: str) -> Labels:
    """The labels, (n,), of text, numbers, truth values, dates or anything else that can be sorted. name: of the estimator.

    Raises ValueError for no labels and for several a row. One column is taken for its labels, with a warning, as scikit-learn does.
    """
    if y is None:
        raise ArgumentError(f"{name} requires y to be passed, but the target y is None")
    data = unmasked(y)
    labels = np.asarray(data)
    if labels.dtype.kind in "US" and isinstance(data, list | tuple) and not all(isinstance(label, str | bytes) for label in data):
        # NumPy would make text of numbers that stand among text.
        labels = np.array(data, dtype=object)
    if labels.ndim == 2 and labels.shape[1] == 1:
        _warn_of_column()
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"y has shape {labels.shape}; a classifier takes one label per row, shape (n,)")
    if labels.dtype.kind == "c":
        raise DataError("Complex data not supported: y holds complex numbers; labels are text, numbers, truth values or dates")
    return labels


def check_labels(labels: Labels, counted: np.ndarray[Any, Any] | None = None) -> None:
    """Raises ValueError naming the first row whose label is missing, infinite or a fraction. counted: rows that count, (n,), or None."""
    rows = np.arange(len(labels)) if counted is None else np.flatnonzero(counted)
    held = labels[rows]
    if labels.dtype.kind in "mM":
        missing, numbers = np.isnat(held), np.zeros(len(held))
    elif labels.dtype.kind == "f":
        missing, numbers = np.isnan(held), held
    elif labels.dtype.kind == "O":
        missing = np.array([_missing(value) for value in held], dtype=np.bool_)
        numbers = np.array([value if isinstance(value, float | np.floating) else 0.0 for value in held], dtype=np.float64)
    else:
        return
    for wrong, kind in ((missing, "a missing value"), (np.isinf(numbers), "infinity")):
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise DataError(f"y holds {kind}, {held[first]}, in row {rows[first]}; drop that row, or give it a label of its own")
    fraction = np.where(missing, 0.0, numbers) % 1.0 != 0.0
    if fraction.any():
        row = int(np.flatnonzero(fraction)[0])
        # scikit-learn's conventions ask for the words before the colon.
        raise DataError(
            f"Unknown label type: continuous. y holds {float(held[row]):.15g} in row {rows[row]}, and a classifier takes labels: use"
            " gl.LinearRegression for numbers, or cut them into classes first"
        )


def declared_order(y: Any) -> list[Any] | None:
    """The categories in the order that the data declares: of an ordered categorical of pandas, or an enum of polars; otherwise None."""
    categorical = getattr(y, "cat", y)
    if getattr(categorical, "ordered", False) is True:
        return list(categorical.categories)
    dtype: Any = getattr(y, "dtype", None)
    # polars' Enum has categories in their order, and its Categorical a rule for it only.
    return list(dtype.categories) if str(dtype).startswith("Enum(") else None


def in_order(classes: Labels, codes: IntArray, order: list[Any] | None, loss: str) -> tuple[Labels, IntArray]:
    """Classes and codes in the order that the data declares, or in their own where they are numbers or dates.

    Raises ValueError for text whose order nobody has declared: the alphabet knows nothing of low and high.
    """
    if order is None:
        if classes.dtype.kind in "OUST" and any(isinstance(label, str | bytes) for label in classes.tolist()):
            listed = ", ".join(shown(label) for label in classes[:4])
            raise ArgumentError(
                f"loss={loss!r} takes classes that have an order, and text has none: say it, as in"
                f" y = pd.Categorical(y, categories=[{listed}{', ...' if len(classes) > 4 else ''}], ordered=True) with the lowest first,"
                " or give numbers"
            )
        return classes, codes
    place = {label: rank for rank, label in enumerate(order)}
    ranks = np.argsort([place[label] for label in classes.tolist()], kind="stable")
    return classes[ranks], np.argsort(ranks)[codes]


def find_classes(labels: Labels) -> tuple[Labels, IntArray]:
    """(the K classes, sorted, and the place of each label among them). Raises ValueError for one class only, and for mixed types."""
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        first = labels[0]
        other = int(next(i for i, value in enumerate(labels) if not _comparable(first, value)))
        raise ArgumentTypeError(
            f"labels of y are of several types: {first!r} in row 0 is {type(first).__name__}, {labels[other]!r} in row {other} is"
            f" {type(labels[other]).__name__}; make them one, say text by y.astype(str)"
        ) from None
    if len(classes) < 2:
        raise DataError(f"y holds one class only, {shown(classes[0])}: a classifier needs rows of at least two classes")
    return classes, np.asarray(codes.reshape(-1), dtype=np.int64)


def check_known(labels: Labels, classes: Labels, rows: IntArray) -> None:
    """Raises ValueError for a label that is none of the classes. rows (n,): what to call the labels' rows."""
    known = set(classes.tolist())
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        if label not in known:
            listed = ", ".join(shown(one) for one in classes[:6]) + (", ..." if len(classes) > 6 else "")
            raise DataError(f"y holds {label!r} in row {row}, which is no class of the fit: those are {listed}")


def weights_of_classes(class_weight: Any, classes: Labels, codes: IntArray, weights: Array | None) -> Array | None:
    """What ``class_weight=`` gives each class, (K,); None for none. weights (n,): of the rows, or None.

    "balanced" is total / (K times the class's total), as in scikit-learn. Raises ValueError for names that are no class.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ArgumentError(f'class_weight must be "balanced" or a dict from classes to weights, not {class_weight!r}')
        totals = np.bincount(codes, weights, minlength=len(classes)).astype(np.float64)
        if not (totals > 0).all():
            raise DataError(f"class {shown(classes[int(np.argmin(totals))])} has no weight to balance")
        return np.asarray(totals.sum() / (len(classes) * totals))
    if not isinstance(class_weight, Mapping):
        raise ArgumentTypeError(f'class_weight must be "balanced" or a dict from classes to weights, not {class_weight!r}')
    known = classes.tolist()
    unknown = [label for label in class_weight if label not in known]
    # Rows of one fold may lack a class; a name beside all that there are is no slip.
    if unknown and any(label not in class_weight for label in known):
        raise ArgumentError(f"class_weight names {unknown[0]!r}, which is no class: y holds {', '.join(map(shown, classes[:6]))}")
    found = np.array([class_weight.get(label, 1.0) for label in known], dtype=np.float64)
    if not np.isfinite(found).all() or (found < 0).any():
        wrong = int(np.flatnonzero(~(np.isfinite(found) & (found >= 0)))[0])
        raise ArgumentError(f"class_weight of {shown(classes[wrong])} is {found[wrong]:g}; weights are finite and zero or more")
    return found


def shown(label: Any) -> str:
    """A label in a message, without NumPy's dress."""
    return repr(label.item()) if isinstance(label, np.generic) and not isinstance(label, np.datetime64 | np.timedelta64) else repr(label)


def _missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas' NA is neither equal to itself nor different
        return True


def _comparable(first: Any, other: Any) -> bool:
    try:
        first < other  # noqa: B015
    except TypeError:
        return False
    return True


def _warn_of_column() -> None:
    """As scikit-learn warns, by its own class where it is loaded."""
    words = "A column-vector y was passed when a 1d array was expected; its labels are taken. Give y.ravel()"
    known = sys.modules.get("sklearn.exceptions")
    warn(words, GradlineWarning if known is None else known.DataConversionWarning)
