"""Data on which a proximal Newton step has no sure minimum: flat losses, constant columns, fewer rows than columns."""

import numpy as np
import pytest

import gradline as gl


def conic(X, y, loss, regularizer):
    cvxpy = pytest.importorskip("cvxpy")
    slopes, intercept = cvxpy.Variable(X.shape[1]), cvxpy.Variable()
    predictions = X @ slopes + intercept
    mean = {
        "squared": lambda: cvxpy.sum_squares(y - predictions),
        "huber": lambda: 0.5 * cvxpy.sum(cvxpy.huber(y - predictions, 1)),
        "logistic": lambda: cvxpy.sum(cvxpy.logistic(predictions) - cvxpy.multiply(y, predictions)),
        "poisson": lambda: cvxpy.sum(cvxpy.exp(predictions) - cvxpy.multiply(y, predictions)),
    }[loss]() / len(y)
    problem = cvxpy.Problem(cvxpy.Minimize(mean + regularizer(cvxpy, slopes)))
    precise = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    problem.solve(solver=cvxpy.CLARABEL, **precise)
    reached = {
        "squared": lambda e: np.mean((y - e) ** 2),
        "huber": lambda e: np.mean(np.where(np.abs(y - e) <= 1, 0.5 * (y - e) ** 2, np.abs(y - e) - 0.5)),
        "logistic": lambda e: np.mean(np.logaddexp(0, e) - y * e),
        "poisson": lambda e: np.mean(np.exp(e) - y * e),
    }[loss]
    return problem.value, reached


@pytest.mark.parametrize("seed", range(4))
def test_huber_loss_whose_rows_are_all_far_out_where_the_fit_begins(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 6)) * [4.0, 1.0, 1.0, 0.1, 40.0, 0.1]
    y = 20.0 * np.where(np.arange(6) % 2, 1.0, -1.0) + rng.normal(size=6)
    fit = gl.fit(X, y, loss=gl.losses.huber(1.0), penalty=gl.penalties.lasso(0.014, weights=np.ones(6)))
    least, loss = conic(X, y, "huber", lambda cvxpy, slopes: 0.014 * cvxpy.norm1(slopes))
    assert fit.certificate.converged
    assert fit.certificate.gap <= 1e-8 * least
    assert loss(fit.predict(X)) + 0.014 * np.abs(fit.slopes).sum() <= least * (1 + 1e-8)


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("value", [3.0, 0.1])
def test_a_constant_column_in_a_group_is_zero(loss, scaled, value):
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(size=(34, 4)), np.full(34, value)])
    y = {"squared": X[:, 0] + rng.normal(size=34), "logistic": (rng.random(34) < 0.4) * 1.0, "poisson": rng.poisson(1.5, 34) * 1.0}[loss]
    groups, strength = [["x1", "x2", "x5"], ["x3", "x4"]], 0.02
    fit = gl.fit(X, y, loss=loss, penalty=gl.penalties.group_lasso(strength, groups, scaled=scaled))
    spread = np.append(X[:, :4].std(axis=0), 1.0) if scaled else np.ones(5)

    def charge(norm, slopes):
        return strength * (np.sqrt(3) * norm(slopes[[0, 1, 4]]) + np.sqrt(2) * norm(slopes[[2, 3]]))

    least, mean = conic(X, y, loss, lambda cvxpy, slopes: charge(cvxpy.norm, cvxpy.multiply(spread, slopes)))
    assert fit.certificate.converged
    assert fit.slopes[4] == 0
    assert fit.certificate.gap <= 1e-9
    offset = X @ fit.slopes + fit.intercept
    assert mean(offset) + charge(np.linalg.norm, spread * fit.slopes) <= least + 1e-8


