"""The encoder: batches of rows to designs and targets, by a formula and what was learned for it. Needs no formula parser and no pandas."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.names import INTERCEPT
from gradline.base.types import Array, IntArray
from gradline.base.words import nearest
from gradline.design.categorical import Codes
from gradline.design.dense import DenseDesign, Design
from gradline.design.stacked import StackedDesign
from gradline.formulas.categories import MISSING, UNSEEN, codes_of, value_at
from gradline.formulas.columns import BatchColumns
from gradline.formulas.contrasts import Level
from gradline.formulas.errors import FormulaError, UnseenLevelError, suggestion
from gradline.formulas.expressions import Column, LevelNumber, as_column, evaluate
from gradline.formulas.factors import BasisFactor, CategoricalFactor, NumericFactor, ReadFactor, factor_columns
from gradline.formulas.grammar import CURVES
from gradline.formulas.groups import Group, coded_part, dense_columns
from gradline.formulas.learner import State
from gradline.formulas.level_text import moment
from gradline.tables.sources.arrow import Mask, from_numbers

if TYPE_CHECKING:
    import pyarrow as pa

Unseen = Literal["error", "reference", "missing"]


@dataclass(frozen=True)
class Encoded:
    """Rows ready for a fit.

    design: of the kept rows. targets (m, q), or None where they were not asked for. offset (m, number of formulas) or None. kept: the
    places in the batch of the rows that are left, or None for all of them. dropped: how many rows each column was missing in.
    """

    design: Design
    targets: Array | None
    offset: Array | None
    kept: IntArray | None
    dropped: dict[str, int]


@dataclass(frozen=True)
class Encoder:
    """A formula with everything it has learned.

    kinds: the columns needed and what they hold. targets, factors: what is read. groups: columns of the design, the categoricals kept as
    codes last. intercept: whether the first column is the intercept. predictors: the names of the linear predictors, one a formula; ("",)
    for a single formula. mask (P, len(predictors)): which columns each uses. offsets: one list a predictor.
    """

    kinds: Mapping[str, str]
    targets: tuple[NumericFactor, ...]
    factors: Mapping[str, ReadFactor]
    groups: tuple[Group, ...]
    intercept: bool
    predictors: tuple[str, ...]
    mask: np.ndarray[Any, np.dtype[np.bool_]]
    offsets: tuple[tuple[NumericFactor, ...], ...]
    states: Mapping[str, State] = field(default_factory=dict)
    levels: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    saved: Mapping[str, Any] = field(default_factory=dict)
    """What ``to_json`` gives."""

    # ------------------------------------------------------------------------------------------------------------ what it is

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The design's columns in the user's terms, the intercept first."""
        # A column of that name must not be taken for the intercept.
        own = [f"I({name})" if name == INTERCEPT else name for group in self.groups for name in group.names]
        return (INTERCEPT, *own) if self.intercept else tuple(own)

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The term of the formula that each column belongs to, (P,): ``C(g)`` for all its levels."""
        own = [":".join(name for name, _ in group.factors) for group in self.groups for _ in group.names]
        return (INTERCEPT, *own) if self.intercept else tuple(own)

    @property
    def n_columns(self) -> int:
        """P, the intercept included."""
        return len(self.names)

    @property
    def target_names(self) -> tuple[str, ...]:
        """The q targets."""
        return tuple(target.name for target in self.targets)

    @property
    def target_levels(self) -> tuple[str, ...]:
        """What the numbers 0, 1, ... of the one target stand for, where it is text, ``C(y, levels=[...])``; else empty."""
        nodes = [target.node for target in self.targets]
        return nodes[0].levels if len(nodes) == 1 and isinstance(nodes[0], LevelNumber) else ()

    @cached_property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that predicting needs."""
        found: dict[str, None] = {}
        for factor in [*self.factors.values(), *(offset for part in self.offsets for offset in part)]:
            found.update(dict.fromkeys(factor_columns(factor)))
        return tuple(found)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that fitting needs: the targets' first."""
        found: dict[str, None] = {}
        for target in self.targets:
            found.update(dict.fromkeys(factor_columns(target)))
        return tuple({**found, **dict.fromkeys(self.feature_columns)})

    @cached_property
    def row_numbers(self) -> int:
        """Numbers a row of the design holds: what sizes a block of rows, rather than P, where categoricals are kept as codes."""
        return int(self.intercept) + sum(1 if group.coded else len(group.names) for group in self.groups)

    @property
    def has_curves(self) -> bool:
        """Whether the formula has s() or te(), whose columns come with a penalty."""
        return any(isinstance(factor, BasisFactor) and factor.node.transform in CURVES for factor in self.factors.values())

    @property
    def plain(self) -> bool:
        """Whether every column of the design is a column of the data as it is."""
        return self._plain_columns is not None

    def to_json(self) -> dict[str, Any]:
        """Everything predicting needs as plain dicts, lists, numbers and text; no rows."""
        return dict(self.saved)

    def without_intercept(self, text: str) -> Encoder:
        """The same columns but the intercept, with the formula as ``text`` has it: where absorbed levels stand for it."""
        formulas = [{**part, "text": text} for part in self.saved["formulas"]]
        first = int(self.intercept)
        return replace(self, intercept=False, mask=self.mask[first:], saved={**self.saved, "formulas": formulas})

    # -------------------------------------------------------------------------------------------------------------- encoding

    def encode(
        self, batch: pa.RecordBatch, first_row: int = 0, *, targets: bool = True, unseen: Unseen = "error", check: bool = True
    ) -> Encoded:
        """Rows without a missing value as design, targets and offset, in one go.

        first_row: the number of the batch's first row, for messages. targets: False where there are none, as when predicting. unseen: what
        to do with a level that was not there when the formula was learned: an error, taken for the reference level, or its row dropped as
        missing. check: raise FormulaError for a transform that gives no finite number, naming the row, instead of passing it on.
        """
        columns = BatchColumns(batch, self.kinds, first_row)
        fast = self._encode_plain(columns, targets)
        if fast is not None:
            return fast
        needed = self.columns if targets else self.feature_columns
        missing, dropped = _missing(columns, needed)
        codes = {name: self._codes(factor, columns, unseen, first_row) for name, factor in self._categories.items()}
        for name, found in codes.items():
            strange = found < 0
            if strange.any():
                fresh = strange if missing is None else strange & ~missing
                if fresh.any():
                    dropped[name] = dropped.get(name, 0) + int(fresh.sum())
                missing = strange if missing is None else missing | strange
        kept = None
        if missing is not None:
            kept = np.flatnonzero(~missing)
            columns, codes = columns.taken(kept), {name: found[kept] for name, found in codes.items()}
        rows = _Rows(columns, first_row, kept)
        wanted = self._targets(rows, check) if targets else None
        return Encoded(self._design(rows, codes, check), wanted, self._offset(rows, check), kept, dropped)

    def design(self, batch: pa.RecordBatch, first_row: int = 0, *, unseen: Literal["error", "reference"] = "error") -> Design:
        """The design of rows without missing values. Raises FormulaError for a missing value, an unseen level and what is not finite."""
        try:
            encoded = self.encode(batch, first_row, targets=False, unseen=unseen)
        except UnseenLevelError as error:
            # Rows that are summed up, unlike those that are predicted, have no answer without their level.
            raise error.leave_out() from None
        if encoded.kept is not None:
            column, count = next(iter(encoded.dropped.items()))
            raise FormulaError(f"column {column!r} is missing in {count:,} rows; leave out the rows that ``missing`` names first")
        return encoded.design

    def target(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        """The targets of rows without missing values, (m, q) float64."""
        return self._targets(_Rows(BatchColumns(batch, self.kinds, first_row), first_row, None), True)

    def offset(self, batch: pa.RecordBatch, first_row: int = 0) -> Array | None:
        """The sum of each formula's offset() terms, (m, len(predictors)); None where there are none."""
        return self._offset(_Rows(BatchColumns(batch, self.kinds, first_row), first_row, None), True)

    def missing(self, batch: pa.RecordBatch, *, targets: bool = True) -> tuple[Mask, dict[str, int]]:
        """Where a needed column is null or NaN, (m,), and in how many rows each column is."""
        found, counts = _missing(BatchColumns(batch, self.kinds), self.columns if targets else self.feature_columns)
        return (np.zeros(batch.num_rows, dtype=np.bool_) if found is None else found), counts

    @cached_property
    def _categories(self) -> dict[str, CategoricalFactor]:
        return {name: factor for name, factor in self.factors.items() if isinstance(factor, CategoricalFactor)}

    @property
    def implied_levels(self) -> dict[str, tuple[Level, ...]]:
        """The levels of the text columns that the formula does not wrap in C(), by column."""
        return {str(factor.argument): tuple(self.levels[name]) for name, factor in self._categories.items() if factor.implied}

    @cached_property
    def _plain_columns(self) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """The columns of the design and of the targets, if all are columns of numbers taken as they are."""
        if any(self.offsets) or any(group.coded or len(group.factors) != 1 for group in self.groups):
            return None
        chosen = [self.factors[group.factors[0][0]] for group in self.groups]
        if not all(isinstance(factor, NumericFactor) and isinstance(factor.node, Column) for factor in [*chosen, *self.targets]):
            return None
        return tuple(factor_columns(factor)[0] for factor in chosen), tuple(factor_columns(target)[0] for target in self.targets)

    def _encode_plain(self, columns: BatchColumns, targets: bool) -> Encoded | None:
        """Straight copies, where nothing is missing or infinite; None where the long way is needed."""
        if self._plain_columns is None:
            return None
        features, own = self._plain_columns
        if any(columns.arrow(name).null_count for name in (*features, *(own if targets else ()))):
            return None
        values, wanted = _side_by_side(columns, features), _side_by_side(columns, own) if targets else None
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduce(values, axis=None) + (0.0 if wanted is None else np.add.reduce(wanted, axis=None))
        if not np.isfinite(total):
            return None
        return Encoded(DenseDesign(values, self.intercept), None if wanted is None else np.ascontiguousarray(wanted), None, None, {})

    def _design(self, rows: _Rows, codes: Mapping[str, Codes], check: bool) -> Design:
        dense = [group for group in self.groups if not group.coded]
        values = np.empty((sum(len(group.names) for group in dense), rows.columns.n_rows)).T
        numbers = {name: self._numbers(factor, rows) for name, factor in self.factors.items() if not isinstance(factor, CategoricalFactor)}
        place = 0
        for group in dense:
            width = len(group.names)
            dense_columns(group, numbers, codes, values[:, place : place + width])
            place += width
        if check:
            self._check_finite(values, [(name, group) for group in dense for name in group.names], rows)
        part = DenseDesign(values, self.intercept)
        apart = tuple(coded_part(group, numbers, codes) for group in self.groups if group.coded)
        if check:
            for group, kept in zip([group for group in self.groups if group.coded], apart, strict=True):
                if kept.values is not None:
                    self._check_finite(kept.values[:, None], [(group.names[0], group)], rows)
        return StackedDesign(part, apart) if apart else part

    def _numbers(self, factor: ReadFactor, rows: _Rows) -> Array:
        """(m, c)."""
        assert isinstance(factor, NumericFactor | BasisFactor)
        found = evaluate(factor.node, rows.columns, self.states)
        return found if isinstance(factor, BasisFactor) else as_column(found, rows.columns.n_rows)[:, None]

    def _targets(self, rows: _Rows, check: bool) -> Array:
        found = np.stack([as_column(evaluate(t.node, rows.columns, self.states), rows.columns.n_rows) for t in self.targets], axis=1)
        if check:
            self._check_finite(found, [(target.name, target) for target in self.targets], rows)
        return found

    def _offset(self, rows: _Rows, check: bool) -> Array | None:
        if not any(self.offsets):
            return None
        total = np.zeros((rows.columns.n_rows, len(self.predictors)))
        for j, offsets in enumerate(self.offsets):
            for factor in offsets:
                column = as_column(evaluate(factor.node, rows.columns, self.states), rows.columns.n_rows)
                if check:
                    self._check_finite(column[:, None], [(factor.name, factor)], rows)
                total[:, j] += column
        return total

    def _codes(self, factor: CategoricalFactor, columns: BatchColumns, unseen: Unseen, first_row: int) -> Codes:
        levels = self.levels[factor.name]
        if isinstance(factor.argument, str):
            array, called = columns.arrow(factor.argument), f"column {factor.argument!r}"
        else:
            array, called = from_numbers(np.asarray(evaluate(factor.argument, columns, self.states))), factor.name
        codes = codes_of(array, levels)
        strange = np.flatnonzero(codes == UNSEEN)
        if not strange.size or unseen == "missing":
            return codes
        if unseen == "reference":
            codes[strange] = factor.contrast.reference_of(levels) if factor.contrast.one_hot else 0
            return codes
        value = value_at(array, int(strange[0]))
        shown = moment(str(value)) if isinstance(value, datetime.date) else repr(value)
        raise UnseenLevelError(
            f"{called} holds {shown} in row {first_row + int(strange[0])}, a level that was not there when the model was fitted;"
            f" {suggestion(str(value), map(str, levels), 'it had')}",
            factor.argument if isinstance(factor.argument, str) else None,
            value,
        )

    def _check_finite(self, values: Array, named: Sequence[tuple[str, Any]], rows: _Rows) -> None:
        """Raises FormulaError for the first NaN or infinity, with the values of the columns it comes from."""
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.add.reduce(values, axis=None)):
                return
        wrong = np.argwhere(~np.isfinite(values))
        if not wrong.size:
            return
        row, column = (int(i) for i in wrong[0])
        name, source = named[column]
        factors = [self.factors[part] for part, _ in source.factors] if isinstance(source, Group) else [source]
        read = {name for factor in factors if not isinstance(factor, CategoricalFactor) for name in factor_columns(factor)}
        shown = ", ".join(f"{part} = {value_at(rows.columns.arrow(part), row)}" for part in sorted(read))
        place = rows.first_row + (row if rows.kept is None else int(rows.kept[row]))
        if name in self.kinds and np.isinf(values[row, column]):
            sign = "-" if values[row, column] < 0 else ""
            raise FormulaError(f"column {name!r} holds {sign}infinity in row {place}; correct the value, or leave such rows out")
        if isinstance(source, NumericFactor) and isinstance(source.node, LevelNumber):
            raise _unlisted(name, str(value_at(rows.columns.arrow(source.node.column), row)), place, source.node.levels)
        what = "is not a number" if np.isnan(values[row, column]) else "is infinite"
        advice = "leave such rows out with where=, or transform the column another way"
        raise FormulaError(f"{name} {what} in row {place}, where {shown}; {advice}")


