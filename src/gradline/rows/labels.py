"""Row labels: pandas objects that are put side by side must name the same rows in the same order, since rows go by position here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gradline.base.errors import DataError


class Labelled(NamedTuple):
    """words: what messages call the object; code: how a user would write it; data: the object, None where it was not given."""

    words: str
    code: str
    data: Any


def check_same_labels(given: Iterable[Labelled]) -> None:
    """Raises ValueError where two pandas objects have different indexes, naming the first row in which they differ.

    Lengths are left to whoever knows what each object is for. What has no pandas index goes by position, as arrays do.
    """
    first: tuple[Labelled, Any] | None = None
    for one in given:
        index = _index(one.data)
        if index is None:
            continue
        if first is None:
            first = one, index
        elif len(index) == len(first[1]) and not index.equals(first[1]):
            raise DataError(_difference(*first, one, index))


def check_names_of_rows(data: Any, names: Sequence[str], what: str) -> None:
    """Raises ValueError where a pandas object is indexed by names that are not these, in this order; an index of numbers says nothing."""
    index = _index(data)
    if index is None or not names or len(index) != len(names):
        return
    labels = index.tolist()
    if all(isinstance(label, str) for label in labels) and labels != list(names):
        row = next(i for i, (label, name) in enumerate(zip(labels, names, strict=True)) if label != name)
        known = ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
        raise DataError(
            f"{what} is indexed by {labels[row]!r} where the model has {names[row]!r}: bring it into the order of the coefficients,"
            f" {what}.reindex([{known}]), or write {what}.to_numpy() to take it in the order it has"
        )


def of_arguments(**given: Any) -> list[Labelled]:
    """Arguments by their names; of a pair, such as two-way groups, each part."""
    parts = []
    for name, data in given.items():
        if isinstance(data, tuple | list) and len(data) <= 2:
            parts += [Labelled(f"{name}[{i}]", f"{name}[{i}]", part) for i, part in enumerate(data)]
        else:
            parts.append(Labelled(name, name, data))
    return parts


def _index(data: Any) -> Any:
    """The pandas index of an object; None where it has none, or where pandas is not in use."""
    pandas = sys.modules.get("pandas")
    index = getattr(data, "index", None)
    return index if pandas is not None and isinstance(index, pandas.Index) else None


def _difference(one: Labelled, mine: Any, other: Labelled, theirs: Any) -> str:
    row = _first_difference(mine, theirs)
    here, there = (index[row : row + 1].tolist()[0] for index in (mine, theirs))
    said = (
        f"{one.words} and {other.words} are pandas objects whose indexes disagree: row {row} is {here!r} in {one.words} and {there!r} in"
        f" {other.words}. Rows go by their position, so"
    )
    by_position = f"{other.code}.to_numpy() to take it in the order it has"
    if mine.is_unique and theirs.is_unique and bool(mine.isin(theirs).all()):
        return f"{said} write {other.code}.reindex({one.code}.index) to put it in the order of {one.words}, or {by_position}"
    why = "labels repeat" if not (mine.is_unique and theirs.is_unique) else "the labels are not the same"
    return (
        f"{said} bring them together in one frame first, by a column that tells which rows belong together ({why}), or write {by_position}"
    )


def _first_difference(mine: Any, theirs: Any) -> int:
    """The first position at which two indexes of one length differ."""
    low, high = 0, len(mine)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if not mine[low:middle].equals(theirs[low:middle]) else (middle, high)
    return low
