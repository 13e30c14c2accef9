"""Residuals against fitted values, their spread, and their quantiles beside the normal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import betaincinv, ndtri

from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.diagnostic_sample import DiagnosticSample
from gradline.plot.placing import name_rows
from gradline.plot.smooth import lowess, trend
from gradline.plot.subject import diagnosed, farthest, finish, fitted_values, panels, residual_name

if TYPE_CHECKING:
    from gradline.model.record import Model

BAND = 0.95
"""Of the points of a right model, each by itself, lie in the band of a quantile picture."""


def residuals(fit: Model, data: Any, target: Any = None, *, ax: Any = None, **rows: Any) -> Any:
    """Draw residuals against fitted values, with a smooth trend that is flat at zero where the model is right.

    Squared loss and losses without a distribution: observed less predicted, times the root of the weight. Likelihoods: quantile residuals
    (Dunn and Smyth 1996), normal where the model is right; Pearson residuals where the distribution is not known. A loss that aims at no
    mean gets the trend that it would fit itself. A panel for each target, the first four of more. At most 5,000 rows are drawn, with the
    farthest, whose numbers (from 0) are written next to them.

    Parameters
    ----------
    fit : Fit
        The fit.
    data : table, array or Diagnosis
        A table that holds the target too, or X. Rows the model was not fitted to are drawn as well. What ``Fit.diagnose`` returned will do.
    target : array, optional
        y, where data is X.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.
    **rows
        weights, frequencies, offset, where, query, database: as for ``Fit.diagnose``.

    Returns
    -------
    Matplotlib Axes
        An array of them for several targets.

    Raises
    ------
    ValueError
        For data that does not go with the fit, and for losses without a residual of one target.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.residuals(gl.fit(x, y), x, y)
    """
    given = diagnosed(fit, data, target, rows)
    seen = given.seen
    axes = panels(given, ax)
    for j, panel in enumerate(axes[0]):
        x, across = fitted_values(fit, seen, j)
        # In the target's own units, where those say something.
        own_units = seen.kind in ("standardised", "raw")
        y = seen.residuals[:, j] if own_units else seen.deviates[:, j]
        name = residual_name(fit, seen, j)
        if seen.kind == "standardised":
            name = f"{'weighted ' if seen.weighted else ''}residual of {fit.observed_names[j]}"
        panel.axhline(0.0, color=style.look().quiet, linewidth=0.9, zorder=1, label="_zero")
        style.points(panel, x, y, label="_rows")
        _draw_trend(panel, trend(fit.loss_function, seen, x, y, j))
        style.dress(panel, across, name)
        style.heading(panel, "Residuals")
        _name_farthest(panel, seen, x, y, j)
    return finish(axes, given, seen)


def scale_location(fit: Model, data: Any, target: Any = None, *, ax: Any = None, **rows: Any) -> Any:
    """Draw the root of the size of residuals against fitted values, with a trend that is level where the spread is what the model says.

    Residuals are over their standard errors where the loss implies a spread.

    Parameters
    ----------
    fit : Fit
        The fit.
    data, target, **rows
        As for :func:`gradline.plot.residuals`.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array of them for several targets.

    Raises
    ------
    ValueError
        As :func:`gradline.plot.residuals` does.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.scale_location(gl.fit(x, y), x, y)
    """
    given = diagnosed(fit, data, target, rows)
    seen = given.seen
    axes = panels(given, ax)
    for j, panel in enumerate(axes[0]):
        x, across = fitted_values(fit, seen, j)
        y = np.sqrt(np.abs(seen.deviates[:, j]))
        kept = seen.sampled & np.isfinite(y)
        style.points(panel, x, y, label="_rows")
        _draw_trend(panel, lowess(x[kept], y[kept]))
        style.dress(panel, across, f"√|{residual_name(fit, seen, j).removesuffix(f' of {fit.observed_names[j]}')}|")
        style.heading(panel, "Spread")
        panel.set_ylim(bottom=0.0)
        _name_farthest(panel, seen, x, y, j)
    return finish(axes, given, seen)


def quantiles(fit: Model, data: Any, target: Any = None, *, ax: Any = None, **rows: Any) -> Any:
    """Draw the residuals' quantiles against those of the normal distribution.

    Residuals over their standard errors (squared loss), or quantile residuals (likelihoods), lie along the diagonal where the model is
    right, and 95% of the points, each by itself, within the band. Residuals of a loss without a distribution are drawn in their own units,
    with the line through their quartiles. Of more than 5,000 rows a sample is drawn, and the ten at each end in their true places.

    Parameters
    ----------
    fit : Fit
        The fit.
    data, target, **rows
        As for :func:`gradline.plot.residuals`.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array of them for several targets.

    Raises
    ------
    ValueError
        As :func:`gradline.plot.residuals` does.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.quantiles(gl.fit(x, y), x, y)
    """
    given = diagnosed(fit, data, target, rows)
    seen = given.seen
    axes = panels(given, ax)
    for j, panel in enumerate(axes[0]):
        normal, places = normal_quantiles(seen, j)
        y = seen.deviates[places, j]
        if seen.kind == "raw":
            intercept, slope = _through_quartiles(normal, y)
            estimated = fit.loss_function.squared_scale() is not None or fit.loss_function.has_free_dispersion
            style.note(panel, "the fit leaves no spread to measure by" if estimated else f"{fit.loss_name} assumes no distribution")
        else:
            intercept, slope = 0.0, 1.0
            _draw_band(panel, seen.n if not (seen.frequencies != 1).any() else int(seen.frequencies.sum()))
        ends = np.array([normal.min(), normal.max()])
        panel.plot(ends, intercept + slope * ends, color=style.look().ink, linewidth=1.2, label="_line", zorder=3)
        style.points(panel, normal, y, label="_rows")
        style.dress(panel, "quantile of the normal distribution", residual_name(fit, seen, j))
        style.heading(panel, "Quantiles")
        named = np.flatnonzero(np.isin(places, farthest(seen, j)))
        name_rows(panel, normal[named], y[named], seen.numbers[places[named]])
    if seen.kind == "raw" and seen.drawn == seen.n:
        return style.result(axes)
    return finish(axes, given, seen)


def normal_quantiles(seen: DiagnosticSample, j: int) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Normal quantiles (t,) in rising order, and the places among the rows seen of what is drawn at each.

    Order statistic i of n is drawn at Phi^-1((i - 1/2) / n), as R's qqnorm does; a row of frequency f counts as f.
    """
    y = seen.deviates[:, j]
    sampled = np.flatnonzero(seen.sampled & ~np.isnan(y))
    order = sampled[np.argsort(y[sampled], kind="stable")]
    counts = seen.frequencies[order]
    share = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
    if seen.drawn == seen.n or (seen.frequencies != 1).any():
        return np.asarray(ndtri(share)), order
    # A sample knows the middle; the ends are drawn where they lie among all rows.
    low, high = seen.bottom[:, j], seen.top[::-1, j]
    ranks = np.concatenate([np.arange(len(low)) + 0.5, seen.n - len(high) + np.arange(len(high)) + 0.5])
    middle = ~np.isin(order, np.concatenate([low, high]))
    normal = np.asarray(ndtri(np.concatenate([ranks / seen.n, share[middle]])))
    places = np.concatenate([low, high, order[middle]])
    rising = np.argsort(normal, kind="stable")
    return normal[rising], places[rising]


