"""Freed memory that a process keeps for its next pass, rather than hand it back to the system and have it cleared again."""

from __future__ import annotations

import ctypes
import os
from functools import cache

import numpy as np

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What ``mallopt`` of the GNU C library calls its settings (``malloc.h``)."""

LARGEST = 2**25
"""Bytes of a piece that is kept, the most that the C library allows. Twice as much is kept together, for each of its arenas."""


@cache
def keep_freed_memory() -> None:
    """Let the C library of Linux keep pieces of up to 31 MiB when they are freed.

    It hands freed memory back to the system, to be asked for and cleared again, unless it is at most twice as large as the largest piece it
    has seen freed, up to 32 MiB. A pass frees pieces of 2 MiB all the time; to show it one larger piece costs nothing.
    """
    np.empty(31 * 2**17)


@cache
def keep_freed_memory_of_a_worker() -> None:
    """The same where ``MALLOC_TRIM_THRESHOLD_`` has fixed how much is kept, as Dask has it in its workers, at 64 KiB.

    A pass then took 2.5 times the seconds of the processor: the system cleared every page anew.
    """
    keep_freed_memory()
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, 2 * LARGEST)
