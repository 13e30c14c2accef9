"""What the line and the planes have in common: showing the functions, training them, and the table of losses."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradline as gl
from gradline.base.types import Array
from gradline.cli.console import Printer, number, plural, short
from gradline.cli.demonstration import frameworks
from gradline.cli.demonstration.frameworks import Functions
from gradline.cli.demonstration.settings import DemoSettings

EVERY, MOST_LINES = 100, 30


def show_functions(settings: DemoSettings, functions: Functions, printer: Printer) -> None:
    """The two functions about to be trained, as they stand in the source."""
    printer.heading(f"What will be trained, written in {frameworks.TITLES[settings.backend]}")
    printer.source(functions.source)


def train(settings: DemoSettings, functions: Functions, printer: Printer, x: Array, y: Array) -> gl.Fit:
    """Fit by gradient descent, with the loss before, along the way and after."""
    printer.heading("Training by gradient descent")
    start = functions.by_hand(y, np.zeros_like(y))
    printer.say(f"Initial loss, with weight 0 and bias 0:  {number(start)}")
    rate = "a rate derived from the data" if settings.learning_rate == "auto" else f"learning rate {short(float(settings.learning_rate))}"
    printer.say(f"{plural(settings.steps, 'step')}, {rate}.")
    solver = gl.GradientDescent(learning_rate=settings.learning_rate, steps=settings.steps)
    fit = gl.fit(x, y, loss=functions.loss, prediction=functions.prediction, solver=solver)
    if settings.learning_rate == "auto" and fit.learning_rate is not None:
        printer.say(f"The derived learning rate is {short(fit.learning_rate)}.")
    printer.space()
    _print_losses(fit, settings, printer)
    printer.space()
    printer.say(f"Final loss:  {number(fit.loss)}")
    return fit


def _print_losses(fit: gl.Fit, settings: DemoSettings, printer: Printer) -> None:
    history = fit.history
    assert history is not None
    shown = range(0, len(history), EVERY * -(-len(history) // (EVERY * MOST_LINES)))
    indices = list(shown) if shown[-1] == len(history) - 1 else [*shown, len(history) - 1]
    columns = ["step", "loss", "weight W", "bias B"] if settings.one_line else ["step", "loss", "gradient norm"]
    rows = []
    for record in (history[index] for index in indices):
        values: list[Any] = [record.coefficients[1, 0], record.coefficients[0, 0]] if settings.one_line else [record.gradient_norm]
        rows.append([f"{record.step:,}", number(record.loss), *(number(float(value)) for value in values)])
    printer.table(columns, rows)
