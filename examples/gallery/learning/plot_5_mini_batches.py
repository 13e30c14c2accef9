"""
Mini-batches
============

A few random rows say roughly where downhill is, for a fraction of the work. The path becomes noisy
and arrives near the optimum, around which it circles: a warning says so.
"""

import matplotlib.pyplot as plt

import gradline as gl

x, y = gl.datasets.line(seed=1)
whole = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.05, steps=80, record_every=1))
batches = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.05, steps=80, record_every=1, batch_size=4, seed=0))

# %%
# Every step of the first path reads all 1,000 rows, every step of the second 4 of them.
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained", sharex=True, sharey=True)
for ax, fit, title in zip(axes, (whole, batches), ("all 1,000 rows a step", "4 rows a step"), strict=True):
    gl.plot.descent(fit, x, y, ax=ax)
    ax.set_title(title)
plt.show()
