"""A prediction marked where it falls, and everything in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.coefficient_dots import draw_dots
from gradline.plot.examples import Examples, axis_labels, columns_of, input_names, predictions, read, true_coefficients
from gradline.plot.fitted import LINE_POINTS, Curve, draw_curve, draw_diagonal
from gradline.plot.fitted import fit as draw_fit
from gradline.plot.scatter import draw_points, remark

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_WRITTEN = 6
"""Predictions whose values are written beside them; more would run into each other."""

TURN = 0.84
"""How far across the axes a mark is before its words go to its left."""

GREY = "#9aa5b1"


def prediction(
    fit: Model,
    new_x: Any,
    *,
    x: Any = None,
    y: Any = None,
    xlabel: str | None = None,
    ylabel: str | Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Mark what the fit predicts at ``new_x``, with guide lines to both axes and its value written.

    With one input the fitted line of each target runs through the marks. With several, each target is a panel of observed against predicted
    with the mark on the diagonal or, without data, a row of predicted values.

    Parameters
    ----------
    fit : Fit
        The fit.
    new_x : float or array
        One input: a number or several, (m,). Several inputs: a row, (p,), or rows, (m, p).
    x, y : array, optional
        The training data, drawn in grey behind. Both or neither.
    xlabel, ylabel : str, optional
        In place of the names of the columns; ylabel a sequence for several targets.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array of them for several inputs.

    Raises
    ------
    ValueError
        For a new_x that does not suit the fit or is not finite, and for x without y.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.prediction(gl.fit(x, y), 2.0, x=x, y=y)
    """
    new = _new_rows(fit, new_x)
    if (x is None) != (y is None):
        raise ArgumentError("give both x and y, the training data, or neither")
    examples = None if x is None else read(x, y, None, fit)
    names = fit.observed_names
    if len(input_names(fit)) == 1:
        axes = style.panels(ax)
        panel = axes[0, 0]
        if examples is not None:
            draw_points(panel, examples, color=GREY)
            style.note(panel, remark(examples))
        for curve in _lines(fit, new, examples):
            draw_curve(panel, curve)
        style.dress(panel, axis_labels(xlabel, input_names(fit), "xlabel")[0], axis_labels(ylabel, [", ".join(names)], "ylabel")[0])
        _mark(panel, fit, new)
        style.legend(panel)
        style.heading(panel, "Prediction")
        return style.result(axes)
    if examples is None:
        return _values_alone(fit, new, xlabel, ylabel, ax)
    axes = style.panels(ax, 1, len(names), (4.8, 4.6) if len(names) == 1 else style.panel_size(len(names)))
    _panels(axes[0], fit, examples, new, xlabel, ylabel, quiet=True)
    return style.result(axes)


