"""How a column is asked of a database, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradline.tables.sources.columns import quoted

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Selected:
    """A column of a query. sql: what is asked for, under the column's name. type: what it becomes.

    nan_is_missing: a text that is no number, as in PostgreSQL's numeric, stands for a missing value, since decimals have none for it.
    perhaps_whole: integers may come as float64, which holds no more than 53 bits of them.
    """

    name: str
    sql: str
    type: pa.DataType
    nan_is_missing: bool = False
    perhaps_whole: bool = False
    exact: str = ""
    """What is asked for where the column is only to be copied: its text."""

    def as_text(self) -> Selected:
        """The column as text, where that keeps more digits."""
        import pyarrow as pa

        return Selected(self.name, self.exact, pa.string()) if self.exact else self

    def convert(self, array: pa.Array) -> pa.Array:
        """The values as they came to those of the type."""
        import pyarrow as pa
        import pyarrow.compute as compute

        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if self.nan_is_missing:
            array = compute.if_else(compute.equal(array, "nan"), None, array)
        return array if array.type.equals(self.type) else array.cast(self.type)


def as_they_come(schema: pa.Schema, ask: Callable[[str], Any]) -> list[Selected]:
    """Columns as the driver gives them."""
    return [Selected(field.name, quoted(field.name), field.type) for field in schema]
