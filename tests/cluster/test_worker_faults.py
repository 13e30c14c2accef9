"""Workers that die, stop, or meet a part that kills them: a fit ends all the same with its bits, or with one error; nothing is left."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import dask.dataframe as dd
import numpy as np
import pandas as pd
import psutil
import pytest
from distributed import Client, Future
from faulty import Poison, Slow
from many_parts import until

import gradline as gl
from gradline.cluster import dask_seam
from gradline.tables.encoders import PlainEncoder
from gradline.tables.rows import TableRows

FORMULA = "y ~ x + z + u + C(g)"


def pids(client):
    return sorted(client.run(os.getpid).values())


def workers(client):
    return client.scheduler_info(n_workers=-1)["workers"]


def rows_of(folder, cluster):
    return TableRows(cluster.table(folder), PlainEncoder(["x", "u"]), "y")


def bits(fit):
    return fit.coefficients.tobytes(), fit.standard_errors.tobytes(), repr(fit.certificate)


def killing(victims, moments):
    """A thread that kills a process at each moment, given in seconds from now."""

    def kill():
        begun = time.monotonic()
        for moment in moments:
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            for pid in victims():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def child_processes(dask_cluster):
    """Of the workers that live now; asked of their nannies, since a worker that dies does not answer."""
    return [nanny.pid for nanny in dask_cluster.workers.values() if nanny.pid is not None]


def test_workers_killed_at_random_moments(folder, scaled, dask_cluster):
    alone = bits(gl.fit(FORMULA, folder, loss=gl.losses.huber(1.35), covariance="default"))
    # Where a machine is busy, a worker's successor may be long in coming.
    cluster, draw = scaled(2, no_worker=300.0), random.Random(0)
    thread = killing(lambda: child_processes(dask_cluster)[:1], sorted(draw.uniform(0.05, 2.0) for _ in range(2)))
    found = bits(gl.fit(FORMULA, folder, loss=gl.losses.huber(1.35), covariance="default", cluster=cluster))
    thread.join()
    assert found == alone


@pytest.mark.study
@pytest.mark.parametrize("seed", range(25))
def test_twenty_moments_in_each_of_25_fits(folder, scaled, dask_cluster, seed):
    draw = random.Random(seed)
    asked = {"loss": gl.losses.huber(draw.uniform(0.5, 2.0)), "covariance": "default"}
    alone = bits(gl.fit(FORMULA, folder, **asked))
    cluster = scaled(2, no_worker=300.0)
    begun = time.monotonic()
    assert bits(gl.fit(FORMULA, folder, **asked, cluster=cluster)) == alone
    whole = time.monotonic() - begun
    for _ in range(20):
        thread = killing(lambda: child_processes(dask_cluster)[:1], [draw.uniform(0.0, whole)])
        found = bits(gl.fit(FORMULA, folder, **asked, cluster=cluster))
        thread.join()
        assert found == alone


def test_a_part_that_kills_its_workers(folder, scaled):
    rows = rows_of(folder, scaled(2, no_worker=300.0))
    n = rows.n_rows
    with pytest.raises(gl.ClusterError, match=r"workers died over '.*part-0\d\d.parquet', row group 0.*with nothing else to do"):
        rows.reduce(Poison(row=n // 2, seconds=0.0))
    # The workers that follow are as good as those before.
    assert rows.reduce(Slow(seconds=0.0)) == n


def test_a_stopped_worker_is_done_without(folder, scaled, client):
    rows = rows_of(folder, scaled(2, deadline=5.0))
    n, stopped = rows.n_rows, pids(client)[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        assert rows.reduce(Slow(seconds=0.0)) == n
    finally:
        os.kill(stopped, signal.SIGCONT)


def dask_frame(partitions=24, n=8_000):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return dd.from_pandas(pd.DataFrame({"x": x, "u": rng.normal(size=n), "y": x + rng.normal(size=n)}), npartitions=partitions)


@pytest.mark.parametrize("table", ["files", "partitions that have to be made first"])
def test_tasks_of_others_are_waited_for(folder, scaled, client, table):
    rows = rows_of(folder if table == "files" else dask_frame(), scaled(2, deadline=1.0))
    n = rows.n_rows
    # Each worker has some seconds to do first, which are no delay of ours: more than three times the deadline.
    others = [client.submit(time.sleep, 6.0, workers=[worker], pure=False, key=f"others-{i}") for i, worker in enumerate(workers(client))]
    time.sleep(0.5)
    begun = time.monotonic()
    assert rows.reduce(Slow(seconds=0.0)) == n
    assert time.monotonic() - begun > 4.0
    for future in others:
        future.result(10)


def test_partitions_are_made_by_others_once_a_worker_was_late(scaled, client):
    rows = rows_of(dask_frame(), scaled(2, deadline=2.0))
    n, stopped = rows.n_rows, pids(client)[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        with pytest.raises(gl.ClusterError, match=r"no answer to partition .* three times"):
            rows.reduce(Slow(seconds=0.0))
        # It is the worker that makes the partitions which is avoided, and which makes none the next time.
        assert rows.reduce(Slow(seconds=0.0)) == n
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_task_that_waits_for_rows_of_a_stopped_worker_is_late(scaled, client):
    seam = scaled(2)._engine.seam
    stopped = min(workers(client))
    rows = client.submit(np.ones, 10, workers=[stopped], pure=False)
    assert rows.result(60).sum() == 10
    process = client.run(os.getpid, workers=[stopped])[stopped]
    os.kill(process, signal.SIGSTOP)
    try:
        # The other worker answers, and what it waits for is no turn that is to come.
        task = seam.submit("sum", np.sum, rows, avoid=frozenset([stopped]))
        until(lambda: (seam.seconds_at_work([task])[0] or 0.0) > 3.0, seconds=30)
        assert seam.worker_of(task) == stopped
    finally:
        os.kill(process, signal.SIGCONT)
    assert task.result(60) == 10


def test_a_scheduler_of_before_2025_4(folder, scaled, dask_cluster, client, monkeypatch):
    rows = rows_of(folder, scaled(2))
    identity = dask_cluster.scheduler.identity
    monkeypatch.setitem(dask_cluster.scheduler.handlers, "identity", lambda: identity())  # it took no number of workers
    assert rows.reduce(Slow(seconds=0.0)) == rows.n_rows


def test_a_client_that_another_thread_closes_is_an_error(dask_cluster, scaled, monkeypatch):
    scaled(1)
    with Client(dask_cluster, set_as_default=False) as client:
        seam = gl.Cluster(client)._engine.seam
        future = seam.submit("sleep", time.sleep, 0.1)
        check = seam._check

        def closes_then(question, *arguments):
            with Client(dask_cluster, set_as_default=False) as seam._client:
                asked = []

                def checked():
                    check()
                    if not asked:
                        asked.append(seam._client.close())

                monkeypatch.setattr(seam, "_check", checked)
                return question(*arguments)

        for question in (seam.threads, lambda: seam.submit("sleep", time.sleep, 0.1), lambda: seam.everywhere(os.getpid, 1.0)):
            with pytest.raises(gl.ClusterError, match="the client is closed"):
                closes_then(question)
        monkeypatch.setattr(seam, "_check", check)
        for question in (seam.worker_of, lambda future: seam.seconds_at_work([future])):
            with pytest.raises(gl.ClusterError, match="the client is closed"):
                question(future)


class Elsewhere:
    """A scheduler and workers in processes of their own."""

    def __init__(self, place, stack):
        self._place, self._stack, self._told = place, stack, place / "scheduler.json"

    def scheduler(self, **environment):
        process = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", **environment)
        until(self._told.exists)
        return process

    def worker(self):
        return self._start("worker", "--no-nanny", "--nthreads", "1")

    def connect(self, **options):
        cluster = self._stack.enter_context(gl.Cluster.connect(json.loads(self._told.read_text())["address"], **options))
        until(lambda: cluster._engine.seam.threads() == 1)
        return cluster

    def _start(self, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard", "--scheduler-file", str(self._told)],
            cwd=self._place,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def elsewhere(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Elsewhere(tmp_path, stack)


def test_a_scheduler_that_is_stopped_is_an_error(folder, elsewhere, monkeypatch):
    monkeypatch.setattr(dask_seam, "SILENCE", 2.0)
    scheduler = elsewhere.scheduler()
    elsewhere.worker()
    rows = rows_of(folder, elsewhere.connect(deadline=1.0))
    assert rows.n_rows > 0
    scheduler.send_signal(signal.SIGSTOP)
    with pytest.raises(gl.ClusterError, match=r"the scheduler at tcp://127.0.0.1:\d+ has not answered for 2 s"):
        rows.reduce(Slow())
    scheduler.send_signal(signal.SIGCONT)
    # What it does once it goes on is as before.
    assert rows.reduce(Slow(seconds=0.0)) == rows.n_rows


def test_a_scheduler_that_dies_is_an_error(folder, elsewhere):
    scheduler = elsewhere.scheduler()
    elsewhere.worker()
    cluster = elsewhere.connect(deadline=1.0)
    cluster._engine.seam.dask_client._timeout = 1.0  # seconds for which a client tries to reach it again
    rows = rows_of(folder, cluster)
    assert rows.n_rows > 0
    scheduler.kill()
    with pytest.raises(gl.ClusterError, match=r"the scheduler at tcp://127.0.0.1:\d+ is gone; start one, and make another cluster"):
        rows.reduce(Slow())


def test_a_scheduler_without_gradline_is_an_error(elsewhere, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['gradline'] = None\n")
    elsewhere.scheduler(PYTHONPATH=str(tmp_path))
    with pytest.raises(gl.ClusterError, match=r"the scheduler at tcp://127.0.0.1:\d+ cannot import gradline .*; run there: pip install"):
        elsewhere.connect()


def test_no_worker_is_an_error_and_leaves_nothing(folder, scaled, dask_cluster, client):
    rows = rows_of(folder, scaled(2, no_worker=1.0))
    assert rows.n_rows > 0
    dask_cluster.scale(0)
    until(lambda: not workers(client))
    with pytest.raises(gl.ClusterError, match=r"no worker for 1 s, with '.*part-.*row group 0 still to read"):
        rows.reduce(Slow())
    until(lambda: not [key for key in client.run_on_scheduler(tasks) if "slow" in key])


def test_all_workers_killed_is_an_error_and_leaves_nothing(folder, scaled, dask_cluster, client):
    rows = rows_of(folder, scaled(2, no_worker=1.0))
    assert rows.n_rows > 0
    running = child_processes(dask_cluster)
    assert len(running) == 2
    for nanny in list(dask_cluster.workers.values()):
        nanny.close_gracefully()  # a worker that dies then has no successor
    thread = killing(lambda: running, [0.5])
    try:
        with pytest.raises(gl.ClusterError, match=r"no worker for 1 s, with '.*part-.*row group 0 still to read"):
            rows.reduce(Slow(seconds=0.5))
    finally:
        thread.join()
        dask_cluster.scale(0)
    until(lambda: not workers(client) and not any(alive(pid) for pid in running))
    until(lambda: not [key for key in client.run_on_scheduler(tasks) if "slow" in key])


def tasks(dask_scheduler):
    return list(map(str, dask_scheduler.tasks))


@pytest.mark.usefixtures("interrupts_arrive")
def test_an_interrupt_leaves_no_task(folder, scaled, client):
    rows = rows_of(folder, scaled(2))
    assert rows.n_rows > 0
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        rows.reduce(Slow(seconds=0.5))
    until(lambda: not [key for key in client.run_on_scheduler(tasks) if "slow" in key])


DRIVER = """
import sys
import gradline as gl
from gradline.preparing import from_table
from gradline.cluster import engine

