"""The look every picture shares: colours, sizes, axes and the wording of numbers. No global Matplotlib setting is touched."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.numbers import visible
from gradline.base.types import Array, IntArray


@dataclass(frozen=True)
class Look:
    """The colours of a picture, as hexadecimal. ink: words and lines that carry no data; quiet and pale: what should stand back; faint: the
    grid."""

    paper: str
    ink: str
    quiet: str
    pale: str
    faint: str
    truth: str
    blue: str
    vermillion: str
    green: str
    purple: str
    orange: str
    sky: str
    yellow: str
    contours: tuple[str, str, str, str]
    """From the lowest to the highest."""

    @property
    def palette(self) -> tuple[str, ...]:
        """Colours to tell things apart by; yellow is left out, too faint for a line."""
        return self.blue, self.vermillion, self.green, self.purple, self.orange, self.sky

    @property
    def data(self) -> str:
        """Of points."""
        return self.blue

    @property
    def fit(self) -> str:
        """Of what was fitted."""
        return self.vermillion

    @property
    def mark(self) -> str:
        """Of a prediction."""
        return self.green


LIGHT = Look(
    "#ffffff", "#222222", "#6b6b6b", "#bfbfbf", "#e6e6e6", "#000000",
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442",
    ("#f7fbff", "#d6e6f3", "#9dc2dd", "#6a9fc7"),
)  # fmt: skip
"""Okabe and Ito's colours, told apart by colour-blind readers."""

DARK = Look(
    "#1b1e22", "#e8eaec", "#a3abb4", "#5c646d", "#353b42", "#fafafa",
    "#4aa8e0", "#ff8a47", "#2cc499", "#e5a0c6", "#f3b33e", "#9bd5f7", "#f4ea63",
    ("#20303d", "#27435a", "#315d80", "#4481ab"),
)  # fmt: skip
"""The same hues, light enough for dark paper."""

MARKERS = ("o", "^", "s", "D", "v", "P")
"""A second cue beside the colour, for groups."""

WIDTH, HEIGHT, DOTS = 7.2, 4.5, 140
"""Inches, and dots an inch: about 1,000 pixels wide, sharp at the 800 of a README."""

LABEL_SIZE, TICK_SIZE, NOTE_SIZE = 11.0, 9.5, 8.5

MAX_POINTS = 5000
"""More points than this hide each other and swell the file: a fixed sample is drawn instead, and the picture says so."""


def pyplot() -> Any:
    """matplotlib.pyplot. Raises ImportError, with the pip command, where Matplotlib is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('gradline draws with Matplotlib, which is not installed: pip install "gradline[plot]"') from error
    return plt


def look() -> Look:
    """The colours that go with Matplotlib's settings: those for dark paper where its axes are dark, as in its style "dark_background".

    Paper is that of the settings, so that an edge around a mark is not seen; words take the colour of its words where that is neither
    black nor white.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_hex, to_rgb

    paper = rcParams["axes.facecolor"]
    seen = rcParams["figure.facecolor"] if paper == "none" else paper
    chosen = LIGHT if seen == "none" or _lightness(to_rgb(seen)) > 0.5 else DARK
    ink = to_hex(rcParams["text.color"])
    return replace(
        chosen,
        paper=chosen.paper if seen == "none" else to_hex(seen),
        ink=chosen.ink if ink in ("#000000", "#ffffff") else ink,
    )


def _lightness(color: tuple[float, float, float]) -> float:
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


@contextmanager
def theme(name: Literal["light", "dark"]) -> Iterator[None]:
    """Draw pictures on light or on dark paper, within a ``with`` block.

    Matplotlib's own settings work as well: pictures drawn in its style "dark_background" have the light colours. Nothing stays set after
    the block.

    Parameters
    ----------
    name : {"light", "dark"}
        Which paper.

    Returns
    -------
    context manager

    Raises
    ------
    ValueError
        For another name.
    ImportError
        Without Matplotlib.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> with gl.plot.theme("dark"):
    ...     axes = gl.plot.fit(gl.fit(x, y), x, y)
    """
    looks = {"light": LIGHT, "dark": DARK}
    if name not in looks:
        raise ArgumentError(f'a theme is "light" or "dark", not {name!r}')
    chosen = looks[name]
    papers = dict.fromkeys(
        ("figure.facecolor", "figure.edgecolor", "axes.facecolor", "savefig.facecolor", "savefig.edgecolor"), chosen.paper
    )
    inks = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color"), chosen.ink)
    legend = {"legend.facecolor": "inherit", "patch.edgecolor": chosen.paper, "grid.color": chosen.faint}
    with pyplot().rc_context({**papers, **inks, **legend}):
        yield


