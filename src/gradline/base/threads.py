"""BLAS on one thread while a pass runs, whichever threads and processes passes run in."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


class _Limit:
    """The one limit of this process, shared by all who ask for it: the first sets it, the last takes it off.

    The number of threads of BLAS belongs to the process. Two fits that each set it and put back what they had found would, ending in the
    order in which they began, put back the limit of the first for good.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.set: Any = None

    def take(self) -> None:
        with self.lock:
            if self.holders == 0:
                _let_any_thread_set()
                self.set = controller().limit(limits=1, user_api="blas")
            self.holders += 1

    def release(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders == 0:
                self.lift()

    def lift(self) -> None:
        limit, self.set = self.set, None
        if limit is not None:
            _let_any_thread_set()
            limit.restore_original_limits()
            _let_any_thread_set()


_limit = _Limit()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """A context in which BLAS runs on the calling thread only: our threads are the parallelism, and the bits must not depend on it."""
    limit = _limit
    limit.take()
    try:
        yield
    finally:
        limit.release()


@cache
def controller() -> ThreadpoolController:
    """What knows the BLAS libraries of this process."""
    import scipy.linalg.blas  # noqa: F401  SciPy brings a BLAS of its own, which the controller must find.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _let_any_thread_set() -> None:
    """Newer versions of threadpoolctl let one thread set the threads of OpenBLAS, and what others set is passed over in silence.

    Here the last to leave takes off what the first had set, and that may be another thread.
    """
    for library in controller().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def _after_fork() -> None:
    """In a child process: the threads that held the limit, and perhaps its lock, are not there any more."""
    global _limit
    held, _limit = _limit, _Limit()
    held.lift()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
