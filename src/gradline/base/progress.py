"""A progress bar in a terminal or a notebook, and nothing when the output is piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

from gradline.base import listening
from gradline.base.consoles import console, in_notebook

Advance = Callable[[int, str], None]
"""Called with the amount done so far and a short status such as "loss 0.97"."""

REDRAW = 0.1
"""Seconds between two pictures of a bar in a notebook: each is a message to the browser."""


class Bar(Protocol):
    """A bar on the screen; nothing is seen before its first ``draw``."""

    def draw(self, title: str, done: int, total: int | None, status: str) -> None:
        """Show how far it is. total: None where it is not known."""

    def close(self) -> None:
        """Show the last state, and no more."""


def wanted(progress: bool | None) -> bool:
    """Whether to show a bar: as asked, or, when not said, if somebody is watching."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() or in_notebook()


@contextmanager
def bar(title: str, total: int | None, progress: bool | None, patience: float = 0.0) -> Iterator[Advance]:
    """A bar that counts up to ``total`` (None where it is not known); yields the function that moves it.

    It appears once ``patience`` seconds have passed: a fit of a moment needs no bar. Where the thread has a listener, that is told instead.
    """
    listener = listening.current()
    if listener is not None:
        yield lambda done, status: listener.told(title, done, total, status)
        return
    if not wanted(progress):
        yield lambda done, status: None
        return
    shown = NotebookBar(counted=True) if in_notebook() else _terminal_bar()
    begun = time.monotonic()

    def advance(done: int, status: str) -> None:
        if patience == 0 or time.monotonic() - begun >= patience:
            shown.draw(title, done, total, status)

    try:
        if patience == 0:
            shown.draw(title, 0, total, "")
        yield advance
    finally:
        shown.close()


def _terminal_bar() -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return TerminalBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
        console=console(stderr=True),
    )


class TerminalBar:
    """A line of a terminal, drawn by rich. columns and options: rich's."""

    def __init__(self, *columns: Any, **options: Any) -> None:
        from rich.progress import Progress

        self._bar = Progress(*columns, **options)
        self._task = self._bar.add_task("", total=None, status="")
        self._total: int | None = None

    def draw(self, title: str, done: int, total: int | None, status: str) -> None:
        if not self._bar.live.is_started:
            self._bar.start()
        if total != self._total:
            self._bar.reset(self._task, total=total, description=title, completed=done, status=status)
            self._total = total
        self._bar.update(self._task, description=title, completed=done, status=status)

    def close(self) -> None:
        if self._bar.live.is_started:
            self._bar.stop()


class NotebookBar:
    """An output of a notebook's cell, which is drawn anew in its place. It needs no widgets, and a saved notebook keeps its last state.

    counted: whether to write what is done of how much. May be drawn from any thread.
    """

    def __init__(self, *, counted: bool) -> None:
        self._counted = counted
        self._handle: Any = None
        self._drawn = self._begun = 0.0
        self._state: tuple[str, int, int | None, str] | None = None

    def draw(self, title: str, done: int, total: int | None, status: str) -> None:
        now = time.monotonic()
        if self._state is None:
            self._begun = now
        self._state = title, done, total, status
        if now - self._drawn >= REDRAW:
            self._drawn = now
            self._show(now)

    def close(self) -> None:
        if self._state is not None:
            self._show(None)

    def _show(self, now: float | None) -> None:
        """now: the time on the clock, None at the end, when no time is left."""
        from IPython.display import display

        assert self._state is not None
        title, done, total, status = self._state
        words = [title]
        if self._counted:
            words.append(f"{done:,}" if total is None else f"{done:,}/{total:,}")
            words.append(status)
            if now is not None and total is not None and 0 < done < total and now - self._begun > 1:
                words.append(f"{duration((now - self._begun) * (total - done) / done)} left")
        else:
            words.append(status)
        text = "  ".join(word for word in words if word)
        meter = "" if total is None else f'<progress value="{min(done, total)}" max="{total}" style="vertical-align: middle"></progress> '
        data = {"text/plain": text, "text/html": f'<div class="gradline-progress">{meter}{escape(text)}</div>'}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def duration(seconds: float) -> str:
    """Such as "12 s" or "1 h 3 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
