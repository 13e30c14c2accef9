"""Dask's data frames as tables: each partition is read by the worker that has it, or that makes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gradline.base.errors import DataError
from gradline.tables.sources.columns import check_names
from gradline.tables.sources.frames import frame_source
from gradline.tables.sources.renamed import composed
from gradline.tables.sources.source import Part, Source, SourceDefaults

if TYPE_CHECKING:
    import pyarrow as pa


def is_dask_frame(given: Any) -> bool:
    """Whether it is a ``dask.dataframe``, which is not imported to tell."""
    loaded = sys.modules.get("dask.dataframe")
    return loaded is not None and isinstance(given, loaded.DataFrame)


class _Shape(NamedTuple):
    """Of a partition: its rows and columns, and those that cannot be read."""

    n_rows: int
    schema: pa.Schema
    unreadable: dict[str, str]


@dataclass(frozen=True)
class DaskPart:
    """A partition. source: what fetches it into this process; frame: its rows, where they have been brought."""

    number: int
    n_rows: int
    schema: pa.Schema = field(repr=False)
    source: DaskSource | None = field(default=None, repr=False, compare=False)
    frame: Any = field(default=None, repr=False, compare=False)

    def with_frame(self, frame: Any) -> DaskPart:
        """The part with its rows, where a task has been given them."""
        return replace(self, frame=frame)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        frame = self.frame
        if frame is None:
            assert self.source is not None
            frame = self.source.future(self.number, columns).result()
        if len(frame) != self.n_rows:
            raise DataError(
                f"{self} has {len(frame):,} rows now and had {self.n_rows:,} when they were counted: its rows are not the same each time"
                " they are made; persist() the frame, or write it as Parquet files"
            )
        found = _source_of(frame)
        for batch in found.batches(list(columns), rows):
            # A partition may hold nothing but nulls in a column, or integers where others hold fractions.
            yield batch.cast(self._wanted(columns))

    def _wanted(self, columns: Sequence[str]) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([self.schema.field(name) for name in columns])

    def __str__(self) -> str:
        return f"partition {self.number} of the Dask frame"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"source": None}


@dataclass(frozen=True)
class DaskSource(SourceDefaults):
    """A data frame of Dask's, in partitions. own: the frame's own name of each column."""

    client: Any = field(repr=False)
    frame: Any = field(repr=False)
    schema: pa.Schema
    lengths: tuple[int, ...]
    own: dict[str, Any]
    odd: dict[str, str]
    chosen: dict[tuple[str, ...], list[Any]] = field(default_factory=dict, repr=False, compare=False)
    """The partitions of the columns that were asked for last."""

    @property
    def name(self) -> str:
        return "the Dask frame"

    @property
    def in_one_piece(self) -> str:
        return ""

    @property
    def unreadable(self) -> dict[str, str]:
        return self.odd

    @property
    def n_rows(self) -> int:
        return sum(self.lengths)

    def parts(self, rows: int) -> Sequence[Part]:
        """The partitions, whatever their length, but without those that have no rows."""
        return [DaskPart(i, length, self.schema, self) for i, length in enumerate(self.lengths) if length]

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        for part in self.parts(rows):
            yield from part.batches(columns, rows)

    def future(self, number: int, columns: Sequence[str], where: Mapping[str, Any] | None = None) -> Any:
        """These columns of a partition, where the cluster has or makes it. where: what tells the client which workers make it."""
        wanted = tuple(columns)
        chosen = self.chosen.get(wanted)
        if chosen is None:
            # Dask's plan of all partitions costs as much as many of them do.
            self.chosen.clear()
            chosen = self.chosen[wanted] = self._partitions([self.own[name] for name in columns])
        return self.client.compute(chosen[number], **(where or {}))

    def _partitions(self, names: list[Any]) -> list[Any]:
        """These columns of each partition that was counted. Dask's full plan reads several files as one partition where few of their
        columns are asked for, and leaves out files where a condition says so: its partitions would be others for each choice of columns."""
        found: list[Any] = self.frame[names].simplify().to_delayed(optimize_graph=False)
        if len(found) == len(self.lengths):
            return found
        from dask import delayed

        return [delayed(_columns)(part, names) for part in _whole_partitions(self.frame)]

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        raise DataError("SQL does not read a Dask frame; select rows and columns with Dask first")

    def restricted(self, columns: Sequence[str]) -> Source:
        return self


def dask_source(frame: Any, client: Any) -> DaskSource:
    """A Dask frame as a source; its partitions are counted first. Raises DataError for partitions whose columns differ."""
    from dask import delayed

    shapes: list[_Shape] = client.gather([client.compute(delayed(_shape)(part)) for part in _whole_partitions(frame)])
    schema = _together([shape.schema for shape in shapes])
    check_names(schema.names, "the Dask frame", by_sql=False)
    own = {composed(str(name)): name for name in frame.columns}
    odd = {name: why for shape in shapes for name, why in shape.unreadable.items()}
    return DaskSource(client, frame, schema, tuple(shape.n_rows for shape in shapes), own, odd)


def _whole_partitions(frame: Any) -> list[Any]:
    """The partitions as the frame has them, each with all of its columns."""
    found: list[Any] = frame.to_delayed(optimize_graph=False)
    return found


def _columns(partition: Any, names: list[Any]) -> Any:
    return partition[names]


def _shape(partition: Any) -> _Shape:
    """The shape of a partition, on the worker that has it."""
    found = _source_of(partition)
    return _Shape(len(partition), found.schema, dict(found.unreadable))


def _source_of(frame: Any) -> Source:
    from gradline.tables.sources.renamed import with_composed_names

    found = frame_source(frame)
    if found is None:
        raise DataError(f"a partition of the Dask frame is a {type(frame).__name__}, which is no data frame")
    return with_composed_names(found)


def _together(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """One schema for all partitions: integers and fractions are fractions, nothing but nulls is what the others hold."""
    import pyarrow as pa

    names = schemas[0].names
    fields = []
    for name in names:
        kinds = []
        for number, schema in enumerate(schemas):
            if name not in schema.names:
                raise DataError(f"column {name!r} of the Dask frame is not in partition {number}, or cannot be read there")
            kinds.append(pa.schema([pa.field(name, _plain(schema.field(name).type))]))
        try:
            fields.append(pa.unify_schemas(kinds, promote_options="permissive").field(0))
        except pa.ArrowException as error:
            raise DataError(f"column {name!r} of the Dask frame is of one type in some partitions, of another elsewhere: {error}") from None
    return pa.schema(fields)


def _plain(kind: pa.DataType) -> pa.DataType:
    """A category as what it stands for: each partition may number its levels in its own way."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind
