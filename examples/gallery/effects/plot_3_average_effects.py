"""
Effects on the scale of the answer
==================================

A logistic coefficient is of log odds, which few people can picture. An average effect is in probabilities: by how much the chance changes,
averaged over the rows.
"""

import matplotlib.pyplot as plt

import gradline as gl

penguins = gl.datasets.penguins()
fit = gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", penguins, loss="logistic")
print(fit.effects(data=penguins))

# %%
# A hundred grams more matters where the sex is in doubt, and hardly elsewhere.
steps = fit.effects("body_mass_g", change=100, at={"body_mass_g": range(3000, 6001, 150), "species": "all"})
gl.plot.effects(steps, x="body_mass_g", xlabel="body mass (g)", ylabel="change of the probability of being male")
plt.show()
