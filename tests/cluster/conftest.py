"""A folder of many parts, and workers of this machine that end with the tests."""

import faulthandler
import gc
import signal
import sys

import pytest
from faulty import ready
from many_parts import FILES, N, until, write

import gradline as gl
from gradline.cluster import engine
from gradline.preparing import from_table

LIMIT = 600
"""Seconds after which a test has failed, whatever it waits for; a study may take as long as it wants."""


@pytest.fixture(autouse=True)
def _limit(request):
    if request.node.get_closest_marker("study") or not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(number, frame):
        faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)
        raise TimeoutError(f"the test has taken {LIMIT} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def interrupts_arrive():
    """Tests that a shell runs in the background begin with interrupts ignored. And Python drops an interrupt that is raised in a callback
    of the garbage collector, such as JAX and Dask have."""
    held, handler = gc.callbacks[:], signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = held
    signal.signal(signal.SIGINT, handler)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """64 files, of which some have rows to leave out."""
    place = tmp_path_factory.mktemp("parts")
    write(place, N, FILES)
    return place


@pytest.fixture(autouse=True)
def _nothing_is_held(monkeypatch):
    """Tables are read anew at each pass, however small, and by many tasks."""
    monkeypatch.setattr(from_table, "MOST_HELD", 0)
    monkeypatch.setattr(engine, "FEWEST_NUMBERS", 1)
    monkeypatch.setattr(engine, "SMALLEST_SHARE", 3)


@pytest.fixture(scope="session")
def dask_cluster():
    import dask
    from distributed import LocalCluster
    from distributed.gc import disable_gc_diagnosis, enable_gc_diagnosis

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.deploy.lost-worker-timeout": "1d"}),
        LocalCluster(
            n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50, memory_limit=0
        ) as cluster,
    ):
        # Dask's report on garbage collection is called from the collector, where Python drops an interrupt that has just come.
        disable_gc_diagnosis()
        yield cluster
        enable_gc_diagnosis()


@pytest.fixture(scope="session")
def client(dask_cluster):
    from distributed import Client

    with Client(dask_cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def scaled(dask_cluster, client):
    """A function that gives a cluster of so many workers."""

    def manned():
        """Workers that answer, and that have imported what a first task would wait for."""
        try:
            return len(client.run(ready))
        except Exception:  # one that has just died
            return 0

    def of(workers, **options):
        dask_cluster.scale(workers)
        until(lambda: manned() == workers)
        return gl.Cluster(client, **options)

    return of
