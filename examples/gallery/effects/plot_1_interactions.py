"""
Slopes that differ between groups
=================================

A flipper a millimetre longer goes with more grams in one species than in another. With an interaction there is no one slope. ``fit.effects``
gives the slope of each group, with its error.
"""

import matplotlib.pyplot as plt

import gradline as gl

penguins = gl.datasets.penguins()
fit = gl.fit("body_mass_g ~ flipper_length_mm * C(species)", penguins)
slopes = fit.effects("flipper_length_mm", by="species")
print(slopes)

# %%
# What the model predicts along the flipper, for each species. The bands are 95% intervals for the mean.
grid = fit.predictions(at={"flipper_length_mm": range(175, 231, 5), "species": "all"})
gl.plot.effects(grid, xlabel="flipper length (mm)", ylabel="body mass (g)")
plt.show()
