"""Row labels: pandas objects that are put side by side must name the same rows in the same order, since rows go by position here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradline.base.errors import DataError
from gradline.rows.array_checks import Labelled, index_of, of_arguments

__all__ = ["check_names_of_rows", "check_same_labels", "of_arguments"]


def check_same_labels(given: Iterable[Labelled]) -> None:
    """Raises ValueError where two pandas objects have different indexes, naming the first row in which they differ.

    Lengths are left to whoever knows what each object is for. What has no pandas index goes by position, as arrays do.
    """
    first: Labelled | None = None
    for one in given:
        if one.index is None:
            continue
        if first is None:
            first = one
        elif len(one.index) == len(first.index) and not one.index.equals(first.index):
            raise DataError(_difference(first, one))


def check_names_of_rows(data: Any, names: Sequence[str], what: str) -> None:
    """Raises ValueError where a pandas object is indexed by names that are not these, in this order; an index of numbers says nothing."""
    index = index_of(data)
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


def _difference(one: Labelled, other: Labelled) -> str:
    mine, theirs = one.index, other.index
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
