"""What other programs call what a Fit, a loss or a penalty has: the error says what to write, and what it says is right."""

import copy
import pickle
import re

import numpy as np
import pytest
import statsmodels.api as sm

import gradline as gl
from gradline.api.other_words import ELSEWHERE

rng = np.random.default_rng(3)
X = rng.normal(size=(60, 2))
Y = X @ [1.0, -2.0] + rng.normal(size=60)
FIT = gl.fit(X, Y, names=["x1", "x2"])
THEIRS = sm.OLS(Y, sm.add_constant(X)).fit()


def advice(thing, name):
    with pytest.raises(AttributeError) as raised:
        getattr(thing, name)
    return re.fullmatch(r".* has no attribute '\w+'; here it is (.*)", str(raised.value))[1]


def meant(name):
    """What the advice of one expression gives."""
    return eval(advice(FIT, name).split(";")[0].split(", in the")[0], {"fit": FIT, "data": X, "gl": gl})


NUMBERS = ["params", "bse", "pvalues", "tvalues", "rsquared", "rsquared_adj", "llf", "mse_resid", "f_pvalue", "nobs"]


@pytest.mark.parametrize("name", [*NUMBERS, "conf_int", "cov_params"])
def test_what_statsmodels_has_is_there_under_the_name_given(name):
    theirs = getattr(THEIRS, name)
    theirs = theirs() if callable(theirs) else theirs
    ours = np.column_stack([meant(name).lower, meant(name).upper]) if name == "conf_int" else meant(name)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_what_scikit_learn_has_is_there_under_the_name_given():
    assert advice(FIT, "coef_").startswith("fit.slopes, and fit.intercept")
    np.testing.assert_allclose(FIT.slopes, THEIRS.params[1:])
    assert meant("intercept_") == pytest.approx(THEIRS.params[0])


@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_word_leads_to_what_a_fit_has(name):
    assert not hasattr(FIT, name)
    assert getattr(FIT, name, None) is None
    assert name not in dir(FIT)
    for there in re.findall(r"\bfit\.(\w+)", advice(FIT, name)):
        assert there in dir(FIT)


def test_other_words_and_copies_are_as_before():
    with pytest.raises(AttributeError, match=r"^'Fit' object has no attribute 'paramz'$"):
        FIT.paramz
    for again in (copy.copy(FIT), copy.deepcopy(FIT), pickle.loads(pickle.dumps(FIT))):
        assert again.coefficients.tolist() == FIT.coefficients.tolist()
    assert not hasattr(FIT, "__array__")


def test_an_error_inside_a_property_is_shown_as_it_is():
    class Broken(gl.Fit):
        @property
        def broken(self):
            return self.coefficients.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        Broken.of(FIT).broken


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("mean_squared_error", "gl.losses.squared"),
        ("mse", "gl.losses.squared"),
        ("MSELoss", "gl.losses.squared"),
        ("mae", "gl.losses.absolute"),
        ("l1", "gl.losses.absolute"),
        ("Huber", "gl.losses.huber(...)"),
        ("BCEWithLogitsLoss", "gl.losses.logistic"),
        ("pinball", "gl.losses.quantile(...)"),
    ],
)
def test_what_other_programs_call_a_loss(name, here):
    assert advice(gl.losses, name) == here
    assert not hasattr(gl.losses, name)
    assert name not in dir(gl.losses)


@pytest.mark.parametrize("name", ["l2", "L2", "tikhonov", "weight_decay"])
def test_what_other_programs_call_a_ridge(name):
    assert advice(gl.penalties, name) == "gl.penalties.ridge(...)"
    assert not hasattr(gl.penalties, name)


@pytest.mark.parametrize("module", [gl.losses, gl.penalties])
def test_a_name_that_nobody_has(module):
    with pytest.raises(AttributeError, match=r"^module 'gradline\.\w+' has no attribute 'nothing_such'$"):
        module.nothing_such


def test_what_makes_a_penalty_is_no_penalty():
    with pytest.raises(gl.ArgumentTypeError, match=r"makes a penalty: call it, as in penalty=gl\.penalties\.ridge\(0\.1\)"):
        gl.fit(X, Y, penalty=gl.penalties.ridge)
    with pytest.raises(gl.ArgumentTypeError, match=r"penalty=Ridge is a class: make an object of it, as in penalty=Ridge\(\.\.\.\)"):
        gl.fit(X, Y, penalty=gl.penalties.Ridge)


@pytest.mark.parametrize(
    ("name", "here"),
    [("W", "fit.slopes"), ("slope", "fit.slopes"), ("coefficient", "fit.coefficients, in the order of fit.names"), ("b", "fit.intercept")],
)
def test_what_a_lesson_calls_a_coefficient(name, here):
    assert advice(gl.fit(X, Y), name) == here


@pytest.mark.parametrize(
    ("name", "here"), [("Ridge", "ridge("), ("Lasso", "lasso("), ("logit", 'loss="logistic"'), ("OLS", 'gl.fit("y ~ x"')]
)
def test_what_other_programs_call_a_model(name, here):
    assert here in advice(gl, name)
    assert not hasattr(gl, name)
    assert name not in dir(gl)


def test_arguments_by_the_words_of_other_programs():
    with pytest.raises(gl.ArgumentTypeError, match=r"LinearRegression\(\) .*'alpha'; here it is penalty=gl\.penalties\.ridge\("):
        gl.LinearRegression(alpha=1)
    with pytest.raises(gl.ArgumentTypeError, match=r"path\(\) .*'cv'; here it is choose=\"folds\", folds=\.\.\."):
        gl.path(X, Y, penalty=gl.penalties.lasso(), cv=5)
    with pytest.raises(gl.InferenceError, match=r"covariance 'robust' is not known; did you mean 'HC3'\?"):
        gl.fit(X, Y, covariance="robust")


def test_a_classifier_says_why_it_takes_no_parts():
    with pytest.raises(AttributeError, match=r"this LinearClassifier has no partial_fit: only sums .* the loss 'logistic' needs the rows"):
        gl.LinearClassifier().partial_fit
    with pytest.raises(AttributeError, match="no attribute 'nothing_such'"):
        gl.LinearClassifier().nothing_such
