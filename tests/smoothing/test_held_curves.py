"""Curves within constraints: held increasing, decreasing, convex or concave, and what is said of them."""

import numpy as np
import pytest

import gradline as gl

RANDOM = np.random.default_rng(6)
N = 400
X = RANDOM.uniform(0, 10, N)
DATA = {
    "x": X,
    "z": RANDOM.normal(size=N),
    "g": RANDOM.choice(["a", "b"], N),
    "y": 2 * np.log1p(X) + 0.5 * RANDOM.normal(size=N),
    "count": RANDOM.poisson(np.exp(0.1 * X + 0.3 * np.sin(2 * X))),
}
GRID = np.linspace(-4.0, 14.0, 10_000)
"""Beyond the data at either end too."""

RISING = gl.constraints.monotone("x", "increasing")


def predictor(fit, order=1):
    """Differences of the linear predictor over the grid."""
    found = fit.predict({"x": GRID, "z": np.zeros(len(GRID)), "g": ["a"] * len(GRID)})
    return np.diff(np.log(found) if fit.loss_name == "poisson" else found, order)


@pytest.mark.parametrize("loss", ["squared", "poisson", gl.losses.huber(0.5)], ids=str)
def test_both_ways_to_say_it_are_one(loss):
    target = "count" if loss == "poisson" else "y"
    free = gl.fit(f"{target} ~ z + s(x, k=15, strength=1e-4)", DATA, loss=loss)
    inside = gl.fit(f"{target} ~ z + s(x, k=15, strength=1e-4, monotone='increasing')", DATA, loss=loss)
    beside = gl.fit(f"{target} ~ z + s(x, k=15, strength=1e-4)", DATA, loss=loss, constraints=RISING)
    assert (predictor(free) < -1e-6).any()
    assert (predictor(inside) >= -1e-14).all()
    assert np.array_equal(inside.coefficients, beside.coefficients)
    assert inside.curves[0].strengths == free.curves[0].strengths
    assert inside.active_constraints


@pytest.mark.parametrize(("shape", "sign", "order"), [("convex", 1, 2), ("concave", -1, 2)])
def test_curves_bend_one_way(shape, sign, order):
    fit = gl.fit("y ~ z + s(x, k=12)", DATA, constraints=getattr(gl.constraints, shape)("s(x)"))
    assert (sign * predictor(fit, order) >= -1e-13).all()


def test_a_curve_is_named_without_its_options():
    by_column = gl.fit("y ~ s(x, k=12)", DATA, constraints=RISING)
    by_name = gl.fit("y ~ s(x, k=12)", DATA, constraints=gl.constraints.monotone("s(x)", "increasing"))
    assert np.array_equal(by_column.coefficients, by_name.coefficients)


def test_every_slope_is_none_of_a_curves():
    free, held = gl.fit("y ~ z + s(x)", DATA), gl.fit("y ~ z + s(x)", DATA, constraints=gl.constraints.bounds(-1.0, 1.0))
    assert held.active_constraints == ()
    assert held.coefficients == pytest.approx(free.coefficients, rel=1e-8)
    with pytest.raises(ValueError, match=r"coefficients of the curve 's\(x\)' mean nothing one by one"):
        gl.fit("y ~ z + s(x)", DATA, constraints=gl.constraints.nonnegative("s(x)"))
    with pytest.raises(ValueError, match="no slopes but those of curves"):
        gl.fit("y ~ s(x)", DATA, constraints=gl.constraints.nonnegative())


def test_two_linear_predictors_one_held():
    """The curvature of a loss that is not convex, beside a penalty some ten million times as strong."""
    fit = gl.fit({"mean": "y ~ s(x, monotone='increasing')", "log_scale": "~ s(x)"}, DATA, loss="normal")
    assert fit.certificate.converged
    means = fit.predict({"x": GRID})
    assert (np.diff(means[:, 0] if means.ndim > 1 else means) >= -1e-14).all()
    assert all(text.startswith("mean:s(x") for text in fit.active_constraints)


