"""The objective: value, gradient and curvature in one pass, held against direct sums and differences."""

import itertools
import tracemalloc

import numpy as np
import pytest

import gradline as gl
from gradline.objective.objective import Problem
from gradline.penalties.ridge import Ridge
from gradline.rows.arrays import ArrayRows
from gradline.rows.sampling import spread_rows

CASES = {
    "squared-3": (gl.losses.squared, 3, 3),
    "huber": (gl.losses.huber(1.35), 1, 1),
    "logistic": (gl.losses.logistic, 1, 1),
    "poisson-2": (gl.losses.poisson, 2, 2),
    "normal": (gl.losses.normal, 1, 2),
    "multinomial": (gl.losses.multinomial(4), 1, 3),
}


def make(name, *, n=3000, intercept=True, weighted=False, offset=False, penalty=None, threads=None, seed=0):
    loss, q, k = CASES[name]
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 4))
    y = {
        "logistic": lambda: random.integers(0, 2, size=(n, 1)),
        "poisson-2": lambda: random.poisson(2.0, size=(n, 2)),
        "multinomial": lambda: random.integers(0, 4, size=(n, 1)),
    }.get(name, lambda: random.normal(size=(n, q)))()
    rows = ArrayRows(
        X,
        y.astype(float),
        weights=random.gamma(1.0, size=n) if weighted else None,
        frequencies=random.integers(0, 3, size=n).astype(float) if weighted else None,
        offset=0.3 * random.normal(size=(n, k)) if offset else None,
        intercept=intercept,
        threads=threads,
    )
    return Problem(rows, loss, penalty), 0.2 * random.normal(size=(4 + intercept, k))


@pytest.mark.parametrize("name", CASES)
class TestEvaluate:
    @pytest.mark.parametrize(("intercept", "weighted", "offset"), list(itertools.product([True, False], repeat=3)))
    def test_it_is_the_sum_over_rows(self, name, intercept, weighted, offset):
        penalty = Ridge(0.3)
        problem, B = make(name, intercept=intercept, weighted=weighted, offset=offset, penalty=penalty)
        rows = problem.rows
        X = np.hstack([np.ones((rows.n_rows, int(intercept))), rows.values])
        w = np.ones(rows.n_rows) if not weighted else rows.weights * rows.frequencies
        eta = X @ B + (0.0 if rows.offset is None else rows.offset)
        one = problem.loss.derivatives(rows.targets, eta, 2)
        slopes = B[int(intercept) :]
        found = problem.evaluate(B, 2)
        np.testing.assert_allclose(found.value, w @ one.value / w.sum() + 0.15 * np.square(slopes).sum(), rtol=1e-12)
        gradient = X.T @ (w[:, None] * one.gradient) / w.sum()
        gradient[int(intercept) :] += 0.3 * slopes
        np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10, atol=1e-13)
        size, k = B.shape
        curvature = np.einsum("n,nab,ni,nj->aibj", w, one.curvature, X, X).reshape(k * size, k * size) / w.sum()
        held = np.full((size, k), 0.3)
        held[: int(intercept)] = 0.0
        curvature += np.diag(held.T.ravel())
        np.testing.assert_allclose(found.curvature, curvature, rtol=1e-10, atol=1e-13)

    def test_the_gradient_is_the_slope_of_the_value_and_the_curvature_that_of_the_gradient(self, name):
        problem, B = make(name, weighted=True, offset=True, penalty=Ridge(0.3))
        at = problem.evaluate(B, 2)
        step = np.random.default_rng(1).normal(size=B.shape)
        h = 1e-5
        ahead, behind = (problem.evaluate(B + sign * h * step, 1) for sign in (1, -1))
        np.testing.assert_allclose((ahead.value - behind.value) / (2 * h), np.sum(at.gradient * step), rtol=1e-6, atol=1e-8)
        expected = (at.curvature @ step.T.ravel()).reshape(step.shape[::-1]).T
        tolerance = 1e-3 if name == "huber" else 1e-6  # a row may cross Huber's bend within the step
        np.testing.assert_allclose((ahead.gradient - behind.gradient) / (2 * h), expected, rtol=tolerance, atol=tolerance)

    def test_lower_orders_leave_out_and_change_nothing(self, name):
        problem, B = make(name, weighted=True)
        full, gradient, value = (problem.evaluate(B, order) for order in (2, 1, 0))
        assert value.gradient is None
        assert value.curvature is gradient.curvature is None
        assert value.value == pytest.approx(full.value, rel=1e-14)
        np.testing.assert_allclose(gradient.gradient, full.gradient, rtol=1e-12, atol=1e-15)

    def test_any_number_of_threads_gives_the_same_bits(self, name):
        found = [make(name, n=70_000, weighted=True, threads=threads) for threads in (1, 2, 5)]
        evaluations = [problem.evaluate(B, 2) for problem, B in found]
        for other in evaluations[1:]:
            assert other.value == evaluations[0].value
            np.testing.assert_array_equal(other.gradient, evaluations[0].gradient)
            np.testing.assert_array_equal(other.curvature, evaluations[0].curvature)


