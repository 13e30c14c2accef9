"""From clean rows of a table to blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import DataError
from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign
from gradline.rows.block import Block
from gradline.tables.batches import picked, resized
from gradline.tables.encoders import Encoder, PlainEncoder, PlainValues, RowValues
from gradline.tables.sources.arrow import as_numbers

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class CleanRun:
    """Consecutive rows without the ones that miss a value, in the pieces they arrived in.

    raw: all rows; clean: those kept, piece by piece; kept: their places among all, None for all; first_row: number of the first of all in
    the table; first_used: of the first kept among all rows that are used, or None while those are not counted.
    """

    raw: Sequence[pa.RecordBatch]
    clean: Sequence[pa.RecordBatch]
    kept: IntArray | None
    first_row: int
    first_used: int | None = None

    @property
    def n_rows(self) -> int:
        """Rows kept."""
        return sum(piece.num_rows for piece in self.clean)

    def row(self, place: int) -> int:
        """The number in the table of a kept row."""
        return self.first_row + (place if self.kept is None else int(self.kept[place]))

    def numbers(self, place: int, rows: int) -> IntArray | None:
        """The numbers in the table of consecutive kept rows, (rows,); None where no row before the last of them is left out."""
        if self.kept is not None:
            return self.first_row + self.kept[place : place + rows]
        if self.first_used in (None, self.first_row):
            return None
        return np.arange(self.first_row + place, self.first_row + place + rows)

    def pick(self, places: IntArray) -> list[pa.RecordBatch]:
        """The kept rows at these places, which rise."""
        found, start = [], 0
        for piece in self.clean:
            inside = places[np.searchsorted(places, start) : np.searchsorted(places, start + piece.num_rows)]
            found.append(picked(piece, inside - start))
            start += piece.num_rows
        return found


@dataclass(frozen=True)
class BlockMaker:
    """What turns clean rows into blocks. weights, frequencies: names of columns, or None. table: its name in messages."""

    table: str
    encoder: Encoder
    targets: RowValues
    weights: str | None
    frequencies: str | None
    offset: RowValues | None

    def blocks(self, run: CleanRun, rows: int) -> Iterator[Block]:
        """The run's rows in blocks of ``rows``; the last may be shorter. A block's ``first_row`` is its first row's number among the rows
        used, once those are counted, and in the table until then."""
        start = 0
        for batch in resized(run.clean, rows):
            yield self.block(run, batch, start)
            start += batch.num_rows

    def block(self, run: CleanRun, batch: pa.RecordBatch, start: int = 0) -> Block:
        """The block of a batch whose first row is the run's kept row ``start``.

        Raises ValueError for weights that cannot be and for infinities that a transform has made, naming the row.
        """
        first_row = run.row(start) if batch.num_rows else run.first_row
        design = self.encoder.design(batch, first_row)
        if isinstance(design, DenseDesign) and not isinstance(self.encoder, PlainEncoder):
            self._check_finite(design.values, run, start, None)
        targets = self.targets.values(batch, first_row)
        if not isinstance(self.targets, PlainValues):
            self._check_finite(targets, run, start, ("the target",) * targets.shape[1])
        return Block(
            design,
            targets,
            self._weights(batch, self.weights, "weights", run, start),
            self._weights(batch, self.frequencies, "frequencies", run, start),
            None if self.offset is None else self.offset.values(batch, first_row),
            first_row if run.first_used is None else run.first_used + start,
            run.numbers(start, batch.num_rows),
        )

    def _weights(self, batch: pa.RecordBatch, column: str | None, what: str, run: CleanRun, start: int) -> Array | None:
        if column is None:
            return None
        values = as_numbers(batch.column(column))
        wrong = values < 0 if what == "weights" else (values < 0) | (values != np.round(values))
        if wrong.any():
            i = int(np.argmax(wrong))
            need = "zero or more" if what == "weights" else "whole numbers of zero or more"
            raise DataError(f"{what} {column!r} of {self.table} is {values[i]:g} in row {run.row(start + i)}; {what} are {need}")
        return values

    def _check_finite(self, values: Array, run: CleanRun, start: int, names: Sequence[str] | None) -> None:
        """Raises ValueError for what a transform made of finite numbers, such as the logarithm of zero."""
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(values.sum()):
                return
        wrong = np.argwhere(~np.isfinite(values))
        if not wrong.size:
            return
        i, j = (int(k) for k in wrong[0])
        if names is None:
            names = self.encoder.names[int(self.encoder.intercept) :]
        raise DataError(
            f"{names[j]} is {values[i, j]:g} in row {run.row(start + i)} of {self.table};"
            " leave such rows out with where=, or use another transform"
        )
