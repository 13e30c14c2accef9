"""PiecewiseLinear against HiGHS, against the conditions of optimality, and on the data that break simplex methods."""

import importlib.util
import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from drawn import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from gradline import losses, penalties
from gradline.base.warnings import GradlineWarning
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers import registry
from gradline.solvers.kinks.pieces import pieces_of
from gradline.solvers.kinks.piecewise_linear import NOT_UNIQUE, PiecewiseLinear

KINDS = ["continuous", "weights", "frequencies", "offset", "integers", "grid", "zero inflated", "levels", "heavy tails", "user"]


def tensorflow_pinball(y, prediction):
    return tf.maximum(0.8 * (y - prediction), -0.2 * (y - prediction))


def jax_newsvendor(y, prediction):
    return jnp.where(y > prediction, 3.0 * (y - prediction), prediction - y)


if importlib.util.find_spec("torch"):
    import torch

    def tube(y, prediction):
        return torch.clamp(torch.abs(y - prediction) - 0.25, min=0.0)

else:  # the same loss, so that it is tested without PyTorch too

    def tube(y, prediction):
        return jnp.maximum(jnp.abs(y - prediction) - 0.25, 0.0)


def tensorflow_three_costs(y, prediction):
    r = y - prediction
    return tf.maximum(tf.maximum(-2.0 * r - 1.0, -0.5 * r), tf.maximum(0.25 * r, 3.0 * r - 4.0))


def tensorflow_mean_absolute(y, prediction):
    return tf.reduce_mean(tf.abs(y - prediction))


USERS = [tensorflow_pinball, jax_newsvendor, tube, tensorflow_three_costs, tensorflow_mean_absolute]
BUILT_IN = [losses.absolute, losses.quantile(0.9), losses.quantile(0.05), losses.epsilon_insensitive(0.5), losses.quantile(0.5)]


def solve(X, y, loss, start=None, **options):
    rows = ArrayRows(X, y.reshape(len(y), -1), **options)
    bound = loss if hasattr(loss, "derivatives") else loss.bind(rows.targets)
    problem = Problem(rows, bound)
    return problem, registry.solve(PiecewiseLinear(), problem, start)


def highs(problem):
    """The optimum by HiGHS on the dual program: P equations, a bounded variable for each row and kink."""
    block = problem.rows.in_memory().without_zero_weights()
    X, y = block.design.dense(), block.targets[:, 0]
    if block.offset is not None:
        y = y - block.offset[:, 0]
    w = np.ones(len(y)) if block.row_weights is None else block.row_weights
    pieces = pieces_of(problem.loss, 1)
    m = len(pieces.kinks)
    found = linprog(
        np.concatenate([-(y - kink) for kink in pieces.kinks]),
        A_eq=np.tile(X.T, (1, m)),
        b_eq=-pieces.slopes[0] * (w @ X),
        bounds=np.stack([np.zeros(m * len(y)), np.concatenate([w * jump for jump in pieces.jumps])], axis=1),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert found.status == 0
    return -found.eqlin.marginals[:, None]


def hold_against_highs(seed, n, p, kind):
    random = np.random.default_rng(seed)
    X, y, options = draw(random, n, p, kind)
    options["intercept"] = bool(seed % 3)
    if kind == "levels":
        X[:, 1] = X[:, 0] * random.integers(0, 3, size=n)
    loss = losses.custom(USERS[seed % len(USERS)]) if kind == "user" else BUILT_IN[seed % len(BUILT_IN)]
    problem, solution = solve(X, y, loss, **options)
    reference = highs(problem)
    assert solution.certificate.converged
    lowest = problem.evaluate(reference, 0).value
    assert solution.loss <= lowest * (1 + 1e-10)
    if kind in ("continuous", "weights", "offset", "heavy tails", "user") and not solution.notes:
        np.testing.assert_allclose(solution.coefficients, reference, rtol=1e-8, atol=1e-8)
    return solution


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "p"), [(300, 10), (1000, 3), (3000, 8)])
def test_matches_highs(kind, n, p):
    hold_against_highs(n + p + KINDS.index(kind), n, p, kind)


def test_matches_highs_on_20_000_rows():
    hold_against_highs(1, 20_000, 20, "continuous")


