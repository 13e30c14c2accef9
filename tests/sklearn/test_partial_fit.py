"""partial_fit of squared loss: the fit of all rows so far, from sums, whatever their order and parts."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import learning_curve

import gradline as gl


def table(n=300, p=4, q=None, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, p)) * [1.0, 3.0, 0.2, 10.0][:p] + [0.0, 5.0, -1.0, 30.0][:p]
    y = x @ generator.normal(size=(p, q or 1)) + 2.0 + generator.normal(size=(n, q or 1))
    return x, y if q else y[:, 0]


def batches(n, generator):
    """The rows in a random order, cut at random places."""
    order = generator.permutation(n)
    cuts = np.sort(generator.choice(np.arange(1, n), size=generator.integers(0, 40), replace=False))
    return np.split(order, cuts)


def close(found, expected, digits=1e-13):
    assert np.abs(found - expected).max() <= digits * np.abs(expected).max()


PENALTIES = {
    "none": None,
    "ridge": gl.penalties.ridge(0.3),
    "lasso": gl.penalties.lasso(0.4),
    "net": gl.penalties.elastic_net(0.3, 0.5),
    "quadratic": gl.penalties.quadratic(np.diag([1.0, 2.0, 0.0, 3.0]), 0.2),
}


@pytest.mark.parametrize("seed", range(50))
def test_any_order_and_any_parts_are_the_fit_of_all_rows(seed):
    generator = np.random.default_rng(seed)
    x, y = table(seed=seed)
    weights = generator.uniform(0.2, 3.0, len(y)) if seed % 2 else None
    settings = {"fit_intercept": seed % 3 != 0, "penalty": list(PENALTIES.values())[seed % 2]}
    model = gl.LinearRegression(**settings)
    for rows in batches(len(y), generator):
        assert model.partial_fit(x[rows], y[rows], None if weights is None else weights[rows]) is model
    whole = gl.LinearRegression(**settings).fit(x, y, weights)
    close(np.r_[model.coef_, model.intercept_], np.r_[whole.coef_, whole.intercept_])
    np.testing.assert_allclose(model.predict(x), whole.predict(x), rtol=1e-11)
    assert model.result_.rows_used == len(y)
    assert model.result_.fingerprint == whole.result_.fingerprint


@pytest.mark.filterwarnings("ignore:the penalty:gradline.base.warnings.GradlineWarning")
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", PENALTIES)
def test_any_penalty(name, intercept):
    x, y = table(seed=3)
    settings = {"penalty": PENALTIES[name], "fit_intercept": intercept}
    whole = gl.LinearRegression(**settings).fit(x, y)
    model = gl.LinearRegression(**settings)
    for rows in batches(len(y), np.random.default_rng(1)):
        model.partial_fit(x[rows], y[rows])
    close(np.r_[model.coef_, model.intercept_], np.r_[whole.coef_, whole.intercept_], 1e-11)
    assert model.result_.loss == pytest.approx(whole.result_.loss, rel=1e-10)


def test_a_scaled_penalty_takes_the_spread_of_all_rows():
    x, y = table(seed=4)
    penalty = gl.penalties.lasso(0.05, scaled=True)
    model = gl.LinearRegression(penalty=penalty)
    for rows in np.split(np.arange(300), [20, 100]):
        model.partial_fit(x[rows], y[rows])
    close(model.coef_, gl.LinearRegression(penalty=penalty).fit(x, y).coef_, 1e-10)


@pytest.mark.parametrize("q", [None, 1, 2])
def test_standard_errors_are_those_of_the_rows(q):
    x, y = table(q=q)
    frequencies = np.random.default_rng(2).integers(0, 3, len(y))
    weights = np.random.default_rng(3).uniform(0.5, 2.0, len(y))
    whole = gl.LinearRegression().fit(x, y, weights, frequencies=frequencies)
    model = gl.LinearRegression()
    for rows in np.split(np.arange(len(y)), [50, 51, 200]):
        model.partial_fit(x[rows], y[rows], weights[rows], frequencies=frequencies[rows])
    assert model.coef_.shape == whole.coef_.shape
    assert np.shape(model.intercept_) == np.shape(whole.intercept_)
    ours, theirs = model.result_, whole.result_
    np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors, rtol=1e-10)
    np.testing.assert_allclose(ours.r_squared, theirs.r_squared, rtol=1e-10)
    assert ours.rows_used == theirs.rows_used == np.count_nonzero(frequencies)
    assert ours.rows_dropped == theirs.rows_dropped
    np.testing.assert_allclose(ours.covariance().matrix, theirs.covariance().matrix, rtol=1e-9)
    # The rows can be given again, and are known.
    robust = ours.with_covariance("HC3", x, y, weights=weights, frequencies=frequencies)
    np.testing.assert_allclose(
        robust.standard_errors, theirs.with_covariance("HC3", x, y, weights=weights, frequencies=frequencies).standard_errors, rtol=1e-9
    )


def test_the_penalty_and_the_intercept_may_change_between_parts():
    x, y = table()
    model = gl.LinearRegression().partial_fit(x[:100], y[:100])
    model.set_params(penalty=gl.penalties.ridge(2.0), fit_intercept=False).partial_fit(x[100:], y[100:])
    close(model.coef_, gl.LinearRegression(penalty=gl.penalties.ridge(2.0), fit_intercept=False).fit(x, y).coef_)
    assert model.intercept_ == 0.0


def test_an_offset_is_taken_off():
    x, y = table()
    offset = np.random.default_rng(5).normal(size=len(y))
    model = gl.LinearRegression()
    for rows in np.split(np.arange(len(y)), [150]):
        model.partial_fit(x[rows], y[rows] + offset[rows], offset=offset[rows])
    close(model.coef_, gl.LinearRegression().fit(x, y).coef_)
    with pytest.raises(ValueError, match="fitted with offset="):
        model.predict(x)
    np.testing.assert_allclose(model.predict(x, offset=offset), gl.LinearRegression().fit(x, y).predict(x) + offset, rtol=1e-10)
    with pytest.raises(ValueError, match="the rows before came with offset=: give one for every row"):
        model.partial_fit(x, y)


def test_few_rows_at_first():
    x, y = table(40)
    model = gl.LinearRegression()
    for row in range(40):
        model.partial_fit(x[row : row + 1], y[row : row + 1])
        assert np.isfinite(model.predict(x)).all()
    close(model.coef_, gl.LinearRegression().fit(x, y).coef_, 1e-12)


def test_frames_are_matched_by_name_and_other_columns_are_refused():
    x, y = table()
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    model = gl.LinearRegression().partial_fit(frame[:100], y[:100])
    model.partial_fit(frame[["d", "a", "c", "b"]][100:], y[100:])
    close(model.coef_, gl.LinearRegression().fit(frame, y).coef_)
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="data has no column 'b'"):
        model.partial_fit(frame.drop(columns="b"), y)
    with pytest.raises(ValueError, match="X has a column 'e', which the rows before did not have; they had a, b, c, d"):
        model.partial_fit(frame.assign(e=1.0), y)


def test_bad_input_leaves_the_sums_as_they_were():
    x, y = table()
    model = gl.LinearRegression().partial_fit(x, y)
    before = model.coef_.copy()
    for bad, match in (
        (lambda: model.partial_fit(x[:, :3], y), "X has 3 features, but LinearRegression is expecting 4 features as input"),
        (lambda: model.partial_fit(x, np.c_[y, y]), "y has 2 targets, but there were 1 before"),
        (lambda: model.partial_fit(np.where(x > 30, np.nan, x), y), "X holds NaN in row"),
        (lambda: model.partial_fit(x, y, offset=y), "the rows before came without offset="),
        (lambda: model.partial_fit(x, y, frequencies=np.full(300, 0.5)), "frequencies is 0.5 in row 0"),
        (lambda: model.partial_fit(x, None), "requires y to be passed"),
    ):
        with pytest.raises(ValueError, match=match):
            bad()
    model.partial_fit(x, y)
    close(model.coef_, before, 1e-12)
    assert model.result_.rows_used == 600


def test_a_loss_that_needs_its_rows_has_no_partial_fit():
    for loss in ("absolute", gl.losses.huber(1.0), lambda y, p: (y - p) ** 2):
        model = gl.LinearRegression(loss=loss)
        assert not hasattr(model, "partial_fit")
        with pytest.raises(
            AttributeError, match="this LinearRegression has no partial_fit: only sums of products tell all that a loss needs"
        ):
            model.partial_fit([[1.0]], [1.0])
    assert hasattr(gl.LinearRegression(loss=gl.losses.squared), "partial_fit")
    with pytest.raises(AttributeError, match="has no use for solver="):
        gl.LinearRegression(solver=gl.GradientDescent()).partial_fit([[1.0]], [1.0])


def test_what_needs_the_rows_is_refused():
    x, y = table()
    for settings, match in (
        ({"covariance": "HC3"}, "covariance='HC3' needs the rows again"),
        ({"penalty": gl.penalties.ridge("auto")}, 'a strength of "auto" is chosen by rows that are held out'),
        ({"penalty": gl.penalties.lasso("auto")}, 'a strength of "auto" is chosen by rows that are held out'),
    ):
        with pytest.raises(ValueError, match=match):
            gl.LinearRegression(**settings).partial_fit(x, y)


def test_after_fit_the_rows_begin_anew_and_a_warning_says_so():
    x, y = table()
    model = gl.LinearRegression().fit(x, y)
    with pytest.warns(gl.GradlineWarning, match="partial_fit begins anew"):
        model.partial_fit(x[:50], y[:50])
    assert model.result_.rows_used == 50
    assert model.fit(x, y).result_.rows_used == 300
    with pytest.raises(NotFittedError):
        clone(model).predict(x)


def test_columns_that_depend_are_named_and_few_digits_are_told():
    x, y = table()
    with pytest.warns(gl.GradlineWarning, match="left out of the model, since constant or determined by earlier columns: 'x5'"):
        model = gl.LinearRegression().partial_fit(np.c_[x, x[:, 0] + x[:, 1]], y)
    assert model.result_.aliased == ("x5",)
    near = np.c_[x, x[:, 0] + 3e-6 * np.random.default_rng(6).normal(size=300)]
    with pytest.warns(gl.GradlineWarning, match="fewer than 8 digits"):
        gl.LinearRegression().partial_fit(near, y)


def test_pickled_between_parts():
    x, y = table()
    model = pickle.loads(pickle.dumps(gl.LinearRegression().partial_fit(x[:100], y[:100]))).partial_fit(x[100:], y[100:])
    close(model.coef_, gl.LinearRegression().fit(x, y).coef_)


def test_learning_curves_grow_by_parts():
    x, y = table()
    model = gl.LinearRegression(penalty=gl.penalties.ridge(0.1))
    by_parts = learning_curve(model, x, y, cv=3, exploit_incremental_learning=True)
    anew = learning_curve(model, x, y, cv=3)
    np.testing.assert_allclose(by_parts[2], anew[2], rtol=1e-10)


@pytest.mark.parametrize(
    "settings",
    [
        {"positive": True},
        {"positive": True, "penalty": gl.penalties.ridge(0.1)},
        {"constraints": "x1 + x2 = 1, x3 >= 0.1"},
        {"constraints": "Intercept >= 3"},
        {"constraints": "x1 + x2 = 1", "fit_intercept": False},
    ],
)
def test_constraints_are_held_by_the_sums_as_by_the_rows(settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) + 3
    y = X @ [1.0, -0.5, 0.02, 0.3, -0.1] + rng.normal(size=300) + 2
    whole, parts = gl.LinearRegression(**settings).fit(X, y), gl.LinearRegression(**settings)
    for part in np.array_split(rng.permutation(300), 7):
        parts.partial_fit(X[part], y[part])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=0, atol=1e-13)
    np.testing.assert_allclose(parts.intercept_, whole.intercept_, rtol=0, atol=1e-13)
    assert parts.result_.active_constraints == whole.result_.active_constraints
