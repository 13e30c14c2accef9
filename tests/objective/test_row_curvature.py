"""Curvature brought up to date by the rows that changed is the curvature worked out anew."""

import numpy as np
import pytest

import gradline as gl
from gradline.inference.inference import extra_sums, infer
from gradline.objective.objective import Problem
from gradline.objective.row_curvature import RowCurvature, few_change
from gradline.rows.arrays import ArrayRows
from gradline.solvers.newton.newton import Newton


def capped(y, prediction):
    """A cost with two slopes and a parabola between, which no formula of the library says to be convex."""
    import tensorflow as tf

    r = y - prediction
    return tf.where(r > 1.0, 2.0 * r - 1.0, tf.where(r < -0.5, -r - 0.25, r * r))


def rows(n=9_000, columns=6, offset_columns=1, threads=2):
    random = np.random.default_rng(1)
    x = random.standard_normal((n, columns))
    y = x @ random.standard_normal(columns) + 1.0 + random.standard_t(3, size=n)
    weights = random.choice([0.0, 0.5, 2.0], size=n)
    frequencies = random.integers(1, 4, size=n).astype(float)
    offset = 0.1 * random.standard_normal((n, offset_columns))
    return ArrayRows(x, y[:, None], weights=weights, frequencies=frequencies, offset=offset, threads=threads)


LOSSES = {
    "huber": gl.losses.huber(1.0),
    "expectile": gl.losses.expectile(0.8),
    "tukey, where every row changes": gl.losses.tukey(4.0),
    "joint huber, with a scale of its own": gl.losses.huber(1.35, scale="joint"),
}


@pytest.mark.parametrize("label", LOSSES)
def test_it_is_the_curvature_worked_out_anew(label):
    loss = LOSSES[label]
    k = loss.n_predictors(1)
    problem = Problem(rows(offset_columns=k), loss)
    kept = RowCurvature(problem.rows, k, loss.intercept_only)
    random = np.random.default_rng(2)
    at = np.zeros(problem.shape)
    at[0, -1] = 1.0
    # Steps of any size, and one back to where it was.
    path = [at, at + 1e-3, at + 1e-3, at + 0.05 * random.standard_normal(at.shape) * (np.arange(len(at)) < 3)[:, None], at]
    for here in path:
        found, _ = problem.evaluate_with(here, 2, kept)
        expected = problem.evaluate(here, 2)
        assert found.value == expected.value
        np.testing.assert_array_equal(found.gradient, expected.gradient)
        scale = np.abs(expected.curvature).max()
        np.testing.assert_allclose(found.curvature, expected.curvature, rtol=0, atol=1e-13 * scale)


def test_a_point_without_finite_curvature_is_forgotten():
    loss = gl.losses.poisson
    random = np.random.default_rng(3)
    x = random.standard_normal((500, 2))
    problem = Problem(ArrayRows(x, random.poisson(1.0, size=(500, 1)).astype(float)), loss)
    kept = RowCurvature(problem.rows, 1, ())
    with np.errstate(all="ignore"):
        for at in (np.zeros((3, 1)), np.full((3, 1), 1e300), np.full((3, 1), 0.1)):
            found, _ = problem.evaluate_with(at, 2, kept)
    np.testing.assert_allclose(found.curvature, problem.evaluate(at, 2).curvature, rtol=1e-13)


def grown(y, prediction):
    """A parabola, and beside it a loss whose curvature can be of any size."""
    import tensorflow as tf

    return tf.where(y < 0.0, tf.square(y + 1000.0 - prediction), tf.exp(prediction) - y * prediction)


@pytest.fixture(scope="module")
def mixed():
    """Rows of which one in 25 has the exponential loss of ``grown``, with an intercept of their own."""
    random = np.random.default_rng(0)
    n, columns = 160_000, 12
    x = random.standard_normal((n, columns))
    few = random.random(n) < 0.04
    centre = x @ (0.1 * random.standard_normal(columns))
    y = np.where(few, random.poisson(np.exp(centre + 0.5)), centre - 0.5 + random.standard_normal(n) - 1000.0)
    return np.column_stack([x, few]), y


