"""How long something takes, at its best."""

from __future__ import annotations

import time


def best(work, repeats=5):
    """(shortest seconds, last result) of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def seconds(work, repeats=3):
    """The shortest of a few calls."""
    return best(work, repeats)[0]
