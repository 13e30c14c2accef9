"""
Comparing every two groups
==========================

A table of coefficients compares each group with one reference. Contrasts compare any two, and say so honestly: the more comparisons, the wider
Tukey's intervals, so that all of them hold at once.
"""

import matplotlib.pyplot as plt

import gradline as gl

penguins = gl.datasets.penguins()
fit = gl.fit("bill_depth_mm ~ C(species) + body_mass_g", penguins)
pairs = fit.contrasts("C(species)", "pairs", adjust="tukey")
print(pairs)

# %%
# At the same body mass. An interval that crosses the line at zero leaves it open which species has the deeper bill.
gl.plot.effects(pairs, xlabel="difference of bill depth (mm)")
plt.show()
