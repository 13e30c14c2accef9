"""
Shares that add up to one
=========================

A blend is made of three raw materials. Its spectrum is nearly a mixture of theirs, and the shares cannot be negative and add up to one. These
are constraints on the coefficients.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(8)
wave = np.linspace(0, 1, 200)
peaks = {"A": (0.25, 0.08), "B": (0.4, 0.12), "C": (0.7, 0.1), "D": (0.55, 0.15)}
spectra = {name: np.exp(-(((wave - at) / width) ** 2)) for name, (at, width) in peaks.items()}
blend = 0.5 * spectra["A"] + 0.2 * spectra["B"] + 0.3 * spectra["C"] + rng.normal(0, 0.08, size=200)

X = np.column_stack(list(spectra.values()))
free = gl.fit(X, blend, names=list(spectra), intercept=False)
held = gl.fit(X, blend, names=list(spectra), intercept=False, constraints=[gl.constraints.nonnegative(), gl.constraints.sum_to(1)])
print(free.coefficients.round(3), "sum", free.coefficients.sum().round(3))
print(held.coefficients.round(3), "sum", held.coefficients.sum().round(12))
print(held.active_constraints)

# %%
# D is not in the blend, and the held fit says so.
gl.plot.coefficients(held, true=[0.5, 0.2, 0.3, 0.0], xlabel="share")
plt.show()
