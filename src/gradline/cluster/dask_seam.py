"""Dask's distributed scheduler as the engine: a client of the user's, or a cluster of this machine's own processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import multiprocessing
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gradline.base.errors import ArgumentTypeError, ClusterError
from gradline.base.version import __version__
from gradline.cluster.seam import CLOSED, Future, outcomes

SILENCE = 30.0
"""Seconds within which a scheduler answers."""


class DaskSeam:
    """A client of ``dask.distributed``. owned: what closes what was made here, None for a client of the user's."""

    def __init__(self, client: Any, owned: contextlib.ExitStack | None = None) -> None:
        if client.asynchronous:
            raise ArgumentTypeError("gl.Cluster needs a client that waits: Client(address), without asynchronous=True")
        self._client, self._owned = client, owned
        self._session, self._count = uuid.uuid4().hex[:8], itertools.count()
        self._known: Mapping[str, Any] = {}
        self._closed = False
        # A client that is closed has no scheduler any more.
        self._where = getattr(client.scheduler, "address", "")
        self._check()
        self._allowed = int(self._on_scheduler(_allowed_failures))

    @property
    def dask_client(self) -> Any:
        return self._client

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any, avoid: frozenset[str] = frozenset()) -> Future:
        self._check()
        options = self.elsewhere(avoid)
        with self._unless_closed():
            future: Future = self._client.submit(function, *arguments, key=self._key(name), pure=False, retries=0, **options)
        return future

    def elsewhere(self, avoid: frozenset[str]) -> Mapping[str, Any]:
        others = [worker for worker in self._workers() if worker not in avoid] if avoid else []
        # One of them may be gone when its turn comes, and then others may have the task.
        return {"workers": others, "allow_other_workers": True} if others else {}

    def threads(self) -> int:
        self._check()
        return sum(int(worker["nthreads"]) for worker in self._workers().values())

    def is_lost(self, error: BaseException) -> int:
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            # The scheduler has tried again by itself, as often as it is told to.
            return self._allowed + 1
        self._check()
        # A future is cancelled where the scheduler has forgotten it. Dask has taken its class from concurrent.futures and from asyncio.
        return int(isinstance(error, CancelledError | concurrent.futures.CancelledError | asyncio.CancelledError) or _cut_short(error))

    def worker_of(self, future: Future) -> str:
        with contextlib.suppress(OSError):  # a connection that is lost for now
            return str(self._on_scheduler(_worker_of, getattr(future, "key", None)))
        return ""

    def seconds_at_work(self, futures: Sequence[Future]) -> list[float | None]:
        keys = [getattr(future, "key", None) for future in futures]
        with contextlib.suppress(OSError):  # a connection that is lost for now
            found: list[float | None] = self._on_scheduler(_seconds_at_work, keys)
            return found
        return [None] * len(futures)

    def everywhere(self, function: Callable[[], Any], patience: float) -> Mapping[str, Any]:
        self._check()
        workers = self._workers()
        with self._unless_closed():
            asked = {worker: self._client.submit(function, workers=[worker], key=self._key("versions"), pure=False) for worker in workers}
        return outcomes(asked, patience)

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(Exception):  # what is gone already needs no closing
            if self._owned is not None:
                self._owned.close()

    def _key(self, name: str) -> str:
        """What stands before the first hyphen is the name on the dashboard."""
        return f"gradline {name}-{self._session}-{next(self._count)}"

    def _workers(self) -> Mapping[str, Any]:
        with contextlib.suppress(OSError):  # a connection that is lost for now: the workers are those that were known
            # Without a number of workers, which schedulers before 2025.4 do not take: they tell of all, as later ones do unless asked.
            self._known = self._answer(lambda: self._client.scheduler.identity())["workers"]
        return self._known

    def _on_scheduler(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns that is called where the scheduler is. Raises ClusterError where gradline is not installed there."""
        try:
            return self._answer(lambda: self._client.run_on_scheduler(function, *arguments))
        except ImportError as absent:
            raise ClusterError(
                f"the scheduler at {self._where} cannot import gradline ({absent}); run there: pip install"
                f' "gradline[cluster]=={__version__}"'
            ) from absent

    def _answer(self, question: Callable[[], Any]) -> Any:
        """The scheduler's answer. Raises ClusterError where it does not give one, as one that is stopped, and where the client is closed
        meanwhile; OSError where it is not reached."""
        with self._unless_closed():
            try:
                return self._client.sync(question, callback_timeout=SILENCE)
            except TimeoutError:
                self._check()
                raise ClusterError(
                    f"the scheduler at {self._where} has not answered for {SILENCE:.0f} s: it is stopped or gone, or has too much to do"
                ) from None

    @contextlib.contextmanager
    def _unless_closed(self) -> Iterator[None]:
        """What is asked of a client that another thread closes fails in many ways. Raises ClusterError in place of them."""
        try:
            yield
        except (OSError, ClusterError):
            raise
        except Exception:
            self._check()
            raise

    def _check(self) -> None:
        if self._client.status in ("running", "connecting"):
            return
        if self._closed:
            raise ClusterError(CLOSED)
        if self._owned is not None:
            raise ClusterError(f"the scheduler at {self._where} is gone; start one, and make another cluster")
        raise ClusterError("the client is closed, or its scheduler is gone; give gl.Cluster one that is connected to its scheduler")


def _cut_short(error: BaseException) -> bool:
    """Whether it is what Dask's wait for an outcome raises where asyncio cancelled it: it then returns a name that it never set. A task's
    own errors come as its outcome."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return isinstance(error, UnboundLocalError) and last is not None and last.tb_frame.f_globals.get("__name__") == "distributed.utils"


def _allowed_failures(dask_scheduler: Any) -> int:
    return int(dask_scheduler.allowed_failures)


MISSED = 3.0
"""Intervals between two signs of life after which a worker is silent."""


def _silence(dask_scheduler: Any) -> Callable[[Any], float]:
    """Called where the scheduler is. For how long a worker has given no sign of life; 0 where one may be about to come."""
    from distributed.metrics import time
    from distributed.scheduler import heartbeat_interval

    now, most = time(), MISSED * heartbeat_interval(len(dask_scheduler.workers))

    def silence(worker: Any) -> float:
        seconds = float(now - worker.last_seen)
        return seconds if seconds > most else 0.0

    return silence


def _worker_of(key: Any, dask_scheduler: Any) -> str:
    """Called where the scheduler is. The first that is silent of those workers that have the task, what it waits for, or what it needs;
    where none is, the first of them."""
    silence, found = _silence(dask_scheduler), list[Any]()
    left, seen = [dask_scheduler.tasks.get(key)], set[Any]()
    while left:
        task = left.pop()
        if task is None or task in seen:
            continue
        seen.add(task)
        if task.processing_on is not None:
            found += [task.processing_on, *(worker for needed in task.dependencies for worker in needed.who_has or ())]
        else:
            found += task.who_has or ()
            left += task.waiting_on or ()
    first = next((worker for worker in found if silence(worker)), found[0] if found else None)
    return "" if first is None else str(first.address)


def _seconds_at_work(keys: Sequence[Any], dask_scheduler: Any) -> list[float | None]:
    """Called where the scheduler is. Workers tell every now and then which tasks are at work, and for how long they have been."""
    from distributed.metrics import time

    now, silence = time(), _silence(dask_scheduler)
    someone_answers = any(not silence(worker) for worker in dask_scheduler.running)
    told: dict[Any, float | None] = {}

    def seconds(task: Any) -> float | None:
        worker = task.processing_on
        if task in worker.executing:
            return float(worker.executing[task]) + float(now - worker.last_seen)
        if silence(worker):
            return silence(worker)
        if worker not in dask_scheduler.running:
            return None
        # It has its turn to come, or what it needs, as the rows of a partition, is fetched from a worker that may have stopped.
        return max((min(map(silence, needed.who_has)) for needed in task.dependencies if needed.who_has), default=0.0)

    def of_all(tasks: Iterable[Any]) -> float | None:
        """Of the one that is longest at work."""
        found = [told.get(task) for task in tasks]
        known = [value for value in found if value is not None]
        return max(known) if known and len(known) == len(found) else None

    def tell(first: Any) -> float | None:
        # A plan may be deeper than Python calls functions: first what a task waits for, then the task.
        left = [(first, False)]
        while left:
            task, ready = left.pop()
            if task in told:
                continue
            if task.processing_on is not None:
                told[task] = seconds(task)
            elif task.state == "queued":
                told[task] = 0.0 if someone_answers else None
            elif task.state != "waiting":
                told[task] = None
            elif ready:
                told[task] = of_all(task.waiting_on)
            else:
                left += [(task, True), *((needed, False) for needed in task.waiting_on)]
        return told[first]

    tasks = [dask_scheduler.tasks.get(key) for key in keys]
    return [None if task is None else tell(task) for task in tasks]


def is_dask_client(given: Any) -> bool:
    """Whether it is a client of ``dask.distributed``, which is not imported to tell."""
    loaded = sys.modules.get("distributed.client")
    return loaded is not None and isinstance(given, loaded.Client)


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


def connected(address: str) -> DaskSeam:
    """A client of the scheduler at an address. Raises ClusterError where nobody answers there."""
    from distributed import Client

    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no scheduler answers at {address!r} ({error}); start one with: dask scheduler") from None
    owned = contextlib.ExitStack()
    owned.callback(client.close)
    return DaskSeam(client, owned)
