"""What a source of a table owes ``Table``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from gradline.tables.sources.columns import keeps_its_levels
from gradline.tables.sources.dialects import Speech

if TYPE_CHECKING:
    import pyarrow as pa


class Meter(Protocol):
    """Counts the rows that are read, from any thread."""

    def begin(self, total: int | None) -> None:
        """Another pass; total: its rows, where they are known."""

    def count(self, rows: int) -> None:
        """Add rows to those of the pass."""


class Part(Protocol):
    """A run of consecutive rows that can be read by itself, in any thread."""

    @property
    def n_rows(self) -> int: ...

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """The part's rows in order, the given columns only, about ``rows`` at a time."""


class Source(Protocol):
    """Rows under names, to be read as often as needed, in the same order each time."""

    @property
    def name(self) -> str:
        """What to call it in messages, with the article or quotes it needs."""

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def n_rows(self) -> int | None:
        """None where only reading would tell."""

    @property
    def bytes_on_disk(self) -> int | None:
        """None where nobody knows."""

    @property
    def hint(self) -> str:
        """What may be wrong where a column is not found, such as a missing header; empty where nothing looks wrong."""

    @property
    def whole_numbers(self) -> frozenset[str]:
        """Columns that hold integers although they are read as float64."""

    @property
    def categories(self) -> frozenset[str]:
        """Columns that are categories although they are read as plain numbers, or as true and false."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Columns beside those of the schema that cannot be read, such as objects, with what is wrong with each, as in "is sparse; ..."."""

    @property
    def speech(self) -> Speech:
        """What ``query=`` may say of it, for messages that advise SQL."""

    @property
    def in_one_piece(self) -> str:
        """Why other processes cannot read its parts, as in "text is read as one stream"; empty where they can: its parts then survive
        pickle, and read the rows where they lie."""

    def parts(self, rows: int) -> Sequence[Part] | None:
        """All rows as parts of at least ``rows`` rows where the source allows it, in order; None where rows come in one stream only."""

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """One pass in row order, reading the given columns only, about ``rows`` rows at a time."""

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        """A DuckDB relation with at least the given columns; all of them for None."""

    def exactly(self, columns: Sequence[str]) -> Source:
        """The source with these columns as text where, as numbers, they might lose digits: for columns that are only copied."""

    def restricted(self, columns: Sequence[str]) -> Source:
        """The source with these columns, cheaper to read where it must be copied first."""

    def source_of_levels(self, column: str) -> Source | None:
        """Where the column is a dictionary, whose levels have an order of their own: this source or one that it reads; None if nowhere."""

    def check_unchanged(self) -> None:
        """Raises ValueError where the source has visibly changed since it was opened."""


class SourceDefaults:
    """Answers of a source about which nothing special is known."""

    if TYPE_CHECKING:

        @property
        def schema(self) -> pa.Schema: ...

    @property
    def bytes_on_disk(self) -> int | None:
        return None

    @property
    def hint(self) -> str:
        return ""

    @property
    def whole_numbers(self) -> frozenset[str]:
        return frozenset()

    @property
    def categories(self) -> frozenset[str]:
        return frozenset()

    @property
    def unreadable(self) -> Mapping[str, str]:
        return {}

    @property
    def n_rows(self) -> int | None:
        return None

    @property
    def speech(self) -> Speech:
        return Speech()

    @property
    def in_one_piece(self) -> str:
        return "its rows come in one stream"

    def parts(self, rows: int) -> Sequence[Part] | None:
        return None

    def source_of_levels(self, column: str) -> Any:
        return self if keeps_its_levels(self.schema, column) else None

    def exactly(self, columns: Sequence[str]) -> Self:
        return self

    def check_unchanged(self) -> None:
        """Nothing to compare with."""
