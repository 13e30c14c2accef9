"""Intervals of probabilities that several linear predictors make, and of averages of probabilities, against statsmodels' covariances and
the delta method written out in closed form on the scale of the logit."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from scipy.stats import norm
from statsmodels.miscmodels.ordinal_model import OrderedModel

import gradline as gl

RNG = np.random.default_rng(0)
X = RNG.normal(size=60)
CLASSES = np.digitize(2 * X + RNG.logistic(size=60), [-3, 2.5])
TABLE = pd.DataFrame({"x": X, "g": pd.Categorical.from_codes(CLASSES, ["a", "b", "c"], ordered=True), "y": CLASSES > 0})
AT = np.array([-2.0, 0.0, 2.5])


def logit_ends(probabilities, jacobian, covariance, level=0.95):
    """probabilities (...,), jacobian (..., parameters)."""
    errors = np.sqrt(np.einsum("...i,ij,...j->...", jacobian, covariance, jacobian))
    reach = norm.ppf(0.5 + level / 2) * errors / (probabilities * (1 - probabilities))
    return expit(logit(probabilities) - reach), expit(logit(probabilities) + reach)


def multinomial(x):
    """(probabilities (m, 3), jacobian (m, 3, 4), covariance) of statsmodels' fit."""
    theirs = sm.MNLogit(CLASSES, sm.add_constant(X)).fit(method="newton", disp=0, tol=1e-12)
    design = np.column_stack([np.ones(len(x)), x])
    scores = np.column_stack([np.zeros(len(x)), design @ np.asarray(theirs.params)])
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    slopes = p[:, :, None] * (np.eye(3)[None, :, 1:] - p[:, None, 1:])
    jacobian = (slopes[..., None] * design[:, None, None, :]).reshape(len(x), 3, 4)
    return p, jacobian, np.asarray(theirs.cov_params())


def ordinal(x):
    """The same of statsmodels' ordered model, whose second threshold is the first plus an exponential."""
    model = OrderedModel(CLASSES, X[:, None], distr="logit")
    theirs = model.fit(method="bfgs", disp=0, gtol=1e-6)
    slope, first, gap = theirs.params
    ends = np.array([first, first + np.exp(gap)])
    cumulative = expit(ends[None, :] - slope * x[:, None])
    density = cumulative * (1 - cumulative)
    p = np.diff(np.column_stack([np.zeros(len(x)), cumulative, np.ones(len(x))]), axis=1)
    of_ends = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, np.exp(gap)]])
    moved = density[:, :, None] * (of_ends[None] + np.array([-1.0, 0.0, 0.0]) * x[:, None, None])
    zero = np.zeros((len(x), 1, 3))
    return p, np.diff(np.concatenate([zero, moved, zero], axis=1), axis=1), np.asarray(theirs.cov_params())


@pytest.mark.parametrize(("loss", "theirs", "tolerance"), [("multinomial", multinomial, 1e-6), ("ordinal", ordinal, 1e-3)])
def test_each_probability_has_the_interval_of_its_logit(loss, theirs, tolerance):
    fit = gl.fit("g ~ x", TABLE, loss=loss)
    p, jacobian, covariance = theirs(AT)
    lower, upper = logit_ends(p, jacobian, covariance, 0.9)
    found = fit.predict({"x": AT}, interval="confidence", level=0.9)
    np.testing.assert_allclose(found.lower, lower, rtol=tolerance)
    np.testing.assert_allclose(found.upper, upper, rtol=tolerance)
    table = fit.predictions(at={"x": AT}, level=0.9)
    np.testing.assert_allclose(table["lower"], found.lower.ravel())
    np.testing.assert_allclose(table["upper"], found.upper.ravel())
    p, jacobian, _ = theirs(X)
    lower, upper = logit_ends(p.mean(axis=0), jacobian.mean(axis=0), covariance, 0.9)
    average = fit.predictions(data=TABLE, level=0.9)
    np.testing.assert_allclose(average["lower"], lower, rtol=tolerance)
    np.testing.assert_allclose(average["upper"], upper, rtol=tolerance)


def test_an_average_of_probabilities_of_labels_has_it_too():
    theirs = sm.Logit(TABLE["y"].astype(float), sm.add_constant(X)).fit(disp=0, tol=1e-12)
    p = np.asarray(theirs.predict(sm.add_constant(X)))
    jacobian = ((p * (1 - p))[:, None] * sm.add_constant(X)).mean(axis=0)
    lower, upper = logit_ends(p.mean(), jacobian, np.asarray(theirs.cov_params()))
    for formula, loss in (("y ~ x", "logistic"), ("I(1.0 * y) ~ x", "binomial")):
        found = gl.fit(formula, TABLE, loss=loss).predictions(data=TABLE)
        np.testing.assert_allclose([found["lower"][0], found["upper"][0]], [lower, upper], rtol=1e-6)


def test_ends_stay_inside_however_far_out():
    fit = gl.fit("g ~ x", TABLE, loss="ordinal")
    with np.errstate(all="raise", under="ignore"):
        found = fit.predict({"x": [-15.0, -8.0, 8.0, 15.0]}, interval="confidence")
    assert (found.lower > 0).all()
    assert (found.lower < found.prediction).all()
    assert (found.upper <= 1).all()
    assert (found.upper >= found.prediction).all()
    far = fit.predict({"x": [-1e6, 1e6]}, interval="confidence")
    np.testing.assert_array_equal(far.prediction, [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(far.lower, far.prediction)
    np.testing.assert_array_equal(far.upper, far.prediction)
