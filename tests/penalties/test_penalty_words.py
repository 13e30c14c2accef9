"""What is said of a penalty that is not what was meant, and what to do."""

import re

import numpy as np
import pytest

import gradline as gl
from gradline.cli.wording import as_options

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 3))
Y = X[:, 0] + RNG.normal(size=40)


def own_size(b):
    return np.abs(b)


REFUSED = {
    "folds that nobody asked for": (lambda: gl.path(X, Y, folds=5), 'it goes with choose="folds" or "blocks"'),
    "a plain function": (lambda: gl.fit(X, Y, penalty=own_size), "gl.penalties.custom(own_size, strength=0.1)"),
    "a lambda": (lambda: gl.fit(X, Y, penalty=lambda b: abs(b)), "gl.penalties.custom(lambda b: ..., strength=0.1)"),
    "a ridge has no path": (lambda: gl.path(X, Y, penalty=gl.penalties.ridge("auto")), 'penalty=gl.penalties.ridge("auto")'),
    "a path of one strength": (lambda: gl.path(X, Y, penalty=gl.penalties.lasso(0.1)), "given without a strength: gl.penalties.lasso()"),
    "a path of an own penalty": (lambda: gl.path(X, Y, penalty=gl.penalties.custom(own_size)), 'of your own takes strength="auto"'),
    "a path from sums": (
        lambda: gl.path("y ~ .", gl.Moments.from_arrays(X, Y), penalty=gl.penalties.lasso(0.1)),
        "given without a strength: gl.penalties.lasso()",
    ),
    "an automatic ridge in a sum": (
        lambda: gl.penalties.lasso() + gl.penalties.ridge("auto"),
        "in a sum a ridge has a strength, as in gl.penalties.ridge(1)",
    ),
    "an elastic net that is a ridge": (
        lambda: gl.fit(X, Y, penalty=gl.penalties.elastic_net("auto", 0)),
        "at l1_share=0 an elastic",
    ),
    "a path of an elastic net and a loss with kinks": (
        lambda: gl.path(X, Y, loss=gl.losses.quantile(0.5), penalty=gl.penalties.elastic_net()),
        "has a smooth part: gl.fit takes it with a strength that is given",
    ),
    "one over zero": (
        lambda: gl.fit(X, Y, penalty=gl.penalties.lasso(0.1, weights=np.array([np.inf, 1, 1]))),
        "the factor of 'x1' must be finite and at least 0, not inf, as one over a slope of zero is",
    ),
    "a factor below zero": (lambda: gl.fit(X, Y, penalty=gl.penalties.lasso(0.1, weights=-np.ones(3))), "at least 0, not -1"),
    "a factor of the intercept": (lambda: gl.fit(X, Y, penalty=gl.penalties.lasso(0.1, weights=np.ones(4))), "the intercept has none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_to_do(case):
    call, words = REFUSED[case]
    with pytest.raises(ValueError if case not in {"a plain function", "a lambda", "an automatic ridge in a sum"} else TypeError) as error:
        call()
    assert words in str(error.value)
    assert "np.float64" not in str(error.value)


def test_a_penalty_from_a_file_says_how_to_get_errors(tmp_path):
    gl.fit(X, Y, penalty=gl.penalties.lasso(0.1)).save(tmp_path / "fit.json")
    with pytest.raises(gl.ModelFileError, match=r"from a model file only the name, .*: fit anew with gl\.fit"):
        gl.load(tmp_path / "fit.json").with_covariance("debiased", X, Y)


def test_the_command_does_not_offer_row_weights_for_slopes():
    with pytest.warns(gl.GradlineWarning, match=re.escape("or a factor for each column (weights=)")) as seen:
        gl.fit(X * [1000, 1, 1], Y, penalty=gl.penalties.lasso(0.1))
    said = as_options(str(seen[0].message))
    assert "--weights" not in said
    assert "in the formula, as in scale(x)" in said


def test_one_elastic_net_beside_a_loss_with_kinks_is_taken():
    fit = gl.fit(X, Y, loss=gl.losses.quantile(0.5), penalty=gl.penalties.elastic_net(0.1))
    assert fit.certificate.converged


def test_a_path_says_where_its_best_strength_is_the_last():
    strong = gl.path(X, Y, strengths=[0.5, 0.4], choose="folds")
    assert strong.best == 0.4
    assert "the best is the smallest tried, and smaller ones may be better" in repr(strong)
    assert "smaller ones" not in repr(gl.path(X, Y, strengths=[0.5, 0.4, 0.0], choose="folds"))
    assert repr(gl.path(X, Y, strengths=[0.5])).startswith("Path(1 strength from")


def test_a_series_of_factors_goes_by_its_index():
    pandas = pytest.importorskip("pandas")
    factors = {"x1": 1.0, "x2": 0.0, "x3": 2.0}
    frame = pandas.DataFrame(X, columns=list(factors))
    by_name = gl.fit(frame, Y, penalty=gl.penalties.lasso(0.1, weights=factors))
    turned = pandas.Series(factors)[["x3", "x1", "x2"]]
    np.testing.assert_array_equal(gl.fit(frame, Y, penalty=gl.penalties.lasso(0.1, weights=turned)).coefficients, by_name.coefficients)
