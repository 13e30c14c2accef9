"""Constraints through the estimator of scikit-learn."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

import gradline as gl

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(200, 4))
Y = X @ [1.0, -0.5, 0.0, 2.0] + RANDOM.normal(size=200)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("targets", [1, 2])
def test_positive_is_that_of_scikit_learn(intercept, targets):
    y = Y if targets == 1 else np.column_stack([Y, -Y])
    model = gl.LinearRegression(positive=True, fit_intercept=intercept).fit(X, y)
    expected = LinearRegression(positive=True, fit_intercept=intercept).fit(X, y)
    assert model.coef_ == pytest.approx(expected.coef_, abs=1e-10)
    assert np.ravel(model.intercept_) == pytest.approx(np.broadcast_to(np.ravel(expected.intercept_), targets), abs=1e-10)


def test_constraints_are_a_parameter_and_go_with_positive():
    model = gl.LinearRegression(constraints="x1 + x4 = 1", positive=True)
    assert clone(model).get_params()["constraints"] == "x1 + x4 = 1"
    fitted = model.fit(X, Y)
    assert fitted.coef_[0] + fitted.coef_[3] == pytest.approx(1.0, abs=1e-14)
    assert (fitted.coef_ >= 0).all()
    assert len(cross_val_score(model, X, Y, cv=3)) == 3
    with pytest.raises(TypeError, match="positive must be True or False"):
        gl.LinearRegression(positive="yes").fit(X, Y)
