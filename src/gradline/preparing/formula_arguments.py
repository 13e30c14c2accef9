"""The formulas of a fit: in the order of the loss's linear predictors, with the offset that was named beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, DataError
from gradline.base.numbers import counted
from gradline.formulas.building import check
from gradline.formulas.errors import suggestion
from gradline.formulas.formula import Encoder, Formula, FormulaError, parse, plain
from gradline.formulas.grammar import Factor, quoted_name
from gradline.formulas.learning import rows_holding
from gradline.formulas.pairs import is_lifetime
from gradline.losses.protocol import Loss, UnboundLoss
from gradline.preparing.from_arrays import Mask
from gradline.tables.cleaning import Tally
from gradline.tables.encoders import check_numeric
from gradline.tables.first_pass import check_some_rows
from gradline.tables.sources.dialects import Told
from gradline.tables.sources.renamed import composed
from gradline.tables.table import Table

FEW_LEVELS = 20
"""Levels below which nobody takes a column for an identifier."""


def formula_for(table: Table, formula: Any, target: Any, features: Any, loss: UnboundLoss, offset: str | None, intercept: bool) -> Formula:
    """The formula, or the one that target= and features= stand for. Raises FormulaError and TypeError for what cannot be read."""
    if formula is None:
        read = _plain(table, target, features, intercept)
    elif not intercept:
        raise ArgumentTypeError('intercept=False goes with arrays or features=; in a formula write "- 1", as in "y ~ x - 1"')
    else:
        if isinstance(formula, Mapping):
            formula = _in_order(formula, loss, table)
        read = _hinting(table, formula)
    return read if offset is None else _with_offset(read, offset, table)


def mask_of(encoder: Encoder, loss: Loss) -> Mask | None:
    """(P, k): which coefficients the formula of each linear predictor has; None where one formula serves all.

    Raises ValueError for columns in a predictor that the loss keeps to one number for all rows.
    """
    if len(encoder.predictors) == 1:
        return None
    for j, only in enumerate(loss.intercept_only):
        if only and (encoder.mask[int(encoder.intercept) :, j].any() or not encoder.intercept or not encoder.mask[0, j]):
            name = encoder.predictors[j]
            raise ArgumentError(f"{name!r} of the loss {loss.name!r} is one number for all rows, so that its formula can only be '~ 1'")
    return np.asarray(encoder.mask)


def check_pairs(formula: Any, loss: Loss) -> None:
    """Raises ValueError for times and events as the targets of a loss that takes each target by itself."""
    texts = formula.values() if isinstance(formula, Mapping) else [formula or ""]
    if loss.sums_over_targets and any("urv(" in text and is_lifetime(text) for text in texts):
        raise ArgumentError(
            f"surv(time, event) goes with a loss of lifetimes, such as weibull, log_normal or exponential; the loss {loss.name!r} would"
            " take the two for two targets"
        )


def _plain(table: Table, target: Any, features: Any, intercept: bool) -> Formula:
    if target is None:
        raise ArgumentTypeError('features= needs target=, the column to explain, as in gl.fit(data, target="y", features=["x1", "x2"])')
    if isinstance(features, str):
        raise ArgumentTypeError(f"features must be a list of column names, not the single text {features!r}; give [{features!r}]")
    for keyword, names in (("target", [target] if isinstance(target, str) else target), ("features", features)):
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names) or (keyword == "target" and not names):
            raise ArgumentTypeError(f"{keyword} must name columns of the table, not hold {type(names).__name__} {names!r}")
    if not features and not intercept:
        raise ArgumentError("a model without features and without an intercept has nothing to fit")
    table.check_columns([target] if isinstance(target, str) else list(target))
    table.check_columns(list(features))
    return plain(target, list(features), table.columns, intercept=intercept, told=_told(table))


def _hinting(table: Table, formula: str | dict[str, str]) -> Formula:
    """The formula read; where a column is not found, with what may be wrong with the file."""
    try:
        return parse(formula, table.columns, _told(table))
    except FormulaError as error:
        for name, why in table.source.unreadable.items():
            if any(f"{what} {name!r} holds" in str(error) for what in ("column", "target")):
                raise DataError(f"{table.name}: column {name!r} {why}") from None
        _check_targets_are_numbers(table, formula)
        hint = table.source.hint
        if hint and "no column" in str(error):
            message, newline, rest = str(error).partition("\n")
            said, _, advice = message.partition(";")
            # A name with a mark in it is what the hint is about.
            near = f"{advice.strip()} Otherwise " if "did you mean" in advice and not any(mark in advice for mark in ",;|\t") else ""
            raise FormulaError(f"{said}; {near}{hint}{newline}{rest}") from None
        raise


def _told(table: Table) -> dict[str, Told]:
    """What a message says of the columns that hold neither numbers nor categories, where numbers are needed."""
    odd = [name for name, kind in table.columns.items() if kind in ("date", "other") and name not in table.source.unreadable]
    return {name: table.told(name) for name in odd}


def notes_on_levels(encoder: Encoder, n_rows: int) -> tuple[str, ...]:
    """What a user should know about the categoricals, of n_rows rows: one level tells nothing, nearly one per row tells each row itself."""
    notes = []
    for name, levels in encoder.levels.items():
        if len(levels) == 1:
            notes.append(f"{name} has one level in all rows, {levels[0]!r}, and adds nothing to the model")
        elif len(levels) >= FEW_LEVELS and 2 * len(levels) > n_rows:
            notes.append(
                f"{name} has {len(levels):,} levels in {n_rows:,} rows, as an identifier has: its coefficients repeat single rows; leave it"
                " out, or group its values"
            )
    return tuple(notes)


def notes_on_blank_text(encoder: Encoder, table: Table) -> tuple[str, ...]:
    """What a user should know about text columns of which empty text is a level unasked: in a text file it is a missing value."""
    notes = []
    for column, levels in encoder.implied_levels.items():
        blank = [level for level in levels if isinstance(level, str) and not level.strip()]
        if blank:
            rows, _ = rows_holding(blank, column, table)
            held = "empty text" if blank == [""] else f"text of spaces only, {blank[-1]!r},"
            notes.append(
                f"column {column!r} holds {held} in {counted(rows, 'row')}, which is a level of its own; make it None to leave these rows"
                f" out as missing, or write C({quoted_name(column)}) to keep the level"
            )
    return tuple(notes)


def _check_targets_are_numbers(table: Table, formula: str | dict[str, str]) -> None:
    """Raises TypeError for a target column of text or dates, naming the first such value and its row; ValueError without any row, which
    leaves a text file's columns without a type."""
    for text in [formula] if isinstance(formula, str) else formula.values():
        name = composed(text.partition("~")[0].strip().strip("`"))
        if table.columns.get(name) in ("text", "date"):
            rows, missing = 0, 0
            for batch in table.batches([name]):
                rows, missing = rows + batch.num_rows, missing + batch.column(0).null_count
            if rows == missing:
                # A text file does not tell what a column without values holds.
                check_some_rows(Tally(read=rows, missing={name: missing}), table.name)
            check_numeric(table, [name], _one_of_two_classes(name))


