"""Workers that take time, die, stop and come back on a clock of their own: the driver's loop runs on them as on real ones."""

import heapq
import itertools
from collections import deque

from gradline.cluster.scheduling import TICK


class Clock:
    """Jumps to what happens next."""

    def __init__(self):
        self.time, self._next, self._count = 0.0, [], itertools.count()

    def now(self):
        return self.time

    def at(self, time, action):
        heapq.heappush(self._next, (time, next(self._count), action))

    def advance(self, seconds):
        """Time in which the driver has its hands full, and workers go on."""
        end = self.time + seconds
        while self._next and self._next[0][0] <= end:
            self.time, _, action = heapq.heappop(self._next)
            action()
        self.time = end

    def next(self, events):
        tick = self.time + TICK
        while events.empty():
            if not self._next or self._next[0][0] > tick:
                self.time = tick
                return None
            self.time, _, action = heapq.heappop(self._next)
            action()
        return events.get_nowait()


class Lost(Exception):
    """The worker went away."""


class Future:
    def __init__(self, seam):
        self.seam, self.worker, self._callbacks, self._outcome = seam, None, [], None

    def add_done_callback(self, function):
        self._callbacks.append(function)
        if self._outcome is not None:
            function(self)

    def end(self, value=None, error=None):
        if self._outcome is None:
            self._outcome = (value, error)
            for function in self._callbacks:
                function(self)

    def result(self, timeout=None):
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    def cancel(self):
        self.seam.cancelled += 1
        self._callbacks = []
        for worker in self.seam.workers.values():
            worker.forget(self)


class Worker:
    """One task at a time, in order."""

    def __init__(self, seam, name):
        self.seam, self.name, self.queue, self.busy, self.stopped, self.dead = seam, name, deque(), None, False, False
        self.since = self.heard = 0.0

    def stop(self):
        self.stopped, self.heard = True, self.seam.clock.time

    def seconds_at_work(self, future):
        """As a scheduler knows it: of a stopped worker, since it was last heard."""
        if self.busy and self.busy[0] is future:
            return self.seam.clock.time - self.since
        return self.seam.clock.time - self.heard if self.stopped else 0.0

    def belongs_to_others(self, seconds):
        """A task of somebody else's, from now on."""
        self.busy = (None, None, None)

        def end():
            self.busy = None
            self.begin()

        self.seam.clock.at(self.seam.clock.time + seconds, end)

    def forget(self, future):
        self.queue = deque(entry for entry in self.queue if entry[0] is not future)

    def take(self, future, function, arguments):
        future.worker = self.name
        self.queue.append((future, function, arguments))
        self.begin()

    def begin(self):
        if self.busy or not self.queue or self.stopped or self.dead:
            return
        self.busy = self.queue.popleft()
        self.since = self.seam.clock.time
        future, function, arguments = self.busy
        self.seam.began.append((self.seam.clock.time, self.name, arguments))
        seconds = self.seam.seconds(*arguments)
        if seconds is None:
            self.seam.clock.at(self.seam.clock.time + 0.01, self.die)
            return

        def end():
            if self.busy and self.busy[0] is future and not self.stopped and not self.dead:
                self.busy = None
                future.end(function(*arguments))
                self.begin()

        self.seam.clock.at(self.seam.clock.time + seconds, end)

    def die(self):
        lost = ([self.busy] if self.busy else []) + list(self.queue)
        self.queue, self.busy, self.dead = deque(), None, True
        self.seam.workers.pop(self.name, None)
        for future, _, _ in lost:
            future.end(error=Lost(self.name))
        if self.seam.restart is not None:
            self.seam.clock.at(self.seam.clock.time + self.seam.restart, self.seam.hire)


class Seam:
    """seconds(*arguments): how long a task takes, None for one that kills its worker. restart: seconds until a dead worker has a
    successor, None for none."""

    def __init__(self, clock, workers, seconds, restart=None):
        self.clock, self.seconds, self.restart = clock, seconds, restart
        self.workers, self.waiting, self.began, self.cancelled, self._names = {}, [], [], 0, itertools.count()
        for _ in range(workers):
            self.hire()

    def hire(self):
        worker = Worker(self, f"worker-{next(self._names)}")
        self.workers[worker.name] = worker
        waiting, self.waiting = self.waiting, []
        for entry in waiting:
            worker.take(*entry)

    def submit(self, name, function, *arguments, avoid=frozenset()):
        future = Future(self)
        candidates = [w for w in self.workers.values() if w.name not in avoid] or list(self.workers.values())
        if not candidates:
            self.waiting.append((future, function, arguments))
        else:
            min(candidates, key=lambda worker: len(worker.queue) + bool(worker.busy)).take(future, function, arguments)
        return future

    def threads(self):
        return len(self.workers)

    def is_lost(self, error):
        return int(isinstance(error, Lost))

    def worker_of(self, future):
        return future.worker or ""

    def seconds_at_work(self, futures):
        return [self.workers[f.worker].seconds_at_work(f) if f.worker in self.workers else None for f in futures]

    def everywhere(self, function, patience):
        return {}

    dask_client = None

    def close(self):
        pass


class Task:
    def __init__(self, number):
        self.number = number

    def submit(self, seam, avoid):
        return seam.submit("task", lambda number: number, self.number, avoid=avoid)

    def again(self, outcome):
        return False

    def explained(self, error, worker):
        return RuntimeError(f"{worker}: {error}")

    def __str__(self):
        return f"part {self.number}"
