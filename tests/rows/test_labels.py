"""Indexes of pandas objects that are given side by side: the same rows in the same order, or an error that says where they part."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statsmodels.api import OLS

import gradline as gl
from gradline.rows.labels import check_same_labels, of_arguments

GENERATOR = np.random.default_rng(5)
X = pd.DataFrame(GENERATOR.normal(size=(30, 2)), columns=["a", "b"], index=[f"r{i}" for i in range(30)])
Y = (3 * X["a"] - X["b"] + 0.1 * GENERATOR.normal(size=30)).rename("y")
SHUFFLED = Y.sample(frac=1, random_state=1)
GROUPS = pd.Series(np.arange(30) % 5, index=X.index)
FIT = gl.fit(X, Y)
OFFSET = gl.fit(X, Y, offset=Y * 0)
PATH = gl.fit(X, Y, solver=gl.GradientDescent(learning_rate=0.1, steps=2000))
OTHER = pd.Series(1.0, index=SHUFFLED.index)

DOORS = {
    "fit": lambda: gl.fit(X, SHUFFLED),
    "fit of one column": lambda: gl.fit(X["a"], SHUFFLED),
    "several targets": lambda: gl.fit(X, SHUFFLED.to_frame().assign(z=1.0)),
    "weights": lambda: gl.fit(X, Y, weights=OTHER),
    "weights beside an array": lambda: gl.fit(X, Y.to_numpy(), weights=OTHER),
    "frequencies": lambda: gl.fit(X, Y, frequencies=OTHER),
    "offset": lambda: gl.fit(X, Y, offset=OTHER),
    "groups": lambda: gl.fit(X, Y, covariance="cluster", groups=GROUPS[SHUFFLED.index]),
    "two-way groups": lambda: gl.fit(X, Y, covariance=("cluster", (GROUPS, GROUPS[SHUFFLED.index]))),
    "a dict of Series": lambda: gl.fit("y ~ a", {"a": X["a"], "y": SHUFFLED}),
    "predict from a dict": lambda: gl.fit("y ~ a + b", X.assign(y=Y)).predict({"a": X["a"], "b": SHUFFLED}),
    "offset of predict": lambda: OFFSET.predict(X, offset=OTHER),
    "residuals": lambda: FIT.residuals(X, SHUFFLED),
    "diagnose": lambda: FIT.diagnose(X, SHUFFLED),
    "with_covariance": lambda: FIT.with_covariance("HC3", X, SHUFFLED),
    "groups of with_covariance": lambda: FIT.with_covariance("cluster", X, Y, groups=GROUPS[SHUFFLED.index]),
    "calibration": lambda: FIT.predict(X, interval="prediction", calibration=(X, SHUFFLED + 1)),
    "report": lambda: FIT.report(X, SHUFFLED),
    "estimator": lambda: gl.LinearRegression().fit(X, SHUFFLED),
    "sample_weight": lambda: gl.LinearRegression().fit(X, Y, sample_weight=OTHER),
    "score": lambda: gl.LinearRegression().fit(X, Y).score(X, SHUFFLED),
    "weights of moments": lambda: gl.Moments(X, weights=OTHER),
    "moments of a dict": lambda: gl.Moments({"a": X["a"], "y": SHUFFLED}),
    "moments of arrays": lambda: gl.Moments.from_arrays(X, SHUFFLED),
    "plot of a fit": lambda: gl.plot.fit(gl.fit(X["a"], Y), X["a"], SHUFFLED),
    "scatter": lambda: gl.plot.data(X["a"], SHUFFLED),
    "groups of a scatter": lambda: gl.plot.data(X["a"], Y, groups=GROUPS[SHUFFLED.index]),
    "descent": lambda: gl.plot.descent(PATH, X, Y, weights=OTHER),
}


@pytest.mark.parametrize("door", DOORS)
def test_indexes_that_disagree_are_refused_at_every_door(door):
    with pytest.raises(ValueError, match=r"(?s)indexes disagree: row 0 is 'r0' in .* and 'r17' in .*\.to_numpy\(\)"):
        DOORS[door]()


def test_what_the_message_says_to_write_gives_the_answer_of_the_labels():
    with pytest.raises(ValueError, match=re.escape("write y.reindex(X.index) to put it in the order of X")):
        gl.fit(X, SHUFFLED)
    right = OLS(Y, X.assign(one=1.0)[["one", "a", "b"]]).fit().params
    np.testing.assert_allclose(gl.fit(X, SHUFFLED.reindex(X.index)).coefficients, right, rtol=1e-12)
    by_position = OLS(SHUFFLED.to_numpy(), X.assign(one=1.0)[["one", "a", "b"]].to_numpy()).fit().params
    np.testing.assert_allclose(gl.fit(X, SHUFFLED.to_numpy()).coefficients, by_position, rtol=1e-11)


def test_labels_that_are_not_the_same_or_repeat():
    with pytest.raises(ValueError, match=r"row 29 is 'r29' in X and 'z' in y.*the labels are not the same"):
        gl.fit(X, Y.rename({"r29": "z"}))
    twice = Y.rename({"r1": "r0"})
    gl.fit(X.rename({"r1": "r0"}), twice)
    with pytest.raises(ValueError, match=r"row 1 is 'r1' in X and 'r0' in y.*labels repeat"):
        gl.fit(X, twice)
    with pytest.raises(ValueError, match="row 0 is 'r0' in X and 0 in y"):
        gl.fit(X, Y.reset_index(drop=True))
    with pytest.raises(ValueError, match="y has 29 rows but X has 30"):
        gl.fit(X, Y[1:])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pd.RangeIndex(3), pd.Index([0.0, 1.0, 2.0])),
        (pd.Index(["a", "b", "c"]), pd.CategoricalIndex(["a", "b", "c"])),
        (pd.Index([1, 1, np.nan]), pd.Index([1, 1, np.nan], name="id")),
        (pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")]), pd.MultiIndex.from_arrays([[1, 1, 2], ["a", "b", "a"]])),
        (pd.date_range("2020", periods=3), pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-03"])),
    ],
)
def test_indexes_of_other_types_that_say_the_same(first, second):
    y = pd.Series([1.0, 2.0, 4.0])
    np.testing.assert_allclose(gl.fit(y.set_axis(first), (2 * y).set_axis(second)).slopes, [2.0])
    with pytest.raises(ValueError, match="row 0 is"):
        gl.fit(y.set_axis(first), (2 * y).set_axis(second)[::-1])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b"])), min_size=1, max_size=12), st.data())
def test_the_first_row_that_differs_is_named(labels, data):
    other = list(labels)
    place = data.draw(st.integers(0, len(labels) - 1))
    other[place:] = data.draw(st.permutations(other[place:]))
    index, changed = pd.Index(labels, dtype=object), pd.Index(other, dtype=object)
    differ = [i for i, (a, b) in enumerate(zip(labels, other, strict=True)) if a != b]
    both = of_arguments(X=pd.Series(0.0, index=index), y=pd.Series(0.0, index=changed))
    if not differ:
        check_same_labels(both)
    else:
        i = differ[0]
        with pytest.raises(ValueError, match=re.escape(f"row {i} is {labels[i]!r} in X and {other[i]!r} in y")):
            check_same_labels(both)


def test_a_start_goes_by_the_names_of_its_index():
    right = FIT.coefficients
    solver = gl.GradientDescent(learning_rate=0.1, steps=5)
    start = pd.Series(right, index=FIT.names)
    np.testing.assert_allclose(gl.fit(X, Y, solver=solver, start=start).coefficients, right, rtol=1e-9)
    np.testing.assert_allclose(gl.fit(X, Y, solver=solver, start=start.reset_index(drop=True)).coefficients, right, rtol=1e-9)
    with pytest.raises(
        ValueError, match=re.escape("start is indexed by 'b' where the model has 'Intercept'") + r".*reindex\(\['Intercept', 'a', 'b'\]\)"
    ):
        gl.fit(X, Y, solver=solver, start=start[::-1])
    with pytest.raises(ValueError, match="indexed by 'c' where the model has 'b'"):
        gl.fit(X, Y, solver=solver, start=start.rename({"b": "c"}))
    with pytest.raises(ValueError, match="start holds NaN"):
        gl.fit(X, Y, solver=solver, start=np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]))
