"""Quantities that a model predicts: a prediction where some columns are set to chosen values, or its slope in a column.

Each is a weighted sum of predictions of altered rows, so that its derivatives in the coefficients are the same sum of theirs: that is the
delta method (Greene 2018, Econometric Analysis, section 4.6). A slope is the five-point formula for a first derivative, whose error goes
with the fourth power of the step; within two steps of an end of what was seen it is the formula for one side (Abramowitz and Stegun 1964,
table 25.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import Design
from gradline.formulas.columns import BatchColumns
from gradline.formulas.encoder import Encoder
from gradline.losses.protocol import Loss
from gradline.model.outputs import OutputKind, predict_linear
from gradline.tables.sources.arrow import from_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.record import Model

STEP = 1e-3
"""Of a column's spread, or of a value that is smaller: the step of a slope."""

LEAST_STEP = 1e-3
"""Of that step: where a value is near zero."""

_CENTRAL = (np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0)
_FORWARD = (np.arange(5.0), np.array([-25.0, 48.0, -36.0, 16.0, -3.0]) / 12.0)
_BACKWARD = (-_FORWARD[0], -_FORWARD[1])


@dataclass(frozen=True)
class Slope:
    """In which column. spread: of the column, None where no rows tell it. low, high: the ends of what was seen."""

    column: str
    spread: float | None = None
    low: float = -np.inf
    high: float = np.inf

    def points(self, values: Array) -> tuple[Array, Array]:
        """Where the column is evaluated, (m, 5), and the weights there, (m, 5)."""
        size = np.abs(values)
        if self.spread is not None and self.spread > 0:
            step = STEP * np.maximum(np.minimum(size, self.spread), LEAST_STEP * self.spread)
        else:
            step = STEP * np.where(size > 0, size, 1.0)
        width = self.high - self.low
        if np.isfinite(width) and width > 0:
            step = np.minimum(step, width / 8.0)
        inside = (values >= self.low) & (values <= self.high)
        below, above = inside & (values - 2.0 * step < self.low), inside & (values + 2.0 * step > self.high)
        offsets = np.where(below[:, None], _FORWARD[0], np.where(above[:, None], _BACKWARD[0], _CENTRAL[0]))
        weights = np.where(below[:, None], _FORWARD[1], np.where(above[:, None], _BACKWARD[1], _CENTRAL[1]))
        return values[:, None] + step[:, None] * offsets, weights / step[:, None]


@dataclass(frozen=True)
class Quantity:
    """fixed: columns and the value each is set to. moved: a column and what is added to it. slope: in place of the prediction itself."""

    fixed: tuple[tuple[str, Any], ...] = ()
    moved: tuple[str, float] | None = None
    slope: Slope | None = None

    def parts(self, batch: pa.RecordBatch, encoder: Encoder) -> Iterator[tuple[Array | None, pa.RecordBatch]]:
        """(weights (m,), or None for ones; the altered rows)."""
        for name, value in self.fixed:
            batch = with_column(batch, name, constant(value, batch.num_rows, encoder.kinds.get(name)))
        if self.moved is not None:
            name, by = self.moved
            batch = with_column(batch, name, from_numbers(BatchColumns(batch, encoder.kinds).numbers(name) + by))
        if self.slope is None:
            yield None, batch
            return
        points, weights = self.slope.points(BatchColumns(batch, encoder.kinds).numbers(self.slope.column))
        for j in range(points.shape[1]):
            if weights[:, j].any():
                yield weights[:, j], with_column(batch, self.slope.column, from_numbers(points[:, j].copy()))


