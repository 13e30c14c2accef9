"""Levels: the values a category was learned with, and the codes of new values among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.design.categorical import Codes
from gradline.formulas.columns import as_text, is_text, reads_as_number
from gradline.formulas.contrasts import Level
from gradline.formulas.errors import FormulaError
from gradline.formulas.grammar import quoted_name
from gradline.formulas.level_text import same_levels, same_value, truth
from gradline.tables.sources.arrow import from_numbers, from_texts, null_mask, view

if TYPE_CHECKING:
    import pyarrow as pa

MOST_LEVELS = 250_000
"""Levels beyond which a column is taken for an identifier."""

_DRESSED = re.compile(r"[-+]?[€$£¥]?\s?[-+]?(?:\d{1,3}(?:[,'\u2019\u00a0\u202f ]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?)\s?[%€$£¥]?")
"""Numbers as people write them: with thousands parted, a comma for the point, a currency or a percent sign."""

_THOUSANDS = re.compile(r"\d([,'\u2019\u00a0\u202f ])\d{3}(?!\d)")
"""A mark that parts thousands."""

UNSEEN = -2
MISSING = -1


def sort_levels(values: Iterable[Any]) -> tuple[Level, ...]:
    """Distinct values as levels, sorted: numbers by size, text by its characters; missing ones left out."""
    levels = {_plain(value) for value in values if value is not None and value == value}
    if any(isinstance(level, str) for level in levels):
        return tuple(sorted(str(level) for level in levels))
    return tuple(sorted(levels))


def as_levels(values: Iterable[Any]) -> tuple[Level, ...]:
    """Distinct values as levels in the order given, missing ones left out."""
    return tuple(dict.fromkeys(_plain(value) for value in values if value is not None and value == value))


def check_levels(levels: Sequence[Level], name: str, n_rows: int | None) -> None:
    """Raises FormulaError for a column without values, and for an identifier."""
    if not levels:
        raise FormulaError(f"{name} has no levels, since its column is missing in every row; leave it out")
    if len(levels) > MOST_LEVELS or (n_rows is not None and len(levels) == n_rows > 1000):
        count = f"more than {MOST_LEVELS:,}" if len(levels) > MOST_LEVELS else f"{len(levels):,}"
        among = "" if n_rows is None else f" in {n_rows:,} rows"
        raise FormulaError(
            f"{name} has {count} different values{among}: it looks like an identifier, whose levels cannot be estimated one by one;"
            " leave it out, or use it in groups="
        )


def check_not_numbers(
    levels: Sequence[Level],
    column: str,
    first_of: Callable[[Sequence[str]], tuple[int, str]],
    share_of: Callable[[Sequence[str]], float],
) -> None:
    """Raises FormulaError for a text column that is numbers but for a few entries, or but for their dress, such as "$1,020.50".

    A stray text makes a reader take it all for text. A few levels that are all numbers may be a category. first_of: the first row that
    holds one of some texts, and which. share_of: the share of rows with a value that hold one of some texts.
    """
    texts = [level for level in levels if isinstance(level, str)]
    strays = [text for text in texts if not reads_as_number(text)]
    dressed = [text for text in strays if _DRESSED.fullmatch(text.strip())]
    others = [text for text in strays if text not in set(dressed)]
    few = len(levels) < 20
    odd = others or dressed
    if len(others) == len(texts) or (few and len(odd) in (0, len(texts))):
        return
    if (few or len(others) >= 0.1 * len(levels)) and share_of(odd) >= 0.1:
        return
    rest = f"or write C({quoted_name(column)}) if its {len(levels):,} values are categories"
    if not odd:
        raise FormulaError(f"column {column!r} holds numbers written as text, such as {texts[0]!r}; make it a number in the data, {rest}")
    row, value = first_of(odd)
    if others or few:
        raise FormulaError(
            f"column {column!r} holds text, and nearly all of it reads as numbers; not so {value!r} in row {row}: correct it in the data,"
            f" {rest}"
        )
    raise FormulaError(
        f"column {column!r} holds text, such as {value!r} in row {row}, and reads as numbers but for {_dress(value)}; take such marks off"
        f" in the data, {rest}"
    )


def _dress(text: str) -> str:
    """What a dressed number holds beside its digits, in words."""
    parts = [f"the {sign}" for sign in "€$£¥%" if sign in text]
    thousands = _THOUSANDS.search(text)
    if thousands:
        parts.append(f"the {thousands[1]!r} that parts thousands")
    elif "," in text:
        parts.append("the decimal comma")
    return " and ".join(parts)


def codes_of(array: pa.Array, levels: Sequence[Level]) -> Codes:
    """The place of each value among the levels, (m,) int32: ``MISSING`` for nulls and NaN, ``UNSEEN`` for values that are no level."""
    import pyarrow as pa
    import pyarrow.compute as compute

    if pa.types.is_dictionary(array.type):
        inner = codes_of(array.dictionary, levels)
        places, gone = view(array.indices), null_mask(array.indices)
        places = places if gone is None else np.where(gone, len(inner), places)
        decoded: Codes = np.append(inner, np.int32(MISSING)).astype(np.int32)[places]
        return decoded
    values, known = _comparable(array, levels)
    found = compute.index_in(values, value_set=known)
    unknown = null_mask(found)
    codes: Codes = view(found)
    if unknown is not None:
        gone = null_mask(array, nan_is_null=True)
        assert gone is not None
        codes = np.where(unknown, np.where(gone, MISSING, UNSEEN), codes).astype(np.int32)
        strange = np.flatnonzero(codes == UNSEEN)
        if strange.size and isinstance(levels[0], str):
            codes[strange] = _by_value(values.take(from_numbers(strange)), levels)
    return codes


def _by_value(texts: pa.Array, levels: Sequence[Level]) -> Codes:
    """The places of texts that are no levels letter by letter, but the same day, instant or truth value as one."""
    places = same_levels([str(level) for level in levels])
    if not places:
        return np.full(len(texts), UNSEEN, dtype=np.int32)
    coded = texts.dictionary_encode()
    found = np.array([places.get(same_value(text), UNSEEN) for text in coded.dictionary.to_pylist()], dtype=np.int32)
    codes: Codes = found[view(coded.indices)]
    return codes


def value_at(array: pa.Array, row: int) -> Any:
    """One value, for a message."""
    return array[row].as_py()


def _comparable(array: pa.Array, levels: Sequence[Level]) -> tuple[pa.Array, pa.Array]:
    """Values and levels in one Arrow type: a model made from whole numbers meets the same numbers as floats, or as text."""
    import pyarrow as pa

    types = pa.types
    if isinstance(levels[0], str):
        text = as_text(array)
        return text, from_texts([str(level) for level in levels])
    if types.is_boolean(array.type) or (types.is_integer(array.type) and all(isinstance(level, int) for level in levels)):
        return array.cast(pa.int64(), safe=False), from_numbers(np.array(levels, dtype=np.int64))
    if is_text(array.type) and all(isinstance(level, bool) for level in levels):
        texts = array.to_pylist()
        truths = [None if text is None else truth(text) for text in texts]
        known = [text if value is None else str(int(value)) for text, value in zip(texts, truths, strict=True)]
        array = pa.array(known, type=pa.string())
    numbers = array if types.is_floating(array.type) else _read_numbers(array)
    return _unsigned_zeros(numbers.cast(pa.float64(), safe=False)), from_numbers(np.array(levels, dtype=np.float64) + 0.0)


def _unsigned_zeros(numbers: pa.Array) -> pa.Array:
    """The numbers with 0 for -0.0, which equal each other but are told apart by where Arrow looks values up."""
    import pyarrow.compute as compute

    values = view(numbers)
    if not (np.signbit(values) & (values == 0)).any():
        return numbers
    return compute.add(numbers, from_numbers(np.zeros(len(numbers))))


def _read_numbers(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    if is_text(array.type):
        # Text that is no number is no level; infinity is none either, since levels come from finite values.
        texts = array.to_pylist()
        return from_numbers(np.array([np.nan if text is None else float(text) if reads_as_number(text) else np.inf for text in texts]))
    return array.cast(pa.float64(), safe=False)


def _plain(value: Any) -> Level:
    """A level as JSON can hold it."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, str):
        return value
    return float(value) + 0.0  # so that -0.0 is the level 0
