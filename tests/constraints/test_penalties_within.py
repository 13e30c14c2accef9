"""Penalties with kinks beside constraints, and any quadratic penalty beside losses with kinks, against Clarabel through cvxpy."""

import numpy as np
import pytest

import gradline as gl
from gradline.linalg.absolute_program import AbsoluteTerms, solve_with_absolutes

cp = pytest.importorskip("cvxpy")

RANDOM = np.random.default_rng(33)
N, P = 201, 5
X = RANDOM.normal(size=(N, P)) * [1.0, 2.0, 0.5, 1.0, 1.0] + [0.0, 1.0, 0.0, 0.0, -0.5]
ETA = 0.3 + X @ [0.5, -0.2, 0.4, 0.05, 0.3]
REAL = ETA + 0.5 * RANDOM.standard_t(4, size=N)
TARGETS = {
    "squared": REAL,
    "huber": REAL,
    "poisson": RANDOM.poisson(np.exp(ETA)).astype(float),
    "logistic": (RANDOM.random(N) < 1.0 / (1.0 + np.exp(-ETA))).astype(float),
    "absolute": REAL,
    "quantile": REAL,
    "epsilon_insensitive": REAL,
}
LOSSES = {"huber": gl.losses.huber(1.35), "quantile": gl.losses.quantile(0.8), "epsilon_insensitive": gl.losses.epsilon_insensitive(0.3)}
TEXT = "x1 + x5 = 0.4, x2 >= -0.05, x3 >= x1, 0 <= x4 <= 1"
KINKED = ["absolute", "quantile", "epsilon_insensitive"]
TIGHT = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def by_clarabel(kind, l1, l2=0.0, weights=None):
    """(coefficients, objective without constants)."""
    y, w = TARGETS[kind], np.ones(N) if weights is None else weights
    b, a = cp.Variable(P), cp.Variable()
    eta = X @ b + a
    r = y - eta
    loss = {
        "squared": lambda: cp.multiply(w, cp.square(r)),
        "huber": lambda: 0.5 * cp.multiply(w, cp.huber(r, 1.35)),
        "poisson": lambda: cp.multiply(w, cp.exp(eta) - cp.multiply(y, eta)),
        "logistic": lambda: cp.multiply(w, cp.logistic(eta) - cp.multiply(y, eta)),
        "absolute": lambda: cp.multiply(w, cp.abs(r)),
        "quantile": lambda: cp.multiply(w, 0.8 * cp.pos(r) + 0.2 * cp.pos(-r)),
        "epsilon_insensitive": lambda: cp.multiply(w, cp.pos(cp.abs(r) - 0.3)),
    }[kind]()
    objective = cp.sum(loss) / w.sum() + cp.sum(cp.multiply(l1 * np.ones(P), cp.abs(b))) + 0.5 * l2 * cp.sum_squares(b)
    problem = cp.Problem(cp.Minimize(objective), [b[0] + b[4] == 0.4, b[1] >= -0.05, b[2] >= b[0], b[3] >= 0, b[3] <= 1])
    problem.solve(cp.CLARABEL, **TIGHT)
    return np.concatenate([[a.value], b.value]), problem.value


def fitted(kind, penalty, **more):
    return gl.fit(X, TARGETS[kind], loss=LOSSES.get(kind, kind), penalty=penalty, constraints=TEXT, covariance=False, **more)


@pytest.mark.parametrize("strength", [0.02, 0.2, 20.0])
@pytest.mark.parametrize("kind", list(TARGETS))
def test_a_lasso_within_constraints(kind, strength):
    fit = fitted(kind, gl.penalties.lasso(strength))
    found, height = by_clarabel(kind, strength)
    assert fit.certificate.converged
    assert fit.constraints.polyhedron.missed(fit.solution.coefficients).max() <= 1e-12
    assert fit.constraints.multipliers[1:].min() >= 0
    if kind != "poisson":  # whose loss has another constant
        assert fit.loss == pytest.approx(height, rel=1e-8)
    # Of a loss with kinks the intercept may be one of many, as a median of an even count is.
    first = int(kind in KINKED)
    assert fit.coefficients[first:] == pytest.approx(found[first:], abs=1e-6)
    # What the other program has near zero is zero.
    assert (fit.slopes[np.abs(found[1:]) < 1e-8] == 0).all()


