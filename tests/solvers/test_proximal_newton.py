"""Penalties that set coefficients to zero, against scikit-learn, a conic solver, scipy and the conditions of optimality."""

import numpy as np
import pytest
from scipy.optimize import minimize

import gradline as gl
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.proximal.gap import duality_gap

RNG = np.random.default_rng(7)
N, P = 300, 12
X = RNG.normal(size=(N, P)) * 10.0 ** RNG.uniform(-0.5, 0.5, P) + RNG.normal(size=(N, 1)) + 2.0
TRUE = np.where(np.arange(P) < 4, RNG.normal(size=P), 0.0)
ETA = X @ TRUE - (X @ TRUE).mean()
Y = ETA + RNG.normal(size=N)
WEIGHTS = RNG.uniform(0.5, 2.0, N)
TARGETS = {
    "squared": Y,
    "logistic": (Y > 0) * 1.0,
    "poisson": RNG.poisson(np.exp(ETA / 4)) * 1.0,
    "huber": Y,
    "gamma": np.exp(ETA / 6) * RNG.gamma(3.0, 1 / 3.0, N),
}


def loss_of(name):
    return gl.losses.huber(0.8) if name == "huber" else name


@pytest.mark.parametrize("strength", [2.0, 0.3, 0.01])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_lasso_and_elastic_net_are_those_of_scikit_learn(strength, weights):
    linear = pytest.importorskip("sklearn.linear_model")
    for penalty, peer in (
        (gl.penalties.lasso(strength), linear.Lasso(alpha=strength / 2, tol=1e-14, max_iter=10**6)),
        (gl.penalties.elastic_net(strength, 0.3), linear.ElasticNet(alpha=strength / 2, l1_ratio=0.3, tol=1e-14, max_iter=10**6)),
    ):
        fit = gl.fit(X, Y, penalty=penalty, weights=weights)
        peer.fit(X, Y, sample_weight=weights)
        np.testing.assert_allclose(fit.slopes, peer.coef_, rtol=1e-8, atol=1e-10)
        np.testing.assert_array_equal(fit.slopes == 0, peer.coef_ == 0)
        assert fit.intercept == pytest.approx(peer.intercept_, rel=1e-8)
        assert fit.certificate.converged
        assert 0 <= fit.certificate.gap <= 1e-10 * fit.loss


@pytest.mark.parametrize("name", ["logistic", "poisson", "huber", "gamma"])
def test_other_losses_end_where_no_smooth_optimizer_gets_lower(name):
    # With b = u - v and u, v >= 0 the objective is smooth with bounds: L-BFGS-B, restarted at its own answer.
    y, strength = TARGETS[name], 0.02
    fit = gl.fit(X, y, loss=loss_of(name), penalty=gl.penalties.lasso(strength))
    problem = Problem(ArrayRows(X, y[:, None]), fit.loss_function)

    def objective(z):
        b = np.concatenate([z[:1], z[1 : P + 1] - z[P + 1 :]])
        value, gradient, _ = problem.evaluate(b[:, None], 1)
        g = gradient[:, 0]
        return value + strength * z[1:].sum(), np.concatenate([g, -g[1:]]) + np.concatenate([[0.0], np.full(2 * P, strength)])

    start = np.concatenate([[fit.intercept], np.maximum(fit.slopes, 0), np.maximum(-fit.slopes, 0)])
    start[0] += 0.1
    bounds = [(None, None)] + [(0, None)] * (2 * P)
    best = start
    for _ in range(4):
        best = minimize(
            objective, best, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 5000, "ftol": 1e-16, "gtol": 1e-12}
        ).x
    assert fit.loss <= objective(best)[0] + 1e-12
    gradient = problem.evaluate(fit.solution.coefficients, 1).gradient[:, 0]
    assert abs(gradient[0]) < 1e-12
    zero = fit.slopes == 0
    assert zero.any()
    assert (np.abs(gradient[1:][zero]) <= strength + 1e-12).all()
    np.testing.assert_allclose(gradient[1:][~zero], -strength * np.sign(fit.slopes[~zero]), atol=1e-12)


