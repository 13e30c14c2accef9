"""Penalties written as plain functions, against the built-in ones, brute force, and what is no penalty."""

import importlib

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import gradline as gl
from gradline.penalties.kinked_penalty import PenaltyColumns

RNG = np.random.default_rng(2)
N = 250
X = RNG.normal(size=(N, 6)) + 0.5 * RNG.normal(size=(N, 1))
Y = X @ [2.0, -1.0, 0.0, 0.3, 0.0, 0.0] + RNG.normal(size=N)
BINARY = (Y > 0) * 1.0
GROUPS = [[0, 1], [2, 4, 5], [3]]


class InNumPy:
    name, absolute, square, where, minimum, log1p, root = "numpy", np.abs, np.square, np.where, np.minimum, np.log1p, np.sqrt

    @staticmethod
    def norm(b):
        return np.linalg.norm(b)


def in_framework(name):
    if name == "numpy":
        return InNumPy
    module = pytest.importorskip(name)
    found = type(name, (), {"name": name})
    if name == "tensorflow":
        found.absolute, found.square, found.where, found.log1p, found.root = (
            module.abs,
            module.square,
            module.where,
            module.math.log1p,
            module.sqrt,
        )
        found.norm = staticmethod(lambda b: module.norm(b))
    elif name == "jax":
        jnp = importlib.import_module("jax.numpy")
        found.absolute, found.square, found.where, found.log1p, found.root = jnp.abs, jnp.square, jnp.where, jnp.log1p, jnp.sqrt
        found.norm = staticmethod(lambda b: jnp.linalg.norm(b))
    else:
        found.absolute, found.square, found.where, found.log1p, found.root = (
            module.abs,
            module.square,
            module.where,
            module.log1p,
            module.sqrt,
        )
        found.norm = staticmethod(lambda b: module.linalg.norm(b))
    for key in ("absolute", "square", "where", "log1p", "root"):
        setattr(found, key, staticmethod(getattr(found, key)))
    return found


FRAMEWORKS = ["numpy", "tensorflow", "jax", "torch"]


@pytest.mark.parametrize(("framework", "loss"), [*((framework, "squared") for framework in FRAMEWORKS), ("numpy", "logistic")])
def test_the_built_in_penalties_written_as_functions(framework, loss):
    f = in_framework(framework)
    y, s = (Y, 0.4) if loss == "squared" else (BINARY, 0.04)
    custom = gl.penalties.custom
    pairs = [
        (custom(lambda b: f.absolute(b), strength=s, backend=framework), gl.penalties.lasso(s)),
        (custom(lambda b: 0.5 * f.square(b) + 7.0, strength=s, backend=framework), gl.penalties.ridge(s)),
        (
            custom(lambda b: f.absolute(b) + 0.5 * f.square(b), strength=s / 2, backend=framework),
            gl.penalties.elastic_net(s, 0.5),
        ),
        (
            custom(
                lambda b: f.where(f.absolute(b) <= 3.0 * s, s * f.absolute(b) - f.square(b) / 6.0, 1.5 * s**2 + 0.0 * b),
                convex=False,
                backend=framework,
            ),
            gl.penalties.mcp(s),
        ),
        (
            custom(lambda b: b.shape[0] ** 0.5 * f.norm(b), "group", GROUPS, s, backend=framework),
            gl.penalties.group_lasso(s, GROUPS),
        ),
        (
            custom(lambda b: f.absolute(b), strength=s, weights={"x1": 0, "x2": 2}, scaled=True, backend=framework),
            gl.penalties.lasso(s, weights={"x1": 0, "x2": 2}, scaled=True),
        ),
    ]
    for own, built_in in pairs:
        fit, known = gl.fit(X, y, loss=loss, penalty=own), gl.fit(X, y, loss=loss, penalty=built_in)
        np.testing.assert_allclose(fit.coefficients, known.coefficients, atol=1e-8)
        np.testing.assert_array_equal(fit.slopes == 0, known.slopes == 0)
        assert fit.loss == pytest.approx(known.loss, rel=1e-8)
        assert fit.certificate.converged


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_log_penalty_is_stationary_and_coordinatewise_lowest(framework):
    f, strength, inner = in_framework(framework), 0.15, 0.1
    own = gl.penalties.custom(lambda b: f.log1p(f.absolute(b) / inner), strength=strength, convex=False, backend=framework)
    fit = gl.fit(X, Y, penalty=own)
    assert fit.certificate.converged
    assert fit.certificate.gap is None
    assert "local minimum" in fit.certificate.reason
    b, left = fit.slopes, Y - fit.predict(X)
    gradient = -2 * X.T @ left / N
    slope = strength / (np.abs(b) + inner)
    np.testing.assert_allclose(gradient[b != 0], -(np.sign(b) * slope)[b != 0], atol=1e-8)
    assert (np.abs(gradient[b == 0]) <= strength / inner).all()
    assert (b == 0).any()
    # By groups, the norm takes the place of the size.
    grouped = gl.penalties.custom(lambda g: f.log1p(f.norm(g) / inner), "group", GROUPS, strength, convex=False, backend=framework)
    fit = gl.fit(X, Y, penalty=grouped)
    gradient = -2 * X.T @ (Y - fit.predict(X)) / N
    for group in GROUPS:
        norm = np.linalg.norm(fit.slopes[group])
        if norm > 0:
            np.testing.assert_allclose(gradient[group], -strength / (norm + inner) * fit.slopes[group] / norm, atol=1e-8)
        else:
            assert np.linalg.norm(gradient[group]) <= strength / inner


