"""A lasso beside losses with kinks: the exact vertex, against HiGHS."""

import numpy as np
import pytest
from scipy.optimize import linprog

import gradline as gl


def by_highs(X, y, level, factors, weights=None):
    """(objective, coefficients) of the quantile loss with a lasso, as a linear program."""
    n, p = X.shape
    weights = np.ones(n) if weights is None else weights
    share = weights / weights.sum()
    cost = np.concatenate([[0, 0], factors, factors, share * level, share * (1 - level)])
    ones = np.ones((n, 1))
    equal = np.concatenate([ones, -ones, X, -X, np.eye(n), -np.eye(n)], axis=1)
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(cost, A_eq=equal, b_eq=y, bounds=(0, None), method="highs-ds", options=tight)
    return found.fun, np.concatenate([[found.x[0] - found.x[1]], found.x[2 : 2 + p] - found.x[2 + p : 2 + 2 * p]])


def data(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, 2 * X[:, 0] - X[:, 1] + rng.standard_t(3, size=n)


@pytest.mark.parametrize(
    ("n", "p", "level", "strength"),
    [(80, 5, 0.5, 0.05), (200, 20, 0.3, 0.03), (200, 20, 0.9, 0.01), (60, 100, 0.5, 0.1), (600, 12, 0.25, 0.02), (200, 20, 0.3, 1e-6)],
)
def test_quantile_with_a_lasso_is_the_vertex_of_highs(n, p, level, strength):
    X, y = data(n, p)
    fit = gl.fit(X, y, loss=gl.losses.quantile(level), penalty=gl.penalties.lasso(strength))
    objective, coefficients = by_highs(X, y, level, np.full(p, strength))
    assert fit.certificate.converged
    assert fit.loss == pytest.approx(objective, rel=1e-10)
    np.testing.assert_allclose(fit.coefficients, coefficients, rtol=1e-10, atol=1e-10)
    # The slopes at zero are zero to the bit.
    np.testing.assert_array_equal(fit.slopes != 0, np.abs(coefficients[1:]) > 1e-11)


def test_weights_of_rows_and_of_slopes_units_and_the_absolute_loss():
    X, y = data(150, 6)
    rng = np.random.default_rng(1)
    weights, factors = rng.uniform(0.5, 2.0, size=150), np.array([1, 2, 0, 1, 1, 3.0])
    fit = gl.fit(X, y, loss="absolute", weights=weights, penalty=gl.penalties.lasso(0.1, weights=factors))
    objective, coefficients = by_highs(X, y, 0.5, 0.05 * factors, weights)
    assert fit.loss == pytest.approx(2 * objective, rel=1e-10)
    np.testing.assert_allclose(fit.coefficients, coefficients, rtol=1e-10, atol=1e-10)
    assert fit.slopes[2] != 0  # not penalised
    far = gl.fit(X * [1, 1e3, 1, 1, 1, 1] + 1e5, y, loss="absolute", penalty=gl.penalties.lasso(0.1, scaled=True))
    near = gl.fit(X, y, loss="absolute", penalty=gl.penalties.lasso(0.1, scaled=True))
    np.testing.assert_allclose(far.slopes * [1, 1e3, 1, 1, 1, 1], near.slopes, rtol=1e-7, atol=1e-9)


def test_targets_side_by_side_are_each_by_themselves():
    X, y = data(101, 5)
    other = data(101, 5, 3)[1]
    both = gl.fit(X, np.column_stack([y, other]), loss="absolute", penalty=gl.penalties.lasso(0.0973))
    for j, target in enumerate((y, other)):
        alone = gl.fit(X, target, loss="absolute", penalty=gl.penalties.lasso(0.0973))
        np.testing.assert_allclose(both.coefficients[:, j], alone.coefficients, atol=1e-12)


def test_a_path_over_strengths_and_what_was_held_out():
    X, y = data(120, 6)
    path = gl.path(X, y, loss=gl.losses.quantile(0.72), strengths=8, choose="folds", folds=4)
    assert path.converged.all()
    assert path.nonzero[0] <= 1
    assert path.nonzero[-1] == 6
    for place in (1, 4):
        strength = path.strengths[place]
        objective, coefficients = by_highs(X, y, 0.72, np.full(6, strength))
        assert path.objectives[place] == pytest.approx(objective, rel=1e-10)
        np.testing.assert_allclose(path.coefficients[place, :, 0], coefficients, atol=1e-10)
    # A little above the first strength no slope is left.
    alone = gl.fit(X, y, loss=gl.losses.quantile(0.72), penalty=gl.penalties.lasso(path.strengths[0] * 1.0001))
    assert (alone.slopes == 0).all()
    chosen = gl.fit(X, y, loss=gl.losses.quantile(0.7), penalty=gl.penalties.lasso("auto"))
    assert "10 folds" in " ".join(str(chosen.summary()).split())


@pytest.mark.parametrize(
    ("loss", "penalty", "message"),
    [
        ("absolute", gl.penalties.mcp(0.1), "not piecewise linear"),
        ("absolute", gl.penalties.group_lasso(0.1, [["x1", "x2"], ["x3", "x4", "x5"]]), "gl.penalties.lasso, or a smooth loss"),
        (gl.losses.epsilon_insensitive(0.1), gl.penalties.lasso(0.1), "one kink, at y = prediction"),
    ],
)
def test_what_has_no_vertex_is_refused_naming_who_can(loss, penalty, message):
    X, y = data(50, 5)
    with pytest.raises(ValueError, match=message):
        gl.fit(X, y, loss=loss, penalty=penalty)
    with pytest.raises(ValueError, match=message):
        gl.path(X, y, loss=loss, penalty=penalty.with_strength("auto"))


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_an_elastic_net_beside_a_kinked_loss(level):
    cp = pytest.importorskip("cvxpy")
    X, y = data(80, 5)
    fit = gl.fit(X, y, loss=gl.losses.quantile(level), penalty=gl.penalties.elastic_net(0.1, 0.5))
    b, a = cp.Variable(5), cp.Variable()
    left = y - X @ b - a
    loss = cp.sum(level * cp.pos(left) + (1 - level) * cp.pos(-left)) / 80
    problem = cp.Problem(cp.Minimize(loss + 0.05 * cp.norm1(b) + 0.025 * cp.sum_squares(b)))
    problem.solve(cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    assert fit.certificate.converged
    assert fit.constraints is None
    assert fit.loss == pytest.approx(problem.value, abs=1e-10)
    assert fit.coefficients == pytest.approx(np.concatenate([[a.value], b.value]), abs=1e-6)
    with pytest.raises(ValueError, match="smooth part"):
        gl.path(X, y, loss=gl.losses.quantile(level), penalty=gl.penalties.elastic_net("auto", 0.5))


def test_units_of_columns_do_not_matter_to_a_scaled_lasso():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X[:, 0] + X[:, 1] + rng.normal(size=200)
    units = np.array([2.0**40, 2.0**-40, 1.0])
    for loss in (gl.losses.absolute, gl.losses.quantile(0.3)):
        plain, other = (gl.fit(columns, y, loss=loss, penalty=gl.penalties.lasso(0.05, scaled=True)) for columns in (X, X * units))
        assert other.certificate.converged
        np.testing.assert_allclose(other.slopes * units, plain.slopes, rtol=1e-10)
