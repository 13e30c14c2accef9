"""Numbers of each row that are worked out once and kept beside a table: in memory where they are few, in temporary files where not.

A file is read a part at a time, so that memory does not grow with the rows.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradline.base.types import IntArray
from gradline.rows.levelled import HeldNumbers, RowNumbers
from gradline.tables.sources.temporary_folder import TemporaryFolder

MOST_HELD_ROWS = 2**25
"""Rows whose numbers are held in memory: 128 MiB for a code."""

Numbers = np.ndarray[tuple[int], np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class FiledNumbers:
    """In a file of its own. folder: that it lies in, which must outlive this."""

    path: str
    kind: np.dtype[Any]
    n: int
    folder: TemporaryFolder | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.n

    def part(self, start: int, stop: int) -> Numbers:
        count = max(min(stop, self.n) - start, 0)
        return np.fromfile(self.path, dtype=self.kind, count=count, offset=start * self.kind.itemsize)

    def take(self, rows: IntArray) -> Numbers:
        return np.array(np.memmap(self.path, dtype=self.kind, mode="r", shape=(self.n,))[rows])


def written(parts: Iterable[Numbers], kind: Any) -> RowNumbers:
    """The parts one after another. Raises OSError where the disk is full."""
    return write_together(([part] for part in parts), [kind])[0]


def write_together(parts: Iterable[list[Numbers]], kinds: list[Any]) -> list[RowNumbers]:
    """The same of several numbers a row, whose parts come together."""
    held: list[list[Numbers]] = [[] for _ in kinds]
    folder: TemporaryFolder | None = None
    n = 0
    kept = [np.dtype(kind) for kind in kinds]
    for part in parts:
        for own, values, kind in zip(held, part, kept, strict=True):
            own.append(values.astype(kind, copy=False))
        n += len(part[0]) if part else 0
        if n > MOST_HELD_ROWS:
            folder = TemporaryFolder() if folder is None else folder
            _append(folder, held, n)
            held = [[] for _ in kinds]
    if folder is None:
        return [HeldNumbers(np.concatenate(own) if own else np.empty(0, dtype=kind)) for own, kind in zip(held, kept, strict=True)]
    _append(folder, held, n)
    return [FiledNumbers(str(_path(folder, place)), kind, n, folder) for place, kind in enumerate(kept)]


def derived(given: RowNumbers, change: Callable[[Numbers], Numbers], kind: Any, rows: int = 2**20) -> RowNumbers:
    """Numbers worked out of others, a part at a time."""
    return written((change(given.part(start, start + rows)) for start in range(0, len(given), rows)), kind)


def _path(folder: TemporaryFolder, place: int) -> Path:
    return Path(folder.name, f"{place}.bin")


def _append(folder: TemporaryFolder, held: list[list[Numbers]], n: int) -> None:
    try:
        for place, own in enumerate(held):
            with _path(folder, place).open("ab") as file:
                for values in own:
                    values.tofile(file)
    except OSError as error:
        folder.cleanup()
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f"no room left in {tempfile.gettempdir()!r} for the codes of the levels of {n:,} rows; set TMPDIR to a folder on a larger"
                " disk",
            ) from error
        raise
