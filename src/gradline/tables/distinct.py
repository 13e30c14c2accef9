"""The different values of a column, found by other processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from gradline.tables.passes import Chunk, Engine, Reading
from gradline.tables.sources.source import Meter, Source

ROWS = 2**18
"""Rows of a part at least."""


class Values(NamedTuple):
    """Of a chunk: values, in the order of their first rows, and the levels of a categorical, None for another column."""

    values: list[Any]
    own: list[Any] | None


@dataclass(frozen=True)
class DistinctJob:
    """most: where there are more values, which no formula takes, the rest are left out."""

    most: int

    name = "levels"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return ()

    def __call__(self, chunk: Chunk) -> Values:
        import pyarrow as pa

        values: dict[Any, None] = {}
        own: dict[Any, None] | None = None
        for batch in chunk.batches:
            column = batch.column(0)
            if pa.types.is_dictionary(column.type):
                own = {} if own is None else own
                own.update(dict.fromkeys(column.dictionary.to_pylist()))
            if len(values) <= self.most:
                values.update(dict.fromkeys(value for value in column.unique().to_pylist() if value is not None))
        return Values(list(values), None if own is None else list(own))


def distinct_values(engine: Engine, source: Source, meter: Meter | None, column: str, most: int) -> tuple[list[Any], list[Any] | None]:
    """(the values of a column, about ``most`` at most; a categorical's own levels, None for another column)."""
    values: dict[Any, None] = {}
    own: dict[Any, None] = {}
    categorical = source.source_of_levels(column) is not None
    for found in engine.run(source, meter, DistinctJob(most), Reading((column,), ROWS)):
        values.update(dict.fromkeys(found.values))
        own.update(dict.fromkeys(found.own or ()))
        if len(values) > most:
            break
    return list(values), list(own) if categorical else None
