"""What is asked for: columns, values to set them to, groups, and where the other columns come from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, InferenceError
from gradline.base.words import nearest
from gradline.effects.columns import ColumnFacts, ModelColumn, facts_of, find_column, same_level
from gradline.effects.passes import CompleteRows, ReadAgain, read_again
from gradline.formulas.contrasts import Contrast
from gradline.formulas.encoder import Encoder
from gradline.formulas.factors import CategoricalFactor
from gradline.tables.sources.arrow import from_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.record import Model

KINDS = ("average", "at means", "each row")

MOST_COMBINATIONS = 10_000
"""Of values in ``at``."""

Combination = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Asked:
    """columns: that the model reads. at: the values of each column that is set. by: columns whose groups are told apart."""

    columns: Mapping[str, ModelColumn]
    at: Mapping[str, tuple[Any, ...]]
    by: tuple[str, ...]

    @property
    def combinations(self) -> list[Combination]:
        """Every choice of one value a column; a single empty one where no column is set."""
        found = [tuple(zip(self.at, values, strict=True)) for values in itertools.product(*self.at.values())]
        if len(found) > MOST_COMBINATIONS:
            raise ArgumentError(f"at= makes {len(found):,} combinations of values; at most {MOST_COMBINATIONS:,} are worked out")
        return found


def read_asked(encoder: Encoder, columns: Mapping[str, ModelColumn], at: Any, by: Any) -> Asked:
    """Raises ArgumentError and InferenceError for columns that the model does not read, values that are no level, and what is no value."""
    if at is not None and not isinstance(at, Mapping):
        raise ArgumentTypeError(f'at= takes a dict of columns and values, such as {{"x1": [1, 2, 3], "g": "all"}}, not {at!r}')
    found = {}
    for asked, values in (at or {}).items():
        column = find_column(encoder, asked, columns)
        found[column.name] = _values(column, values)
    names = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    if not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(f"by= names a column, or several, not {by!r}")
    plain = tuple(_plain_name(encoder, name, columns) for name in names)
    for name in plain:
        if name in found:
            raise ArgumentError(
                f"column {name!r} is set by at= and cannot tell groups of rows apart as well: leave it out of one of the two"
            )
    return Asked(columns, found, plain)


def _plain_name(encoder: Encoder, name: str, columns: Mapping[str, ModelColumn]) -> str:
    """A factor such as C(g) by the name of its column; other columns of the data as they are."""
    return find_column(encoder, name, columns).name if name in encoder.factors and name not in columns else name


def _values(column: ModelColumn, values: Any) -> tuple[Any, ...]:
    """The values that a column is set to, each once."""
    if isinstance(values, str) and values == "all" and "all" not in column.levels:
        if not column.levels:
            raise ArgumentError(f'"all" means every level, and column {column.name!r} has none: give values, at={{{column.name!r}: [...]}}')
        return column.levels
    listed = [values] if isinstance(values, str) or np.ndim(values) == 0 else list(values)
    if not listed:
        raise ArgumentError(f"at= gives no value for column {column.name!r}")
    return tuple(dict.fromkeys(as_value(column, value) for value in listed))


def as_value(column: ModelColumn, value: Any) -> Any:
    """A value of a column: one of its levels, or a finite number. Raises ArgumentError otherwise."""
    value = value.item() if isinstance(value, np.generic) else value
    if column.levels:
        known = same_level(value, column.levels)
        if known not in column.levels:
            near = nearest(str(value), map(str, column.levels))
            shown = ", ".join(repr(level) for level in column.levels[:10]) + (", ..." if len(column.levels) > 10 else "")
            hint = f"did you mean {near[0]!r}?" if near else f"it has {shown}"
            raise ArgumentError(f"column {column.name!r} has no level {value!r}; {hint}")
        return known
    if column.is_number:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ArgumentError(f"column {column.name!r} holds numbers, and {value!r} is none")
        if not np.isfinite(value):
            raise ArgumentError(f"a value of column {column.name!r} must be finite, not {value!r}")
    return value


def reference_of(encoder: Encoder, column: ModelColumn) -> Any:
    """The level that others are compared with: the one that the formula leaves out, or else the first."""
    for factor in encoder.factors.values():
        if isinstance(factor, CategoricalFactor) and factor.argument == column.name:
            contrast: Contrast = factor.contrast
            levels = encoder.levels[factor.name]
            return levels[contrast.reference_of(levels)] if contrast.one_hot else levels[0]
    return column.levels[0]


def gather_facts(rows: ReadAgain, columns: Mapping[str, ModelColumn]) -> dict[str, ColumnFacts]:
    """What the rows hold in the columns that the model reads: one pass. Raises InferenceError where no row has all its values."""

    def job(found: CompleteRows) -> dict[str, ColumnFacts]:
        return facts_of(found.batch, rows.encoder, columns, list(columns), found.counts)

    total: dict[str, ColumnFacts] = {name: ColumnFacts() for name in columns}
    for part in rows.over(job):
        for name, facts in part.items():
            total[name].add(facts)
    if any(not facts.count > 0 for facts in total.values()):
        raise InferenceError("no row of data has all the values that the model needs")
    return total


def said_of_range(at: Mapping[str, Sequence[Any]], facts: Mapping[str, ColumnFacts]) -> list[str]:
    """A sentence for each value that lies outside of what the rows hold."""
    found = []
    for name, values in at.items():
        known = facts.get(name)
        if known is None or known.seen is not None:
            continue
        outside = [value for value in values if value < known.low or value > known.high]
        if outside:
            shown = ", ".join(f"{value:g}" for value in outside[:5]) + (", ..." if len(outside) > 5 else "")
            found.append(
                f"{name} = {shown} lies outside of the rows, which reach from {known.low:g} to {known.high:g}: the model extrapolates there"
            )
    return found


def grid(encoder: Encoder, combinations: Sequence[Combination], others: Mapping[str, Any]) -> pa.RecordBatch:
    """A row for each combination, the other columns at their values."""
    import pyarrow as pa

    names, arrays = list(encoder.feature_columns), []
    for name in names:
        values = [dict(combination).get(name, others.get(name)) for combination in combinations]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and encoder.kinds[name] == "number":
            arrays.append(from_numbers(np.array(values, dtype=np.float64)))
        else:
            arrays.append(pa.array(values))
    if not names:
        # A model of the intercept alone: a row has no column, and there are rows all the same.
        return pa.RecordBatch.from_arrays([from_numbers(np.zeros(len(combinations)))], names=["."])
    return pa.RecordBatch.from_arrays(arrays, names=names)


def rows_for(model: Model, data: Any, asked: Asked) -> ReadAgain:
    """The rows of data, with the columns that groups are told by."""
    return read_again(model, data, tuple(name for name in asked.by))
