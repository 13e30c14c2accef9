"""Whatever DuckDB reads: files through its readers, tables and queries of a DuckDB file, relations, and conditions over any source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gradline.base.errors import DataError
from gradline.tables.sources.columns import check_names, kind_of, quoted
from gradline.tables.sources.conditions import checked
from gradline.tables.sources.connections import arrow_reader
from gradline.tables.sources.dialects import Speech
from gradline.tables.sources.errors import reading
from gradline.tables.sources.paths import Files
from gradline.tables.sources.source import Source, SourceDefaults

if TYPE_CHECKING:
    import pyarrow as pa

DATA = Speech()
OF_A_QUERY = Speech(rows=None)


@dataclass(frozen=True)
class SqlSource(SourceDefaults):
    """A DuckDB relation, made anew for each pass.

    make() returns the relation on a connection that no other pass is using. Rows keep the order in which DuckDB finds them, which is the
    same each time for files and tables; a query that joins or groups needs ORDER BY for that.
    """

    name: str
    make: Callable[[], Any]
    schema: pa.Schema
    files: Files | None = None
    below: Source | None = None
    """The source that the relation reads, where it is one."""
    note: str = ""
    said: Speech = DATA
    """What ``query=`` may say of it."""
    counted: int | None = None
    """How many rows there are, where the database knows without reading them."""
    odd: Mapping[str, str] = field(default_factory=dict)
    """What ``unreadable`` says."""
    marked: frozenset[str] = frozenset()
    """Columns of files that are categories by what the files say of themselves."""

    @property
    def categories(self) -> frozenset[str]:
        return self.marked | (frozenset() if self.below is None else _categories_of(self.below, self.schema))

    @property
    def unreadable(self) -> Mapping[str, str]:
        return self.odd

    @property
    def n_rows(self) -> int | None:
        return self.counted

    @property
    def speech(self) -> Speech:
        return self.said

    @property
    def bytes_on_disk(self) -> int | None:
        if self.files is not None:
            return self.files.bytes_on_disk
        return None if self.below is None else self.below.bytes_on_disk

    @property
    def hint(self) -> str:
        return self.note if self.below is None else self.below.hint

    @property
    def whole_numbers(self) -> frozenset[str]:
        return frozenset() if self.below is None else self.below.whole_numbers & set(self.schema.names)

    @property
    def in_one_piece(self) -> str:
        return (
            "what SQL selects comes in one stream"
            if self.files is None
            else "text, and folders named as in month=1, are read as one stream"
        )

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        with reading(self.name):
            reader = arrow_reader(self.relation(columns), rows)
            try:
                yield from reader
            finally:
                # Not only when exhausted: a pass that stops early must not leave DuckDB at work.
                reader.close()

    def relation(self, columns: Sequence[str] | None = None) -> Any:
        with reading(self.name):
            relation = self.make()
            return relation if columns is None else relation.project(", ".join(map(quoted, columns)) or "1 AS nothing")

    def restricted(self, columns: Sequence[str]) -> SqlSource:
        return self

    def source_of_levels(self, column: str) -> Any:
        import pyarrow as pa

        # Of a database it is an ENUM, whose levels were declared.
        own = self if pa.types.is_dictionary(self.schema.field(column).type) else None
        if own is not None or self.below is None or column not in self.below.schema.names:
            return own
        return self.below.source_of_levels(column)

    def check_unchanged(self) -> None:
        if self.files is not None:
            self.files.check_unchanged()
        elif self.below is not None:
            self.below.check_unchanged()


def _categories_of(below: Source, schema: pa.Schema) -> frozenset[str]:
    """The categories of a source that SQL passes on under their names; one that it turns into another type is no longer one."""
    import pyarrow as pa

    plain = {field.name: field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in below.schema}
    own = {field.name for field in below.schema if kind_of(field.type) == "category"} | below.categories
    return frozenset(
        field.name for field in schema if field.name in own and field.type in (plain[field.name], below.schema.field(field.name).type)
    )


def sql_source(
    name: str, make: Callable[[], Any], *, files: Files | None = None, below: Source | None = None, note: str = "", said: Speech = DATA
) -> SqlSource:
    """A source over what ``make`` returns. Raises ValueError where the SQL is wrong or a name appears twice, OSError for files."""
    with reading(name):
        relation = make()
        if relation is None:
            raise DataError(f"{name}: the query returns no table; give one SELECT")
        names = [str(column) for column in relation.columns]
        check_names(names, name, by_sql=True)
        with arrow_reader(relation.limit(0), 1) as reader:
            schema = reader.schema
    return SqlSource(name, make, schema, files, below, note, said)


def filtered(source: Source, where: str) -> SqlSource:
    """The rows of a source for which the SQL condition holds.

    Raises ValueError for a condition that is wrong, with DuckDB's reason, and for one that reads anything but the row's columns.
    """
    name = f"{source.name} where {where}"
    try:
        condition = checked(where)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None
    found = _over(source, name, lambda: source.relation().filter(condition), source.speech)
    unread = {name: f"holds {source.schema.field(name).type}, which SQL cannot read: leave where= out" for name in source.schema.names}
    return replace(found, odd={**source.unreadable, **{name: unread[name] for name in unread if name not in found.schema.names}})


def queried(source: Source, query: str) -> SqlSource:
    """A query over a source, which it calls ``data``."""
    return _over(source, f"the query over {source.name}", lambda: source.relation().query("data", query), OF_A_QUERY)


def _over(source: Source, name: str, make: Callable[[], Any], said: Speech) -> SqlSource:
    """SQL over a source; a column that the SQL names, but that cannot be read, is refused with its reason."""
    try:
        return sql_source(name, make, below=source, said=said)
    except ValueError as error:
        for column, why in source.unreadable.items():
            if f"no column {column!r}" in str(error):
                raise DataError(f"{source.name}: column {column!r} {why}") from None
        raise
