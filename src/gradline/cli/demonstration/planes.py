"""The tutorial's closing exercise: several inputs and several outputs at once."""

from __future__ import annotations

import numpy as np

import gradline as gl
from gradline.cli.console import Printer, number, plural, short
from gradline.cli.demonstration import explosion
from gradline.cli.demonstration.frameworks import Functions
from gradline.cli.demonstration.pictures import Album
from gradline.cli.demonstration.settings import DemoSettings
from gradline.cli.demonstration.training import show_functions, train
from gradline.datasets import Plane

MOST_ROWS = 40


def run(settings: DemoSettings, functions: Functions, printer: Printer, album: Album) -> Plane:
    """Tell the first part and return the points it was about."""
    printer.heading("The data")
    points: Plane = gl.datasets.plane(settings.inputs, settings.outputs, settings.examples, settings.noise, settings.seed)
    sizes = f"{plural(settings.examples, 'point')} with {plural(settings.inputs, 'input')} and {plural(settings.outputs, 'output')}"
    printer.say(
        f"{sizes}: Y = X @ W + B, scattered with standard deviation {short(settings.noise)}. The weights W (slopes) are a"
        f" {settings.inputs} x {settings.outputs} matrix, and each output has a bias B (intercept). The training sees the points only; can"
        " it find them?"
    )
    show_functions(settings, functions, printer)
    X, Y = points
    settings = explosion.told(settings, functions, printer, album, points)
    fit = train(settings, functions, printer, X, Y)
    exact = gl.fit(X, Y)

    printer.heading("What it found")
    found, best = np.atleast_2d(fit.solution.coefficients), np.atleast_2d(exact.solution.coefficients)
    truth = np.vstack([points.intercepts, points.coefficients])
    names = ["bias B", *(f"weight W{i + 1}" for i in range(settings.inputs))]
    rows = [
        [f"{name}, y{j + 1}" if settings.outputs > 1 else name, number(truth[i, j]), number(found[i, j]), number(best[i, j])]
        for j in range(settings.outputs)
        for i, name in enumerate(names)
    ]
    # gl.fit's own squared loss adds up the outputs of a row where the function above averages them: compare by the function.
    losses = ["loss", "", number(fit.loss), number(functions.by_hand(Y, exact.predict(X)))]
    printer.table(["", "true", "gradient descent", "exact least squares"], [*rows[:MOST_ROWS], losses])
    if len(rows) > MOST_ROWS:
        printer.say(f"and {len(rows) - MOST_ROWS:,} more coefficients")

    printer.heading("A prediction")
    new = np.ones((1, settings.inputs))
    predicted, true = np.ravel(fit.predict(new)), truth.sum(axis=0)
    printer.say("For a new row where every input is 1:")
    outputs = [f"y{j + 1}" if settings.outputs > 1 else "y" for j in range(settings.outputs)]
    printer.table(
        ["", "predicted", "without the scatter"],
        [[name, number(float(p)), number(float(t))] for name, p, t in zip(outputs, predicted, true, strict=True)][:MOST_ROWS],
    )

    with printer.waiting("Drawing the pictures ..."):
        draw(fit, exact, points, settings, album)
    return points


def draw(fit: gl.Fit, exact: gl.Fit, points: Plane, settings: DemoSettings, album: Album) -> None:
    """The pictures of this part."""
    X, Y = points
    truth = (points.coefficients, points.intercepts)
    album.add("training-data.png", "the training data", lambda: gl.plot.data(X, Y))
    album.add("coefficients.png", "the weights and biases found beside the true ones", lambda: gl.plot.coefficients(fit, true=truth))
    album.add("observed-and-predicted.png", "what was observed against what is predicted", lambda: gl.plot.fit(fit, X, Y, view="predicted"))
    album.add("loss.png", "the loss, step by step, down to its lowest", lambda: gl.plot.loss(fit, optimum=exact))
    album.add("descent.png", "the path down the loss, where it curves the most", lambda: gl.plot.descent(fit, X, Y))
    if settings.animate:
        album.animate("learning.gif", "the predictions being learned", lambda: gl.plot.animation(fit, X, Y, optimum=exact))