def everything(
    fit: Model,
    x: Any,
    y: Any,
    new_x: Any,
    *,
    true: Any = None,
    xlabel: str | None = None,
    ylabel: str | Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw data, fit and prediction together.

    One input: the points, the line of each target, the true line where given, and the prediction at ``new_x`` marked. Several inputs: for
    each target observed against predicted with the prediction on the diagonal, then a panel of the coefficients, with the true ones where
    given.

    Parameters
    ----------
    fit : Fit
        The fit.
    x, y : array
        The data.
    new_x : float or array
        As for :func:`gradline.plot.prediction`.
    true : optional
        As for :func:`gradline.plot.fit` and :func:`gradline.plot.coefficients`.
    xlabel, ylabel : str, optional
        In place of the names of the columns; ylabel a sequence for several targets.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array (1, targets + 1) of them for several inputs.

    Raises
    ------
    ValueError
        What the pictures it is made of raise.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.everything(gl.fit(x, y), x, y, 2.0, true=(6, -5))
    """
    new = _new_rows(fit, new_x)
    if len(input_names(fit)) == 1:
        panel = draw_fit(fit, x, y, true=true, xlabel=xlabel, ylabel=ylabel, ax=ax)
        _mark(panel, fit, new)
        style.legend(panel)
        style.heading(panel, "Fit and prediction")
        return panel
    examples = read(x, y, None, fit)
    q = len(fit.observed_names)
    axes = style.panels(ax, 1, q + 1, (style.panel_size(q + 1)[0], 3.3))
    _panels(axes[0, :q], fit, examples, new, xlabel, ylabel, quiet=False)
    draw_dots(axes[0, q], fit, None if true is None else true_coefficients(fit, true), list(range(q)))
    axes[0, q].set_box_aspect(1)
    style.heading(axes[0, q], "Coefficients")
    return style.result(axes)


def _new_rows(fit: Model, new_x: Any) -> Array:
    """new_x as rows (m, p). One row of several inputs may come as (p,)."""
    p = len(input_names(fit))
    if not hasattr(new_x, "columns") and p > 1 and np.ndim(new_x) == 1 and np.size(new_x) == p:
        new_x = np.asarray(new_x)[None, :]
    rows = columns_of(fit, new_x)
    if not np.isfinite(rows).all():
        raise ArgumentError("new_x holds NaN or infinity; give finite numbers to predict at")
    return rows


def _lines(fit: Model, new: Array, examples: Examples | None) -> list[Curve]:
    """The line of each target, wide enough for the data and the new x."""
    values = new[:, 0] if examples is None else np.concatenate([new[:, 0], examples.x[:, 0]])
    low, high = float(values.min()), float(values.max())
    if examples is None:
        room = 0.6 * (high - low) or max(1.0, abs(high))
        low, high = low - room, high + room
    grid = np.linspace(low, high, LINE_POINTS)
    predicted = predictions(fit, grid[:, None])
    q = predicted.shape[1]
    return [
        Curve(
            grid,
            predicted[:, j],
            style.look().fit if q == 1 else style.color(j),
            "line of best fit" if q == 1 else f"fit, {fit.observed_names[j]}",
        )
        for j in range(q)
    ]


def _mark(ax: Any, fit: Model, new: Array) -> None:
    """Marks on the line, guides to the axes and values. The limits are fixed first: guides start at the edge of the picture."""
    predicted = predictions(fit, new)
    q = predicted.shape[1]
    ax.plot(new[:, 0].repeat(q), predicted.ravel(), linestyle="none", label="_reach")
    ax.autoscale_view()
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    ahead = predictions(fit, new + 1e-3 * (right - left)) >= predicted
    write = predicted.size <= MOST_WRITTEN
    name = input_names(fit)[0]
    if write and q == 1:
        bottom, top = _with_room(new[:, 0], predicted[:, 0], ahead[:, 0], (left, right), (bottom, top))
    for i, at in enumerate(new[:, 0]):
        across = (at - left) / (right - left)
        for j, value in enumerate(predicted[i]):
            mark(ax, at, value, style.look().mark if q == 1 else style.color(j), first=i == j == 0)
            if write:
                _guide(ax, [at, at, left], [bottom, value, value])
            if write and q == 1:
                text = f"{fit.observed_names[j]} = {style.number(value)}\nat {name} = {style.number(at)}"
                _write(ax, at, value, text, across, rising=bool(ahead[i, j]))
        if write and q > 1:
            texts = [f"{target} = {style.number(value)}" for target, value in zip(fit.observed_names, predicted[i], strict=True)]
            _write_apart(ax, at, predicted[i], texts, across, (bottom, top))
            side = ("right", -5) if across > TURN else ("left", 5)
            _text(ax, f"{name} = {style.number(at)}", (at, bottom), (side[1], 5), side[0], "bottom")
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def mark(ax: Any, at: float, value: float, color: str | None = None, *, first: bool = True) -> None:
    """The mark of a prediction; the first of several is the one in the legend."""
    label = "prediction" if first else "_prediction"
    ax.plot(
        [at],
        [value],
        "D",
        color=color or style.look().mark,
        markersize=9,
        markeredgecolor=style.look().paper,
        markeredgewidth=1.4,
        zorder=7,
        label=label,
    )


def _guide(ax: Any, x: list[float], y: list[float]) -> None:
    ax.plot(x, y, color=style.look().ink, linewidth=1.1, linestyle=(0, (1, 2)), zorder=6, label="_guide")


def _with_room(at: Array, values: Array, rising: Any, across: tuple[float, float], up: tuple[float, float]) -> tuple[float, float]:
    """Limits with room for the words of marks near the lower or upper edge."""
    below = rising != ((at - across[0]) / (across[1] - across[0]) > TURN)
    room = 0.17 * (up[1] - up[0])
    lowest = min([up[0], *(values[below] - room)])
    return float(lowest), float(max([up[1], *(values[~below] + room)]))


def _write(ax: Any, at: float, value: float, text: str, across: float, *, rising: bool) -> None:
    """The value beside its mark: right of it unless the edge is near, and on the side of the line where neither line nor guide runs."""
    to_left = across > TURN
    below = rising != to_left
    _text(ax, text, (at, value), (-11 if to_left else 11, -8 if below else 8), "right" if to_left else "left", "top" if below else "bottom")


def _write_apart(ax: Any, at: float, values: Array, texts: list[str], across: float, limits: tuple[float, float]) -> None:
    """The values of several targets beside their marks, moved apart where they would run into one another."""
    to_left = across > TURN
    apart = 0.075 * (limits[1] - limits[0])
    order = np.argsort(values)
    heights = values[order].copy()
    for _ in range(100):
        close = np.flatnonzero(np.diff(heights) < apart * 0.999)
        for i in close:
            middle = 0.5 * (heights[i] + heights[i + 1])
            heights[i], heights[i + 1] = middle - apart / 2, middle + apart / 2
        if not close.size:
            break
    for position, height in zip(order, heights, strict=True):
        text = _text(ax, texts[position], (at, height), (-12 if to_left else 12, 0), "right" if to_left else "left", "center")
        text.set_color(style.color(int(position)))


def _text(ax: Any, text: str, at: tuple[float, float], offset: tuple[float, float], across: str, up: str) -> Any:
    return ax.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        ha=across,
        va=up,
        fontsize=style.LABEL_SIZE,
        color=style.look().ink,
        fontweight="bold",
        linespacing=1.25,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": style.look().paper, "edgecolor": "none", "alpha": 0.85},
        zorder=8,
    )


def _panels(axes: Any, fit: Model, examples: Examples, new: Array, xlabel: Any, ylabel: Any, *, quiet: bool) -> None:
    """Observed against predicted for each target, with the prediction on the diagonal.

    quiet: the data in grey and a legend; otherwise in colour, and the mark is named where it is, since small panels have no room.
    """
    xlabels = axis_labels(xlabel, [f"predicted {name}" for name in examples.y_names], "xlabel")
    ylabels = axis_labels(ylabel, [f"observed {name}" for name in examples.y_names], "ylabel")
    predicted = predictions(fit, new)
    for j, panel in enumerate(axes):
        one = Examples(examples.x, examples.y[:, [j]], examples.x_names, (examples.y_names[j],), None, examples.missing)
        draw_diagonal(panel, fit, one, j, quiet=quiet)
        low, high = panel.get_xlim()
        limits = min(low, float(predicted[:, j].min())), max(high, float(predicted[:, j].max()))
        limits = (low, high) if limits == (low, high) else style.tidy(limits)
        for i, value in enumerate(predicted[:, j]):
            mark(panel, value, value, first=i == 0)
            if len(predicted) <= MOST_WRITTEN:
                _guide(panel, [value, value], [limits[0], value])
                text = ("" if quiet else "prediction\n") + f"{examples.y_names[j]} = {style.number(value)}"
                _write(panel, value, value, text, (value - limits[0]) / (limits[1] - limits[0]), rising=True)
        panel.set_xlim(*limits)
        panel.set_ylim(*limits)
        style.dress(panel, xlabels[j], ylabels[j])
        if j == 0 and quiet:
            style.legend(panel)
        style.heading(panel, "Observed against predicted" if len(axes) == 1 else examples.y_names[j])
    style.note(axes[-1], remark(examples))


def _values_alone(fit: Model, new: Array, xlabel: str | None, ylabel: Any, ax: Any) -> Any:
    """Without data there is no line to run through the marks: the predicted values on a scale of their own."""
    predicted = predictions(fit, new)
    m, q = predicted.shape
    axes = style.panels(ax, 1, 1, (style.WIDTH, max(1.8, 0.9 + 0.42 * m * q)))
    panel = axes[0, 0]
    labels = [name if m == 1 else f"{name}, row {i + 1}" for i in range(m) for name in fit.observed_names]
    place = np.arange(m * q)
    panel.plot(predicted.ravel(), place, "D", color=style.look().mark, markersize=9, markeredgecolor=style.look().paper, label="prediction")
    for position, value in zip(place, predicted.ravel(), strict=True):
        panel.annotate(
            style.number(value), (value, position), xytext=(9, 0), textcoords="offset points", va="center", fontsize=style.LABEL_SIZE
        )
    panel.set_yticks(place, labels)
    panel.set_ylim(m * q - 0.5, -0.5)
    panel.margins(x=0.25)
    style.heading(panel, "Prediction")
    style.dress(panel, xlabel or "predicted value", axis_labels(ylabel, [""], "ylabel")[0])
    return style.result(axes)
