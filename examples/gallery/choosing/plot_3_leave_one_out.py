"""
How strong a ridge: each row left out
=====================================

Sixteen years of data and six columns that rise together. Least squares takes their noise at its word, and a ridge calms it. The loss of each
row, predicted without that row, says how strong it should be. One fit gives all of them, with no refits.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(9)
trend = np.linspace(-1, 1, 16)
X = trend[:, None] + 0.15 * rng.normal(size=(16, 6))
y = X.mean(axis=1) + 0.3 * rng.normal(size=16)

chosen = gl.fit(X, y, penalty=gl.penalties.ridge("auto"))
print(f"strength {chosen.penalty.strength:.3f}")
print("least squares", gl.fit(X, y).slopes.round(2))
print("ridge        ", chosen.slopes.round(2))

# %%
# The loss in sample always falls as the ridge gets weaker. The loss of rows left out turns up again, and its lowest point is the choice.
strengths = np.geomspace(1e-4, 10, 25)
found = [gl.fit(X, y, penalty=gl.penalties.ridge(strength)).diagnose(X, y).leave_one_out_loss for strength in strengths]
figure, axes = plt.subplots(figsize=(7.2, 4.5), layout="constrained")
axes.semilogx(strengths, [one.left_out for one in found], color="#D55E00", label="each row left out")
axes.semilogx(strengths, [one.in_sample for one in found], "--", color="#0072B2", label="in sample")
axes.axvline(chosen.penalty.strength, color="#222222", linewidth=1, label="chosen")
axes.set(xlabel="strength of the ridge (logarithmic scale)", ylabel="mean squared error")
axes.legend()
plt.show()
