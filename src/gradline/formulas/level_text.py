"""One text for one day, instant or truth value, however a source holds it: a CSV's date is a Parquet file's timestamp at midnight."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?\s?(Z|[-+]\d\d(?::?\d\d)?)?)?")
_TRUTHS = ("true", "false")


def moment(text: str) -> str:
    """A day or an instant without the digits that say nothing: no fraction of zeros, and no midnight of no time zone."""
    found = _TIME.fullmatch(text)
    if found is None or found[2] is None:
        return text
    day, minute, second, fraction, zone = found.groups()
    fraction = (fraction or "").rstrip("0")
    if zone is None and minute == "00:00" and second in (None, "00") and not fraction:
        return day
    return f"{day} {minute}:{second or '00'}{'.' + fraction if fraction else ''}{zone or ''}"


def moments(array: pa.Array) -> pa.Array:
    """Dates or timestamps as text, (m,)."""
    import pyarrow as pa

    coded = array.dictionary_encode()
    texts = [None if text is None else moment(text) for text in coded.dictionary.cast(pa.string()).to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(texts, type=pa.string())).dictionary_decode()


def same_value(text: str) -> str:
    """Equal for texts of one instant, whatever the time zone it is told in, and for one truth value, in capitals or not."""
    if text.lower() in _TRUTHS:
        return text.lower()
    short = moment(text)
    found = _TIME.fullmatch(short)
    if found is None or found[5] is None:
        return short
    fraction = "" if found[4] is None else f".{found[4]}"
    zone = found[5].replace(":", "").replace("Z", "+0000")
    try:
        at = datetime.datetime.strptime(f"{found[1]} {found[2]}:{found[3]}{zone:0<5}", "%Y-%m-%d %H:%M:%S%z").astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return short
    return f"{at:%Y-%m-%d %H:%M:%S}{fraction}Z"


def same_levels(levels: Sequence[str]) -> Mapping[str, int]:
    """The places of levels by ``same_value``, where all of them are days, instants or truth values, no two of them the same; else none."""
    keys = [same_value(level) for level in levels]
    told = all(key in _TRUTHS for key in keys) or all(_TIME.fullmatch(key) for key in keys)
    return {key: place for place, key in enumerate(keys)} if told and len(set(keys)) == len(keys) else {}


def truth(text: str) -> bool | None:
    """True or False, or None for a text that is neither."""
    key = text.strip().lower()
    return key == "true" if key in _TRUTHS else None
