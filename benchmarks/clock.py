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


def alternating(works, rounds=3):
    """As ``best`` for each of several, run in turn: so that what else the machine does falls on all alike."""
    least, results = [float("inf")] * len(works), [None] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            start = time.perf_counter()
            results[place] = work()
            least[place] = min(least[place], time.perf_counter() - start)
    return list(zip(least, results, strict=True))
