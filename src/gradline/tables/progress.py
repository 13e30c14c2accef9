"""How far a pass over a table has come, for whoever watches: rows a second and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradline.base import listening
from gradline.base import progress as progress_bar
from gradline.base.consoles import console, in_notebook

if TYPE_CHECKING:
    from rich.console import Console

    from gradline.tables.sources.source import Meter

PATIENCE = 1.0
"""Seconds before a bar appears: a read of a moment needs none."""

REDRAW = 0.1
"""Seconds between two looks at the bar."""


NARROW = 80
"""Columns of a terminal below which there is no bar, but its numbers."""


@contextmanager
def watching(title: str, progress: bool | None) -> Iterator[Meter | None]:
    """A meter that draws a progress bar over each pass, where somebody watches; otherwise None. A listener is told instead."""
    listener = listening.current()
    if listener is not None:
        yield _Told(title, listener)
        return
    if not progress_bar.wanted(progress):
        yield None
        return
    screen = console(stderr=True)
    notebook = in_notebook()
    narrow = not notebook and screen.width < NARROW
    shown = progress_bar.NotebookBar(counted=False) if notebook else _terminal_bar(screen, narrow)
    meter = _Meter(title, shown, narrow, time.monotonic() + PATIENCE)
    try:
        yield meter
    finally:
        meter.stop()


def _terminal_bar(screen: Console, narrow: bool) -> progress_bar.Bar:
    from rich.progress import BarColumn, TextColumn

    words = TextColumn("{task.description}"), TextColumn("{task.fields[status]}")
    # The numbers first: a narrow terminal has no room for a bar beside them.
    columns = words if narrow else (words[0], BarColumn(), words[1])
    # A line of its own that goes away: what remains on the screen is the answer.
    return progress_bar.TerminalBar(*columns, console=screen, transient=True, redirect_stdout=False)


class _Told:
    """Counts rows for a listener, from any thread."""

    def __init__(self, title: str, listener: listening.Listener) -> None:
        self._title, self._listener, self._lock = title, listener, threading.Lock()
        self._passes, self._done = 0, 0
        self._total: int | None = None

    def begin(self, total: int | None) -> None:
        with self._lock:
            self._passes, self._done, self._total = self._passes + 1, 0, total

    def count(self, rows: int) -> None:
        with self._lock:
            self._done += rows
            title = self._title if self._passes == 1 else f"{self._title}, pass {self._passes}"
            done, total = self._done, self._total
        self._listener.told(title, done, total, f"{_short(done)} rows")


class _Meter:
    """Counts rows, from any thread."""

    def __init__(self, title: str, bar: progress_bar.Bar, narrow: bool, begins: float) -> None:
        self._title, self._bar, self._narrow, self._begins, self._lock = title, bar, narrow, begins, threading.Lock()
        self._passes, self._done, self._seen, self._started, self._drawn = 0, 0, 0, 0.0, 0.0
        self._total: int | None = None
        self._words, self._seen_by_user = title, False

    def begin(self, total: int | None) -> None:
        """Another pass; total: its rows, where they are known. One that has been over the rows knows them."""
        with self._lock:
            self._seen = max(self._seen, self._done)
            self._passes, self._done, self._started = self._passes + 1, 0, time.monotonic()
            self._total = total if total is not None else self._seen if self._passes > 1 and self._seen else None
            again = f"pass {self._passes}" if self._narrow else f"{self._title}, pass {self._passes}"
            self._words = self._title if self._passes == 1 else again

    def count(self, rows: int) -> None:
        with self._lock:
            self._done += rows
            now = time.monotonic()
            if now - self._drawn < REDRAW:
                return
            self._drawn = now
            if self._total is not None and self._done > self._total:
                # The pass before stopped early, and the total was its own.
                self._total = None
            if now >= self._begins:
                self._draw(now, ended=False)

    def _draw(self, now: float, *, ended: bool) -> None:
        rate = self._done / max(now - self._started, 1e-3)
        left = "" if ended or self._total is None else f", {progress_bar.duration((self._total - self._done) / rate)} left"
        self._bar.draw(self._words, self._done, self._total, f"{_short(self._done)} rows, {_short(rate)}/s{left}")
        self._seen_by_user = True

    def stop(self) -> None:
        if self._seen_by_user:
            # A notebook keeps the last state, where nothing is left to wait for.
            self._draw(time.monotonic(), ended=True)
        self._bar.close()


def _short(rate: float) -> str:
    for size, unit in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if rate >= size:
            return f"{rate / size:.3g}{unit}"
    return f"{rate:.0f}"
