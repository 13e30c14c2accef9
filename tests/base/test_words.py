"""Words of other tools, and slips of the pen: what is said is what to write."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradline as gl
from gradline.base.words import nearest
from gradline.losses.arguments import NAMES, by_name

X = np.random.default_rng(50).normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0] + np.random.default_rng(51).normal(size=60)
G = np.array(["a", "b", "c"])[np.arange(60) % 3]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("quantil", "quantile"),
        ("hubber", "huber"),
        ("logistc", "logistic"),
        ("poison", "poisson"),
        ("Squared", "squared"),
        ("gama", "gamma"),
        ("multinominal", "multinomial"),
        ("absolut", "absolute"),
        ("caucy", "cauchy"),
        ("expectiles", "expectile"),
        ("log_kosh", "log_cosh"),
    ],
)
def test_a_slip_is_understood(word, meant):
    assert nearest(word, NAMES) == [meant]


@pytest.mark.parametrize("word", ["cox", "ranking", "tobit", "inverse_gaussian", "von_mises", "skellam"])
def test_a_name_far_off_is_not_suggested(word):
    assert nearest(word, NAMES) == []
    with pytest.raises(ValueError, match=rf"no loss is named '{word}'; known are absolute.*or a function loss\(y, pred"):
        by_name(word)


@given(st.sampled_from(NAMES), st.data())
def test_one_letter_left_out_of_a_long_name_is_understood(name, data):
    place = data.draw(st.integers(0, len(name) - 1))
    slip = name[:place] + name[place + 1 :]
    # What is left of cloglog is another name, and lolog is no more like loglog than many a word.
    assert nearest(slip, NAMES) == [slip if slip in NAMES else name] or len(name) < 5 or slip == "lolog"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("mean_squared_error", "squared"),
        ("MeanSquaredError", "squared"),
        ("mean-absolute-error", "absolute"),
        ("l1", "absolute"),
        ("huber_loss", "huber"),
        ("binary_crossentropy", "logistic"),
        ("sparse_categorical_crossentropy", "multinomial"),
        ("nb", "neg"),
    ],
)
def test_what_other_tools_call_a_loss(word, meant):
    with pytest.raises(ValueError, match=rf"no loss is named '{word}'; did you mean {meant}"):
        gl.fit(X, Y, loss=word)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("optimizer", "solver=gl.GradientDescent(learning_rate=0.01)"),
        ("lr", "solver=gl.GradientDescent(learning_rate=...)"),
        ("epochs", "solver=gl.GradientDescent(epochs=..., batch_size=...)"),
        ("sample_weight", "weights="),
        ("criterion", "loss="),
        ("lam", "gl.penalties.ridge"),
        ("fit_intercept", "intercept="),
        ("na_action", "missing="),
        ("robust", 'covariance="HC1"'),
        ("wieghts", "weights"),
    ],
)
def test_what_other_tools_call_an_argument(word, told):
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{word}'; .*{re.escape(told)}"):
        gl.fit(X, Y, **{word: 1})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: gl.GradientDescent(lr=0.1), "write learning_rate=0.1"),
        (lambda: gl.GradientDescent(learning_rat=0.1), "write learning_rate=0.1"),
        (lambda: gl.Newton(maxiter=7), "write max_steps=7"),
        (lambda: gl.LBFGS(tol=1e-3), "write tolerance=0.001"),
        (lambda: gl.LBFGS(m=5), "write memory=5"),
        (lambda: gl.LeastSquares(lr=1), "it takes accuracy"),
        (lambda: gl.GradientDescent(batch=8), "write batch_size=8"),
        (lambda: gl.GradientDescent(max_iter=8), "write steps=8"),
        (lambda: gl.ActiveSetNewton(max_iter=8), "write max_steps=8"),
        (lambda: gl.PiecewiseLinear(max_iter=8), "it takes none"),
    ],
)
def test_what_other_tools_call_an_option_of_a_solver(make, told):
    with pytest.raises(gl.ArgumentTypeError, match=f"has no option .*{told}"):
        make()


def test_too_many_options_of_a_solver():
    with pytest.raises(gl.ArgumentTypeError, match=r"LeastSquares\(\) takes accuracy; 2 values were given"):
        gl.LeastSquares("auto", 3)


def test_solvers_are_made_copied_and_pickled_as_before():
    solver = gl.GradientDescent(0.5, steps=3)
    assert replace(solver, steps=4) == gl.GradientDescent(learning_rate=0.5, steps=4)
    assert pickle.loads(pickle.dumps(solver)) == solver


def test_one_row_given_as_a_list():
    fit = gl.fit(X, Y)
    with pytest.raises(ValueError, match=r"data has 1 column, .*for one row of 3 values give a list of rows, \[\[1, 2, 3\]\]"):
        fit.predict([1, 2, 3])
    assert fit.predict([[1, 2, 3]]).shape == (1,)


def test_text_for_a_target():
    with pytest.raises(TypeError, match=r"y holds text, 'b' in row 1.*y == 'b' with loss=\"logistic\".*multinomial\" takes text as it is"):
        gl.fit(X, np.where(G == "a", "1", G), loss="logistic")
    codes = np.unique(G, return_inverse=True)[1]
    np.testing.assert_array_equal(gl.fit(X, G, loss="multinomial").coefficients, gl.fit(X, codes, loss="multinomial").coefficients)
    assert gl.fit(X, G == "b", loss="logistic").coefficients.shape == (4,)
    words = r"write I\(g == 'a'\) in its place.*for several take loss=multinomial"
    with pytest.raises(TypeError, match=words):
        gl.fit("g ~ x", {"g": G, "x": X[:, 0]}, loss="logistic")


@pytest.mark.parametrize("words", [["y", os.path.expanduser("~"), "x"], ["y", "~", "x"]])
def test_a_formula_without_quotes_on_the_command_line(words, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("y,x\n1,2\n2,3\n4,5\n")
    done = subprocess.run([sys.executable, "-m", "gradline", "fit", str(path), *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "a formula stands in quotes" in done.stderr
    assert "gradline fit flats.csv 'price ~ area + rooms'" in done.stderr
