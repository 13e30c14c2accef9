"""
An economist's: food and income, in quantiles
=============================================

Who earns more spends more on food, and households of the same income differ more. A mean hides the second part. Five quantiles show it: a tenth
of the households lie below the lowest line, a tenth above the highest.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

households = gl.datasets.engel()  # 235 Belgian households, 1857
levels = (0.1, 0.25, 0.5, 0.75, 0.9)
fits = {level: gl.fit("food ~ income", households, loss=gl.losses.quantile(level)) for level in levels}
for level, fit in fits.items():
    error = fit.standard_errors[1]
    print(f"{level:4}: {fit.slopes[0]:.3f} francs more on food for each franc more of income (standard error {error:.3f})")

# %%
# The lines fan out: at the top of the households food takes twice the share of a further franc as at the bottom.
axes = gl.plot.data(households["income"], households["food"], xlabel="income (francs a year)", ylabel="food (francs a year)")
income = np.array([350.0, 5000.0])
for shade, (level, fit) in zip(plt.cm.plasma(np.linspace(0, 0.75, 5)), fits.items(), strict=True):
    axes.plot(income, fit.predict({"income": income}), color=shade, linewidth=2, label=f"quantile {level}")
axes.legend(reverse=True)
plt.show()
