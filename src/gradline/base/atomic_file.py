"""A file written whole or not at all."""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which does not remove a file that is open
    fcntl = None  # type: ignore[assignment]

UNNAMED: int = getattr(os, "O_TMPFILE", 0)
"""The flag of a file without a name, where the system has one."""

_OPEN_FILES = "/proc/self/fd"
_TEMPORARY = re.compile(r"\.gradline-[0-9a-f]{16}\.tmp")


def write_whole(path: Path, text: str) -> None:
    """Write a text, whole or not at all. Raises as ``open_whole`` does."""
    with open_whole(path) as file:
        file.write(text.encode())


@contextmanager
def open_whole(path: Path, *, tidy: bool = True) -> Iterator[BinaryIO]:
    """A file to write in the place's folder, put in its place when the context ends: a reader sees the old file or the new one, and nothing
    between.

    Where the system can, the file has no name before it is whole, so that a process that is killed leaves nothing. Elsewhere it is called
    .gradline-*.tmp meanwhile, and the next write to the folder removes those that no process writes any more. tidy: whether this one looks
    for them, in a folder of many files a long look.

    Raises OSError, with one clear line, where the file cannot be written (no such folder, read-only, disk full), and ValueError for a path
    that is no regular file; the old file is then as it was, and so it is after an error of the body, or Ctrl-C.
    """
    path = Path(os.path.realpath(os.path.expanduser(path)))  # a link stays a link
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file, and is left alone")
    if tidy:
        remove_abandoned(path.parent)
    with _telling(path):
        raw = _Written(path)
    try:
        file = io.BufferedWriter(raw, 2**20)
        yield file
        file.flush()
        with _telling(path):
            os.fsync(raw.fileno())
            raw.put_in_place()
    except BaseException:
        raw.close()  # first, so that nothing buffered is written once more
        if raw.temporary is not None:
            raw.temporary.unlink(missing_ok=True)
        raise


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of writers that were killed: those that nobody has locked."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.path for entry in entries if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)]
    except OSError:
        return
    for name in found:
        # Somebody else's file, or one that has just gone, is left to whose it is.
        with suppress(OSError):
            if fcntl is None:
                os.unlink(name)
                continue
            file = os.open(name, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name)
            finally:
                os.close(file)


class _Written(io.FileIO):
    """A new file whose errors name the place it is meant for, whichever library writes to it. temporary: its name until it is there."""

    def __init__(self, place: Path) -> None:
        self.temporary: Path | None = None
        self._place = place
        # Not tempfile, which makes a file only its owner can read: this one gets the usual permissions.
        super().__init__(place, "w", opener=self._open)

    def write(self, data: Any) -> int:
        with _telling(self._place):
            return super().write(data) or 0

    def put_in_place(self) -> None:
        """Close the file and give it its name."""
        if self._place.exists():
            mode = stat.S_IMODE(self._place.stat().st_mode)
            if sys.platform == "win32":
                os.chmod(self._named(), mode)
            else:
                os.fchmod(self.fileno(), mode)
        if self.temporary is None:
            try:
                self._link(self._place)
                self.close()
                return
            except OSError:
                # There is a file of that name, which only a move replaces, or no way to name this one.
                self._give_name()
        if fcntl is None:
            self.close()  # Windows moves no open file
        os.replace(self._named(), self._place)
        self.close()

    def _open(self, _path: Any, _flags: int) -> int:
        if UNNAMED and os.path.isdir(_OPEN_FILES):
            # Where the file system has none, or the folder is not there, the named one tells.
            with suppress(OSError):
                return _locked(os.open(self._place.parent, UNNAMED | os.O_RDWR, 0o666))
        return self._create()

    def _create(self) -> int:
        """A new file with a temporary name."""
        while True:
            name = self._new_name()
            file = _locked(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666))
            # Another writer may have removed it as abandoned before it was locked.
            if fcntl is None or os.fstat(file).st_nlink:
                self.temporary = name
                return file
            os.close(file)

    def _named(self) -> Path:
        assert self.temporary is not None
        return self.temporary

    def _new_name(self) -> Path:
        return self._place.parent / f".gradline-{secrets.token_hex(8)}.tmp"

    def _link(self, name: Path) -> None:
        # Without a folder to start from Python would link to the link in /proc instead of the file behind it.
        os.link(f"{_OPEN_FILES}/{self.fileno()}", name, src_dir_fd=0)

    def _give_name(self) -> None:
        name = self._new_name()
        try:
            self._link(name)
            self.temporary = name
        except OSError:
            with open(self.fileno(), "rb", closefd=False) as whole, open(self._create(), "wb") as copy:
                whole.seek(0)
                shutil.copyfileobj(whole, copy, 2**20)
                copy.flush()
                os.fsync(copy.fileno())
                os.chmod(self._named(), stat.S_IMODE(os.fstat(self.fileno()).st_mode))


def _locked(file: int) -> int:
    """The same file, locked until it is closed: what is locked is not abandoned."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
    return file


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Says which file could not be written, and why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
            raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}") from None
        raise type(error)(f"cannot write {path}: {error.strerror or error}") from None
