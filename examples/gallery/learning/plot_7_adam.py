"""
Adam beside plain descent
=========================

Adam gives each coefficient a step of its own, by how large its gradients have been. So columns in very different units are no trouble for it.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(3)
X = rng.normal(size=(800, 3)) * [1.0, 5.0, 25.0]  # three columns, each in another unit
y = X @ [3.0, 0.6, 0.1] + 2.0 + rng.normal(size=800)

# %%
# The widest column decides how large a rate plain descent can bear, and so the other two hardly move: a warning says that it
# has not arrived.
steps = {"steps": 1500, "record_every": 5}
fits = {
    "gradient descent": gl.fit(X, y, solver=gl.GradientDescent(learning_rate=0.0015, **steps)),
    "Adam": gl.fit(X, y, solver=gl.Adam(learning_rate=0.02, **steps)),
}
axes = gl.plot.loss(fits, optimum=gl.fit(X, y), excess=True)
axes.set_ylim(bottom=1e-6)
plt.show()

# %%
# Columns brought to one scale first would serve plain descent just as well. The exact fit needs neither.
print(fits["Adam"].slopes.round(3), gl.fit(X, y).slopes.round(3))
