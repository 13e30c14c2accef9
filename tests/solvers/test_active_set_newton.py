"""ActiveSetNewton against scikit-learn's support vector machines, SciPy's SLSQP, and the conditions of optimality written anew."""

import tracemalloc
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from drawn import draw
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize
from sklearn.svm import SVC, SVR

import gradline as gl
from gradline import losses, penalties
from gradline.base.warnings import GradlineWarning
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers import registry
from gradline.solvers.kinks.active_set_newton import ActiveSetNewton
from gradline.solvers.kinks.pieces import pieces_of
from gradline.solvers.kinks.piecewise_linear import PiecewiseLinear


def straight_then_square(y, prediction):
    r = y - prediction
    return tf.where(r > 0, 3.0 * r, r**2)


def square_then_steep(y, prediction):
    r = jnp.abs(y - prediction)
    return jnp.where(r > 1.0, 3.0 * r - 2.0, r**2)


def absolute_and_square(y, prediction):
    r = y - prediction
    return tf.abs(r) + 0.1 * r**2


def absolute_and_log_cosh(y, prediction):
    r = y - prediction
    return jnp.abs(r) + jnp.logaddexp(r, -r)


def relative(y, prediction):
    return tf.abs(y - prediction) / (1.0 + tf.abs(y))


def hinge(y, prediction):
    return tf.maximum(1.0 - y * prediction, tf.zeros_like(y))


def capped_square(y, prediction):
    return tf.minimum((y - prediction) ** 2, 9.0)


def capped_distance(y, prediction):
    return tf.minimum(tf.abs(y - prediction), 3.0)


def distance_of_exponential(y, prediction):
    return jnp.abs(y - jnp.exp(prediction))


def laplace(y, prediction):
    return tf.exp(-prediction[:, 1]) * tf.abs(y - prediction[:, 0]) + prediction[:, 1]


def two_prices(y, prediction):
    return tf.abs(y[:, 0] - prediction[:, 0]) + 2.0 * tf.abs(y[:, 1] - prediction[:, 1])


BUILT_IN = [losses.quantile(0.9), losses.absolute, losses.epsilon_insensitive(0.5), losses.quantile(0.2)]
CONVEX_USERS = [straight_then_square, square_then_steep, absolute_and_square, absolute_and_log_cosh, relative, hinge]
KINDS = ["continuous", "weights", "frequencies", "offset", "integers", "grid", "zero inflated", "levels", "scales"]


def solve(X, y, loss, penalty=None, start=None, linear_predictors=None, **options):
    rows = ArrayRows(X, y.reshape(len(y), -1), **options)
    if not hasattr(loss, "derivatives"):
        loss = losses.custom(loss, linear_predictors=linear_predictors).bind(rows.targets, rows.offset)
    problem = Problem(rows, loss, penalty)
    return problem, registry.solve(ActiveSetNewton(), problem, start)


def distance_to_subdifferential(problem, coefficients):
    """The largest component, in units of each column, of the shortest subgradient at coefficients (P, 1).

    A row is on a kink where the loss's slope a hair above its linear predictor is not that a hair below.
    """
    block = problem.rows.in_memory().without_zero_weights()
    X, eta = block.design.dense(), block.linear_predictors(coefficients)
    w = np.ones(len(X)) if block.row_weights is None else block.row_weights
    units = np.sqrt(np.square(X).mean(axis=0))
    units = np.where(units > 0, units, units.max() or 1.0)  # a column of zeros has no size
    hair = 1e-9 * (1.0 + np.abs(eta) + np.abs(block.targets))
    below, above = (problem.loss.derivatives(block.targets, eta + side * hair, 1).gradient[:, 0] for side in (-1.0, 1.0))
    on_kink = np.abs(above - below) > 1e-4
    gradient = X[~on_kink].T @ (w * 0.5 * (above + below))[~on_kink] / w.sum()
    if problem.penalty is not None:
        first = int(problem.rows.intercept)
        gradient[first:] += problem.penalty.gradient(coefficients[first:, 0])
    if on_kink.any():
        columns = (X * w[:, None] / w.sum())[on_kink].T
        low, high = np.minimum(below, above)[on_kink], np.maximum(below, above)[on_kink]
        found = lsq_linear(
            columns / units[:, None], -gradient / units, (low - 1e-12, high + 1e-12), method="bvls", tol=1e-15, max_iter=5000
        )
        gradient = gradient + columns @ found.x
    return float(np.abs(gradient / units).max())