def test_rounding_of_a_curvature_that_has_shrunk_does_not_stay(mixed):
    x, y = mixed
    loss = gl.fit(x[:3000], y[:3000], loss=grown).loss_function
    problem = Problem(ArrayRows(x, y[:, None]), loss)
    kept = RowCurvature(problem.rows, 1, ())
    for centre in (-6.0, 60.0, 0.0, 0.1):
        at = np.zeros(problem.shape)
        at[-1] = centre
        found = problem.evaluate_with(at, 2, kept)[0].curvature
        expected = problem.evaluate(at, 2).curvature
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * expected.diagonal().min())


def test_trials_far_out_leave_nothing_behind(mixed):
    x, y = mixed
    start = np.zeros(x.shape[1] + 1)
    start[-1] = -6.0
    far = gl.fit(x, y, loss=grown, start=start, covariance="HC1")
    near = gl.fit(x, y, loss=grown, covariance="HC1")
    assert far.certificate.converged
    np.testing.assert_allclose(far.standard_errors, near.standard_errors, rtol=1e-8)


def test_threads_do_not_matter():
    found = []
    for threads in (1, 2):
        problem = Problem(rows(n=40_000, columns=30, threads=threads), gl.losses.huber(1.0))
        kept = RowCurvature(problem.rows, 1, ())
        for shift in (0.0, 0.01):
            curvature = problem.evaluate_with(np.full(problem.shape, shift), 2, kept)[0].curvature
        found.append(curvature)
    np.testing.assert_array_equal(*found)


def test_few_change_where_a_loss_is_made_of_parabolas_only():
    for loss, expected in ((gl.losses.huber(1.0), True), (gl.losses.logistic, False), (gl.losses.student_t(4.0), False)):
        problem = Problem(rows(), loss)
        here = np.zeros(problem.shape)
        assert few_change(loss, problem.rows.sample(1000), here, here + 1e-3) is expected


@pytest.fixture(scope="module")
def large():
    """Rows so many that Newton is thrifty."""
    random = np.random.default_rng(4)
    x = random.standard_normal((120_000, 20))
    y = x @ random.standard_normal(20) + 2.0 + random.standard_t(3, size=len(x))
    return x, y


@pytest.mark.parametrize("loss", [gl.losses.huber(1.0), gl.losses.student_t(4.0), capped], ids=["huber", "student_t", "your own"])
def test_standard_errors_of_the_last_pass_are_those_of_passes_of_their_own(large, loss):
    x, y = large
    fit = gl.fit(x, y, loss=loss, covariance="HC1")
    problem = Problem(ArrayRows(x, y[:, None]), fit.loss_function)
    alone = infer(problem, fit.solution, "HC1", keep_meat=True)
    assert fit.solution.curvature is None
    assert fit.solution.extra == ()
    np.testing.assert_allclose(fit.standard_errors.ravel(), alone.covariance.standard_errors.ravel(), rtol=1e-11)
    held = fit.with_covariance("HC0").standard_errors.ravel()
    np.testing.assert_allclose(held, infer(problem, fit.solution, "HC0").covariance.standard_errors.ravel(), rtol=1e-11)


def test_the_last_pass_takes_the_sums_along(large):
    x, y = large
    problem = Problem(ArrayRows(x, y[:, None]), gl.losses.huber(1.0))
    plain = Newton().solve(problem)
    taken = Newton(end_with_curvature=True, extra_sums=extra_sums(problem)).solve(problem)
    assert taken.passes == plain.passes
    assert len(taken.extra) == 2
    exact = problem.evaluate(taken.coefficients, 2)
    np.testing.assert_allclose(taken.curvature, exact.curvature, rtol=0, atol=1e-13 * np.abs(exact.curvature).max())
    # The meat is that at the answer: sum g^2 x x'.
    design = np.column_stack([np.ones(len(x)), x])
    score = problem.loss.derivatives(y[:, None], design @ taken.coefficients, 1).gradient
    meat = (design * score**2).T @ design
    np.testing.assert_allclose(taken.extra[0], meat, rtol=0, atol=1e-12 * np.abs(meat).max())


def test_no_sums_are_taken_where_scores_are_whitened_or_kinks_have_the_curvature(large):
    x, y = large
    assert extra_sums(Problem(ArrayRows(x[:100], y[:100, None]), gl.losses.huber(1.0))) == ()
    assert extra_sums(Problem(ArrayRows(x, y[:, None]), gl.losses.absolute)) == ()