def _one_of_two_classes(column: str) -> Callable[[Any], str]:
    several = "for several take loss=multinomial, or C(column, levels=[...])"
    return lambda value: f"for one of two classes write I({quoted_name(column)} == {value!r}) in its place; {several}"


def _in_order(formulas: Mapping[str, str], loss: UnboundLoss, table: Table) -> dict[str, str]:
    """The formulas in the order of the loss's linear predictors. Raises ValueError where names are missing or unknown."""
    targets = _hinting(table, dict(formulas)).target_names
    if not loss.is_resolved:
        raise ArgumentError(f"how many linear predictors {loss.name!r} has depends on the data; give one formula for all of them")
    names = loss.formula_names(targets)
    assert len(names) == loss.n_predictors(len(targets))
    for name in formulas:
        if name not in names:
            raise ArgumentError(f"the loss {loss.name!r} has no linear predictor {name!r}; {suggestion(name, names, 'it has')}")
    for name in names:
        if name not in formulas:
            raise ArgumentError(f"the loss {loss.name!r} has a linear predictor {name!r} too; give it a formula, such as '~ 1'")
    return {name: formulas[name] for name in names}


def _with_offset(formula: Formula, column: str, table: Table) -> Formula:
    """The formula with a column as offset in each linear predictor."""
    check_numeric(table, [column], keyword="offset")
    sides = formula.checked.sides
    if any(side.offsets for side in sides.values()):
        raise ArgumentError("the formula has an offset() already; name the offset there or in offset=, not in both")
    term = f"offset(`{column}`)"
    changed = {}
    for name, side in sides.items():
        start = len(side.text) + len(" + ")
        changed[name] = replace(side, text=f"{side.text} + {term}", offsets=(Factor(term, False, start, start + len(term)),))
    return Formula(check(changed, formula.kinds), formula.kinds)
