"""Memory that is freed is kept, whatever the environment has fixed."""

import os
import subprocess
import sys

import pytest

CALLS = """
import resource
import numpy as np
from gradline.base.freed_memory import keep_freed_memory, keep_freed_memory_of_a_worker

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [faults()]
for keep in (keep_freed_memory, keep_freed_memory_of_a_worker):
    keep()
    found.append(faults())
print(*found)
"""


def faults(**variables):
    """Page faults of blocks of 2 MiB, at first and after each of the two calls."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    done = subprocess.run([sys.executable, "-c", CALLS], env=environment, capture_output=True, text=True, check=True)
    return [int(count) for count in done.stdout.split()]


def test_a_worker_keeps_what_its_environment_hands_back():
    at_first, kept, of_a_worker = faults(MALLOC_TRIM_THRESHOLD_="65536")
    if at_first < 20_000:
        pytest.skip("the C library of this system keeps freed memory by itself, or does not heed the variable")
    # Elsewhere than in a worker, what somebody has set is left as it is.
    assert kept > 20_000
    assert of_a_worker < 2_000


def test_where_nothing_is_fixed_both_do_the_same():
    assert max(faults()[1:]) < 2_000
