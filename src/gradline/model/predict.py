"""Predictions of a model for new rows: arrays here, tables in ``predict_table``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.base.types import Array
from gradline.design.dense import is_sparse
from gradline.model.outputs import Outputs, points
from gradline.rows.array_checks import as_columns, check_finite, select_columns
from gradline.rows.arrays import design_of
from gradline.rows.labels import check_same_labels, of_arguments

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster
    from gradline.model.intervals import IntervalPrediction
    from gradline.model.record import Model


def predict(
    model: Model,
    data: Any,
    kind: Literal["mean", "linear"],
    unseen: Literal["error", "reference", "missing"],
    offset: Any,
    interval: Literal["confidence", "prediction"] | None,
    level: float | None,
    calibration: Any,
    weight: float | None,
    cluster: Cluster | None = None,
) -> Array | float | IntervalPrediction:
    """See :meth:`gradline.Fit.predict`."""
    if cluster is not None:
        if model.encoder is None:
            raise ArgumentTypeError("cluster= goes with a table, and with a model fitted with a formula, which reads one")
        from gradline.cluster.cluster import on_cluster

        data = on_cluster(data, cluster)
    # NumPy counts a memoryview among the scalars, whatever its dimensions.
    if np.isscalar(data) and np.ndim(data) == 0 and not isinstance(data, str):
        # Predicting for one new x is the most natural first question.
        one: Any = predict(model, np.array([data]), kind, unseen, offset, interval, level, calibration, weight)
        answer: float | IntervalPrediction = (
            one[0] if interval is None else one._replace(prediction=one.prediction[0], lower=one.lower[0], upper=one.upper[0])
        )
        return answer
    if kind not in ("mean", "linear"):
        raise InferenceError(f'kind must be "mean" or "linear", not {kind!r}')
    if interval is None:
        for keyword, value in (("level", level), ("calibration", calibration), ("weight", weight)):
            if value is not None:
                raise InferenceError(f'{keyword}= goes with interval="confidence" or interval="prediction"')
        return _squeezed(predict_outputs(model, data, points(model, kind), unseen, offset))
    from gradline.model.intervals import as_result, interval_outputs

    outputs = interval_outputs(model, kind, interval, 0.95 if level is None else level, calibration, weight)
    return as_result(predict_outputs(model, data, outputs, unseen, offset), outputs)


def predict_outputs(model: Model, data: Any, outputs: Outputs, unseen: Any, offset: Any) -> Array:
    """(n, width): one row for each row of the data, NaN where a value is missing."""
    if model.encoder is not None:
        from gradline.model.predict_table import predict_table

        if offset is not None:
            raise ArgumentTypeError("offset= goes with a model fitted to arrays; of a formula it is a part, and is read from the table")
        return predict_table(model, model.encoder, data, outputs, unseen)
    if unseen != "error":
        raise InferenceError(f"unseen={unseen!r} goes with a model fitted with a formula; this one has no levels")
    # One layout in memory, whichever the solver left: the order of sums, and so the last bit, could depend on it.
    coefficients = np.ascontiguousarray(model.solution.coefficients)
    design = design_of(_columns(model, data), model.has_intercept)
    predictors = design.predict(coefficients)
    if offset is not None:
        from gradline.preparing.from_arrays import as_offset

        check_same_labels(of_arguments(data=data, offset=offset))
        n, k = predictors.shape
        given = np.full(n, offset) if np.ndim(offset) == 0 else offset
        predictors += as_offset(given, n, k, constant=model.loss_function.intercept_only)
    elif "offset" in model.row_columns:
        raise InferenceError("the model was fitted with offset=, which is a part of it: give that of the new rows, offset=..., or offset=0")
    missing = np.asarray(np.isnan(predictors).any(axis=1))
    if not missing.any():
        return outputs(design, predictors)
    full = np.full((len(predictors), outputs.width), np.nan)
    kept = np.flatnonzero(~missing)
    if len(kept):
        full[kept] = outputs(design.take(kept), predictors[kept])
    return full


def _columns(model: Model, data: Any) -> Array:
    expected = model.names[int(model.has_intercept) :]
    # The columns of a frame are found by name, so that others, text among them, do not matter.
    values = as_columns(select_columns(data, expected) if model.named else data, "data", sparse=True).values
    if values.shape[1] != len(expected):
        hint = ""
        if values.shape == (len(expected), 1) and np.ndim(data) == 1:
            shown = ", ".join(f"{value:g}" for value in values[:3, 0]) + (", ..." if len(expected) > 3 else "")
            hint = f"; for one row of {len(expected)} values give a list of rows, [[{shown}]]"
        has = "1 column" if values.shape[1] == 1 else f"{values.shape[1]} columns"
        raise InferenceError(f"data has {has}, but the model was fitted to {len(expected)}: {', '.join(expected)}{hint}")
    if is_sparse(values):
        check_finite(values, "data", expected, missing=True)
        return values
    finite = np.asarray(values, dtype=np.float64)
    infinite = np.isinf(finite)
    if infinite.any():
        check_finite(np.where(infinite, finite, 0.0), "data", expected)
    return finite


def _squeezed(array: Array) -> Array:
    return array[:, 0] if array.shape[1] == 1 else array
