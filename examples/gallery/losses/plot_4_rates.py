"""
An epidemiologist's: smoking, age and rates of death
====================================================

Deaths from coronary heart disease among British doctors. Groups were watched for different numbers of years, so the model is of deaths *a
person-year*: the logarithm of the years enters as an offset, with no coefficient of its own.
"""

import matplotlib.pyplot as plt

import gradline as gl

doctors = gl.datasets.doctors()  # Doll and Hill, 1966
fit = gl.fit("deaths ~ smokes + age + offset(log(person_years / 1000))", doctors, loss="poisson")
print(fit.summary(exponentiate=True))

# %%
# At the same age, smokers died 1.4 times as often. But is the ratio the same at every age? The likelihoods say no.
ratios = gl.fit("deaths ~ smokes * age + offset(log(person_years / 1000))", doctors, loss="poisson")
print(ratios.compare(fit))

# %%
# Deaths for a thousand person-years. Among the old, smokers and others come close.
grid = ratios.predictions(at={"age": "all", "smokes": "all", "person_years": 1000})
axes = gl.plot.effects(grid)
axes.set_xscale("log")
axes.set_xlabel("deaths for 1,000 person-years (logarithmic scale)")
plt.show()
