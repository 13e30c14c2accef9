"""The pictures of a demonstration, saved one by one into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gradline.cli.console import Printer


class Album:
    """Draws pictures into a folder and remembers what each one shows."""

    def __init__(self, folder: Path, printer: Printer) -> None:
        import matplotlib

        # Files only: no window, and no display needed.
        matplotlib.use("Agg")
        self._folder, self._printer = folder, printer
        self._captions: list[tuple[str, str]] = []

    def add(self, name: str, caption: str, draw: Callable[[], Any]) -> None:
        """Save what ``draw`` returns, Axes or an array of them."""
        import matplotlib.pyplot as plt

        axes = draw()
        figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
        figure.savefig(self._folder / name)
        plt.close(figure)
        self._captions.append((name, caption))

    def animate(self, name: str, caption: str, draw: Callable[[], Any]) -> None:
        """Save a moving picture."""
        draw().save(self._folder / name)
        self._captions.append((name, caption))

    def list(self) -> None:
        """Print what was drawn, a line a picture."""
        width = max(len(name) for name, _ in self._captions)
        for name, caption in self._captions:
            self._printer.line(f"  {name:<{width}}  {caption}")
