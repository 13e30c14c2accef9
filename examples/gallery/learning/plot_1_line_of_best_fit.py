"""
A line of best fit
==================

A thousand noisy points around y = 6x - 5, and the line that comes closest to them.
"""

import matplotlib.pyplot as plt

import gradline as gl

x, y = gl.datasets.line(seed=1)
fit = gl.fit(x, y)
print(fit)

# %%
# The true line is drawn beside it, since here it is known.
gl.plot.fit(fit, x, y, true=(6, -5))
plt.show()