@pytest.mark.parametrize(
    ("function", "convex"),
    [
        (lambda b: np.log1p(np.abs(b) / 0.2), False),
        (lambda b: np.minimum(np.abs(b), 0.7), False),
        (lambda b: np.abs(b) + b**2, True),
        (lambda b: np.where(b > 0, 2.0 * b, -b), True),
        (lambda b: np.sqrt(np.abs(b) + 0.01), False),
    ],
)
def test_the_minimum_of_one_coefficient_is_the_lowest(function, convex):
    names = ("x1",)
    part = gl.penalties.custom(function, convex=convex).bind(PenaltyColumns(names, names, ("y",), lambda: np.ones(1))).part
    for start in (-3.0, -1.0, -0.2, 0.0, 0.1, 0.6, 1.1, 2.5):
        for curvature in (0.3, 1.0, 6.0):

            def objective(b, start=start, curvature=curvature):
                return 0.5 * curvature * (b - start) ** 2 + float(function(np.array([b]))[0])

            grid = np.linspace(-4.0, 4.0, 2001)
            best = grid[np.argmin([objective(b) for b in grid])]
            lowest = min(objective(0.0), minimize_scalar(objective, bounds=(best - 0.01, best + 0.01), method="bounded").fun)
            assert objective(float(part.minimum(np.array([0]), np.array([start]), curvature)[0])) <= lowest + 1e-9


def test_a_penalty_that_knows_the_sign():
    # Negative slopes cost twice as much: the conditions of optimality to both sides, and at zero.
    fit = gl.fit(X, Y, penalty=gl.penalties.custom(lambda b: np.where(b > 0, b, -2.0 * b), strength=0.3))
    b, gradient = fit.slopes, -2 * X.T @ (Y - fit.predict(X)) / N
    np.testing.assert_allclose(gradient[b > 0], -0.3, atol=1e-9)
    np.testing.assert_allclose(gradient[b < 0], 0.6, atol=1e-9)
    assert ((gradient[b == 0] >= -0.3) & (gradient[b == 0] <= 0.6)).all()
    assert (b < 0).any()
    assert 0 <= fit.certificate.gap <= 1e-10


