"""
Outliers, and a loss that bears them
====================================

Squares make one wrong row count for hundreds. Huber's loss grows in a straight line beyond a threshold, and Tukey's gives up on rows that are
far out.
"""

import matplotlib.pyplot as plt

import gradline as gl

x, y = gl.datasets.line(n_examples=80, slope=2, intercept=1, seed=4)
y[x > 1.3] -= 12  # a sensor that failed

fits = {
    "squared": gl.fit(x, y),
    "Huber": gl.fit(x, y, loss=gl.losses.huber(1.35)),
    "Tukey": gl.fit(x, y, loss=gl.losses.tukey(4.7)),
}
for name, fit in fits.items():
    print(f"{name:8} slope {fit.slopes[0]:6.2f}")

# %%
# The true slope is 2.
gl.plot.fit(fits, x, y, true=(2, 1))
plt.show()
