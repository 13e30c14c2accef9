"""What the tests of clusters share: many parts, an executor that shuffles, waiting."""

import random
import threading
import time
from concurrent.futures import Future

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N, FILES = 25_600, 64


def write(place, n, files, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    signal = 0.5 * x - 0.25 * z
    columns = {
        "y": 1.0 + signal + rng.standard_t(3, size=n),
        "c": rng.poisson(np.exp(0.3 * signal)).astype(float),
        "x": x,
        "z": z,
        "u": rng.normal(size=n),
        "g": rng.choice(list("abcd"), n),
        "w": rng.uniform(0.5, 2.0, n),
        "i": np.arange(n),
    }
    columns["z"][n // 3 : n // 3 + n // files] = np.nan
    table = pa.table(columns)
    for part in range(files):
        rows = table.slice(part * n // files, (part + 1) * n // files - part * n // files)
        # The first has several row groups.
        pq.write_table(rows, place / f"part-{part:03d}.parquet", row_group_size=rows.num_rows if part else 150)


def until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Shuffled:
    """An executor whose futures end in an order drawn at random."""

    def __init__(self, executor, seed=0):
        self._executor, self._random, self._lock = executor, random.Random(seed), threading.Lock()
        self._ended = []

    def submit(self, function, *arguments):
        promise = Future()
        promise.set_running_or_notify_cancel()
        self._executor.submit(function, *arguments).add_done_callback(lambda future: self._end(promise, future))
        return promise

    def _end(self, promise, future):
        with self._lock:
            self._ended.append((promise, future))
        threading.Timer(self._random.uniform(0, 0.02), self._release).start()

    def _release(self):
        with self._lock:
            promise, future = self._ended.pop(self._random.randrange(len(self._ended)))
        error = future.exception()
        promise.set_result(future.result()) if error is None else promise.set_exception(error)
