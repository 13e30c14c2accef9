"""The order of classes: that of an ordered categorical, else one that has to be given."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.formulas.grammar import NAME, QUOTED, quoted_name
from gradline.tables.sources.renamed import composed
from gradline.tables.table import Table

SHOWN = 8
"""Levels that a message lists."""


def numbered(target: Any) -> Any:
    """The targets of arrays: of an ordered categorical the number of each level, anything else itself.

    Raises ValueError for text and for a categorical without an order, and for a missing value in one with it.
    """
    kind: Any = getattr(target, "dtype", None)
    if not hasattr(kind, "ordered"):
        values = np.asarray(target).ravel()
        if values.dtype.kind in "OUST" and values.size and isinstance(values[0], str):
            raise ArgumentError(
                f"y holds text, {str(values[0])!r} in row 0, and nothing says in which order: give the numbers 0, 1, 2, ... of the classes,"
                " or pd.Categorical(y, categories=[...], ordered=True) with the lowest first"
            )
        return target
    categorical = getattr(target, "cat", target)
    levels = [str(level) for level in kind.categories]
    if not kind.ordered:
        listed = ", ".join(map(repr, levels[:SHOWN]))
        raise ArgumentError(
            f"y is a categorical without an order ({listed}); say which order its levels have, as in"
            " y.cat.set_categories([...], ordered=True) with the lowest first"
        )
    codes = np.asarray(categorical.codes, dtype=np.float64)
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise ArgumentError(f"y holds no level in row {row}; drop that row or fill the value in before fitting")
    # Levels that no row has are no classes of the fit.
    return np.unique(codes, return_inverse=True)[1].astype(np.float64)


def labelled(target: Any, known: tuple[str, ...] = ()) -> tuple[Any, tuple[str, ...]]:
    """(the targets of arrays with labels of text as the numbers of their classes, what 0, 1, ... stand for); any other target as it is,
    and no labels. Classes are sorted, or in the order of a categorical. known: those of a fit, which others do not join.

    Raises ValueError for a missing label, for one class alone, and for a label that is none of those known.
    """
    kind: Any = getattr(target, "dtype", None)
    declared = [str(level) for level in kind.categories] if getattr(kind, "categories", None) is not None else []
    values = np.asarray(target)
    present = np.array([isinstance(value, str) for value in values.tolist()]) if values.ndim == 1 and values.dtype.kind in "OUST" else None
    if present is None or not present.any():
        return target, ()
    if not present.all():
        row = int(np.flatnonzero(~present)[0])
        raise ArgumentError(f"y holds text, and {values[row]!r} in row {row}: drop that row, or give it a label of its own")
    text = values.astype(np.str_)
    found = np.unique(text)
    if not known and len(found) == 1:
        raise ArgumentError(f"y holds one class only, {str(found[0])!r}: classes take rows of two at least")
    classes = known or tuple(level for level in declared if level in set(found.tolist())) or tuple(found.tolist())
    places = {label: place for place, label in enumerate(classes)}
    strange = [label for label in found.tolist() if label not in places]
    if strange:
        row = int(np.flatnonzero(text == strange[0])[0])
        listed = ", ".join(map(repr, classes[:SHOWN])) + (", ..." if len(classes) > SHOWN else "")
        raise ArgumentError(f"y holds {strange[0]!r} in row {row}, which is no class of the fit: those are {listed}")
    codes = np.array([places[label] for label in found.tolist()], dtype=np.float64)[np.searchsorted(found, text)]
    # Of a pandas Series the index and the name are looked at too.
    series = type(target).__module__.startswith("pandas") and hasattr(target, "name") and hasattr(target, "index")
    return (target.__class__(codes, index=target.index, name=target.name) if series else codes), classes


def with_order(formula: Any, table: Table) -> Any:
    """The formula, whose target of text is written C(y, levels=[...]) where the column says in which order its levels are.

    Raises ValueError for text whose order nobody declared, naming what it holds.
    """
    if isinstance(formula, dict):
        return {name: _one(text, table) for name, text in formula.items()}
    return _one(formula, table)


def with_labels(formula: Any, table: Table) -> Any:
    """The formula, whose target of text is written C(y, levels=[...]): the levels in the order of a categorical, or sorted as
    ``gl.LinearClassifier`` sorts its labels. Raises ValueError for one level alone."""
    named = None if isinstance(formula, dict) else _text_target(formula, table)
    if named is None:
        return formula
    name, right = named
    levels = [str(level) for level in table.levels(name)]
    if len(levels) == 1:
        raise ArgumentError(f"target {name!r} of {table.name} holds one class only, {levels[0]!r}: classes take rows of two at least")
    return f"C({quoted_name(name)}, levels={levels!r}) ~{right}"


def _text_target(text: Any, table: Table) -> tuple[str, str] | None:
    """(target, right side) of a formula whose target is a column of text, or None."""
    if not isinstance(text, str) or "~" not in text:
        return None
    left, _, right = text.partition("~")
    word = composed(left.strip())
    quoted = QUOTED.fullmatch(word)
    name = quoted[1] if quoted else word if NAME.fullmatch(word) else None
    return None if name is None or table.columns.get(name) not in ("text", "category") else (name, right)


def _one(text: Any, table: Table) -> Any:
    named = _text_target(text, table)
    if named is None:
        return text
    name, right = named
    import pyarrow as pa

    levels = [str(level) for level in table.levels(name)]
    kind = table.source.schema.field(name).type
    if not (pa.types.is_dictionary(kind) and kind.ordered):
        listed = ", ".join(map(repr, levels[:SHOWN])) + (", ..." if len(levels) > SHOWN else "")
        raise ArgumentError(
            f"target {name!r} of {table.name} holds {listed}, and nothing says in which order: write"
            f" C({quoted_name(name)}, levels=[{listed}]) ~ ... with the lowest first, or make the column an ordered categorical"
        )
    return f"C({quoted_name(name)}, levels={levels!r}) ~{right}"