def panels(ax: Any, rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None) -> Any:
    """An object array (rows, columns) of Axes: those of a new figure, or the caller's.

    Raises TypeError where ``ax`` is no Axes, ValueError where it holds another number of them.
    """
    plt = pyplot()
    if ax is None:
        width, height = size or (WIDTH, HEIGHT)
        return plt.subplots(rows, columns, figsize=(width, height), dpi=DOTS, layout="constrained", squeeze=False)[1]
    given = np.empty(np.size(ax), dtype=object)
    given[:] = np.ravel(np.asarray(ax, dtype=object))
    for one in given:
        if not hasattr(one, "set_xlabel"):
            raise ArgumentTypeError(f"ax must be Matplotlib Axes, such as those of plt.subplots(), not {type(one).__name__}")
    if given.size != rows * columns:
        wanted = "one Axes" if rows * columns == 1 else f"the {rows * columns} Axes of plt.subplots({rows}, {columns})"
        raise ArgumentError(f"ax holds {given.size} Axes, but this picture needs {wanted}; leave ax out to get a new figure")
    return given.reshape(rows, columns)


def result(axes: Any) -> Any:
    """The one Axes, or the array of them, once titles and remarks are clear of each other."""
    for ax in axes.ravel():
        _set_apart(ax)
    return axes[0, 0] if axes.size == 1 else axes


def dress(ax: Any, xlabel: str, ylabel: str, *, grid: str = "both") -> None:
    """Labels, which say where a scale is logarithmic, a quiet grid behind the data and no box around it."""
    xlabel, ylabel = _scaled(xlabel, ax.get_xscale()), _scaled(ylabel, ax.get_yscale())
    ax.set_xlabel(written(xlabel), fontsize=LABEL_SIZE, color=look().ink)
    ax.set_ylabel(_wrapped(ax, written(ylabel)), fontsize=LABEL_SIZE, color=look().ink)
    ax.tick_params(labelsize=TICK_SIZE, colors=look().quiet, labelcolor=look().ink, length=3, which="major")
    ax.tick_params(length=0, which="minor")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(look().quiet)
    ax.set_axisbelow(True)
    if grid != "none":
        ax.grid(True, axis=grid, color=look().faint, linewidth=0.8, which="major")


def _wrapped(ax: Any, label: str) -> str:
    """A label that stands on its side, on two lines where the axes are not high enough for one."""
    rows = 1 if ax.get_subplotspec() is None else ax.get_subplotspec().get_gridspec().nrows
    # A letter is about half as wide as high.
    room = int(0.84 * 72.0 * ax.figure.get_size_inches()[1] / rows / (0.54 * LABEL_SIZE))
    return label if len(label) <= room else "\n".join(textwrap.wrap(label, max(12, room)))


def _scaled(label: str, scale: str) -> str:
    return f"{label} (log scale)" if label and "log" in scale and "log scale" not in label else label


LONGEST_LABEL = 56
"""Characters of a label along an axis; a column may be called anything, and a longer one would leave no room for the picture."""


def written(text: str, longest: int = LONGEST_LABEL) -> str:
    """Text as Matplotlib should write it: on one line, the middle of a long one left out, dollar signs no mathematics."""
    return shortened(text, longest).replace("$", r"\$")