def test_tests_and_bands_are_those_of_the_free_curve():
    free, held = gl.fit("y ~ z + s(x, k=15, strength=1e-4)", DATA), gl.fit("y ~ z + s(x, k=15, strength=1e-4)", DATA, constraints=RISING)
    assert held.active_constraints
    assert held.curves[0].statistic == pytest.approx(free.curves[0].statistic, rel=1e-8)
    assert held.curves[0].p_value == pytest.approx(free.curves[0].p_value, rel=1e-6)
    grid = np.linspace(0, 10, 300)
    loose, cut = free.curve("s(x)", at=grid), held.curve("s(x)", at=grid)
    assert cut.lower == pytest.approx(loose.lower, rel=1e-6, abs=1e-8)
    assert np.all(np.diff(cut.estimate) >= -1e-14)
    # The band of the whole curve holds what rises within the free one, and no more.
    assert np.all(np.diff(cut.simultaneous_lower) >= 0)
    assert np.all(np.diff(cut.simultaneous_upper) >= 0)
    assert cut.simultaneous_lower == pytest.approx(np.maximum.accumulate(loose.simultaneous_lower), abs=1e-8)
    assert cut.simultaneous_upper == pytest.approx(np.minimum.accumulate(loose.simultaneous_upper[::-1])[::-1], abs=1e-8)
    shuffled = np.random.default_rng(0).permutation(300)
    assert np.array_equal(held.curve("s(x)", at=grid[shuffled]).simultaneous_lower, cut.simultaneous_lower[shuffled])


def test_a_band_that_nothing_is_left_of_is_said():
    fit = gl.fit("y ~ s(x, monotone='decreasing')", DATA)
    with pytest.warns(UserWarning, match="nothing is left of the band"):
        band = fit.curve("s(x)")
    assert np.isnan(band.simultaneous_lower).any()


def test_the_same_after_a_file(tmp_path):
    fit = gl.fit("y ~ z + s(x, monotone='increasing')", DATA)
    fit.save(tmp_path / "held.json")
    back = gl.load(tmp_path / "held.json")
    assert np.array_equal(back.predict({"x": GRID, "z": np.zeros(len(GRID))}), fit.predict({"x": GRID, "z": np.zeros(len(GRID))}))
    assert np.array_equal(back.curve("s(x)").simultaneous_upper, fit.curve("s(x)").simultaneous_upper)


def test_what_intervals_are_may_be_said_of_a_formula_that_holds():
    fit = gl.fit("y ~ z + s(x, monotone='increasing')", DATA, inference="draws")
    assert fit.interval().lower.shape == fit.interval().upper.shape
    with pytest.raises(ValueError, match="not for models with curves"):
        gl.fit("y ~ z + s(x, monotone='increasing')", DATA, inference="face")
    with pytest.raises(ValueError, match="would not be used"):
        gl.fit("y ~ z + s(x)", DATA, inference="draws")


def test_several_targets_name_their_curves_as_their_constraints():
    fit = gl.fit("y + z ~ s(x, monotone='increasing')", DATA)
    assert [curve.name for curve in fit.curves] == ["y: s(x, monotone='increasing')", "z: s(x, monotone='increasing')"]
    assert all(text.startswith(("y:s(x", "z:s(x")) for text in fit.active_constraints)


@pytest.mark.filterwarnings("ignore:Newton's method has not converged.*s\\(x, strength=0.01\\)")
def test_separation_says_what_can_be_given():
    with pytest.warns(UserWarning, match=r"give one, as in s\(x, strength=0.01\)") as said:
        gl.fit("apart ~ s(x)", {**DATA, "apart": (X > 5).astype(int)}, loss="logistic")
    assert not any("penalty=" in str(one.message) for one in said)
    assert len(said) <= 3


def test_degrees_of_freedom_are_told_of_many_rows_too():
    random = np.random.default_rng(8)
    x = random.uniform(size=100_000)
    data = {"x": x, "y": x + random.normal(size=len(x)), "count": random.poisson(np.exp(x))}
    for target, loss in (("y", "squared"), ("count", "poisson")):
        free = gl.fit(f"{target} ~ s(x)", data, loss=loss)
        held = gl.fit(f"{target} ~ s(x, monotone='increasing')", data, loss=loss)
        assert held.curves[0].degrees_of_freedom == pytest.approx(free.curves[0].degrees_of_freedom, rel=1e-4)
        assert held.curves[0].p_value == pytest.approx(free.curves[0].p_value, abs=1e-12)
        assert np.isfinite(held.curve("s(x)").simultaneous_lower).all()


@pytest.mark.parametrize("loss", ["squared", gl.losses.huber(0.5)], ids=str)
def test_a_curve_that_may_only_be_flat_is_zero(loss):
    """Its differences are all held at zero, and rounding of them is no violation."""
    fit = gl.fit("y ~ z + s(x, monotone='decreasing')", DATA, loss=loss)
    assert not fit.coefficients[2:].any()
    assert fit.constraints.polyhedron.missed(fit.solution.coefficients).max() == 0.0
    assert np.all(predictor(fit) == 0.0)
