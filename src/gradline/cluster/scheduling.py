"""The driver's loop over tasks: a bounded number at work, results in order, and whatever may become of workers."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gradline.base.errors import ClusterError
from gradline.cluster.seam import Future, Seam, cancel_all

TICK = 0.25
"""Seconds that are waited for an event."""

LOOK = 1.0
"""Seconds between two looks at workers and at who is late."""

DEATHS = 3
"""Workers that a task may cost before it is to blame."""

SLOWEST = 3.0
"""A task may take so many times as long as the slowest so far, whatever the deadline: none is larger than those before it."""

AVOIDED = 10.0
"""Deadlines for which a worker that was late gets nothing."""

Outcome = TypeVar("Outcome")
Seen = TypeVar("Seen", contravariant=True)


class Task(Protocol[Seen]):
    """What can be handed out as often as needed."""

    def submit(self, seam: Seam, avoid: frozenset[str]) -> Future: ...

    def again(self, outcome: Seen) -> bool:
        """Whether the outcome asks to be submitted once more, as one does whose worker did not know a part of the task."""

    def explained(self, error: BaseException, worker: str) -> Exception:
        """What to raise for an error that came in place of an outcome."""

    def __str__(self) -> str:
        """What it reads, for messages."""


@dataclass(frozen=True)
class Patience:
    """Seconds. deadline: of a task at work, before another worker gets it too; no_worker: without any."""

    deadline: float = 60.0
    no_worker: float = 30.0


class Clock(Protocol):
    """Time as it passes, or as a simulation says."""

    def now(self) -> float:
        """Seconds."""

    def next(self, events: Events) -> Event | None:
        """Wait for an event; None where there was none for a while."""


class RealClock:
    """The machine's."""

    def now(self) -> float:
        return time.monotonic()

    def next(self, events: Events) -> Event | None:
        try:
            return events.get(timeout=TICK)
        except queue.Empty:
            return None


@dataclass(eq=False)
class Attempt:
    """A task in somebody's hands. begun: when, or when it came to be at work, as far as that is known; alone: whether nothing else was in
    anybody's; late: whether its deadline has passed."""

    future: Future
    begun: float
    alone: bool
    late: bool = False


Event = tuple[int, Attempt]
"""The number of a task, and which attempt at it has ended."""

Events = queue.SimpleQueue[Event]


@dataclass
class _State:
    """What is known of a task. deaths: workers lost over it; tries: deadlines that passed."""

    attempts: list[Attempt] = field(default_factory=list)
    deaths: int = 0
    tries: int = 0


