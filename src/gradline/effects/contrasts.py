"""Contrasts between the levels of a category: pairs, against a reference, one after the other, or written out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradline.base.errors import ArgumentError, InferenceError
from gradline.effects.asking import as_value, reference_of
from gradline.effects.columns import ModelColumn, find_column
from gradline.effects.estimates import Adjust
from gradline.effects.frames import Frame, open_frame
from gradline.effects.marginal import Comparison, Plan, comparison_columns, how_of, replications_of, stacked, what_of
from gradline.effects.quantities import Quantity
from gradline.summary.result_table import ResultTable

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_CONTRASTS = 20_000
"""In one table."""

WAYS = ("pairs", "reference", "sequential")


def contrasts(
    model: Model,
    term: str,
    ways: Any,
    *,
    adjust: Adjust,
    by: Any,
    at: Any,
    kind: str,
    data: Any,
    scale: str,
    compare: str,
    level: float,
    bootstrap: Any,
) -> ResultTable:
    """See :meth:`gradline.Fit.contrasts`."""
    if compare not in ("difference", "ratio"):
        raise InferenceError(f'compare must be "difference" or "ratio", not {compare!r}')
    if adjust not in (None, "holm", "bonferroni", "tukey"):
        raise InferenceError(f'adjust must be "holm", "bonferroni", "tukey" or None, not {adjust!r}')
    if adjust == "tukey" and ways != "pairs":
        raise InferenceError('adjust="tukey" is for all pairs of levels: take adjust="holm" for other contrasts')
    frame = open_frame(model, data, at, by, kind, scale, replications_of(model, bootstrap))
    columns = _columns(frame, term)
    for column in columns:
        if column.name in frame.asked.at or column.name in frame.asked.by:
            raise ArgumentError(f"the contrasts compare the levels of {column.name!r}, so at= and by= cannot set it")
    cells = [tuple(zip((c.name for c in columns), values, strict=True)) for values in itertools.product(*(c.levels for c in columns))]
    if len(cells) < 2:
        raise InferenceError(f"{term!r} has one level only, so there is nothing to compare it with")
    names = [" ".join(_shown(value) for _, value in cell) for cell in cells]
    comparisons = _comparisons(frame, columns, term, ways, cells, names, compare == "ratio")
    plan = Plan(tuple(Quantity(cell) for cell in cells), tuple(comparisons), frozenset(column.name for column in columns))
    table = comparison_columns(frame, plan, level, adjust, len(cells), named="term")
    said = "" if adjust is None else f"; {_ADJUSTED[adjust]}"
    if adjust is None and len(comparisons) > 1:
        said = f"; p-values and intervals not adjusted for {len(comparisons):,} contrasts"
    return stacked([table], frame, f"Contrasts of {term} in {what_of(frame)}", level, how_of(frame, compare, "contrasts") + said)


_ADJUSTED = {
    "holm": "p-values by Holm's steps, intervals by Bonferroni's",
    "bonferroni": "p-values and intervals by Bonferroni's inequality",
    "tukey": "p-values and intervals by Tukey's studentized range",
}


def _columns(frame: Frame, term: str) -> list[ModelColumn]:
    """The columns of a term: one, or several joined by a colon."""
    if not isinstance(term, str):
        raise InferenceError(f'name a category of the model, such as "C(g)", not {term!r}')
    try:
        parts = [find_column(frame.encoder, term, frame.columns)]
    except InferenceError:
        if ":" not in term:
            raise
        parts = [find_column(frame.encoder, part, frame.columns) for part in term.split(":")]
    for column in parts:
        if not column.levels:
            raise InferenceError(
                f"column {column.name!r} holds numbers, which have no levels to compare: ask for effects({column.name!r}, change=1)"
            )
    return parts


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _comparisons(
    frame: Frame, columns: list[ModelColumn], term: str, ways: Any, cells: list[Any], names: list[str], divided: bool
) -> list[Comparison]:
    if isinstance(ways, Mapping):
        if divided:
            raise InferenceError("contrasts that are written out are sums: ask for differences")
        return [_written(columns, term, label, weights, cells) for label, weights in ways.items()]
    n = len(cells)
    if ways == "pairs":
        pairs = [(j, i) for i in range(n) for j in range(i + 1, n)]
    elif ways == "sequential":
        pairs = [(i + 1, i) for i in range(n - 1)]
    elif ways == "reference":
        reference = tuple((column.name, reference_of(frame.encoder, column)) for column in columns)
        base = cells.index(reference)
        pairs = [(i, base) for i in range(n) if i != base]
    else:
        raise InferenceError(
            f'contrasts are "pairs", "reference", "sequential", or a dict of weights, {{"name": {{"a": 1, "b": -1}}}}, not {ways!r}'
        )
    if len(pairs) > MOST_CONTRASTS:
        raise InferenceError(f"{n:,} levels make {len(pairs):,} contrasts, more than {MOST_CONTRASTS:,}: compare with a reference")
    sign = " / " if divided else " - "
    return [Comparison(term, f"{names[i]}{sign}{names[j]}", (i, j), (1.0, -1.0), divided) for i, j in pairs]


def _written(columns: list[ModelColumn], term: str, label: Any, weights: Any, cells: list[Any]) -> Comparison:
    """A contrast given as weights by level."""
    if not isinstance(weights, Mapping) or not weights:
        raise ArgumentError(f"the contrast {label!r} takes a dict of levels and weights, not {weights!r}")
    places, numbers = [], []
    for level, weight in weights.items():
        values = level if isinstance(level, tuple) else (level,)
        if len(values) != len(columns):
            raise ArgumentError(f"the contrast {label!r} names {level!r}; a cell of {term} is a tuple of {len(columns)} levels")
        cell = tuple((c.name, as_value(c, value)) for c, value in zip(columns, values, strict=True))
        places.append(cells.index(cell))
        numbers.append(float(weight))
    if abs(sum(numbers)) > 1e-9 * max(map(abs, numbers)):
        raise ArgumentError(f"the weights of the contrast {label!r} add up to {sum(numbers):g}: those of a contrast add up to zero")
    return Comparison(term, str(label), tuple(places), tuple(numbers))
