"""The strength of a ridge by leave-one-out loss: the losses of refits without each row, in a handful of passes."""

from dataclasses import replace

import numpy as np
import pytest
from fitted import fitted
from scipy.special import expit

import gradline as gl
from gradline.inference.leave_one_out import leave_one_out
from gradline.inference.ridge_strength import ridge_auto
from gradline.penalties.ridge import ridge
from gradline.solvers.registry import automatic

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 20)) * RNG.uniform(0.5, 2.0, 20) + 3.0
Y = X @ RNG.normal(scale=0.3, size=20) + 2 * RNG.normal(size=60)
CASES = {
    "plain": {},
    "no intercept": {"intercept": False},
    "weights and frequencies": {
        "weights": RNG.uniform(0.2, 3.0, 60) * (np.arange(60) % 9 > 0),
        "frequencies": RNG.integers(0, 4, 60).astype(float),
    },
    "offset": {"offset": RNG.normal(size=60)},
}


def refitted(strength, y, intercept=True, weights=None, frequencies=None, offset=None):
    """The mean squared residual of one copy of each row by the ridge of the others, whose total penalty stays: normal equations anew."""
    w, f = (np.ones(60) if each is None else each for each in (weights, frequencies))
    y = y if offset is None else y - offset[:, None]
    z = np.column_stack([np.ones(60), X]) if intercept else X
    charge = np.diag([0.0] * intercept + [0.5 * strength * np.dot(f, w)] * 20)
    total = 0.0
    for i in np.flatnonzero(f * w):
        rest = f * w
        rest[i] -= w[i]
        b = np.linalg.solve(z.T @ (rest[:, None] * z) + charge, z.T @ (rest[:, None] * y))
        total += f[i] * w[i] * np.square(y[i] - z[i] @ b).sum()
    return total / np.dot(f, w)


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_refits_without_each_row(case, targets):
    y = Y[:, None] if targets == 1 else np.column_stack([Y, np.roll(Y, 3)])
    given = dict(CASES[case])
    if targets == 2 and "offset" in given:
        given["offset"] = np.column_stack([given["offset"]] * 2)
    choice = ridge_auto(fitted(X, y, **given).problem)
    if targets == 2 and "offset" in given:
        y, given = y - given.pop("offset"), given
    at = [0, len(choice.strengths) // 2, -1]
    expected = [refitted(strength, y, **given) for strength in choice.strengths[at]]
    np.testing.assert_allclose(choice.losses[at], expected, rtol=1e-9)
    assert choice.strength == choice.strengths[np.argmin(choice.losses)]
    # Between its neighbours nothing is lower.
    best = int(np.argmin(choice.losses))
    for strength in np.geomspace(choice.strengths[best - 1], choice.strengths[best + 1], 7):
        assert refitted(strength, y, **given) >= choice.losses.min() * (1 - 1e-5)


def test_the_score_of_scikit_learn():
    from sklearn.linear_model import RidgeCV

    # Total penalty n s / 2 there.
    choice = ridge_auto(fitted(X, Y).problem)
    grid = RidgeCV(choice.strengths * 60 / 2, store_cv_results=True).fit(X, Y)
    np.testing.assert_allclose(choice.losses, grid.cv_results_.reshape(60, -1).mean(axis=0), rtol=1e-9)
    assert choice.strength * 60 / 2 == pytest.approx(grid.alpha_)


def test_a_users_own_squared_loss():
    tf = pytest.importorskip("tensorflow")
    own = ridge_auto(fitted(X, Y, lambda y, prediction: 3.0 * tf.square(y - prediction)).problem)
    built = ridge_auto(fitted(X, Y).problem)
    np.testing.assert_allclose(own.losses, 3.0 * built.losses, rtol=1e-9)
    np.testing.assert_allclose(own.strengths, 3.0 * built.strengths, rtol=1e-9)


def test_a_likelihood():
    x = RNG.normal(size=(80, 10))
    y = (RNG.random(80) < expit(x @ np.linspace(-0.5, 0.5, 10))).astype(float)
    problem = fitted(x, y, "logistic").problem
    choice = ridge_auto(problem)
    assert 1e-4 < choice.strength < 10
    assert choice.losses.min() == choice.losses[np.flatnonzero(choice.strengths == choice.strength)[0]]
    for factor in (0.5, 0.9, 1.1, 2.0):
        other = replace(problem, penalty=ridge(choice.strength * factor))
        solution = automatic(other).solve(other)
        assert leave_one_out(other, solution.coefficients, other.free).left_out >= choice.losses.min() - 1e-12


def test_kinks_are_refused():
    with pytest.raises(ValueError, match="has kinks"):
        ridge_auto(fitted(X, Y, "absolute").problem)


def test_a_row_that_alone_determines_a_coefficient_is_named():
    with pytest.raises(gl.InferenceError, match="row 0 has leverage 1"):
        gl.fit([[1.0]], [2.0], penalty=ridge("auto"))


def test_a_strength_at_which_a_row_alone_determines_a_coefficient_is_not_chosen():
    # Two rows of one column: at the least strengths tried it goes through the row that is left.
    x, y = np.array([[0.0], [0.0], [1e9]]), np.array([1.0, 2.0, 3.0])
    choice = ridge_auto(fitted(x, y, penalty=ridge(1.0)).problem)
    assert np.isfinite(choice.losses.min())
    assert choice.strength == choice.strengths[np.argmin(choice.losses)]


def test_a_table_is_read_a_few_times(tmp_path, monkeypatch):
    import pandas as pd

    from gradline.preparing import from_table
    from gradline.tables.rows import TableRows

    pd.DataFrame(X, columns=[f"x{j}" for j in range(20)]).assign(y=Y).to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(from_table, "MOST_HELD", 0)
    passes, reduce = [], TableRows.reduce

    def counted(self, kernel):
        passes.append(type(kernel).__name__)
        return reduce(self, kernel)

    monkeypatch.setattr(TableRows, "reduce", counted)
    plain = gl.fit("y ~ .", tmp_path / "rows.parquet", penalty=ridge(1.0), covariance="none")
    once = len(passes)
    found = gl.fit("y ~ .", tmp_path / "rows.parquet", penalty=ridge("auto"), covariance="none")
    assert plain.certificate.converged
    # One pass for sums, and three for strengths.
    assert len(passes) - 2 * once == 4
    held = gl.fit(X, Y, penalty=ridge("auto"), covariance="none")
    assert found.penalty.strength == pytest.approx(held.penalty.strength)
    np.testing.assert_allclose(found.coefficients, held.coefficients, rtol=1e-9)