def held_against_the_conditions(seed, n, p, kind, loss, penalty):
    X, y, options = draw(seed, n, p, kind)
    options["intercept"] = bool(seed % 4)
    if loss is hinge:
        y = np.where(y > np.median(y), 1.0, -1.0)
    problem, solution = solve(X, y, loss, penalty, **options)
    assert solution.certificate.converged, solution.certificate
    assert solution.passes < 60
    assert distance_to_subdifferential(problem, solution.coefficients) < 1e-8
    return problem, solution


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", BUILT_IN, ids=lambda loss: loss.name)
@pytest.mark.parametrize("strength", [1e-4, 0.1])
def test_a_ridge_beside_built_in_losses(kind, loss, strength):
    seed = KINDS.index(kind) + 10 * BUILT_IN.index(loss)
    held_against_the_conditions(seed, 150 + 7 * seed, 1 + seed % 6, kind, loss, penalties.ridge(strength))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", CONVEX_USERS)
def test_losses_of_ones_own(kind, loss):
    seed = KINDS.index(kind) + 10 * CONVEX_USERS.index(loss)
    penalty = None if seed % 2 and loss is not hinge else penalties.ridge(0.01)
    held_against_the_conditions(seed, 120 + 5 * seed, 1 + seed % 5, kind, loss, penalty)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 80),
    p=st.integers(1, 6),
    kind=st.sampled_from(KINDS),
    which=st.integers(0, 3),
    power=st.integers(-4, 1),
)
@example(seed=0, n=1, p=1, kind="grid", which=0, power=0)  # one row of zeros
@example(seed=4, n=1, p=4, kind="grid", which=0, power=0)  # a column of zeros
def test_any_small_problem_with_a_ridge(seed, n, p, kind, which, power):
    held_against_the_conditions(seed, n, p, kind, BUILT_IN[which], penalties.ridge(10.0**power))


@pytest.mark.study
@pytest.mark.parametrize("seed", range(400))
def test_study_any_problem(seed):
    every = [*BUILT_IN, *CONVEX_USERS]
    loss = every[seed % len(every)]
    penalty = None if seed % 3 == 0 and loss not in (*BUILT_IN, hinge) else penalties.ridge(10.0 ** (seed % 5 - 4))
    held_against_the_conditions(seed, 3 + 17 * (seed % 23), 1 + seed % 8, KINDS[seed // len(every) % len(KINDS)], loss, penalty)


@pytest.mark.parametrize("seed", range(4))
def test_hinge_is_the_support_vector_machine(seed):
    random = np.random.default_rng(seed)
    X = random.normal(size=(200, 4))
    y = np.where(X[:, 0] + random.normal(size=200) > 0.3, 1.0, -1.0)
    strength = [1.0, 0.1, 0.01, 1e-3][seed]
    problem, solution = solve(X, y, hinge, penalties.ridge(strength))
    machine = SVC(kernel="linear", C=1.0 / (200 * strength), tol=1e-10).fit(X, y)
    reference = np.concatenate([machine.intercept_, machine.coef_[0]])[:, None]
    assert solution.loss <= problem.evaluate(reference, 0).value * (1 + 1e-10)
    np.testing.assert_allclose(solution.coefficients[1:], reference[1:], atol=2e-5)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.5])