def test_fewer_rows_than_columns_of_very_different_size():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(3, 10)) * 10.0 ** rng.uniform(-2, 2, 10)
        y = rng.normal(size=3)
        fit = gl.fit(X, y, penalty=gl.penalties.lasso(0.003, weights=np.ones(10)), solver=gl.ProximalNewton())
        assert fit.certificate.converged
        assert fit.certificate.gap <= 1e-12
        assert fit.certificate.gradient_norm <= 1e-9


def test_a_step_that_has_no_minimum_does_not_pass_for_an_optimum():
    # All rows far out: the parabola of the loss at the start is a plane, which no step shows to be left.
    y = np.array([-50.0, 50.0, -50.0, 50.0])
    X = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    fit = gl.fit(X, y, loss=gl.losses.huber(1.0), penalty=gl.penalties.lasso(0.5))
    np.testing.assert_allclose(fit.coefficients, [0.0, 49.5], atol=1e-9)


def with_working_sets_from(columns, X, y, loss, penalty, monkeypatch):
    from gradline.solvers.proximal import working_sets

    with monkeypatch.context() as patched:
        patched.setattr(working_sets, "WIDE", columns)
        return gl.fit(X, y, loss=loss, penalty=penalty)


@pytest.mark.parametrize("loss", ["huber", "logistic"])
@pytest.mark.parametrize(
    "penalty",
    [
        gl.penalties.lasso(0.05),
        gl.penalties.group_lasso(0.2, [[f"x{3 * i + j}" for j in (1, 2, 3)] for i in range(50)]),
        gl.penalties.mcp(0.1),
        gl.penalties.lasso(0.05, weights=np.append(np.zeros(2), np.ones(148))),
    ],
    ids=["lasso", "groups", "mcp", "two unpenalised"],
)
def test_working_sets_end_where_all_columns_do(loss, penalty, monkeypatch):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(60, 150))
    y = 2 * X[:, 4] - X[:, 100] + rng.normal(size=60)
    if loss == "logistic":
        y = (y > 0) * 1.0
    own = gl.losses.huber(1.0) if loss == "huber" else loss
    fit = with_working_sets_from(20, X, y, own, penalty, monkeypatch)
    all_at_once = with_working_sets_from(10**9, X, y, own, penalty, monkeypatch)
    assert fit.certificate.converged
    assert fit.certificate.gradient_norm <= 1e-9
    assert fit.certificate.gap == pytest.approx(all_at_once.certificate.gap, abs=1e-9)
    if penalty.name != "mcp":
        np.testing.assert_allclose(fit.coefficients, all_at_once.coefficients, atol=1e-7)
        np.testing.assert_array_equal(fit.slopes == 0, all_at_once.slopes == 0)


def test_a_wide_path_with_folds_is_explicit_refits():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(60, 320))
    y = (X[:, 0] - X[:, 9] + rng.normal(size=60) > 0) * 1.0
    path = gl.path(X, y, loss="logistic", strengths=5, choose="blocks", folds=3)
    assert path.converged.all()
    assert path.gaps.max() <= 1e-9
    assert path.nonzero[0] == 0
    rest = np.arange(60) >= 20
    alone = gl.fit(X[rest], y[rest], loss="logistic", penalty=gl.penalties.lasso(float(path.strengths[2])))
    margin = np.where(y > 0, 1.0, -1.0)[~rest] * (X[~rest] @ alone.slopes + alone.intercept)
    np.testing.assert_allclose(path.held_out.of_fold[0, 2], np.logaddexp(0, -margin).mean(), rtol=1e-9)


def test_columns_whose_curvature_loses_its_inverse_as_they_leave():
    # A parabola of Huber loss counts few rows, so that many columns say the same.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 400))
    X[:, 1::2] = 0.9 * X[:, ::2] + 0.4 * X[:, 1::2]
    y = 2 * X[:, 5] - X[:, 100] + rng.normal(size=60)
    path = gl.path(X, y, loss=gl.losses.huber(1.0), strengths=12)
    assert path.converged.all()
    assert path.gaps.max() <= 1e-9
