"""
Merging what may not be shared
==============================

Three hospitals may not share their patients' rows. Least squares needs sums only, and sums may travel: each hospital makes its own, they add up,
and the fit is the one that all rows together would give.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(12)


def hospital(n, older):
    age = rng.normal(50 + older, 10, size=n)
    dose = rng.uniform(0, 5, size=n)
    return {"age": age, "dose": dose, "pressure": 100 + 0.6 * age - 3 * dose + rng.normal(0, 12, size=n)}


patients = [hospital(60, 0), hospital(300, 8), hospital(140, -5)]
sums = [gl.Moments(rows) for rows in patients]  # all that leaves a hospital
together = sums[0] + sums[1] + sums[2]
fit = together.fit("pressure ~ age + dose")
for name, slope, error in zip(fit.names, fit.coefficients, fit.standard_errors, strict=True):
    print(f"{name:10} {slope:8.3f}  standard error {error:.3f}")

# %%
# The same digits as from the rows, were they in one place.
pooled = {name: np.concatenate([rows[name] for rows in patients]) for name in patients[0]}
rows = gl.fit("pressure ~ age + dose", pooled)
print(np.abs(fit.coefficients - rows.coefficients).max() < 1e-10)

# %%
# The effect of the dose by each hospital alone, and by all of them, with two standard errors to either side.
fits = [one.fit("pressure ~ age + dose") for one in sums] + [fit]
figure, axes = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
for row, one in enumerate(fits):
    color = "#D55E00" if one is fit else "#0072B2"
    axes.errorbar(one.coefficients[2], row, xerr=2 * one.standard_errors[2], fmt="o", color=color, linewidth=2)
axes.set_yticks(range(4), ["hospital 1", "hospital 2", "hospital 3", "all together"])
axes.invert_yaxis()
axes.set_xlabel("change of blood pressure for each unit more of the drug")
plt.show()