class Avoided:
    """Workers that were late, which get nothing for some time where there are others."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, worker: str, until: float) -> None:
        if worker:
            self._until[worker] = until

    def now(self, time: float) -> frozenset[str]:
        return frozenset(worker for worker, until in self._until.items() if time < until)


class Loop(Generic[Outcome]):
    """Hands out the tasks of one pass and takes their outcomes in order.

    ahead: tasks a thread that are handed out before the oldest is back. avoided: shared by the passes over one cluster.

    Raises ClusterError for a task that three workers died over or were late with, and without workers for a while. Whoever asks no further
    leaves no task behind.
    """

    def __init__(
        self,
        seam: Seam,
        tasks: Sequence[Task[Outcome]],
        patience: Patience,
        avoided: Avoided,
        clock: Clock | None = None,
        ahead: int = 4,
    ) -> None:
        self._seam, self._tasks, self._patience, self._avoided, self._ahead = seam, tasks, patience, avoided, ahead
        self._clock = clock or RealClock()
        self._events: Events = queue.SimpleQueue()
        self._states: dict[int, _State] = {}
        self._suspects: list[int] = []
        self._slowest = 0.0
        self._threads = seam.threads()
        self._looked = self._manned = self._clock.now()

    def outcomes(self, seen: Callable[[int], None] = lambda index: None) -> Generator[Outcome]:
        """The outcome of each task, in order. seen: called with the number of each that is back, in whatever order."""
        back: dict[int, Outcome] = {}
        begun = turn = 0
        try:
            while turn < len(self._tasks):
                if turn in back:
                    yield back.pop(turn)
                    turn += 1
                    continue
                begun = self._hand_out_more(begun, turn)
                event = self._clock.next(self._events)
                self._look_around(turn)
                if event is None:
                    continue
                index, attempt = event
                state = self._states.get(index)
                if state is None or attempt not in state.attempts:
                    continue  # another attempt was faster
                found = self._take(index, attempt, state)
                if found is not None:
                    self._slowest = max(self._slowest, self._clock.now() - attempt.begun)
                    self._settle(index, attempt)
                    back[index] = found.value
                    seen(index)
        finally:
            cancel_all(attempt.future for state in self._states.values() for attempt in state.attempts)

    def _hand_out_more(self, begun: int, turn: int) -> int:
        """Hand out what may be at work now; returns how many tasks have been begun."""
        idle = not any(state.attempts for state in self._states.values())
        if self._suspects:
            # A suspect runs alone, so that nobody else is blamed for what it does.
            if idle:
                self._hand_out(self._suspects[0], alone=True)
            return begun
        wide = max(1, self._threads)
        while begun < len(self._tasks) and len(self._states) < 2 * wide and begun < turn + self._ahead * wide:
            self._hand_out(begun)
            begun += 1
        return begun

    def _hand_out(self, index: int, alone: bool = False) -> None:
        now = self._clock.now()
        attempt = Attempt(self._tasks[index].submit(self._seam, self._avoided.now(now)), now, alone)
        self._states.setdefault(index, _State()).attempts.append(attempt)
        attempt.future.add_done_callback(lambda _: self._events.put((index, attempt)))

    def _settle(self, index: int, attempt: Attempt) -> None:
        """A task is back: nobody else need do it."""
        cancel_all(other.future for other in self._states.pop(index).attempts if other is not attempt)
        if index in self._suspects:
            self._suspects.remove(index)

    def _drop(self, attempt: Attempt, state: _State) -> None:
        """An attempt came to nothing. An engine may keep what has failed for as long as its future lives, and its error keeps it alive."""
        state.attempts.remove(attempt)
        cancel_all([attempt.future])

    def _take(self, index: int, attempt: Attempt, state: _State) -> _Found[Outcome] | None:
        """The outcome of an attempt that has ended; None where the task has to go on. Raises what was raised in place of an outcome."""
        task = self._tasks[index]
        try:
            # It is fetched from its worker now, which may have stopped since it had the outcome.
            outcome: Outcome = attempt.future.result(self._deadline)
        except KeyboardInterrupt:
            raise
        except TimeoutError:
            self._give_to_another(index, state, [attempt])
            self._drop(attempt, state)
            return None
        except BaseException as error:  # a cancelled future of concurrent.futures raises no Exception
            try:
                lost = self._seam.is_lost(error)
            except ClusterError as gone:
                raise ClusterError(f"{gone}. It was reading {task}") from error
            if not lost:
                raise task.explained(error, self._worker_of(attempt)) from error
            self._drop(attempt, state)
            state.deaths += lost
            if attempt.alone and state.deaths >= DEATHS:
                raise ClusterError(
                    f"{state.deaths} workers died over {task}, the last with nothing else to do. A worker that runs out of memory is killed"
                    " so: look into its log, and read those rows by themselves"
                ) from None
            if state.attempts:
                return None
            if state.deaths >= DEATHS - 1 or self._suspects:
                self._suspects += [] if index in self._suspects else [index]
            else:
                self._hand_out(index)
            return None
        if task.again(outcome):
            self._drop(attempt, state)
            self._hand_out(index, attempt.alone)
            return None
        return _Found(outcome)

    def _look_around(self, turn: int) -> None:
        """Every now and then: whether there are workers, and who is late."""
        now = self._clock.now()
        if now - self._looked < LOOK:
            return
        self._looked, self._threads = now, self._seam.threads()
        if self._threads:
            self._manned = now
            self._look_for_late(now)
            return
        if now - self._manned > self._patience.no_worker:
            waiting = self._tasks[min(self._states, default=turn)]
            raise ClusterError(
                f"the cluster has had no worker for {self._patience.no_worker:.0f} s, with {waiting} still to read; start workers, and fit"
                " again"
            )
        for state in self._states.values():
            for attempt in state.attempts:
                attempt.begun = now  # nobody is late where nobody is there

    def _look_for_late(self, now: float) -> None:
        """Give a task whose worker is late to another too. Raises ClusterError where three were late."""
        waiting = {
            index: attempts
            for index, state in self._states.items()
            if (attempts := [attempt for attempt in state.attempts if not attempt.late])
        }
        # Where others have tasks on the same workers, some of the time since it was handed out was theirs.
        asked = [attempt for attempts in waiting.values() for attempt in attempts if now - attempt.begun > LOOK]
        seconds = self._seam.seconds_at_work([attempt.future for attempt in asked]) if asked else []
        for attempt, own in zip(asked, seconds, strict=True):
            attempt.begun = attempt.begun if own is None else max(attempt.begun, now - own)
        for index, attempts in waiting.items():
            if all(now - attempt.begun > self._deadline for attempt in attempts):
                self._give_to_another(index, self._states[index], attempts)

    @property
    def _deadline(self) -> float:
        return max(self._patience.deadline, SLOWEST * self._slowest)

    def _worker_of(self, attempt: Attempt) -> str:
        """For a message: empty where the scheduler does not answer."""
        with contextlib.suppress(ClusterError):
            return self._seam.worker_of(attempt.future)
        return ""

    def _give_to_another(self, index: int, state: _State, late: Sequence[Attempt]) -> None:
        """Hand out a task whose attempts are late. Raises ClusterError where three were."""
        deadline = self._deadline
        for attempt in late:
            attempt.late = True
            self._avoided.add(self._seam.worker_of(attempt.future), self._clock.now() + AVOIDED * deadline)
        state.tries += 1
        if state.tries >= DEATHS:
            raise ClusterError(
                f"no answer to {self._tasks[index]} within {deadline:.0f} s, three times: workers are stopped or out of memory, or"
                " storage does not answer. gl.Cluster(..., deadline=) gives them longer"
            )
        self._hand_out(index)


@dataclass(frozen=True)
class _Found(Generic[Outcome]):
    value: Outcome
