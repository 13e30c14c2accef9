"""The five data sets of the comparisons of effects, as CSV files: penguins, two of statsmodels', one of R's, and one that is drawn.

Run with gradline's own environment: python make_data.py
"""

import csv
from pathlib import Path

import numpy as np
import statsmodels.api as sm

import gradline as gl

HERE = Path(__file__).parent


def write(name, table):
    with (HERE / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


penguins = gl.datasets.penguins()
columns = ["species", "sex", "flipper_length_mm", "bill_length_mm", "body_mass_g"]
whole = [i for i in range(len(penguins["sex"])) if all(penguins[c][i] is not None and penguins[c][i] == penguins[c][i] for c in columns)]
write("penguins", {name: [penguins[name][i] for i in whole] for name in columns})

spector = sm.datasets.spector.load_pandas().data
write(
    "spector",
    {"grade": spector.GRADE.astype(int), "gpa": spector.GPA, "tuce": spector.TUCE, "psi": np.where(spector.PSI == 1, "yes", "no")},
)

scotland = sm.datasets.scotland.load_pandas().data
write(
    "scotland",
    {
        "yes": scotland.YES,
        "unemployment": scotland.UNEMPF,
        "mortality": scotland.MOR,
        "area": np.where(np.median(scotland.ACT) < scotland.ACT, "high", "low"),
    },
)

breaks = [26, 30, 54, 25, 70, 52, 51, 26, 67, 18, 21, 29, 17, 12, 18, 35, 30, 36, 36, 21, 24, 18, 10, 43, 28, 15, 26]
breaks += [27, 14, 29, 19, 29, 31, 41, 20, 44, 42, 26, 19, 16, 39, 28, 21, 39, 29, 20, 21, 24, 17, 13, 15, 15, 16, 28]
write("warpbreaks", {"breaks": breaks, "wool": ["A"] * 27 + ["B"] * 27, "tension": (["L"] * 9 + ["M"] * 9 + ["H"] * 9) * 2})

generator = np.random.default_rng(20)
n = 240
age, clinic = generator.uniform(20, 80, n).round(1), generator.choice(["north", "south", "west"], n)
smokes = generator.choice(["no", "yes"], n)
rate = np.exp(0.3 + 0.015 * age + 0.4 * (smokes == "yes") + np.select([clinic == "south", clinic == "west"], [0.5, -0.3], 0.0))
write("visits", {"visits": generator.poisson(rate), "age": age, "clinic": clinic, "smokes": smokes})
