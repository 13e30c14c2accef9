"""What is asked of Dask's scheduler, by functions that are called where it is: who has a task, and for how long it has been at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

MISSED = 3.0
"""Intervals between two signs of life after which a worker is silent."""


def allowed_failures(dask_scheduler: Any) -> int:
    """How often it runs a task again by itself whose worker died."""
    return int(dask_scheduler.allowed_failures)


def _silences(dask_scheduler: Any) -> Callable[[Any], float]:
    """For how long a worker has given no sign of life; 0 where one may be about to come."""
    from distributed.metrics import time
    from distributed.scheduler import heartbeat_interval

    now, most = time(), MISSED * heartbeat_interval(len(dask_scheduler.workers))

    def silence(worker: Any) -> float:
        seconds = float(now - worker.last_seen)
        return seconds if seconds > most else 0.0

    return silence


def worker_of(key: Any, dask_scheduler: Any) -> str:
    """The first that is silent of those workers that have the task, what it waits for, or what it needs;
    where none is, the first of them."""
    silence, found = _silences(dask_scheduler), list[Any]()
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


def seconds_at_work(keys: Sequence[Any], dask_scheduler: Any) -> list[float | None]:
    """As ``Seam.seconds_at_work``, of the tasks of these keys. Workers tell every now and then what is at work, and for how long it has
    been."""
    from distributed.metrics import time

    now, silence = time(), _silences(dask_scheduler)
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
