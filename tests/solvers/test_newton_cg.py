"""Newton's method by conjugate gradients: the optimum that Newton's method with a curvature matrix finds, on any rows and columns."""

import warnings

import numpy as np
import pytest
from scipy import sparse

import gradline as gl
from gradline.solvers.newton import curvature_products

N, P = 500, 20
rng = np.random.default_rng(9)
DENSE = np.where(rng.random((N, P)) < 0.3, rng.normal(size=(N, P)), 0.0)
X = sparse.csr_array(DENSE)
ETA = 0.4 + DENSE @ rng.normal(size=P) * 0.5
REAL = ETA + rng.standard_t(4, size=N)
COUNTS = rng.poisson(np.exp(np.clip(ETA, -3, 2))).astype(float)
CLASSES = (rng.random(N) < 1.0 / (1.0 + np.exp(-ETA))) * 1.0
THREE = np.argmax(np.stack([ETA, 0.0 * ETA, -ETA]) + rng.gumbel(size=(3, N)), axis=0).astype(float)

LOSSES = [
    (gl.losses.squared, REAL),
    (gl.losses.huber(1.0), REAL),
    (gl.losses.huber(1.35, scale="joint"), REAL),
    (gl.losses.student_t(4.0), REAL),
    (gl.losses.normal, REAL),
    (gl.losses.logistic, CLASSES),
    (gl.losses.multinomial(3), THREE),
    (gl.losses.poisson, COUNTS),
]


@pytest.mark.parametrize("kept", [True, False], ids=["curvature kept", "worked out again"])
@pytest.mark.parametrize(("loss", "y"), LOSSES, ids=lambda case: type(case).__name__)
def test_the_optimum_of_newton(loss, y, kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(curvature_products, "MOST_NUMBERS", 0)
    given = {"weights": rng.random(N), "offset": 0.1 * rng.normal(size=N)}
    plain = gl.fit(DENSE, y, loss=loss, solver=gl.Newton(), **given)
    for held in (X, DENSE):
        found = gl.fit(held, y, loss=loss, solver=gl.NewtonCG(1e-12), **given)
        assert found.certificate.converged, found.certificate.reason
        np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found.standard_errors, plain.standard_errors, rtol=1e-8)


@pytest.mark.parametrize(
    "penalty",
    [gl.penalties.ridge(0.1), gl.penalties.difference([f"x{j}" for j in range(1, 6)], 0.5)],
    ids=["diagonal", "coupling"],
)
def test_penalties(penalty):
    plain, found = (gl.fit(X, CLASSES, loss="logistic", penalty=penalty, solver=solver) for solver in (gl.Newton(), gl.NewtonCG(1e-12)))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-9, atol=1e-11)


def test_without_an_intercept_and_with_columns_far_from_zero():
    for held, intercept in ((DENSE, False), (DENSE + 1e4, True), (DENSE * 10.0 ** np.linspace(-6, 6, P), True)):
        plain = gl.fit(held, CLASSES, loss="logistic", intercept=intercept, solver=gl.Newton())
        found = gl.fit(held, CLASSES, loss="logistic", intercept=intercept, solver=gl.NewtonCG(1e-12))
        np.testing.assert_allclose(found.predict(held, kind="linear"), plain.predict(held, kind="linear"), atol=1e-8)


def test_the_intercept_is_a_border_of_the_preconditioner():
    # Indicators of which nearly all are one say the same as the intercept but for their zeros: products by the tens without the shift.
    many = (rng.random((4000, 30)) < 0.97) * 1.0
    y = (rng.random(4000) < 1.0 / (1.0 + np.exp(-(many @ np.linspace(-1, 1, 30))))) * 1.0
    fit = gl.fit(sparse.csr_array(many), y, loss="logistic", solver=gl.NewtonCG(1e-10), covariance="none")
    assert fit.solution.passes < 40


def test_it_stops_where_the_loss_has_no_optimum():
    y = (DENSE[:, 0] > 0) * 1.0
    with pytest.warns(gl.GradlineWarning, match=r"has not converged: .* Add a ridge"):
        fit = gl.fit(X, y, loss="logistic", solver=gl.NewtonCG(max_steps=15), covariance="none")
    assert not fit.certificate.converged


def test_a_saddle_is_left_or_said():
    start = np.zeros((P + 1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = gl.fit(X, REAL, loss=gl.losses.cauchy(0.5), solver=gl.NewtonCG(), start=start)
        plain = gl.fit(X, REAL, loss=gl.losses.cauchy(0.5), solver=gl.Newton(), start=start)
    assert found.certificate.converged
    assert found.loss <= plain.loss + 1e-6


def test_levels_kept_as_codes():
    levels = np.char.add("g", rng.integers(0, 80, 3000).astype(str))
    table = {"g": levels, "x": rng.normal(size=3000)}
    table["y"] = rng.poisson(np.exp(0.3 * table["x"])).astype(float)
    plain, found = (
        gl.fit("y ~ x + C(g)", table, loss="poisson", solver=solver, covariance="none") for solver in ("auto", gl.NewtonCG(1e-12))
    )
    np.testing.assert_allclose(found.coefficients, plain.coefficients, atol=1e-8)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"loss": "absolute"}, "NewtonCG needs a smooth loss, and 'absolute' has kinks"),
        ({"penalty": gl.penalties.lasso(0.1)}, r"NewtonCG takes no penalty with kinks, .* use gl\.ProximalNewton\(\)"),
    ],
)
def test_what_is_refused(given, words):
    with pytest.raises(gl.SolverError, match=words):
        gl.fit(X, REAL, **{"loss": gl.losses.huber(1.0), "solver": gl.NewtonCG(), **given})


@pytest.mark.parametrize("settings", [{"tolerance": 0.0}, {"tolerance": 2}, {"max_steps": 0}, {"max_products": 1.5}], ids=str)
def test_settings_are_checked(settings):
    with pytest.raises(gl.SolverError, match="must be"):
        gl.NewtonCG(**settings)
