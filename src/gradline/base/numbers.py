"""Numbers and names as a reader wants them: columns that line up, and no character that could take over a terminal."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

_WIDEST = 12
"""Characters of a number written without a power of ten."""

_MOST_DECIMALS = 8

_JOINERS = "\u200c\u200d"
"""Format characters that belong to words and emoji; the others can reorder or hide what follows."""


def column(values: Sequence[float], significant: int = 6) -> list[str]:
    """The numbers of one column with as many decimals each, so that they can be compared by eye.

    The largest has at least ``significant`` digits and the smallest at least four; where that would take too much room, each number
    stands for itself.
    """
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if not sizes:
        return [short(value, significant) for value in values]
    decimals = max(significant - 1 - _exponent(max(sizes)), 3 - _exponent(min(sizes)), 0)
    whole = max(_exponent(max(sizes)), 0) + 1
    if decimals > _MOST_DECIMALS or whole + decimals + 2 > _WIDEST:
        return [short(value, significant) for value in values]
    return [f"{value + 0.0:.{decimals}f}" if math.isfinite(value) else short(value) for value in values]


def short(value: float, significant: int = 6) -> str:
    """A number for a sentence."""
    return f"{value + 0.0:.{significant}g}"  # plus zero: a negative zero says nothing to a reader


def probability(value: float) -> str:
    """A p-value: four decimals, or its power of ten."""
    if math.isnan(value):
        return "nan"
    if value >= 1e-4:
        return f"{value:.4f}"
    return f"{value:.0e}" if value > 0 else "<1e-300"


def duration(seconds: float) -> str:
    """Such as "0.012 s" or "3 min 20 s"."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def counted(count: int, noun: str, several: str | None = None) -> str:
    """Such as "1 pass" or "1,000 passes"."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def visible(text: str) -> str:
    """The text with control characters, line breaks and lone surrogates written out, such as ``\\x1b``: a column may be called anything."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS:
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def _exponent(size: float) -> int:
    return math.floor(math.log10(size))
