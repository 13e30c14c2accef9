"""Names of files that say what is in them."""

from __future__ import annotations

import os
from pathlib import Path

from gradline.base.errors import ArgumentError


def named(path: str | os.PathLike[str], endings: tuple[str, ...], what: str) -> Path:
    """The path, where its name ends as such a file's does. what: what is written, such as "an animation is a GIF".

    Raises ValueError, with the name to write instead, for another ending: a program that opens the file goes by it.
    """
    place = Path(path)
    if place.suffix.lower() not in endings:
        better = place.with_suffix(endings[0]) if place.name else Path(f"a{endings[0]}")
        raise ArgumentError(f"{what}, which {os.fspath(path)!r} is not the name of; write {os.fspath(better)!r}")
    return place
