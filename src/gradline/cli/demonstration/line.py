"""The tutorial's line: made, trained, compared, asked for a prediction and drawn."""

from __future__ import annotations

import gradline as gl
from gradline.cli.console import Printer, number, plural, short
from gradline.cli.demonstration import explosion
from gradline.cli.demonstration.frameworks import Functions
from gradline.cli.demonstration.pictures import Album
from gradline.cli.demonstration.settings import DemoSettings
from gradline.cli.demonstration.training import show_functions, train
from gradline.datasets import Line

NEW_X = 2.0


def run(settings: DemoSettings, functions: Functions, printer: Printer, album: Album) -> Line:
    """Tell the first part and return the points it was about."""
    printer.heading("The data")
    points: Line = gl.datasets.line(settings.examples, settings.slope, settings.intercept, settings.noise, settings.seed)
    sign = "-" if points.intercept < 0 else "+"
    truth = f"y = {short(points.slope)} x {sign} {short(abs(points.intercept))}"
    printer.say(
        f"{plural(settings.examples, 'point')} around the line {truth}, scattered up and down with standard deviation"
        f" {short(settings.noise)}. The training sees the points only; can it find the line?"
    )
    printer.say(
        "A line has two numbers: its weight W, which is its slope, and its bias B, which is its intercept. From here on they are the weight"
        " and the bias."
    )
    show_functions(settings, functions, printer)
    x, y = points
    settings = explosion.told(settings, functions, printer, album, points)
    fit = train(settings, functions, printer, x, y)
    exact = gl.fit(x, y)

    printer.heading("What it found")
    (weight,), bias = fit.slopes, float(fit.intercept)
    (exact_weight,), exact_bias = exact.slopes, float(exact.intercept)
    printer.table(
        ["", "true", "gradient descent", "exact least squares"],
        [
            ["weight W", number(points.slope), number(weight), number(exact_weight)],
            ["bias B", number(points.intercept), number(bias), number(exact_bias)],
            ["loss", "", number(fit.loss), number(functions.by_hand(y, exact.predict(x)))],
        ],
    )
    printer.space()
    printer.say("The last column is one line of Python, gl.fit(x, y): no steps, no learning rate, the lowest loss there is.")

    printer.heading("A prediction")
    predicted, true = fit.predict(NEW_X), points.slope * NEW_X + points.intercept
    printer.say(f"For a new x = {short(NEW_X)}")
    printer.say(f"the trained line predicts  y = {number(predicted)}", indent=2)
    printer.say(f"the true line says         y = {number(true)}", indent=2)

    with printer.waiting("Drawing the pictures ..."):
        draw(fit, exact, points, settings, album)
    return points


def draw(fit: gl.Fit, exact: gl.Fit, points: Line, settings: DemoSettings, album: Album) -> None:
    """The pictures of this part."""
    x, y = points
    album.add("training-data.png", "the training data", lambda: gl.plot.data(x, y))
    album.add("line-of-best-fit.png", "the line of best fit and the true line", lambda: gl.plot.fit(fit, x, y, true=points))
    album.add("prediction.png", "the prediction for a new x", lambda: gl.plot.prediction(fit, NEW_X, x=x, y=y))
    album.add("all-together.png", "data, lines and prediction together", lambda: gl.plot.everything(fit, x, y, NEW_X, true=points))
    album.add("loss.png", "the loss, step by step, down to its lowest", lambda: gl.plot.loss(fit, optimum=exact))
    album.add("descent.png", "the path of weight and bias down the loss", lambda: gl.plot.descent(fit, x, y))
    if settings.animate:
        album.animate("learning.gif", "the line being learned", lambda: gl.plot.animation(fit, x, y, true=points, optimum=exact))
