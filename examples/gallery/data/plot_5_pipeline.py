"""
In a scikit-learn pipeline
==========================

``gl.LinearRegression`` goes into pipelines, searches and cross-validation like any other estimator. What it adds is the loss, here one that bears
outliers, and ``result_``, which holds errors and tests.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradline as gl

X, y = load_diabetes(return_X_y=True, as_frame=True)
model = make_pipeline(StandardScaler(), gl.LinearRegression(loss=gl.losses.huber(50), penalty=gl.penalties.ridge(0.1)))
model.set_output(transform="pandas")  # the names of the columns stay
search = GridSearchCV(model, {"linearregression__penalty__strength": [0.001, 0.01, 0.1, 1.0]}, cv=5).fit(X, y)
print(search.best_params_, round(search.best_score_, 3))

# %%
# The coefficients of the best, in standard deviations of their columns.
fit = search.best_estimator_[-1].result_
gl.plot.coefficients(fit, intercept=False, xlabel="disease progression for one deviation more")
plt.show()
