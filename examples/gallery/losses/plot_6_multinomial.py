"""
A marketer's: how people choose
===============================

Travellers between Sydney, Canberra and Melbourne chose a train, a car, a plane or a bus. A multinomial fit gives every choice a probability that
changes with income and with how many travel together.
"""

import matplotlib.pyplot as plt

import gradline as gl

travellers = gl.datasets.travel()
fit = gl.fit("mode ~ income + party", travellers, loss="multinomial")
print(fit.anova(data=travellers))

# %%
# The four probabilities add up to one at every income. Trains lose with income, planes and cars gain.
grid = fit.predictions(at={"income": range(5, 71, 5), "party": 2})
gl.plot.effects(grid, x="income", xlabel="household income (thousand dollars)")
plt.show()
