"""The loss by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.examples import history_of

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.solvers.protocol import History


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
    below = lowest is not None and lowest <= 0 and panel.get_yscale() == "log"
    if lowest is not None and not excess and not below:
        _draw_optimum(panel, lowest)
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
    # Room above the highest point for its number.
    if log:
        ax.set_yscale("log")
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom, top * (top / bottom) ** 0.04)
        _label_log_axis(ax.yaxis, bottom, top)
    else:
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom, top + 0.04 * (top - bottom))
    if any(_falls_at_once(steps, values) for steps, values in curves.values()):
        ax.set_xscale("symlog", linthresh=1.0, linscale=0.35)
        last = max(float(steps[-1]) for steps, _ in curves.values())
        ticks = [0.0, *(10.0**power for power in range(int(np.log10(max(last, 1.0))) + 1))]
        ax.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        ax.set_xlim(-0.1, last * 1.15)
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


def _label_log_axis(axis: Any, low: float, high: float) -> None:
    """Plain numbers where the scale spans a few powers of ten, which read better than exponents."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if low <= 0 or high / low > 1e6:
        return
    if high / low < 1e3:
        axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
    axis.set_minor_formatter(NullFormatter())


def _draw_optimum(ax: Any, lowest: float) -> None:
    ax.axhline(lowest, color=style.GREEN, linewidth=1.6, linestyle=(0, (5, 3)), zorder=2, label="optimum")
    ax.annotate(
        f"optimum {style.number(lowest)}",
        (1.0, lowest),
        xycoords=("axes fraction", "data"),
        xytext=(-4, -5),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=style.TICK_SIZE,
        color=style.GREEN,
        zorder=5,
    )
    # Room below the line for its words.
    bottom, top = ax.get_ylim()
    share = 0.14
    if ax.get_yscale() == "log":
        ax.set_ylim(min(bottom, lowest * (lowest / top) ** (share / (1 - share))), top)
    else:
        ax.set_ylim(min(bottom, lowest - share / (1 - share) * (top - lowest)), top)


def _starts_flat(ax: Any, steps: Array, heights: Array) -> bool:
    """Whether the curve is still near its first height a tenth of the way across the axes."""
    across = ax.transAxes.inverted().transform(ax.transData.transform(np.column_stack([steps, heights])))
    return bool(across[0, 1] - np.interp(across[0, 0] + 0.1, across[:, 0], across[:, 1]) < 0.08 and len(steps) > 2)


def _label_ends(ax: Any, steps: Array, values: Array, *, above: float) -> None:
    """The first and the last loss written where they are."""
    heights = values - above
    log = ax.get_yscale() == "log"
    drawn = np.flatnonzero(heights > 0) if log else np.arange(len(heights))
    if not drawn.size:
        return
    last = int(drawn[-1])
    bottom, top = (np.log(edge) for edge in ax.get_ylim()) if log else ax.get_ylim()
    late = heights[drawn[int(0.85 * (drawn.size - 1))]]
    change = (np.log(late) - np.log(heights[last]) if log else late - heights[last]) / (top - bottom)
    # A curve still falling comes from the upper left, so its last number goes below; a flat or rising one leaves room above. Likewise the
    # first number goes beside a curve that falls steeply and below one that starts flat.
    first = ((-3, -9), "left", "top") if _starts_flat(ax, steps[drawn], heights[drawn]) else ((10, 0), "left", "center")
    end = ((-9, -1), "right", "top") if change > 0.04 else ((0, 8), "right", "bottom")
    places = [(int(drawn[0]), *first), (last, *end)]
    for index, offset, across, up in places[: 1 if last == drawn[0] else 2]:
        ax.plot([steps[index]], [heights[index]], "o", color=style.BLUE, markersize=6, markeredgecolor="white", zorder=6, label="_end")
        ax.annotate(
            style.number(heights[index]),
            (steps[index], heights[index]),
            xytext=offset,
            textcoords="offset points",
            ha=across,
            va=up,
            fontsize=style.LABEL_SIZE,
            fontweight="bold",
            color=style.BLUE,
            zorder=6,
        )
