"""
Answers in order
================

"Poor", "fair", "good", "excellent" are in order, but nobody knows how far apart. An ordinal fit learns where one answer ends and the next
begins, along with what moves people up the scale.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(5)
waiting = rng.uniform(0, 60, size=600)
leaning = 2.5 - 0.07 * waiting + rng.logistic(size=600)
answer = np.digitize(leaning, [-1.5, 0.0, 1.8])  # 0 poor, 1 fair, 2 good, 3 excellent
fit = gl.fit("answer ~ waiting", {"waiting": waiting, "answer": answer}, loss="ordinal")
print(fit)

# %%
# One slope for the whole scale: each minute moves everybody down by the same step, in log odds.
grid = fit.predictions(at={"waiting": range(0, 61, 5)})
axes = gl.plot.effects(grid, xlabel="minutes of waiting")
plt.show()
