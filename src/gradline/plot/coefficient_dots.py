"""Coefficients as dots, with their intervals, beside the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.model.record import class_against
from gradline.plot import style
from gradline.plot.examples import true_coefficients
from gradline.summary.content import heading_of, shown_coefficients

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_ROWS = 40
LONGEST_NAME = 30
"""Characters of a column's name beside its dot."""


def coefficients(
    fit: Model,
    *,
    true: Any = None,
    level: float = 0.95,
    intercept: bool = True,
    in_standard_errors: bool = False,
    xlabel: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw each coefficient as a dot, with a line over its confidence interval where the fit has standard errors.

    A row for each name, the first 40 of more. A panel for each linear predictor where there are several.

    Parameters
    ----------
    fit : Fit
        The fit.
    true : optional
        The true coefficients, drawn as open rings around where the dots should be: ``(slopes, intercept)``, an object that has them, or an
        array shaped like ``fit.coefficients``.
    level : float
        Of the intervals, between 0 and 1.
    intercept : bool
        Whether the intercept gets a row.
    in_standard_errors : bool
        Draw each coefficient over its own standard error, so that columns of very different units share an axis.
    xlabel : str, optional
        In place of "coefficient".
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array (1, k) of them for k linear predictors, where k is more than one. ``numpy.ravel`` makes a sequence of either.

    Raises
    ------
    ValueError
        For a ``true`` that does not suit the fit, a level that is not between 0 and 1, ``in_standard_errors`` of a fit that has none, and a
        model of which nothing is left to draw.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
    >>> axes = gl.plot.coefficients(gl.fit(X, y), intercept=False)
    """
    matrix = None if true is None else true_coefficients(fit, true)
    first = 0 if intercept or not fit.has_intercept else 1
    places = [i for i in range(first, len(fit.names)) if not any(curve.start <= i < curve.stop for curve in fit.curves)]
    if not places:
        what = "its curves are drawn by gl.plot.smooths" if fit.curves else "draw it with intercept=True"
        raise ArgumentError(f"the model has an intercept only; {what}")
    rows = _Rows(fit, places[:MOST_ROWS], level, in_standard_errors)
    k = fit.solution.coefficients.shape[1]
    width = style.WIDTH if k <= 2 else min(9.6, 1.6 + 2.4 * k)
    axes = style.panels(ax, 1, k, (width, max(2.0, 1.1 + 0.36 * len(rows.places))))
    label = xlabel or ("coefficient / standard error" if in_standard_errors else "coefficient")
    for j in range(k):
        panel = axes[0, j]
        # Beside another panel of the same figure names need not be repeated.
        rows.draw(panel, matrix, [j], names=j == 0 or panel.figure is not axes[0, 0].figure, legend=j == 0)
        style.dress(panel, label, "", grid="x")
        style.heading(panel, "Coefficients" if k == 1 else heading_of(fit, j))
    remark = f"{100 * level:.3g}% intervals" if rows.lower is not None else ""
    if len(rows.places) < len(places):
        remark = f"first {len(rows.places)} of {len(places)} coefficients"
    if k <= 2:
        style.note(axes[0, -1], remark)
    elif remark:
        # Narrow panels have no room beside their names.
        axes[0, -1].set_xlabel(f"{label}\n{remark}")
    return style.result(axes)


def draw_dots(ax: Any, fit: Model, matrix: Array | None, predictors: list[int], *, names: bool = True, legend: bool = True) -> None:
    """The dots of some of the linear predictors in one panel, each slightly below the last. matrix: the true coefficients (P, k)."""
    _Rows(fit, list(range(min(len(fit.names), MOST_ROWS))), None, False).draw(ax, matrix, predictors, names=names, legend=legend)


class _Rows:
    """Some of a fit's coefficients on their rows. level: None for no intervals."""

    def __init__(self, fit: Model, places: list[int], level: float | None, in_standard_errors: bool) -> None:
        self.fit, self.places = fit, places
        shape = fit.solution.coefficients.shape
        # A linear predictor that has an intercept only, or a formula of its own, has no dot for the other columns.
        there = np.zeros(shape, dtype=np.bool_)
        for j in range(shape[1]):
            there[list(shown_coefficients(fit, j)), j] = True
        self.found = np.where(there, np.reshape(fit.coefficients, shape), np.nan)
        self.scale = np.ones(shape)
        self.lower: Array | None = None
        self.upper: Array | None = None
        self.estimates: Array | None = None
        self.estimate_name = ""
        if in_standard_errors:
            self.scale = np.reshape(fit.standard_errors, shape)
        if level is not None and fit.inference is not None and fit.inference.has_intervals:
            interval = fit.interval(level)
            self.lower, self.upper = (np.reshape(end, shape) for end in (interval.lower, interval.upper))
            self.estimates, self.estimate_name = fit.inference.estimates

    def draw(self, ax: Any, matrix: Array | None, predictors: list[int], *, names: bool, legend: bool) -> None:
        """The dots of some of the linear predictors, each slightly below the last. matrix: the true coefficients (P, k)."""
        fit, places = self.fit, self.places
        rows = np.arange(len(places), dtype=np.float64)
        several = len(predictors) > 1
        step = 0.36 / max(1, len(predictors) - 1) if several else 0.0
        ax.axvline(0.0, color=style.look().quiet, linewidth=0.9, zorder=1, label="_zero")
        shifts = [i * step - 0.18 if several else 0.0 for i in range(len(predictors))]
        for shift, j in zip(shifts, predictors, strict=True):
            label = (class_against(fit, j) or fit.predictor_names[j]) if several else "fitted"
            color = style.color(j) if several else style.look().data
            scale = self.scale[places, j]
            if self.lower is not None and self.upper is not None:
                ends = (self.lower[places, j] / scale, self.upper[places, j] / scale)
                ax.hlines(rows + shift, *ends, color=color, linewidth=2.2, alpha=0.75, zorder=3.5, label="_interval")
            if self.estimates is not None:
                own = self.estimate_name if shift == shifts[-1] else "_estimate"
                line = {"linestyle": "none", "marker": "|", "markersize": 13, "markeredgewidth": 2.2}
                ax.plot(self.estimates[places, j] / scale, rows + shift, color=color, label=own, zorder=3.6, **line)
            dots = self.found[places, j] / scale
            ax.plot(dots, rows + shift, style.marker(j) if several else "o", color=color, markersize=6, label=label, zorder=4)
        if matrix is not None:
            # A ring around the dot: a recovered coefficient sits in its middle, and neither hides the other.
            for shift, j in zip(shifts, predictors, strict=True):
                ring = {"markerfacecolor": "none", "markeredgecolor": style.look().truth, "markersize": 11, "markeredgewidth": 1.3}
                label = "true" if j == predictors[0] else "_true"
                ax.plot(matrix[places, j] / self.scale[places, j], rows + shift, "o", **ring, label=label, zorder=3)
        for edge in rows[1:] - 0.5:
            ax.axhline(edge, color=style.look().faint, linewidth=0.8, zorder=0, label="_row")
        ax.set_yticks(rows, [style.written(fit.names[i], LONGEST_NAME) for i in places])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.margins(x=0.08)
        style.dress(ax, "coefficient", "", grid="x")
        ax.tick_params(axis="y", length=0, labelleft=names)
        if legend and (several or matrix is not None or self.estimates is not None):
            style.legend(ax)