def constant(value: Any, rows: int, kind: str | None = None) -> pa.Array:
    """A column of one value."""
    import pyarrow as pa

    if isinstance(value, bool | np.bool_):
        return pa.array([bool(value)] * rows, type=pa.bool_())
    if kind in ("number", None) and isinstance(value, int | float | np.number):
        return from_numbers(np.full(rows, float(value)))
    value = value.item() if isinstance(value, np.generic) else value
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array([value]))


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with another column in place of the one called so, or beside the others."""
    import pyarrow as pa

    names = list(batch.schema.names)
    columns = [values if own == name else batch.column(i) for i, own in enumerate(names)]
    if name not in names:
        names, columns = [*names, name], [*columns, values]
    return pa.RecordBatch.from_arrays(columns, names=names)


class Outcome(NamedTuple):
    """Of rows: values (m, c); slopes (m, c, k) in the linear predictors; design."""

    values: Array
    slopes: Array
    design: Design


@dataclass(frozen=True, eq=False)
class Forecast:
    """A model as far as predicting goes. coefficients (P, k). scale: "mean" or "linear". places: those of the model's columns that the
    encoder makes, where it does not make all."""

    encoder: Encoder
    loss: Loss
    coefficients: Array
    scale: OutputKind
    places: IntArray | None = None

    def outcome(self, batch: pa.RecordBatch, first_row: int = 0) -> Outcome:
        """Of rows that have all values. Raises as encoding does."""
        encoded = self.encoder.encode(batch, first_row, targets=False)
        predictors = encoded.design.predict(self.coefficients)
        if encoded.offset is not None:
            predictors = predictors + encoded.offset
        return Outcome(predict_linear(self.loss, predictors, self.scale), output_slopes(self.loss, predictors, self.scale), encoded.design)

    def value(self, batch: pa.RecordBatch, coefficients: Array) -> Array:
        """(R, m, c) at several coefficients (R, P, k), the rows encoded once."""
        encoded = self.encoder.encode(batch, 0, targets=False)
        coefficients = coefficients if self.places is None else coefficients[:, self.places]
        count, size, k = coefficients.shape
        together = encoded.design.predict(np.ascontiguousarray(coefficients.transpose(1, 0, 2).reshape(size, count * k)))
        predictors = together.reshape(-1, count, k).transpose(1, 0, 2)
        if encoded.offset is not None:
            predictors = predictors + encoded.offset
        flat = predict_linear(self.loss, np.ascontiguousarray(predictors).reshape(-1, k), self.scale)
        return flat.reshape(count, -1, flat.shape[1])


def forecast_of(model: Model, encoder: Encoder, scale: OutputKind) -> Forecast:
    """The model on a scale."""
    return Forecast(encoder, model.loss_function, np.ascontiguousarray(model.solution.coefficients), scale)


def without_other_columns(forecast: Forecast, columns: set[str]) -> Forecast:
    """The part of a model whose groups of columns read one of these: differences of its linear predictors are those of the whole, and
    nothing else of a row needs to be known. The offset is left out with the rest."""
    from gradline.formulas.factors import factor_columns

    encoder = forecast.encoder
    reads = {name: set(factor_columns(factor)) for name, factor in encoder.factors.items()}
    kept, places, place = [], list(range(int(encoder.intercept))), int(encoder.intercept)
    for group in encoder.groups:
        width = len(group.names)
        if any(reads[name] & columns for name, _ in group.factors):
            kept.append(group)
            places += range(place, place + width)
        place += width
    used = {name for group in kept for name, _ in group.factors}
    part = replace(
        encoder,
        groups=tuple(kept),
        factors={name: factor for name, factor in encoder.factors.items() if name in used},
        offsets=tuple(() for _ in encoder.offsets),
        mask=encoder.mask[places],
    )
    return replace(forecast, encoder=part, coefficients=np.ascontiguousarray(forecast.coefficients[places]), places=np.array(places))


def is_identity(loss: Loss, k: int) -> bool:
    """Whether a prediction is the linear predictor itself."""
    if loss.squared_scale() is not None:
        return True
    tried = np.linspace(-2.0, 3.0, 5 * k).reshape(5, k)
    try:
        found = np.asarray(loss.predict(tried), dtype=np.float64)
    except ValueError:
        return False
    return found.size == tried.size and bool(np.array_equal(found.reshape(tried.shape), tried))


def output_slopes(loss: Loss, predictors: Array, scale: OutputKind) -> Array:
    """The derivatives of each output in each linear predictor, (m, c, k): the five-point formula, unless the scale is linear."""
    m, k = predictors.shape
    if scale == "linear" or loss.squared_scale() is not None:
        return np.broadcast_to(np.eye(k), (m, k, k)).copy()
    parts = []
    for a in range(k):
        step = STEP * np.maximum(1.0, np.abs(predictors[:, a]))
        total: Any = 0.0
        for offset, weight in zip(*_CENTRAL, strict=True):
            if weight:
                moved = predictors.copy()
                moved[:, a] += offset * step
                total = total + weight * predict_linear(loss, moved, scale)
        parts.append(total / step[:, None])
    return np.stack(parts, axis=2)
