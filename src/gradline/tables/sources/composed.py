"""Names in Unicode's composed form (NFC): macOS, and what is made there, may write "ö" as an "o" and two dots."""

from __future__ import annotations

import unicodedata
from typing import Any


def composed(name: str) -> str:
    """The name in its composed form."""
    return unicodedata.normalize("NFC", name)


def composed_names(given: Any) -> Any:
    """A name, or a list of them, composed; anything else as it is, for whoever checks it."""
    if isinstance(given, str):
        return composed(given)
    if isinstance(given, list | tuple):
        return type(given)(composed_names(part) for part in given)
    return given
