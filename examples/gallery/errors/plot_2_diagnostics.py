"""
Is the model any good?
======================

Four pictures of what a fit leaves over. Here the truth bends and the spread grows, and the straight line knows neither.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(10)
x = rng.uniform(0, 10, size=250)
y = 2 + 0.25 * x**2 + (0.3 + 0.3 * x) * rng.normal(size=250)
fit = gl.fit(x, y)

# %%
# Residuals: their trend bends, so a curve is missing. Quantiles: the upper end leaves the line, so some rows lie farther out than normal noise
# would put them. Spread: its trend is not level, so robust standard errors are called for. Influence: no single row decides.
gl.plot.diagnostics(fit, x, y)
plt.show()

# %%
# With a square and robust errors the picture is calm.
better = gl.fit("y ~ x + I(x**2)", {"x": x, "y": y}, covariance="HC3")
gl.plot.residuals(better, {"x": x, "y": y})
plt.show()
