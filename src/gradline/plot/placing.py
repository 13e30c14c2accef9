"""Where words stand in a picture: within the axes, clear of points, lines and of each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.plot import style


class Place(NamedTuple):
    """Where words may stand beside what they are of: points (1/72 inch) to the right and up, and which of their edges is there."""

    dx: float
    dy: float
    across: str
    up: str


BESIDE = tuple(
    Place(sign * dx, dy, "left" if sign > 0 else "right", "center")
    for dx, dy in ((6, 0), (5, 9), (5, -9), (5, 19), (5, -19), (24, 12), (24, -12), (40, 0), (12, 28), (12, -28), (30, 40), (30, -40))
    for sign in (1, -1)
)
"""Beside a point of the size of a row's, the best first."""

FAR = 15.0
"""Points away from which a thin line leads from the words to what they are of."""

OUTSIDE, WORDS, POINT, LINE, CROWD = 20.0, 40.0, 40.0, 6.0, 1.0
"""What a place costs: each point that words stick out of the axes; lying over other words; over a point that is named, over a line
drawn, over another point."""

MOST_CROWD, MOST_LINE = 6.0, 12.0
"""In a crowd every place lies over points; a place is never worse for that than over a point that is named."""

ROOM = 1.5
"""Points around words that should be free."""


class Placer:
    """Places words in one Axes whose data and limits are final."""

    def __init__(self, ax: Any, keep_clear: Array | None = None) -> None:
        """keep_clear: (t, 2) points, in data units, that no words may hide."""
        self._ax = ax
        root = ax.figure.canvas.figure
        ax.get_xlim(), ax.get_ylim()
        if root.get_layout_engine() is not None:
            # Only a figure that has been laid out knows how large its axes are.
            root.draw_without_rendering()
        self._scale = 72.0 / ax.figure.dpi
        self._frame = np.asarray(ax.get_window_extent().extents) * self._scale
        self._named = np.empty((0, 2)) if keep_clear is None else self._points(keep_clear)
        clouds = [
            self._points(cloud.get_offsets()) for cloud in ax.collections if len(cloud.get_offsets()) and cloud.get_label() != "_band"
        ]
        self._cloud = np.concatenate(clouds) if clouds else np.empty((0, 2))
        lines = [self._traced(line) for line in ax.lines if line.get_transform() == ax.transData]
        self._lines = np.concatenate(lines) if lines else np.empty((0, 2))
        self._taken = [self._box(text) for text in ax.texts if text.get_text()]

    def _points(self, values: Any) -> Array:
        found = np.asarray(self._ax.transData.transform(np.asarray(values, dtype=np.float64)), dtype=np.float64) * self._scale
        kept: Array = found[np.isfinite(found).all(axis=1)]
        return kept

    def _traced(self, line: Any) -> Array:
        """Points along a line, close enough together that no word fits between; of one without a stroke, its markers."""
        values = line.get_xydata()
        if line.get_label() == "_named" or len(values) == 0:
            return np.empty((0, 2))
        corners = np.asarray(line.get_transform().transform(values), dtype=np.float64) * self._scale
        corners = np.asarray(corners[np.isfinite(corners).all(axis=1)], dtype=np.float64)
        if len(corners) < 2 or line.get_linestyle() in ("None", "none", "", " "):
            return corners
        low, high = self._frame[:2] - 50.0, self._frame[2:] + 50.0
        corners = np.clip(corners, low, high)
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
        at = np.arange(0.0, along[-1] + 2.0, 2.0)
        return np.column_stack([np.interp(at, along, corners[:, i]) for i in (0, 1)])

    def _box(self, text: Any) -> Array:
        box: Array = np.asarray(text.get_window_extent().extents, dtype=np.float64) * self._scale
        return box

    def add(self, words: Sequence[str], at: Array, places: Sequence[Sequence[Place]] | None = None, **look: Any) -> None:
        """Write words beside points: a few, since all orders are tried in which each takes the clearest place that is left.

        at: (t, 2) in data units. places: for each, the best first; ``BESIDE`` unless given. look: as Matplotlib's text takes it.
        """
        notes = [
            self._ax.annotate(
                text, tuple(point), xytext=(0, 0), textcoords="offset points", ha="left", va="bottom", annotation_clip=False, **look
            )
            for text, point in zip(words, at, strict=True)
        ]
        boxes = [self._box(note) for note in notes]
        sizes, origins = [box[2:] - box[:2] for box in boxes], self._points(at)
        choices = [BESIDE] * len(notes) if places is None else places
        options = [[self._moved(origin, size, place) for place in each] for origin, size, each in zip(origins, sizes, choices, strict=True)]
        alone = [np.array([self._cost(box) + 0.3 * i for i, box in enumerate(each)]) for each in options]
        chosen = min(
            (_in_turn(order, options, alone) for order in itertools.permutations(range(len(notes)))),
            key=lambda found: found[0],
            default=None,
        )
        if chosen is None:
            return
        for i, note in enumerate(notes):
            best = choices[i][chosen[1][i]]
            note.set(ha=best.across, va=best.up)
            note.xyann = (best.dx, best.dy)
            self._taken.append(options[i][chosen[1][i]])
            if np.hypot(best.dx, best.dy) > FAR:
                self._lead(note, tuple(at[i]), best)

    def _lead(self, note: Any, at: tuple[float, ...], place: Place) -> None:
        self._ax.annotate(
            "",
            at,
            xytext=(place.dx, place.dy),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": style.look().quiet, "linewidth": 0.7, "shrinkA": 0.0, "shrinkB": 3.0},
            annotation_clip=False,
            zorder=note.get_zorder() - 0.5,
        )

    def _moved(self, origin: Array, size: Array, place: Place) -> Array:
        shift = np.array([{"left": 0.0, "center": 0.5, "right": 1.0}[place.across], {"bottom": 0.0, "center": 0.5, "top": 1.0}[place.up]])
        corner = origin + np.array([place.dx, place.dy]) - shift * size
        return np.concatenate([corner, corner + size])

    def _cost(self, box: Array) -> float:
        outside = float(np.maximum(self._frame[:2] - box[:2], 0.0).sum() + np.maximum(box[2:] - self._frame[2:], 0.0).sum())
        wide = box + ROOM * np.array([-1.0, -1.0, 1.0, 1.0])
        words = sum(_overlap(wide, other) > 0.0 for other in self._taken)
        return (
            OUTSIDE * outside
            + WORDS * words
            + POINT * _inside(self._named, wide + np.array([-2.0, -2.0, 2.0, 2.0]))
            + min(LINE * _inside(self._lines, wide), MOST_LINE)
            + min(CROWD * _inside(self._cloud, wide), MOST_CROWD)
        )