@dataclass(frozen=True)
class _Rows:
    columns: BatchColumns
    first_row: int
    kept: IntArray | None


def _unlisted(name: str, value: str, row: int, levels: Sequence[str]) -> FormulaError:
    near = nearest(value, levels)
    advice = f"did you mean {near[0]!r}?" if near else "list it there, or leave such rows out with where="
    return FormulaError(f"{name} is {value!r} in row {row}, which is not among levels={list(levels)}; {advice}")


def _missing(columns: BatchColumns, needed: Sequence[str]) -> tuple[Mask | None, dict[str, int]]:
    total: Mask | None = None
    counts: dict[str, int] = {}
    for name in needed:
        gone = columns.missing(name)
        if gone is not None:
            counts[name] = int(gone.sum())
            total = gone if total is None else total | gone
    return total, counts


def _side_by_side(columns: BatchColumns, names: Sequence[str]) -> Array:
    """Columns of numbers as (m, len(names)), each contiguous."""
    values = np.empty((len(names), columns.n_rows))
    for j, name in enumerate(names):
        values[j] = columns.numbers(name)
    return values.T


__all__ = ["MISSING", "Encoded", "Encoder", "Unseen"]


@dataclass(frozen=True)
class FormulaDesign:
    """The design of a formula, as rows of a table take it."""

    encoder: Encoder

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the right-hand sides."""
        return self.encoder.feature_columns

    @property
    def numeric_columns(self) -> Sequence[str]:
        """None: transforms and categoricals look after their own columns."""
        return ()

    @property
    def n_columns(self) -> int:
        return self.encoder.n_columns

    @property
    def row_numbers(self) -> int:
        """Numbers a row of the design holds."""
        return self.encoder.row_numbers

    @property
    def intercept(self) -> bool:
        return self.encoder.intercept

    @property
    def names(self) -> tuple[str, ...]:
        """The design columns."""
        return self.encoder.names

    def design(self, batch: pa.RecordBatch, first_row: int = 0) -> Design:
        return self.encoder.design(batch, first_row)


@dataclass(frozen=True)
class FormulaTargets:
    """The left-hand side of a formula."""

    encoder: Encoder

    @property
    def columns(self) -> Sequence[str]:
        return self.encoder.columns

    @property
    def n_values(self) -> int:
        return len(self.encoder.target_names)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        return np.ascontiguousarray(self.encoder.target(batch, first_row))


@dataclass(frozen=True)
class FormulaOffset:
    """The offset() terms of a formula, a column for each of its linear predictors."""

    encoder: Encoder

    @property
    def columns(self) -> Sequence[str]:
        return self.encoder.feature_columns

    @property
    def n_values(self) -> int:
        return len(self.encoder.predictors)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        return np.ascontiguousarray(self.encoder.offset(batch, first_row))
