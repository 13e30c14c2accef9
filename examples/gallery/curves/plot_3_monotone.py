"""
A curve that never falls
========================

More of a drug does not heal less. If that is known beforehand, the fit can be told, and holds it at every point.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(3)
dose = rng.uniform(0, 10, size=120)
trial = {"dose": dose, "healed": 8 * dose / (2 + dose) + rng.normal(0, 2.0, size=120)}

free = gl.fit("healed ~ bs(dose, df=14)", trial)
held = gl.fit("healed ~ bs(dose, df=14)", trial, constraints=gl.constraints.monotone("dose", "increasing"))

# %%
# The free curve wiggles with the noise. The held one rises or stays level.
grid = np.linspace(dose.min(), dose.max(), 300)
print("free falls at", int((np.diff(free.predict({"dose": grid})) < -1e-12).sum()), "of 299 steps, held at", end=" ")
print(int((np.diff(held.predict({"dose": grid})) < -1e-12).sum()))
axes = gl.plot.data(dose, trial["healed"], xlabel="dose", ylabel="healed")
axes.plot(grid, free.predict({"dose": grid}), "--", color="#6b6b6b", label="free")
axes.plot(grid, held.predict({"dose": grid}), color="#D55E00", linewidth=2.5, label="never falls")
axes.legend()
plt.show()