class TestWeightZero:
    @pytest.mark.filterwarnings("error::RuntimeWarning")
    def test_such_a_row_may_overflow(self):
        random = np.random.default_rng(0)
        X, y = random.normal(size=(50, 2)), random.poisson(1.0, size=(50, 1)).astype(float)
        weights = np.ones(50)
        X[3], weights[3] = 1e6, 0.0
        B = np.array([[0.1], [1.0], [1.0]])
        kept = weights > 0
        whole = Problem(ArrayRows(X, y, weights=weights), gl.losses.poisson).evaluate(B, 2)
        part = Problem(ArrayRows(X[kept], y[kept]), gl.losses.poisson).evaluate(B, 2)
        np.testing.assert_allclose(whole.value, part.value, rtol=1e-14)
        np.testing.assert_allclose(whole.gradient, part.gradient, rtol=1e-12)
        np.testing.assert_allclose(whole.curvature, part.curvature, rtol=1e-12)


class TestFree:
    def test_all_coefficients(self):
        problem, B = make("normal")
        assert problem.all_free
        np.testing.assert_array_equal(problem.free.expand(problem.free.contract(B)), B)

    def test_a_scale_has_an_intercept_only(self):
        random = np.random.default_rng(0)
        problem = Problem(ArrayRows(random.normal(size=(20, 3)), random.normal(size=(20, 1))), gl.losses.huber(1.35, scale="joint"))
        assert not problem.all_free
        assert problem.free.size == 5
        np.testing.assert_array_equal(problem.free.expand(np.arange(1.0, 6.0)), [[1, 5], [2, 0], [3, 0], [4, 0]])

    def test_and_needs_one(self):
        random = np.random.default_rng(0)
        with pytest.raises(ValueError, match="the loss 'huber' needs an intercept for its scale; leave intercept=True"):
            gl.fit(random.normal(size=(20, 3)), random.normal(size=20), loss=gl.losses.huber(1.35, scale="joint"), intercept=False)


