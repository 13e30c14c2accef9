"""The lesson a first tutorial leaves out: the same data in other units, and the same learning rate explodes."""

from __future__ import annotations

import warnings

import gradline as gl
from gradline.base.types import Array
from gradline.cli.console import Printer, number
from gradline.cli.demonstration.frameworks import Functions
from gradline.datasets import Line, Plane

FACTOR, RATE = 20.0, 0.01


def run(points: Line | Plane, functions: Functions, printer: Printer) -> None:
    """Multiply the inputs, watch the tutorial's rate be refused, and let the rate be derived instead."""
    x, y = points
    scaled = FACTOR * x
    with warnings.catch_warnings():
        # Fits that stop short are what this part is about, and its table shows them.
        warnings.simplefilter("ignore", gl.GradlineWarning)
        _tell(points, scaled, y, functions, printer)


def _tell(points: Line | Plane, scaled: Array, y: Array, functions: Functions, printer: Printer) -> None:
    printer.heading("A lesson about learning rates")
    printer.say(
        f"Now measure the inputs in other units: x times {FACTOR:g}. Nothing else changes, so the weight should come out {FACTOR:g} times"
        f" smaller and the loss the same."
    )
    try:
        gl.fit(
            scaled, y, loss=functions.loss, prediction=functions.prediction, solver=gl.GradientDescent(learning_rate=RATE), progress=False
        )
    except gl.DivergenceError as error:
        printer.say(
            f"Yet the plain loop with learning rate {RATE:g} would now overshoot further with every step. In its first steps the loss would"
            f" go {_explosion(scaled, y, functions)}. gradline says so before the first step:"
        )
        printer.space()
        printer.say(f"gl.DivergenceError: {error}", style="red", indent=2)
    else:
        printer.say(
            f"With most points the plain loop with learning rate {RATE:g} would now overshoot further with every step. With points as few"
            f" or as calm as these {RATE:g} is still below the largest stable rate, and it works."
        )
    printer.space()
    printer.say('With learning_rate="auto" the rate comes from the data, and momentum makes up for the uneven scales:')
    printer.space()
    automatic = _descend(scaled, y, functions, 0.0)
    hurried = _descend(scaled, y, functions, 0.9)
    exact = gl.fit(scaled, y)
    names = ["weight W", "bias B"] if isinstance(points, Line) else ["first weight", "first bias"]
    rows = [
        [label, number(functions.by_hand(y, fit.predict(scaled))), number(_first(fit, 1)), number(_first(fit, 0))]
        for label, fit in (
            ("auto, 1,000 steps", automatic),
            ("auto with momentum=0.9", hurried),
            ("exact least squares", exact),
        )
    ]
    printer.table(["x times 20", "loss", *names], rows)
    printer.space()
    printer.say("Descent has to care about units. Exact least squares does not notice them.")


def _descend(x: Array, y: Array, functions: Functions, momentum: float) -> gl.Fit:
    solver = gl.GradientDescent(learning_rate="auto", momentum=momentum)
    return gl.fit(x, y, loss=functions.loss, prediction=functions.prediction, solver=solver, progress=False)


def _explosion(x: Array, y: Array, functions: Functions) -> str:
    """The losses on the way up: at the start and after one and two steps."""
    solver = gl.GradientDescent(learning_rate=RATE, steps=2, allow_divergence=True)
    fit = gl.fit(x, y, loss=functions.loss, prediction=functions.prediction, solver=solver, progress=False)
    assert fit.history is not None
    return ", ".join(f"{loss:,.4g}" if loss < 1e4 else f"{loss:,.0f}" for loss in fit.history.loss)


def _first(fit: gl.Fit, row: int) -> float:
    return float(fit.solution.coefficients[row, 0])
