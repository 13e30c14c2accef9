"""Questions worked on in threads, with those that nobody waits for any more given up between two passes over the rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gradline.base.listening import Stopped, heard_by
from gradline.studio.messages import Problem, Question, of_a_moment

Send = Callable[[dict[str, Any]], None]
"""Called from any thread with a message for the page."""

Answer = Callable[[Question], Any]

TOLD_EVERY = 0.1
"""Seconds between two words on how far a computation is."""


class Job:
    """A question on its way: the listener of its computation."""

    def __init__(self, question: Question, send: Send) -> None:
        self.question, self._send = question, send
        self._stopped = threading.Event()
        self._told = 0.0

    def stop(self) -> None:
        """Nobody waits for the answer any more."""
        self._stopped.set()

    def check(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def told(self, stage: str, done: int, total: int | None, status: str) -> None:
        self.check()
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY:
            self._told = now
            self.say({"progress": {"stage": stage, "done": done, "total": total, "status": status}})

    def say(self, message: dict[str, Any]) -> None:
        """A message about this question."""
        self._send({"id": self.question.id, **message})


class Desk:
    """What works on the questions of all pages. Fits follow one another, since each takes all cores; questions of a moment go beside."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._fits = ThreadPoolExecutor(1, thread_name_prefix="gradline-studio-fit")
        self._lookups = ThreadPoolExecutor(2, thread_name_prefix="gradline-studio")

    def take(self, job: Job) -> None:
        """Work on a question as soon as its turn comes."""
        pool = self._lookups if of_a_moment(job.question) else self._fits
        pool.submit(self._work, job)

    def close(self) -> None:
        """Take no more; what is under way ends by itself."""
        for pool in (self._fits, self._lookups):
            pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, job: Job) -> None:
        try:
            with heard_by(job):
                job.check()
                answer = self._answer(job.question)
                job.check()
        except Stopped:
            job.say({"cancelled": True})
        except Problem as problem:
            job.say({"problem": {"path": problem.path, "message": problem.message}})
        except MemoryError:
            job.say({"problem": {"path": "", "message": "there is not enough memory for this: use fewer columns, or fewer rows"}})
        except Exception as error:  # whatever a loss of the user's own raises, and what gradline refuses: the page says it, and goes on
            job.say({"problem": {"path": "", "message": _told(error)}})
        else:
            job.say({"answer": answer})


def _told(error: Exception) -> str:
    """The message of an error that was written for the user; before that of any other, what kind of error it is."""
    expected = isinstance(error, ValueError | TypeError | ImportError | OSError) and bool(str(error))
    return str(error) if expected else f"{type(error).__name__}: {error}".removesuffix(": ")


class Page:
    """The questions of one page: a new one of a lane takes the place of those before."""

    def __init__(self, desk: Desk, send: Send) -> None:
        self._desk, self._send = desk, send
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()

    def ask(self, question: Question) -> None:
        """Work on a question, and give up the older ones of its lane."""
        job = Job(question, self._finishing)
        with self._lock:
            for other in self._jobs.values():
                if question.lane is not None and other.question.lane == question.lane:
                    other.stop()
            self._jobs[question.id] = job
        self._desk.take(job)

    def cancel(self, number: int) -> None:
        """Give up a question."""
        with self._lock:
            job = self._jobs.get(number)
        if job is not None:
            job.stop()

    def leave(self) -> None:
        """The page is gone."""
        with self._lock:
            for job in self._jobs.values():
                job.stop()

    def _finishing(self, message: dict[str, Any]) -> None:
        if "progress" not in message:
            with self._lock:
                self._jobs.pop(message["id"], None)
        self._send(message)