class TestSample:
    def test_rows_stay_with_their_weights(self):
        problem, _ = make("poisson-2", weighted=True, offset=True)
        rows, sample = problem.rows, problem.sample(500, seed=3)
        assert sample.rows.n_rows <= 500
        assert sample.loss is problem.loss
        places = {tuple(row): i for i, row in enumerate(rows.values)}
        at = [places[tuple(row)] for row in sample.rows.values]
        assert len(set(at)) == len(at)
        assert at == sorted(at)
        for name in ("targets", "weights", "frequencies", "offset"):
            np.testing.assert_array_equal(getattr(sample.rows, name), getattr(rows, name)[at])
        assert (sample.rows.row_weights > 0).all()

    def test_the_seed_is_the_sample(self):
        problem, _ = make("huber")
        first, again, other = (problem.sample(100, seed=seed).rows.values for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


class TestMessages:
    def test_columns_by_name_by_number_and_the_intercept(self):
        problem, _ = make("huber")
        assert [problem.column_name(i) for i in range(3)] == ["the intercept", "column 0", "column 1"]
        named = Problem(problem.rows, problem.loss, None, ("Intercept", "a", "b", "c", "d"))
        assert named.column_name(2) == "'b'"
        assert make("huber", intercept=False)[0].column_name(0) == "column 0"

    def test_the_first_row_that_is_not_finite(self):
        X = np.zeros((40, 1))
        X[[17, 23]] = 800.0
        rows = ArrayRows(X, np.ones((40, 1)), weights=np.where(np.arange(40) == 17, 0.0, 1.0))
        why = Problem(rows, gl.losses.poisson).why_not_finite(np.array([[0.0], [1.0]]))
        assert "it is inf in row 23, where y = 1 and the linear predictor is 800" in why

    def test_a_sum_that_overflows_is_told_from_a_row_that_does(self):
        rows = ArrayRows(np.zeros((40, 1)), np.full((40, 1), 1e154))
        why = Problem(rows, gl.losses.squared).why_not_finite(np.array([[0.0], [0.0]]))
        assert "each row's is finite, but their sum overflows; rescale the target" in why


def test_many_classes_are_taken_in_pieces_of_rows():
    rng = np.random.default_rng(3)
    n, classes = 30_000, 40
    y = np.append(rng.integers(classes, size=n - classes), np.arange(classes)).astype(float)
    weights, offset = rng.integers(0, 3, size=n) / 2.0, rng.normal(size=(n, classes - 1))
    rows = ArrayRows(rng.normal(size=(n, 1)), y[:, None], weights=weights, offset=offset)
    problem = Problem(rows, gl.losses.multinomial(classes))
    at = 0.1 * rng.normal(size=problem.shape)
    tracemalloc.start()
    found = problem.evaluate(at, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # the rows' curvatures together are 365 MB
    block = rows.take(np.arange(n))
    _, gradient, _ = problem.loss.derivatives(block.targets, block.linear_predictors(at), 1)
    columns = np.column_stack([np.ones(n), rows.values])
    np.testing.assert_allclose(found.gradient, columns.T @ (weights[:, None] * gradient) / weights.sum(), rtol=0, atol=1e-14)
    p = problem.loss.predict(block.linear_predictors(at))[:, 1:]
    scaled = (p[:, :, None] * columns[:, None, :]).reshape(n, -1)
    expected = -(scaled.T * weights) @ scaled / weights.sum()
    for j in range(classes - 1):
        own = slice(2 * j, 2 * j + 2)
        expected[own, own] += (columns.T * (weights * p[:, j])) @ columns / weights.sum()
    np.testing.assert_allclose(found.curvature, expected, rtol=0, atol=1e-14)


def test_a_pass_needs_little_memory_beyond_the_data():
    problem, B = make("normal", n=400_000, weighted=True, threads=2)
    problem.evaluate(B, 2)
    tracemalloc.start()
    problem.evaluate(B, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Two threads, each with a block of 2 MiB of numbers and its derivatives; f_i w_i of all rows would be 3.2 MB, the rows 19 MB.
    assert peak < 25e6


@pytest.mark.parametrize(("total", "count"), [(10, 10), (10, 3), (1_000_003, 999), (7, 1)])
def test_spread_rows_take_one_row_of_each_stretch(total, count):
    chosen = spread_rows(total, count, seed=5)
    edges = np.arange(count + 1) * (total / count)
    assert (chosen >= np.floor(edges[:-1])).all()
    assert (chosen <= edges[1:]).all()
    assert (np.diff(chosen) > 0).all()
    assert chosen.max() < total
