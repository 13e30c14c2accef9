"""Dask's distributed scheduler as the engine, through a client."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gradline.base.errors import ArgumentTypeError, ClusterError
from gradline.base.version import __version__
from gradline.cluster.dask_scheduler import allowed_failures, seconds_at_work, worker_of
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
        self._allowed = int(self._on_scheduler(allowed_failures))

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
            return str(self._on_scheduler(worker_of, getattr(future, "key", None)))
        return ""

    def seconds_at_work(self, futures: Sequence[Future]) -> list[float | None]:
        keys = [getattr(future, "key", None) for future in futures]
        with contextlib.suppress(OSError):  # a connection that is lost for now
            found: list[float | None] = self._on_scheduler(seconds_at_work, keys)
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


def is_dask_client(given: Any) -> bool:
    """Whether it is a client of ``dask.distributed``, which is not imported to tell."""
    loaded = sys.modules.get("distributed.client")
    return loaded is not None and isinstance(given, loaded.Client)


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
