"""Quantities worked out: averaged over rows in one pass, or for each row, with what their errors are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import GradlineError, InferenceError
from gradline.base.types import Array
from gradline.effects.columns import distinct
from gradline.effects.passes import CompleteRows, ReadAgain
from gradline.effects.quantities import Forecast, Quantity, Slope
from gradline.inference.covariance.estimate import Covariance

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CELLS = 10_000
"""Groups of rows that are averaged each by itself."""


@dataclass(frozen=True, eq=False)
class Values:
    """values (N, Q, c): of Q quantities of c outputs in N groups of rows, or N rows. images (N, Q, c, r): their derivatives in the
    coefficients times the factor of the covariance, so that the covariance of any two is the product of their images. draws (R, N, Q, c):
    the values at other coefficients, where a bootstrap gave some. keys: what the groups are."""

    values: Array
    images: Array
    keys: list[tuple[Any, ...]]
    counts: Array
    draws: Array | None = None


@dataclass
class _Cell:
    weight: float
    values: Array
    gradient: Array
    draws: Array | None


def averages(
    forecast: Forecast,
    rows: ReadAgain,
    quantities: Sequence[Quantity],
    by: Sequence[str],
    covariance: Covariance,
    replications: Array | None = None,
) -> Values:
    """The mean of each quantity over the rows of each group of ``by``: one pass that holds a gradient a group. replications (R, P, k):
    further coefficients to take the means at. Raises InferenceError where no row has all its values."""

    def job(found: CompleteRows) -> dict[tuple[Any, ...], _Cell]:
        return _cells(forecast, found, quantities, by, replications)

    total: dict[tuple[Any, ...], _Cell] = {}
    for cells in rows.over(job, 1 if replications is None else len(replications)):
        for key, cell in cells.items():
            held = total.get(key)
            if held is None:
                total[key] = cell
                continue
            held.weight += cell.weight
            held.values += cell.values
            held.gradient += cell.gradient
            if held.draws is not None:
                assert cell.draws is not None
                held.draws += cell.draws
        if len(total) > MOST_CELLS:
            raise InferenceError(f"by={list(by)!r} makes more than {MOST_CELLS:,} groups; group the rows by a column of few values")
    if not total:
        raise InferenceError("no row of data has all the values that the model needs, so there is nothing to average over")
    keys = sorted(total, key=lambda key: tuple((str(type(part)), part) for part in key))
    weights = np.array([total[key].weight for key in keys])
    values = np.array([total[key].values / total[key].weight for key in keys])
    gradient = np.array([total[key].gradient / total[key].weight for key in keys])
    factors = covariance.factors if forecast.places is None else covariance.factors[:, forecast.places]
    held_still = np.where(np.isnan(factors), 0.0, factors)
    images = np.einsum("nqakc,akr->nqcr", gradient, held_still)
    draws = None
    if replications is not None:
        draws = np.stack([np.asarray(total[key].draws) / total[key].weight for key in keys], axis=1)
    return Values(values, images, keys, weights, draws)


def _cells(
    forecast: Forecast, found: CompleteRows, quantities: Sequence[Quantity], by: Sequence[str], replications: Array | None
) -> dict[tuple[Any, ...], _Cell]:
    """Sums of a batch. A gradient is (Q, k, P, c)."""
    batch = found.batch
    if not batch.num_rows:
        return {}
    keys, owner = _groups(batch, by)
    share = np.zeros((batch.num_rows, len(keys)))
    share[np.arange(batch.num_rows), owner] = found.counts
    values, gradients, draws = [], [], []
    for quantity in quantities:
        value: Any = 0.0
        gradient: Any = 0.0
        drawn: Any = 0.0
        for weights, rows in quantity.parts(batch, forecast.encoder):
            outcome = forecast.outcome(rows)
            factor = share if weights is None else share * weights[:, None]
            value = value + factor.T @ outcome.values
            m, c, k = outcome.slopes.shape
            spread = (factor[:, :, None, None] * outcome.slopes[:, None]).reshape(m, -1)
            flat = outcome.design.adjoint(np.ascontiguousarray(spread))
            gradient = gradient + flat.reshape(flat.shape[0], len(keys), c, k).transpose(1, 3, 0, 2)
            if replications is not None:
                drawn = drawn + np.einsum("mn,smc->nsc", factor, forecast.value(rows, replications))
        values.append(value)
        gradients.append(gradient)
        draws.append(drawn)
    weight = share.sum(axis=0)
    cells = {}
    for i, key in enumerate(keys):
        at = None if replications is None else np.stack([one[i] for one in draws], axis=1)
        cells[key] = _Cell(float(weight[i]), np.array([v[i] for v in values]), np.array([g[i] for g in gradients]), at)
    return cells


def _groups(batch: pa.RecordBatch, by: Sequence[str]) -> tuple[list[tuple[Any, ...]], np.ndarray[Any, Any]]:
    """(the groups of the rows, the place of each row's among them)."""
    keys: list[tuple[Any, ...]] = [()]
    owner = np.zeros(batch.num_rows, dtype=np.int64)
    for name in by:
        levels, codes = distinct(batch.column(name))
        joined = owner * len(levels) + codes
        used, owner = np.unique(joined, return_inverse=True)
        keys = [(*keys[int(place) // len(levels)], levels[int(place) % len(levels)]) for place in used]
    return keys, owner


def row_values(
    forecast: Forecast,
    batch: pa.RecordBatch,
    quantities: Sequence[Quantity],
    covariance: Covariance,
    replications: Array | None = None,
    first_row: int = 0,
) -> Values:
    """Each quantity for each row of a batch without missing values. Where the formula has no value on one side of a row, as at an end of a
    spline, a slope is that of the other side."""
    factors = covariance.factors if forecast.places is None else covariance.factors[:, forecast.places]
    held_still = np.where(np.isnan(factors), 0.0, factors)
    values, images, draws = [], [], []
    for quantity in quantities:
        value, image, drawn = _of_rows(forecast, batch, quantity, held_still, replications, first_row)
        values.append(value)
        images.append(image)
        draws.append(drawn)
    counts = np.ones(batch.num_rows)
    at = None if replications is None else np.stack([np.asarray(drawn) for drawn in draws], axis=2)
    return Values(np.stack(values, axis=1), np.stack(images, axis=1), [()] * batch.num_rows, counts, at)


def _of_rows(
    forecast: Forecast, batch: pa.RecordBatch, quantity: Quantity, factors: Array, replications: Array | None, first_row: int
) -> tuple[Array, Array, Array | None]:
    try:
        return _summed(forecast, batch, quantity, factors, replications, first_row)
    except GradlineError:
        slope = quantity.slope
        if slope is None or np.isfinite(slope.low) or np.isfinite(slope.high):
            raise
        if batch.num_rows > 1:
            rows = [_of_rows(forecast, batch.slice(i, 1), quantity, factors, replications, first_row + i) for i in range(batch.num_rows)]
            drawn = None if replications is None else np.concatenate([np.asarray(row[2]) for row in rows], axis=1)
            return np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows]), drawn
        for sided in _sides(batch, quantity, slope, forecast):
            try:
                return _summed(forecast, batch, sided, factors, replications, first_row)
            except GradlineError:
                continue
        raise


def _sides(batch: pa.RecordBatch, quantity: Quantity, slope: Slope, forecast: Forecast) -> list[Quantity]:
    """The same slope from above and from below."""
    from dataclasses import replace

    from gradline.formulas.columns import BatchColumns

    altered = next(iter(Quantity(quantity.fixed, quantity.moved).parts(batch, forecast.encoder)))[1]
    value = float(BatchColumns(altered, forecast.encoder.kinds).numbers(slope.column)[0])
    return [replace(quantity, slope=replace(slope, low=value)), replace(quantity, slope=replace(slope, high=value))]


def _summed(
    forecast: Forecast, batch: pa.RecordBatch, quantity: Quantity, factors: Array, replications: Array | None, first_row: int
) -> tuple[Array, Array, Array | None]:
    value: Any = 0.0
    image: Any = 0.0
    drawn: Any = 0.0
    for weights, rows in quantity.parts(batch, forecast.encoder):
        outcome = forecast.outcome(rows, first_row)
        scale = 1.0 if weights is None else weights[:, None]
        value = value + scale * outcome.values
        for a in range(outcome.slopes.shape[2]):
            slopes = scale * outcome.slopes[:, :, a]
            image = image + slopes[:, :, None] * outcome.design.predict(factors[a])[:, None, :]
        if replications is not None:
            drawn = drawn + (scale if weights is None else weights[None, :, None]) * forecast.value(rows, replications)
    return value, image, drawn if replications is not None else None
