"""The loss by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.examples import history_of
from gradline.plot.placing import Place, Placer

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.solvers.history import History


def loss(
    fit: Model | History | Mapping[Any, Model | History],
    *,
    optimum: float | Model | None = None,
    excess: bool = False,
    xlabel: str = "step",
    ylabel: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw the loss at each recorded step on a log scale.

    A loss that is zero or negative somewhere has no place on a log scale. Then the excess is drawn if the optimum is known, otherwise the
    scale is linear. Steps that are not finite are left out, and the picture says so. If nearly all of the fall is in the first
    twentieth of the steps, the steps are on a log scale too.

    Parameters
    ----------
    fit : Fit, History, or mapping
        A Fit whose solver records a path, its history, or ``{label: either}`` to compare several.
    optimum : float or Fit, optional
        The lowest loss there is, drawn as a line: a number, or a Fit that reached it, such as ``gl.fit(x, y)`` for squared loss.
    excess : bool
        Draw the loss above the optimum instead, in which the steady rate of gradient descent is a straight line. Needs ``optimum``.
    xlabel, ylabel : str, optional
        In place of "step" and "loss".
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes

    Raises
    ------
    ValueError
        For a fit without a path, naming the solver that records one, for a path without a finite loss, and for excess without optimum.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, solver=gl.GradientDescent(steps=50))
    >>> axes = gl.plot.loss(fit, optimum=gl.fit(x, y))
    """
    axes = style.panels(ax)
    draw_loss(axes[0, 0], fit if isinstance(fit, Mapping) else {"loss": fit}, optimum, excess=excess, xlabel=xlabel, ylabel=ylabel)
    return style.result(axes)


def draw_loss(
    panel: Any,
    paths: Mapping[Any, Any],
    optimum: Any,
    *,
    excess: bool = False,
    xlabel: str = "step",
    ylabel: str | None = None,
    ends: bool = True,
) -> None:
    """The curves in one panel. ends: whether the first and the last loss of a single curve are marked and written."""
    if not paths:
        raise ArgumentError("no fit was given; give a Fit, its history or {label: fit}")
    histories = {label: history_of(one, "loss") for label, one in paths.items()}
    lowest = None if optimum is None else _lowest(optimum, next(iter(paths.values())))
    if excess and lowest is None:
        raise ArgumentError("excess=True draws the loss above the optimum, so give optimum= a number or a Fit that reached it")
    curves = {label: _finite(history) for label, history in histories.items()}
    curves = {label: curve for label, curve in curves.items() if len(curve[0])}
    if not curves:
        raise ArgumentError("no recorded loss is finite, so there is nothing to draw")
    smallest = min(float(values.min()) for _, values in curves.values())
    if smallest <= 0 and lowest is not None:
        excess = True
    above = lowest if excess and lowest is not None else 0.0
    _draw(panel, curves, above, log=excess or smallest > 0)
    style.dress(panel, xlabel, ylabel or ("loss above the optimum" if excess else "loss"))
    # Before numbers are placed: a title takes height from the axes.
    style.heading(panel, "Loss by step" if xlabel == "step" else "Loss")
    below = lowest is not None and lowest <= 0 and panel.get_yscale() == "log"
    if lowest is not None and not excess and not below:
        _draw_optimum(panel, lowest)
    _leave_room(panel, curves, above)
    if len(curves) > 1:
        style.legend(panel)
    elif ends:
        _label_ends(panel, *next(iter(curves.values())), above=above)
    left_out = sum(len(history) for history in histories.values()) - sum(len(steps) for steps, _ in curves.values())
    remarks = [f"{left_out:,} {'step' if left_out == 1 else 'steps'} with an infinite loss left out"] if left_out else []
    if below and lowest is not None and not excess:
        remarks.append(f"the optimum, {style.number(lowest)}, is below any log scale")
    style.note(panel, ", ".join(remarks))


def _lowest(optimum: Any, fit: Any) -> float:
    if not hasattr(optimum, "loss_function"):
        value = float(optimum)
        if not np.isfinite(value):
            raise ArgumentError(f"optimum must be a finite number or a Fit, not {optimum!r}")
        return value
    value = float(optimum.loss)
    # Squared losses differ by a constant: a mean over rows and targets is the built-in's, a mean over rows, over the number of targets.
    own = fit.loss_function.squared_scale() if hasattr(fit, "loss_function") else None
    theirs = optimum.loss_function.squared_scale()
    return value * own / theirs if own is not None and theirs is not None else value


def _finite(history: History) -> tuple[Array, Array]:
    finite = np.isfinite(history.loss)
    return np.asarray(history.step[finite], dtype=np.float64), history.loss[finite]


