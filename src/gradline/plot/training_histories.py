"""Histories of several trainings side by side: the loss, that of the rows held out, and the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.examples import history_of
from gradline.plot.loss_curve import label_log_axis

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.solvers.history import History

HEIGHTS = (3.4, 1.0)
"""Of the panel of losses, beside that of the rates."""


def histories(
    fits: Model | History | Mapping[Any, Model | History],
    *,
    x: Literal["auto", "step", "epoch"] = "auto",
    optimum: float | None = None,
    ax: Any = None,
) -> Any:
    """Draw how several trainings went, in one picture: a colour for each.

    The loss of the rows trained on is a whole line, that of the rows held out a broken one, with a ring where it was lowest. Where a
    learning rate changes on the way, a second panel below shows the rates. Scales are logarithmic unless a loss is zero or negative.

    Parameters
    ----------
    fits : Fit, History, or mapping
        ``{label: fit}`` or ``{label: history}``, or one of them alone.
    x : {"auto", "step", "epoch"}
        What goes along the axis. "auto" takes epochs where all trainings have them.
    optimum : float, optional
        The lowest loss there is, such as ``gl.fit(x, y).loss``, drawn as a line.
    ax : Matplotlib Axes, or array of two of them, optional
        Where to draw; a new figure unless given. One Axes gets the losses alone.

    Returns
    -------
    Matplotlib Axes, or array (2, 1) of them where rates are shown

    Raises
    ------
    ValueError
        For a fit without a path, naming the solver that records one, for epochs where a training had none, and for losses none of which
        is finite.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> plain = gl.fit(x, y, solver=gl.GradientDescent(steps=300))
    >>> adam = gl.fit(x, y, solver=gl.Adam(gl.schedules.cosine(0.5, steps=300), steps=300))
    >>> gl.plot.histories({"plain": plain, "Adam": adam}).shape
    (2, 1)
    """
    given = fits if isinstance(fits, Mapping) else {"training": fits}
    if not given:
        raise ArgumentError("no fit was given; give a Fit, its history or {label: fit}")
    found = {str(label): history_of(one, "loss") for label, one in given.items()}
    along = _along(found, x)
    rates = (ax is None or np.size(ax) == 2) and any(_changes(history.learning_rate) for history in found.values())
    axes = style.panels(ax, 2 if rates or np.size(ax) == 2 else 1, 1, (style.WIDTH, style.HEIGHT + 1.0 if rates else style.HEIGHT))
    if rates and ax is None:
        axes[0, 0].get_gridspec().set_height_ratios(HEIGHTS)
        axes[0, 0].sharex(axes[1, 0])
        axes[0, 0].tick_params(labelbottom=False)
    _draw_losses(axes[0, 0], found, along, optimum)
    lowest = axes[-1, 0]
    if len(axes) == 2:
        _draw_rates(axes[1, 0], found, along)
        style.dress(axes[0, 0], "", "loss")
        style.dress(axes[1, 0], along, "learning rate")
    else:
        style.dress(lowest, along, "loss")
    lowest.xaxis.get_major_locator().set_params(integer=True)
    lowest.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    style.heading(axes[0, 0], "Loss by " + along)
    return style.result(axes)


def _along(found: Mapping[str, History], x: str) -> str:
    if x not in ("auto", "step", "epoch"):
        raise ArgumentError(f'x must be "auto", "step" or "epoch", not {x!r}')
    without = [label for label, history in found.items() if history.epoch is None]
    if x == "epoch" and without:
        raise ArgumentError(f'{without[0]!r} was trained without mini-batches, so that it has no epochs; leave x="auto"')
    return "step" if x == "step" or without else "epoch"


def _places(history: History, along: str) -> Array:
    if along == "epoch":
        assert history.epoch is not None
        return history.epoch
    return np.asarray(history.step, dtype=np.float64)


def _changes(rates: Array | None) -> bool:
    return rates is not None and len(rates) > 1 and float(np.ptp(rates)) > 0


def _draw_losses(ax: Any, found: Mapping[str, History], along: str, optimum: float | None) -> None:
    from matplotlib.lines import Line2D

    losses = [part for history in found.values() for part in (history.loss, history.validation_loss) if part is not None]
    finite = np.concatenate([part[np.isfinite(part)] for part in losses])
    if not finite.size:
        raise ArgumentError("no recorded loss is finite, so there is nothing to draw")
    held = False
    handles = []
    # A dot for each record where there are few of them.
    dots = {"marker": "o", "markersize": 3.5} if max(len(history) for history in found.values()) <= 40 else {}
    for index, (label, history) in enumerate(found.items()):
        places, color = _places(history, along), style.color(index)
        ax.plot(places, _shown(history.loss), color=color, linewidth=2.2, zorder=3, solid_capstyle="round", **dots)
        handles.append(Line2D([], [], color=color, linewidth=2.2, label=label))
        if history.validation_loss is not None:
            held = True
            ax.plot(places, _shown(history.validation_loss), color=color, linewidth=1.8, linestyle=(0, (4, 2)), zorder=3.5)
            best = int(np.nanargmin(_shown(history.validation_loss)))
            point = (places[best], history.validation_loss[best])
            ax.plot(*point, "o", markersize=9, markerfacecolor=style.look().paper, markeredgecolor=color, markeredgewidth=2.0, zorder=5)
    if held:
        handles.append(Line2D([], [], color=style.look().quiet, linewidth=2.2, label="rows trained on"))
        handles.append(Line2D([], [], color=style.look().quiet, linewidth=1.8, linestyle=(0, (4, 2)), label="rows held out, lowest ringed",
                              marker="o", markersize=7, markerfacecolor=style.look().paper, markeredgewidth=1.6))  # fmt: skip
    if optimum is not None:
        ax.axhline(float(optimum), color=style.look().green, linewidth=1.5, linestyle=(0, (1, 1.5)), zorder=2)
        label = f"optimum {style.number(float(optimum))}"
        handles.append(Line2D([], [], color=style.look().green, linewidth=1.5, linestyle=(0, (1, 1.5)), label=label))
    if finite.min() > 0 and (optimum is None or optimum > 0):
        ax.set_yscale("log")
        label_log_axis(ax.yaxis, *ax.get_ylim())
    if len(handles) > 1:
        drawn = ax.legend(handles=handles, fontsize=style.TICK_SIZE, labelcolor=style.look().ink, framealpha=0.9, edgecolor="none")
        drawn.set_zorder(9)


def _shown(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def _draw_rates(ax: Any, found: Mapping[str, History], along: str) -> None:
    drawn = list[Array]()
    for index, history in enumerate(found.values()):
        if history.learning_rate is not None:
            ax.plot(_places(history, along), history.learning_rate, color=style.color(index), linewidth=1.8, zorder=3)
            drawn.append(history.learning_rate[history.learning_rate > 0])
    positive = np.concatenate(drawn) if drawn else np.empty(0)
    # Rates of different methods differ by powers of ten; a schedule that ends at zero has no place on a log scale.
    if positive.size and positive.max() > 100 * np.median(positive) and all(np.all(h.learning_rate > 0) for h in found.values()):  # type: ignore[operator]
        ax.set_yscale("log")
