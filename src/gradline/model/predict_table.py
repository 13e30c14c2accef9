"""Predictions for the rows of a table, encoded by what the formula learned: one per row, in order, NaN where an input is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.formulas.encoder import Encoder, Unseen
from gradline.model.outputs import OutputKind, Outputs, points
from gradline.preparing.from_arrays import spread_offset
from gradline.rows.array_checks import unmasked
from gradline.rows.fold import CHUNK_BLOCKS, block_rows
from gradline.tables.batches import joined, resized
from gradline.tables.chunks import run
from gradline.tables.cleaning import Tally, rounding_notes, see_whole_numbers
from gradline.tables.encoders import check_numeric
from gradline.tables.passes import Chunk, Reading
from gradline.tables.table import Table, open_table

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.absorbed import AbsorbedLevels
    from gradline.model.record import Model


def as_table(encoder: Encoder, data: Any) -> Table:
    """New rows as a table: anything ``gl.fit`` takes with a formula, or numbers (n, p) in the order of the formula's columns.

    Raises ValueError for numbers that are not as many as the columns.
    """
    needed = encoder.feature_columns
    data = unmasked(data)
    if isinstance(data, list | tuple) and data and not isinstance(data[0], str) and not hasattr(data[0], "__fspath__"):
        data = np.asarray(data)
    if isinstance(data, np.ndarray) or np.isscalar(data):
        if isinstance(data, str):
            return open_table(data)
        values = np.asarray(data)
        values = values.reshape(-1, 1) if values.ndim < 2 else values
        if values.ndim != 2 or values.shape[1] != len(needed):
            shape = "" if values.ndim != 2 else f" of {values.shape[1]} columns"
            raise InferenceError(
                f"data is an array{shape}, but the formula reads {len(needed)}: {', '.join(needed)}; give a table with these"
            )
        return open_table(dict(zip(needed, values.T, strict=True)))
    return open_table(data)


def predict_table(fit: Model, encoder: Encoder, data: Any, outputs: Outputs, unseen: Unseen) -> Array:
    """(n, c): all rows at once. Raises as :meth:`gradline.Fit.predict` does."""
    table = as_table(encoder, data)
    if not encoder.feature_columns:
        # A model of the intercept alone reads no column, but it predicts for as many rows as there are.
        table_columns: Sequence[str] = list(table.schema.names)[:1]
    else:
        table_columns = ()
    beside = () if fit.absorbed is None else fit.absorbed.columns
    table = table.restricted([*encoder.feature_columns, *beside, *table_columns])
    parts = [values for values, _ in prediction_stream(fit, encoder, table, outputs, unseen, table_columns)]
    if not parts:
        return np.empty((0, outputs.width))
    return np.concatenate(parts)


def prediction_stream(
    fit: Model, encoder: Encoder, table: Table, outputs: Outputs, unseen: Unseen = "error", keep: Sequence[str] = ()
) -> Iterator[tuple[Array, pa.RecordBatch]]:
    """Predictions (m, c) a chunk of rows at a time, in row order, beside the same rows of the columns to ``keep``: constant memory.

    Raises ValueError for a column that is absent, or of another kind than when the formula was learned, and for an unseen level.
    """
    job, reading = predict_job(fit, encoder, table, outputs, unseen, keep)
    total = Tally()
    with noticing_change(table):
        for values, kept, tally in run(table, job, reading):
            total.add(tally)
            yield values, kept
    for note in rounding_notes(total, table.name):
        warn(note)


@contextmanager
def noticing_change(table: Table) -> Iterator[None]:
    """A context in which a table is passed over. Raises where its files are not what they were, at the end and where the pass fails."""
    try:
        yield
    except (ValueError, OSError):
        # Of a file that was rewritten under it a library says whatever it stumbled over.
        table.source.check_unchanged()
        raise
    table.source.check_unchanged()


def predict_job(
    fit: Model, encoder: Encoder, table: Table, outputs: Outputs, unseen: Unseen, keep: Sequence[str]
) -> tuple[PredictJob, Reading]:
    """What predicts a chunk of the table, and what is read for it. Raises as ``prediction_stream``."""
    _check(encoder, table, unseen)
    table.check_columns(keep)
    absorbed = fit.absorbed
    beside = () if absorbed is None else absorbed.columns
    if absorbed is not None:
        absorbed.require_values("no predictions")
    table.check_columns(beside)
    coefficients = np.ascontiguousarray(fit.solution.coefficients)
    rows = CHUNK_BLOCKS * block_rows(encoder.row_numbers, coefficients.shape[1])
    job = PredictJob(
        encoder,
        coefficients,
        outputs,
        unseen,
        fit.loss_function.intercept_only,
        absorbed,
        rows,
        tuple(_numbers(encoder, encoder.feature_columns)),
        frozenset(table.whole_numbers),
        tuple(keep),
    )
    return job, Reading(tuple(dict.fromkeys([*encoder.feature_columns, *beside, *keep])), rows)


@dataclass(frozen=True)
class PredictJob:
    """Predictions for the rows of a chunk, beside the columns to ``keep``, and the integers met that lose digits.

    constant: the linear predictors that no offset enters. absorbed: levels that add to the linear predictor. rows: encoded at a time.
    numbers: columns that the formula computes with; whole: those that hold integers although they come as float64.
    """

    encoder: Encoder
    coefficients: Array
    outputs: Outputs
    unseen: Unseen
    constant: tuple[bool, ...]
    absorbed: AbsorbedLevels | None
    rows: int
    numbers: tuple[str, ...]
    whole: frozenset[str]
    keep: tuple[str, ...]

    name = "predict"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return (self.encoder,)

    def __call__(self, chunk: Chunk) -> tuple[Array, pa.RecordBatch, Tally]:
        first_row, values, kept, tally = chunk.first_row, [], [], Tally()
        for batch in resized(chunk.batches, self.rows):
            for name in self.numbers:
                see_whole_numbers(name, batch.column(name), first_row, tally, name in self.whole)
            values.append(
                _predict_batch(self.encoder, self.coefficients, batch, first_row, self.outputs, self.unseen, self.constant, self.absorbed)
            )
            kept.append(batch.select(list(self.keep)))
            first_row += batch.num_rows
        return np.concatenate(values), joined(kept), tally


def encoder_of(fit: Model) -> Encoder:
    """The encoder of a model; of one that was fitted to arrays, an encoder that takes the columns by name as they are."""
    if fit.encoder is not None:
        return fit.encoder
    from gradline.formulas.formula import plain

    features = list(fit.names[int(fit.has_intercept) :])
    targets = list(fit.target_names)
    for name in targets:
        if name in features:
            raise InferenceError(f"the model's target and one of its columns are both called {name!r}; fit it with a formula first")
    kinds = dict.fromkeys([*targets, *features], "number")
    return plain(targets, features, kinds, intercept=fit.has_intercept).learn(open_table({name: [0.0] for name in kinds}))


def output_names(fit: Model, kind: OutputKind, what: str = "prediction") -> tuple[str, ...]:
    """What to call the columns of predictions in a table, or of another part of the output."""
    count = points(fit, kind).width
    if count == 1:
        return (what,)
    names = fit.predictor_names if kind == "linear" else fit.target_names
    return tuple(f"{what}_{name}" for name in (names if len(names) == count else range(count)))


def _predict_batch(
    encoder: Encoder,
    coefficients: Array,
    batch: pa.RecordBatch,
    first_row: int,
    outputs: Outputs,
    unseen: Unseen,
    constant: tuple[bool, ...],
    absorbed: AbsorbedLevels | None,
) -> Array:
    """constant: the linear predictors that no offset enters. absorbed: levels that add to the linear predictor."""
    encoded = encoder.encode(batch, first_row, targets=False, unseen=unseen)
    predictors = encoded.design.predict(coefficients)
    if encoded.offset is not None:
        predictors += spread_offset(encoded.offset, predictors.shape[1], constant)
    design, kept = encoded.design, encoded.kept
    if absorbed is not None:
        own = absorbed.of_rows(batch, first_row, unseen)
        own = own if kept is None else own.take(kept)
        there = np.flatnonzero(~np.isnan(own.values))
        kept, own = there if kept is None else kept[there], own.take(there)
        predictors = predictors[there] + own.values[:, None]
        design = outputs.beside_levels(design.take(there), own.levels)
    if kept is None:
        return outputs(design, predictors)
    full = np.full((batch.num_rows, outputs.width), np.nan)
    if len(kept):
        full[kept] = outputs(design, predictors)
    return full


def _check(encoder: Encoder, table: Table, unseen: Unseen) -> None:
    if unseen not in ("error", "reference", "missing"):
        raise InferenceError(f'unseen must be "error", "reference" or "missing", not {unseen!r}')
    check_kinds(encoder, table, encoder.feature_columns)


def check_kinds(encoder: Encoder, table: Table, columns: Sequence[str]) -> None:
    """Raises ValueError for a column that is not there, TypeError for text or dates in one that the formula computes with."""
    table.check_columns(columns)
    check_numeric(table, _numbers(encoder, columns), lambda value: "leave such rows out")


def _numbers(encoder: Encoder, columns: Sequence[str]) -> list[str]:
    """Those of the columns that the formula computes with."""
    return [name for name in columns if encoder.kinds[name] == "number" and _numeric(encoder, name)]


def _numeric(encoder: Encoder, column: str) -> bool:
    """Whether the formula computes with the column, rather than only telling its values apart."""
    from gradline.formulas.factors import CategoricalFactor, factor_columns

    read = [*encoder.targets, *encoder.factors.values(), *(offset for part in encoder.offsets for offset in part)]
    return any(column in factor_columns(factor) for factor in read if not isinstance(factor, CategoricalFactor))
