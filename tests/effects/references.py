"""The five data sets, the models fitted to them, and what R, statsmodels and marginaleffects found (tests/reference/effects)."""

import functools
import json
from pathlib import Path

import pyarrow.csv

import gradline as gl

FOLDER = Path(__file__).parents[1] / "reference" / "effects"
PYTHON = json.loads((FOLDER / "effects_python.json").read_text())
R = json.loads((FOLDER / "effects_r.json").read_text())

MODELS = {
    "penguins": ("body_mass_g ~ flipper_length_mm * species + bill_length_mm + sex", "squared"),
    "spector": ("grade ~ gpa + tuce + psi", "logistic"),
    "scotland": ("yes ~ unemployment + mortality + area", "gamma"),
    "warpbreaks": ("breaks ~ wool * tension", "poisson"),
    "visits": ("visits ~ age * smokes + clinic", "poisson"),
}
TEXTS = {"psi", "smokes"}
"""Columns of yes and no, which a reader of files would make true and false of, and R makes a factor of."""


@functools.cache
def data(name):
    table = pyarrow.csv.read_csv(FOLDER / f"{name}.csv")
    return {column: table[column].to_pylist() if column in TEXTS else table[column] for column in table.column_names}


@functools.cache
def fitted(name, covariance=None):
    formula, loss = MODELS[name]
    options = {} if covariance is None else {"covariance": covariance}
    return gl.fit(formula, data(name), loss=loss, **options)