@pytest.mark.parametrize("kind", ["squared", "huber", "quantile"])
def test_weights_of_rows_scales_and_factors(kind):
    rows = RANDOM.uniform(0.5, 2.0, size=N)
    factors = np.array([1.0, 0.0, 2.0, 1.0, 0.5])
    fit = fitted(kind, gl.penalties.lasso(0.1, scaled=True, weights=factors), weights=rows)
    mean = np.average(X, axis=0, weights=rows)
    deviations = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=rows))
    found, height = by_clarabel(kind, 0.1 * factors * deviations, weights=rows)
    assert fit.loss == pytest.approx(height, rel=1e-8)
    assert fit.coefficients == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("kind", ["squared", "logistic", *KINKED])
def test_an_elastic_net(kind):
    fit = fitted(kind, gl.penalties.lasso(0.03) + gl.penalties.ridge(0.2))
    found, height = by_clarabel(kind, 0.03, 0.2)
    assert fit.certificate.converged
    assert fit.loss == pytest.approx(height, rel=1e-8)
    assert fit.coefficients == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    "penalty",
    [
        gl.penalties.lasso(0.2),
        gl.penalties.lasso(2.0),
        gl.penalties.lasso(0.1, weights={"x2": 0.0, "x4": 3.0}, scaled=True),
        gl.penalties.elastic_net(0.3, 0.5),
        gl.penalties.lasso(0.1) + gl.penalties.difference(["x1", "x2", "x3"], 0.3),
    ],
    ids=["weak", "strong", "weighted", "elastic net", "differences"],
)
def test_from_moments_alone(penalty, intercept):
    weights = RANDOM.uniform(0.5, 2.0, N)
    of_rows = gl.fit(X, REAL, weights=weights, penalty=penalty, constraints=TEXT, intercept=intercept)
    fit = gl.Moments.from_arrays(X, REAL, weights=weights).fit(target="y", intercept=intercept, penalty=penalty, constraints=TEXT)
    assert fit.coefficients == pytest.approx(of_rows.coefficients, abs=1e-12)
    assert ((fit.coefficients == 0) == (of_rows.coefficients == 0)).all()
    assert fit.active_constraints == of_rows.active_constraints
    assert list(fit.multipliers.values()) == pytest.approx(list(of_rows.multipliers.values()), abs=1e-12)
    assert 0 <= fit.gap < 1e-12
    left = REAL - of_rows.predict(X)
    assert fit.dispersion * fit.degrees_of_freedom == pytest.approx(np.sum(weights * left**2), rel=1e-10)
    assert np.isnan(fit.standard_errors).all()


@pytest.mark.parametrize("kind", KINKED)
def test_a_ridge_beside_kinks(kind):
    fit = fitted(kind, gl.penalties.ridge(0.1))
    found, height = by_clarabel(kind, 0.0, 0.1)
    assert fit.certificate.converged
    assert fit.loss == pytest.approx(height, rel=1e-9)
    assert fit.coefficients == pytest.approx(found, abs=1e-6)
    assert "subgradients prove" in fit.certificate.reason


def test_more_rows_than_the_programs_hold():
    n = 5000
    x = RANDOM.normal(size=(n, 3))
    y = x @ [0.4, 0.0, -0.3] + RANDOM.standard_t(3, size=n)
    w, eta = cp.Variable(4), None
    eta = x @ w[1:] + w[0]
    for l1, l2 in ((0.05, 0.0), (0.05, 0.1)):
        penalty = gl.penalties.lasso(l1) + gl.penalties.ridge(l2) if l2 else gl.penalties.lasso(l1)
        fit = gl.fit(x, y, loss="absolute", penalty=penalty, constraints="x1 + x2 = 0.3, x3 >= -0.2", covariance=False)
        objective = cp.norm1(y - eta) / n + l1 * cp.norm1(w[1:]) + 0.5 * l2 * cp.sum_squares(w[1:])
        problem = cp.Problem(cp.Minimize(objective), [w[1] + w[2] == 0.3, w[3] >= -0.2])
        problem.solve(cp.CLARABEL)
        assert fit.certificate.converged
        assert fit.loss == pytest.approx(problem.value, rel=1e-7)


@pytest.mark.parametrize("kind", ["squared", "logistic", "absolute"])
def test_no_strength_is_no_penalty(kind):
    with_none, without = fitted(kind, gl.penalties.lasso(0.0)), fitted(kind, None)
    assert with_none.coefficients == pytest.approx(without.coefficients, abs=1e-9)
    assert with_none.constraints.multipliers == pytest.approx(without.constraints.multipliers, abs=1e-9)


