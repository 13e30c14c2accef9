"""A line being learned, as a GIF."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.atomic_file import open_whole
from gradline.base.errors import ArgumentError
from gradline.base.file_names import named
from gradline.base.types import Array, IntArray
from gradline.plot import style
from gradline.plot.examples import Examples, axis_labels, history_of, predictions, read, true_coefficients
from gradline.plot.fitted import LINE_POINTS
from gradline.plot.loss_curve import draw_loss
from gradline.plot.scatter import draw_points, remark

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.solvers.history import History

WIDTH, HEIGHT, DOTS = 8.0, 3.8, 100
"""Inches and dots an inch: 800 pixels wide, as a README shows it."""

MOST_POINTS = 1000
"""Points in a frame: enough to see the cloud, few enough to keep the file small."""

COLORS = 96
"""Colours in the GIF's one palette, shared by all frames so that nothing flickers."""

HOLD = 2000
"""Milliseconds the last frame stays before the loop starts again."""


ENDINGS, AS_GIF = (".gif",), "an animation is written as a GIF"


@dataclass(frozen=True)
class Animation:
    """A GIF, which a notebook shows by itself. data: its bytes. steps: the step each frame shows.

    Examples
    --------
    >>> import gradline as gl
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.05, steps=100))
    >>> moving = gl.plot.animation(fit, x, y, frames=4)
    >>> moving.data[:3], len(moving.steps)
    (b'GIF', 4)
    """

    data: bytes = field(repr=False)
    steps: tuple[int, ...]

    def save(self, path: str | Path) -> Path:
        """Write the GIF, whole or not at all.

        Parameters
        ----------
        path : path
            Where, a name that ends in .gif.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        OSError
            Where it cannot be written.
        ValueError
            For a name that does not end in .gif: no other format is written.
        """
        target = named(path, ENDINGS, AS_GIF)
        with open_whole(target) as file:
            file.write(self.data)
        return target

    def _repr_html_(self) -> str:
        encoded = base64.b64encode(self.data).decode("ascii")
        return f'<img alt="the fit, step by step" width="{int(WIDTH * DOTS)}" src="data:image/gif;base64,{encoded}">'


