"""Curves that are held monotone or convex: at no point otherwise, and no more than needed."""

import numpy as np
import pytest

import gradline as gl

RANDOM = np.random.default_rng(8)
N = 800
X = RANDOM.uniform(-2.0, 3.0, N)
Y = np.tanh(X) + 0.3 * np.sin(6.0 * X) + 0.1 * RANDOM.normal(size=N)
TABLE = {"x": X, "y": Y, "z": RANDOM.normal(size=N)}
GRID = np.linspace(X.min(), X.max(), 10_000)
ENDS = {"within": (float(X.min()), float(X.max()))}

TERMS = [
    ("bs(x, df=12)", {}),
    ("bs(x, df=9, degree=1)", {}),
    ("bs(x, df=9, degree=2)", {}),
    ("0 + bs(x, df=9, include_intercept=True)", {}),
    ("cr(x, df=9)", {}),
    ("cr(x, df=9, constraints='center')", {}),
    ("s(x, k=15)", {}),
    ("poly(x, 6)", ENDS),
    ("poly(x, 6, raw=True)", ENDS),
]

SHAPES = {
    "increasing": (lambda **more: gl.constraints.monotone("x", "increasing", **more), 1.0, 1),
    "decreasing": (lambda **more: gl.constraints.monotone("x", "decreasing", **more), -1.0, 1),
    "convex": (lambda **more: gl.constraints.convex("x", **more), 1.0, 2),
    "concave": (lambda **more: gl.constraints.concave("x", **more), -1.0, 2),
}


@pytest.mark.filterwarnings("ignore:.*not unique")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("term", "more"), TERMS, ids=[term for term, _ in TERMS])
def test_not_one_of_ten_thousand_points_is_otherwise(term, more, shape):
    make, sign, order = SHAPES[shape]
    fit = gl.fit(f"y ~ {term}", TABLE, constraints=make(**more), covariance=False)
    steps = sign * np.diff(fit.predict({"x": GRID}), order)
    # What is flat, or a line, is that but for the rounding of the predictions themselves.
    assert steps.min() >= -4e-15 * np.abs(Y).max()
    assert fit.active_constraints


def test_a_curve_that_has_the_shape_already_is_left_alone():
    table = {"x": X, "y": X + 0.2 * X**3}
    plain = gl.fit("y ~ bs(x, df=8)", table)
    held = gl.fit("y ~ bs(x, df=8)", table, constraints=gl.constraints.monotone("x", "increasing"))
    assert held.coefficients == pytest.approx(plain.coefficients, rel=1e-9)
    assert held.active_constraints == ()


def test_lines_that_must_rise_are_isotonic_regression():
    from sklearn.isotonic import IsotonicRegression

    levels = RANDOM.integers(0, 8, size=N)
    y = np.array([0.0, 0.5, 0.3, 0.9, 0.8, 0.85, 2.0, 1.5])[levels] + RANDOM.normal(size=N)
    fit = gl.fit("y ~ C(dose)", {"dose": levels, "y": y}, constraints=gl.constraints.monotone("dose", "increasing"))
    expected = IsotonicRegression().fit(levels, y)
    assert fit.predict({"dose": np.arange(8)}) == pytest.approx(expected.predict(np.arange(8)), abs=1e-12)
    assert "C(dose) increasing from 1 to 2" in fit.active_constraints


@pytest.mark.parametrize("contrast", ["", ", contr.sum", ", contr.helmert", ", contr.poly", ", reference=3"])
def test_levels_rise_however_they_are_coded(contrast):
    levels = RANDOM.integers(0, 5, size=N)
    y = np.array([0.0, 0.5, 0.1, 0.9, 0.8])[levels] + 0.3 * RANDOM.normal(size=N)
    fit = gl.fit(f"y ~ C(dose{contrast})", {"dose": levels, "y": y}, constraints=gl.constraints.monotone("dose", "increasing"))
    assert (np.diff(fit.predict({"dose": np.arange(5)})) >= -1e-14).all()


def test_levels_of_text_need_an_order():
    table = {"y": Y, "size": np.array(["low", "mid", "high"])[RANDOM.integers(0, 3, N)]}
    with pytest.raises(gl.ArgumentError, match="text and have no order of their own"):
        gl.fit("y ~ size", table, constraints=gl.constraints.monotone("size", "increasing"))
    with pytest.raises(gl.ArgumentError, match="order= names 'lo', which is no level"):
        gl.fit("y ~ size", table, constraints=gl.constraints.monotone("size", "increasing", order=["lo", "mid", "high"]))
    with pytest.raises(gl.ArgumentError, match="'high' is missing"):
        gl.fit("y ~ size", table, constraints=gl.constraints.monotone("size", "increasing", order=["low", "mid"]))
    fit = gl.fit("y ~ size", table, constraints=gl.constraints.monotone("size", "increasing", order=["low", "mid", "high"]))
    assert (np.diff(fit.predict({"size": np.array(["low", "mid", "high"])})) >= -1e-15).all()


@pytest.mark.parametrize(
    ("formula", "constraint", "said"),
    [
        ("y ~ poly(x, 3)", gl.constraints.monotone("x", "increasing"), "on a range only: give its ends"),
        ("y ~ cc(x, df=5)", gl.constraints.monotone("x", "increasing"), "comes back to where it began"),
        ("y ~ bs(x, df=5):z", gl.constraints.monotone("x", "increasing"), "it is an interaction"),
        ("y ~ bs(abs(x), df=5)", gl.constraints.monotone("x", "increasing"), "a curve of a computed value"),
        ("y ~ x + z", gl.constraints.convex("x"), "no spline, polynomial or category with an order"),
        ("y ~ bs(x, df=5)", gl.constraints.monotone("w", "increasing"), "'w', which is no coefficient"),
    ],
)
def test_what_has_no_such_shape(formula, constraint, said):
    with pytest.raises(gl.ArgumentError, match=said):
        gl.fit(formula, TABLE, constraints=constraint)


def test_a_plain_column_is_monotone_by_its_slope():
    fit = gl.fit("y ~ x + z", TABLE, constraints=gl.constraints.monotone("x", "decreasing"))
    assert fit.coefficients[1] == 0.0
    assert fit.active_constraints == ("x <= 0",)


def test_several_curves_and_another_loss():
    table = {**TABLE, "counts": RANDOM.poisson(np.exp(0.4 * np.sin(2.0 * X))).astype(float)}
    fit = gl.fit(
        "counts ~ bs(x, df=8) + bs(z, df=5)",
        table,
        loss="poisson",
        constraints=[gl.constraints.monotone("x", "increasing"), gl.constraints.concave("z")],
    )
    at = fit.predict({"x": GRID, "z": np.zeros(len(GRID))}, "linear")
    assert np.diff(at).min() >= -1e-14
    grid = np.linspace(TABLE["z"].min(), TABLE["z"].max(), 2000)
    assert np.diff(fit.predict({"x": np.zeros(2000), "z": grid}, "linear"), 2).max() <= 1e-14