@pytest.mark.parametrize("kind", ["squared", "poisson", "quantile"])
def test_a_large_strength_leaves_no_slope(kind):
    fit = gl.fit(
        X,
        TARGETS[kind],
        loss=LOSSES.get(kind, kind),
        penalty=gl.penalties.lasso(1e3),
        constraints="x1 >= 0, x2 + x3 <= 1",
        covariance=False,
    )
    assert (fit.slopes == 0).all()
    # The lasso holds x1 at zero by itself: the constraint, though met as an equation, has nothing to push.
    assert fit.multipliers["x1 >= 0"] == 0
    assert fit.active_constraints == ("x1 >= 0",)


def test_a_lasso_alone_is_the_lasso_within_constraints_that_do_not_bind():
    for kind in ("squared", "logistic", "absolute"):
        penalty, y = gl.penalties.lasso(0.05), TARGETS[kind]
        alone = gl.fit(X, y, loss=kind, penalty=penalty)
        within = gl.fit(X, y, loss=kind, penalty=penalty, constraints=gl.constraints.bounds(lower=-100.0, upper=100.0))
        assert within.coefficients == pytest.approx(alone.coefficients, abs=1e-9)
        assert ((within.slopes == 0) == (alone.slopes == 0)).all()


def test_several_targets_and_several_predictors():
    both = np.column_stack([REAL, -0.5 * REAL + X[:, 0]])
    together = gl.fit(X, both, penalty=gl.penalties.lasso(0.1), constraints=gl.constraints.nonnegative(), covariance=False)
    for j in range(2):
        alone = gl.fit(X, both[:, j], penalty=gl.penalties.lasso(0.1), constraints=gl.constraints.nonnegative(), covariance=False)
        assert together.coefficients[:, j] == pytest.approx(alone.coefficients, abs=1e-10)
    classes = RANDOM.integers(0, 3, size=N).astype(float)
    fit = gl.fit(
        X, classes, loss="multinomial", penalty=gl.penalties.lasso(0.01), constraints=gl.constraints.nonnegative(), covariance=False
    )
    assert fit.certificate.converged
    assert fit.certificate.gap <= 1e-10
    assert fit.slopes.min() == 0


def test_more_columns_than_rows_and_columns_twice():
    x = RANDOM.normal(size=(20, 30))
    x[:, 1] = x[:, 0]
    y = x[:, 0] + RANDOM.normal(size=20)
    simplex = [gl.constraints.nonnegative(), gl.constraints.sum_to(1.0)]
    with pytest.warns(gl.GradlineWarning, match="the optimum is not unique"):
        fit = gl.fit(x, y, penalty=gl.penalties.lasso(0.1), constraints=simplex)
    b = cp.Variable(30)
    a = cp.Variable()
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - a - x @ b) / 20 + 0.1 * cp.norm1(b)), [b >= 0, cp.sum(b) == 1])
    problem.solve(cp.CLARABEL, **TIGHT)
    assert fit.certificate.converged
    assert fit.loss == pytest.approx(problem.value, rel=1e-8)
    assert fit.certificate.gap <= 1e-10


def test_the_gap_bounds_what_a_rough_fit_has_left():
    rough = fitted("logistic", gl.penalties.lasso(0.02), solver=gl.ConstrainedNewton(tolerance=1e-2))
    exact = fitted("logistic", gl.penalties.lasso(0.02))
    assert exact.certificate.gap <= 1e-12
    assert rough.certificate.gap is None or rough.loss - exact.loss <= rough.certificate.gap + 1e-14


@pytest.mark.parametrize("trial", range(60))
def test_programs_with_absolute_values(trial):
    """Degenerate, of singular curvature, with offsets and sums under the absolute values: the minimum, and what proves it."""
    random = np.random.default_rng(trial)
    d, m = int(random.integers(2, 10)), int(random.integers(0, 12))
    root = random.normal(size=(d if trial % 3 else max(1, d - 2), d))
    curvature, linear = root.T @ root, root.T @ random.normal(size=len(root)) * 3
    matrix = random.integers(-1, 2, size=(m, d)).astype(float) if trial % 2 else random.normal(size=(m, d))
    matrix = matrix[(matrix != 0).any(axis=1)]
    m = len(matrix)
    point = random.integers(-1, 2, size=d) * (random.random(d) < 0.6)
    lower = matrix @ point - (random.random(m) < 0.5) * random.random(m)
    upper = np.where(random.random(m) < 0.15, lower, np.where(random.random(m) < 0.7, np.inf, matrix @ point + 1.0))
    rows = np.eye(d) if trial % 4 else np.concatenate([np.eye(d), np.ones((1, d))])
    offset = random.integers(-1, 2, size=len(rows)).astype(float) if trial % 5 == 0 else np.zeros(len(rows))
    weights = random.choice([0.1, 0.5, 1.0, 5.0], size=len(rows))
    found = solve_with_absolutes(curvature, linear, matrix, lower, upper, AbsoluteTerms(rows, offset, weights))
    x = cp.Variable(d)
    finite = np.isfinite(upper)
    within = ([matrix @ x >= lower] if m else []) + ([matrix[finite] @ x <= upper[finite]] if finite.any() else [])
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(root @ x) + linear @ x + weights @ cp.abs(rows @ x + offset)), within)
    problem.solve(cp.CLARABEL)
    if found is None:
        assert problem.status == "infeasible"
        return
    there, pushes = found.program.x, found.program.multipliers
    value = rows @ there + offset
    assert found.program.exact
    assert 0.5 * there @ curvature @ there + linear @ there + weights @ np.abs(value) == pytest.approx(problem.value, rel=1e-6, abs=1e-6)
    assert curvature @ there + linear + found.slopes @ rows == pytest.approx(pushes @ matrix, abs=1e-10)
    assert (matrix @ there >= lower - 1e-10).all()
    assert (matrix @ there <= upper + 1e-10).all()
    assert np.abs(found.slopes) == pytest.approx(np.minimum(np.abs(found.slopes), weights), abs=1e-12)
    assert found.slopes * value == pytest.approx(weights * np.abs(value), abs=1e-10)
    assert (pushes[(lower != upper) & ~finite] >= -1e-10).all()