def test_a_path_and_the_strength_that_the_data_chooses():
    own = gl.penalties.custom(lambda b: np.abs(b), strength="auto")
    path, known = (gl.path(X, Y, penalty=penalty, strengths=8, choose="folds") for penalty in (own, gl.penalties.lasso()))
    np.testing.assert_allclose(path.strengths, known.strengths, rtol=1e-9)
    np.testing.assert_allclose(path.coefficients, known.coefficients, atol=1e-8)
    np.testing.assert_allclose(path.held_out.mean, known.held_out.mean, rtol=1e-8)
    net = gl.penalties.custom(lambda b: np.abs(b), strength=0.3) + gl.penalties.ridge(0.2)
    np.testing.assert_allclose(
        gl.fit(X, Y, penalty=net).coefficients,
        gl.fit(X, Y, penalty=gl.penalties.lasso(0.3) + gl.penalties.ridge(0.2)).coefficients,
        atol=1e-8,
    )


@pytest.mark.parametrize(
    ("function", "kinds", "words"),
    [
        (lambda b: np.sum(np.abs(b)), {}, 'returned one number for 5 coefficients: leave the sum or mean out, or write by="group"'),
        (lambda b: np.abs(b) / np.abs(b).max(), {}, "mixes coefficients"),
        (lambda b: np.abs(b), {"by": "group", "groups": GROUPS}, "returns one number; it returned an array"),
        (lambda b: np.log(np.abs(b)), {}, "is -inf at zero"),
        (lambda b: np.where(np.abs(b) > 50, np.nan, np.abs(b)), {}, "is nan at"),
        (lambda b: np.log1p(np.abs(b)), {}, "is not convex: .* convex=False"),
        (lambda b: np.sqrt(np.abs(b)), {"convex": False}, "no finite slope at zero"),
        (lambda b: np.abs(b) ** 1.1, {}, "no finite slope at zero"),
        (lambda b: -np.abs(b), {"convex": False}, "falls from zero"),
        (lambda b: np.square(b - 1), {}, "falls from zero"),
        (lambda b: 0 * b, {}, "same for all coefficients"),
        (lambda b: np.maximum(np.abs(b) - 1, 0) + 0.1 * np.abs(b), {}, r"kink at -?(1|0\.9)"),
        (lambda b: np.abs(b).sum(), {"by": "group", "groups": GROUPS}, "Euclidean norm"),
        (lambda b: b.undefined(), {}, "failed on NumPy arrays: AttributeError"),
        (lambda b: np.abs(b), {"groups": GROUPS}, 'goes with by="group"'),
        (lambda b: np.abs(b), {"by": "column"}, "by= of a custom penalty must be"),
        (lambda b: np.abs(b), {"strength": -1}, "zero or more"),
        (3.0, {}, "made of a function"),
    ],
)
def test_what_is_no_penalty_is_refused_in_words(function, kinds, words):
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        gl.fit(X, Y, penalty=gl.penalties.custom(function, **kinds))
    assert isinstance(caught.value, gl.GradlineError)


def test_solvers_without_kinks_refuse_it_and_take_a_smooth_one():
    with pytest.raises(ValueError, match="ProximalNewton"):
        gl.fit(X, Y, penalty=gl.penalties.custom(lambda b: np.abs(b)), solver=gl.LBFGS())
    smooth = gl.penalties.custom(lambda b: np.sqrt(1.0 + b**2), strength=0.5)
    fits = [gl.fit(X, Y, penalty=smooth, solver=solver) for solver in (gl.Newton(), gl.LBFGS())]
    for fit in fits:
        b, gradient = fit.slopes, -2 * X.T @ (Y - fit.predict(X)) / N
        np.testing.assert_allclose(gradient, -0.5 * b / np.sqrt(1 + b**2), atol=1e-6)
    np.testing.assert_allclose(fits[0].coefficients, fits[1].coefficients, atol=1e-6)


def test_sums_that_no_solver_knows_are_refused_in_words():
    with pytest.raises(ValueError, match="penalties of your own do not add up"):
        gl.fit(X, Y, penalty=gl.penalties.custom(lambda b: np.abs(b)) + gl.penalties.lasso(0.1))
