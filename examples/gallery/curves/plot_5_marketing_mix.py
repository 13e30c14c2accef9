"""
A marketer's: what each channel sells
=====================================

Money spent on advertising works on for some weeks: a column carries what is left of it. No channel sells less by being paid more, so its
effect is held at zero or above. (The weeks are made up, so that the truth is known.)
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(5)
weeks, kept = 150, {"tv": 0.7, "radio": 0.4, "search": 0.1, "print": 0.5}


def carried(spend, kept):
    left = np.zeros(len(spend))
    for week, amount in enumerate(spend):
        left[week] = amount + (kept * left[week - 1] if week else 0.0)
    return left


table = {name: carried(rng.gamma(2.0, 1.0, size=weeks), share) for name, share in kept.items()}
table["sales"] = 50 + 2.0 * table["tv"] + 0.5 * table["radio"] + 1.5 * table["search"] + rng.normal(0, 6, size=weeks)

formula = "sales ~ tv + radio + search + print"
free = gl.fit(formula, table)
held = gl.fit(formula, table, constraints=gl.constraints.nonnegative())
print(gl.compare_models(free, held, names=["free", "held"]))
print(held.active_constraints)

# %%
# What each channel added to the sales of each week, one on top of the other.
parts = {name: held.coefficients[held.names.index(name)] * table[name] for name in kept}
figure, axes = plt.subplots(figsize=(7.2, 4.5), layout="constrained")
axes.stackplot(range(weeks), parts.values(), labels=parts, colors=["#0072B2", "#E69F00", "#009E73", "#CC79A7"])
axes.set(xlabel="week", ylabel="sales that a channel brought", xlim=(0, weeks - 1))
axes.legend(loc="upper center", ncols=4, frameon=False)
axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
plt.show()