def test_summary_file_and_what_is_refused(tmp_path):
    fit = gl.fit(X, REAL, penalty=gl.penalties.lasso(0.2), constraints=TEXT)
    text = " ".join(str(fit.summary()).split())
    assert "lasso" in text
    assert "5 constraints" in text
    assert "has kinks, where an estimate is not near normal" in text
    fit.save(tmp_path / "model.json")
    loaded = gl.load(tmp_path / "model.json")
    assert loaded.multipliers == fit.multipliers
    assert (loaded.coefficients == fit.coefficients).all()
    groups = gl.penalties.group_lasso(0.1, [["x1", "x2"], ["x3"], ["x4"], ["x5"]])
    with pytest.raises(ValueError, match=r"sums of absolute values of slopes.*gl\.penalties\.lasso"):
        gl.fit(X, REAL, penalty=groups, constraints=TEXT)
    with pytest.raises(ValueError, match="sums of absolute values of slopes"):
        gl.fit(X, REAL, loss="absolute", penalty=groups, constraints=TEXT)
    with pytest.raises(ValueError, match="'x1 >= 1', 'x1 \\+ x2 <= 0', 'x2 >= 0' together"):
        gl.fit(X, REAL, penalty=gl.penalties.lasso(0.1), constraints="x1 >= 1, x1 + x2 <= 0, x2 >= 0, x3 >= 0")
    with pytest.raises(ValueError, match='inference="face" is not for penalties with kinks'):
        gl.fit(X, REAL, penalty=gl.penalties.lasso(0.1), constraints=TEXT, inference="face")
    with pytest.raises(ValueError, match="selective intervals know nothing of constraints"):
        gl.fit(X, REAL, penalty=gl.penalties.lasso(0.1), constraints=TEXT, covariance="selective")


def test_debiased_intervals_are_cut_to_what_is_allowed():
    penalty = gl.penalties.lasso(0.05)
    within = gl.fit(X, REAL, penalty=penalty, constraints="x4 >= 0", covariance="debiased")
    free = gl.fit(X, REAL, penalty=penalty, covariance="debiased")
    assert within.interval().lower[4] == pytest.approx(max(free.interval().lower[4], 0.0), abs=1e-9)
    assert within.interval().upper == pytest.approx(free.interval().upper, abs=1e-9)
    drawn = gl.fit(X, REAL, penalty=penalty, constraints="x4 >= 0", covariance="debiased", inference="draws").interval()
    middle = 0.5 * (drawn.lower + drawn.upper)
    ends = free.interval()
    assert middle[1] == pytest.approx(0.5 * (ends.lower + ends.upper)[1], abs=0.02)
    assert 0.0 <= within.test_constraints().p_value <= 1.0


def test_paths_and_chosen_strengths_know_no_constraints():
    with pytest.raises(TypeError, match=r"gl\.fit\(\.\.\., penalty=\.\.\., constraints=\.\.\.\), one strength at a time"):
        gl.path(X, REAL, constraints=TEXT)
    with pytest.warns(gl.GradlineWarning, match="chosen by fits without the constraints"):
        fit = gl.fit(X, REAL, penalty=gl.penalties.lasso("auto", scaled=True), constraints="x1 >= 0.6")
    assert fit.coefficients[1] == 0.6
    assert any("without the constraints" in note for note in fit.solution.notes)
