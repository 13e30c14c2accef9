"""The columns after ``|`` of a formula, and those of the clusters beside them, read with the rows of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array, IntArray
from gradline.formulas.absorbed import AbsorbedTerm
from gradline.preparing.table_clusters import Labels, ReadsRows, comparable, labels_of_columns, without_dictionary
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.levelled import HeldNumbers, RowNumbers
from gradline.tables.beside import write_together
from gradline.tables.encoders import RowValues
from gradline.tables.rows import TableRows
from gradline.tables.sources.columns import argument, plain_or_quoted
from gradline.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

MOST_HELD = 2**23
"""Numbers that are held in memory, 64 MiB; rows of more are read anew at each pass."""

DENSE_RANGE = 4
"""Times as many whole numbers as there are labels among them: up to there a code is looked up, and not searched for."""


@dataclass(frozen=True, eq=False)
class ColumnCodes:
    """labels (L,): of a column, sorted. codes: each row's place among them."""

    labels: Labels
    codes: RowNumbers


@dataclass(frozen=True, eq=False)
class AbsorbedColumns:
    """What was read beside the rows, by column: codes of categories and of clusters, and numbers of slopes."""

    terms: tuple[AbsorbedTerm, ...]
    clusters: tuple[str, ...]
    codes: dict[str, ColumnCodes]
    numbers: dict[str, RowNumbers]


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


class AbsorbedReader:
    """The columns after ``|`` of a table, read with the rows of a fit.

    A row that lacks an absorbed level is left out, as one that lacks any other column.
    """

    def __init__(self, source: ReadsRows, terms: tuple[AbsorbedTerm, ...], clusters: tuple[str, ...]) -> None:
        self.source, self.terms, self.clusters = source, terms, clusters
        self._coded = list(dict.fromkeys([*(name for term in terms for name in term.columns), *clusters]))
        self._slopes = list(dict.fromkeys(name for term in terms for name in term.slopes))
        self._labels = labels_of_columns(source.table, self._coded)
        for term in terms:
            for name in term.columns:
                if not len(self._labels[name]):
                    raise term.wrong(f"column {name!r} is missing in every row")
        plain = source.rows()
        self._n_targets = plain.n_targets
        finders = tuple((name, LabelPlaces(labels)) for name, labels in self._labels.items())
        self.rows = source.rows(targets=_Beside(plain.targets, (), (), tuple(dict.fromkeys([*self._coded, *self._slopes]))))
        """The rows without what lies beside them, from which those are left out that lack any of it."""
        self._beside = source.rows(targets=_Beside(plain.targets, finders, tuple(self._slopes)))

    def in_memory(self) -> tuple[ArrayRows, AbsorbedColumns] | None:
        """(the rows as arrays, what lies beside them); None where there are too many. Raises ArgumentError for a row without a cluster."""
        held = self._beside.as_arrays(MOST_HELD)
        if held is None:
            return None
        self._check_clusters(self._beside)
        self.rows = self._beside
        beside = held.targets[:, self._n_targets :]
        held.targets = np.ascontiguousarray(held.targets[:, : self._n_targets])
        coded = len(self._coded)
        codes = [HeldNumbers(beside[:, place].astype(np.int32)) for place in range(coded)]
        numbers = [HeldNumbers(np.ascontiguousarray(beside[:, coded + place])) for place in range(len(self._slopes))]
        return held, self._found(codes, numbers)

    def in_passes(self) -> AbsorbedColumns:
        """What lies beside the rows, in the order in which they are read, by one pass. Raises as ``in_memory``."""
        self._check_clusters(self.rows)
        coded, q = len(self._coded), self._n_targets
        parts = ([*values[:, q:].T] for values in self._beside.iterate(_TargetsOfRows()))
        found = write_together(parts, [np.int32] * coded + [np.float64] * len(self._slopes))
        return self._found(found[:coded], found[coded:])

    def _found(self, codes: Sequence[RowNumbers], numbers: Sequence[RowNumbers]) -> AbsorbedColumns:
        held = {name: ColumnCodes(self._labels[name], own) for name, own in zip(self._coded, codes, strict=True)}
        return AbsorbedColumns(self.terms, self.clusters, held, dict(zip(self._slopes, numbers, strict=True)))

    def _check_clusters(self, rows: TableRows) -> None:
        lost = [name for name in self.clusters if rows.rows_dropped.get(name)]
        if lost and lost[0] not in columns_read(self.terms):
            count = rows.rows_dropped[lost[0]]
            raise ArgumentError(
                f"the group {lost[0]!r} is missing in {count:,} row{'' if count == 1 else 's'} of {self.source.table.name}: every row"
                f" belongs to a cluster; leave such rows out, as in {argument('where', plain_or_quoted(lost[0]) + ' IS NOT NULL')}"
                ", or give each a label of its own"
            )


@dataclass(frozen=True)
class _TargetsOfRows:
    """The targets of each row."""

    def map(self, block: Block) -> Array:
        return block.targets


@dataclass(frozen=True, eq=False)
class LabelPlaces:
    """Finds values among sorted labels that hold them all. table: the place of each whole number from the first label on, where these
    lie close together."""

    labels: Labels
    table: IntArray | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        labels, table = self.labels, None
        if len(labels) and labels.dtype.kind in "iu":
            low, high = int(labels[0]), int(labels[-1])
            if high - low < DENSE_RANGE * len(labels) and low > -(2**62) and high < 2**62:
                table = np.zeros(high - low + 1, dtype=np.int32)
                table[labels.astype(np.int64) - low] = np.arange(len(labels), dtype=np.int32)
        object.__setattr__(self, "table", table)

    def of(self, values: Labels) -> IntArray:
        """(m,): the values' places."""
        if self.table is not None and values.dtype.kind in "iu":
            return self.table[values.astype(np.int64) - int(self.labels[0])]
        return np.searchsorted(self.labels, values)


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
    """Targets, then places among labels, then numbers as they are. needed: further columns that no row may lack."""

    targets: RowValues
    labels: tuple[tuple[str, LabelPlaces], ...]
    numbers: tuple[str, ...]
    needed: tuple[str, ...] = ()

    @property
    def columns(self) -> Sequence[str]:
        return tuple(dict.fromkeys([*self.targets.columns, *(name for name, _ in self.labels), *self.numbers, *self.needed]))

    @property
    def n_values(self) -> int:
        return self.targets.n_values + len(self.labels) + len(self.numbers)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        targets = self.targets.values(batch, first_row)
        parts: list[Any] = [known.of(comparable(without_dictionary(batch.column(name)))) for name, known in self.labels]
        parts += [_as_numbers(batch.column(name)) for name in self.numbers]
        return np.concatenate([targets, np.stack(parts, axis=1)], axis=1) if parts else targets


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
