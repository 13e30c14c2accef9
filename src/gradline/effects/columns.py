"""The columns that a model reads: which are numbers and which have levels, and what a table says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.words import nearest
from gradline.formulas.columns import BatchColumns
from gradline.formulas.encoder import Encoder
from gradline.formulas.factors import CategoricalFactor

if TYPE_CHECKING:
    import pyarrow as pa

_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
"""How a truth value may have been written where a reader of files made one of it."""

MOST_LEVELS_COUNTED = 100_000
"""Different values of a category that are counted for its commonest."""


@dataclass(frozen=True)
class ModelColumn:
    """name. levels: those it was fitted with, in order; empty for numbers. is_number: whether it is a number that can be moved a little."""

    name: str
    levels: tuple[Any, ...] = ()
    is_number: bool = True


@dataclass
class ColumnFacts:
    """What the rows hold in a column: count, mean, sum of squares about it, least and largest of numbers; how often each level occurs."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    seen: Counter[Any] | None = None

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count > 0 else 0.0

    @property
    def commonest(self) -> Any:
        """The level of most rows; of several the first in order."""
        assert self.seen is not None
        most = max(self.seen.values())
        return min((level for level, count in self.seen.items() if count == most), key=lambda level: (str(type(level)), level))

    def add(self, other: ColumnFacts) -> None:
        """Chan, Golub and LeVeque (1979)."""
        total = self.count + other.count
        if other.count > 0 and other.seen is None:
            shift = other.mean - self.mean
            self.squares += other.squares + shift * shift * self.count * other.count / total
            self.mean += shift * other.count / total
        self.count = total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if other.seen is not None:
            self.seen = other.seen if self.seen is None else self.seen + other.seen


def model_columns(encoder: Encoder) -> dict[str, ModelColumn]:
    """The columns that predicting needs, by name."""
    levels: dict[str, tuple[Any, ...]] = {}
    for factor in encoder.factors.values():
        if isinstance(factor, CategoricalFactor) and isinstance(factor.argument, str):
            levels[factor.argument] = tuple(dict.fromkeys([*levels.get(factor.argument, ()), *encoder.levels[factor.name]]))
    found = {}
    for name in encoder.feature_columns:
        kind = encoder.kinds[name]
        if name in levels:
            found[name] = ModelColumn(name, levels[name], False)
        elif kind == "boolean":
            found[name] = ModelColumn(name, (False, True), False)
        else:
            found[name] = ModelColumn(name, (), kind == "number")
    return found


def find_column(encoder: Encoder, asked: str, columns: Mapping[str, ModelColumn]) -> ModelColumn:
    """The column called so, or the one of a categorical factor called so. Raises InferenceError for one that the model does not read."""
    if not isinstance(asked, str):
        raise InferenceError(f"name a column of the model, such as {next(iter(columns), 'x')!r}, not {asked!r}")
    name = asked.strip()
    if name in columns:
        return columns[name]
    unquoted = name.strip("`")
    if unquoted in columns:
        return columns[unquoted]
    factor = encoder.factors.get(name)
    if factor is None and name.replace(" ", "") in (close := {own.replace(" ", ""): own for own in encoder.factors}):
        factor = encoder.factors[close[name.replace(" ", "")]]
    if isinstance(factor, CategoricalFactor) and isinstance(factor.argument, str):
        return columns[factor.argument]
    if name in encoder.target_names:
        raise InferenceError(f"{name!r} is what the model predicts; effects are of the columns it reads: {', '.join(columns)}")
    near = nearest(name, columns)
    hint = f"did you mean {near[0]!r}?" if near else f"it reads {', '.join(columns) or 'no column at all'}"
    raise InferenceError(f"the model has no column {name!r}; {hint}")


def facts_of(
    batch: pa.RecordBatch, encoder: Encoder, columns: Mapping[str, ModelColumn], names: Sequence[str], weights: Array
) -> dict[str, ColumnFacts]:
    """Of the rows of a batch, none of which lacks a value; weights (m,)."""
    reader = BatchColumns(batch, encoder.kinds)
    found = {}
    for name in names:
        if columns[name].is_number:
            values, total = reader.numbers(name), float(weights.sum())
            used = values[weights > 0]
            mean = float(weights @ values / total) if total > 0 else 0.0
            squares = float(weights @ np.square(values - mean))
            found[name] = ColumnFacts(total, mean, squares, float(used.min(initial=np.inf)), float(used.max(initial=-np.inf)))
        else:
            found[name] = ColumnFacts(float(weights.sum()), seen=_counted(reader, name, columns[name], weights))
    return found


def _counted(reader: BatchColumns, name: str, column: ModelColumn, weights: Array) -> Counter[Any]:
    values, codes = distinct(reader.arrow(name))
    counts = np.bincount(codes, weights, len(values))
    if len(values) > MOST_LEVELS_COUNTED:
        raise InferenceError(
            f"column {name!r} has more than {MOST_LEVELS_COUNTED:,} values; give the ones of interest, at={{{name!r}: [...]}}"
        )
    return Counter({same_level(value, column.levels): float(count) for value, count in zip(values, counts, strict=True) if count > 0})


def distinct(array: pa.Array) -> tuple[list[Any], np.ndarray[Any, Any]]:
    """(the different values, the place of each row's among them) of a column without nulls."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    coded = array.dictionary_encode()
    return coded.dictionary.to_pylist(), np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def same_level(value: Any, levels: Sequence[Any]) -> Any:
    """The level that a value is, whatever its type in this table; the value itself where it is none of them."""
    if value in levels:
        return levels[list(levels).index(value)]
    if isinstance(value, str) and tuple(levels) == (False, True):
        return _TRUTHS.get(value.strip().lower(), value)
    text = str(value)
    return next((level for level in levels if str(level) == text), value)