def _draw_band(ax: Any, n: int) -> None:
    """Where order statistics of n standard normal deviates fall: rank i of n is Phi of a beta (i, n + 1 - i) variable."""
    ranks = np.unique(np.concatenate([np.arange(1, min(n, 40) + 1), np.geomspace(1, n, 120), n + 1 - np.geomspace(1, n, 120)]).round())
    ranks = ranks[(ranks >= 1) & (ranks <= n)]
    tail = 0.5 * (1.0 - BAND)
    across = ndtri((ranks - 0.5) / n)
    low, high = (ndtri(betaincinv(ranks, n + 1.0 - ranks, level)) for level in (tail, 1.0 - tail))
    ax.fill_between(across, low, high, color=style.look().fit, alpha=0.13, linewidth=0, label="_band", zorder=1)


def _through_quartiles(normal: Array, y: Array) -> tuple[float, float]:
    low, high = np.interp(ndtri([0.25, 0.75]), normal, y)
    slope = float((high - low) / (ndtri(0.75) - ndtri(0.25)))
    return float(low - slope * ndtri(0.25)), slope


def _draw_trend(ax: Any, line: tuple[Array, Array]) -> None:
    x, y = line
    ax.plot(x, y, color=style.look().fit, linewidth=2.2, zorder=5.7, label="trend")


def _name_farthest(ax: Any, seen: DiagnosticSample, x: Array, y: Array, j: int) -> None:
    rows = farthest(seen, j)
    name_rows(ax, x[rows], y[rows], seen.numbers[rows])
