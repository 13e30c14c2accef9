"""Fits in child processes and in several threads at once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import numpy as np
import pytest

import gradline as gl
from gradline.base import threads as blas
from gradline.base.threads import single_threaded_blas

forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")


def threads_of_blas():
    return [library.num_threads for library in blas.blas_libraries(blas.controller())]


@pytest.fixture
def two_threads():
    """BLAS on two threads, however many cores there are."""
    with blas.controller().limit(limits=2, user_api="blas"):
        yield


FORKED = """
import os, sys
import numpy as np
import gradline as gl

rng = np.random.default_rng(1)
x = rng.normal(size=(200_000, 4))
y = x @ [1.0, 2.0, 3.0, 4.0] + rng.standard_cauchy(len(x))
LOSSES = ("squared", "huber", "absolute")

def fits():
    return np.concatenate([np.ravel(gl.fit(x, y, loss=gl.losses.huber(1.0) if loss == "huber" else loss).coefficients) for loss in LOSSES])

before = fits()
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(fits(), before) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@forks
def test_a_child_process_fits_what_its_parent_does():
    """The threads of the parent's pool are not in the child: this hung for ever."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], timeout=120, env=os.environ | {"PYTHON_CPU_COUNT": "2"})
    assert done.returncode == 0


@forks
def test_a_child_forked_within_a_pass_is_not_left_with_the_limit(two_threads):
    reading, writing = os.pipe()
    with single_threaded_blas():
        assert set(threads_of_blas()) == {1}
        child = os.fork()
        if child == 0:
            try:
                with single_threaded_blas():
                    inside = threads_of_blas()
                os.write(writing, repr((set(inside), set(threads_of_blas()))).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert os.read(reading, 100) == b"({1}, {2})"
    os.close(reading), os.close(writing)


def test_the_limit_is_taken_off_by_whoever_ends_last(two_threads):
    """First in, first out: the second must not put back the limit that the first had set."""
    first_is_in, second_is_in, first_is_out = Event(), Event(), Event()
    seen = {}

    def first():
        with single_threaded_blas():
            first_is_in.set()
            second_is_in.wait(10)
        first_is_out.set()

    def second():
        first_is_in.wait(10)
        with single_threaded_blas():
            second_is_in.set()
            first_is_out.wait(10)
            seen["while one is left"] = set(threads_of_blas())

    workers = [Thread(target=first), Thread(target=second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert seen == {"while one is left": {1}}
    assert set(threads_of_blas()) == {2}


def test_a_failure_inside_takes_the_limit_off_too(two_threads):
    with pytest.raises(KeyError), single_threaded_blas(), single_threaded_blas():
        raise KeyError
    assert set(threads_of_blas()) == {2}


def test_fits_in_several_threads_leave_blas_as_it_was_and_agree(two_threads):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20_000, 60))
    y = x.sum(axis=1) + rng.normal(size=len(x))
    alone = gl.fit(x, y, loss=gl.losses.huber(1.0)).coefficients
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda _: gl.fit(x, y, loss=gl.losses.huber(1.0)).coefficients, range(12)))
    for found in fits:
        np.testing.assert_array_equal(found, alone)
    assert set(threads_of_blas()) == {2}
