"""What a user holds of a cluster."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gradline.base.errors import ArgumentError, ArgumentTypeError, ClusterError
from gradline.cluster.dask_frames import dask_source, is_dask_frame
from gradline.cluster.engine import ClusterEngine, check_splits, not_performed
from gradline.cluster.environment import environment
from gradline.cluster.scheduling import Patience
from gradline.cluster.seam import ExecutorSeam, Seam
from gradline.tables.sources.parquet import parquet_source
from gradline.tables.sources.paths import is_remote
from gradline.tables.sources.renamed import with_composed_names
from gradline.tables.sources.storage import find_remote
from gradline.tables.table import Table, open_table

if TYPE_CHECKING:
    from concurrent.futures import Executor

ASKING = 20.0
"""Seconds within which a worker tells its versions."""


class Cluster:
    """Worker processes that read the rows of a table and add them up, on this machine or on others.

    Given as ``cluster=``, it changes where rows are read, and nothing else: coefficients, errors and certificate are the same bits as on
    one machine, however many workers there are and whichever ends first. Workers read the table's Parquet files themselves, so each must
    see them under the same path. A worker that dies or stops is done without.

    Parameters
    ----------
    client : dask.distributed.Client or concurrent.futures.Executor
        What runs tasks: a Dask client, an executor such as ``ProcessPoolExecutor``, or any object whose ``submit(function, *arguments)``
        returns a future. It stays yours to close.
    threads : int, optional
        Tasks that an executor can run at a time; the cores of this machine unless given. A Dask client knows.
    deadline : float
        Seconds at work after which a task is given to another worker too, since its own may have been stopped. It stretches to three
        times the slowest task of the pass so far. Time in which a Dask worker has others' tasks to do first does not count.
    no_worker : float
        Seconds without any worker after which a fit ends with an error.

    Raises
    ------
    ArgumentTypeError
        For something that takes no tasks.
    ClusterError
        For a client that is closed, and for workers without gradline or with another version of it.

    Examples
    --------
    >>> import gradline as gl
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as executor:
    ...     gl.Cluster(executor, threads=2)
    Cluster(ThreadPoolExecutor, 2 threads)
    """

    def __init__(self, client: Any | Executor, *, threads: int | None = None, deadline: float = 60.0, no_worker: float = 30.0) -> None:
        for name, seconds in (("deadline", deadline), ("no_worker", no_worker)):
            if not seconds > 0:
                raise ArgumentError(f"{name} is a number of seconds above 0, not {seconds!r}")
        if threads is not None and not _is_count(threads):
            raise ArgumentError(f"threads counts tasks at a time, 1 or more, not {threads!r}")
        seam = _seam(client, None if threads is None else int(threads))
        self._name = type(client if seam.dask_client is None else seam.dask_client).__name__
        self._engine = ClusterEngine(seam, Patience(deadline, no_worker))
        self._asked = False

    @classmethod
    def local(cls, workers: int = 2, *, deadline: float = 60.0, no_worker: float = 30.0) -> Self:
        """Worker processes of this machine, started now and stopped by ``close`` or at the end of a ``with`` block.

        They listen on 127.0.0.1 only. Whoever else may log in to this machine can reach them there; see the manual's page on clusters.
        A script starts them under ``if __name__ == "__main__":``, since Python has each new process import the script.

        Parameters
        ----------
        workers : int
            Processes, each with one thread.
        deadline, no_worker : float
            As for ``Cluster``.

        Returns
        -------
        Cluster

        Raises
        ------
        ImportError
            Where Dask is not installed. The message holds the pip command.
        ArgumentError
            For less than one worker.
        ClusterError
            Where they do not start.

        Examples
        --------
        >>> import gradline as gl
        >>> with gl.Cluster.local(workers=1) as cluster:
        ...     cluster
        Cluster(Client, 1 thread)
        """
        if not _is_count(workers):
            raise ArgumentError(f"workers counts processes, 1 or more, not {workers!r}")
        _require_dask()
        from gradline.cluster.local_workers import local

        return cls(local(int(workers)), deadline=deadline, no_worker=no_worker)

    @classmethod
    def connect(cls, address: str, *, deadline: float = 60.0, no_worker: float = 30.0) -> Self:
        """The cluster of a scheduler that runs, such as ``"tcp://10.0.0.5:8786"``; or ``"local:4"`` for ``Cluster.local(4)``.

        Parameters
        ----------
        address : str
            Of a Dask scheduler.
        deadline, no_worker : float
            As for ``Cluster``.

        Returns
        -------
        Cluster

        Raises
        ------
        ClusterError
            Where no scheduler answers there.
        ArgumentError
            For an address that is none.

        Examples
        --------
        >>> import gradline as gl
        >>> with gl.Cluster.connect("local:1") as cluster:
        ...     cluster
        Cluster(Client, 1 thread)
        """
        kind, _, count = address.partition(":")
        if kind == "local":
            if count and not count.isdigit():
                raise ArgumentError(f"{address!r} is no cluster; write local:4 for four processes of this machine")
            return cls.local(int(count or 2), deadline=deadline, no_worker=no_worker)
        if "://" not in address:
            raise ArgumentError(f"{address!r} is no address of a scheduler; write tcp://host:8786, or local:4 for four processes here")
        _require_dask()
        from gradline.cluster.dask_seam import connected

        return cls(connected(address), deadline=deadline, no_worker=no_worker)

    def table(self, data: Any, **how: Any) -> Table:
        """A table whose rows the workers read: for whatever takes a table.

        Parameters
        ----------
        data : path, pattern, folder or list of paths, or dask.dataframe
            Of Parquet files that every worker sees, also ``s3://bucket/rows/*.parquet`` and what else Arrow's file systems open; or a
            Dask frame, whose partitions are read where they are.
        **how
            ``query``, ``database`` and ``where``, which make one stream of the rows and are refused.

        Returns
        -------
        Table

        Raises
        ------
        DataError
            For what cannot be split: text, databases, frames in memory, and files of fewer than four row groups.
        ClusterError
            For workers that cannot be used.

        Examples
        --------
        >>> import tempfile
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> import pyarrow as pa
        >>> import pyarrow.parquet as pq
        >>> import gradline as gl
        >>> folder = tempfile.mkdtemp()
        >>> pq.write_table(pa.table({"x": [1.0, 2.0, 3.0, 4.0]}), f"{folder}/rows.parquet", row_group_size=1)
        >>> with ThreadPoolExecutor(2) as executor:
        ...     table = gl.Cluster(executor, threads=2).table(folder)
        >>> table.n_rows
        4
        """
        if is_dask_frame(data):
            opened = self._dask_table(data, how)
        elif isinstance(data, str) and is_remote(data) and all(value is None for value in how.values()):
            # What a table otherwise reads as one stream, Arrow's file systems read in parts.
            opened = Table(with_composed_names(parquet_source(find_remote(data))))
        else:
            opened = open_table(data, **how)
        if opened.source.in_one_piece:
            check_splits(opened.source, 1)
        self.check()
        return replace(opened, engine=self._engine)

    def _dask_table(self, frame: Any, how: Mapping[str, Any]) -> Table:
        for keyword, value in how.items():
            if value is not None:
                raise ArgumentError(f"{keyword}= does not go with a Dask frame; select rows and columns with Dask first")
        self.check()
        client = self._engine.seam.dask_client
        if client is None:
            raise ArgumentTypeError("a Dask frame needs the Dask client of its cluster: gl.Cluster(client)")
        return Table(dask_source(frame, client))

    def check(self) -> None:
        """Ask each worker for its versions, once; a fit does so by itself. Warns of versions that may change the last bits.

        Raises
        ------
        ClusterError
            For a worker without gradline or with another version of it, and for a client or an executor that is closed.

        Examples
        --------
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> import gradline as gl
        >>> with ThreadPoolExecutor(2) as executor:
        ...     gl.Cluster(executor, threads=2).check()
        """
        self._engine.seam.threads()
        if self._asked:
            return
        answers = self._engine.seam.everywhere(environment, ASKING)
        told = {}
        for worker, answer in answers.items():
            if isinstance(answer, TimeoutError):
                continue  # one that is stopped is noticed by its tasks
            if isinstance(answer, BaseException):
                if self._engine.seam.is_lost(answer):
                    continue  # it has just died; what its successor returns tells of that one
                raise not_performed(answer, worker)
            told[worker] = answer
        self._engine.notice(told)
        self._asked = True

    def close(self) -> None:
        """Stop the workers that were started here; a client or an executor that was given stays open.

        Examples
        --------
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> import gradline as gl
        >>> with ThreadPoolExecutor(2) as executor:
        ...     cluster = gl.Cluster(executor, threads=2)
        ...     cluster.close()
        >>> cluster
        Cluster(ThreadPoolExecutor, closed)
        """
        self._engine.seam.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            threads = self._engine.seam.threads()
        except ClusterError:
            return f"Cluster({self._name}, closed)"
        return f"Cluster({self._name}, {threads} thread{'s' * (threads != 1)})"

    def __reduce__(self) -> Any:
        raise TypeError("a cluster belongs to the process that made it, and cannot be pickled")


def on_cluster(data: Any, cluster: Cluster | None, **how: Any) -> Any:
    """The data as it is, or as a table whose rows a cluster's workers read. Raises ArgumentTypeError for what is no cluster."""
    if cluster is None:
        return data
    if not isinstance(cluster, Cluster):
        raise ArgumentTypeError(f"cluster= takes a gl.Cluster, as in gl.Cluster(client), not {type(cluster).__name__}")
    return cluster.table(data, **how)


def _seam(given: Any, threads: int | None) -> Seam:
    from gradline.cluster.dask_seam import DaskSeam, is_dask_client

    if isinstance(given, DaskSeam):
        return given
    if is_dask_client(given):
        if threads is not None:
            raise ArgumentError("threads= goes with an executor; a Dask client knows its workers' threads")
        return DaskSeam(given)
    if isinstance(given, type) or not callable(getattr(given, "submit", None)):
        raise ArgumentTypeError(
            f"gl.Cluster takes a Dask client or an executor, whose submit(function, *arguments) returns a future, not"
            f" {getattr(given, '__name__', type(given).__name__)!r}; gl.Cluster.local(workers=2) starts workers here"
        )
    return ExecutorSeam(given, threads)


def _is_count(value: Any) -> bool:
    """Whether it is a whole number, 1 or more, NumPy's too."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def _require_dask() -> None:
    import importlib.util

    absent = [name for name in ("distributed", "cloudpickle") if importlib.util.find_spec(name) is None]
    if absent:
        raise ImportError(f'a cluster needs {" and ".join(absent)}; run: pip install "gradline[cluster]"')
