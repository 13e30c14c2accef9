"""Names in the one form that formulas are read in, Unicode's composed one (NFC): macOS, and what is made there, may write "ö" as an "o" and
two dots."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradline.tables.sources.columns import check_names, quoted
from gradline.tables.sources.dialects import Speech
from gradline.tables.sources.errors import reading
from gradline.tables.sources.source import Part, Source

if TYPE_CHECKING:
    import pyarrow as pa


def composed(name: str) -> str:
    """The name in its composed form."""
    return unicodedata.normalize("NFC", name)


def composed_names(given: Any) -> Any:
    """A name, or a list of them, composed; anything else as it is, for whoever checks it."""
    if isinstance(given, str):
        return composed(given)
    if isinstance(given, list | tuple):
        return type(given)(composed_names(part) for part in given)
    return given


def is_composed(names: Iterable[str]) -> bool:
    """Whether all names are in their composed form, as nearly all are."""
    return all(unicodedata.is_normalized("NFC", name) for name in names)


def with_composed_names(source: Source) -> Source:
    """The source, its columns called by composed names. Raises ValueError for two names that are then the same."""
    names = source.schema.names
    check_names([composed(name) for name in names], source.name, by_sql=False)
    return RenamedSource(source, {composed(name): name for name in names})


@dataclass(frozen=True)
class RenamedSource:
    """A source under other names. own: the source's own name for each."""

    below: Source
    own: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.below.name

    @cached_property
    def schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([self.below.schema.field(own).with_name(name) for name, own in self.own.items()])

    @property
    def n_rows(self) -> int | None:
        return self.below.n_rows

    @property
    def bytes_on_disk(self) -> int | None:
        return self.below.bytes_on_disk

    @property
    def hint(self) -> str:
        return self.below.hint

    @property
    def whole_numbers(self) -> frozenset[str]:
        return frozenset(name for name, own in self.own.items() if own in self.below.whole_numbers)

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(name for name, own in self.own.items() if own in self.below.categories)

    @property
    def unreadable(self) -> Mapping[str, str]:
        return {composed(name): why for name, why in self.below.unreadable.items()}

    @property
    def speech(self) -> Speech:
        return self.below.speech

    @property
    def in_one_piece(self) -> str:
        return self.below.in_one_piece

    def parts(self, rows: int) -> Sequence[Part] | None:
        parts = self.below.parts(rows)
        return None if parts is None else [RenamedPart(part, self.own) for part in parts]

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self.below.batches([self.own[name] for name in columns], rows):
            yield batch.rename_columns(list(columns))

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        names = list(self.own if columns is None else columns)
        relation = self.below.relation(None if columns is None else [self.own[name] for name in names])
        with reading(self.name):
            return relation.project(", ".join(f"{quoted(self.own[name])} AS {quoted(name)}" for name in names))

    def exactly(self, columns: Sequence[str]) -> Source:
        return RenamedSource(self.below.exactly([self.own[name] for name in columns]), self.own)

    def restricted(self, columns: Sequence[str]) -> Source:
        own = {name: self.own[name] for name in columns}
        return RenamedSource(self.below.restricted(list(own.values())), own)

    def source_of_levels(self, column: str) -> Source | None:
        found = self.below.source_of_levels(self.own[column])
        return None if found is None else found if is_composed(found.schema.names) else with_composed_names(found)

    def check_unchanged(self) -> None:
        self.below.check_unchanged()


@dataclass(frozen=True)
class RenamedPart:
    """A run of rows under other names."""

    below: Part
    own: Mapping[str, str]

    @property
    def n_rows(self) -> int:
        return self.below.n_rows

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self.below.batches([self.own[name] for name in columns], rows):
            yield batch.rename_columns(list(columns))


def composed_sql(text: str) -> str:
    """The SQL with its names composed; what stands in single quotes is values, and stays as it is."""
    return re.sub(r"'(?:[^']|'')*'|[^']+", lambda part: part[0] if part[0].startswith("'") else composed(part[0]), text)
