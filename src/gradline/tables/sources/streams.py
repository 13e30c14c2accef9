"""Open files, buffers of text or bytes, pipes and standard input: what can be read only once, copied to a file that can be read again."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gradline.base.errors import ArgumentTypeError, DataError
from gradline.tables.sources.paths import COMPRESSED, MAGIC, STANDARD_INPUT, Files, file_stamp
from gradline.tables.sources.temporary_folder import TemporaryFolder
from gradline.tables.sources.text_lines import open_bytes

_CHUNK = 2**20
_COMPRESSIONS = ((b"\x1f\x8b", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"), (b"BZh", ".bz2"), (b"\xfd7zXZ\x00", ".xz"))
_REFUSED = ((b"PK\x03\x04", "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV"),)
_ENDINGS = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet", "arrow": ".arrow", "sqlite": ".sqlite", "duckdb": ".duckdb"}


@runtime_checkable
class Stream(Protocol):
    """What can be read a piece at a time: text, or bytes."""

    def read(self, size: int = -1, /) -> Any: ...


@runtime_checkable
class _Named(Protocol):
    @property
    def name(self) -> Any: ...


def copied_path(path: str | os.PathLike[str]) -> Files:
    """What comes from standard input (``-``) or a pipe, as a file of its own. Raises as ``copied`` does."""
    if path != STANDARD_INPUT:
        with open(os.path.expanduser(path), "rb") as pipe:
            return copied(pipe, f"the pipe {os.fspath(path)!r}")
    if sys.stdin is None:
        raise DataError("there is no standard input to read; give the name of a file")
    return copied(sys.stdin.buffer if isinstance(sys.stdin, io.TextIOWrapper) else sys.stdin, "standard input")


def copied(stream: Stream, name: str = "") -> Files:
    """The rest of a stream, from where it stands, as a file in a temporary folder that goes with the result. The stream stays open.

    Its first bytes tell the format: Parquet, Arrow, JSON, or else delimited text; text may be compressed. Raises ValueError for a stream
    without content and for a format that cannot be read, OSError where the temporary folder has no room.
    """
    own = stream.name if isinstance(stream, _Named) else None
    name = name or (f"the open file {own!r}" if isinstance(own, str) else "the stream")
    folder = TemporaryFolder()
    try:
        path = Path(folder.name, "rows")
        if not _copy(stream, path, name):
            raise DataError(f"{name} gave nothing; a stream is read from where it stands: rewind one that was read before, with .seek(0)")
        found, ending = _format(path, name)
        path = path.rename(path.with_suffix(ending))
    except BaseException:
        folder.cleanup()
        raise
    return Files((str(path),), found, name, (file_stamp(str(path)),), folder)


def _copy(stream: Stream, path: Path, name: str) -> int:
    """How many bytes there were."""
    count = 0
    with open(path, "wb", buffering=0) as file:
        while True:
            chunk = stream.read(_CHUNK)
            if isinstance(chunk, str):
                chunk = chunk.encode("utf-8")
            elif not isinstance(chunk, bytes | bytearray | memoryview):
                raise ArgumentTypeError(f"{name} gives {type(chunk).__name__} where it is read; a stream gives text or bytes")
            if not chunk:
                return count
            try:
                _write(file, memoryview(chunk))
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                where = tempfile.gettempdir()
                raise OSError(
                    error.errno,
                    f"no room left in {where!r} after {count:,} bytes of {name}, which can be read only once and is copied to disk first;"
                    " set TMPDIR to a folder on a larger disk",
                ) from error
            count += len(chunk)


def _write(file: Any, chunk: memoryview) -> None:
    while chunk:
        chunk = chunk[file.write(chunk) :]


def _format(path: Path, name: str) -> tuple[str, str]:
    """(format, how the name of such a file ends), told by the first bytes."""
    with open(path, "rb") as file:
        head = file.read(16)
    for mark, what in _REFUSED:
        if head.startswith(mark):
            raise DataError(f"{name} is {what}")
    compression = next((ending for mark, ending in _COMPRESSIONS if head.startswith(mark)), "")
    found = next((form for at, mark, form in MAGIC if head[at : at + len(mark)] == mark), None)
    if found is None:
        found = "json" if _starts_as_json(path, compression) else "csv"
    assert compression in ("", *COMPRESSED)
    return found, _ENDINGS[found] + compression


def _starts_as_json(path: Path, compression: str) -> bool:
    named = path
    if compression:
        # What decompresses goes by the name.
        named = path.with_name(f"head{compression}")
        named.symlink_to(path)
    try:
        with open_bytes(str(named)) as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except (OSError, EOFError, ValueError):
        return False
    finally:
        if compression:
            named.unlink()
    return start[:1] in (b"{", b"[")
