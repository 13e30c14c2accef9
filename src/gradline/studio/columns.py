"""What is in a column: its range, what is missing, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import GradlineError
from gradline.studio.plain import number, numbers, plain
from gradline.tables.table import ColumnSummary, Table

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLED = 20_000
"""Rows that pictures of columns are drawn from; the range and what is missing are of all rows."""

BINS = 24
LEVELS = 8


def heads(table: Table) -> list[dict[str, str]]:
    """The names of all columns, with what each holds."""
    return [{"name": name, "kind": kind} for name, kind in table.columns.items()]


def describe(table: Table, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each column's facts, in two passes over those columns. Raises ValueError for a column that is not there."""
    for name in names:
        if name not in table.columns:
            table.check_columns([name])
    readable = [name for name in names if name not in table.source.unreadable]
    summaries = table.summary(readable) if readable else {}
    sample = table.sample(SAMPLED, 0, readable) if readable else None
    found = []
    for name in names:
        if name not in summaries or sample is None:
            found.append(_unreadable(table, name))
        else:
            found.append(_described(table, name, summaries[name], sample))
    return found


def _unreadable(table: Table, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "other",
        "rows": table.n_rows or 0,
        "missing": 0,
        "low": None,
        "high": None,
        "mean": None,
        "distinct": None,
        "histogram": None,
        "levels": None,
        "sampled": 0,
        "problem": str(table.source.unreadable[name]),
    }


def _described(table: Table, name: str, summary: ColumnSummary, sample: pa.Table) -> dict[str, Any]:
    kind = table.columns[name]
    column = sample.column(name)
    found: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "rows": summary.count + summary.missing,
        "missing": summary.missing,
        "low": _end(summary.minimum, kind),
        "high": _end(summary.maximum, kind),
        "mean": number(summary.mean),
        "distinct": None,
        "histogram": None,
        "levels": None,
        "sampled": sample.num_rows,
        "problem": None,
    }
    if kind == "other":
        return found
    values = column.drop_null()
    try:
        distinct = len(values.unique())
    except (NotImplementedError, GradlineError):
        return found
    found["distinct"] = distinct
    if kind == "number" and distinct > LEVELS:
        found["histogram"] = _histogram(values)
    elif kind != "date":
        found["levels"] = _levels(values)
    return found


def _end(value: Any, kind: str) -> Any:
    if value is None or kind == "number":
        return None if value is None else number(float(value))
    return plain(value)


def _histogram(values: pa.ChunkedArray) -> dict[str, list[float | None]] | None:
    import pyarrow as pa

    found = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    found = found[np.isfinite(found)]
    if not found.size:
        return None
    with np.errstate(over="ignore"):
        low, high = float(found.min()), float(found.max())
        if not np.isfinite(high - low):
            return None
    counts, edges = np.histogram(found, bins=BINS, range=(low, high) if high > low else None)
    return {"edges": numbers(edges), "counts": numbers(counts)}


def _levels(values: pa.ChunkedArray) -> list[dict[str, Any]]:
    """The commonest values, the commonest first."""
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    counted = sorted(values.value_counts().to_pylist(), key=lambda one: (-one["counts"], str(one["values"])))
    return [{"value": _text(one["values"]), "count": one["counts"]} for one in counted[:LEVELS]]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
