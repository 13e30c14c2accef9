"""
An engineer's: which days decide
================================

Twenty-one days of a plant that makes nitric acid, and how much ammonia escaped through the stack. Some days lie far out, and with so few rows one
of them can turn the fit.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

plant = gl.datasets.stack_loss()
fit = gl.fit("loss ~ air + water + acid", plant)
found = fit.diagnose(plant)
order = np.argsort(found.cooks_distance)[::-1]
for row in order[:4]:
    print(f"row {row:2}: Cook's distance {found.cooks_distance[row]:.2f}, standardised residual {found.standardised[row]:5.2f}")

# %%
# Rows count from zero. To the right, days that are unlike the others. Above and below, days that the fit misses. Beyond the lines, days that move it.
gl.plot.leverage(fit, plant)
plt.show()

# %%
# A loss that bears outliers hardly needs to know which days they are.
robust = gl.fit("loss ~ air + water + acid", plant, loss=gl.losses.huber(1.35, scale="joint"))
print(gl.compare_models(fit, robust, names=["squared", "Huber"], same_rows=False))
