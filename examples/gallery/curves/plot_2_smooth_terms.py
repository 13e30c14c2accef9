"""
Curves whose smoothness the data choose
=======================================

``s(x)`` is a curve with a penalty on its bends. How strong the penalty is follows from the data: one curve may turn out straight beside another
that is not.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(0)
n = 800
data = {"age": rng.uniform(18, 70, n), "hours": rng.uniform(0, 10, n)}
data["score"] = 40 + 12 * np.exp(-(((data["age"] - 35) / 14) ** 2)) + 1.5 * data["hours"] + rng.normal(0, 3, n)

fit = gl.fit("score ~ s(age) + s(hours)", data)
for curve in fit.curves:
    print(f"{curve.name}: worth {curve.degrees_of_freedom:.1f} coefficients")

# %%
# The dark band holds the curve at any one place with 95% probability, the pale one the whole curve.
gl.plot.smooths(fit)
plt.show()
