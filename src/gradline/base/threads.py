"""The threads of a pass: a pool of them, results in order, and BLAS on one thread meanwhile, whichever threads passes run in."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from gradline.base.freed_memory import keep_freed_memory

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

FEWEST_COLUMNS, MOST_COLUMNS = 48, 512
"""Sizes of matrices between which the threads of BLAS wait for each other, and from which they help."""


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(job: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> Iterator[Result]:
    """What ``job`` makes of each item, in the order of the items. threads: None for one a core.

    Threads work ahead by a bounded number of items, so that memory does not grow with them. BLAS keeps to one thread meanwhile.
    """
    threads = threads or available_cores()
    keep_freed_memory()
    waiting: deque[Future[Result]] = deque()
    with single_threaded_blas():
        try:
            for item in items:
                if threads == 1:
                    yield job(item)
                    continue
                waiting.append(worker_threads(threads).submit(job, item))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            # A thread still at work must not outlive what it reads.
            wait(waiting)


@cache
def worker_threads(threads: int) -> ThreadPoolExecutor:
    """The pool of this many threads, kept for the next pass."""
    return ThreadPoolExecutor(threads, thread_name_prefix="gradline")


def small_algebra(size: int) -> Any:
    """``single_threaded_blas`` for the algebra of size x size matrices that several threads would only slow down, by twenty times where a
    core is busy."""
    return single_threaded_blas() if FEWEST_COLUMNS <= size <= MOST_COLUMNS else nullcontext()


class _Limit:
    """The one limit of this process, shared by all who ask for it: the first sets it, the last takes it off.

    The number of threads of BLAS belongs to the process. Two fits that each set it and put back what they had found would, ending in the
    order in which they began, put back the limit of the first for good.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.found: list[tuple[Any, int]] = []
        """The libraries that had more than one thread, and how many."""

    def take(self) -> None:
        with self.lock:
            if self.holders == 0:
                # threadpoolctl's own limit asks each library for all there is to know of it, which a small fit would feel.
                self.found = [(library, threads) for library in _blas_libraries() if (threads := library.num_threads or 1) > 1]
                for library, _ in self.found:
                    _let_any_thread_set(library)
                    library.set_num_threads(1)
            self.holders += 1

    def release(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders == 0:
                self.lift()

    def lift(self) -> None:
        found, self.found = self.found, []
        for library, threads in found:
            _let_any_thread_set(library)
            library.set_num_threads(threads)
            _let_any_thread_set(library)


_limit = _Limit()


class single_threaded_blas:
    """A context in which BLAS runs on the calling thread only: our threads are the parallelism, and the bits must not depend on it."""

    def __enter__(self) -> None:
        self.limit = _limit
        self.limit.take()

    def __exit__(self, *failure: object) -> None:
        self.limit.release()


@cache
def controller() -> ThreadpoolController:
    """What knows the BLAS libraries of this process."""
    import scipy.linalg.blas  # noqa: F401  SciPy brings a BLAS of its own, which the controller must find.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@cache
def _blas_libraries() -> list[Any]:
    return blas_libraries(controller())


def blas_libraries(known: ThreadpoolController) -> list[Any]:
    """The BLAS of NumPy and of SciPy. Others that packages bring for themselves compute nothing here, and are left alone."""
    found = [library for library in known.lib_controllers if library.user_api == "blas"]
    # Where both use one of the system, its path names neither.
    own = [library for library in found if any(name in str(library.filepath).lower() for name in ("numpy", "scipy"))]
    return own or found


def _let_any_thread_set(library: Any) -> None:
    """Newer versions of threadpoolctl let one thread set the threads of OpenBLAS, and what others set is passed over in silence.

    Here the last to leave takes off what the first had set, and that may be another thread.
    """
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)


def _after_fork() -> None:
    """In a child process: the threads that held the limit, and perhaps its lock, are not there any more."""
    global _limit
    held, _limit = _limit, _Limit()
    held.lift()
    # The pools of the parent are here, but not their threads: work handed to them would wait for ever.
    worker_threads.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
