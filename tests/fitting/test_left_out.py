"""Leave-one-out of a path against as many refits as there are rows; blocks of time; groups of a table."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import gradline as gl

LASSO, NET = gl.penalties.lasso(), gl.penalties.elastic_net("auto", 0.5)
GROUPS = [["x1", "x2"], ["x3", "x4"], ["x5", "x6"]]


def data(n, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.3)
    return X, X @ np.r_[2, -1, 0.5, np.zeros(p - 3)] + rng.normal(size=n), rng


def targets(loss, y, rng):
    if loss == "logistic":
        return (y > 0).astype(float)
    if loss in ("poisson", "negative_binomial"):
        return rng.poisson(np.exp(0.2 * y)).astype(float)
    return np.exp(0.2 * y) if loss == "gamma" else y


def by_refits(path, X, y, penalty, weights=None, **options):
    """(m, n): the loss of each row by a fit without it, at the strength that keeps the total penalty."""
    n = len(y)
    weights = np.ones(n) if weights is None else weights
    found = np.empty((len(path.strengths), n))
    for place, strength in enumerate(path.strengths):
        for row in range(n):
            kept = np.arange(n) != row
            own = penalty.with_strength(strength * weights.sum() / weights[kept].sum())
            fit = gl.fit(X[kept], y[kept], penalty=own, weights=weights[kept], **options)
            predictor = fit.solution.coefficients[0] + X[row] @ fit.solution.coefficients[1:]
            found[place, row] = fit.loss_function.derivatives(y[row : row + 1, None], predictor[None], 0).value[0]
    return found


def check(loss, penalty, n, strengths, accuracy):
    X, y, rng = data(n)
    y = targets(loss, y, rng)
    asked = gl.losses.huber(1.345) if loss == "huber" else gl.losses.expectile(0.8) if loss == "expectile" else loss
    path = gl.path(X, y, loss=asked, penalty=penalty, strengths=strengths, choose="leave-one-out")
    losses = by_refits(path, X, y, penalty, loss=asked)
    held = path.held_out
    np.testing.assert_allclose(held.mean, losses.mean(axis=1), rtol=accuracy)
    np.testing.assert_allclose(held.error, losses.std(axis=1) / np.sqrt(n - 1), rtol=1e-6)
    assert held.refits > 0, "no row changed what was kept, so that the test shows nothing of those that do"
    assert "leave-one-out" in held.how


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "huber"])
def test_leave_one_out_is_that_of_as_many_refits(loss):
    check(loss, LASSO, 40, 3, 1e-8)


@pytest.mark.parametrize("penalty", [NET, gl.penalties.group_lasso("auto", GROUPS), gl.penalties.lasso(scaled=True, weights={"x2": 0})])
def test_of_other_penalties_too(penalty):
    for loss in ("squared", "logistic"):
        X, y, rng = data(30)
        y = targets(loss, y, rng)
        path = gl.path(X, y, loss=loss, penalty=penalty, strengths=[0.3, 0.05], choose="leave-one-out")
        if penalty.parameters.get("scaled"):
            # Without a row the scale of a column is another; the scale of all rows is held.
            scales = X.std(axis=0)
            losses = by_refits(path, X / scales, y, gl.penalties.lasso(weights={"x2": 0}), loss=loss)
        else:
            losses = by_refits(path, X, y, penalty, loss=loss)
        np.testing.assert_allclose(path.held_out.mean, losses.mean(axis=1), rtol=1e-8)


def test_weights_and_frequencies():
    X, y, rng = data(30)
    weights, counts = rng.uniform(0.5, 2, size=30), rng.integers(1, 4, size=30)
    for loss in ("squared", "logistic"):
        z = targets(loss, y, rng)
        path = gl.path(X, z, loss=loss, weights=weights, strengths=[0.2, 0.03], choose="leave-one-out")
        losses = by_refits(path, X, z, LASSO, weights, loss=loss)
        np.testing.assert_allclose(path.held_out.mean, losses @ weights / weights.sum(), rtol=1e-8)
        # A row that counts three times is left out once of the three.
        counted = gl.path(X, z, loss=loss, frequencies=counts, strengths=[0.2, 0.03], choose="leave-one-out")
        repeated = gl.path(np.repeat(X, counts, axis=0), np.repeat(z, counts), loss=loss, strengths=[0.2, 0.03], choose="leave-one-out")
        np.testing.assert_allclose(counted.held_out.mean, repeated.held_out.mean, rtol=1e-8)
        np.testing.assert_allclose(counted.held_out.error, repeated.held_out.error, rtol=1e-8)
        idle = gl.path(
            np.vstack([X, X[:2]]), np.r_[z, z[:2]], loss=loss, weights=np.r_[weights, 0, 0], strengths=[0.2], choose="leave-one-out"
        )
        assert idle.held_out.mean[0] == pytest.approx(path.held_out.mean[0], rel=1e-8)


def test_far_columns_and_two_targets():
    X, y, _ = data(40)
    near = gl.path(X, (y > 0).astype(float), loss="logistic", strengths=[0.05, 0.01], choose="leave-one-out")
    far = gl.path(X + 1e6, (y > 0).astype(float), loss="logistic", strengths=[0.05, 0.01], choose="leave-one-out")
    np.testing.assert_allclose(far.held_out.mean, near.held_out.mean, rtol=1e-6)
    Y = np.column_stack([y, X[:, 1] + y[::-1]])
    both = gl.path(X, Y, strengths=[0.3, 0.1], choose="leave-one-out")
    each = [gl.path(X, Y[:, j], strengths=[0.3, 0.1], choose="leave-one-out") for j in (0, 1)]
    np.testing.assert_allclose(both.held_out.mean, each[0].held_out.mean + each[1].held_out.mean, rtol=1e-8)


def test_a_file_of_squared_loss_needs_no_rows_in_memory(tmp_path):
    X, y, _ = data(300)
    table = pd.DataFrame(X, columns=[f"x{i + 1}" for i in range(6)]).assign(y=y)
    table.to_parquet(tmp_path / "rows.parquet")
    asked = {"strengths": [0.5, 0.05], "choose": "leave-one-out"}
    found = gl.path("y ~ .", str(tmp_path / "rows.parquet"), **asked)
    np.testing.assert_allclose(found.held_out.mean, gl.path(X, y, **asked).held_out.mean, rtol=1e-12)


def test_many_rows_of_another_loss_take_one_step_each():
    X, y, rng = data(1500)
    z = targets("logistic", y, rng)
    path = gl.path(X, z, loss="logistic", strengths=[0.02], choose="leave-one-out")
    assert "one Newton step" in path.held_out.how
    fit = path.fit(path.strengths[0])
    kept = np.flatnonzero(fit.slopes)
    rows, differences = np.arange(0, 1500, 100), []
    left = gl.fit(X, z, loss="logistic", penalty=gl.penalties.lasso(0.02)).diagnose(X, z).leave_one_out
    for row in rows:
        rest = np.arange(1500) != row
        own = gl.fit(X[rest], z[rest], loss="logistic", penalty=gl.penalties.lasso(0.02 * 1500 / 1499))
        differences.append(abs(own.predict(X[row : row + 1])[0] - np.ravel(left)[row]))
    assert kept.size
    assert max(differences) < 1e-4
    assert path.held_out.mean[0] > path.losses[0]


def test_the_strength_of_a_penalty_by_leave_one_out():
    X, y, _ = data(60)
    path = gl.path(X, y, choose="leave-one-out")
    fit = gl.fit(X, y, penalty=gl.penalties.lasso("leave-one-out"))
    np.testing.assert_allclose(fit.coefficients, path.fit().coefficients)
    assert "leave-one-out" in str(fit.summary())
    assert gl.fit(X, y, penalty=gl.penalties.lasso("leave-one-out") + gl.penalties.ridge(0.1)).certificate.converged


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choose": "leave_one_out"}, "did you mean 'leave-one-out'"),
        ({"choose": "leave-one-out", "penalty": gl.penalties.mcp()}, "not convex"),
        ({"choose": "leave-one-out", "loss": "absolute"}, "has kinks"),
        ({"choose": "leave-one-out", "groups": np.arange(40)}, 'goes with choose="folds"'),
        ({"choose": "blocks", "folds": 41}, "need as many rows"),
        ({"choose": "folds", "folds": 5, "groups": np.arange(40) % 4}, "need as many groups"),
        ({"choose": "folds", "groups": np.where(np.arange(40) == 3, np.nan, np.arange(40.0))}, "group of row 3 is missing"),
        ({"choose": "folds", "groups": np.arange(39)}, "39 labels for 40 rows"),
        ({"choose": "folds", "groups": "shop"}, "one label a row"),
    ],
)
def test_what_cannot_be_left_out_is_refused_with_words(options, message):
    X, y, _ = data(40)
    with pytest.raises((ValueError, TypeError), match=message):
        gl.path(X, y, **options)


def test_blocks_are_consecutive_rows():
    X, y, _ = data(50)
    path = gl.path(X, y, choose="blocks", folds=5, strengths=[0.5, 0.1])
    assert path.held_out.how == "5 consecutive blocks of rows"
    for block in range(5):
        held = np.arange(50) // 10 == block
        for place, strength in enumerate(path.strengths):
            fit = gl.fit(X[~held], y[~held], penalty=gl.penalties.lasso(strength))
            assert path.held_out.of_fold[block, place] == pytest.approx(np.mean((y[held] - fit.predict(X[held])) ** 2), rel=1e-10)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_groups_of_a_table_are_held_out_together(loss, tmp_path):
    X, y, rng = data(200)
    y = targets(loss, y, rng)
    shop = np.array([f"shop {i % 23}" for i in range(200)])
    table = pd.DataFrame(X, columns=[f"x{i + 1}" for i in range(6)]).assign(y=y, shop=shop)
    table.to_parquet(tmp_path / "rows.parquet")
    asked = {"loss": loss, "choose": "folds", "folds": 5, "strengths": [0.1, 0.02]}
    arrays = gl.path(X, y, groups=shop, **asked)
    for source in (table, str(tmp_path / "rows.parquet")):
        found = gl.path("y ~ . - shop", source, groups="shop", **asked)
        np.testing.assert_allclose(found.held_out.of_fold, arrays.held_out.of_fold, rtol=1e-9)
        assert found.held_out.how == "5 folds of groups"
    with pytest.raises(ValueError, match="need as many groups, and there are 23"):
        gl.path("y ~ . - shop", table, groups="shop", choose="folds", folds=24)
    with pytest.raises(Exception, match="no column"):
        gl.path("y ~ x1", table, groups="town", choose="folds")
    table.loc[3, "shop"] = None
    with pytest.raises(ValueError, match="the group of row 3"):
        gl.path("y ~ . - shop", table, groups="shop", choose="folds")


@pytest.mark.study
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "huber", "gamma", "expectile"])
def test_leave_one_out_of_six_losses_at_200_rows(loss):
    check(loss, LASSO, 200, 4, 1e-8)


@pytest.mark.parametrize("loss", ["squared", "logistic", "huber"])
def test_leave_one_out_over_a_sparse_matrix(loss):
    X, y, rng = data(40)
    y = targets(loss, y, rng)
    held = np.where(np.abs(X) > 0.7, X, 0.0)
    asked = gl.losses.huber(1.345) if loss == "huber" else loss
    options = {"loss": asked, "penalty": gl.penalties.lasso(), "strengths": [0.2, 0.02], "choose": "leave-one-out"}
    sparse_path, dense = gl.path(sparse.csr_array(held), y, **options), gl.path(held, y, **options)
    np.testing.assert_allclose(sparse_path.held_out.mean, dense.held_out.mean, rtol=1e-9)
    np.testing.assert_allclose(sparse_path.held_out.error, dense.held_out.error, rtol=1e-8)
    np.testing.assert_allclose(dense.held_out.mean, by_refits(dense, held, y, LASSO, loss=asked).mean(axis=1), rtol=1e-8)