@pytest.mark.study
@pytest.mark.parametrize("seed", range(100))
def test_study_matches_highs(seed):
    n, p = [(300, 10), (1000, 5), (3000, 10), (8000, 15), (20_000, 20)][seed // 10 % 5]
    hold_against_highs(1000 + seed + seed // 10, n, p, KINDS[seed % 10])


@pytest.mark.parametrize("function", USERS)
def test_user_losses_match_highs(function):
    random = np.random.default_rng(5)
    X = random.normal(size=(800, 6))
    y = X @ random.normal(size=6) + random.standard_t(3, size=800)
    problem, solution = solve(X, y, losses.custom(function))
    reference = highs(problem)
    assert solution.loss <= problem.evaluate(reference, 0).value * (1 + 1e-10)
    np.testing.assert_allclose(solution.coefficients, reference, rtol=1e-8, atol=1e-8)


def test_more_rows_than_are_held():
    # 400,000 rows of 10 columns are sampled first; the answer is held against the conditions of optimality.
    random = np.random.default_rng(0)
    n = 400_000
    X = random.normal(size=(n, 10))
    y = X @ random.normal(size=10) + random.standard_t(3, size=n)
    tracemalloc.start()
    problem, solution = solve(X, y, losses.quantile(0.9))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.certificate.converged
    assert peak < 200e6
    assert optimality_gap(problem, solution.coefficients, 1e-9) < 1e-8


def optimality_gap(problem, coefficients, near):
    """How far the subgradient is from zero at a vertex: rows on a kink get the slopes that cancel the rest, cut to what is allowed."""
    block = problem.rows.in_memory()
    X = block.design.dense()
    pieces = pieces_of(problem.loss, 1)
    residuals = block.targets[:, 0] - block.linear_predictors(coefficients)[:, 0]
    on_kink = pieces.distance(residuals) < near
    assert on_kink.sum() == X.shape[1]
    slopes = pieces.slopes[pieces.piece(residuals)]
    outside_gradient = X[~on_kink].T @ slopes[~on_kink]
    needed = np.linalg.solve(X[on_kink].T, -outside_gradient)
    kink = pieces.nearest(residuals[on_kink])
    return float(np.maximum(needed - pieces.slopes[kink + 1], pieces.slopes[kink] - needed).max())


def test_coefficients_interpolate_their_rows_to_the_last_digits():
    random = np.random.default_rng(3)
    X = random.normal(size=(2000, 30))
    y = X @ random.normal(size=30) + random.normal(size=2000)
    problem, solution = solve(X, y, losses.quantile(0.3))
    residuals = y - problem.rows.in_memory().linear_predictors(solution.coefficients)[:, 0]
    assert (np.abs(residuals) < 1e-13).sum() == 31


def test_median_of_numbers():
    y = np.array([5.0, 1.0, 4.0, 2.0, 9.0])
    _, solution = solve(np.ones((5, 1)), y, losses.absolute, intercept=False)
    assert solution.coefficients[0, 0] == 4.0
    assert solution.notes == ()


def test_an_even_number_of_rows_has_many_medians():
    y = np.array([5.0, 1.0, 4.0, 2.0])
    _, solution = solve(np.ones((4, 1)), y, losses.absolute, intercept=False)
    assert solution.coefficients[0, 0] in (2.0, 4.0)
    assert solution.notes == (NOT_UNIQUE,)


def test_several_targets_are_several_problems():
    random = np.random.default_rng(4)
    X = random.normal(size=(500, 4))
    Y = X @ random.normal(size=(4, 3)) + random.normal(size=(500, 3))
    _, together = solve(X, Y, losses.quantile(0.7))
    for j in range(3):
        _, alone = solve(X, Y[:, j], losses.quantile(0.7))
        np.testing.assert_allclose(together.coefficients[:, j], alone.coefficients[:, 0], rtol=1e-12, atol=1e-12)


def test_several_targets_of_a_users_loss():
    def both(y, prediction):
        return tf.reduce_sum(tf.abs(y - prediction), axis=1)

    random = np.random.default_rng(4)
    X, Y = random.normal(size=(300, 3)), random.normal(size=(300, 2))
    _, own = solve(X, Y, losses.custom(both))
    _, built_in = solve(X, Y, losses.absolute)
    np.testing.assert_allclose(own.coefficients, built_in.coefficients, rtol=1e-12, atol=1e-12)


def test_weight_zero_is_the_row_left_out_and_frequency_two_is_the_row_twice():
    random = np.random.default_rng(6)
    X, y = random.normal(size=(400, 5)), random.normal(size=400)
    counts = random.integers(0, 3, size=400).astype(float)
    _, weighted = solve(X, y, losses.absolute, frequencies=counts)
    repeated = np.repeat(np.arange(400), counts.astype(int))
    problem, plain = solve(X[repeated], y[repeated], losses.absolute)
    assert weighted.loss == pytest.approx(plain.loss, rel=1e-13)
    assert problem.evaluate(weighted.coefficients, 0).value <= plain.loss * (1 + 1e-13)


@pytest.mark.parametrize("count", [15, 500, 30_000])
def test_rows_of_weight_zero_may_hold_anything_and_be_most_of_the_rows(count):
    random = np.random.default_rng(17)
    n = 300_000
    X = random.normal(size=(n, 10))
    y = X.sum(axis=1) + random.normal(size=n)
    weights = np.zeros(n)
    weights[random.choice(n, count, replace=False)] = 0.5
    counts = weights > 0
    _, plain = solve(X[counts], y[counts], losses.quantile(0.8))
    _, solution = solve(X, np.where(counts, y, np.nan), losses.quantile(0.8), weights=weights)
    assert solution.certificate.converged
    np.testing.assert_allclose(solution.coefficients, plain.coefficients, rtol=1e-11, atol=1e-12)


def test_aliased_columns_are_left_out_and_named():
    random = np.random.default_rng(7)
    X = random.normal(size=(300, 4))
    y = X @ random.normal(size=4) + random.normal(size=300)
    doubled = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(300)])
    _, solution = solve(doubled, y, losses.quantile(0.2))
    _, plain = solve(X, y, losses.quantile(0.2))
    assert solution.aliased == (5, 6)
    assert (solution.coefficients[[5, 6]] == 0).all()
    np.testing.assert_allclose(solution.coefficients[:5], plain.coefficients, rtol=1e-10, atol=1e-12)


