"""The columns after ``|`` of a formula, and those of the clusters beside them, read with the rows of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array, IntArray
from gradline.formulas.absorbed import AbsorbedTerm
from gradline.preparing.table_clusters import Labels, ReadsRows, comparable, labels_of, without_dictionary
from gradline.rows.arrays import ArrayRows
from gradline.tables.encoders import RowValues
from gradline.tables.rows import TableRows
from gradline.tables.sources.columns import argument, plain_or_quoted
from gradline.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NUMBERS = 2**28
"""Held in memory, 2 GiB, where levels are absorbed: the rows are gone over many times."""


@dataclass(frozen=True)
class ColumnCodes:
    """labels (L,): of a column, sorted. codes (n,): each row's place among them."""

    labels: Labels
    codes: IntArray


@dataclass(frozen=True, eq=False)
class AbsorbedColumns:
    """What was read beside the rows, by column: codes of categories and of clusters, and numbers of slopes (n,)."""

    terms: tuple[AbsorbedTerm, ...]
    clusters: tuple[str, ...]
    codes: dict[str, ColumnCodes]
    numbers: dict[str, Array]

    @property
    def group_codes(self) -> IntArray | None:
        """The codes of the clusters, (n, ways)."""
        return np.stack([self.codes[name].codes for name in self.clusters], axis=1) if self.clusters else None


def columns_read(terms: Sequence[AbsorbedTerm]) -> list[str]:
    """The columns of the terms, each once."""
    return list(dict.fromkeys(name for term in terms for name in (*term.columns, *term.slopes)))


def check_terms(table: Table, terms: Sequence[AbsorbedTerm]) -> None:
    """Raises FormulaError for columns that are not there or are of no use: numbers with a fraction as levels, or no numbers as slopes."""
    for term in terms:
        term.check(table.columns)
        table.check_columns([*term.columns, *term.slopes])
        for name in term.columns:
            _refuse_fractions(table, term, name)
        for name in term.slopes:
            if table.columns[name] not in ("number", "boolean"):
                raise term.wrong(f"column {name!r} holds {table.columns[name]}, and a slope of each level needs numbers")


def read_absorbed(
    source: ReadsRows, terms: tuple[AbsorbedTerm, ...], clusters: tuple[str, ...]
) -> tuple[TableRows, ArrayRows, AbsorbedColumns]:
    """(the table's rows, the same in memory, what was read beside them).

    A row that lacks an absorbed level is left out, as one that lacks any other column. Raises ArgumentError for a row without its cluster,
    and where the rows are too many to be held.
    """
    coded = list(dict.fromkeys([*(name for term in terms for name in term.columns), *clusters]))
    slopes = list(dict.fromkeys(name for term in terms for name in term.slopes))
    labels = {name: labels_of(source.table, name) for name in coded}
    for term in terms:
        for name in term.columns:
            if not len(labels[name]):
                raise term.wrong(f"column {name!r} is missing in every row")
    plain = source.rows()
    rows = source.rows(targets=_Beside(plain.targets, tuple(labels.items()), tuple(slopes)))
    held = rows.as_arrays(MOST_NUMBERS)
    if held is None:
        raise ArgumentError(
            f"{source.table.name} is too large for absorbed levels: its rows are held in memory, and at most {MOST_NUMBERS:,} numbers are."
            " Read fewer rows with where=, name fewer columns, or, for one category of many levels in squared loss without absorbing, write"
            " C(firm) for it"
        )
    lost = [name for name in clusters if rows.rows_dropped.get(name)]
    if lost and lost[0] not in columns_read(terms):
        raise ArgumentError(
            f"the group {lost[0]!r} is missing in {rows.rows_dropped[lost[0]]:,} rows of {source.table.name}: every row belongs to a"
            f" cluster; leave such rows out, as in {argument('where', plain_or_quoted(lost[0]) + ' IS NOT NULL')}"
            ", or give each a label of its own"
        )
    q = plain.n_targets
    beside = held.targets[:, q:]
    held.targets = np.ascontiguousarray(held.targets[:, :q])
    codes = {name: ColumnCodes(labels[name], beside[:, place].astype(np.int64)) for place, name in enumerate(coded)}
    numbers = {name: np.ascontiguousarray(beside[:, len(coded) + place]) for place, name in enumerate(slopes)}
    return rows, held, AbsorbedColumns(terms, clusters, codes, numbers)


def codes_among(labels: Labels, column: pa.Array) -> IntArray:
    """Each value's place among sorted labels, -1 where it is missing and -2 where it is none of them."""
    plain = without_dictionary(column)
    present = plain.is_valid().to_numpy(zero_copy_only=False)
    found = np.full(len(plain), -1, dtype=np.int64)
    values = comparable(plain.filter(plain.is_valid()))
    if (values.dtype.kind == "U") != (labels.dtype.kind == "U"):
        found[present] = -2
        return found
    places = np.minimum(np.searchsorted(labels, values), max(len(labels) - 1, 0))
    found[present] = np.where(labels[places] == values, places, -2) if len(labels) else -2
    return found


@dataclass(frozen=True)
class _Beside:
    """Targets, then codes of labels, then numbers as they are."""

    targets: RowValues
    labels: tuple[tuple[str, Labels], ...]
    numbers: tuple[str, ...]

    @property
    def columns(self) -> Sequence[str]:
        return tuple(dict.fromkeys([*self.targets.columns, *(name for name, _ in self.labels), *self.numbers]))

    @property
    def n_values(self) -> int:
        return self.targets.n_values + len(self.labels) + len(self.numbers)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        parts: list[Any] = [np.searchsorted(known, comparable(without_dictionary(batch.column(name)))) for name, known in self.labels]
        parts += [_as_numbers(batch.column(name)) for name in self.numbers]
        return np.concatenate([self.targets.values(batch, first_row), np.stack(parts, axis=1)], axis=1)


def _as_numbers(column: pa.Array) -> Array:
    return np.asarray(without_dictionary(column).cast("double").to_numpy(zero_copy_only=False), dtype=np.float64)


def _refuse_fractions(table: Table, term: AbsorbedTerm, name: str) -> None:
    """Raises FormulaError for a column of numbers with fractions: its values are measured, not labels."""
    import pyarrow as pa

    kind = table.schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise ArgumentTypeError(f"column {name!r} holds {kind}, which tells no levels apart")
    if not pa.types.is_floating(kind):
        return
    first = 0
    for batch in table.batches([name]):
        values = without_dictionary(batch.column(0)).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(~np.isnan(values) & (values != np.floor(values)))
        if wrong.size:
            raise term.wrong(
                f"column {name!r} holds numbers with fractions (row {first + int(wrong[0])}: {values[wrong[0]]:g}), which are no levels:"
                f" put it before the |, group its values, or give each level its own slope in it, as in | firm[{name}]"
            )
        first += batch.num_rows
