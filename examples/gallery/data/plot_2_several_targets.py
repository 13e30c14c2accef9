"""
Several targets at once
=======================

Three inputs, two outputs: the coefficients are a matrix, and the call is the same. gradline works out what is common to the targets once.
"""

import matplotlib.pyplot as plt

import gradline as gl

planes = gl.datasets.plane(n_inputs=3, n_outputs=2, seed=1)
X, Y = planes
fit = gl.fit(X, Y)
print(fit.slopes.round(2))

# %%
# Each coefficient found, with its interval, in the ring of the true one.
gl.plot.coefficients(fit, true=(planes.coefficients, planes.intercepts))
plt.show()

# %%
# What was observed against what is predicted.
gl.plot.fit(fit, X, Y)
plt.show()
