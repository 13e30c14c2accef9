"""Approximate leave-one-out against refits without each row."""

from dataclasses import replace

import numpy as np
import pytest
from fitted import close, fitted
from scipy.special import expit

import gradline as gl
from gradline.inference.kinked import row_loss
from gradline.inference.leave_one_out import leave_one_out, left_out_predictors
from gradline.penalties.ridge import ridge
from gradline.rows.arrays import ArrayRows
from gradline.solvers.registry import automatic


def refits(ours):
    """Linear predictors of every row by a fit without it, the total penalty kept."""
    rows = ours.problem.rows
    found = np.empty((rows.n_rows, ours.b.shape[1]))
    weights = np.ones(rows.n_rows) if rows.row_weights is None else rows.row_weights
    for i in range(rows.n_rows):
        keep = np.delete(np.arange(rows.n_rows), i)
        penalty = ours.problem.penalty
        if penalty is not None:
            penalty = ridge(penalty.strength * weights.sum() / (weights.sum() - weights[i]))
        fewer = ArrayRows(rows.values[keep], rows.targets[keep], weights=None if rows.weights is None else rows.weights[keep])
        problem = replace(ours.problem, rows=fewer, penalty=penalty)
        found[i] = rows.take(np.array([i])).linear_predictors(automatic(problem).solve(problem, ours.b).coefficients)
    return found


@pytest.mark.parametrize("strength", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [1, 2])
def test_exact_for_squared(strength, weighted, targets):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3))
    y = x @ rng.normal(size=(3, targets)) + rng.normal(size=(40, targets))
    ours = fitted(x, y, penalty=ridge(strength) if strength else None, weights=rng.random(40) if weighted else None)
    found = left_out_predictors(ours.problem.rows.in_memory(), ours.b, row_loss(ours.problem, ours.b), ours.bread.roots)
    np.testing.assert_allclose(found, refits(ours), rtol=0, atol=1e-10 * np.abs(y).max())


def made(name, rng):
    x = rng.normal(size=(300, 10))
    eta = x @ np.linspace(-0.5, 0.5, 10)
    if name == "huber":
        return gl.losses.huber(1.0), x, eta + rng.standard_t(3, size=300)
    if name == "poisson":
        return gl.losses.poisson, x, rng.poisson(np.exp(eta)).astype(float)
    return gl.losses.logistic, x, (rng.random(300) < expit(eta)).astype(float)


@pytest.mark.parametrize("name", ["huber", "poisson", "logistic"])
def test_within_five_percent_of_the_gap(name):
    loss, x, y = made(name, np.random.default_rng(2))
    ours = fitted(x, y, loss)
    approximate = leave_one_out(ours.problem, ours.b, ours.problem.free)
    value = ours.problem.loss.derivatives(y[:, None], refits(ours), 0).value.mean()
    gap = value - approximate.in_sample
    assert abs(approximate.left_out - value) < 0.05 * gap
    close(approximate.in_sample, ours.solution.loss, 1e-12)


def test_frequencies_leave_out_one_copy():
    rng = np.random.default_rng(3)
    x, y, f = rng.normal(size=(30, 2)), rng.poisson(2, 30).astype(float), rng.integers(0, 4, 30)
    once, repeated = fitted(x, y, "poisson", frequencies=f), fitted(np.repeat(x, f, axis=0), np.repeat(y, f), "poisson")
    close(
        leave_one_out(once.problem, once.b, once.problem.free),
        leave_one_out(repeated.problem, repeated.b, repeated.problem.free),
        1e-10,
    )
