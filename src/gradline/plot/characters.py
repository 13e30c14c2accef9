"""Curves drawn with characters: each is a grid of 2 x 4 dots of the Braille alphabet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.plot.style import number

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""What each dot of a character adds to the number of the empty one, from top to bottom, left and right."""

EMPTY = 0x2800


def chart(curves: Sequence[Sequence[float]], *, width: int, height: int, title: str = "") -> list[str]:
    """Lines of text that show curves over their numbers 1, 2, ...: the first as a line, the second as dots apart.

    width, height: characters of the whole, title and axis included. The scale is logarithmic where all values are positive.
    """
    values = [np.asarray(curve, dtype=np.float64) for curve in curves]
    values = [np.where(np.isfinite(one), one, np.nan) for one in values]
    everything = np.concatenate(values)
    known = everything[np.isfinite(everything)]
    if not known.size:
        return [title, "(no finite loss yet)"]
    log = bool(known.min() > 0)
    scale = np.log10 if log else np.asarray
    low, high = float(scale(known.min())), float(scale(known.max()))
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    margin = max(len(_label(low, log)), len(_label(high, log)), len(_label(0.5 * (low + high), log))) + 1
    columns, rows = max(4, width - margin - 1), max(3, height - 3)
    grid = np.full((rows, columns), EMPTY, dtype=np.int64)
    longest = max(len(one) for one in values)
    for index, one in enumerate(values):
        _draw(grid, np.asarray(scale(one)), low, high, longest, apart=index > 0)
    lines = [title] if title else []
    labels = {0: _label(high, log), rows // 2: _label(high - (high - low) * (rows // 2 + 0.5) / rows, log), rows - 1: _label(low, log)}
    for row in range(rows):
        lines.append(f"{labels.get(row, ''):>{margin - 1}} │" + "".join(chr(each) for each in grid[row]).rstrip(chr(EMPTY)))
    lines.append(" " * margin + "└" + "─" * columns)
    end = f"{longest:,}"
    lines.append(" " * (margin + 1) + "1" + end.rjust(columns - 1) if longest > 1 else " " * (margin + 1) + "1")
    return lines


def _label(value: float, log: bool) -> str:
    return number(float(f"{10**value:.3g}" if log else f"{value:.3g}"))


def _draw(grid: IntArray, heights: Array, low: float, high: float, longest: int, *, apart: bool) -> None:
    """Set the dots of one curve. apart: every third dot only, to tell it from a line."""
    rows, columns = grid.shape
    down, across = 4 * rows - 1, 2 * columns - 1
    places = np.linspace(0, max(len(heights) - 1, 0) * across / max(longest - 1, 1), max(2, across)) if len(heights) > 1 else np.zeros(1)
    index = places * (max(longest - 1, 1) / across) if len(heights) > 1 else np.zeros(1)
    before = None
    for place, value in zip(places, np.interp(index, np.arange(len(heights)), heights), strict=True):
        if not math.isfinite(value):
            before = None
            continue
        dot = round((high - value) / (high - low) * down)
        reach = range(min(dot, before), max(dot, before) + 1) if before is not None and not apart else range(dot, dot + 1)
        x = round(float(place))
        for y in reach:
            if not apart or x % 3 == 0:
                grid[y // 4, x // 2] |= DOTS[y % 4][x % 2]
        before = dot