def test_a_group_lasso_is_that_of_a_conic_solver():
    cvxpy = pytest.importorskip("cvxpy")
    groups = [[0, 1, 2], [3, 4], [5], [6, 7, 8, 9, 10, 11]]
    for share in (0.0, 0.4):
        fit = gl.fit(X, Y, penalty=gl.penalties.group_lasso(0.8, groups, l1_share=share))
        b, b0 = cvxpy.Variable(P), cvxpy.Variable()
        norms = sum(np.sqrt(len(group)) * cvxpy.norm(b[group]) for group in groups)
        objective = cvxpy.sum_squares(Y - X @ b - b0) / N + 0.8 * ((1 - share) * norms + share * cvxpy.norm1(b))
        problem = cvxpy.Problem(cvxpy.Minimize(objective))
        problem.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
        np.testing.assert_allclose(fit.slopes, b.value, atol=1e-6)
        assert fit.loss <= problem.value + 1e-9
        assert fit.certificate.gap < 1e-10


def test_groups_across_targets_are_those_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    targets = np.column_stack([Y, X @ TRUE[::-1] + RNG.normal(size=N)])
    fit = gl.fit(X, targets, penalty=gl.penalties.group_lasso(1.0, across="targets"))
    # Its loss is half as large and the sum over targets is not averaged; its norm has no root of the group's size.
    peer = linear.MultiTaskLasso(alpha=np.sqrt(2.0) / 2, tol=1e-14, max_iter=10**6).fit(X, targets)
    np.testing.assert_allclose(fit.slopes, peer.coef_.T, atol=1e-8)
    np.testing.assert_array_equal((fit.slopes == 0).all(axis=1), (peer.coef_ == 0).all(axis=0))


@pytest.mark.parametrize("penalty", [gl.penalties.scad(0.4), gl.penalties.mcp(0.4)], ids=["scad", "mcp"])
@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_folded_penalties_end_at_a_local_minimum_and_say_no_more(penalty, name):
    fit = gl.fit(X, TARGETS[name], loss=name, penalty=penalty)
    assert fit.certificate.converged
    assert fit.certificate.gap is None
    assert "local minimum" in fit.certificate.reason
    bound, problem = fit.penalty, Problem(ArrayRows(X, TARGETS[name][:, None]), fit.loss_function)

    def objective(b):
        return problem.evaluate(b, 0).value + bound.value(b[1:])

    b = fit.solution.coefficients
    here = objective(b)
    assert here == pytest.approx(fit.loss, rel=1e-12)
    for direction in RNG.normal(size=(200, P + 1, 1)):
        assert objective(b + 1e-3 * direction) >= here - 1e-12
    # Large slopes are left alone: an unpenalised fit of the chosen columns agrees where no slope is near zero.
    if name == "squared":
        kept = np.flatnonzero(fit.slopes)
        plain = gl.fit(X[:, kept], Y)
        far = np.abs(fit.slopes[kept]) > 3.7 * 0.4
        assert far.any()
        if far.all():
            np.testing.assert_allclose(fit.slopes[kept], plain.slopes, rtol=1e-9)


def test_the_gap_is_never_below_the_truth():
    mpmath = pytest.importorskip("mpmath")
    x, y, strength = X[:40, :3], Y[:40], 0.5
    fit = gl.fit(x, y, penalty=gl.penalties.lasso(strength))
    problem = Problem(ArrayRows(x, y[:, None]), fit.loss_function)
    support = np.flatnonzero(fit.slopes)
    with mpmath.workdps(50):
        # The optimum on the support found, its signs given, in fifty digits.
        design = mpmath.matrix(np.column_stack([np.ones(40), x[:, support]]).tolist())
        target = mpmath.matrix(y.tolist())
        signs = mpmath.matrix([0.0, *(strength * np.sign(fit.slopes[support]) * 40 / 2).tolist()])
        exact = mpmath.lu_solve(design.T * design, design.T * target - signs)
        left = target - design * exact
        least = (left.T * left)[0] / 40 + strength * sum(abs(exact[i + 1]) for i in range(len(support)))
        for shift in (0.0, 1e-6, 1e-3, 0.1):
            b = fit.solution.coefficients.copy()
            b[1:] *= 1.0 + shift
            means = x.mean(axis=0)
            b[0] = y.mean() - means @ b[1:, 0]
            value, gradient, _ = problem.evaluate(b, 1)
            objective = value + strength * np.abs(b[1:]).sum()
            gap = duality_gap(fit.penalty.part, b[1:, 0], gradient[1:, 0], objective, 0.0)
            assert gap >= float(mpmath.mpf(float(objective)) - least) - 1e-14


