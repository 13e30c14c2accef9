"""The dense design against the same products written out with the full matrix."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradline.design.dense import DenseDesign


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 150), st.integers(1, 20), st.integers(1, 6), st.booleans(), st.booleans(), st.integers(0, 2**16))
def test_operators_equal_the_full_matrix(m, p, k, intercept, indefinite, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(m, p))
    full = np.column_stack([np.ones(m), values]) if intercept else values
    size = full.shape[1]
    design = DenseDesign(values, intercept)
    b, g = rng.normal(size=(size, k)), rng.normal(size=(m, k))
    h = rng.normal(size=(m, k, k))
    h = h + h.transpose(0, 2, 1) if indefinite else h @ h.transpose(0, 2, 1)
    np.testing.assert_array_equal(design.dense(), full)
    np.testing.assert_allclose(design.predict(b), full @ b, atol=1e-12)
    np.testing.assert_allclose(design.adjoint(g), full.T @ g, atol=1e-12)
    expected = np.einsum("iab,ip,iq->apbq", h, full, full).reshape(k * size, k * size)
    np.testing.assert_allclose(design.gram(h), expected, atol=1e-10)
    np.testing.assert_allclose(design.gram(None), full.T @ full, atol=1e-12)
    np.testing.assert_allclose(design.squares(), np.square(full).sum(axis=0), atol=1e-12)
    np.testing.assert_array_equal(design.largest(), np.abs(full).max(axis=0))


@pytest.mark.parametrize("intercept", [True, False])
def test_sizes_and_take(intercept):
    design = DenseDesign(np.arange(12.0).reshape(4, 3), intercept)
    assert (design.n_rows, design.n_columns) == (4, 3 + intercept)
    np.testing.assert_array_equal(design.take(np.array([2, 0])).values, [[6, 7, 8], [0, 1, 2]])
    np.testing.assert_array_equal(design.take(np.array([], dtype=np.int64)).largest(), np.zeros(3 + intercept))


def test_curvature_that_is_not_a_number_gives_sums_that_are_none_without_a_word():
    design = DenseDesign(np.arange(6.0).reshape(3, 2), True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = design.gram(np.array([np.nan, -1.0, 1.0])[:, None, None])
    assert np.isnan(found).all()
