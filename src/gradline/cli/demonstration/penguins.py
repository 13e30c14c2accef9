"""Real data: how heavy is a penguin, given its flippers and its species?"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradline as gl
from gradline.base.types import Array
from gradline.cli.console import Printer, number
from gradline.cli.demonstration.frameworks import Functions
from gradline.cli.demonstration.pictures import Album

Texts = np.ndarray[Any, Any]
NAMES = ("flipper", "Chinstrap", "Gentoo")


def run(functions: Functions, printer: Printer, album: Album) -> None:
    """Fit body mass on flipper length and species, by descent and exactly."""
    table = gl.datasets.penguins()
    flipper, mass, species = table["flipper_length_mm"], table["body_mass_g"], table["species"]
    complete = np.isfinite(flipper) & np.isfinite(mass)
    missing = int(np.count_nonzero(~complete))
    printer.heading("Real data: penguins")
    printer.say(
        f"{len(mass)} penguins of three species were measured near Palmer Station, Antarctica. How does body mass follow from flipper"
        f" length and species? {missing} of them lack a measurement and are left out: {int(complete.sum())} rows are used."
    )
    flipper, mass, species = flipper[complete], mass[complete], species[complete]
    # The columns of a table come in their own units: flippers are about 200 mm, species 0 or 1. Centred and scaled, they descend together.
    centre, spread = float(flipper.mean()), float(flipper.std())
    kinds = np.column_stack([species == name for name in NAMES[1:]]).astype(float)
    scaled = np.column_stack([(flipper - centre) / spread, kinds])
    solver = gl.GradientDescent(learning_rate="auto", momentum=0.9)
    fit = gl.fit(scaled, mass, loss=functions.loss, prediction=functions.prediction, solver=solver, names=NAMES, progress=False)
    exact = gl.fit(np.column_stack([flipper, kinds]), mass, names=NAMES)
    intercept, slopes = float(fit.intercept), np.array(fit.slopes)
    slopes[0] /= spread
    intercept -= slopes[0] * centre

    printer.space()
    labels = ("grams for each mm of flipper", "Chinstrap, against Adelie (g)", "Gentoo, against Adelie (g)")
    printer.table(
        ["", "gradient descent", "exact least squares"],
        [
            *([label, number(a, 3), number(b, 3)] for label, a, b in zip(labels, slopes, exact.slopes, strict=True)),
            ["bias (g)", number(intercept, 3), number(float(exact.intercept), 3)],
            ["typical error (g)", number(fit.loss**0.5, 3), number(exact.loss**0.5, 3)],
        ],
    )
    printer.space()
    printer.say(
        "The descent ran on flipper lengths with their mean taken off and divided by their spread; the numbers above are back in"
        " millimetres. The exact fit takes the raw columns as they are."
    )
    with printer.waiting("Drawing the penguins ..."):
        album.add("penguins.png", "penguins: a line for each species", lambda: draw(exact, flipper, kinds, mass, species))


def draw(fit: gl.Fit, flipper: Array, kinds: Array, mass: Array, species: Texts) -> object:
    """The points and the lines of the three species."""
    columns = np.column_stack([flipper, kinds])
    labels: dict[str, Any] = {"xlabel": "flipper length (mm)", "ylabel": "body mass (g)"}
    return gl.plot.fit(fit, columns, mass, by="flipper", groups=species, **labels)
