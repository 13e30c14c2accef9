"""A quadratic with L1, followed exactly: breakpoints against scikit-learn, minima against the conditions of optimality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.solvers.proximal.homotopy import lasso_path, minimum_from


def sums(n, p, seed, common=0.5, unit=0.0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, p)) + common * rng.normal(size=(n, 1))) * 10.0 ** rng.uniform(-unit, unit, p)
    y = x @ (rng.normal(size=p) * (rng.uniform(size=p) < 0.3)) + 2.0 * rng.normal(size=n)
    x, y = x - x.mean(axis=0), y - y.mean()
    return 2.0 * x.T @ x / n, -2.0 * x.T @ y / n


def left(curvature, linear, weights, x):
    """What is left of the conditions of optimality, in units of the largest gradient."""
    gradient = linear + curvature @ x
    inside = np.abs(gradient + weights * np.sign(x))
    return np.where(x == 0, np.maximum(np.abs(gradient) - weights, 0.0), inside).max() / np.abs(linear).max()


@pytest.mark.parametrize(("n", "p", "common"), [(300, 40, 0.5), (150, 100, 1.0), (60, 90, 0.2), (400, 170, 0.3)])
def test_breakpoints_are_those_of_lars(n, p, common):
    linear_model = pytest.importorskip("sklearn.linear_model")
    curvature, linear = sums(n, p, 1, common)
    largest = np.abs(linear).max()
    asked = np.geomspace(largest, largest * 1e-3, 30)
    found = lasso_path(curvature, linear, np.ones(p), asked)
    alphas, _, slopes = linear_model.lars_path_gram(
        -linear / 2 * n, curvature / 2 * n, n_samples=n, method="lasso", alpha_min=asked[-1] / 2, max_iter=10_000
    )
    # Its last is where it was told to stop.
    np.testing.assert_allclose(found.knots, 2.0 * alphas[:-1], rtol=1e-8)
    assert found.reached == asked[-1]
    for place, strength in enumerate(asked):
        j = int(np.searchsorted(-2.0 * alphas, -strength, side="right")) - 1
        share = (2.0 * alphas[j] - strength) / (2.0 * (alphas[j] - alphas[j + 1])) if j + 1 < len(alphas) else 0.0
        between = slopes[:, j] + share * (slopes[:, min(j + 1, len(alphas) - 1)] - slopes[:, j])
        np.testing.assert_allclose(found.points[place], between, atol=1e-9 * np.abs(slopes).max())
        assert left(curvature, linear, strength * np.ones(p), found.points[place]) < 1e-12


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.sampled_from([0.0, 0.5, 3.0]), st.booleans(), st.sampled_from([0.0, 2.0]))
def test_a_minimum_is_found_from_any_start(seed, p, common, free, unit):
    curvature, linear = sums(40, p, seed, common, unit)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.0, 0.5, p) * np.abs(linear).max()
    if free:
        weights[0] = 0.0
    start = np.where(rng.uniform(size=p) < 0.5, rng.normal(size=p), 0.0)
    found = minimum_from(curvature, linear, weights, start)
    assert found is not None
    assert left(curvature, linear, weights, found) < 1e-9


@pytest.mark.parametrize("kind", ["twice", "levels", "constant", "ties", "wide"])
def test_columns_that_say_the_same_have_a_path(kind):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(80, 6))
    if kind == "twice":
        x = np.column_stack([x, x[:, 0], -x[:, 1]])
    elif kind == "levels":
        x = np.column_stack([np.eye(4)[rng.integers(0, 4, 80)], x])
    elif kind == "constant":
        x[:, 2] = 7.0
    elif kind == "ties":
        x = np.linalg.qr(x - x.mean(axis=0))[0]
    else:
        x = rng.normal(size=(12, 40))
    y = x[:, 0] - x[:, 1] + (x[:, :4].sum(axis=1) if kind == "ties" else rng.normal(size=len(x)))
    path = gl.path(x, y, strengths=25)
    assert path.converged.all()
    assert path.gaps.max() <= 1e-10 * path.objectives[0]
    for place in (3, 12, 24):
        slopes = path.coefficients[place, 1:, 0]
        again = gl.fit(x, y, penalty=gl.penalties.lasso(float(path.strengths[place])), solver=gl.ProximalNewton())
        assert path.objectives[place] <= again.loss * (1 + 1e-12)
        assert path.losses[place] == pytest.approx(np.mean(np.square(y - path.coefficients[place, 0, 0] - x @ slopes)), rel=1e-10)


def test_breakpoints_are_where_slopes_come_and_go():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 15)) + rng.normal(size=(200, 1))
    y = x[:, 0] - 2 * x[:, 4] + rng.normal(size=200)
    path = gl.path(x, y, penalty=gl.penalties.lasso(weights={"x3": 0.0, "x5": 3.0}) + gl.penalties.ridge(0.01))
    assert (np.diff(path.breakpoints) < 0).all()
    supports = path.coefficients[:, 1:, 0] != 0
    for place in range(1, len(path.strengths)):
        between = (path.breakpoints < path.strengths[place - 1]) & (path.breakpoints >= path.strengths[place])
        assert (supports[place] != supports[place - 1]).sum() <= between.sum()
        assert between.any() or (supports[place] == supports[place - 1]).all()
    assert gl.path(x, y, penalty=gl.penalties.elastic_net(l1_share=0.5), strengths=4).breakpoints is None


def test_moments_have_paths_without_rows():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(240, 9)) + 3.0
    y = x[:, 0] - x[:, 5] + rng.normal(size=240)
    names = [f"x{i + 1}" for i in range(9)]
    moments = gl.Moments.from_arrays(x, y)
    for penalty in (gl.penalties.lasso(), gl.penalties.lasso(scaled=True), gl.penalties.mcp()):
        of_sums, of_rows = gl.path("y ~ .", moments, penalty=penalty), gl.path(x, y, penalty=penalty)
        np.testing.assert_allclose(of_sums.strengths, of_rows.strengths, rtol=1e-12)
        np.testing.assert_allclose(of_sums.coefficients, of_rows.coefficients, atol=1e-10)
    few = gl.path(data=moments, target="y", features=["x6", "x1"], intercept=False)
    np.testing.assert_allclose(few.coefficients, gl.path(x[:, [5, 0]], y, intercept=False).coefficients, atol=1e-10)
    assert few.names == ("x6", "x1")
    parts = [gl.Moments.from_arrays(x[i::6], y[i::6]) for i in range(6)]
    of_parts = gl.path("y ~ .", parts, choose="folds", strengths=20)
    for fold in (0, 3, 5):
        inside = np.arange(240) % 6 == fold
        refit = gl.fit(x[~inside], y[~inside], penalty=gl.penalties.lasso(float(of_parts.strengths[9])))
        assert of_parts.held_out.of_fold[fold, 9] == pytest.approx(np.mean(np.square(y[inside] - refit.predict(x[inside]))), rel=1e-10)
    np.testing.assert_allclose(of_parts.fit().predict(pandas.DataFrame(x, columns=names)), of_parts.fit().predict(x))
    assert of_parts.breakpoints is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"choose": "folds"}, "one Moments cannot be parted"),
        ({"loss": "logistic"}, "loss= needs the rows"),
        ({"weights": "x1"}, "weights= needs the rows"),
        ({"penalty": gl.penalties.lasso(0.1)}, "without a strength|leaves its own"),
        ({"formula": "y ~ z"}, "no column 'z'"),
    ],
)
def test_what_moments_cannot_say_is_refused(options, words):
    moments = gl.Moments.from_arrays(np.random.default_rng(0).normal(size=(30, 2)), np.arange(30.0))
    with pytest.raises(gl.GradlineError, match=words):
        gl.path(data=moments, **{"formula": "y ~ .", **options})