def name_rows(ax: Any, x: Array, y: Array, numbers: IntArray) -> None:
    """Write the numbers of rows beside their points, within the axes and clear of each other; rows are counted from 0."""
    from matplotlib.patheffects import withStroke

    shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    # In a crowd a dot is a pixel: those named are drawn once more, so that they are seen.
    ax.plot(x[shown], y[shown], "o", color=style.look().data, markersize=4.2, markeredgewidth=0, zorder=6, label="_named")
    placer = Placer(ax, np.column_stack([x[shown], y[shown]]))
    halo = [withStroke(linewidth=2.5, foreground=style.look().paper, alpha=0.85)]
    placer.add(
        [f"row {numbers[i]:,}" for i in shown],
        np.column_stack([x[shown], y[shown]]),
        fontsize=style.NOTE_SIZE,
        color=style.look().ink,
        path_effects=halo,
        zorder=7,
    )


def _in_turn(order: Sequence[int], options: Sequence[Sequence[Array]], alone: Sequence[Array]) -> tuple[float, dict[int, int]]:
    """Each takes the best place that is left to it: what that costs together, and the place of each."""
    cost, taken = 0.0, dict[int, int]()
    for i in order:
        crowded = [sum(_overlap(box, options[j][place]) > 0.0 for j, place in taken.items()) for box in options[i]]
        costs = alone[i] + WORDS * np.array(crowded)
        taken[i] = int(np.argmin(costs))
        cost += float(costs[taken[i]])
    return cost, taken


def _inside(points: Array, box: Array) -> int:
    return int(((points > box[:2]) & (points < box[2:])).all(axis=1).sum())


def _overlap(first: Array, second: Array) -> float:
    """The area two boxes (left, low, right, high) share."""
    width, height = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    return float(max(width, 0.0) * max(height, 0.0))
