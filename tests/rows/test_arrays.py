"""Rows in memory: order, coverage, and the same bits for any number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.losses import squared
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.fold import block_rows
from gradline.rows.kernel import Kernel


class Sequence(Kernel):
    """Which rows were seen, in which order."""

    def map(self, block):
        return [(block.first_row, block.n_rows)]

    def merge(self, first, second):
        return first + second


class First:
    def map(self, block):
        return block.targets[:, 0]


def make(n, p=3, **options):
    rng = np.random.default_rng(n)
    return ArrayRows(rng.normal(size=(n, p)), rng.normal(size=(n, 1)), **options)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400_000), st.integers(1, 8))
def test_every_row_is_seen_once_in_order(n, threads):
    rows = ArrayRows(np.zeros((n, 2)), np.zeros((n, 1)), threads=threads)
    blocks = rows.reduce(Sequence())
    assert [first for first, _ in blocks] == list(np.cumsum([0, *(size for _, size in blocks[:-1])]))
    assert sum(size for _, size in blocks) == n


@pytest.mark.parametrize("n", [1, 255, 256, 100_003])
def test_map_keeps_row_order(n):
    rows = make(n, threads=2)
    np.testing.assert_array_equal(rows.map(First()), rows.targets[:, 0])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_same_bits_for_any_thread_count(order):
    rng = np.random.default_rng(0)
    x, y, b = rng.normal(size=(50_011, 20)), rng.normal(size=(50_011, 2)), rng.normal(size=(21, 2))
    weights = rng.uniform(size=50_011)
    results = [Problem(ArrayRows(x, y, weights=weights, threads=threads), squared).evaluate(b, order) for threads in (1, 2, 3, 8)]
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_block_size_depends_on_the_shape_of_a_row_only():
    assert block_rows(100, 1) == block_rows(100, 1)
    assert block_rows(10, 1) > block_rows(100, 1)
    assert 8 * block_rows(100, 1) * 102 <= 2**21


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float32).astype(np.float64),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
    ],
    ids=["float32", "fortran", "row stride", "column stride", "reversed twice"],
)
def test_memory_layout_does_not_matter(change):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 4)).astype(np.float32).astype(np.float64)
    y, b = rng.normal(size=(3000, 1)), rng.normal(size=(5, 1))
    plain = Problem(ArrayRows(x, y), squared).evaluate(b, 2)
    changed = Problem(ArrayRows(change(x), y), squared).evaluate(b, 2)
    for first, second in zip(plain, changed, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-13, atol=1e-13)


def test_take_gives_the_rows_asked_for_in_that_order():
    rows = make(50, weights=np.arange(1.0, 51.0))
    block = rows.take(np.array([7, 3, 7]))
    np.testing.assert_array_equal(block.targets, rows.targets[[7, 3, 7]])
    np.testing.assert_array_equal(block.weights, [8.0, 4.0, 8.0])
    np.testing.assert_array_equal(block.design.dense()[:, 1:], rows.values[[7, 3, 7]])


@pytest.mark.parametrize("loss", ["squared", "logistic", "absolute", gl.losses.huber(1.0), "descent"])
def test_a_fit_never_copies_numbers_of_another_type_as_a_whole(loss, monkeypatch):
    random = np.random.default_rng(3)
    X = random.normal(size=(60_000, 5)).astype(np.float32)
    y = X[:, 0] + random.normal(size=60_000)
    largest, block = [], ArrayRows._block

    def watched(rows, start, stop):
        largest.append((stop - start) * (rows.values.dtype == np.float32))
        return block(rows, start, stop)

    monkeypatch.setattr(ArrayRows, "_block", watched)
    options = {"solver": gl.GradientDescent(learning_rate="auto", steps=500)} if loss == "descent" else {"loss": loss}
    fit = gl.fit(X, (y > 0) * 1.0 if loss == "logistic" else y, weights=np.ones(60_000), **options)
    assert fit.rows_used == 60_000
    assert 0 < max(largest) < 60_000


def test_all_rows_of_another_type_are_copied_once_for_whoever_asks_again():
    rows = ArrayRows(np.ones((10, 2), dtype=np.float32), np.ones((10, 1)))
    assert rows.resident
    assert rows.in_memory() is rows.in_memory()
    values = np.ones((10, 2))
    assert np.shares_memory(ArrayRows(values, np.ones((10, 1))).in_memory().design.values, values)
