"""The columns of curves: their basis, how they are centred, how they go on beyond the data, and their penalties."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

import gradline as gl
from gradline.formulas.curves import curves_of
from gradline.formulas.splines.penalised import Centring, difference_penalties, even_basis

X = np.random.default_rng(3).uniform(-2.0, 5.0, 300)


def knots(low, high, k, degree):
    wider = 0.001 * (high - low)
    width = (high - low + 2 * wider) / (k - degree)
    return low - wider + width * np.arange(-degree, k + 1)


@pytest.mark.parametrize(("k", "degree"), [(10, 3), (4, 3), (7, 2), (5, 1), (30, 4)])
def test_the_basis_is_that_of_b_splines(k, degree):
    low, high = X.min(), X.max()
    found = even_basis(X, low, high, k, degree)
    own = BSpline(knots(low, high, k, degree), np.eye(k), degree)
    assert pytest.approx(own(X), abs=1e-12) == found.T
    assert found.sum(axis=0) == pytest.approx(1.0)


def test_beyond_the_data_a_curve_goes_on_as_a_line():
    own = BSpline(knots(0.0, 1.0, 8, 3), np.eye(8), 3)
    ends, far = np.array([-0.001, 1.001]), np.array([-3.0, 4.0])
    expected = own(ends) + (far - ends)[:, None] * own(ends, 1)
    assert pytest.approx(expected, rel=1e-9, abs=1e-9) == even_basis(far, 0.0, 1.0, 8, 3).T


def test_centring_is_an_orthonormal_basis_of_what_sums_to_zero():
    means = np.random.default_rng(0).uniform(size=6)
    z = Centring(means).columns(np.eye(6)).T
    assert z.T @ z == pytest.approx(np.eye(5), abs=1e-14)
    assert means @ z == pytest.approx(0.0, abs=1e-14)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    n = 240
    rows = {"x": rng.uniform(size=n), "z": rng.normal(size=n), "g": rng.choice(list("ab"), n), "w": rng.uniform(1.0, 2.0, n)}
    return {**rows, "y": np.sin(6 * rows["x"]) + rows["z"] + rng.normal(size=n)}


def design(fit, data):
    import pyarrow as pa

    return fit.encoder.design(pa.RecordBatch.from_pydict({name: values for name, values in data.items() if name != "y"})).dense()


def test_each_curve_sums_to_zero_over_the_rows(data):
    fit = gl.fit("y ~ s(x, k=12) + te(z, w)", data)
    X = design(fit, data)
    for curve in fit.curves:
        assert X[:, curve.start : curve.stop].sum(axis=0) == pytest.approx(0.0, abs=1e-10)


def test_a_curve_times_numbers_is_not_centred_and_holds_their_slope(data):
    fit = gl.fit("y ~ s(x, by=w, k=6)", data)
    (curve,) = curves_of(fit.encoder)
    assert curve.stop - curve.start == 6
    X = design(fit, data)[:, 1:]
    assert np.linalg.lstsq(X, data["w"], rcond=None)[0] == pytest.approx(np.ones(6))


def test_a_curve_for_each_level_has_its_own_rows(data):
    fit = gl.fit("y ~ g + s(x, by=g, k=6)", data)
    X = design(fit, data)
    assert [curve.name for curve in fit.curves] == ["s(x, by=g, k=6)[a]", "s(x, by=g, k=6)[b]"]
    first = fit.curves[0]
    assert not X[data["g"] == "b", first.start : first.stop].any()


def test_the_spectrum_gives_the_determinant_of_the_sum():
    options = {"k": (5, 6), "degree": 3, "order": 2, "columns": 2, "by": None}
    state = {"low": [0, 0], "high": [1, 1], "means": np.random.default_rng(1).uniform(size=30).tolist()}
    matrices, spectrum = difference_penalties(options, state)

    def log_determinant(strengths):
        values = np.linalg.eigvalsh(sum(s * m for s, m in zip(strengths, matrices, strict=True)))
        return np.log(values[-len(spectrum) :]).sum()

    first, second = np.array([1.0, 1.0]), np.array([0.3, 40.0])
    assert log_determinant(second) - log_determinant(first) == pytest.approx(
        np.log(spectrum @ second).sum() - np.log(spectrum @ first).sum(), rel=1e-9
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ s(x) + x", "holds the straight line in x already"),
        ("y ~ s(x) + g:x", "write s(x, by=...)"),
        ("y ~ s(x) + s(x, by=g)", "both hold the effect of x"),
        ("y ~ te(x, z) + s(z)", "both hold the effect of z"),
        ("y ~ s(x, by=w) + w", "holds w itself already"),
        ("y ~ s(x):g", r"write s(x, by=g)"),
        ("y ~ s(x) * g", "cannot be part of an interaction"),
        ("y ~ s(g)", "holds text"),
        ("y ~ s(x, by=h)", "no column 'h'"),
        ("y ~ s(x, by='g')", "without quotes"),
        ("y ~ s(x, k=3)", "k must be at least 4"),
        ("y ~ s(x, k=300)", "too few for k=300"),
        ("y ~ s(x, k=2.5)", "whole number"),
        ("y ~ s(x, sp=1)", "strength="),
        ("y ~ s(x, strength=-1)", "from 0 up"),
        ("y ~ s(x, monotone='up')", "increasing"),
        ("y ~ te(x, z, monotone=['increasing'])", "for each of the 2 columns"),
        ("y ~ s(x, z)", "te(x, z)"),
        ("y ~ te(x)", "two to four columns"),
        ("y ~ log(s(x))", "stands on its own"),
        ("s(y) ~ x", "a target is one"),
        ("y ~ s(c)", "has one value in all rows"),
        ("y ~ s(five)", "write k=5 or less"),
        ("y ~ s(two)", "take the column as it is"),
        ("y ~ s(y)", "is the target"),
    ],
)
def test_what_cannot_be_is_said(formula, words, data):
    n = len(data["y"])
    rows = {**data, "c": np.ones(n), "five": np.arange(n) % 5, "two": np.arange(n) % 2}
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        gl.fit(formula, rows)


def test_few_rows_are_refused():
    rows = {"y": [1.0, 2.0, 3.0], "x": [0.0, 1.0, 2.0], "z": [1.0, 0.0, 2.0], "v": [0.0, 0.5, 0.1]}
    with pytest.raises(gl.GradlineError):
        gl.fit("y ~ s(x, k=4)", rows)


def test_too_many_levels_are_refused():
    rng = np.random.default_rng(0)
    rows = {"y": rng.normal(size=600), "x": rng.uniform(size=600), "g": np.arange(600) % 60}
    with pytest.raises(ValueError, match="group the levels"):
        gl.fit("y ~ s(x, by=C(g), k=5)", rows)
