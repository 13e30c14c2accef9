"""A file written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write beside the place, then move there: a reader sees the old file or the new one, and nothing between.

    Raises OSError, with one clear line, where the file cannot be written (no such folder, read-only, disk full), and ValueError for a path
    that is no regular file; the old file is then as it was.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file, and is left alone")
    temporary = path.parent / f".gradline-{secrets.token_hex(8)}.tmp"
    try:
        try:
            # Not tempfile, which makes a file only its owner can read: this one gets the usual permissions.
            with open(temporary, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except FileNotFoundError:
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}") from None
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror or error}") from None
