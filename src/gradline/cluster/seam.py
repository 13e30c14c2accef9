"""The seam to whatever runs tasks: ``submit(function, *arguments) -> Future``, and what is asked of it beside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, wait
from typing import Any, Protocol

from gradline.base.errors import ClusterError
from gradline.base.threads import available_cores


class Future(Protocol):
    """What ``submit`` returns, as ``concurrent.futures`` has it."""

    def result(self, timeout: float | None = None) -> Any: ...

    def cancel(self) -> Any: ...

    def add_done_callback(self, function: Callable[[Any], Any], /) -> Any: ...


class Seam(Protocol):
    """An engine of tasks."""

    @property
    def dask_client(self) -> Any:
        """The client that collections of Dask's are read with; None where there is none."""

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any, avoid: frozenset[str] = frozenset()) -> Future:
        """Have the function called somewhere. name: of the task; avoid: workers that should not get it, where there are others."""

    def elsewhere(self, avoid: frozenset[str]) -> Mapping[str, Any]:
        """What to tell the Dask client so that others than these workers make something; empty where there are none."""

    def threads(self) -> int:
        """Tasks that can run at a time now; 0 without a worker. Raises ClusterError where the engine is closed."""

    def is_lost(self, error: BaseException) -> int:
        """How many workers went away over a task whose future raised this; 0 where the error is the task's own. Raises ClusterError where
        no task can be submitted any more."""

    def worker_of(self, future: Future) -> str:
        """The worker that has the task, or what it waits for; empty where nobody knows."""

    def seconds_at_work(self, futures: Sequence[Future]) -> list[float | None]:
        """For how long each task has been at work, 0 where it waits for its turn on a worker that answers; None where nobody knows."""

    def everywhere(self, function: Callable[[], Any], patience: float) -> Mapping[str, Any]:
        """What the function returns on each worker, or an exception."""

    def close(self) -> None: ...


class ExecutorSeam:
    """An executor of ``concurrent.futures``, or anything whose ``submit`` is like its. It stays its owner's."""

    def __init__(self, executor: Executor | Any, threads: int | None = None) -> None:
        self._executor, self._threads = executor, threads or available_cores()
        self._closed = False

    @property
    def dask_client(self) -> None:
        return None

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any, avoid: frozenset[str] = frozenset()) -> Future:
        if self._closed:
            raise ClusterError(CLOSED)
        try:
            future: Future = self._executor.submit(function, *arguments)
        except BrokenExecutor as error:
            raise ClusterError(f"the executor is broken: {error}") from None
        except RuntimeError as error:
            what = "is shut down" if "shutdown" in str(error) else "takes no more tasks"
            raise ClusterError(f"the executor {what} ({error}); give gl.Cluster one that is open") from None
        return future

    def threads(self) -> int:
        if self._closed:
            raise ClusterError(CLOSED)
        return self._threads

    def is_lost(self, error: BaseException) -> int:
        if isinstance(error, BrokenExecutor):
            raise ClusterError(
                "a worker process died, and the executor with it: one of concurrent.futures does not replace its processes."
                " gl.Cluster.local() and a Dask client do"
            ) from error
        return 0

    def elsewhere(self, avoid: frozenset[str]) -> Mapping[str, Any]:
        return {}

    def worker_of(self, future: Future) -> str:
        return ""

    def seconds_at_work(self, futures: Sequence[Future]) -> list[float | None]:
        return [None] * len(futures)

    def everywhere(self, function: Callable[[], Any], patience: float) -> Mapping[str, Any]:
        # Nobody says which process takes which: several tasks each, and most are asked.
        futures: list[Any] = [self.submit("versions", function) for _ in range(2 * self._threads)]
        with contextlib.suppress(TypeError):  # futures that are not of concurrent.futures
            wait(futures, patience)
        return outcomes({f"process {i + 1}": future for i, future in enumerate(futures)}, patience)

    def close(self) -> None:
        self._closed = True


CLOSED = "the cluster is closed; make another, gl.Cluster(client)"


LEAST = 0.05
"""Seconds for which an outcome is waited that may be there already."""


def outcomes(futures: Mapping[str, Future], patience: float) -> dict[str, Any]:
    """What each future returns, or the exception that it raises or that it is late with: after ``patience`` seconds for all of them."""
    end, found = time.monotonic() + patience, dict[str, Any]()
    for name, future in futures.items():
        try:
            found[name] = future.result(max(end - time.monotonic(), LEAST))
        except Exception as error:  # a worker may fail in any way before it can say why
            found[name] = error
    return found


def cancel_all(futures: Iterable[Future]) -> None:
    """Leave no task behind; those at work end by themselves."""
    for future in futures:
        with contextlib.suppress(Exception):  # a client that is closed has no tasks any more
            future.cancel()
