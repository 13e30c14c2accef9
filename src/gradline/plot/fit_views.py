"""How a fit is drawn over its rows: a curve over one input, a plane over two, shares of classes, observed against predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.calibrated import probability_of, wilson
from gradline.plot.fit_rows import Band, BandKind, FitRows, predict_at

if TYPE_CHECKING:
    from gradline.model.record import Model

CURVE_POINTS = 300
GRID = 24
"""Lines each way of a plane."""

BINS = 10
FEWEST = 12
"""Rows of a bin whose share is drawn, where there are enough."""

JITTER = 0.035
"""How far up or down the points of a class are spread, of the height of the picture."""

MOST_STEMS = 150
"""Points of a plane that get a line to it; more would be a thicket."""

MOST_PANELS = 4


def draw_curve_over(fit: Model, rows: FitRows, interval: BandKind, level: float, ax: Any) -> Any:
    """One input and numbers to predict: a panel for each target."""
    assert rows.values is not None
    _check_width(fit, rows)
    names = fit.observed_names
    axes = style.panels(ax, 1, len(names))
    across, drawn = rows.values[:, 0], rows.drawn
    grid = np.linspace(*style.reach(across), CURVE_POINTS)
    middle, band = predict_at(fit, rows.inputs, grid[:, None], interval, level)
    for j, panel in enumerate(axes[0]):
        style.points(panel, across[drawn], rows.observed[drawn, j], label="data")
        draw_band(panel, grid, band, j, style.look().fit)
        panel.plot(grid, middle[:, j], color=style.look().fit, linewidth=2.4, label="fit", zorder=4)
        style.dress(panel, rows.inputs[0], names[j])
        style.heading(panel, f"{names[j]} by {rows.inputs[0]}")
        style.legend(panel)
    _remark(axes[0, -1], rows, band)
    return style.result(axes)


def draw_band(panel: Any, grid: Array, band: Band | None, j: int, color: str) -> None:
    """The band of an output, where there is one."""
    if band is not None:
        panel.fill_between(grid, band.lower[:, j], band.upper[:, j], color=color, alpha=0.2, linewidth=0, zorder=2.5, label="_band")


def _check_width(fit: Model, rows: FitRows) -> None:
    q, c = len(fit.observed_names), rows.predicted.shape[1]
    if q != c:
        raise ArgumentError(f"the model predicts {c} numbers per row for {q} targets, so they cannot share an axis")


def _remark(panel: Any, rows: FitRows, band: Band | None) -> None:
    style.note(panel, ", ".join(part for part in (rows.remark, "" if band is None else band.name) if part))


def draw_probabilities_over(fit: Model, rows: FitRows, interval: BandKind, level: float, ax: Any) -> Any:
    """One input and classes to predict: the probability as a curve, the shares observed in bins of the input as dots with their intervals.

    Of two classes the rows themselves lie spread around 0 and 1.
    """
    assert rows.values is not None
    if interval == "prediction":
        raise ArgumentError(
            'a band of predictions is of numbers, and this model predicts classes: interval="confidence" is of the probability'
        )
    axes = style.panels(ax)
    panel, target = axes[0, 0], fit.observed_names[0]
    across = rows.values[:, 0]
    grid = np.linspace(*style.reach(across), CURVE_POINTS)
    middle, band = predict_at(fit, rows.inputs, grid[:, None], interval, level)
    two = rows.predicted.shape[1] == 1
    if two:
        drawn = rows.drawn
        style.points(panel, across[drawn], _spread(rows.observed[drawn, 0]), label="data")
    bins = _bins(across, rows.counts)
    for j in range(middle.shape[1]):
        color = style.look().fit if two else style.color(j)
        draw_band(panel, grid, band, j, color)
        name = "fit" if two else (fit.class_names[j] if j < len(fit.class_names) else f"class {j}")
        panel.plot(grid, middle[:, j], color=color, linewidth=2.4, label=name, zorder=4)
        shares = rows.observed[:, 0] == (1 if two else j)
        shade = style.look().ink if two else color
        _draw_shares(panel, across, shares, rows.counts, bins, level, shade, style.marker(0 if two else j), "observed share" if two else "")
    if not two:
        panel.plot([], [], "o", color=style.look().quiet, markersize=5, label="observed share")
    style.dress(panel, rows.inputs[0], probability_of(fit, 1) if two else f"probability of {target}")
    panel.set_ylim(-0.07, 1.07)
    style.heading(panel, f"{target} by {rows.inputs[0]}")
    style.legend(panel)
    _remark(panel, rows, band)
    return style.result(axes)


def _spread(labels: Array) -> Array:
    """0 and 1 with a little noise, the same every time, so that rows in one place are seen to be many."""
    noise: Array = np.random.default_rng(0).uniform(-JITTER, JITTER, len(labels))
    return labels + noise


def _bins(across: Array, counts: Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The bin of each row (m,): a value each where there are few of them, otherwise bins of about as many rows."""
    values, places = np.unique(across, return_inverse=True)
    if len(values) <= FEWEST:
        return np.asarray(places, dtype=np.int64)
    bins = int(np.clip(counts.sum() // FEWEST, 3, BINS))
    edges = np.unique(np.quantile(across, np.arange(1, bins) / bins))
    return np.searchsorted(edges, across, side="left")


def _draw_shares(panel: Any, across: Array, hits: Any, counts: Array, bins: Any, level: float, color: str, marker: str, label: str) -> None:
    size = np.asarray(np.bincount(bins, counts), dtype=np.float64)
    kept = size > 0
    share = np.bincount(bins, counts * hits)[kept] / size[kept]
    middle = np.bincount(bins, counts * across)[kept] / size[kept]
    lower, upper = wilson(share, size[kept], float(ndtri(0.5 + 0.5 * level)))
    reach = np.maximum(np.stack([share - lower, upper - share]), 0.0)
    panel.errorbar(
        middle, share, reach, fmt=marker, color=color, markersize=5.5, elinewidth=1.2, capsize=2.5, label=label or "_share", zorder=5
    )


def draw_shares_against_predicted(fit: Model, rows: FitRows, level: float, ax: Any) -> Any:
    """Several inputs and classes to predict: the share observed against the probability predicted, in bins, a panel for each class."""
    two = rows.predicted.shape[1] == 1
    classes = [1] if two else list(range(rows.predicted.shape[1]))
    shown = classes[:MOST_PANELS]
    axes = style.panels(ax, 1, len(shown), (5.2, 4.8) if len(shown) == 1 else (3.1 * len(shown), 3.5))
    drawn = rows.drawn
    for place, (panel, number) in enumerate(zip(axes[0], shown, strict=True)):
        predicted = rows.predicted[:, 0 if two else number]
        hits = (rows.observed[:, 0] == number).astype(np.float64)
        style.points(panel, predicted[drawn], _spread(hits[drawn]), label="data")
        panel.plot([0, 1], [0, 1], color=style.look().ink, linewidth=1.2, label="observed = predicted", zorder=3)
        bins = _bins(predicted, rows.counts)
        _draw_shares(panel, predicted, hits, rows.counts, bins, level, style.look().fit, "o", "observed share")
        style.dress(panel, f"predicted {probability_of(fit, number)}", "observed share" if place == 0 else "")
        panel.set_xlim(-0.04, 1.04)
        # Narrow panels have no empty corner: the legend stands above the rows.
        panel.set_ylim(-0.07, 1.07 if len(shown) == 1 else 1.5)
        panel.set_yticks(np.linspace(0.0, 1.0, 6))
        style.heading(panel, "Observed against predicted" if place == 0 else "")
    bottom, top = axes[0, 0].get_ylim()
    # Shares lie near the diagonal and rows along 0 and 1: above the one and below the other is an empty corner.
    style.legend(axes[0, 0], "upper left", (0.0, (1.0 - JITTER - bottom) / (top - bottom)) if len(shown) == 1 else None)
    more = f"first {len(shown)} of {len(classes)} classes" if len(shown) < len(classes) else ""
    style.note(axes[0, -1], ", ".join(part for part in (rows.remark, f"{100 * level:.4g}% intervals", more) if part))
    return style.result(axes)


def draw_observed_against_predicted(fit: Model, rows: FitRows, ax: Any) -> Any:
    """Several inputs and numbers to predict: a panel for each target, with the diagonal on which both are equal."""
    _check_width(fit, rows)
    names = fit.observed_names
    axes = style.panels(ax, 1, len(names), (5.2, 4.8) if len(names) == 1 else (3.4 * len(names), 3.6))
    drawn = rows.drawn
    for j, panel in enumerate(axes[0]):
        predicted, observed = rows.predicted[drawn, j], rows.observed[drawn, j]
        style.points(panel, predicted, observed, label="data")
        both = np.concatenate([predicted, observed])
        limits = style.tidy((float(both.min()), float(both.max())))
        panel.plot(limits, limits, color=style.look().ink, linewidth=1.2, label="observed = predicted", zorder=3)
        style.dress(panel, f"predicted {names[j]}", f"observed {names[j]}")
        style.heading(panel, "Observed against predicted" if j == 0 else "")
        if j == 0:
            style.legend(panel)
    style.note(axes[0, -1], rows.remark)
    return style.result(axes)


def takes_plane(ax: Any) -> bool:
    """Whether a plane can be drawn there: nowhere yet, or on Axes of three dimensions."""
    return ax is None or all(getattr(one, "name", "") == "3d" for one in np.ravel(np.asarray(ax, dtype=object)))


def draw_plane(fit: Model, rows: FitRows, ax: Any) -> Any:
    """Two inputs of numbers: the points in three dimensions, and the plane of what is predicted, a panel for each target."""
    assert rows.values is not None
    _check_width(fit, rows)
    if not takes_plane(ax):
        raise ArgumentError('a plane needs Axes of three dimensions: plt.subplots(subplot_kw={"projection": "3d"}), or leave ax out')
    names, look = fit.observed_names, style.look()
    if ax is None:
        size = (6.8, 5.4) if len(names) == 1 else (4.6 * len(names), 4.4)
        cube = {"projection": "3d", "computed_zorder": False}
        axes = style.pyplot().subplots(1, len(names), figsize=size, dpi=style.DOTS, squeeze=False, subplot_kw=cube)[1]
        axes[0, 0].figure.subplots_adjust(left=0.02, right=0.93, bottom=0.05, top=0.93, wspace=0.12)
    else:
        axes = style.panels(ax, 1, len(names))
    low, high = rows.values.min(axis=0), rows.values.max(axis=0)
    first, second = np.meshgrid(*(np.linspace(low[i], high[i], GRID) for i in range(2)))
    height, _ = predict_at(fit, rows.inputs, np.column_stack([first.ravel(), second.ravel()]), None, 0.95)
    drawn = rows.drawn
    for j, panel in enumerate(axes[0]):
        above = rows.observed[drawn, j] >= rows.predicted[drawn, j]
        place = rows.values[drawn]
        stems = len(drawn) <= MOST_STEMS
        for side, order in ((~above, 1), (above, 5)):
            here, seen = place[side], rows.observed[drawn, j][side]
            if stems:
                for (x, z), top, foot in zip(here, seen, rows.predicted[drawn, j][side], strict=True):
                    panel.plot([x, x], [z, z], [foot, top], color=look.quiet, linewidth=0.7, alpha=0.7, zorder=order, label="_stem")
            # What lies below the plane is seen through it.
            area = float(np.clip(9000 / max(1, len(drawn)), 6, 30))
            panel.scatter(
                here[:, 0], here[:, 1], seen, s=area, color=look.data, alpha=0.9 if order > 1 else 0.6, linewidths=0, depthshade=False,
                zorder=order + 1, label="data" if order > 1 else "_below",
            )  # fmt: skip
        panel.plot_surface(
            first, second, height[:, j].reshape(first.shape), color=look.fit, alpha=0.32, linewidth=0.4, edgecolor=look.fit, zorder=3,
            rstride=4, cstride=4, label="fit",
        )  # fmt: skip
        _dress_cube(panel, rows.inputs, names[j])
        style.heading(panel, f"{names[j]} by {rows.inputs[0]} and {rows.inputs[1]}")
        panel.view_init(elev=22, azim=_facing(height[:, j].reshape(first.shape)))
    if rows.remark:
        # A title of three dimensions leaves no room beside it.
        words = {"ha": "right", "transform": axes[0, -1].transAxes, "fontsize": style.NOTE_SIZE, "color": look.quiet}
        axes[0, -1].text2D(1.0, 0.0, rows.remark, **words)
    return style.result(axes)


def _facing(height: Array) -> float:
    """The azimuth from which the plane is seen from its low end and a little from the side, so that it is no mere edge. height: (z, x)."""
    across, deep = float((height[:, -1] - height[:, 0]).mean()), float((height[-1] - height[0]).mean())
    return -60.0 if across == deep == 0.0 else float(np.degrees(np.arctan2(-deep, -across))) + 28.0


def _dress_cube(panel: Any, inputs: tuple[str, ...], target: str) -> None:
    look = style.look()
    for axis, label in zip((panel.xaxis, panel.yaxis, panel.zaxis), (*inputs, target), strict=True):
        axis.set_label_text(style.written(label, 24), fontsize=style.LABEL_SIZE, color=look.ink)
        axis.set_tick_params(labelsize=style.TICK_SIZE - 1.5, colors=look.quiet, labelcolor=look.ink)
        axis.set_pane_color(look.paper)
        axis.line.set_color(look.quiet)
        # The grid of three dimensions has no other way to be quiet.
        axis._axinfo["grid"].update(color=look.faint, linewidth=0.7)
    panel.set_box_aspect(None, zoom=0.96)
