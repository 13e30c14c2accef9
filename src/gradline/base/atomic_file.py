"""A file written whole or not at all."""

from __future__ import annotations

import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: Path, text: str) -> None:
    """Write a text, whole or not at all. Raises as ``open_whole`` does."""
    with open_whole(path) as file:
        file.write(text.encode())


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write beside the place, moved there when the context ends: a reader sees the old file or the new one, and nothing between.

    Raises OSError, with one clear line, where the file cannot be written (no such folder, read-only, disk full), and ValueError for a path
    that is no regular file; the old file is then as it was, and so it is after an error of the body, or Ctrl-C.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file, and is left alone")
    temporary = path.parent / f".gradline-{secrets.token_hex(8)}.tmp"
    with _telling(path):
        # Not tempfile, which makes a file only its owner can read: this one gets the usual permissions.
        raw = _Written(temporary, path)
    try:
        file = io.BufferedWriter(raw, 2**20)
        yield file
        file.flush()
        with _telling(path):
            os.fsync(raw.fileno())
            raw.close()
            if path.exists():
                os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
            os.replace(temporary, path)
    except BaseException:
        raw.close()  # first, so that nothing buffered is written once more
        temporary.unlink(missing_ok=True)
        raise


class _Written(io.FileIO):
    """A new file whose errors name the place it is meant for, whichever library writes to it."""

    def __init__(self, temporary: Path, place: Path) -> None:
        super().__init__(temporary, "x")
        self._place = place

    def write(self, data: Any) -> int:
        with _telling(self._place):
            return super().write(data) or 0


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Says which file could not be written, and why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
            raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}") from None
        raise type(error)(f"cannot write {path}: {error.strerror or error}") from None