def shortened(text: str, longest: int) -> str:
    """Text on one line, the middle of a long one left out."""
    text = visible(text)
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[len(text) - longest // 2 + 1 :]}"


def note(ax: Any, text: str) -> None:
    """A small remark above the top right corner, where no data can be."""
    if text:
        ax.set_title(text, loc="right", fontsize=NOTE_SIZE, color=look().quiet)


def panel_size(panels: int) -> tuple[float, float]:
    """Inches of a figure with its panels in one row."""
    if panels == 1:
        return WIDTH, HEIGHT
    width = {2: 8.2, 3: 9.2}.get(panels, 2.9 * panels)
    return width, min(HEIGHT, width / panels)


def _set_apart(ax: Any) -> None:
    """Raise the title by a line where the remark to its right would run into it."""
    title, remark = ax.get_title("left"), ax.get_title("right")
    if not title or not remark or title.endswith("\n"):
        return
    columns = 1 if ax.get_subplotspec() is None else ax.get_subplotspec().get_gridspec().ncols
    room = 0.82 * ax.figure.get_size_inches()[0] / columns
    # A letter is about half as wide as high.
    if (len(title) * LABEL_SIZE + len(remark) * NOTE_SIZE) * 0.52 / 72.0 > room:
        ax.set_title(title + "\n", loc="left", fontsize=LABEL_SIZE, color=look().ink)


def heading(ax: Any, text: str) -> None:
    """The title of a picture, or the name of a panel."""
    ax.set_title(written(text), loc="left", fontsize=LABEL_SIZE, color=look().ink)


def legend(ax: Any, place: str = "best", anchor: tuple[float, float] | None = None) -> Any:
    """A legend where it covers the fewest points and lines, or at ``place``; that corner of it at ``anchor``, in parts of the axes."""
    drawn = ax.legend(
        loc=place,
        bbox_to_anchor=anchor,
        fontsize=TICK_SIZE,
        labelcolor=look().ink,
        frameon=True,
        framealpha=0.9,
        edgecolor="none",
        borderpad=0.5,
    )
    drawn.set_zorder(9)
    for handle in drawn.legend_handles:
        # The points of a cloud are pale so that many may overlap; in the legend there is just one.
        handle.set_alpha(1.0)
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([28.0])
    return drawn


def points(
    ax: Any, x: Array, y: Array, color: str | None = None, *, marker: str = "o", label: str | None = None, crowd: int | None = None
) -> Any:
    """A cloud of points, smaller and paler the more of them there are. crowd: how many share the axes; len(x) unless given."""
    n = max(1, len(x) if crowd is None else crowd)
    area = float(np.clip(9000 / n, 6, 34))
    alpha = float(np.clip(18 / n**0.5, 0.28, 0.85))
    # A few points are drawn over the lines, which would hide them. Rasterised, so that an SVG or PDF of a large cloud stays small.
    return ax.scatter(
        x,
        y,
        s=area,
        color=color or look().data,
        alpha=alpha,
        marker=marker,
        linewidths=0,
        label=label,
        rasterized=n > 2000,
        zorder=5.5 if n <= 60 else 2,
    )


def sample(n: int, most: int = MAX_POINTS) -> IntArray:
    """Row numbers to draw, in order: all, or a sample that is the same every time."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False, shuffle=False))


def sample_note(drawn: int, n: int) -> str:
    """What the picture says about the points left out; empty if none are."""
    return "" if drawn == n else f"{drawn:,} of {n:,} points drawn"


def color(index: int) -> str:
    """The colour of the index-th thing to tell apart."""
    palette = look().palette
    return palette[index % len(palette)]


def marker(index: int) -> str:
    """Its marker; it changes again where the colours come round."""
    return MARKERS[(index + index // len(LIGHT.palette)) % len(MARKERS)]


def number(value: float) -> str:
    """A number as a reader writes it: four digits, a true minus sign, thousands separated."""
    size = abs(value)
    text = f"{value:,.0f}" if 1e3 <= size < 1e7 else f"{value:.4g}"
    digits, exponent, power = text.partition("e")
    if exponent:
        text = f"{float(digits):.3g}×10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return text.replace("-", "−")


def equation(target: str, names: Sequence[str], slopes: Sequence[float], intercept: float | None) -> str:
    """Such as "y = 6.01 x − 4.98"."""
    terms = [(float(slope), f" {name}") for slope, name in zip(slopes, names, strict=True)]
    if intercept is not None:
        terms.append((float(intercept), ""))
    text = "".join(f" {'−' if value < 0 else '+'} {number(abs(value))}{name}" for value, name in terms)
    return f"{target} = " + (text[3:] if text.startswith(" +") else "−" + text[3:])


def tidy(limits: tuple[float, float], margin: float = 0.05) -> tuple[float, float]:
    """Limits with a margin on both sides; never of zero width."""
    low, high = limits
    room = margin * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def reach(values: Array) -> tuple[float, float]:
    """Where a line over some values begins and ends; over a single value there is a little of it on both sides."""
    low, high = float(values.min()), float(values.max())
    room = 0.05 * max(1.0, abs(low)) if low == high else 0.0
    return low - room, high + room