if __name__ == "__main__":
    from_table.MOST_HELD, engine.FEWEST_NUMBERS = 0, 1
    with gl.Cluster.local(2) as cluster:
        print(*cluster._engine.seam._client.run(__import__("os").getpid).values(), flush=True)
        while True:
            gl.fit("y ~ x + z + u", sys.argv[1], loss="log_cosh", cluster=cluster)
"""


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_driver(folder, tmp_path, harm):
    (tmp_path / "driver.py").write_text(DRIVER)
    call = [sys.executable, str(tmp_path / "driver.py"), str(folder)]
    driver = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        running = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(running) == 2
        time.sleep(1.0)
        # Ctrl-C in a terminal goes to workers too.
        os.kill(driver.pid, harm) if harm == signal.SIGKILL else os.killpg(driver.pid, harm)
        said = driver.communicate(timeout=120)[1]
        assert harm == signal.SIGKILL or said.rstrip().endswith("KeyboardInterrupt")
        until(lambda: not any(alive(pid) for pid in running))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()


def alive(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_progress_counts_rows(folder, scaled):
    from dataclasses import replace

    class Meter:
        def __init__(self):
            self.begun, self.rows = [], 0

        def begin(self, total):
            self.begun.append(total)

        def count(self, rows):
            self.rows += rows

    meter = Meter()
    table = replace(scaled(1).table(folder), meter=meter)
    rows = TableRows(table, PlainEncoder(["x"]), "y")
    assert rows.n_rows == np.sum(meter.begun) == meter.rows


def test_an_outcome_that_is_cut_short_is_asked_for_again(folder, scaled, monkeypatch):
    cluster, cut, result = scaled(1), [], Future._result

    async def cancelled_once(self, raiseit=True):
        if self.key.startswith("gradline evaluate") and not cut:
            cut.append(self.key)
            raise asyncio.CancelledError
        return await result(self, raiseit)

    monkeypatch.setattr(Future, "_result", cancelled_once)
    found = gl.fit("c ~ x", folder, loss="poisson", covariance="default", cluster=cluster)
    assert cut
    assert bits(found) == bits(gl.fit("c ~ x", folder, loss="poisson", covariance="default"))


def test_an_outcome_that_cannot_be_fetched_is_made_again(folder, scaled, monkeypatch):
    cluster, stuck, result = scaled(1, deadline=2), [], Future._result

    async def never_once(self, raiseit=True):
        if self.key.startswith("gradline evaluate") and not stuck:
            stuck.append(self.key)
            await asyncio.sleep(3600)  # as where the worker stopped when it had the outcome
        return await result(self, raiseit)

    monkeypatch.setattr(Future, "_result", never_once)
    found = gl.fit("c ~ x", folder, loss="poisson", covariance="default", cluster=cluster)
    assert stuck
    assert bits(found) == bits(gl.fit("c ~ x", folder, loss="poisson", covariance="default"))
