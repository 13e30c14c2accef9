"""
Whole categories in or out
==========================

A category is several columns. A lasso would keep some levels and drop others. The group lasso takes a term whole, or not at all.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(6)
n = 400
flats = {
    "area": rng.uniform(30, 120, n),
    "city": rng.choice(["Bern", "Graz", "Lyon", "Turin"], n),
    "colour": rng.choice(["blue", "grey", "red", "white"], n),
    "floor": rng.integers(0, 6, n).astype(float),
}
dearer = {"Bern": 150.0, "Graz": 0.0, "Lyon": 60.0, "Turin": 20.0}
flats["price"] = 100 + 4 * flats["area"] + np.array([dearer[city] for city in flats["city"]]) + rng.normal(0, 40, n)

formula = "price ~ area + C(city) + C(colour) + floor"
path = gl.path(formula, flats, penalty=gl.penalties.group_lasso(scaled=True), choose="folds", strengths=40)
chosen = path.fit(path.within_one_error)
for name, slope in zip(chosen.names, chosen.coefficients, strict=True):
    print(f"{name:22} {slope:8.2f}")

# %%
# The three columns of the city enter together. The colour of the door never does.
gl.plot.path(path)
plt.show()
