"""A progress bar in a terminal or a notebook, and nothing when the output is piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, str], None]
"""Called with the amount done so far and a short status such as "loss 0.97"."""


def wanted(progress: bool | None) -> bool:
    """Whether to show a bar: as asked, or, when not said, if somebody is watching."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() or "ipykernel" in sys.modules


@contextmanager
def bar(title: str, total: int | None, progress: bool | None, patience: float = 0.0) -> Iterator[Advance]:
    """A bar that counts up to ``total`` (None where it is not known); yields the function that moves it.

    It appears once ``patience`` seconds have passed: a fit of a moment needs no bar.
    """
    if not wanted(progress):
        yield lambda done, status: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    display = Progress(*columns, console=Console(stderr=True))
    task = display.add_task(title, total=total, status="")
    begun = time.monotonic()

    def advance(done: int, status: str) -> None:
        if not display.live.is_started and time.monotonic() - begun >= patience:
            display.start()
        display.update(task, completed=done, status=status)

    try:
        if patience == 0:
            display.start()
        yield advance
    finally:
        if display.live.is_started:
            display.stop()
