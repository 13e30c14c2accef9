"""A path of penalised fits: slopes against the strength, and the loss of rows that were held out."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array
from gradline.plot import style

if TYPE_CHECKING:
    from gradline.model.path import PathRecord

MOST_NAMES = 12
"""Names at the ends of lines: those of the largest slopes."""


def path(found: PathRecord, *, ax: Any = None) -> Any:
    """Draw a path of :func:`gradline.path`: each slope against the strength and, where rows were held out, their loss with its error.

    Parameters
    ----------
    found : Path
        The path.
    ax : Matplotlib Axes, or two of them, optional
        Where to draw: two where rows were held out. A new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array (1, 2) of them where rows were held out.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> ax = gl.plot.path(gl.path(x, y, strengths=5))
    """
    held = found.held_out
    axes = style.panels(ax, 1, 1 if held is None else 2, (7.2, 4.4) if held is None else (11.0, 4.4))
    panels = axes.ravel()
    _slopes(panels[0], found)
    if held is not None:
        _held_out(panels[1], found)
        panels[1].set_xlim(panels[0].get_xlim())
    return style.result(axes)


def _slopes(ax: Any, found: PathRecord) -> None:
    first = int(found.template.has_intercept)
    names = found.template.names[first:]
    k = found.coefficients.shape[2]
    of_predictor = [""] if k == 1 else [f", {name}" for name in found.template.predictor_names]
    slopes = found.coefficients[:, first:].transpose(0, 2, 1).reshape(len(found.strengths), -1)
    labels = [name + predictor for predictor in of_predictor for name in names]
    positive = found.strengths > 0
    ends = slopes[positive][-1]
    named = [int(j) for j in np.argsort(-np.abs(ends), kind="stable")[:MOST_NAMES] if ends[j] != 0]
    for j in map(int, np.flatnonzero((slopes != 0).any(axis=0))):
        shade = style.color(named.index(j)) if j in named else style.look().pale
        ax.plot(found.strengths[positive], slopes[positive, j], color=shade, linewidth=1.6 if j in named else 0.8)
    ax.set_xscale("log")
    ax.invert_xaxis()
    if named:
        # Names stand beside the ends of their lines, inside the axes.
        left, right = ax.get_xlim()
        ax.set_xlim(left, right * (right / left) ** 0.2)
    style.dress(ax, f"strength of the {found.penalties[0].name}", "coefficient")
    style.heading(ax, "Coefficients along the path")
    ax.axhline(0.0, color=style.look().quiet, linewidth=0.8, zorder=0)
    low, high = ax.get_ylim()
    heights = _apart([float(ends[j]) for j in named], 0.055 * (high - low))
    for j, height in zip(named, heights, strict=True):
        ax.annotate(
            style.shortened(labels[j], 18),
            (found.strengths[positive][-1], height),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=style.color(named.index(j)),
            annotation_clip=False,
        )
    if len(found.strengths) > 1 and found.held_out is not None:
        _marks(ax, found, label=False)


def _apart(heights: list[float], least: float) -> list[float]:
    """The same heights, moved so that neighbours are at least so far apart."""
    order = np.argsort(heights)
    placed: Array = np.array(heights, dtype=np.float64)
    for _ in range(200):
        moved = False
        for lower, upper in itertools.pairwise(order):
            gap = placed[upper] - placed[lower]
            if gap < least - 1e-12:
                shift = 0.5 * (least - gap)
                placed[lower] -= shift
                placed[upper] += shift
                moved = True
        if not moved:
            break
    return [float(height) for height in placed]


def _held_out(ax: Any, found: PathRecord) -> None:
    held = found.held_out
    assert held is not None
    positive = found.strengths > 0
    strengths, mean, error = found.strengths[positive], held.mean[positive], held.error[positive]
    ax.fill_between(strengths, mean - error, mean + error, color=style.color(0), alpha=0.18, linewidth=0)
    ax.plot(strengths, mean, color=style.color(0), linewidth=1.6)
    ax.set_xscale("log")
    style.dress(ax, f"strength of the {found.penalties[0].name}", "loss of rows held out")
    style.heading(ax, "Held-out loss")
    _marks(ax, found, label=True)
    style.legend(ax, "best")
    style.note(ax, f"{held.how}, ± one standard error")


def _marks(ax: Any, found: PathRecord, *, label: bool) -> None:
    chosen = ((found.best_place, "-", "least"), (found.within_one_error_place, "--", "within one error"))
    for place, line, what in chosen:
        if found.strengths[place] > 0:
            count = int(found.nonzero[place])
            words = f"{what}: {style.number(float(found.strengths[place]))}, {count} slope{'' if count == 1 else 's'}"
            ax.axvline(
                found.strengths[place], color=style.look().quiet, linewidth=1.0, linestyle=line, label=words if label else None, zorder=1
            )