def animation(
    fit: Model,
    x: Any,
    y: Any,
    path: str | Path | None = None,
    *,
    true: Any = None,
    optimum: float | Model | None = None,
    frames: int = 48,
    seconds: float = 5.0,
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> Animation:
    """The fit being learned: the line moves over the data, and next to it a marker moves down the loss.

    Frames are spaced geometrically over the recorded steps, since most of the movement comes early. The last one stays for two seconds
    more. With several inputs, observed against predicted moves towards the diagonal in place of the line. At most 1,000 points are drawn.

    Parameters
    ----------
    fit : Fit
        One whose solver records a path, such as ``gl.GradientDescent``.
    x, y : array
        The data it was made on.
    path : path, optional
        Where to write the GIF, a name that ends in .gif. The Animation holds it either way.
    true : optional
        The true coefficients, as for :func:`gradline.plot.fit`.
    optimum : float or Fit, optional
        The lowest loss there is, as for :func:`gradline.plot.loss`.
    frames : int
        How many, at least 2. Fewer where fewer steps were recorded.
    seconds : float
        How long they last together.
    xlabel, ylabel : str, optional
        In place of the names of the columns.

    Returns
    -------
    Animation
        A notebook shows it; ``save(path)`` writes it.

    Raises
    ------
    ValueError
        For a fit without a path, naming the solver that records one, for data that does not suit the fit, for a file of another format
        than GIF, for frames below 2 and for seconds not above 0.
    ImportError
        Without Matplotlib or Pillow. The message holds the pip command.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, solver=gl.GradientDescent(steps=20))
    >>> gl.plot.animation(fit, x, y, frames=2).steps
    (0, 20)
    """
    if isinstance(frames, bool) or not isinstance(frames, int | np.integer) or frames < 2:
        raise ArgumentError(f"frames must be a whole number of at least 2, not {frames!r}")
    if not seconds > 0:
        raise ArgumentError(f"seconds must be above 0, not {seconds!r}")
    if path is not None:
        named(path, ENDINGS, AS_GIF)
    history = history_of(fit, "animation")
    examples = read(x, y, None, fit)
    full = examples.n_rows
    examples = examples.take(style.sample(full, MOST_POINTS))
    chosen = _frames(history, int(frames))
    figure, move, movers = _figure(fit, examples, full, history, true, optimum, xlabel, ylabel)
    pictures = _render(figure, movers, [partial(move, int(i)) for i in chosen])
    steps = tuple(int(history.step[i]) for i in chosen)
    made = Animation(_gif(pictures, seconds), steps)
    if path is not None:
        made.save(path)
    return made


def _frames(history: History, frames: int) -> IntArray:
    """Record numbers to show: the first, then geometrically spaced to the last finite one."""
    finite = np.flatnonzero(np.isfinite(history.loss) & np.isfinite(history.coefficients).all(axis=(1, 2)))
    if not finite.size:
        raise ArgumentError("no recorded step is finite, so there is nothing to animate")
    last = finite.size - 1
    if last < frames:
        return finite
    # More spacings than frames are tried, because the first few round to the same record.
    for tries in range(frames, 20 * frames):
        picked = np.unique(np.round(np.geomspace(1, last + 1, tries)).astype(np.int64) - 1)
        if len(picked) >= frames:
            break
    while len(picked) > frames:
        # Drop where frames are closest together on the log scale, never the ends.
        gaps = np.log((picked[2:] + 1) / (picked[:-2] + 1))
        picked = np.delete(picked, 1 + int(np.argmin(gaps)))
    return finite[picked]


def _figure(
    fit: Model, examples: Examples, full: int, history: History, true: Any, optimum: Any, xlabel: str | None, ylabel: str | None
) -> tuple[Any, Callable[[int], None], list[Any]]:
    """The figure, what moves it to a record, and the artists that move. No pyplot: nothing is shown and no figure stays behind."""
    style.pyplot()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(wspace=0.06)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    one_input = examples.x.shape[1] == 1
    scene = _line_scene if one_input else _diagonal_scene
    movers, place = scene(left, fit, examples, history, true)
    names = ", ".join(examples.y_names)
    if one_input:
        style.dress(left, axis_labels(xlabel, examples.x_names, "xlabel")[0], axis_labels(ylabel, [names], "ylabel")[0])
    else:
        style.dress(left, xlabel or f"predicted {names}", ylabel or f"observed {names}")
    style.note(left, style.sample_note(examples.n_rows, full) or remark(examples))
    draw_loss(right, {"loss": fit}, optimum, ends=False)
    style.heading(left, "Fit" if one_input else "Observed against predicted")
    line = right.lines[0]
    line.set_alpha(0.35)
    height = np.interp(history.step, line.get_xdata(), line.get_ydata())
    (marker,) = right.plot(
        [], [], "o", color=style.look().fit, markersize=9, markeredgecolor=style.look().paper, markeredgewidth=1.2, zorder=8
    )
    (trail,) = right.plot([], [], color=style.look().blue, linewidth=2.6, zorder=7)
    counter = right.text(
        0.97, 0.95, "", transform=right.transAxes, ha="right", va="top", fontsize=style.LABEL_SIZE, color=style.look().ink, linespacing=1.4
    )

    def move(record: int) -> None:
        place(record)
        marker.set_data([history.step[record]], [height[record]])
        trail.set_data(history.step[: record + 1], height[: record + 1])
        counter.set_text(f"step {history.step[record]:,}\nloss {style.number(float(history.loss[record]))}")

    return figure, move, [*movers, trail, marker, counter]


def _line_scene(ax: Any, fit: Model, examples: Examples, history: History, true: Any) -> tuple[list[Any], Callable[[int], None]]:
    """One input: points that stay and a line of each target that moves."""
    q = examples.y.shape[1]
    draw_points(ax, examples)
    grid = np.linspace(*style.tidy((float(examples.x.min()), float(examples.x.max())), 0.02), LINE_POINTS)[:, None]
    final = predictions(fit, grid)
    lines = [
        ax.plot(
            grid[:, 0],
            final[:, j],
            color=style.look().fit if q == 1 else style.color(j),
            linewidth=2.8,
            label="fit" if q == 1 else "_fit",
            zorder=4,
        )[0]
        for j in range(q)
    ]
    truth = np.empty((0, 0)) if true is None else predictions(fit, grid, true_coefficients(fit, true)).T
    # Dashed and on top, as in the other pictures, so that the line is seen to arrive underneath.
    dashes = [
        ax.plot(grid[:, 0], y, color=style.look().truth, linewidth=1.4, linestyle=(0, (5, 3)), label="_true" if j else "true", zorder=5)[0]
        for j, y in enumerate(truth)
    ]
    ax.set_xlim(float(grid[0, 0]), float(grid[-1, 0]))
    ax.set_ylim(*style.tidy((float(examples.y.min()), float(examples.y.max()))))
    key = style.legend(ax)

    def place(record: int) -> None:
        predicted = predictions(fit, grid, history.coefficients[record])
        for j, line in enumerate(lines):
            line.set_data(grid[:, 0], predicted[:, j])

    return [*lines, *dashes, key], place


def _diagonal_scene(ax: Any, fit: Model, examples: Examples, history: History, true: Any) -> tuple[list[Any], Callable[[int], None]]:
    """Several inputs: observed against predicted, every point moving to the diagonal."""
    if true is not None:
        raise ArgumentError("the model has several inputs, so true= has no line to draw; use gl.plot.coefficients(fit, true=...)")
    q = examples.y.shape[1]
    final = predictions(fit, examples.x)
    limits = style.tidy((float(min(final.min(), examples.y.min())), float(max(final.max(), examples.y.max()))))
    ax.plot(limits, limits, color=style.look().ink, linewidth=1.2, zorder=3, label="observed = predicted")
    clouds = [
        style.points(
            ax, final[:, j], examples.y[:, j], style.look().data if q == 1 else style.color(j), marker=style.marker(j) if q > 1 else "o",
            label="data" if q == 1 else examples.y_names[j], crowd=examples.n_rows * q,
        )
        for j in range(q)
    ]  # fmt: skip
    ax.set_xlim(*limits)
    ax.set_ylim(*limits)
    key = style.legend(ax)

    def place(record: int) -> None:
        predicted = predictions(fit, examples.x, history.coefficients[record])
        for j, cloud in enumerate(clouds):
            cloud.set_offsets(np.column_stack([predicted[:, j], examples.y[:, j]]))

    return [*clouds, key], place


def _render(figure: Any, movers: list[Any], moves: list[Callable[[], None]]) -> list[Array]:
    """A picture of each move. What stays is drawn once; what moves is drawn over a copy of it."""
    canvas = figure.canvas
    # The last picture is laid out first: the legend then finds the place that is free at the end.
    moves[-1]()
    canvas.draw()
    figure.set_layout_engine("none")
    for artist in movers:
        if hasattr(artist, "set_loc"):
            # It stays there: looked for again in every picture, the free place would wander.
            corner = artist.get_window_extent(canvas.get_renderer()).min
            artist.set_loc(tuple(artist.axes.transAxes.inverted().transform(corner)))
    for artist in movers:
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    pictures = []
    for move in moves:
        move()
        canvas.restore_region(background)
        for artist in movers:
            artist.axes.draw_artist(artist)
        pictures.append(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())
    return pictures


def _gif(pictures: list[Any], seconds: float) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('gradline writes GIFs with Pillow, which is not installed: pip install "gradline[plot]"') from error
    images = [Image.fromarray(picture) for picture in pictures]
    # One palette from a frame at each end and one between: together they hold every colour there is.
    few = [pictures[i] for i in (0, len(pictures) // 2, -1)]
    palette = Image.fromarray(np.concatenate(few)).quantize(COLORS, dither=Image.Dither.NONE)
    # Edges of the pale grid have left many shades of paper, one of which Pillow would take for all of it: they become white. On dark paper
    # Pillow's choice is right.
    colors = np.array(palette.getpalette(), dtype=np.uint8).reshape(-1, 3)
    colors[colors.min(axis=1) >= 248] = 255
    palette.putpalette(colors.ravel().tolist() + [255] * (768 - colors.size))
    flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    each = max(20, round(1000 * seconds / len(flat)))
    buffer = io.BytesIO()
    flat[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=flat[1:],
        loop=0,
        optimize=False,
        duration=[each] * (len(flat) - 1) + [each + HOLD],
    )
    return buffer.getvalue()
