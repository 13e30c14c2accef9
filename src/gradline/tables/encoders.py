"""From the columns of an Arrow batch to a design, targets and offsets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradline.base.errors import ArgumentTypeError
from gradline.base.types import Array
from gradline.design.dense import DenseDesign, Design
from gradline.tables.sources.arrow import as_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.tables.table import Table


class Encoder(Protocol):
    """What makes a design of a batch. The batch holds ``columns`` and perhaps others, and no missing value in any of them."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the table it reads."""

    @property
    def n_columns(self) -> int:
        """P, the intercept included."""

    @property
    def intercept(self) -> bool: ...

    @property
    def names(self) -> Sequence[str]:
        """(P,): what messages call the design columns."""

    @property
    def numeric_columns(self) -> Sequence[str]:
        """Those of ``columns`` that it reads as float64, which are checked to hold numbers."""

    @property
    def row_numbers(self) -> int:
        """How many numbers its design holds a row: P, or fewer where a categorical is kept as codes."""

    def design(self, batch: pa.RecordBatch, first_row: int = 0) -> Design:
        """m rows by P columns. first_row: the number of the batch's first row in the table, for messages."""


class RowValues(Protocol):
    """Numbers a row, such as targets or offsets, made of a batch without missing values."""

    @property
    def columns(self) -> Sequence[str]: ...

    @property
    def n_values(self) -> int: ...

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        """(m, n_values) float64. first_row: the number of the batch's first row in the table, for messages."""


@dataclass(frozen=True)
class PlainEncoder:
    """Numeric columns as they are, after the intercept if there is one."""

    features: tuple[str, ...]
    intercept: bool = True

    def __init__(self, features: Sequence[str], intercept: bool = True) -> None:
        object.__setattr__(self, "features", tuple(features))
        object.__setattr__(self, "intercept", bool(intercept))

    @property
    def columns(self) -> tuple[str, ...]:
        return self.features

    @property
    def n_columns(self) -> int:
        return len(self.features) + int(self.intercept)

    @property
    def numeric_columns(self) -> tuple[str, ...]:
        """All."""
        return self.features

    @property
    def row_numbers(self) -> int:
        """P: no column is kept as codes."""
        return self.n_columns

    @property
    def names(self) -> tuple[str, ...]:
        """The design columns."""
        return (("(intercept)",) if self.intercept else ()) + self.features

    def design(self, batch: pa.RecordBatch, first_row: int = 0) -> DenseDesign:
        # Columns stay columns: copying each is three times faster than weaving them into rows, and products take either order.
        values = np.empty((len(self.features), batch.num_rows))
        for j, name in enumerate(self.features):
            values[j] = as_numbers(batch.column(name))
        return DenseDesign(values.T, self.intercept)


@dataclass(frozen=True)
class PlainValues:
    """Numeric columns as they are."""

    columns: tuple[str, ...]

    @property
    def n_values(self) -> int:
        return len(self.columns)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        if len(self.columns) == 1:
            return as_numbers(batch.column(self.columns[0]))[:, None]
        values = np.empty((batch.num_rows, len(self.columns)))
        for j, name in enumerate(self.columns):
            values[:, j] = as_numbers(batch.column(name))
        return values


def as_row_values(given: str | Sequence[str] | RowValues) -> RowValues:
    """A column's name, several names, or something that makes values of a batch."""
    if isinstance(given, str):
        return PlainValues((given,))
    if isinstance(given, Sequence):
        return PlainValues(tuple(given))
    return given


def check_numeric(table: Table, columns: Sequence[str], instead: Callable[[Any], str] | None = None, keyword: str = "") -> None:
    """Raises ValueError for a column that is not there, TypeError for one that holds no numbers: its first such value and row.

    instead: what else to do than to correct a text, such as the first. keyword: the argument that named the columns, for the message.
    """
    table.check_columns(columns)
    for column in columns:
        kind = table.columns[column]
        if kind in ("number", "boolean"):
            continue
        found = _first_value(table, column, kind == "text")
        if kind == "text" and found is None:
            # Without a value a text file does not tell what the column holds; the first pass says that all of it is missing.
            continue
        what = f"column {column!r} of {table.name}"
        if keyword:
            what = f"{keyword}= names {what}, which"
        shown = "" if found is None else f", {found[1]!r} in row {found[0]}"
        if kind == "text" and found is not None and not found[2]:
            raise ArgumentTypeError(
                f"{what} holds numbers written as text{shown}; convert it, say with {table.source.speech.as_double(column)}"
            )
        if kind == "text":
            other = "leave such rows out with where=" if instead is None or found is None else instead(found[1])
            advice = f"correct the value, or {other}"
            raise ArgumentTypeError(f"{what} holds text{shown}, where a number is needed; {advice}")
        if kind == "date":
            told = table.told(column)
            raise ArgumentTypeError(f"{what} holds {told.holds}{shown}, where a number is needed; {told.advice}")
        if kind == "category":
            advice = table.source.speech.as_double(column)
            raise ArgumentTypeError(
                f"{what} is a categorical{shown}, where a number is needed; make it a number in the data, say with {advice}"
            )
        raise ArgumentTypeError(f"{what} holds {table.schema.field(column).type}, where a number is needed")


def _first_value(table: Table, column: str, text: bool) -> tuple[int, Any, bool] | None:
    """(row, value, whether it is no number) of the first text that is no number, else of the first value; None where all are missing."""
    row, first = 0, None
    for batch in table.batches([column]):
        for i, value in enumerate(batch.column(0).to_pylist()):
            if value is None:
                continue
            if first is None:
                first = (row + i, value if text else str(value), False)
            if not text:
                return first
            if not _is_number(value):
                return row + i, value, True
        row += batch.num_rows
    return first


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
