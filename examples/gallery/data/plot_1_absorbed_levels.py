"""
Firms, each with a level of its own
===================================

Large firms invest more, and are worth more. To ask what happens *within* a firm, give each a level of its own. After ``|`` levels are absorbed:
taken out exactly, without becoming columns, be they eleven or a million.
"""

import matplotlib.pyplot as plt

import gradline as gl

firms = gl.datasets.grunfeld()
pooled = gl.fit("invest ~ value + capital", firms, covariance="cluster", groups="firm")
within = gl.fit("invest ~ value + capital | firm", firms, covariance="cluster", groups="firm")
both = gl.fit("invest ~ value + capital | firm + year", firms, covariance="cluster", groups="firm")
print(gl.compare_models(pooled, within, both, names=["pooled", "firms", "firms and years"]))

# %%
# Dollars invested for each dollar more of capital or value, once the firm's own level is out.
gl.plot.coefficients(within, xlabel="dollars invested for each dollar more")
plt.show()
