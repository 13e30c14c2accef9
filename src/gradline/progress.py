"""A progress bar in a terminal or a notebook, and nothing when the output is piped."""

from __future__ import annotations

import sys
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
def bar(title: str, total: int, progress: bool | None) -> Iterator[Advance]:
    """A bar that counts up to ``total``; yields the function that moves it."""
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
    with Progress(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(title, total=total, status="")
        yield lambda done, status: display.update(task, completed=done, status=status)
