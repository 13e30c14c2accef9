"""
A learning rate that is too large
=================================

Above a certain rate every step lands farther from the minimum than it started. gradline works out that rate before the first step.
"""

import matplotlib.pyplot as plt

import gradline as gl

x, y = gl.datasets.line(seed=1)

try:
    gl.fit(x, y, solver=gl.GradientDescent(learning_rate=1.05))
except gl.DivergenceError as error:
    print(error)

# %%
# It can be made to go on, to see what happens: the loss grows without end.
steps = {"steps": 40, "record_every": 1}
fits = {
    "1.05, too large": gl.fit(x, y, solver=gl.GradientDescent(1.05, allow_divergence=True, **steps)),
    "0.9": gl.fit(x, y, solver=gl.GradientDescent(0.9, **steps)),
    "0.1": gl.fit(x, y, solver=gl.GradientDescent(0.1, **steps)),
}
gl.plot.loss(fits)
plt.show()

# %%
# With ``learning_rate="auto"`` gradline takes half of the largest stable rate.
print(gl.fit(x, y, solver=gl.GradientDescent(learning_rate="auto")).learning_rate)
