"""The sparse design against the same products written out with the full matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from gradline.design import sparse as module
from gradline.design.dense import DenseDesign
from gradline.design.sparse import SparseDesign, dense_product, rows_between


def drawn(rng, m, p, share=0.4):
    return np.where(rng.random((m, p)) < share, rng.normal(size=(m, p)), 0.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**16))
def test_operators_equal_the_full_matrix(m, p, k, intercept, indefinite, wide, seed):
    rng = np.random.default_rng(seed)
    values = drawn(rng, m, p)
    held = sparse.csr_array(values)
    if wide:
        held.indices, held.indptr = held.indices.astype(np.int64), held.indptr.astype(np.int64)
    design, full = SparseDesign(held, intercept), DenseDesign(values, intercept)
    size = full.n_columns
    b, g, w = rng.normal(size=(size, k)), rng.normal(size=(m, k)), rng.random(m)
    h = rng.normal(size=(m, k, k))
    h = h + h.transpose(0, 2, 1) if indefinite else h @ h.transpose(0, 2, 1)
    assert (design.n_rows, design.n_columns) == (m, size)
    np.testing.assert_array_equal(design.dense(), full.dense())
    np.testing.assert_allclose(design.predict(b), full.predict(b), atol=1e-12)
    np.testing.assert_allclose(design.adjoint(g), full.adjoint(g), atol=1e-12)
    np.testing.assert_allclose(design.gram(h), full.gram(h), atol=1e-11)
    np.testing.assert_allclose(design.gram(None), full.gram(None), atol=1e-12)
    np.testing.assert_allclose(design.squares(), full.squares(), atol=1e-12)
    np.testing.assert_allclose(design.squares(g), np.square(full.dense()).T @ g, atol=1e-12)
    np.testing.assert_allclose(full.squares(g), np.square(full.dense()).T @ g, atol=1e-12)
    np.testing.assert_allclose(design.row_squares(), np.square(full.dense()).sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(full.row_squares(), np.square(full.dense()).sum(axis=1), atol=1e-12)
    np.testing.assert_array_equal(design.largest(), full.largest())
    for mine, other in zip(design.column_moments(w), full.column_moments(w), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-11)
    rows = rng.permutation(m)[: m // 2]
    np.testing.assert_array_equal(design.take(rows).dense(), full.take(rows).dense())
    np.testing.assert_array_equal(design.beside(g).dense(), full.beside(g).dense())
    np.testing.assert_array_equal(design.absolute().dense(), np.abs(full.dense()))
    assert design.numbers().shape == (m, 0)


@pytest.mark.parametrize("by_scipy", [False, True])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_a_gram_matrix_in_panels(monkeypatch, by_scipy, index):
    if by_scipy:
        monkeypatch.setattr(module, "csr_matmat", None)
    rng = np.random.default_rng(1)
    values = drawn(rng, 90, 301, 0.05)
    held = sparse.csr_array(values)
    held.indices, held.indptr = held.indices.astype(index), held.indptr.astype(index)
    assert len(values.T) > module.FEWEST_IN_PANELS
    h = rng.normal(size=90)
    found = SparseDesign(held, True).gram(h[:, None, None])
    full = np.column_stack([np.ones(90), values])
    np.testing.assert_allclose(found, (full.T * h) @ full, atol=1e-12)
    np.testing.assert_allclose(found, found.T, atol=1e-14)
    np.testing.assert_allclose(dense_product(held.T.tocsr(), held), values.T @ values, atol=1e-12)


def test_products_of_a_few_entries_are_not_given_room_for_all():
    wide = sparse.csr_array((np.ones(2), (np.array([0, 1]), np.array([3, 4]))), shape=(2, 40_000))
    np.testing.assert_array_equal(dense_product(wide, sparse.csr_array(wide.T)), np.eye(2))


def test_consecutive_rows_share_memory():
    held = sparse.csr_array(drawn(np.random.default_rng(2), 50, 4))
    part = rows_between(held, 10, 30)
    np.testing.assert_array_equal(part.toarray(), held.toarray()[10:30])
    assert np.shares_memory(part.data, held.data)
    single = rows_between(held.astype(np.float32), 10, 30)
    assert single.dtype == np.float64


def test_rows_without_entries():
    design = SparseDesign(sparse.csr_array((5, 3)), True)
    np.testing.assert_array_equal(design.gram(None), np.diag([5.0, 0, 0, 0]))
    np.testing.assert_array_equal(design.largest(), [1, 0, 0, 0])
