"""A fit does not depend on where a column's zero lies, nor on its unit."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.preparing import from_table

LOSSES = {
    "logistic": "logistic",
    "poisson": "poisson",
    "normal": "normal",
    "huber": gl.losses.huber(1.35),
    "student_t": gl.losses.student_t(4.0),
    "log_cosh": gl.losses.log_cosh,
    "expectile": gl.losses.expectile(0.8),
    "absolute": "absolute",
    "squared": "squared",
}
EPOCH = 1.7e12
"""Milliseconds since 1970."""


def rows(n=300, seed=0):
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(n, 2))
    eta = 0.3 + z @ [0.7, -0.4]
    return z, eta, generator


def target(name, eta, generator):
    if name == "logistic":
        return (generator.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)
    if name == "poisson":
        return generator.poisson(np.exp(eta)).astype(float)
    return eta + generator.standard_t(5, size=len(eta))


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", gl.GradlineWarning)
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=8, deadline=None)
@given(
    shift=st.sampled_from([0.0, -30.0, 1e3, -1e5, 1e7, 1e9, -EPOCH]),
    power=st.sampled_from([0, -8, 40, -170, 500, -500]),
    ridge=st.booleans(),
)
def test_shift_and_scale_change_nothing_but_rounding(name, shift, power, ridge):
    z, eta, generator = rows()
    y = target(name, eta, generator)
    moved = z[:, 0] + shift
    plain = np.column_stack([moved - shift, z[:, 1]])  # exactly what is left of the column
    scaled = np.column_stack([np.ldexp(moved, power), z[:, 1]])
    # A ridge is stated in the units of the coefficients.
    penalty = gl.penalties.ridge(0.1) if ridge and power == 0 and name != "absolute" else None
    right = gl.fit(plain, y, loss=LOSSES[name], penalty=penalty, covariance="default")
    found = gl.fit(scaled, y, loss=LOSSES[name], penalty=penalty, covariance="default")
    assert found.certificate.converged
    assert found.loss == pytest.approx(right.loss, rel=1e-10)
    wanted, got = np.asarray(right.coefficients), np.asarray(found.coefficients)
    slopes = got[1:] * np.ldexp(1.0, [power, 0]).reshape(2, *[1] * (got.ndim - 1))
    np.testing.assert_allclose(slopes, wanted[1:], rtol=1e-8, atol=1e-10)
    errors = found.standard_errors[1:] * np.ldexp(1.0, [power, 0]).reshape(2, *[1] * (got.ndim - 1))
    np.testing.assert_allclose(errors, right.standard_errors[1:], rtol=1e-7)
    intercept = wanted[0] - shift * wanted[1]
    np.testing.assert_allclose(got[0], intercept, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shift", [0.0, 1e6, EPOCH])
def test_logistic_regression_against_fifty_digits(shift):
    z, eta, generator = rows(40, seed=1)
    y = target("logistic", eta, generator)
    x = z[:, 0] + shift
    found = gl.fit(x, y, loss="logistic")
    with mpmath.workdps(50):
        design = mpmath.matrix([[1, mpmath.mpf(value)] for value in x.tolist()])
        centre = mpmath.mpf(float(np.median(x)))
        beta = mpmath.matrix([0, 0])
        for _ in range(40):
            score, information = mpmath.matrix(2, 1), mpmath.matrix(2, 2)
            for i in range(len(x)):
                row = mpmath.matrix([1, design[i, 1] - centre])
                p = 1 / (1 + mpmath.exp(-(row.T * beta)[0]))
                score += row * (mpmath.mpf(float(y[i])) - p)
                information += row * row.T * p * (1 - p)
            beta += information**-1 * score
        back = mpmath.matrix([[1, -centre], [0, 1]])
        covariance = back * information**-1 * back.T
        coefficients = [float(value) for value in back * beta]
        errors = [float(mpmath.sqrt(covariance[j, j])) for j in range(2)]
    np.testing.assert_allclose(found.coefficients, coefficients, rtol=1e-12)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-10)


@pytest.mark.parametrize("shift", [1e6, 1e9, EPOCH])
@pytest.mark.parametrize("kind", ["classical", "HC1", "HC3"])
def test_standard_errors_of_least_squares_keep_their_digits(shift, kind):
    z, eta, generator = rows(200, seed=2)
    y = target("squared", eta, generator)
    x = np.column_stack([z[:, 0] + shift, z[:, 1]])
    found = gl.fit(x, y, covariance=kind)
    right = gl.fit(np.column_stack([x[:, 0] - shift, z[:, 1]]), y, covariance=kind)
    np.testing.assert_allclose(found.standard_errors[1:], right.standard_errors[1:], rtol=1e-8)
    covariance = right.covariance().matrix
    far = np.array([1.0, -shift, 0.0])
    assert found.standard_errors[0] == pytest.approx(float(np.sqrt(far @ covariance @ far)), rel=1e-8)
    np.testing.assert_allclose(found.test("x1 = 0").statistic, right.test("x1 = 0").statistic, rtol=1e-7)


@pytest.mark.parametrize("loss", ["logistic", "normal"])
def test_streamed_rows(tmp_path, loss):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    z, eta, generator = rows(3000, seed=3)
    y = target(loss, eta, generator)
    label = generator.integers(0, 40, size=len(y))
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"y": y, "t": z[:, 0] + 1e9, "v": z[:, 1], "c": label}), path, row_group_size=500)
    held = gl.fit("y ~ t + v", path, loss=loss, covariance=("cluster", "c"))
    right = gl.fit(np.column_stack([(z[:, 0] + 1e9) - 1e9, z[:, 1]]), y, loss=loss, covariance=("cluster", label))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(from_table, "MOST_HELD", 10)
        streamed = gl.fit("y ~ t + v", path, loss=loss, covariance=("cluster", "c"))
    for found in (held, streamed):
        np.testing.assert_allclose(found.coefficients[1:], right.coefficients[1:], rtol=1e-8)
        np.testing.assert_allclose(found.standard_errors[1:], right.standard_errors[1:], rtol=1e-7)


def test_levels_kept_as_codes(monkeypatch):
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    generator = np.random.default_rng(4)
    n, levels = 1500, 300
    code = generator.integers(0, levels, size=n)
    code[:levels] = np.arange(levels)
    t = generator.normal(size=n) + EPOCH
    plain = t - EPOCH
    y = plain + generator.normal(size=levels)[code] + generator.normal(size=n)
    group = np.char.add("g", code.astype(str))
    found = gl.fit("y ~ t + C(g)", {"y": y, "t": t, "g": group}, loss=gl.losses.log_cosh)
    right = gl.fit("y ~ t + C(g)", {"y": y, "t": plain, "g": group}, loss=gl.losses.log_cosh)
    np.testing.assert_allclose(found.coefficients[1:], right.coefficients[1:], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("solver", [gl.LBFGS(), gl.Newton()], ids=["lbfgs", "newton"])
def test_a_start_is_in_the_units_given(solver):
    z, eta, generator = rows(seed=5)
    y = target("logistic", eta, generator)
    x = z + np.array([1e6, 0.0])
    first = gl.fit(x, y, loss="logistic")
    again = gl.fit(x, y, loss="logistic", solver=solver, start=first.coefficients)
    np.testing.assert_allclose(again.coefficients, first.coefficients, rtol=1e-7)
    assert again.solution.passes <= 6


def test_columns_that_are_determined_stay_so_when_moved():
    z, eta, generator = rows(seed=6)
    y = target("logistic", eta, generator)
    t = z[:, 0] + EPOCH
    x = np.column_stack([t, np.full(len(y), 0.1 + 0.2), 3.0 * t + 7.0, z[:, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gl.GradlineWarning)
        found = gl.fit(x, y, loss="logistic")
    right = gl.fit(np.column_stack([t - EPOCH, z[:, 1]]), y, loss="logistic")
    assert found.solution.aliased == (2, 3)
    np.testing.assert_allclose(np.asarray(found.coefficients)[[1, 4]], right.coefficients[1:], rtol=1e-9)


def test_a_formula_for_each_predictor():
    z, _, generator = rows(800, seed=7)
    t = z[:, 0] + 1e9
    y = z[:, 0] + np.exp(0.3 * z[:, 1]) * generator.normal(size=len(z))
    data = {"y": y, "t": t, "v": z[:, 1], "s": t - 1e9}
    found = gl.fit({"mean": "y ~ t", "log_scale": "~ v"}, data, loss="normal")
    right = gl.fit({"mean": "y ~ s", "log_scale": "~ v"}, data, loss="normal")
    np.testing.assert_allclose(found.coefficients[1:], right.coefficients[1:], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.standard_errors[1:], right.standard_errors[1:], rtol=1e-8)


def test_other_standard_errors_from_the_rows_given_again():
    z, eta, generator = rows(seed=8)
    y = target("logistic", eta, generator)
    x = z + np.array([1e9, 0.0])
    found = gl.fit(x, y, loss="logistic", covariance=False).with_covariance("HC1", x, y)
    right = gl.fit(x - [1e9, 0.0], y, loss="logistic", covariance="HC1")
    np.testing.assert_allclose(found.standard_errors[1:], right.standard_errors[1:], rtol=1e-6)


@pytest.mark.parametrize("mean", [2.0**25, 2.0**32])
def test_large_least_squares_of_columns_far_from_zero(mean):
    random = np.random.default_rng(12)
    # Multiples of 2^-20, which moving by a power of two leaves exact.
    x = np.round(random.normal(size=(2**19, 4)) * 2**20) / 2**20
    y = x @ [0.3, -0.2, 0.1, 0.4] + random.normal(size=len(x))
    near, far = gl.fit(x, y), gl.fit(x + np.array([0.0, mean, 4 * mean, 0.0]), y)
    assert far.certificate.reason.startswith("normal equations")
    np.testing.assert_allclose(far.slopes, near.slopes, rtol=1e-8)
    np.testing.assert_allclose(far.standard_errors[1:], near.standard_errors[1:], rtol=1e-8)
    # Of the intercept by its own formula: the variance of the mean, and of the slopes at minus the columns' means.
    middle = np.array([0.0, mean, 4 * mean, 0.0])
    variance = near.dispersion / len(x) + middle @ near.covariance().matrix[1:, 1:] @ middle
    np.testing.assert_allclose(far.standard_errors[0], np.sqrt(variance), rtol=1e-6)


def test_an_offset_for_each_predictor_beside_columns_far_from_zero():
    random = np.random.default_rng(13)
    x, offset = random.normal(size=(300, 2)), random.random((300, 2))
    y = x.sum(axis=1) + random.normal(size=300)
    near = gl.fit(x, y, loss="normal", offset=offset)
    far = gl.fit(x + 2.0**20, y, loss="normal", offset=offset)
    np.testing.assert_allclose(far.slopes, near.slopes, rtol=1e-7)
    np.testing.assert_allclose(far.standard_errors[1:], near.standard_errors[1:], rtol=1e-7)


@pytest.mark.parametrize("change", [(1.0, 2.0**20), (2.0**-600, 0.0), (2.0**600, 0.0), (2.0**10, 2.0**33)])
@pytest.mark.parametrize("loss", ["poisson", "log_cosh", "normal"])
def test_rows_of_a_fit_to_few_digits_are_known_again(loss, change):
    random = np.random.default_rng(14)
    x = random.normal(size=(400, 3))
    y = random.poisson(np.exp(0.3 + x @ [0.5, -0.2, 0.1])).astype(float)
    columns = np.column_stack([x[:, 0], x[:, 1] * change[0] + change[1], x[:, 2]])
    fit = gl.fit(columns, y, loss=loss, tolerance=1e-2)
    fit.with_covariance("HC1", columns, y)
    with pytest.raises(ValueError, match="not the rows"):
        fit.with_covariance("HC1", np.column_stack([columns[:, 0], columns[:, 1], 3.0 * columns[::-1, 2]]), y)