def in_tensorflow():
    tf = pytest.importorskip("tensorflow")
    return lambda y, p: tf.abs(y - p) + tf.math.softplus(-2.0 * tf.abs(y - p)) - tf.math.log(tf.constant(2.0, tf.float64))


def in_jax():
    jax = pytest.importorskip("jax")
    return lambda y, p: jax.numpy.abs(y - p) + jax.nn.softplus(-2.0 * jax.numpy.abs(y - p)) - np.log(2.0)


def in_torch():
    torch = pytest.importorskip("torch")
    return lambda y, p: torch.abs(y - p) + torch.nn.functional.softplus(-2.0 * torch.abs(y - p)) - np.log(2.0)


@pytest.mark.parametrize("make", [in_tensorflow, in_jax, in_torch])
def test_your_own_loss_with_groups_is_the_built_in_one(make):
    penalty = gl.penalties.group_lasso(0.1, ["a"] * 4 + ["b"] * 8)
    own, built_in = gl.fit(X, Y, loss=make(), penalty=penalty), gl.fit(X, Y, loss=gl.losses.log_cosh, penalty=penalty)
    np.testing.assert_allclose(own.slopes, built_in.slopes, atol=1e-7)
    assert 0 <= own.certificate.gap < 1e-10
    assert "convex and not below zero" in own.certificate.reason


def test_a_factor_enters_whole_and_a_weight_of_zero_is_free():
    groups = RNG.integers(0, 4, N).astype(str)
    table = {"y": Y, "x": X[:, 0], "z": X[:, 5], "g": groups}
    fit = gl.fit("y ~ x + z + C(g)", table, penalty=gl.penalties.group_lasso(0.3))
    of_factor = [slope == 0 for name, slope in zip(fit.names[1:], fit.slopes, strict=True) if name.startswith("C(g)")]
    assert len(set(of_factor)) == 1
    free = gl.fit("y ~ x + z + C(g)", table, penalty=gl.penalties.lasso(100.0, weights={"x": 0.0}))
    alone = gl.fit("y ~ x", table)
    np.testing.assert_array_equal(free.slopes[1:], 0.0)
    assert free.slopes[0] == pytest.approx(alone.slopes[0], rel=1e-12)


def test_strength_zero_is_the_plain_fit_and_a_large_one_the_mean():
    assert np.abs(gl.fit(X, Y, penalty=gl.penalties.lasso(0.0)).slopes - gl.fit(X, Y).slopes).max() < 1e-11
    nothing = gl.fit(X, Y, penalty=gl.penalties.lasso(1e6))
    assert (nothing.slopes == 0).all()
    assert nothing.intercept == pytest.approx(Y.mean(), rel=1e-13)


def test_columns_far_from_zero_do_not_matter():
    far = X + 1e7
    near, moved = (gl.fit(x, TARGETS["logistic"], loss="logistic", penalty=gl.penalties.lasso(0.02)) for x in (X, far))
    np.testing.assert_array_equal(near.slopes == 0, moved.slopes == 0)
    np.testing.assert_allclose(moved.slopes, near.slopes, rtol=1e-6)


