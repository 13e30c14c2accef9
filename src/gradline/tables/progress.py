"""A table that shows how far a pass over it has come: rows a second and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from gradline.base import progress as progress_bar
from gradline.tables.table import Table

PATIENCE = 1.0
"""Seconds before a bar appears: a read of a moment needs none."""

REDRAW = 0.1
"""Seconds between two looks at the bar."""


NARROW = 80
"""Columns of a terminal below which there is no bar, but its numbers."""


@contextmanager
def watched(table: Table, title: str, progress: bool | None) -> Iterator[Table]:
    """The same table with a progress bar over each pass, where somebody watches; otherwise as it is."""
    if not progress_bar.wanted(progress):
        yield table
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    words = TextColumn("{task.description}"), TextColumn("{task.fields[status]}")
    # The numbers first: a narrow terminal has no room for a bar beside them.
    columns = words if console.width < NARROW else (words[0], BarColumn(), words[1])
    # A line of its own that goes away: what remains on the screen is the answer.
    with_bar = Progress(*columns, console=console, transient=True, redirect_stdout=False)
    meter = _Meter(title, with_bar, time.monotonic() + PATIENCE)
    try:
        yield replace(table, meter=meter)
    finally:
        meter.stop()


class _Meter:
    """Counts rows, from any thread."""

    def __init__(self, title: str, bar: Any, begins: float) -> None:
        self._title, self._bar, self._begins, self._lock = title, bar, begins, threading.Lock()
        self._task = bar.add_task(title, total=None, status="")
        self._passes, self._done, self._seen, self._started, self._drawn = 0, 0, 0, 0.0, 0.0
        self._total: int | None = None

    def begin(self, total: int | None) -> None:
        """Another pass; total: its rows, where they are known. One that has been over the rows knows them."""
        with self._lock:
            self._seen = max(self._seen, self._done)
            self._passes, self._done, self._started = self._passes + 1, 0, time.monotonic()
            self._total = total if total is not None else self._seen if self._passes > 1 and self._seen else None
            narrow = self._bar.console.width < NARROW
            title = self._title if self._passes == 1 else f"pass {self._passes}" if narrow else f"{self._title}, pass {self._passes}"
            self._bar.reset(self._task, total=self._total, description=title, status="")

    def count(self, rows: int) -> None:
        with self._lock:
            self._done += rows
            now = time.monotonic()
            if now - self._drawn < REDRAW:
                return
            self._drawn = now
            if not self._bar.live.is_started and now >= self._begins:
                self._bar.start()
            if self._total is not None and self._done > self._total:
                # The pass before stopped early, and the total was its own.
                self._total = None
                self._bar.reset(self._task, total=None)
            rate = self._done / max(now - self._started, 1e-3)
            left = "" if self._total is None else f", {_duration((self._total - self._done) / rate)} left"
            self._bar.update(self._task, completed=self._done, status=f"{_short(self._done)} rows, {_short(rate)}/s{left}")

    def stop(self) -> None:
        if self._bar.live.is_started:
            self._bar.stop()


def _short(rate: float) -> str:
    for size, unit in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if rate >= size:
            return f"{rate / size:.3g}{unit}"
    return f"{rate:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