def test_fewer_rows_than_columns_are_met_exactly():
    random = np.random.default_rng(8)
    X, y = random.normal(size=(6, 10)), random.normal(size=6)
    problem, solution = solve(X, y, losses.absolute)
    assert solution.loss < 1e-12
    assert len(solution.aliased) == 5
    assert solution.certificate.converged
    assert np.abs(y - problem.rows.in_memory().linear_predictors(solution.coefficients)[:, 0]).max() < 1e-11


@pytest.mark.parametrize("n", [50, 2000])
@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("case", ["constant", "zero", "plane", "mostly plane", "two values", "one row repeated", "zero column"])
def test_degenerate_data(n, level, case):
    random = np.random.default_rng(9)
    X = random.normal(size=(n, 5))
    plane = X @ random.normal(size=5) + 1.0
    y = plane + random.normal(size=n)
    if case == "constant":
        y = np.full(n, 3.7)
    elif case == "zero":
        y = np.zeros(n)
    elif case == "plane":
        y = plane
    elif case == "mostly plane":
        y = np.where(random.random(n) < 0.2, y, plane)
    elif case == "two values":
        y = (random.random(n) < 0.4).astype(float)
    elif case == "one row repeated":
        X[: n // 2], y[: n // 2] = X[0], y[0]
    elif case == "zero column":
        X[:, 2] = 0.0
    problem, solution = solve(X, y, losses.quantile(level))
    assert solution.certificate.converged
    lowest = problem.evaluate(np.nan_to_num(highs(problem)), 0).value
    assert solution.loss <= lowest * (1 + 1e-10) + 1e-13


def test_many_ties_beyond_the_rows_held():
    random = np.random.default_rng(10)
    n = 150_000
    X = np.round(random.normal(size=(n, 20)))
    y = np.where(random.random(n) < 0.6, 0.0, np.round(np.abs(X[:, 0] + random.normal(size=n))))
    problem, solution = solve(X, y, losses.absolute)
    assert solution.certificate.converged
    # More than half the targets are zero whatever the columns, so no slope can do better than none.
    assert solution.loss <= problem.evaluate(np.zeros((21, 1)), 0).value


def test_a_level_that_the_sample_misses():
    random = np.random.default_rng(11)
    n = 150_000
    X = random.normal(size=(n, 20))
    X[:, 3] = 0.0
    X[70_000:70_004, 3] = 1.0
    y = X[:, 0] + random.normal(size=n)
    problem, solution = solve(X, y, losses.quantile(0.4))
    assert solution.certificate.converged
    assert solution.aliased == ()
    assert optimality_gap(problem, solution.coefficients, 1e-10) < 1e-8


def test_columns_of_very_different_scales():
    random = np.random.default_rng(12)
    X = random.normal(size=(1000, 6))
    y = X @ random.normal(size=6) + random.normal(size=1000)
    scale = 10.0 ** np.array([-9, -4, 0, 3, 7, 12])
    _, plain = solve(X, y, losses.absolute)
    _, scaled = solve(X * scale, y, losses.absolute)
    np.testing.assert_allclose(scaled.coefficients[1:, 0] * scale, plain.coefficients[1:, 0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", [losses.absolute, losses.quantile(0.9)])
def test_equivariance(loss):
    random = np.random.default_rng(13)
    X = random.normal(size=(700, 5))
    y = X @ random.normal(size=5) + random.normal(size=700)
    shift = random.normal(size=5)
    _, plain = solve(X, y, loss)
    _, larger = solve(X, 1000.0 * y, loss)
    _, moved = solve(X, y + X @ shift, loss)
    np.testing.assert_allclose(larger.coefficients, 1000.0 * plain.coefficients, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(moved.coefficients[1:, 0], plain.coefficients[1:, 0] + shift, rtol=1e-10, atol=1e-11)
    _, mirrored = solve(X, -y, losses.quantile(1 - 0.9) if loss.name == "quantile" else loss)
    np.testing.assert_allclose(mirrored.coefficients, -plain.coefficients, rtol=1e-11, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 200),
    p=st.integers(1, 5),
    level=st.floats(0.02, 0.98),
    digits=st.integers(0, 6),
)
def test_share_of_rows_below_a_quantile_fit(seed, n, p, level, digits):
    # With an intercept: rows below <= level n <= rows not above (Koenker and Bassett 1978, theorem 3.4).
    random = np.random.default_rng(seed)
    X = np.round(random.normal(size=(n, p)), digits)
    y = np.round(random.standard_t(3, size=n), digits)
    problem, solution = solve(X, y, losses.quantile(level))
    assert solution.certificate.converged
    residuals = y - problem.rows.in_memory().linear_predictors(solution.coefficients)[:, 0]
    tiny = 1e-9 * (1 + np.abs(y).max())
    assert (residuals < -tiny).sum() <= level * n + 1e-9
    assert (residuals <= tiny).sum() >= level * n - 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60), p=st.integers(1, 4), which=st.integers(0, 4), digits=st.integers(0, 3))
def test_no_nearby_coefficients_are_better(seed, n, p, which, digits):
    random = np.random.default_rng(seed)
    X = np.round(random.normal(size=(n, p)), digits)
    y = np.round(random.standard_t(3, size=n), digits)
    problem, solution = solve(X, y, BUILT_IN[which], weights=random.random(n) + 0.01)
    for size in (1e-6, 1e-3, 1.0):
        for _ in range(10):
            other = solution.coefficients + size * random.normal(size=solution.coefficients.shape)
            assert problem.evaluate(other, 0).value >= solution.loss - 1e-12


def test_the_same_bits_for_any_number_of_threads():
    random = np.random.default_rng(14)
    X, y = random.normal(size=(30_000, 8)), random.normal(size=30_000)
    _, one = solve(X, y, losses.quantile(0.9), threads=1)
    _, two = solve(X, y, losses.quantile(0.9), threads=2)
    assert (one.coefficients == two.coefficients).all()


def test_start_does_not_change_the_answer():
    random = np.random.default_rng(15)
    X, y = random.normal(size=(500, 4)), random.normal(size=500)
    _, plain = solve(X, y, losses.quantile(0.9))
    _, started = solve(X, y, losses.quantile(0.9), start=np.full(5, 10.0))
    np.testing.assert_allclose(started.coefficients, plain.coefficients, rtol=1e-12, atol=1e-13)


def test_a_loss_that_its_kinks_do_not_describe_is_not_certified():
    class Mistaken(type(losses.absolute)):
        def kinks(self):
            return (0.5,)

    random = np.random.default_rng(18)
    X, y = random.normal(size=(200, 2)), random.normal(size=200)
    with pytest.warns(GradlineWarning, match="is not the piecewise-linear function that its kinks describe"):
        _, solution = solve(X, y, Mistaken())
    assert not solution.certificate.converged


def test_refuses_what_it_cannot_solve():
    random = np.random.default_rng(16)
    X, y = random.normal(size=(50, 2)), random.normal(size=50)
    with pytest.raises(ValueError, match=r"'huber' is not known to be one: use gl\.Newton or gl\.LBFGS"):
        solve(X, y, losses.huber(1.35))

    def capped(y, prediction):
        return tf.minimum(tf.abs(y - prediction), 1.0)

    def hinge(y, prediction):
        return tf.maximum(y - prediction, 0.5 * (y - prediction))

    with pytest.raises(ValueError, match=r"'capped' is piecewise linear but not convex .*at y - eta = -1\).*gl\.ActiveSetNewton"):
        solve(X, y, losses.custom(capped))
    with pytest.raises(ValueError, match=r"'hinge' rises with y - eta everywhere"):
        solve(X, y, losses.custom(hinge))
    rows = ArrayRows(X, y[:, None])
    with pytest.raises(ValueError, match=r"takes no penalty, and the problem has a ridge.*gl\.ActiveSetNewton"):
        registry.solve(PiecewiseLinear(), Problem(rows, losses.absolute, penalties.ridge(0.1)))
