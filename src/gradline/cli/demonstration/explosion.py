"""What a learning rate above the largest stable one does, shown beside that one, where such a rate was asked for."""

from __future__ import annotations

import warnings
from dataclasses import replace

import gradline as gl
from gradline.base.types import Array
from gradline.cli.console import Printer, number, short
from gradline.cli.demonstration.frameworks import Functions
from gradline.cli.demonstration.pictures import Album
from gradline.cli.demonstration.settings import DemoSettings
from gradline.datasets import Line, Plane

STEPS = 12
"""Steps in the table: enough to see the loss grow tenfold and tenfold again."""

MOST_STEPS = 60
"""Steps in the picture."""


def told(settings: DemoSettings, functions: Functions, printer: Printer, album: Album, points: Line | Plane) -> DemoSettings:
    """Where the rate is too large, show what it does, and go on with half the largest stable one. Returns the settings to go on with."""
    x, y = points
    rate = settings.learning_rate
    if rate == "auto":
        return settings
    with warnings.catch_warnings():
        # Runs that stop short or explode are what this part is about, and it shows them.
        warnings.simplefilter("ignore", gl.GradlineWarning)
        stable = _largest_stable(x, y, functions)
        if not rate > stable:
            return settings
        _tell(settings, float(rate), stable, functions, printer, album, points)
    return replace(settings, learning_rate=0.5 * stable)


def _tell(
    settings: DemoSettings, rate: float, stable: float, functions: Functions, printer: Printer, album: Album, points: Line | Plane
) -> None:
    x, y = points
    printer.heading("A learning rate that is too large")
    printer.say(
        f"You asked for a learning rate of {short(rate)}. The largest stable rate for these points is {short(stable)}: 2 divided by the"
        " sharpest curvature of the loss, which gradline works out before the first step. Above it each step jumps across the valley and"
        f" lands higher on the other side. At it the steps jump forever, and below it they arrive. Here are {short(rate)}, the largest"
        " stable rate, and half of that, step by step:"
    )
    printer.space()
    runs = {
        f"rate {short(rate)}": _run(x, y, functions, rate),
        f"largest stable {short(stable)}": _run(x, y, functions, stable),
        f"half of it {short(0.5 * stable)}": _run(x, y, functions, 0.5 * stable),
    }
    rows = [[f"{step}", *(_loss(fit, step) for fit in runs.values())] for step in (*range(6), 8, STEPS)]
    printer.table(["loss at step", *(label.replace(" stable", "") for label in runs)], rows)
    printer.space()
    printer.say(
        f"At {short(rate)} the loss would soon be the largest number a computer can hold. gl.fit refuses such a rate with"
        f" gl.DivergenceError unless it is told allow_divergence=True, as here. The training below goes on with {short(0.5 * stable)}."
    )
    with printer.waiting("Drawing the explosion ..."):
        caption = "the rate that explodes beside the largest stable one"
        album.add("divergence.png", caption, lambda: draw(runs, rate, stable, points))


def draw(runs: dict[str, gl.Fit], rate: float, stable: float, points: Line | Plane) -> object:
    """The paths of the two rates over the contours of the loss, and the loss at each step of all three."""
    import matplotlib.pyplot as plt

    x, y = points
    figure = plt.figure(figsize=(10.4, 7.8), dpi=110, layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 1.0))
    left, right, below = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, :])
    explodes, circles = list(runs.values())[:2]
    gl.plot.descent(explodes, x, y, ax=left)
    gl.plot.descent(circles, x, y, ax=right)
    left.set_title(f"rate {short(rate)}: each step lands higher", loc="left", fontsize=11)
    right.set_title(f"largest stable rate {short(stable)}: it jumps forever", loc="left", fontsize=11)
    for panel in (left, right):
        panel.set_title("", loc="right")
    gl.plot.loss(runs, ax=below)
    below.set_xscale("linear")
    below.set_xlim(0, 30)
    lowest = min(float(fit.history.loss.min()) for fit in runs.values() if fit.history is not None)
    start = float(explodes.history.loss[0]) if explodes.history is not None else 1.0
    below.set_ylim(0.5 * lowest, 1e4 * max(start, lowest))
    below.set_ylabel("loss (log scale)")
    below.set_title("The loss, step by step", loc="left", fontsize=11)
    return below


def _largest_stable(x: Array, y: Array, functions: Functions) -> float:
    """Twice the rate that gradline derives, which is 1 over the sharpest curvature."""
    solver = gl.GradientDescent(learning_rate="auto", steps=1)
    derived = gl.fit(x, y, loss=functions.loss, prediction=functions.prediction, solver=solver, progress=False).learning_rate
    assert derived is not None
    return 2.0 * derived


def _run(x: Array, y: Array, functions: Functions, rate: float) -> gl.Fit:
    solver = gl.GradientDescent(learning_rate=rate, steps=MOST_STEPS, allow_divergence=True)
    return gl.fit(x, y, loss=functions.loss, prediction=functions.prediction, solver=solver, progress=False)


def _loss(fit: gl.Fit, step: int) -> str:
    """The loss at a step; a run that explodes is stopped on the way."""
    history = fit.history
    assert history is not None
    if step >= len(history):
        return "stopped"
    loss = float(history.loss[step])
    return number(loss, 3) if loss < 1e7 else f"{loss:.3e}"
