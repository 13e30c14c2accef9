"""
Momentum
========

Where two columns say nearly the same, the loss is a long narrow valley. Plain steps creep along its floor. With momentum a share of the last
step is added to the next, so that a descent keeps rolling.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(0)
first = rng.normal(size=500)
X = np.column_stack([first, 0.95 * first + 0.3 * rng.normal(size=500)])
y = X @ [2.0, -1.0] + rng.normal(size=500)

# %%
# All walk 150 steps from the same start, with the same rate. A warning names the walk that has not arrived.
steps = {"learning_rate": 0.1, "steps": 150, "record_every": 1}
fits = {
    "plain": gl.fit(X, y, solver=gl.GradientDescent(**steps)),
    "momentum 0.9": gl.fit(X, y, solver=gl.GradientDescent(momentum=0.9, **steps)),
    "Nesterov 0.9": gl.fit(X, y, solver=gl.GradientDescent(momentum=0.9, nesterov=True, **steps)),
}

# %%
# How far the loss still is above the least there is. The scale is logarithmic: each line across is a tenth of the one above.
gl.plot.loss(fits, optimum=gl.fit(X, y), excess=True)
plt.show()
