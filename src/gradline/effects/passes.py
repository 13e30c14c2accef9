"""Passes over the rows of a table as columns, not yet encoded: what changes a column and encodes it anew needs them so. Memory does not
grow with the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.formulas.encoder import Encoder
from gradline.model.predict_table import as_table, check_kinds, encoder_of
from gradline.rows.fold import CHUNK_BLOCKS, block_rows
from gradline.tables.batches import resized
from gradline.tables.chunks import run
from gradline.tables.passes import Chunk, Reading
from gradline.tables.sources.arrow import as_numbers, from_numbers, null_mask
from gradline.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.record import Model

Result = TypeVar("Result")


@dataclass(frozen=True)
class CompleteRows:
    """Rows of a batch that have all values: batch; counts (m,): how many rows each stands for; numbers (m,): theirs in the table."""

    batch: pa.RecordBatch
    counts: Array
    numbers: np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class ReadAgain:
    """A table given to a model again. extra: columns beyond the formula's that are read. targets: whether it holds the targets, whose
    missing values then leave a row out, as they did in the fit. frequencies: the column that says how many rows each stands for."""

    encoder: Encoder
    table: Table
    extra: tuple[str, ...]
    targets: bool
    frequencies: str | None
    n_predictors: int

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns that are read."""
        own = self.encoder.columns if self.targets else self.encoder.feature_columns
        found = dict.fromkeys([*own, *self.extra, *(() if self.frequencies is None else (self.frequencies,))])
        # A model of the intercept alone reads no column, but there are as many rows all the same.
        return tuple(found) or tuple(list(self.table.schema.names)[:1])

    def over(self, job: Callable[[CompleteRows], Result], held: int = 1) -> Iterator[Result]:
        """The job's result for some rows at a time, in row order. held: how many times what a block holds is worked
        out of each row."""
        block = block_rows(self.encoder.row_numbers, self.n_predictors)
        # A chunk is what a thread takes; what is worked out of its rows at a time stays near a core.
        rows, piece = CHUNK_BLOCKS * block, max(64, block // held)

        columns = Reading(self.wanted, rows)
        for results in run(self.table, _CompleteJob(self.encoder, self.extra, self.targets, self.frequencies, job, piece), columns):
            yield from results
        self.table.source.check_unchanged()


@dataclass(frozen=True)
class _CompleteJob(Generic[Result]):
    """``ReadAgain.over`` for a chunk. piece: rows that the job sees at a time."""

    encoder: Encoder
    extra: tuple[str, ...]
    targets: bool
    frequencies: str | None
    job: Callable[[CompleteRows], Result]
    piece: int

    name = "columns"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return (self.encoder,)

    def __call__(self, chunk: Chunk) -> list[Result]:
        first, found = chunk.first_row, []
        for batch in resized(chunk.batches, self.piece):
            found.append(self.job(self._complete(batch, first)))
            first += batch.num_rows
        return found

    def _complete(self, batch: pa.RecordBatch, first_row: int) -> CompleteRows:
        gone, _ = self.encoder.missing(batch, targets=self.targets)
        for name in self.extra:
            null = null_mask(batch.column(name), nan_is_null=True)
            gone = gone if null is None else gone | null
        counts = np.ones(batch.num_rows) if self.frequencies is None else as_numbers(batch.column(self.frequencies))
        if self.frequencies is not None:
            gone = gone | ~(counts > 0)
        numbers = np.arange(first_row, first_row + batch.num_rows)
        if gone.any():
            kept = np.flatnonzero(~gone)
            batch, counts, numbers = batch.take(from_numbers(kept)), counts[kept], numbers[kept]
        return CompleteRows(batch, counts, numbers)


def read_again(model: Model, data: Any, extra: Sequence[str] = ()) -> ReadAgain:
    """The rows of ``data``, as ``Fit.predict`` takes it. Raises as that does, and for a column of ``extra`` that is not there."""
    encoder = encoder_of(model)
    table = as_table(encoder, data)
    named = model.row_columns.get("frequencies")
    frequencies = named if named in table.columns else None
    targets = all(name in table.columns for name in encoder.columns)
    found = ReadAgain(encoder, table, tuple(extra), targets, frequencies, model.solution.coefficients.shape[1])
    table.check_columns(extra)
    check_kinds(encoder, table, encoder.feature_columns)
    return ReadAgain(encoder, table.restricted(list(found.wanted)), found.extra, targets, frequencies, found.n_predictors)


def refuse_offset(model: Model) -> None:
    """Raises InferenceError for a model of arrays with an offset, of which no table can hold the new values."""
    if "offset" in model.row_columns and model.encoder is None:
        raise InferenceError(
            "the model was fitted to arrays with offset=, which belongs to each row: fit it with a formula, as in y ~ x + offset(e),"
            ' or ask for scale="linear"'
        )
