"""What a question about a fit is answered with: a table that shows itself as text and HTML, and that any data-frame library takes."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.numbers import column, probability, short
from gradline.base.types import Array
from gradline.base.written_tables import WrittenTable

MOST_SHOWN = 60
"""Rows that are written out; ``to_pandas`` and the rest have them all."""

_HEADINGS = {"standard_error": "std error", "p_value": "p", "degrees_of_freedom": "df", "residual_degrees_of_freedom": "residual df"}

_ALIKE = ("coefficient", "estimate", "lower", "upper")
"""Columns that are compared by eye, and so have one number of decimals."""


@dataclass(frozen=True, eq=False)
class ResultTable:
    """columns maps names to lists of one length, None where there is no value. ``table["estimate"]`` is a column; ``for row in table``
    gives the rows, named tuples. ``pandas.DataFrame(table)``, ``polars.DataFrame(table)``, ``pyarrow.table(table)`` and DuckDB take it as
    it is.

    title: what it is of. notes: how its numbers were found, and what a reader should know of them. level: of its intervals. words: how many
    of the first columns say what a row is of. hidden: columns that are not written out, since they say nothing here.
    """

    columns: Mapping[str, list[Any]]
    title: str = ""
    notes: tuple[str, ...] = ()
    level: float | None = None
    words: int = 1
    hidden: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, list[Any]]:
        """Column names to lists of Python values."""
        return {name: list(values) for name, values in self.columns.items()}

    def to_pandas(self) -> Any:
        """A pandas.DataFrame, NaN where there is no value. Raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame({name: _as_array(values) for name, values in self.columns.items()})

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Raises ImportError without pyarrow."""
        try:
            import pyarrow
        except ImportError:
            raise ImportError('Arrow tables need pyarrow; run: pip install "gradline[tables]"') from None
        return pyarrow.table({name: pyarrow.array(_for_arrow(values)) for name, values in self.columns.items()})

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __getitem__(self, name: str) -> list[Any]:
        return list(self.columns[name])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows, with NaN where there is no number: pandas makes its frame of them, with the names of the columns."""
        row = namedtuple("Row", self.columns, rename=True)  # type: ignore[misc]
        held = (values if _is_words(values) else [math.nan if v is None else v for v in values] for values in self.columns.values())
        return (row(*values) for values in zip(*held, strict=True))

    def __len__(self) -> int:
        """Rows."""
        return len(next(iter(self.columns.values()), []))

    def written(self) -> WrittenTable:
        """The table as texts, at most sixty rows of it."""
        texts = {name: _texts(name, values, self.columns) for name, values in self.columns.items() if name not in self.hidden}
        rows = tuple(tuple(column[i] for column in texts.values()) for i in range(min(len(self), MOST_SHOWN)))
        notes = self.notes
        if len(self) > MOST_SHOWN:
            notes = (f"... and {len(self) - MOST_SHOWN:,} rows more: to_pandas(), to_arrow() and to_dict() have them all", *notes)
        heading = tuple(self._heading(name) for name in texts)
        return WrittenTable(heading, rows, self.words, self.title, notes)

    def _heading(self, name: str) -> str:
        if self.level is not None and name in ("lower", "upper"):
            return f"{100.0 * self.level:.4g}% from" if name == "lower" else "to"
        return _HEADINGS.get(name, name)

    def to_markdown(self) -> str:
        """As Markdown."""
        return self.written().to_markdown()

    def to_latex(self) -> str:
        """As LaTeX."""
        return self.written().to_latex()

    def __str__(self) -> str:
        return self.written().to_text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.written().to_html()


def _is_words(values: list[Any]) -> bool:
    return any(isinstance(value, str | bool) for value in values)


def _as_array(values: list[Any]) -> Any:
    if _is_words(values):
        return values
    if values and all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _for_arrow(values: list[Any]) -> list[Any] | Array:
    kinds = {type(value) for value in values if value is not None}
    if not kinds and values:
        return np.full(len(values), math.nan)  # a column of numbers, whichever they would have been
    return values if len(kinds) <= 1 or kinds == {int, float} else [None if value is None else str(value) for value in values]


def _texts(name: str, values: list[Any], columns: Mapping[str, list[Any]]) -> list[str]:
    """The cells of a column."""
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    if not numbers:
        return ["" if value is None else short(value) if isinstance(value, float) else str(value) for value in values]
    shown = [math.nan if value is None else float(value) for value in values]
    if name == "p_value":
        texts = ["" if math.isnan(value) else probability(value) for value in shown]
    elif name in ("t", "z", "statistic"):
        texts = ["" if math.isnan(value) else f"{value:.2f}" if abs(value) < 1e5 else f"{value:.1e}" for value in shown]
    elif name in _ALIKE:
        together = [float(v) for other in _ALIKE if other in columns for v in columns[other] if v is not None and math.isfinite(v)]
        own = column([*shown, *together], 5)[: len(shown)]
        texts = ["" if math.isnan(value) else text for value, text in zip(shown, own, strict=True)]
    elif all(value is None or isinstance(value, int) for value in values):
        texts = ["" if value is None else f"{value}" for value in values]
    elif name == "standard_error":
        texts = ["" if math.isnan(value) else text for value, text in zip(shown, column(shown, 4), strict=True)]
    else:
        texts = ["" if math.isnan(value) else short(value) for value in shown]
    return texts
