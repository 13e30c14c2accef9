"""The columns of an Arrow batch as the arrays a formula computes with."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import DataError
from gradline.base.types import Array
from gradline.formulas.errors import suggestion
from gradline.formulas.lengths_of_time import is_length, lengths, written
from gradline.formulas.level_text import moments, same_value, truth
from gradline.tables.sources import arrow
from gradline.tables.sources.arrow import Mask, from_numbers, from_texts, null_mask

if TYPE_CHECKING:
    import pyarrow as pa


class BatchColumns:
    """Some rows of a table by column. kinds: what each column held when the formula was learned. first_row, kept: which rows of the table
    they are, for messages: the number of the batch's first row, and the rows of the batch that were taken, None for all.

    Raises ValueError for a column that is not there, and for text where a number was.
    """

    def __init__(
        self, batch: pa.RecordBatch, kinds: Mapping[str, str], first_row: int = 0, kept: np.ndarray[Any, Any] | None = None
    ) -> None:
        self.batch, self.kinds, self.first_row, self.kept = batch, kinds, first_row, kept
        self._numbers: dict[str, Array] = {}

    @property
    def n_rows(self) -> int:
        return int(self.batch.num_rows)

    def arrow(self, column: str) -> pa.Array:
        """The column as Arrow holds it."""
        place = self.batch.schema.get_field_index(column)
        if place < 0:
            names = self.batch.schema.names
            raise DataError(f"the data has no column {column!r}, which the formula needs; {suggestion(column, names, 'it has')}")
        return self.batch.column(place)

    def numbers(self, column: str) -> Array:
        if column not in self._numbers:
            array = self.arrow(column)
            if self.kinds.get(column) == "boolean":
                array = _truths(array)
            self._numbers[column] = as_numbers(
                array, column, lambda row: self.first_row + (row if self.kept is None else int(self.kept[row]))
            )
        return self._numbers[column]

    def equals(self, column: str, text: str) -> Mask:
        import pyarrow as pa
        import pyarrow.compute as compute

        array = self.arrow(column)
        texts = as_text(array)
        if not is_text(array.type) or self.kinds.get(column) in ("boolean", "date"):
            # However the data holds a day or a truth value: text is compared letter by letter only where text was.
            coded = texts.dictionary_encode()
            same = [None if value is None else same_value(value) for value in coded.dictionary.to_pylist()]
            texts = pa.DictionaryArray.from_arrays(coded.indices, pa.array(same, type=pa.string())).dictionary_decode()
            text = same_value(text)
        # A formula has its letters composed; the data may have them otherwise.
        forms = dict.fromkeys([text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))])
        found = null_mask(compute.index_in(texts, value_set=from_texts(list(forms))))
        return np.ones(self.n_rows, dtype=np.bool_) if found is None else ~found

    def missing(self, column: str) -> Mask | None:
        """Where the column is null or NaN, (m,); None where it is nowhere so."""
        import pyarrow as pa

        array = self.arrow(column)
        null = null_mask(array)
        if pa.types.is_floating(array.type):
            values = self.numbers(column)
            # A sum is a number only if every term is one: one read, and no temporary.
            if np.isnan(np.add.reduce(values)):
                not_numbers = np.isnan(values)
                return not_numbers if not_numbers.any() else null
        return null

    def taken(self, rows: np.ndarray[Any, Any]) -> BatchColumns:
        """The given rows only."""
        kept = rows if self.kept is None else self.kept[rows]
        columns = BatchColumns(self.batch.take(from_numbers(rows)), self.kinds, self.first_row, kept)
        columns._numbers = {name: values[rows] for name, values in self._numbers.items()}
        return columns


def as_numbers(array: pa.Array, column: str, row_of_table: Callable[[int], int]) -> Array:
    """An Arrow column as float64 (m,), NaN for nulls; without a copy where it is that already. Raises ValueError for text and dates."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if isinstance(array.type, pa.BaseExtensionType):
        array = as_text(array) if isinstance(array.type, pa.UuidType) else array.storage
    if any(test(array.type) for test in (types.is_floating, types.is_integer, types.is_boolean, types.is_decimal, types.is_null)):
        return arrow.as_numbers(array)
    if is_text(array.type):
        for row, value in enumerate(array.to_pylist()):
            if value is not None and not reads_as_number(value):
                raise DataError(f"column {column!r} holds the text {value!r} in row {row_of_table(row)}, where the formula needs a number")
        return np.array([np.nan if value is None else float(value) for value in array.to_pylist()])
    raise DataError(f"column {column!r} holds {array.type} values, where the formula needs numbers")


def as_text(array: pa.Array) -> pa.Array:
    """An Arrow column as text; what is no text is written out."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_length(array.type):
        return pa.array([None if length is None else written(length) for length in lengths(array)], pa.string())
    if isinstance(array.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return moments(array)
    return array if array.type == pa.string() else array.cast(pa.string())


def is_text(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type holds text, be it as a category."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow_type):
        return is_text(arrow_type.value_type)
    return bool(pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type))


def _truths(array: pa.Array) -> pa.Array:
    """A column of text as true and false, where that is all it holds; otherwise as it is."""
    import pyarrow as pa

    if not is_text(array.type):
        return array
    texts = array.to_pylist()
    values = [None if text is None else truth(text) for text in texts]
    sound = all(value is not None or text is None for value, text in zip(values, texts, strict=True))
    return pa.array(values, type=pa.bool_()) if sound else array


def reads_as_number(text: str) -> bool:
    """Whether a text is a number written out."""
    try:
        float(text)
    except ValueError:
        return False
    return True
