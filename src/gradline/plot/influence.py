"""Leverage with Cook's distance: which rows could, and do, pull the coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.plot import style
from gradline.plot.diagnostic_sample import DiagnosticSample
from gradline.plot.placing import name_rows
from gradline.plot.subject import NAMED, diagnosed, finish

if TYPE_CHECKING:
    from gradline.model.record import Model

CONTOURS = (0.5, 1.0)
"""Cook's distances that are drawn as lines: worth a look, and large (Cook and Weisberg 1982, Residuals and Influence, section 3.5)."""


def leverage(fit: Model, data: Any, target: Any = None, *, ax: Any = None, **rows: Any) -> Any:
    """Draw how much of its own prediction each row decides (leverage) against its residual, with lines of equal Cook's distance.

    The three rows with the largest Cook's distance have their numbers written next to them, counted from 0. Where the loss implies no
    spread of residuals, and for several targets or linear predictors, Cook's distance itself is drawn against leverage (the sum over linear
    predictors).

    Parameters
    ----------
    fit : Fit
        The fit.
    data, target, **rows
        As for :func:`gradline.plot.residuals`, but the rows must be those of the fit.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes

    Raises
    ------
    ValueError
        For other rows than the fit's, and where the curvature of the loss is singular.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.leverage(gl.fit(x, y), x, y)
    """
    given = diagnosed(fit, data, target, rows)
    given.require_own("leverage")
    seen = given.seen
    axes = style.panels(ax)
    panel = axes[0, 0]
    x = seen.leverage.sum(axis=1)
    # Cook's distance is r^2 h / (p (1 - h)) in Pearson residuals r only.
    pearson = seen.pearson[:, 0] if is_pearson(seen) else None
    if pearson is None:
        y, name = seen.cooks_distance, "Cook's distance"
    else:
        y, name = pearson, "standardised residual of " + fit.observed_names[0]
    shown = np.isfinite(x) & np.isfinite(y)
    if not shown.any() and not (seen.leverage >= 1.0 - 1e-10).any(axis=1).all():
        raise ArgumentError("the fit is perfect and leaves no spread, by which the influence of a row would be measured")
    if not shown.any():
        raise ArgumentError("every row has leverage 1: the model has as many coefficients as rows, and no row can be left out")
    if pearson is not None:
        panel.axhline(0.0, color=style.look().quiet, linewidth=0.9, zorder=1, label="_zero")
    style.points(panel, x[shown], y[shown], label="_rows")
    panel.set_xlim(0.0, style.tidy((0.0, float(x[shown].max())))[1])
    low, high = style.tidy((min(0.0, float(y[shown].min())), max(0.0, float(y[shown].max()))), 0.12)
    panel.set_ylim(low if pearson is not None else 0.0, high)
    contours = pearson is None or _draw_contours(panel, given.diagnosis.kernel.parameters)
    style.dress(panel, "leverage", name)
    style.heading(panel, "Influence")
    worst = seen.influential[:NAMED]
    name_rows(panel, x[worst], y[worst], seen.numbers[worst])
    panel.locator_params(axis="x", nbins=6)
    remarks = []
    if not contours:
        remarks.append(f"largest Cook's distance {style.number(float(seen.cooks_distance[worst[0]]))}")
    alone = int((seen.leverage >= 1.0 - 1e-10).any(axis=1).sum())
    if alone:
        remarks.append(f"{alone:,} {'row' if alone == 1 else 'rows'} of leverage 1 not drawn")
    panel.text(0.985, 0.02, "\n".join(remarks), transform=panel.transAxes, ha="right", fontsize=style.NOTE_SIZE, color=style.look().quiet)
    return finish(axes, given, seen)


def is_pearson(seen: DiagnosticSample) -> bool:
    """Whether there is one Pearson residual a row, of which Cook's distance is a function together with leverage."""
    return seen.targets.shape[1] == seen.predictors.shape[1] == 1 and bool(np.isfinite(seen.pearson).any())


def _draw_contours(ax: Any, parameters: int) -> bool:
    """Lines r = +-(D p (1 - h) / h)^1/2 within the axes, and which D they are of beside them; whether there are any."""
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    h = np.linspace(max(right * 1e-3, 1e-12), min(right, 1.0 - 1e-9), 400)
    ends: dict[float, float] = {}
    for distance, dashes in zip(CONTOURS, ((5, 3), (1, 1.5)), strict=True):
        reach = np.sqrt(distance * parameters * (1.0 - h) / h)
        label = f"Cook's distance {distance:g}"
        for line in (reach, -reach):
            inside = (line >= bottom) & (line <= top)
            if inside.any():
                ax.plot(h[inside], line[inside], color=style.look().fit, linewidth=1.3, linestyle=(0, dashes), label=label, zorder=3)
                label = f"_{label}"
                # A line falls towards zero, so that one that is seen reaches the right edge.
                ends.setdefault(distance, float(line[inside][-1]))
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    _name_contours(ax, ends, (top - bottom) / (72.0 * ax.get_window_extent().height / ax.figure.dpi))
    return bool(ends)


def _name_contours(ax: Any, ends: dict[float, float], point: float) -> None:
    """Words to the right of the axes, where no row is drawn, as R has them. ends: height by distance; point: height of 1/72 inch."""
    apart = 1.25 * style.NOTE_SIZE * point
    last = None
    for distance, height in sorted(ends.items(), key=lambda end: end[1]):
        place = height if last is None else max(height, last + apart)
        last = place
        ax.annotate(
            f"Cook's {distance:g}",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.NOTE_SIZE,
            color=style.look().fit,
            annotation_clip=False,
        )
