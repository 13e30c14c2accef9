"""Every loss of the catalogue within constraints, and losses of one's own, against solvers that share nothing with gradline's."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

import gradline as gl
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows

RANDOM = np.random.default_rng(15)
N = 300
X = RANDOM.normal(size=(N, 4)) * [1.0, 3.0, 0.2, 1.0] + [0.0, 2.0, 0.0, -1.0]
ETA = 0.3 + X @ [0.4, -0.1, 0.5, -0.3]
REAL = ETA + 0.5 * RANDOM.standard_t(4, size=N)
COUNTS = RANDOM.poisson(np.exp(ETA)).astype(float)
AMOUNTS = RANDOM.gamma(2.0, np.exp(ETA) / 2.0) + 1e-6
LABELS = (RANDOM.random(N) < 1.0 / (1.0 + np.exp(-ETA))).astype(float)
CLASSES = RANDOM.integers(0, 3, size=N).astype(float)

TEXT = "x1 <= 0.2, x2 + x4 = -0.1, x3 >= x1, 0.1 <= x3 <= 2"
"""Which bind for most losses: an end, an equation, and one of the others for some."""

SMOOTH = [
    (gl.losses.squared, REAL),
    (gl.losses.huber(0.5), REAL),
    (gl.losses.huber(1.35, scale="joint"), REAL),
    (gl.losses.log_cosh, REAL),
    (gl.losses.expectile(0.8), REAL),
    (gl.losses.student_t(4.0), REAL),
    (gl.losses.cauchy(1.0), REAL),
    (gl.losses.tukey(4.685), REAL),
    (gl.losses.normal, REAL),
    (gl.losses.logistic, LABELS),
    (gl.losses.multinomial(), CLASSES),
    (gl.losses.poisson, COUNTS),
    (gl.losses.negative_binomial(0.5), COUNTS),
    (gl.losses.gamma, AMOUNTS),
    (gl.losses.tweedie(1.5), AMOUNTS),
]


def by_slsqp(fit, y, start):
    """The coefficients (P, k) that minimise the fit's loss within its constraints, by sequential least squares of SciPy."""
    rows = ArrayRows(X, y[:, None])
    problem = Problem(rows, fit.loss_function)
    polyhedron = fit.constraints.polyhedron
    movable = problem.movable.T.ravel()

    def full(theta):
        flat = np.zeros(len(movable))
        flat[movable] = theta
        return flat.reshape(problem.shape[::-1]).T

    def both(theta):
        value, gradient, _ = problem.evaluate(full(theta), 1)
        return value, gradient.T.ravel()[movable]

    matrix, right = polyhedron.matrix[:, movable], polyhedron.right
    conditions = [
        {"type": kind, "fun": lambda t, a=matrix[part], b=right[part]: a @ t - b, "jac": lambda t, a=matrix[part]: a}
        for kind, part in (("eq", polyhedron.equal), ("ineq", ~polyhedron.equal))
        if part.any()
    ]
    theta = start.T.ravel()[movable]
    for _ in range(3):  # begun anew, its quasi-Newton matrix is too
        theta = minimize(both, theta, jac=True, method="SLSQP", constraints=conditions, options={"ftol": 1e-16, "maxiter": 500}).x
    return full(theta)


def constraints_of(names):
    """The text, for the first linear predictor where there are several."""
    if len(names) == 1:
        return TEXT
    text = TEXT
    for number in range(1, 5):
        text = text.replace(f"x{number}", f"{names[0]}:x{number}")
    return text


def fitted(loss, y):
    names = gl.fit(X, y, loss=loss, covariance=False).predictor_names
    return gl.fit(X, y, loss=loss, constraints=constraints_of(names), covariance=False)


@pytest.mark.parametrize(("loss", "y"), SMOOTH, ids=lambda value: getattr(value, "name", "") if not isinstance(value, np.ndarray) else "")
def test_smooth_losses_against_scipy(loss, y):
    fit = fitted(loss, y)
    assert fit.certificate.converged
    start = fit.solution.coefficients
    if fit.loss_function.is_convex:
        start = start + 0.05 * RANDOM.normal(size=start.shape)
    found = by_slsqp(fit, y, start)
    size = np.abs(found).max()
    assert fit.constraints.polyhedron.missed(fit.solution.coefficients).max() <= 1e-12
    assert np.abs(fit.solution.coefficients - found).max() <= 1e-6 * size
    problem = Problem(ArrayRows(X, y[:, None]), fit.loss_function)
    # The minimum is flat: its height says what the coefficients cannot.
    assert problem.evaluate(fit.solution.coefficients, 0).value <= problem.evaluate(found, 0).value + 1e-9 * max(1.0, abs(fit.loss))
    assert "x1 <= 0.2" in " ".join(fit.active_constraints) or fit.loss_name == "multinomial"


