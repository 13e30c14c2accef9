"""The look every picture shares: colours, sizes, axes and the wording of numbers. No global Matplotlib setting is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.numbers import visible
from gradline.base.types import Array, IntArray

BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
"""Okabe and Ito's colours, told apart by colour-blind readers; yellow is left out, too faint for a line on white."""

MARKERS = ("o", "^", "s", "D", "v", "P")
"""A second cue beside the colour, for groups."""

INK, QUIET, FAINT = "#222222", "#6b6b6b", "#e6e6e6"
DATA, FIT, TRUE, MARK = BLUE, VERMILLION, BLACK, GREEN

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
    """The one Axes, or the array of them."""
    return axes[0, 0] if axes.size == 1 else axes


def dress(ax: Any, xlabel: str, ylabel: str, *, grid: str = "both") -> None:
    """Labels, a quiet grid behind the data and no box around it."""
    ax.set_xlabel(written(xlabel), fontsize=LABEL_SIZE, color=INK)
    ax.set_ylabel(written(ylabel), fontsize=LABEL_SIZE, color=INK)
    ax.tick_params(labelsize=TICK_SIZE, colors=QUIET, labelcolor=INK, length=3, which="major")
    ax.tick_params(length=0, which="minor")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(QUIET)
    ax.set_axisbelow(True)
    if grid != "none":
        ax.grid(True, axis=grid, color=FAINT, linewidth=0.8, which="major")


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
        ax.set_title(text, loc="right", fontsize=NOTE_SIZE, color=QUIET)


def heading(ax: Any, text: str) -> None:
    """The name of a panel."""
    ax.set_title(written(text), loc="left", fontsize=LABEL_SIZE, color=INK)


def legend(ax: Any, place: str = "best") -> Any:
    """A legend where it covers the fewest points and lines, or at ``place``."""
    drawn = ax.legend(loc=place, fontsize=TICK_SIZE, labelcolor=INK, frameon=True, framealpha=0.9, edgecolor="none", borderpad=0.5)
    drawn.set_zorder(9)
    for handle in drawn.legend_handles:
        # The points of a cloud are pale so that many may overlap; in the legend there is just one.
        handle.set_alpha(1.0)
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([28.0])
    return drawn


def points(ax: Any, x: Array, y: Array, color: str = DATA, *, marker: str = "o", label: str | None = None, crowd: int | None = None) -> Any:
    """A cloud of points, smaller and paler the more of them there are. crowd: how many share the axes; len(x) unless given."""
    n = max(1, len(x) if crowd is None else crowd)
    area = float(np.clip(9000 / n, 6, 34))
    alpha = float(np.clip(18 / n**0.5, 0.28, 0.85))
    # A few points are drawn over the lines, which would hide them. Rasterised, so that an SVG or PDF of a large cloud stays small.
    return ax.scatter(
        x, y, s=area, color=color, alpha=alpha, marker=marker, linewidths=0, label=label, rasterized=n > 2000, zorder=5.5 if n <= 60 else 2
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
    return PALETTE[index % len(PALETTE)]


def marker(index: int) -> str:
    """Its marker; it changes again where the colours come round."""
    return MARKERS[(index + index // len(PALETTE)) % len(MARKERS)]


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
