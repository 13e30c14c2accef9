"""A picture of the loss that is drawn while the training runs: in a notebook, or with characters in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from gradline.base.consoles import console, in_notebook
from gradline.plot import style
from gradline.plot.characters import chart
from gradline.plot.loss_curve import label_log_axis

SECONDS = 0.15
"""Between two drawings in a terminal; in a notebook, where each is a picture sent to the browser, four times as much."""


def live(*, every: float = SECONDS) -> Live:
    """A callback that draws the loss while a training runs.

    In a notebook it is a picture that is drawn anew in its place, in a terminal a chart of characters; where nobody watches, because the
    output goes to a file or a pipe, nothing is drawn.

    Parameters
    ----------
    every : float, default 0.15
        Seconds between two drawings at least. A notebook takes four times as long.

    Returns
    -------
    callback
        For ``callbacks=`` of a solver that trains step by step.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> falling = gl.schedules.cosine(0.2, steps=320)
    >>> fit = gl.fit(x, y, solver=gl.Adam(falling, epochs=20, batch_size=50, validation=0.2, seed=0, callbacks=[gl.plot.live()]))
    """
    return Live(every)


class Live:
    """See :func:`live`. It may serve one training after another.

    Examples
    --------
    >>> import gradline as gl
    >>> isinstance(gl.plot.live(), gl.plot.Live)
    True
    """

    takes_the_screen = True
    """So that no progress bar is drawn over it."""

    def __init__(self, every: float = SECONDS) -> None:
        self._every = float(every)
        self._screen: _Notebook | _Terminal | None = None
        self._losses: list[float] = []
        self._held: list[float] = []
        self._total = 0
        self._drawn = 0.0

    def set_params(self, params: Mapping[str, Any]) -> None:
        """What Keras tells a callback first: ``epochs``."""
        self._total = int(params.get("epochs", 0))

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Look for somebody who watches."""
        self._losses, self._held, self._drawn = [], [], 0.0
        self._screen = _Notebook() if in_notebook() else _Terminal() if sys.stderr.isatty() else None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Draw, if the last drawing is long enough ago."""
        self._losses.append(logs["loss"])
        if "val_loss" in logs:
            self._held.append(logs["val_loss"])
        if self._screen is not None and time.monotonic() - self._drawn >= self._every * self._screen.slower:
            self._draw()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Draw the end, and let it stand."""
        if self._screen is not None:
            self._draw()
            self._screen.close()

    def _draw(self) -> None:
        assert self._screen is not None
        if self._losses:
            self._screen.draw(self._losses, self._held, self._total)
            self._drawn = time.monotonic()


def _title(losses: list[float], held: list[float], total: int) -> str:
    words = [f"epoch {len(losses):,}" + (f" of {total:,}" if total else ""), f"loss {style.number(losses[-1])}"]
    if held:
        words.append(f"held out {style.number(held[-1])}")
    return "   ".join(words)


class _Terminal:
    """A chart of characters, drawn by rich in its place."""

    slower = 1.0

    def __init__(self) -> None:
        from rich.live import Live as Place

        self._console = console(stderr=True)
        self._place = Place(console=self._console, auto_refresh=False, transient=False)
        self._place.start()

    def draw(self, losses: list[float], held: list[float], total: int) -> None:
        from rich.text import Text

        width = max(30, min(self._console.width, 90))
        lines = chart([losses, held] if held else [losses], width=width, height=12, title=_title(losses, held, total))
        self._place.update(Text("\n".join(lines)), refresh=True)

    def close(self) -> None:
        self._place.stop()


class _Notebook:
    """A picture that is an output of the cell."""

    slower = 4.0

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, losses: list[float], held: list[float], total: int) -> None:
        from IPython.display import display

        data = {"image/png": _picture(losses, held, _title(losses, held, total)), "text/plain": _title(losses, held, total)}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def close(self) -> None:
        """Nothing: the last picture stays."""


def _picture(losses: list[float], held: list[float], title: str) -> str:
    """A small PNG in base64, drawn past pyplot, so that no figure is left open and none is shown twice."""
    import base64
    import io

    style.pyplot()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    steps = range(1, len(losses) + 1)
    ax.plot(steps, losses, color=style.look().blue, linewidth=2.0, label="rows trained on")
    if held:
        ax.plot(steps, held, color=style.look().vermillion, linewidth=2.0, linestyle=(0, (4, 2)), label="rows held out")
        style.legend(ax)
    if min(losses + held) > 0:
        ax.set_yscale("log")
        label_log_axis(ax.yaxis, *ax.get_ylim())
    style.dress(ax, "epoch", "loss")
    style.heading(ax, title)
    locator: Any = ax.xaxis.get_major_locator()
    locator.set_params(integer=True)
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return base64.b64encode(written.getvalue()).decode("ascii")
