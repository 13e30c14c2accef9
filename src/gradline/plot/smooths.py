"""The curves of a fit, each in a panel with its bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.model.curves import CurveBand, curve_band, fitted_curve, learned_curve
from gradline.plot import style

if TYPE_CHECKING:
    from gradline.formulas.curves import Curve
    from gradline.model.record import Model
    from gradline.smoothing.terms import FittedCurve

ACROSS = 3
"""Panels in a row."""

MOST_PANELS = 30


def smooths(fit: Model, names: str | Sequence[str] | None = None, *, level: float = 0.95, ax: Any = None) -> Any:
    """Draw the curves of a fit: each part of the linear predictor with its pointwise and its simultaneous band.

    The dark band holds the curve at any one place with the probability ``level``, the pale one the whole curve. A surface of two columns
    is drawn by contours.

    Parameters
    ----------
    fit : Fit
        A fit whose formula has curves, ``s(x)`` or ``te(x, z)``.
    names : str or sequence of str, optional
        Which curves; all of them unless given.
    level : float
        Of the bands, between 0 and 1.
    ax : Matplotlib Axes, or array of them, optional
        Where to draw, an Axes for each curve; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array of them for several curves, in their order.

    Raises
    ------
    ValueError
        For a fit without curves, an unknown name, and a surface of more than two columns.

    Examples
    --------
    >>> import gradline as gl
    >>> fit = gl.fit("body_mass_g ~ s(flipper_length_mm) + species", gl.datasets.penguins())
    >>> axes = gl.plot.smooths(fit)
    """
    given = [names] if isinstance(names, str) else names
    chosen = list(fit.curves) if given is None else [fitted_curve(fit, name) for name in given]
    if not chosen:
        raise ArgumentError("the model has no curves to draw: write one as s(x) in its formula")
    if len(chosen) > MOST_PANELS:
        raise ArgumentError(f"the model has {len(chosen)} curves; name at most {MOST_PANELS} of them")
    across = min(ACROSS, len(chosen))
    down = -(-len(chosen) // across)
    if ax is None:
        size = (style.WIDTH, style.HEIGHT) if len(chosen) == 1 else (3.3 * across, 2.7 * down)
        axes = style.panels(None, down, across, size).ravel()
        for panel in axes[len(chosen) :]:
            panel.remove()
        axes = axes[: len(chosen)]
    else:
        axes = style.panels(ax, 1, len(chosen))[0]
    for panel, own in zip(axes, chosen, strict=True):
        learned = learned_curve(fit, own)
        if len(learned.variables) == 1:
            _curve(panel, curve_band(fit, own.name, level=level), len(chosen) == 1)
        elif len(learned.variables) == 2:
            _surface(panel, curve_band(fit, own.name, points=50, level=level))
        else:
            raise ArgumentError(f"{own.name} is a surface over {len(learned.variables)} columns, of which no picture can be drawn")
        style.heading(panel, _said(fit, own, learned))
    return axes[0] if len(chosen) == 1 else axes


def _said(fit: Model, own: FittedCurve, curve: Curve) -> str:
    """The curve without its options, so that panels side by side have room for it, and its degrees of freedom."""
    shown = f"{curve.node.transform}({', '.join(curve.variables)})"
    if curve.level is not None:
        shown += f", {curve.level}"
    elif curve.by is not None:
        shown += f" times {curve.by}"
    if len(fit.predictor_names) > 1:
        shown = f"{fit.predictor_names[own.predictor]}: {shown}"
    return style.written(shown, 32) + (f", {own.degrees_of_freedom:.1f} df" if np.isfinite(own.degrees_of_freedom) else "")


def _curve(ax: Any, band: CurveBand, alone: bool) -> None:
    x = band.values[:, 0]
    if np.isfinite(band.lower).all():
        ax.fill_between(
            x, band.simultaneous_lower, band.simultaneous_upper, color=style.look().fit, alpha=0.14, linewidth=0, label="_whole"
        )
        ax.fill_between(x, band.lower, band.upper, color=style.look().fit, alpha=0.25, linewidth=0, label="_pointwise")
    ax.axhline(0.0, color=style.look().quiet, linewidth=0.8, zorder=1, label="_zero")
    if alone and np.isfinite(band.lower).all():
        style.note(ax, f"{100 * band.level:.3g}% bands: at each place, and of the whole curve")
    ax.plot(x, band.estimate, color=style.look().fit, linewidth=1.8, label="_curve")
    ax.margins(x=0.01)
    style.dress(ax, band.variables[0], "")


def _surface(ax: Any, band: CurveBand) -> None:
    side = round(len(band.values) ** 0.5)
    x, z = (band.values[:, j].reshape(side, side) for j in range(2))
    height = band.estimate.reshape(side, side)
    most = float(np.abs(height).max()) or 1.0
    from matplotlib.ticker import MaxNLocator

    levels = MaxNLocator(14, symmetric=True).tick_values(-most, most)
    ax.contourf(x, z, height, levels=levels, cmap="RdBu_r", alpha=0.85)
    lines = ax.contour(x, z, height, levels=levels[::2], colors=style.look().ink, linewidths=0.6)
    ax.clabel(lines, fontsize=style.NOTE_SIZE - 1.5, fmt="%.3g")
    style.dress(ax, band.variables[0], band.variables[1], grid="none")
    style.note(ax, "contours of its part of the predictor")