def test_epsilon_insensitive_with_a_ridge_is_support_vector_regression(epsilon):
    X, y, _ = draw(3, 150, 3, "continuous")
    problem, solution = solve(X, y, losses.epsilon_insensitive(epsilon), penalties.ridge(0.05))
    machine = SVR(kernel="linear", C=1.0 / (150 * 0.05), epsilon=epsilon, tol=1e-10).fit(X, y)
    reference = np.concatenate([machine.intercept_, machine.coef_[0]])[:, None]
    assert solution.loss <= problem.evaluate(reference, 0).value * (1 + 1e-10)
    np.testing.assert_allclose(solution.coefficients, reference, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss", BUILT_IN, ids=lambda loss: loss.name)
def test_the_dual_program_closes_the_gap(loss):
    # max_a of -sum_i w conj(a_i) - |X'a|^2 / 2s over multipliers whose sum is zero: no primal objective is below it (Fenchel).
    X, y, _ = draw(11, 300, 4, "continuous")
    strength = 0.02
    problem, solution = solve(X, y, loss, penalties.ridge(strength))
    pieces = pieces_of(loss, 1)
    # Multipliers from the solution, made feasible by least squares on the rows that are on a kink.
    residuals = y - problem.rows.in_memory().linear_predictors(solution.coefficients)[:, 0]
    on_kink = pieces.distance(residuals) < 1e-10
    slopes = pieces.slopes[pieces.piece(residuals)]
    design = np.column_stack([np.ones(300), X])
    wanted = np.concatenate([[0.0], 300 * strength * solution.coefficients[1:, 0]]) - design[~on_kink].T @ slopes[~on_kink]
    slopes[on_kink] = np.linalg.lstsq(design[on_kink].T, wanted, rcond=None)[0]
    assert abs(slopes.sum()) < 1e-10
    assert (slopes >= pieces.slopes[0]).all()
    assert (slopes <= pieces.slopes[-1]).all()
    # The conjugate of a piecewise-linear function at a slope: the largest of slope r - loss, at a kink.
    at_kinks = pieces.value(pieces.kinks) + float(loss.derivatives(np.zeros((1, 1)), np.zeros((1, 1)), 0).value[0])
    at_kinks -= float(pieces.value(np.zeros(1))[0])
    conjugate = np.max(slopes[:, None] * pieces.kinks - at_kinks, axis=1)
    dual = np.mean(slopes * y - conjugate) - np.square(X.T @ slopes / 300).sum() / (2 * strength)
    assert abs(solution.loss - dual) <= 1e-10 * solution.loss


@pytest.mark.parametrize("loss", [straight_then_square, absolute_and_square], ids=["straight_then_square", "absolute_and_square"])
def test_a_quadratic_program_by_slsqp(loss):
    # Residuals are split into positive and negative parts, in which these losses are smooth.
    X, y, _ = draw(5, 25, 2, "continuous")
    _, solution = solve(X, y, loss, penalties.ridge(0.1))
    costs = {
        straight_then_square: lambda up, down: 3.0 * up + down**2,
        absolute_and_square: lambda up, down: up + down + 0.1 * (up - down) ** 2,
    }
    design = np.column_stack([np.ones(25), X])
    n, size = design.shape

    def objective(z):
        b, up, down = z[:size], z[size : size + n], z[size + n :]
        return costs[loss](up, down).mean() + 0.05 * np.square(b[1:]).sum()

    begin = np.linalg.lstsq(design, y, rcond=None)[0]
    r = y - design @ begin
    found = minimize(
        objective,
        np.concatenate([begin, np.maximum(r, 0.0), np.maximum(-r, 0.0)]),
        method="SLSQP",
        bounds=[(None, None)] * size + [(0.0, None)] * (2 * n),
        constraints={"type": "eq", "fun": lambda z: design @ z[:size] + z[size : size + n] - z[size + n :] - y},
        options={"maxiter": 2000, "ftol": 1e-14},
    )
    assert solution.loss <= found.fun * (1 + 1e-10)
    np.testing.assert_allclose(solution.coefficients[:, 0], found.x[:size], atol=2e-5)


def test_without_a_penalty_it_agrees_with_the_exact_vertex():
    X, y, _ = draw(2, 800, 5, "continuous")
    for loss in BUILT_IN:
        problem, solution = solve(X, y, loss)
        np.testing.assert_allclose(solution.coefficients, PiecewiseLinear().solve(problem).coefficients, rtol=1e-10, atol=1e-11)


def test_several_targets_are_each_that_of_its_own():
    X, y, _ = draw(1, 200, 3, "continuous")
    both = np.column_stack([y, np.random.default_rng(0).normal(size=200)])
    _, together = solve(X, both, losses.quantile(0.7), penalties.ridge(0.01))
    for j in range(2):
        _, alone = solve(X, both[:, j], losses.quantile(0.7), penalties.ridge(0.01))
        np.testing.assert_allclose(together.coefficients[:, j], alone.coefficients[:, 0], rtol=1e-9, atol=1e-10)
    _, priced = solve(X, both, two_prices)
    for j in range(2):
        alone = PiecewiseLinear().solve(Problem(ArrayRows(X, both[:, [j]]), losses.absolute))
        np.testing.assert_allclose(priced.coefficients[:, j], alone.coefficients[:, 0], rtol=1e-9, atol=1e-10)


def test_kinks_along_one_of_several_linear_predictors():
    # The spread of a Laplace density is the mean distance from the median, whatever the columns, where it is one number.
    X, y, _ = draw(4, 300, 2, "continuous")
    problem, solution = solve(X, y, laplace, linear_predictors=("median", "log_scale"))
    assert solution.certificate.converged
    weights = np.exp(-problem.rows.in_memory().linear_predictors(solution.coefficients)[:, 1])
    median = PiecewiseLinear().solve(Problem(ArrayRows(X, y[:, None], weights=weights), losses.absolute))
    np.testing.assert_allclose(solution.coefficients[:, 0], median.coefficients[:, 0], rtol=1e-7, atol=1e-8)
    for _ in range(20):
        other = solution.coefficients + 1e-4 * np.random.default_rng(_).normal(size=(3, 2))
        assert problem.evaluate(other, 0).value > solution.loss


def test_a_kink_where_the_forward_pass_meets_y():
    random = np.random.default_rng(6)
    X = random.normal(size=(400, 3))
    y = np.exp(0.3 * X[:, 0] + random.normal(size=400))
    problem, solution = solve(X, y, distance_of_exponential)
    assert solution.certificate.converged
    on_kink = np.abs(np.log(y) - problem.rows.in_memory().linear_predictors(solution.coefficients)[:, 0]) < 1e-12
    assert on_kink.sum() == 4
    for size in (1e-6, 1e-3):
        for _ in range(20):
            assert problem.evaluate(solution.coefficients + size * random.normal(size=(4, 1)), 0).value > solution.loss


@pytest.mark.parametrize("loss", [capped_square, capped_distance])
def test_losses_that_are_not_convex_have_a_local_optimum(loss):
    X, y, _ = draw(8, 400, 3, "continuous")
    problem, solution = solve(X, y, loss)
    assert solution.certificate.converged
    assert "a minimum, of a loss not known to be convex" in solution.certificate.reason
    assert distance_to_subdifferential(problem, solution.coefficients) < 1e-8
    for size in (1e-7, 1e-5):
        for seed in range(20):
            other = solution.coefficients + size * np.random.default_rng(seed).normal(size=(4, 1))
            assert problem.evaluate(other, 0).value >= solution.loss


def test_convex_losses_say_nothing_of_local_optima():
    X, y, _ = draw(8, 200, 3, "continuous")
    for loss in (straight_then_square, losses.absolute):
        _, solution = solve(X, y, loss, penalties.ridge(0.1))
        assert "convex" not in solution.certificate.reason
        assert solution.certificate.gradient_norm < 1e-12


def test_a_ridge_shrinks_to_the_constant_and_fades_to_the_vertex():
    X, y, _ = draw(9, 301, 3, "continuous")
    _, strong = solve(X, y, losses.absolute, penalties.ridge(1e6))
    np.testing.assert_allclose(strong.coefficients[0], np.median(y), rtol=1e-4)
    assert np.abs(strong.coefficients[1:]).max() < 1e-5
    problem, faint = solve(X, y, losses.absolute, penalties.ridge(1e-12))
    vertex = PiecewiseLinear().solve(Problem(problem.rows, losses.absolute))
    np.testing.assert_allclose(faint.coefficients, vertex.coefficients, rtol=1e-9, atol=1e-10)


def test_scale_of_the_target():
    X, y, _ = draw(10, 300, 4, "continuous")
    _, plain = solve(X, y, losses.quantile(0.8), penalties.ridge(0.1))
    # mean loss + s/2 |b|^2: with y in thousandths, losses and coefficients grow by 1000, so the strength falls by as much.
    _, larger = solve(X, 1000.0 * y, losses.quantile(0.8), penalties.ridge(0.1 / 1000.0))
    np.testing.assert_allclose(larger.coefficients, 1000.0 * plain.coefficients, rtol=1e-9, atol=1e-8)


def test_more_columns_than_rows_and_columns_that_say_the_same():
    random = np.random.default_rng(12)
    X, y = random.normal(size=(30, 50)), random.normal(size=30)
    problem, solution = solve(X, y, losses.absolute, penalties.ridge(0.05))
    assert solution.certificate.converged
    assert solution.aliased == ()
    assert distance_to_subdifferential(problem, solution.coefficients) < 1e-8
    X, y, _ = draw(13, 200, 3, "continuous")
    _, twice = solve(np.column_stack([X, X[:, 0]]), y, losses.quantile(0.6), penalties.ridge(0.1))
    np.testing.assert_allclose(twice.coefficients[1], twice.coefficients[4], rtol=1e-8)
    _, dropped = solve(np.column_stack([X, X[:, 0]]), y, straight_then_square)
    assert dropped.aliased == (4,)


def test_zero_weights_may_hold_anything():
    X, y, _ = draw(14, 200, 3, "continuous")
    weights = (np.arange(200) % 3 > 0).astype(float)
    counts = weights > 0
    _, plain = solve(X[counts], y[counts], losses.quantile(0.8), penalties.ridge(0.1))
    _, weighted = solve(X, np.where(counts, y, np.nan), losses.quantile(0.8), penalties.ridge(0.1), weights=weights)
    np.testing.assert_allclose(weighted.coefficients, plain.coefficients, rtol=1e-9, atol=1e-10)


def test_frequencies_are_repeated_rows():
    X, y, _ = draw(15, 100, 2, "continuous")
    counts = np.random.default_rng(0).integers(1, 4, size=100)
    _, counted = solve(X, y, losses.quantile(0.9), penalties.ridge(0.1), frequencies=counts.astype(float))
    _, repeated = solve(np.repeat(X, counts, axis=0), np.repeat(y, counts), losses.quantile(0.9), penalties.ridge(0.1))
    np.testing.assert_allclose(counted.coefficients, repeated.coefficients, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("loss", [losses.quantile(0.9), straight_then_square, hinge], ids=["quantile", "straight_then_square", "hinge"])
def test_more_rows_than_are_held(loss):
    random = np.random.default_rng(16)
    n = 400_000
    X = random.normal(size=(n, 10))
    y = X @ random.normal(size=10) + random.standard_t(3, size=n)
    y = np.where(y > 0, 1.0, -1.0) if loss is hinge else y
    tracemalloc.start()
    problem, solution = solve(X, y, loss, penalties.ridge(0.01))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.certificate.converged
    assert solution.passes <= 20
    assert peak < 200e6
    assert distance_to_subdifferential(problem, solution.coefficients) < 1e-8


def test_the_same_bits_for_any_number_of_threads():
    X, y, _ = draw(17, 30_000, 8, "continuous")
    _, one = solve(X, y, losses.quantile(0.9), penalties.ridge(0.1), threads=1)
    _, two = solve(X, y, losses.quantile(0.9), penalties.ridge(0.1), threads=2)
    assert (one.coefficients == two.coefficients).all()


def test_start_does_not_change_the_answer():
    X, y, _ = draw(18, 300, 3, "continuous")
    _, plain = solve(X, y, losses.quantile(0.9), penalties.ridge(0.1))
    _, started = solve(X, y, losses.quantile(0.9), penalties.ridge(0.1), start=np.full(4, 10.0))
    np.testing.assert_allclose(started.coefficients, plain.coefficients, rtol=1e-10, atol=1e-11)


def test_an_even_number_of_rows_has_many_medians():
    _, solution = solve(np.ones((4, 1)), np.array([5.0, 1.0, 4.0, 2.0]), losses.absolute, intercept=False)
    assert 2.0 <= solution.coefficients[0, 0] <= 4.0
    assert any("not unique" in note for note in solution.notes)


def test_streamed_rows_with_gaps(monkeypatch):
    from gradline.preparing import from_table

    random = np.random.default_rng(19)
    columns = {"x": random.normal(size=20_000), "z": random.normal(size=20_000)}
    columns["y"] = columns["x"] + random.normal(size=20_000)
    columns["x"][::17] = np.nan
    options = {"loss": losses.quantile(0.9), "penalty": penalties.ridge(0.1)}
    held = gl.fit("y ~ x + z", columns, **options)
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    streamed = gl.fit("y ~ x + z", columns, **options)
    assert streamed.solver == "ActiveSetNewton"
    np.testing.assert_allclose(streamed.coefficients, held.coefficients, rtol=1e-11)


def test_refuses_what_it_is_not_for():
    X, y, _ = draw(20, 50, 2, "continuous")
    with pytest.raises(ValueError, match=r"is for losses with kinks, and 'huber' has none; use gl\.Newton or gl\.LBFGS"):
        solve(X, y, losses.huber(1.35))

    def joint(y, prediction):
        return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))

    with pytest.raises(ValueError, match="ActiveSetNewton needs the curvature of single rows; the loss 'joint' returns one scalar"):
        solve(X, y, joint)
    with pytest.raises(ValueError, match="max_steps must be a whole number of at least 1, not 0"):
        ActiveSetNewton(max_steps=0)


