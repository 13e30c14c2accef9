"""Files behind an address that Arrow's file systems open, such as s3://bucket/rows/*.parquet: found, stamped and read as local ones are."""

from __future__ import annotations

import fnmatch
import posixpath
from functools import lru_cache
from typing import Any

from gradline.base.errors import DataError
from gradline.tables.sources.addresses import hidden
from gradline.tables.sources.paths import Files, check_stamp

ENDINGS = (".parquet", ".pq")


def located(path: str) -> tuple[str, Any]:
    """(the path within its file system, the file system); None for a path of this machine."""
    if "://" not in path:
        return path, None
    scheme, _, rest = path.partition("://")
    place, mark, options = rest.partition("?")
    authority, slash, within = place.partition("/")
    system, root = _opened(f"{scheme}://{authority}{slash}{mark}{options}")
    return posixpath.join(root, within) if root else within, system


@lru_cache(maxsize=32)
def _opened(root: str) -> tuple[Any, str]:
    """(file system, its path of the address's root). To open one may ask the network for its region."""
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        system, path = FileSystem.from_uri(root)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{hidden(root)!r} is no address that Arrow's file systems open: {error}") from None
    return system, path


def remote_stamp(path: str) -> tuple[int, int]:
    """(size in bytes, time of the last change in ns). Raises FileNotFoundError for a file that is gone."""
    within, system = located(path)
    found = system.get_file_info(within)
    if not found.is_file:
        raise FileNotFoundError(f"{hidden(path)!r} is no longer there; each pass reads it again")
    return int(found.size), int(found.mtime_ns or 0)


def check_file(path: str, stamp: tuple[int, int]) -> None:
    """Raises ValueError where a file was rewritten, OSError where it is gone. stamp: as it was when the file was found."""
    if "://" not in path:
        check_stamp(path, stamp)
    elif remote_stamp(path) != stamp:
        raise DataError(
            f"{hidden(path)!r} has changed since it was opened; each pass must read the same rows: start again once it is complete"
        )


def find_remote(pattern: str) -> Files:
    """The Parquet files that an address, a pattern with * or a folder stands for, sorted. Raises FileNotFoundError where there is none."""
    from pyarrow.fs import FileSelector, FileType

    within, system = located(pattern)
    head = pattern[: len(pattern.partition("?")[0]) - len(pattern.partition("://")[2].partition("?")[0].partition("/")[2])]
    options = pattern[len(pattern.partition("?")[0]) :]
    root = within[: len(within) - len(pattern.partition("?")[0]) + len(head)]
    if "*" in within:
        base = posixpath.dirname(within[: within.index("*")])
        entries = system.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
        # A star stands for no slash, two stars for any.
        depth = None if "**" in within else within.count("/")
        found = [e for e in entries if fnmatch.fnmatchcase(e.path, within) and (depth is None or e.path.count("/") == depth)]
    else:
        one = system.get_file_info(within)
        listed = system.get_file_info(FileSelector(within, recursive=True)) if one.type == FileType.Directory else [one]
        found = [e for e in listed if e is one or (e.path.endswith(ENDINGS) and not _is_hidden(e.path[len(within) :]))]
    files = sorted((entry for entry in found if entry.is_file), key=lambda entry: str(entry.path))
    if not files:
        raise FileNotFoundError(f"no Parquet file at {hidden(pattern)!r}")
    paths = tuple(head + entry.path[len(root) :] + options for entry in files)
    stamps = tuple((int(entry.size), int(entry.mtime_ns or 0)) for entry in files)
    name = repr(hidden(pattern)) if len(paths) == 1 else f"{hidden(pattern)!r} ({len(paths)} files)"
    return Files(paths, "parquet", name, stamps)


def _is_hidden(inside: str) -> bool:
    return any(part.startswith((".", "_")) for part in inside.split("/"))
