"""Files by path, list, folder or glob pattern, and whether they have changed since."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradline.base.errors import DataError
from gradline.base.words import nearest
from gradline.tables.sources.addresses import hidden

STANDARD_INPUT = "-"

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
}
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
REFUSED = {
    ".xlsx": "a spreadsheet; save the sheet as CSV",
    ".xls": "a spreadsheet; save the sheet as CSV",
    ".zip": "a zip archive; unpack it first",
    ".pkl": "a pickle, which would run code on reading; save the table as Parquet",
    ".pickle": "a pickle, which would run code on reading; save the table as Parquet",
}
MAGIC = ((0, b"PAR1", "parquet"), (0, b"ARROW1", "arrow"), (0, b"SQLite format 3", "sqlite"), (8, b"DUCK", "duckdb"))


@dataclass(frozen=True)
class Files:
    """Paths in the order they are read, all of one format, and their sizes (bytes) and times of change (ns) when found."""

    paths: tuple[str, ...]
    format: str
    name: str
    stamps: tuple[tuple[int, int], ...]
    folder: Any = field(default=None, repr=False, compare=False)
    """The temporary folder that the files lie in, where they are copies; it goes with this object."""

    @property
    def bytes_on_disk(self) -> int:
        return sum(size for size, _ in self.stamps)

    def called(self, path: str) -> str:
        """What messages call one of the files: the only one of a table as the table itself, which may be a copy's original."""
        return self.name if len(self.paths) == 1 else repr(path)

    def check_unchanged(self) -> None:
        """Raises ValueError naming the first file that was rewritten, OSError the first that is gone."""
        for path, stamp in zip(self.paths, self.stamps, strict=True):
            check_stamp(path, stamp)


def is_remote(source: str) -> bool:
    """Whether the text is an address such as s3://bucket/file rather than a path."""
    head, found, _ = source.partition("://")
    return bool(found) and head.replace("+", "").replace("_", "").isalnum() and len(head) > 1


def is_stream_path(path: str | os.PathLike[str]) -> bool:
    """Whether the path stands for standard input or a pipe."""
    if path == STANDARD_INPUT:
        return True
    try:
        return stat.S_ISFIFO(os.stat(os.path.expanduser(path)).st_mode)
    except (OSError, ValueError):
        return False