def test_streamed_rows_give_the_same(tmp_path, monkeypatch):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from gradline.preparing import from_table

    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({**{f"x{i + 1}": X[:, i] for i in range(P)}, "y": TARGETS["logistic"]}), path)
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    formula = "y ~ " + " + ".join(f"x{i + 1}" for i in range(P))
    streamed = gl.fit(formula, path, loss="logistic", penalty=gl.penalties.lasso(0.02))
    held = gl.fit(X, TARGETS["logistic"], loss="logistic", penalty=gl.penalties.lasso(0.02))
    np.testing.assert_allclose(streamed.slopes, held.slopes, atol=1e-11)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"solver": gl.LeastSquares()}, "gl.ProximalNewton"),
        ({"solver": gl.Newton()}, "gl.ProximalNewton"),
        ({"solver": gl.LBFGS()}, "gl.ProximalNewton"),
        ({"solver": gl.GradientDescent()}, "gl.ProximalNewton"),
        ({"loss": "absolute", "solver": gl.ProximalNewton()}, "smooth loss"),
        ({"covariance": "HC1"}, "has kinks"),
    ],
)
def test_who_cannot_names_who_can(options, words):
    with pytest.raises(gl.GradlineError, match=words):
        gl.fit(X, Y, penalty=gl.penalties.lasso(0.1), **options)
    with pytest.raises(gl.SolverError, match=r"gl\.Newton"):
        gl.fit(X, Y, solver=gl.ProximalNewton())


def test_a_model_file_keeps_what_it_can(tmp_path):
    fit = gl.fit(X, Y, penalty=gl.penalties.elastic_net(0.3, 0.5))
    fit.save(tmp_path / "model.json")
    loaded = gl.load(tmp_path / "model.json")
    np.testing.assert_array_equal(loaded.coefficients, fit.coefficients)
    assert loaded.penalty.name == "elastic_net"
    assert dict(loaded.penalty.parameters) == {"strength": 0.3, "l1_share": 0.5}
    assert loaded.certificate == fit.certificate
    assert str(loaded.summary()) == str(fit.summary())


def test_a_loss_that_is_not_convex_takes_few_passes_and_warns_of_nothing():
    # Far from the optimum the curvature of the normal loss bends downwards: steps to its stationary point lead away.
    import warnings

    loss = gl.losses.normal
    y = X @ TRUE + np.exp(0.3 * X[:, 1] - 1.0) * np.random.default_rng(3).normal(size=N)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = gl.fit(X, y, loss=loss, penalty=gl.penalties.lasso(0.05), solver=gl.ProximalNewton())
    assert fit.certificate.converged
    assert fit.solution.passes <= 40
    mean, log_scale = fit.coefficients[:, 0], fit.coefficients[:, 1]
    left, scale = y - mean[0] - X @ mean[1:], np.exp(log_scale[0] + X @ log_scale[1:])
    for b, each in ((mean, -left / scale**2), (log_scale, 1.0 - np.square(left / scale))):
        gradient = X.T @ each / N
        expected = np.where(b[1:] != 0, -0.05 * np.sign(b[1:]), np.clip(gradient, -0.05, 0.05))
        np.testing.assert_allclose(gradient, expected, atol=1e-9)


def test_large_groups_are_solved_to_their_conditions():
    rng = np.random.default_rng(1)
    design = rng.normal(size=(700, 260))
    y = design @ rng.normal(size=260) / 8 + rng.normal(size=700)
    groups = [list(range(250)), list(range(250, 260))]
    fit = gl.fit(design, y, penalty=gl.penalties.group_lasso(0.05, groups))
    residual = y - fit.predict(design)
    for group in groups:
        gradient, b = -2 * design[:, group].T @ residual / 700, fit.slopes[group]
        np.testing.assert_allclose(gradient, -0.05 * np.sqrt(len(group)) * b / np.linalg.norm(b), atol=1e-9)
    assert fit.certificate.converged


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_working_sets_beside_a_smooth_part(loss, monkeypatch):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 400))
    y = X[:, 0] - X[:, 3] + rng.normal(size=60)
    y = (y > 0) * 1.0 if loss == "logistic" else y
    smooth = gl.penalties.difference(["x1", "x2", "x3"], 0.5)
    for penalty in (gl.penalties.elastic_net(0.1, 0.6), gl.penalties.lasso(0.08) + smooth + gl.penalties.ridge(0.01)):
        some = gl.fit(X, y, loss=loss, penalty=penalty)
        with monkeypatch.context() as patch:
            patch.setattr("gradline.solvers.proximal.newton.is_wide", lambda problem: False)
            every = gl.fit(X, y, loss=loss, penalty=penalty)
        np.testing.assert_allclose(some.coefficients, every.coefficients, rtol=1e-8, atol=1e-11)
        assert some.certificate.gap < 1e-10
