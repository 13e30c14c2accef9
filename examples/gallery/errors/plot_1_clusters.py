"""
An economist's: years of the same firm are not new evidence
===========================================================

Eleven firms, twenty years each, make 220 rows. But what a firm does this year it will likely do the next. Standard errors that count rows are too
small. Those that count firms are honest.
"""

import matplotlib.pyplot as plt

import gradline as gl

firms = gl.datasets.grunfeld()
rows = gl.fit("invest ~ value + capital", firms)
clusters = gl.fit("invest ~ value + capital", firms, covariance="cluster", groups="firm")
print(gl.compare_models(rows, clusters, names=["counts rows", "counts firms"]))

# %%
# The coefficients are the same. The intervals are not.
figure, axes = plt.subplots(2, 1, figsize=(7.2, 4.0), layout="constrained", sharex=True)
for ax, fit, title in zip(axes, (rows, clusters), ("errors that count rows", "errors that count firms"), strict=True):
    gl.plot.coefficients(fit, intercept=False, ax=ax, xlabel="dollars invested for each dollar more")
    ax.set_title(title, loc="left")
axes[0].set_xlabel("")
plt.show()
