"""A column that others say but for its last digits: fitted as fast and as well as in columns that tell what it has of its own."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gradline as gl
from gradline.design.categorical import CategoricalDesign
from gradline.design.dense import DenseDesign
from gradline.design.stacked import StackedDesign
from gradline.preparing import from_table
from gradline.rows.column_change import ColumnChange, Remainders
from gradline.solvers.near_copies import near_copies

LOSSES = {
    "poisson": ("count", "poisson"),
    "negative_binomial": ("over", "negative_binomial"),
    "logistic": ("label", "logistic"),
    "probit": ("label", "probit"),
    "huber": ("real", gl.losses.huber(1.35, scale="joint")),
    "huber of a fixed scale": ("real", gl.losses.huber(1.35)),
    "normal": ("real", "normal"),
    "quantile": ("real", gl.losses.quantile(0.5)),
    "hinge": ("sign", "hinge"),
    "multinomial": ("category", "multinomial"),
}
SAME = "x + bs(u) + poly(z, 2)"


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(0)
    n = 6000
    x, u, z = 5 + 2 * random.normal(size=n), random.uniform(size=n), random.normal(size=n)
    eta = 0.3 * (x - 5) + np.sin(6 * u) + 0.2 * z + 0.1 * z**2
    mean = np.exp(0.7 * eta)
    label = (random.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    scores = np.column_stack([np.zeros(n), eta, -0.5 * eta]) + random.gumbel(size=(n, 3))
    single = x.astype(np.float32)
    own = single.astype(float) - x
    return pd.DataFrame(
        {
            "x": x,
            "u": u,
            "z": z,
            "f32": single,
            "own": own / own.std(),
            "real": eta + random.normal(size=n),
            "count": random.poisson(mean).astype(float),
            "over": random.poisson(mean * random.gamma(2, 0.5, size=n)).astype(float),
            "label": label,
            "sign": 2 * label - 1,
            "category": np.array(["a", "b", "c"])[scores.argmax(axis=1)],
        }
    )


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", gl.GradlineWarning)
        yield


@pytest.mark.parametrize("name", LOSSES)
def test_a_copy_in_single_precision(frame, name):
    target, loss = LOSSES[name]
    fit = gl.fit(f"{target} ~ {SAME} + center(f32)", frame, loss=loss)
    good = gl.fit(f"{target} ~ {SAME} + own", frame, loss=loss)
    assert fit.certificate.converged
    # The same space of columns: coefficients of 1e5 leave 1e-10 of rounding in the linear predictors.
    np.testing.assert_allclose(fit.loss, good.loss, rtol=1e-10)
    if name != "hinge":
        np.testing.assert_allclose(fit.predict(frame), good.predict(frame), rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(fit.standard_errors[2:-1], good.standard_errors[2:-1], rtol=1e-7)
        own = [np.ravel(one.coefficients / one.standard_errors)[-1] for one in (fit, good) if np.isfinite(one.standard_errors[-1]).all()]
        np.testing.assert_allclose(own[:1], own[1:], rtol=1e-5, atol=1e-6)
    assert fit.solution.passes <= 3 * good.solution.passes


def test_statsmodels_agrees(frame):
    fit = gl.fit("count ~ x + center(f32)", frame, loss="poisson")
    design = np.column_stack([np.ones(len(frame)), frame.x, frame.own])
    theirs = sm.GLM(frame["count"], design, family=sm.families.Poisson()).fit(tol=1e-14)
    np.testing.assert_allclose(fit.predict(frame).ravel(), theirs.fittedvalues, rtol=1e-8)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_file_and_errors_had_later(frame, tmp_path, monkeypatch, streamed):
    path = tmp_path / "rows.parquet"
    frame.to_parquet(path, row_group_size=1000)
    if streamed:
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
    fit = gl.fit(f"label ~ {SAME} + center(f32)", path, loss="logistic").with_covariance("HC1", data=path)
    good = gl.fit(f"label ~ {SAME} + own", frame, loss="logistic", covariance="HC1")
    assert fit.certificate.converged
    np.testing.assert_allclose(fit.loss, good.loss, rtol=1e-10)
    np.testing.assert_allclose(fit.standard_errors[2:-1], good.standard_errors[2:-1], rtol=1e-7)


def test_beside_levels_kept_as_codes(frame, monkeypatch):
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    data = frame.assign(g=np.char.add("g", np.random.default_rng(2).integers(0, 300, size=len(frame)).astype(str)))
    fit = gl.fit("real ~ x + f32 + C(g)", data, loss=gl.losses.log_cosh)
    good = gl.fit("real ~ x + own + C(g)", data, loss=gl.losses.log_cosh)
    assert fit.certificate.converged
    np.testing.assert_allclose(fit.loss, good.loss, rtol=1e-10)


def test_two_copies_and_one_twice(frame):
    rounded = frame.x * (1 + 1e-7 * np.random.default_rng(1).normal(size=len(frame)))
    data = frame.assign(rounded=rounded, same=frame.f32.astype(float), more=(rounded - frame.x) / 1e-7)
    with pytest.warns(gl.GradlineWarning, match="left out of the model.*'same'"):
        fit = gl.fit("label ~ x + z + f32 + rounded + same", data, loss="logistic")
    good = gl.fit("label ~ x + z + own + more", data, loss="logistic")
    assert fit.certificate.converged
    assert fit.solution.aliased == (5,)
    np.testing.assert_allclose(fit.loss, good.loss, rtol=1e-10)


def test_a_predictor_that_has_the_copy_alone_keeps_it(frame):
    apart = gl.fit({"mean": "real ~ x + z", "log_scale": "~ f32"}, frame, loss="normal")
    same = gl.fit({"mean": "real ~ x + z", "log_scale": "~ x"}, frame, loss="normal")
    assert apart.certificate.converged
    np.testing.assert_allclose(apart.loss, same.loss, rtol=1e-6)


class TestNearCopies:
    def values(self, distance):
        random = np.random.default_rng(0)
        values = np.column_stack([np.ones(500), random.normal(size=(500, 3))])
        values[:, 3] = values[:, 1] - 2.0 + distance * values[:, 3]
        return values

    @pytest.mark.parametrize("distance", [1.0, 1e-3, 1e-10, 0.0])
    def test_most_columns_stay_as_they_are(self, distance):
        assert near_copies(self.values(distance), np.ones((4, 1), dtype=bool)) is None

    def test_shares_are_those_of_the_others(self):
        found = near_copies(self.values(1e-7), np.ones((4, 1), dtype=bool))
        assert found.places.tolist() == [3]
        np.testing.assert_allclose(found.shares[:, 0], [-2.0, 1.0, 0.0, 0.0], atol=1e-7)
        left = DenseDesign(self.values(1e-7)[:, 1:], True).less_shares(found.places, found.shares, found.unit).values[:, 2]
        assert 0.5 <= np.sqrt(np.mean(left**2)) < 2.0

    def test_few_rows_say_nothing(self):
        assert near_copies(self.values(1e-7)[:15], np.ones((4, 1), dtype=bool)) is None

    def test_what_a_predictor_lacks_cannot_be_taken_off(self):
        movable = np.ones((4, 2), dtype=bool)
        movable[1, 1] = False
        assert near_copies(self.values(1e-7), movable) is None
        movable[3, 1] = False
        assert near_copies(self.values(1e-7), movable).places.tolist() == [3]


def test_linear_predictors_are_the_same():
    random = np.random.default_rng(0)
    values, codes = random.normal(size=(50, 4)), random.integers(-1, 2, size=50).astype(np.int32)
    own = Remainders(np.array([3]), np.array([[0.5], [2.0], [0.0], [0.0], [-1.0], [0.0], [0.0]]), np.array([8.0]))
    design = StackedDesign(DenseDesign(values, True), (CategoricalDesign(codes, 2),))
    change = ColumnChange(np.zeros(7), np.ones(7), True, own)
    coefficients = random.normal(size=(7, 2))
    changed = change.to_changed(coefficients)
    np.testing.assert_allclose(change.design(design).predict(changed), design.predict(coefficients), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(change.from_changed(changed), coefficients, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        change.combinations_from_changed(changed.T.reshape(14, 1)), coefficients.T.reshape(14, 1), rtol=1e-12, atol=1e-13
    )