def find_files(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Files:
    """The files that a path, a glob pattern, a folder, or a list of these stands for, in sorted order within each pattern.

    Raises FileNotFoundError for a path that is not there (naming the nearest one that is) and for a pattern or folder without matching
    files; ValueError for formats that are mixed or that cannot be read.
    """
    given = [source] if isinstance(source, str | os.PathLike) else list(source)
    if not given:
        raise DataError("the list of files is empty; give at least one path")
    paths = [found for item in given for found in _expand(os.path.expanduser(os.fspath(item)))]
    formats = {path: _format(path) for path in paths}
    if len(set(formats.values())) > 1:
        first = paths[0]
        other = next(path for path in paths if formats[path] != formats[first])
        raise DataError(f"{first!r} is {formats[first]} but {other!r} is {formats[other]}; one table is read from files of one format")
    if len(paths) == 1:
        name = repr(paths[0])
    elif len(given) == 1:
        name = f"{os.fspath(given[0])!r} ({len(paths)} files)"
    else:
        name = f"{paths[0]!r} and {len(paths) - 1} more"
    return Files(tuple(paths), formats[paths[0]], name, tuple(file_stamp(path) for path in paths))


def names_path(text: str) -> bool:
    """Whether a text with a ~ in it is a path rather than a formula: one below somebody's home, or of a file that is there."""
    full = os.path.expanduser(text)
    return text.startswith("~/") or full != text or os.path.exists(full)


def suffixes(path: str) -> tuple[str, str]:
    """(format suffix, compression suffix), lower case: ("`.csv`", ".gz") for flights.CSV.gz."""
    stem, last = os.path.splitext(path.lower())
    if last in COMPRESSED:
        return os.path.splitext(stem)[1], last
    return last, ""


def has_magic(path: str, wanted: str) -> bool:
    """Whether the file starts as one of that format does."""
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return any(form == wanted and head[at : at + len(mark)] == mark for at, mark, form in MAGIC)


def _expand(path: str) -> list[str]:
    if os.path.isdir(path):
        return _in_folder(path)
    if path == "-" or (os.path.exists(path) and not os.path.isfile(path) and path != os.devnull):
        what = "standard input, beside other files," if path == "-" else repr(path)
        raise DataError(f"{what} is no file that can be read again at each pass; write it to a file first")
    if os.path.exists(path):
        return [path]
    if any(sign in path for sign in "*?["):
        found = sorted(item for item in glob.glob(path, recursive=True) if os.path.isfile(item))
        if not found:
            raise FileNotFoundError(f"no file matches {path!r} (looked from {os.getcwd()!r})")
        return found
    raise missing_file(path)


def missing_file(path: str) -> FileNotFoundError:
    """The error for a file that is not there, with the nearest one that is."""
    folder, path = os.path.dirname(path) or ".", hidden(path)
    if not os.path.isdir(folder):
        return FileNotFoundError(f"no such file: {path!r}; there is no folder {hidden(folder)!r}")
    wanted = os.path.basename(path)
    # The ending, which most files share, tells nothing of what was meant.
    near = [name for name in nearest(wanted, os.listdir(folder), 5) if nearest(_stem(wanted), [_stem(name)])]
    advice = f"did you mean {os.path.join(os.path.dirname(path), near[0])!r}?" if near else f"looked from {os.getcwd()!r}"
    return FileNotFoundError(f"no such file: {path!r}; {advice}")


def _stem(name: str) -> str:
    return name.partition(".")[0] or name


def _in_folder(folder: str) -> list[str]:
    """All files of the folder's most table-like format, subfolders included; hidden files and those named _* are no data, as in Spark."""
    by_format: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "_")) for part in inside):
            form = FORMATS.get(suffixes(path.name)[0])
            if form in ("parquet", "csv", "json", "arrow"):
                by_format.setdefault(form, []).append(os.fspath(path))
    if not by_format:
        raise FileNotFoundError(f"the folder {folder!r} holds no Parquet, CSV, JSON lines or Arrow file")
    if len(by_format) > 1:
        names = {"parquet": "Parquet", "csv": "CSV", "json": "JSON", "arrow": "Arrow"}
        held = [f"{names[form]} ({_counted(folder, paths)})" for form, paths in by_format.items()]
        raise DataError(
            f"the folder {folder!r} holds files of several formats, {' and '.join(held)}; say which with a pattern such as"
            f" {_pattern(folder, max(by_format.values(), key=len))!r}"
        )
    return next(iter(by_format.values()))


def _counted(folder: str, paths: Sequence[str]) -> str:
    first = repr(os.path.relpath(paths[0], folder))
    return first if len(paths) == 1 else f"{first} and {len(paths) - 1:,} more"


def _pattern(folder: str, paths: Sequence[str]) -> str:
    """One that some of the paths match, as many as one ending does."""
    name = os.path.basename(paths[0])
    ending = name[len(name) - len("".join(suffixes(name))) :]
    nested = any(os.path.dirname(path) != os.path.normpath(folder) for path in paths)
    return os.path.join(folder, "**" if nested else "", f"*{ending}")


def _format(path: str) -> str:
    ending, _ = suffixes(path)
    if ending in REFUSED or os.path.splitext(path.lower())[1] in REFUSED:
        raise DataError(f"{path!r} is {REFUSED.get(ending) or REFUSED[os.path.splitext(path.lower())[1]]}")
    if ending in FORMATS:
        return FORMATS[ending]
    with open(path, "rb") as file:
        head = file.read(16)
    return next((form for at, mark, form in MAGIC if head[at : at + len(mark)] == mark), "csv")


def check_stamp(path: str, stamp: tuple[int, int]) -> None:
    """Raises ValueError where a file was rewritten, OSError where it is gone. stamp: as ``file_stamp`` found it."""
    if file_stamp(path) != stamp:
        raise DataError(f"{path!r} has changed since it was opened; each pass must read the same rows: start again once it is complete")


def file_stamp(path: str) -> tuple[int, int]:
    """(size in bytes, time of the last change in ns)."""
    try:
        found: Any = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path!r} is no longer there; each pass reads it again") from None
    return int(found.st_size), int(found.st_mtime_ns)
