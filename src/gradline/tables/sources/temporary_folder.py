"""A temporary folder that goes with what holds it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from types import TracebackType
from typing import Self


class TemporaryFolder:
    """A folder of its own in TMPDIR, which goes when nobody holds this object any more, and when the interpreter ends.

    ``tempfile.TemporaryDirectory`` warns of both (ResourceWarning), and a child of ``os.fork()`` that ends would remove its parent's.
    """

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="gradline-")
        self._remove = weakref.finalize(self, _remove, self.name, os.getpid())

    def cleanup(self) -> None:
        """Remove the folder, and what is in it, now."""
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.cleanup()


def _remove(name: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(name, ignore_errors=True)
