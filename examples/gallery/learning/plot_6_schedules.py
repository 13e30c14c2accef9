"""
A learning rate that falls
==========================

With a constant rate mini-batches never come to rest: they dance around the minimum. A rate that falls ends the dance.
The warnings tell that after 1,000 steps neither is within a tenth of a standard error of the optimum; one is far nearer.
"""

import matplotlib.pyplot as plt

import gradline as gl

x, y = gl.datasets.line(seed=1)
batches = {"steps": 1000, "batch_size": 16, "seed": 0, "record_every": 10}  # 1,000 steps of 16 rows each
fits = {
    "constant 0.1": gl.fit(x, y, solver=gl.GradientDescent(0.1, **batches)),
    "cosine from 0.1": gl.fit(x, y, solver=gl.GradientDescent(gl.schedules.cosine(0.1, steps=1000), **batches)),
}

# %%
# How far each is above the least loss there is.
axes = gl.plot.loss(fits, optimum=gl.fit(x, y), excess=True)
axes.set_xscale("linear")
plt.show()
