"""
The path of a lasso, and where to stop
======================================

From a strength that allows no slope down to none at all, slopes enter one by one. Rows held out say which strength predicts best.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradline as gl

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 12))
y = X[:, :4] @ [3.0, -2.0, 1.0, 0.5] + rng.normal(0, 2, size=200)
path = gl.path(X, y, choose="folds")
print(path)

# %%
# Left, each slope against the strength. Right, the loss on rows held out, with its error. The simplest model that is as good as the best, as far
# as one can tell, lies at the second mark.
gl.plot.path(path)
plt.show()

# %%
chosen = path.fit(path.within_one_error)
print([name for name, slope in zip(chosen.names[1:], chosen.slopes, strict=True) if slope])
