"""
A probability, and whether to trust it
======================================

Is this penguin male? A logistic fit answers with a probability. Two pictures say how good it is: the calibration, whether three in four really
are where it says 75%, and the ROC curve, how well it tells the sexes apart.
"""

import matplotlib.pyplot as plt

import gradline as gl

penguins = gl.datasets.penguins()
fit = gl.fit("I(sex == 'male') ~ body_mass_g + bill_length_mm + C(species)", penguins, loss="logistic")
print(fit)

# %%
# Each dot is a bin of as many penguins. On the diagonal, probabilities are what they claim to be.
gl.plot.calibration(fit, penguins, bins=8)
plt.show()

# %%
# The area under the curve is how often a male gets a higher probability than a female.
found = fit.classification(penguins)
print(f"area under the curve {found.auc:.3f}, accuracy {found.accuracy:.3f}")
gl.plot.roc(found)
plt.show()
