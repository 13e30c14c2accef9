"""Worker processes of this machine: how they start, what they need of Dask's settings, and that these are put back."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gradline.base.errors import ClusterError
from gradline.cluster.dask_seam import DaskSeam

GUARD = (
    "a script starts workers under \"if __name__ == '__main__':\", since Python has each new process import the script, which would start"
    " workers in turn"
)

QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "500ms",
}
"""What Dask does 50 and 100 times a second, in each worker and in the driver, beside the work."""


GIVES_UP, NEVER = "distributed.deploy.lost-worker-timeout", "1d"
"""Dask gives up a process that is seen without a worker some seconds after it lost one, though its next one is about to start."""

SILENT = 50
"""The least level of Dask's log that is printed."""


class _WhileOpen:
    """What clusters of this process's own need of Dask, shared by all of them: the first sets it, the last puts it back.

    Both settings belong to the process. Two clusters that each put back what they had found would, closed in the order in which they were
    made, put back the settings of the first for good.
    """

    def __init__(self) -> None:
        self.starting = threading.Lock()
        """Held while workers start: they get what Dask is set to at that moment."""
        self._lock = threading.Lock()
        self._open = 0
        self._found = contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._open == 0:
                self._found = _settings()
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                if self._open == 0:
                    self._found.close()


_while_open = _WhileOpen()


def _settings() -> contextlib.ExitStack:
    """Sets both; closed, it puts them back, except for one that its user has set to something else meanwhile."""
    import dask
    from distributed.utils import silence_logging_cmgr

    found = contextlib.ExitStack()
    found.enter_context(silence_logging_cmgr(SILENT))
    setting = dask.config.set({GIVES_UP: NEVER})

    def put_back() -> None:
        if dask.config.get(GIVES_UP, None) == NEVER:
            setting.__exit__(None, None, None)

    found.callback(put_back)
    return found


def local(workers: int, memory: str | float = "auto") -> DaskSeam:
    """Worker processes of this machine with a thread each, which listen on 127.0.0.1 only and go with this process. What they need of
    Dask's configuration is put back with the last of them, or where they do not start. Raises ClusterError where they do not."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # A worker that is about to start imports the script, and has come here. The process that starts it says what to do.
        raise SystemExit(1)
    import dask
    from distributed import Client
    from distributed.gc import disable_gc_diagnosis, enable_gc_diagnosis

    with contextlib.ExitStack() as starting:
        starting.enter_context(_while_open())
        # A task whose worker died comes back at once: who is to blame is found out here.
        with (
            _while_open.starting,
            dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.comm.timeouts.connect": "10s"} | QUIET),
        ):
            try:
                cluster = _started(workers, memory)
            except RuntimeError as error:
                raise ClusterError(f"the workers did not start ({str(error).rstrip('.')}); {GUARD}") from error
            starting.callback(cluster.close)
            # Dask's report on garbage collection is called from the collector, where Python drops an interrupt that has just come.
            disable_gc_diagnosis()
            starting.callback(enable_gc_diagnosis)
            client = Client(cluster, set_as_default=False)
            starting.callback(client.close)
        return DaskSeam(client, starting.pop_all())


def _started(workers: int, memory: str | float) -> Any:
    """A cluster whose workers have started. They start in a thread, so that an interrupt meets a whole cluster, which can be closed: Dask
    leaves behind, until this process ends, workers whose start was interrupted."""
    from distributed import LocalCluster

    with ThreadPoolExecutor(1, thread_name_prefix="gradline-start") as executor:
        future = executor.submit(
            LocalCluster,
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=memory,
            processes=True,
            silence_logs=SILENT,
        )
        try:
            return future.result()
        except KeyboardInterrupt:
            with contextlib.suppress(Exception):  # what did not start, an interrupt of its processes too, needs no closing
                future.result().close()
            raise
