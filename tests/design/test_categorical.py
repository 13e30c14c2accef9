"""Categorical designs against the one-hot columns they stand for, and bordered systems against the dense solve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradline.design.categorical import CategoricalDesign
from gradline.design.dense import DenseDesign
from gradline.design.stacked import StackedDesign
from gradline.linalg.bordered import BorderedFactor, BorderedGram


def one_hot(codes, levels, values):
    full = np.zeros((len(codes), levels))
    for i, code in enumerate(codes):
        if code >= 0:
            full[i, code] = 1.0 if values is None else values[i]
    return full


def curvatures(rng, m, k, definite=True):
    h = rng.normal(size=(m, k, k))
    return h @ h.transpose(0, 2, 1) + 0.1 * np.eye(k) if definite else h + h.transpose(0, 2, 1)


def categorical(rng, m, levels, valued=False):
    codes = rng.integers(-1, levels, size=m).astype(np.int32)
    return CategoricalDesign(codes, levels, rng.normal(size=m) if valued else None)


def check_operators(design, full, rng, k):
    m, size = full.shape
    assert (design.n_rows, design.n_columns) == (m, size)
    b, g = rng.normal(size=(size, k)), rng.normal(size=(m, k))
    np.testing.assert_array_equal(design.dense(), full)
    np.testing.assert_allclose(design.predict(b), full @ b, atol=1e-12)
    np.testing.assert_allclose(design.adjoint(g), full.T @ g, atol=1e-12)
    for h in (curvatures(rng, m, k), curvatures(rng, m, k, definite=False)):
        expected = np.einsum("iab,ip,iq->apbq", h, full, full).reshape(k * size, k * size)
        np.testing.assert_allclose(design.gram(h), expected, atol=1e-11)
    np.testing.assert_allclose(design.gram(None), full.T @ full, atol=1e-12)
    np.testing.assert_allclose(design.squares(), np.square(full).sum(axis=0), atol=1e-12)
    np.testing.assert_array_equal(design.largest(), np.abs(full).max(axis=0))
    some = rng.integers(0, m, size=3)
    np.testing.assert_array_equal(design.take(some).dense(), full[some])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 3), st.booleans(), st.integers(0, 2**16))
def test_codes_equal_one_hot_columns(m, levels, k, valued, seed):
    rng = np.random.default_rng(seed)
    design = categorical(rng, m, levels, valued)
    check_operators(design, one_hot(design.codes, levels, design.values), rng, k)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 3), st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 2**16))
def test_stacked_designs_equal_their_columns(m, p, levels, k, seed):
    rng = np.random.default_rng(seed)
    dense = DenseDesign(np.asfortranarray(rng.normal(size=(m, p))), bool(seed % 2))
    parts = tuple(categorical(rng, m, size, i % 2 == 1) for i, size in enumerate(levels))
    full = np.concatenate([dense.dense(), *(one_hot(part.codes, part.n_columns, part.values) for part in parts)], axis=1)
    check_operators(StackedDesign(dense, parts), full, rng, k)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 8), st.booleans(), st.integers(0, 2**16))
def test_bordered_solve_equals_the_dense_one(p, k, levels, second, seed):
    rng = np.random.default_rng(seed)
    m = 60 + 20 * levels
    parts = (categorical(rng, m, levels), categorical(rng, m, 2, valued=True))[: 1 + second]
    design = StackedDesign(DenseDesign(rng.normal(size=(m, p)), True), parts)
    h = curvatures(rng, m, k)
    gram, full = design.gram_blocks(h), design.gram(h)
    right = rng.normal(size=(design.n_columns, k))
    solved = gram.solve(right)
    expected = np.linalg.solve(full, right.T.ravel()).reshape(k, -1).T
    np.testing.assert_allclose(solved, expected, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(gram.times(solved), right, atol=1e-9 * np.abs(right).max())
    inverse = np.diag(np.linalg.inv(full)).reshape(k, -1).T
    np.testing.assert_allclose(gram.inverse_diagonal(), inverse, rtol=1e-7)
    np.testing.assert_allclose(gram.diagonal_entries(), np.diag(full).reshape(k, -1).T, rtol=1e-12)
    ridge = rng.uniform(size=right.shape)
    np.testing.assert_allclose(gram.plus_diagonal(ridge).dense(), full + np.diag(ridge.T.ravel()), rtol=1e-12)
    assert gram.aliased() == ()


def test_gram_blocks_add_up_over_blocks_of_rows():
    rng = np.random.default_rng(3)
    design = StackedDesign(DenseDesign(rng.normal(size=(50, 2)), True), (categorical(rng, 50, 4),))
    h = curvatures(rng, 50, 2)
    first, rest = np.arange(20), np.arange(20, 50)
    total = design.take(first).gram_blocks(h[first]) + design.take(rest).gram_blocks(h[rest])
    np.testing.assert_allclose((total / 2.0).dense(), design.gram(h) / 2.0, atol=1e-12)


def test_levels_without_rows_and_columns_within_the_levels_are_aliased_and_zero():
    rng = np.random.default_rng(4)
    codes = np.repeat(np.array([-1, 0, 1, 3], dtype=np.int32), 10)
    by_level = np.repeat(rng.normal(size=4), 10)
    dense = DenseDesign(np.column_stack([rng.normal(size=40), by_level]), True)
    design = StackedDesign(dense, (CategoricalDesign(codes, 4),))
    y = rng.normal(size=(40, 1))
    gram = design.gram_blocks(None)
    assert gram.aliased() == (2, 5)
    found = gram.solve(design.adjoint(y))
    np.testing.assert_array_equal(found[[2, 5], 0], 0.0)
    np.testing.assert_allclose(design.adjoint(y - design.predict(found)), 0.0, atol=1e-12)
    assert np.isnan(gram.inverse_diagonal()[[2, 5], 0]).all()


def test_a_bordered_system_is_solved_for_one_right_side_and_for_several():
    rng = np.random.default_rng(5)
    diagonal, border = rng.uniform(5, 6, size=(7, 1, 1)), rng.normal(size=(7, 1, 3))
    corner = 20 * np.eye(3)
    full = np.block([[np.diag(diagonal.ravel()), border[:, 0]], [border[:, 0].T, corner]])
    factor = BorderedFactor.of(diagonal, border, corner)
    for right in (rng.normal(size=10), rng.normal(size=(10, 2))):
        np.testing.assert_allclose(factor.solve(right), np.linalg.solve(full, right), atol=1e-12)


@pytest.mark.parametrize("diagonal", [np.array([[[-1.0]], [[1.0]]]), np.array([[[1.0, 2.0], [2.0, 1.0]]])])
def test_an_indefinite_system_is_refused(diagonal):
    with pytest.raises(np.linalg.LinAlgError):
        BorderedFactor.of(diagonal, np.zeros((*diagonal.shape[:2], 1)), np.eye(1))


def test_an_indefinite_corner_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        BorderedFactor.of(np.ones((2, 1, 1)), np.full((2, 1, 1), 2.0), np.eye(1))


def test_ten_thousand_levels_stay_small():
    rng = np.random.default_rng(6)
    m, levels = 50_000, 10_000
    design = StackedDesign(
        DenseDesign(rng.normal(size=(m, 5)), True), (CategoricalDesign((np.arange(m) % (levels + 1) - 1).astype(np.int32), levels),)
    )
    truth = rng.normal(size=(design.n_columns, 1))
    y = design.predict(truth)
    gram = design.gram_blocks(None)
    assert isinstance(gram, BorderedGram)
    assert gram.border.size + gram.diagonal.size + gram.corner.size < 10 * levels
    np.testing.assert_allclose(gram.solve(design.adjoint(y)), truth, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 3), st.integers(0, 2**16))
def test_held_coefficients_have_the_rows_and_columns_of_the_identity(levels, k, p, seed):
    rng = np.random.default_rng(seed)
    m = 30
    design = StackedDesign(DenseDesign(rng.normal(size=(m, p)), True), (categorical(rng, m, levels),))
    gram = design.gram_blocks(curvatures(rng, m, k))
    held = rng.uniform(size=(design.n_columns, k)) < 0.4
    expected, places = gram.dense(), np.flatnonzero(held.T.ravel())
    expected[places] = expected[:, places] = 0.0
    expected[places, places] = 1.0
    np.testing.assert_array_equal(gram.holding(held).dense(), expected)


def test_absolute_values():
    dense = DenseDesign(np.array([[-1.0], [2.0], [-3.0]]), True)
    codes = CategoricalDesign(np.array([0, 1, -1], dtype=np.int32), 2, np.array([-1.0, 2.0, 3.0]))
    for design in (dense, codes, CategoricalDesign(codes.codes, 2), StackedDesign(dense, (codes,))):
        np.testing.assert_array_equal(design.absolute().dense(), np.abs(design.dense()))
