"""Clusters named by columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.inference.covariance.clusters import Groups, HeldGroups, ReadGroups
from gradline.rows.block import Block
from gradline.rows.protocol import Rows
from gradline.tables.chunks import run
from gradline.tables.encoders import RowValues
from gradline.tables.passes import Chunk, Reading
from gradline.tables.rows import TableRows
from gradline.tables.sources.columns import argument, plain_or_quoted
from gradline.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


LABEL_ROWS = 2**18
"""Rows whose labels are looked at together."""

Labels = np.ndarray[tuple[int], np.dtype[Any]]
"""Sorted, each once."""


def group_columns(groups: Any) -> tuple[str, ...]:
    """The one or two columns that ``groups=`` names. Raises TypeError for anything else."""
    names = (groups,) if isinstance(groups, str) else tuple(groups) if isinstance(groups, list | tuple) else ()
    if len(names) not in (1, 2) or not all(isinstance(name, str) for name in names):
        what = f"and this is {type(groups).__name__}; put labels into the table first"
        raise ArgumentTypeError(f"groups= names one or two columns where the data is a table, {what}")
    return names


class ReadsRows(Protocol):
    """A table from which rows are made, with other targets where these are asked for."""

    @property
    def table(self) -> Table: ...

    def rows(self, n_predictors: int = 1, *, missing: Any = None, targets: RowValues | None = None) -> TableRows: ...


@dataclass(frozen=True)
class ClusterColumns:
    """The columns of a table whose values tell its clusters."""

    source: ReadsRows
    names: tuple[str, ...]

    def groups(self, rows: Rows, n_predictors: int) -> Groups:
        """The clusters of the rows of a fit: their labels are learned in a pass, then read with the rows; where these are in memory, so are
        the labels' codes. Raises ValueError for a row of the fit whose label is missing, naming it."""
        labels = [labels_of(self.source.table, name) for name in self.names]
        plain = self.source.rows(n_predictors)
        labelled = self.source.rows(n_predictors, targets=_Labelled(plain.targets, self.names, tuple(labels)))
        if labelled.n_rows < rows.n_rows:
            self._refuse_missing(n_predictors, rows.n_rows - labelled.n_rows)
        if rows.resident:
            return HeldGroups(labelled.map(_CodesKernel(rows.n_targets)).astype(np.int64))
        return ReadGroups(labelled, rows.n_targets, tuple(len(found) for found in labels))

    def _refuse_missing(self, n_predictors: int, count: int) -> None:
        rows, first = self.source.rows(n_predictors, missing="keep"), 0
        for used, batch in rows.iterate_with(_UsedKernel(), self.names):
            gone = np.zeros(batch.num_rows, dtype=np.bool_)
            for column in batch.columns:
                gone |= without_dictionary(column).is_null().to_numpy(zero_copy_only=False)
            wrong = np.flatnonzero(gone & (used[:, 0] == 1.0))
            if wrong.size:
                where = f"row {first + int(wrong[0])} of {self.source.table.name}"
                raise ArgumentError(
                    f"the group of {where} is missing ({count:,} in all): every row belongs to a cluster; leave such rows out, as in"
                    f" {argument('where', plain_or_quoted(self.names[0]) + ' IS NOT NULL')}, or give each a label of its own"
                )
            first += batch.num_rows


@dataclass(frozen=True)
class _Labelled:
    """Targets with the codes of the labels after them."""

    targets: RowValues
    names: tuple[str, ...]
    labels: tuple[Labels, ...]

    @property
    def columns(self) -> Sequence[str]:
        return tuple(dict.fromkeys([*self.targets.columns, *self.names]))

    @property
    def n_values(self) -> int:
        return self.targets.n_values + len(self.names)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        codes = [
            np.searchsorted(known, comparable(without_dictionary(batch.column(name))))
            for name, known in zip(self.names, self.labels, strict=True)
        ]
        return np.concatenate([self.targets.values(batch, first_row), np.stack(codes, axis=1)], axis=1)


@dataclass(frozen=True)
class _CodesKernel:
    n_targets: int

    def map(self, block: Block) -> Array:
        return block.targets[:, self.n_targets :]


class _UsedKernel:
    """1 for a row that is used."""

    def map(self, block: Block) -> Array:
        return np.ones((block.n_rows, 1))


def labels_of(table: Table, name: str) -> Labels:
    """The different values of a column, sorted: one pass that holds nothing else."""
    return labels_of_columns(table, [name])[name]


def labels_of_columns(table: Table, names: Sequence[str]) -> dict[str, Labels]:
    """The same of several columns, in one pass."""
    if not names:
        return {}
    parts: dict[str, list[Labels]] = {name: [] for name in names}
    settled = dict.fromkeys(names, 0)
    for found in run(table, _LabelsJob(tuple(names)), Reading(tuple(dict.fromkeys(names)), LABEL_ROWS)):
        for name, own in parts.items():
            own += found[name]
            # Merged when they have doubled, so that no label is sorted more often than the logarithm of their number.
            if sum(map(len, own)) > 2 * settled[name]:
                parts[name] = [_distinct(np.concatenate(own))]
                settled[name] = len(parts[name][0])
    return {name: _distinct(np.concatenate(own)) for name, own in parts.items()}


def _distinct(values: Labels) -> Labels:
    """Each value once, in order: by sorting, which on runs that are sorted already is several times as fast as by a hash table."""
    found = np.sort(values, kind="stable")
    first = np.ones(len(found), dtype=np.bool_)
    first[1:] = found[1:] != found[:-1]
    return found[first]


@dataclass(frozen=True)
class _LabelsJob:
    """The different values of some columns of a chunk, a batch at a time, sorted."""

    names: tuple[str, ...]

    name = "labels"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return ()

    def __call__(self, chunk: Chunk) -> dict[str, list[Labels]]:
        found: dict[str, list[Labels]] = {name: [] for name in self.names}
        for batch in chunk.batches:
            for name, own in found.items():
                column = without_dictionary(batch.column(name))
                # Arrow finds the different values without sorting the rest.
                own.append(np.sort(comparable(column.filter(column.is_valid()).unique())))
        return found


def comparable(column: pa.Array) -> Labels:
    """Values without nulls as NumPy numbers, or as texts where they are none."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_date32(kind) or pa.types.is_time32(kind):
        column = column.cast(pa.int32())
    elif pa.types.is_temporal(kind):
        column = column.cast(pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=np.str_)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def without_dictionary(column: pa.Array) -> pa.Array:
    """A column without a dictionary, missing numbers as nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column
