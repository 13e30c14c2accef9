"""Who listens to a computation: it is told how far the work is, and may end it between two passes over the rows.

A listener belongs to the thread, or the task, that asked for the computation; whoever computes in another thread at the same time has none,
or another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Stopped(BaseException):
    """Raised by a listener that wants no more of a computation. No error: nothing that handles errors takes it for one."""


class Listener(Protocol):
    """What a long computation tells, and asks, on its way."""

    def told(self, stage: str, done: int, total: int | None, status: str) -> None:
        """How far it is. total: None where it is not known. May raise Stopped, and be called from any thread."""

    def check(self) -> None:
        """Raises Stopped where nobody waits for the answer any more."""


_listener: ContextVar[Listener | None] = ContextVar("gradline_listener", default=None)


def current() -> Listener | None:
    """Who listens to this thread."""
    return _listener.get()


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """A context in which a listener hears what this thread computes."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def check() -> None:
    """Where a computation may end: raises Stopped where its listener wants no more. Costs nothing to speak of."""
    listener = _listener.get()
    if listener is not None:
        listener.check()


def checked(items: Iterable[Item]) -> Iterator[Item]:
    """The items, with ``check`` before each is handed on."""
    for item in items:
        check()
        yield item
