"""The state pass: what a formula must know about all rows before the first one can be encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.categories import MOST_LEVELS, as_levels, check_levels, check_not_numbers, codes_of, sort_levels
from gradline.formulas.columns import BatchColumns, as_text
from gradline.formulas.contrasts import Level
from gradline.formulas.errors import FormulaError
from gradline.formulas.expressions import Learned, Node, as_column, columns_of, evaluate, walk
from gradline.formulas.factors import CategoricalFactor, Kinds, ReadFactor
from gradline.formulas.learner import Learner, State
from gradline.formulas.lengths_of_time import Length, is_length, lengths, written

if TYPE_CHECKING:
    import pyarrow as pa


class Table(Protocol):
    """Tabular data that can be read again: what ``gradline.tables.table`` gives."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Names to kinds: "number", "text", "boolean", "category", "date", "other"."""

    @property
    def n_rows(self) -> int | None:
        """Rows, where that is known without reading them."""

    def batches(self, columns: Sequence[str]) -> Iterable[pa.RecordBatch]:
        """One pass over the given columns."""

    def levels(self, column: str, limit: int) -> Sequence[Any]:
        """The column's distinct values, in the order of the columns they will be. Raises ValueError for more than ``limit``."""


def learn_states(nodes: Iterable[Node], table: Table, kinds: Kinds) -> dict[str, State]:
    """The state of every transform that learns, by its normal form. Transforms of transforms wait for the inner ones; what can be learned
    at the same time is learned in the same pass, which reads the columns concerned and no others. Raises FormulaError."""
    waiting = {part.key: part for node in nodes for part in walk(node) if isinstance(part, Learned)}
    states: dict[str, State] = {}
    active: dict[str, tuple[Learned, Learner]] = {}
    while waiting or active:
        for key, node in list(waiting.items()):
            if all(part.key in states for part in walk(node.argument) if isinstance(part, Learned)):
                del waiting[key]
                learner = TRANSFORMS[node.transform].learner(node.settings, key)
                if learner is None:
                    states[key] = {}
                else:
                    active[key] = node, learner
        if not active:
            continue
        needed = sorted({column for node, _ in active.values() for column in columns_of(node.argument)})
        for batch in _read(table, needed, kinds):
            for node, learner in active.values():
                values = as_column(evaluate(node.argument, batch, states), batch.n_rows)
                finite = np.isfinite(values)
                learner.update(values[finite if values.ndim == 1 else finite.all(axis=1)])
        for key, (_, learner) in list(active.items()):
            state = learner.finish()
            if state is not None:
                states[key] = state
                del active[key]
    return states


def learn_levels(factors: Iterable[ReadFactor], table: Table, kinds: Kinds, states: Mapping[str, State]) -> dict[str, tuple[Level, ...]]:
    """The levels of every categorical factor, by its name. Raises FormulaError for none, too many, and numbers that came as text."""
    found: dict[str, tuple[Level, ...]] = {}
    by_column: dict[str, tuple[Level, ...]] = {}
    for factor in factors:
        if not isinstance(factor, CategoricalFactor) or factor.name in found:
            continue
        if factor.declared is not None:
            found[factor.name] = as_levels(factor.declared)
            continue
        if isinstance(factor.argument, str):
            column = factor.argument
            if column not in by_column:
                by_column[column] = _column_levels(column, table, kinds)
            levels = by_column[column]
            if factor.implied:
                check_not_numbers(
                    levels,
                    column,
                    lambda texts, column=column: _first_of(texts, column, table),  # type: ignore[misc]
                    lambda texts, column=column: _share_of(texts, column, table),  # type: ignore[misc]
                )
        else:
            levels = _expression_levels(factor.argument, table, kinds, states)
        check_levels(levels, factor.name, table.n_rows)
        try:
            factor.contrast.reference_of(levels)
        except FormulaError as error:
            raise FormulaError(f"{factor.name}: {error}") from None
        found[factor.name] = levels
    return found


def _column_levels(column: str, table: Table, kinds: Kinds) -> tuple[Level, ...]:
    if kinds[column] in ("number", "text", "boolean", "category"):
        return as_levels(table.levels(column, MOST_LEVELS))
    # Dates are levels as they are written out, here and when rows are encoded.
    values: set[Any] = set()
    sizes: set[Length] = set()
    for batch in _read(table, [column], kinds):
        array = batch.arrow(column)
        if is_length(array.type):
            sizes.update(length for length in lengths(array) if length is not None)
        else:
            values.update(as_text(array).unique().to_pylist())
        if len(values) + len(sizes) > MOST_LEVELS:
            break
    return (*(written(length) for length in sorted(sizes)), *sort_levels(values))


def _first_of(texts: Sequence[str], column: str, table: Table) -> tuple[int, str]:
    """The first row in which the column holds one of the texts, and which."""
    first = 0
    for batch in table.batches([column]):
        codes = codes_of(batch.column(0), texts)
        found = np.flatnonzero(codes >= 0)
        if found.size:
            return first + int(found[0]), texts[codes[found[0]]]
        first += batch.num_rows
    raise AssertionError("a level is a value of some row")


def _share_of(texts: Sequence[str], column: str, table: Table) -> float:
    """The share of the rows with a value in which the column holds one of the texts."""
    held, present = rows_holding(texts, column, table)
    return held / max(present, 1)


def rows_holding(texts: Sequence[str], column: str, table: Table) -> tuple[int, int]:
    """(The rows in which the column holds one of the texts, those in which it is not missing.) One pass."""
    held = present = 0
    for batch in table.batches([column]):
        held += int(np.count_nonzero(codes_of(batch.column(0), texts) >= 0))
        present += batch.num_rows - batch.column(0).null_count
    return held, present


def _expression_levels(node: Node, table: Table, kinds: Kinds, states: Mapping[str, State]) -> tuple[Level, ...]:
    values: set[Any] = set()
    for batch in _read(table, columns_of(node), kinds):
        missing = np.zeros(batch.n_rows, dtype=np.bool_)
        for column in columns_of(node):
            gone = batch.missing(column)
            missing |= gone if gone is not None else False
        found = np.asarray(evaluate(node, batch, states))
        values.update(np.unique(found[~missing]).tolist())
        if len(values) > MOST_LEVELS:
            break
    return sort_levels(values)


def _read(table: Table, columns: Sequence[str], kinds: Kinds) -> Iterator[BatchColumns]:
    first = 0
    for batch in table.batches(list(columns)):
        if batch.num_rows:
            yield BatchColumns(batch, kinds, first)
        first += batch.num_rows
