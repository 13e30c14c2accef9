"""
A spline
========

Where an effect bends, a line will not do. ``bs(x, df=6)`` stands for six columns that make up a smooth curve. It is still a linear model, with
everything that goes with one.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(1)
hour = rng.uniform(0, 24, size=500)
warmth = 12 + 6 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 1.5, size=500)
day = {"hour": hour, "warmth": warmth}

line = gl.fit("warmth ~ hour", day)
curve = gl.fit("warmth ~ bs(hour, df=6)", day)
print(f"R-squared: {line.r_squared:.2f} by a line, {curve.r_squared:.2f} by the curve")

# %%
# The band is a 95% interval for the mean at each hour.
axes = gl.plot.data(hour, warmth)
grid = curve.predictions(at={"hour": np.linspace(0.2, 23.8, 60)})
gl.plot.effects(grid, x="hour", xlabel="hour of the day", ylabel="degrees Celsius", ax=axes)
plt.show()
