"""
The path of gradient descent
============================

Each step goes down the slope of the loss. The rings are coefficients of equal loss; the path crosses them at right angles.
"""

import matplotlib.pyplot as plt

import gradline as gl

x, y = gl.datasets.line(seed=1)
fit = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.02, steps=300))
print(f"after {len(fit.history) - 1} steps: slope {fit.slopes[0]:.3f}, intercept {fit.intercept:.3f}")

# %%
# The first steps are long, since the slope is steep there. Near the bottom they become short by themselves.
gl.plot.descent(fit, x, y)
plt.show()

# %%
# The loss of each step. It levels out at the scatter of the points, which no line can remove.
gl.plot.loss(fit)
plt.show()