def _draw(ax: Any, curves: Mapping[Any, tuple[Array, Array]], above: float, *, log: bool) -> None:
    markers = {"marker": "o", "markersize": 4} if max(len(steps) for steps, _ in curves.values()) <= 25 else {}
    for index, (label, (steps, values)) in enumerate(curves.items()):
        heights = values - above
        if log:
            # Rounding at the optimum leaves zeros, which a log scale cannot show.
            heights = np.where(heights > 0, heights, np.nan)
        ax.plot(steps, heights, color=style.color(index), linewidth=2.4, solid_capstyle="round", label=str(label), zorder=3, **markers)
    if log:
        ax.set_yscale("log")
        label_log_axis(ax.yaxis, *ax.get_ylim())
    if any(_falls_at_once(steps, values) for steps, values in curves.values()):
        ax.set_xscale("symlog", linthresh=1.0, linscale=0.35)
        last = max(float(steps[-1]) for steps, _ in curves.values())
        ticks = [0.0, *(10.0**power for power in range(int(np.log10(max(last, 1.0))) + 1))]
        ax.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        ax.set_xlim(-0.1, last * 1.15)
    elif max(float(steps[-1]) for steps, _ in curves.values()) == 0:
        ax.set_xticks([0.0], ["0"])
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _falls_at_once(steps: Array, values: Array) -> bool:
    """Whether a linear scale would show a corner: 95% of the fall in a twentieth of many steps."""
    if len(steps) < 100:
        return False
    fall = float(values[0] - values.min())
    reached = int(np.argmax(values <= values[0] - 0.95 * fall))
    return fall > 0 and reached < 0.05 * len(steps)


def label_log_axis(axis: Any, low: float, high: float) -> None:
    """Plain numbers where the scale spans a few powers of ten, which read better than exponents."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if low <= 0 or high / low > 1e6:
        return
    if high / low < 1e3:
        axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
    axis.set_minor_formatter(NullFormatter())


def _draw_optimum(ax: Any, lowest: float) -> None:
    ax.axhline(lowest, color=style.look().green, linewidth=1.6, linestyle=(0, (5, 3)), zorder=2, label="optimum")
    ax.annotate(
        f"optimum {style.number(lowest)}",
        (1.0, lowest),
        xycoords=("axes fraction", "data"),
        xytext=(-4, -5),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=style.TICK_SIZE,
        color=style.look().green,
        zorder=5,
    )
    # Room below the line for its words.
    bottom, top = ax.get_ylim()
    share = 0.14
    if ax.get_yscale() == "log":
        ax.set_ylim(min(bottom, lowest * (lowest / top) ** (share / (1 - share))), top)
    else:
        ax.set_ylim(min(bottom, lowest - share / (1 - share) * (top - lowest)), top)


FIRST = (
    Place(10, 0, "left", "center"),
    Place(-3, -9, "left", "top"),
    Place(-3, 9, "left", "bottom"),
    Place(10, 12, "left", "center"),
    Place(-3, 32, "left", "bottom"),
)
"""Where the number of the first loss may stand: beside a curve that falls or rises steeply, below or above a flat one."""

LAST = (Place(0, 8, "right", "bottom"), Place(-9, 0, "right", "center"), Place(-9, -2, "right", "top"), Place(0, -8, "right", "top"))
"""And that of the last: above a flat curve, to the left of one that rises, below one that falls."""


def _label_ends(ax: Any, steps: Array, values: Array, *, above: float) -> None:
    """The first and the last loss written where they are, clear of the curve and of the axes."""
    heights = values - above
    drawn = np.flatnonzero(heights > 0) if ax.get_yscale() == "log" else np.arange(len(heights))
    if not drawn.size:
        return
    ends = list(dict.fromkeys([int(drawn[0]), int(drawn[-1])]))
    for index in ends:
        ax.plot(
            [steps[index]],
            [heights[index]],
            "o",
            color=style.look().blue,
            markersize=6,
            markeredgecolor=style.look().paper,
            zorder=6,
            label="_end",
        )
    at = np.array([(steps[index], heights[index]) for index in ends])
    words = [style.number(heights[index]) for index in ends]
    places = (FIRST, LAST)[: len(ends)]
    Placer(ax, at).add(words, at, places, fontsize=style.LABEL_SIZE, fontweight="bold", color=style.look().blue, zorder=6)


def _leave_room(ax: Any, curves: Mapping[Any, tuple[Array, Array]], above: float) -> None:
    """Raise the top of the axes until a number has room above the highest point."""
    log = ax.get_yscale() == "log"
    heights = np.concatenate([values - above for _, values in curves.values()])
    heights = heights[heights > 0] if log else heights
    if not heights.size:
        return
    highest = float(heights.max())
    bottom, top = ax.get_ylim()
    # The number, and as much again between it and the edge.
    share = min(2.0 * style.LABEL_SIZE / (72.0 * ax.get_window_extent().height / ax.figure.dpi), 0.3)
    if log:
        ax.set_ylim(bottom, max(top, bottom * (highest / bottom) ** (1.0 / (1.0 - share))))
    else:
        ax.set_ylim(bottom, max(top, bottom + (highest - bottom) / (1.0 - share)))