def test_objectives_that_fall_without_end_are_told():
    X, y, _ = draw(22, 200, 2, "continuous")

    def distance_as_a_gain(y, prediction):
        return -tf.abs(y - prediction)

    def rises(y, prediction):
        return tf.maximum(y - prediction, 0.5 * (y - prediction))

    for loss, penalty in [(distance_as_a_gain, None), (distance_as_a_gain, penalties.ridge(0.1)), (rises, penalties.ridge(0.1))]:
        with pytest.warns(GradlineWarning, match="keeps falling as coefficients grow without end: no finite coefficients are best"):
            _, solution = solve(X, y, loss, penalty)
        assert not solution.certificate.converged
        assert "add a ridge" in solution.certificate.remedy


def test_kinks_that_no_single_linear_predictor_meets_are_not_certified():
    X, y, _ = draw(23, 200, 2, "continuous")

    def of_the_sum(y, prediction):
        first, second = prediction[:, 0], prediction[:, 1]
        return tf.abs(first + second - y) + 0.1 * (first - y) ** 2 + 0.1 * second**2

    with pytest.warns(GradlineWarning, match=r"met along one linear predictor at a time.*use gl\.GradientDescent"):
        _, solution = solve(X, y, of_the_sum, linear_predictors=("first", "second"))
    assert not solution.certificate.converged


def test_too_few_steps_are_told():
    X, y, _ = draw(21, 300, 3, "continuous")
    rows = ArrayRows(X, y[:, None])
    problem = Problem(rows, losses.custom(absolute_and_log_cosh).bind(rows.targets))
    with pytest.warns(GradlineWarning, match=r"ActiveSetNewton has not converged: 1 step done\. Give another start="):
        solution = ActiveSetNewton(max_steps=1).solve(problem)
    assert not solution.certificate.converged
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ActiveSetNewton().solve(problem).certificate.converged