@pytest.mark.parametrize("loss", [gl.losses.absolute, gl.losses.quantile(0.9), gl.losses.epsilon_insensitive(0.3)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_kinked_losses_against_a_linear_program_of_all_rows(loss, weighted):
    weights = RANDOM.uniform(0.5, 2.0, size=N) if weighted else None
    fit = gl.fit(X, REAL, loss=loss, weights=weights, constraints=TEXT, covariance=False)
    w = np.ones(N) if weights is None else weights
    steep, flat, gap = {"absolute": (1.0, 1.0, 0.0), "quantile": (0.9, 0.1, 0.0), "epsilon_insensitive": (1.0, 1.0, 0.3)}[loss.name]
    design = np.column_stack([np.ones(N), X])
    # y - Xb = u - v, and what exceeds the gap of either costs.
    poly = fit.constraints.polyhedron
    eye = np.eye(N)
    above = np.block([[-design, -eye, 0 * eye], [design, 0 * eye, -eye]])
    limits = np.concatenate([-REAL + gap, REAL + gap])
    rows = np.concatenate([above, np.hstack([-poly.matrix[~poly.equal], np.zeros((int((~poly.equal).sum()), 2 * N))])])
    found = linprog(
        np.concatenate([np.zeros(5), steep * w, flat * w]) / w.sum(),
        A_ub=rows,
        b_ub=np.concatenate([limits, -poly.right[~poly.equal]]),
        A_eq=np.hstack([poly.matrix[poly.equal], np.zeros((int(poly.equal.sum()), 2 * N))]),
        b_eq=poly.right[poly.equal],
        bounds=[(None, None)] * 5 + [(0, None)] * (2 * N),
    )
    assert fit.certificate.converged
    assert fit.loss == pytest.approx(found.fun, rel=1e-9)
    assert fit.constraints.polyhedron.missed(fit.solution.coefficients).max() <= 1e-12
    assert (fit.constraints.multipliers[~poly.equal] >= 0).all()


def own_losses():
    """Four losses of one's own, in two frameworks."""
    jnp, torch = pytest.importorskip("jax.numpy"), pytest.importorskip("torch")

    def asymmetric(y, p):
        r = y - p
        return jnp.where(r > 0, 2.0 * (jnp.sqrt(1.0 + r * r) - 1.0), jnp.log(jnp.cosh(r)))

    def quartic(y, p):
        return (y - p) ** 4 + 0.1 * (y - p) ** 2

    def counts(y, p):
        return jnp.exp(p) - y * p

    def soft(y, p):
        return torch.nn.functional.softplus(2.0 * (p - y)) + torch.nn.functional.softplus(y - p)

    return [(asymmetric, REAL, "jax"), (quartic, REAL, "jax"), (counts, COUNTS, "jax"), (soft, REAL, "torch")]


@pytest.mark.parametrize("number", range(4))
def test_losses_of_ones_own(number):
    function, y, backend = own_losses()[number]
    fit = gl.fit(X, y, loss=function, backend=backend, constraints=TEXT, covariance=False)
    assert fit.certificate.converged
    found = by_slsqp(fit, y, fit.solution.coefficients + 0.03)
    assert np.abs(fit.solution.coefficients - found).max() <= 1e-6 * np.abs(found).max()
    assert (fit.constraints.multipliers[~fit.constraints.polyhedron.equal] >= 0).all()


def test_a_local_optimum_is_called_one():
    assert "a local optimum" in fitted(gl.losses.tukey(4.685), REAL).certificate.reason
    assert "local" not in fitted(gl.losses.poisson, COUNTS).certificate.reason


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_a_ridge_beside_constraints(loss):
    y = COUNTS if loss == "poisson" else REAL
    fit = gl.fit(X, y, loss=loss, penalty=gl.penalties.ridge(0.5), constraints=TEXT, covariance=False)
    polyhedron = fit.constraints.polyhedron
    problem = Problem(ArrayRows(X, y[:, None]), fit.loss_function, fit.penalty)
    gradient = problem.evaluate(fit.solution.coefficients, 1).gradient
    # Stationary on the face, with multipliers of the right sign: what proves the optimum of a convex objective.
    assert gradient == pytest.approx(fit.constraints.force, abs=1e-12)
    assert (fit.constraints.multipliers[~polyhedron.equal] >= 0).all()
    assert polyhedron.missed(fit.solution.coefficients).max() <= 1e-12


def test_several_targets_side_by_side_are_those_one_by_one():
    Y = np.column_stack([REAL, -0.5 * REAL + X[:, 0]])
    for loss in ("squared", "absolute"):
        both = gl.fit(X, Y, loss=loss, constraints=gl.constraints.bounds(lower={"x1": 0.0, "x3": 0.3}), covariance=False)
        for j in range(2):
            alone = gl.fit(X, Y[:, j], loss=loss, constraints="x1 >= 0, x3 >= 0.3", covariance=False)
            assert both.coefficients[:, j] == pytest.approx(alone.coefficients, abs=1e-9)
