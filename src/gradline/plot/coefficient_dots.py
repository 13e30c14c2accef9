"""Coefficients as dots, beside the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.plot import style
from gradline.plot.examples import true_coefficients
from gradline.types import Array

if TYPE_CHECKING:
    from gradline.result import Fit

MOST_ROWS = 40


def coefficients(fit: Fit, *, true: Any = None, xlabel: str = "coefficient", ax: Any = None) -> Any:
    """Draw each coefficient as a dot, with the true one as an open ring around where it should be, and return the Axes.

    A row for each name, the first 40 of more; a panel for each linear predictor where there are several, as an array (1, k) of Axes.
    true: ``(slopes, intercept)``, an object that has them, or an array shaped like ``fit.coefficients``.

    Raises ValueError for a ``true`` that does not suit the fit.
    """
    matrix = None if true is None else true_coefficients(fit, true)
    k = fit.solution.coefficients.shape[1]
    rows = min(len(fit.names), MOST_ROWS)
    width = style.WIDTH if k <= 2 else min(9.6, 1.6 + 2.4 * k)
    axes = style.panels(ax, 1, k, (width, max(2.0, 1.1 + 0.36 * rows)))
    for j in range(k):
        panel = axes[0, j]
        draw_dots(panel, fit, matrix, [j], names=j == 0, legend=j == 0)
        style.dress(panel, xlabel, "", grid="x")
        if k > 1:
            style.heading(panel, fit.predictor_names[j])
    if rows < len(fit.names):
        style.note(axes[0, -1], f"first {rows} of {len(fit.names)} coefficients")
    return style.result(axes)


def draw_dots(ax: Any, fit: Fit, matrix: Array | None, predictors: list[int], *, names: bool = True, legend: bool = True) -> None:
    """The dots of some of the linear predictors in one panel, each slightly below the last. matrix: the true coefficients (P, k)."""
    rows = min(len(fit.names), MOST_ROWS)
    found = fit.solution.coefficients[:rows]
    place = np.arange(rows, dtype=np.float64)
    several = len(predictors) > 1
    step = 0.36 / max(1, len(predictors) - 1) if several else 0.0
    ax.axvline(0.0, color=style.QUIET, linewidth=0.9, zorder=1, label="_zero")
    shifts = [i * step - 0.18 if several else 0.0 for i in range(len(predictors))]
    for shift, j in zip(shifts, predictors, strict=True):
        label = fit.predictor_names[j] if several else "fitted"
        color = style.color(j) if several else style.DATA
        ax.plot(found[:, j], place + shift, style.marker(j) if several else "o", color=color, markersize=6, label=label, zorder=4)
    if matrix is not None:
        # A ring around the dot: a recovered coefficient sits in its middle, and neither hides the other.
        for shift, j in zip(shifts, predictors, strict=True):
            ring = {"markerfacecolor": "none", "markeredgecolor": style.TRUE, "markersize": 11, "markeredgewidth": 1.3}
            ax.plot(matrix[:rows, j], place + shift, "o", **ring, label="true" if j == predictors[0] else "_true", zorder=3)
    for edge in place[1:] - 0.5:
        ax.axhline(edge, color=style.FAINT, linewidth=0.8, zorder=0, label="_row")
    ax.set_yticks(place, fit.names[:rows])
    ax.set_ylim(rows - 0.4, -0.6)
    ax.margins(x=0.08)
    style.dress(ax, "coefficient", "", grid="x")
    ax.tick_params(axis="y", length=0, labelleft=names)
    if legend and (several or matrix is not None):
        style.legend(ax)
