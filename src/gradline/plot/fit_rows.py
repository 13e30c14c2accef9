"""The rows behind a picture of a fit, from arrays or from a table, and the band around what is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, GradlineError
from gradline.base.types import Array
from gradline.formulas.formula import Encoder, FormulaError
from gradline.inference.intervals import check_level
from gradline.model.outputs import points
from gradline.model.predict import predict
from gradline.model.predict_table import check_kinds, encoder_of, predict_table
from gradline.plot import style
from gradline.plot.examples import Examples
from gradline.plot.examples import predictions as predictions_of
from gradline.tables.batches import picked
from gradline.tables.table import Table, open_table

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.record import Model

BandKind = Literal["auto", "confidence", "prediction"] | None


@dataclass(frozen=True)
class FitRows:
    """Complete rows of a fit's data. inputs: the columns the model reads; values (m, inputs): what they hold, None where one of them is no
    number. observed (m, q), predicted (m, c). counts (m,): how often each row counts. drawn: places of the rows to draw; remark: what the
    picture leaves out."""

    inputs: tuple[str, ...]
    values: Array | None
    observed: Array
    predicted: Array
    counts: Array
    remark: str

    @property
    def drawn(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Places of the rows drawn as points; shares are of all rows."""
        return style.sample(len(self.observed))


class Band(NamedTuple):
    """lower, upper (g, c). name: such as "95% confidence band"."""

    lower: Array
    upper: Array
    name: str


def has_probabilities(fit: Model) -> bool:
    """Whether the fit predicts the probabilities of classes, so that shares are what they are held against."""
    return fit.loss_function.target_kind in ("label", "class") and fit.loss_function.is_likelihood and len(fit.target_names) == 1


def reads_as_given(fit: Model, names: tuple[str, ...]) -> bool:
    """Whether the model reads the columns of its matrix themselves: not those of a formula that makes others of them."""
    return fit.encoder is None or tuple(fit.encoder.feature_columns) == names


def of_examples(fit: Model, examples: Examples, remark: str) -> FitRows:
    """The rows of arrays."""
    values = examples.x
    predicted = np.asarray(predict(fit, values, "mean", "error", None, None, None, None, None)) if has_probabilities(fit) else None
    predicted = predictions_of(fit, values) if predicted is None else predicted.reshape(len(values), -1)
    return FitRows(examples.x_names, values, examples.y, predicted, np.ones(len(values)), remark)


def of_table(fit: Model, data: Any, how: Mapping[str, Any]) -> FitRows:
    """A sample of a table's rows. Raises ValueError for rows none of which can be drawn, and what reading the table raises."""
    encoder, table = encoder_of(fit), open_table(data, **how)
    check_kinds(encoder, table, encoder.columns)
    frequencies = fit.row_columns.get("frequencies")
    beside = [] if fit.absorbed is None else list(fit.absorbed.columns)
    if frequencies is not None and frequencies in table.columns:
        beside.append(frequencies)
    rows = table.sample(style.MAX_POINTS, 0, list(dict.fromkeys([*encoder.columns, *beside])))
    if not rows.num_rows:
        raise ArgumentError(f"{table.name} has no rows; there is nothing to draw")
    try:
        observed, missing = _observed(encoder, rows)
        observed = fit.loss_function.observed(observed)
        if missing.all():
            raise ArgumentError(f"no row of {table.name} is complete: each misses a value, so there is nothing to draw")
        predicted = predict_table(fit, encoder, rows, points(fit, "mean"), "missing")
    except FormulaError:
        # A sample counts rows in its own way: the table's own number is found in the table.
        first = 0
        for batch in table.batches(encoder.columns):
            encoder.encode(batch, first, unseen="missing")
            first += batch.num_rows
        raise
    if np.isnan(predicted[~missing]).all():
        raise ArgumentError(
            f"every row of {table.name} has a level that was not there when the model was fitted, so there is nothing to draw"
        )
    kept = ~(missing | np.isnan(predicted).any(axis=1))
    counts = np.ones(rows.num_rows)
    if frequencies is not None and frequencies in rows.column_names:
        counts = np.nan_to_num(np.asarray(rows.column(frequencies).to_pylist(), dtype=np.float64))
        kept &= counts > 0
    inputs = tuple(encoder.feature_columns)
    # Absorbed levels are an input too, which no line or plane has an axis for.
    levels = () if fit.absorbed is None else tuple(fit.absorbed.columns)
    values = None if levels else _numbers(encoder, rows, kept)
    inputs = tuple(dict.fromkeys([*inputs, *levels]))
    return FitRows(inputs, values, observed[kept], predicted[kept], counts[kept], _remark(table, rows, kept))


def _remark(table: Table, rows: pa.Table, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    total, drawn = table.n_rows, rows.num_rows
    parts = []
    if drawn == style.MAX_POINTS and total != drawn:
        parts.append(f"{drawn:,} rows drawn" if total is None else f"{drawn:,} of {total:,} rows drawn")
    left = int(drawn - kept.sum())
    if left:
        parts.append(f"{left:,} {'row' if left == 1 else 'rows'} left out")
    return ", ".join(parts)


def _numbers(encoder: Encoder, rows: pa.Table, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> Array | None:
    """(m, inputs), None where an input is told apart by its values rather than computed with."""
    names = encoder.feature_columns
    if not names or any(encoder.kinds[name] != "number" for name in names):
        return None
    columns = [np.asarray(rows.column(name).to_pylist(), dtype=np.float64)[kept] for name in names]
    return np.column_stack(columns)


def _observed(encoder: Encoder, rows: pa.Table) -> tuple[Array, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The targets (m, q), NaN where a row misses a value, and where that is (m,)."""
    missing = np.zeros(rows.num_rows, dtype=np.bool_)
    observed, first = np.full((rows.num_rows, len(encoder.targets)), np.nan), 0
    for batch in rows.to_batches():
        gone, _ = encoder.missing(batch)
        places = np.flatnonzero(~gone)
        missing[first : first + batch.num_rows] = gone
        if len(places):
            observed[first + places] = encoder.target(picked(batch, places), first)
        first += batch.num_rows
    return observed, missing


def predict_at(fit: Model, inputs: tuple[str, ...], values: Array, interval: BandKind, level: float) -> tuple[Array, Band | None]:
    """What is predicted at values (g, inputs), (g, c), and its band, None where none was asked for or, with "auto", none can be had."""
    check_level(level)
    if interval not in ("auto", "confidence", "prediction", None):
        raise ArgumentError(f'interval must be "auto", "confidence", "prediction" or None, not {interval!r}')
    data: Any = values if fit.encoder is None else dict(zip(inputs, values.T, strict=True))
    inference = fit.inference
    if interval is None or (interval == "auto" and (inference is None or not inference.has_intervals)):
        return _reshaped(predict(fit, data, "mean", "error", None, None, None, None, None), values), None
    asked: Any = "confidence" if interval == "auto" else interval
    try:
        found: Any = predict(fit, data, "mean", "error", None, asked, level, None, None)
    except GradlineError:
        if interval != "auto":
            raise
        return predict_at(fit, inputs, values, None, level)
    lower, upper = _reshaped(found.lower, values), _reshaped(found.upper, values)
    return _reshaped(found.prediction, values), Band(lower, upper, f"{100 * level:.4g}% {asked} band")


def _reshaped(found: Any, values: Array) -> Array:
    return np.asarray(found, dtype=np.float64).reshape(len(values), -1)
