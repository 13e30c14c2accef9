"""
Intervals that hold, whatever the noise
=======================================

Where will the next row lie? Normal theory answers for normal noise. Split conformal prediction asks rows that the fit has not seen how far off it
is, and then at least nine in ten new rows lie inside, whatever their distribution.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(11)


def rows(n):
    x = rng.uniform(0, 10, size=n)
    return x, 3 + 2 * x + rng.gamma(1.0, 4.0, size=n)  # noise to one side only


x, y = rows(200)
fit = gl.fit(x, y)
calibration, new = rows(200), rows(2000)
normal = fit.predict(new[0], interval="prediction", level=0.9)
conformal = fit.predict(new[0], interval="prediction", level=0.9, calibration=calibration)
for name, found in (("normal theory", normal), ("conformal", conformal)):
    inside = (found.lower <= new[1]) & (new[1] <= found.upper)
    print(f"{name:13} holds {inside.mean():.1%}, width {np.mean(found.upper - found.lower):.1f}: {found.guarantee}")

# %%
# The conformal band is not centred on the line, since the noise is not.
axes = gl.plot.data(new[0][:300], new[1][:300])
order = np.argsort(new[0])
for found, color, label in ((normal, "#0072B2", "normal theory"), (conformal, "#D55E00", "conformal")):
    axes.plot(new[0][order], found.lower[order], color=color, linewidth=2, label=label)
    axes.plot(new[0][order], found.upper[order], color=color, linewidth=2)
axes.legend()
plt.show()
