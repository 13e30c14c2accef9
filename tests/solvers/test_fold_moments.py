"""Second moments of each fold: those of its rows alone, however the pass cut them."""

import numpy as np
import pytest
from scipy import sparse

import gradline as gl
from gradline.rows.arrays import ArrayRows
from gradline.rows.folds import Folds
from gradline.solvers.least_squares.second_moments import MomentsKernel
from gradline.solvers.proximal.fold_moments import sums_of_folds

RNG = np.random.default_rng(8)
N = 9_000
X = RNG.normal(size=(N, 60)) + 3.0
Y = RNG.normal(size=(N, 2))
ZERO = np.where(np.arange(N) % 7, 1.0, 0.0)


def rows_of(**options):
    return ArrayRows(options.pop("values", X), Y, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weights": RNG.uniform(0.1, 3.0, N) * ZERO, "frequencies": RNG.integers(0, 3, N).astype(float)},
        {"frequencies": ZERO, "offset": RNG.normal(size=(N, 2))},
        {"values": X * np.where(np.arange(60) % 2, 1.0, 1e180)},
        {"values": X + 1e9},
        {"values": np.asfortranarray(X)},
        {"values": X[:, :25]},
        {"values": np.asfortranarray(X[:, :25])},
        {"values": X[:, :2], "weights": RNG.uniform(0.1, 3.0, N) * ZERO},
        {"values": sparse.csr_array(np.where(X > 3.5, X, 0.0))},
    ],
    ids=["plain", "weights", "offset", "large", "far", "by columns", "few", "few by columns", "few with weights", "sparse"],
)
def test_each_fold_has_the_sums_of_its_rows(options):
    rows, folds = rows_of(**options), Folds.of_rows(4, 3, N)
    owner = folds.of(rows.in_memory())
    for fold, found in enumerate(sums_of_folds(rows, folds)):
        kept = np.flatnonzero(owner == fold)
        alone = ArrayRows.of_block(rows.take(kept)).reduce(MomentsKernel()).sums.about(found.shift, found.exponents)
        deviations = np.sqrt(alone.centred().diagonal())
        np.testing.assert_allclose(found.centred(), alone.centred(), rtol=1e-11, atol=1e-11 * deviations.max() ** 2)
        np.testing.assert_allclose(found.means, alone.means, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(
            [found.weight.__round__(6), found.count, found.rows], [alone.weight.__round__(6), alone.count, alone.rows]
        )
        assert found.log_weight == pytest.approx(alone.log_weight, rel=1e-12, abs=1e-12)


def test_sums_are_symmetric_to_the_bit():
    for values in (X[:, :25], np.asfortranarray(X[:, :25]), X):
        for found in sums_of_folds(rows_of(values=values), Folds.of_rows(4, 3, N)):
            np.testing.assert_array_equal(found.products, found.products.T)


def test_a_fold_without_rows_is_none():
    folds = Folds(3, of_row=np.zeros(N, dtype=np.int64))
    assert [found is None for found in sums_of_folds(rows_of(), folds)] == [False, True, True]


def test_threads_do_not_change_a_bit():
    one, four = (sums_of_folds(rows_of(threads=threads), Folds.of_rows(5, 0, N)) for threads in (1, 4))
    for a, b in zip(one, four, strict=True):
        np.testing.assert_array_equal(a.products, b.products)


def test_folds_of_a_sparse_path_are_those_of_its_numbers():
    held = np.where(X[:300, :5] > 3.5, X[:300, :5], 0.0)
    dense, thin = (gl.path(columns, Y[:300, 0], strengths=5, choose="folds", folds=3) for columns in (held, sparse.csr_array(held)))
    np.testing.assert_allclose(dense.held_out.of_fold, thin.held_out.of_fold, rtol=1e-11)
