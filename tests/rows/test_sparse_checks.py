"""Sparse matrices at the door: what is taken as it is, and what is said of the rest."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import gradline as gl
from gradline.base.threads import available_cores
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.fold import GRAM_COLUMNS, MOST_WRITTEN, sparse_block_rows
from gradline.rows.sparse_checks import as_compressed_rows

DENSE = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 5.0, 0.0], [2.0, 0.0, 1.0]])
Y = np.array([1.0, 2.0, 4.0, 3.0, 2.5])


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
@pytest.mark.parametrize("family", ["array", "matrix"])
def test_every_format_is_taken(kind, family):
    held = getattr(sparse, f"{kind}_{family}")(DENSE)
    np.testing.assert_allclose(gl.fit(held, Y).coefficients, gl.fit(DENSE, Y).coefficients, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint16, np.bool_])
def test_other_numbers(dtype):
    held = sparse.csr_array(DENSE.astype(dtype))
    np.testing.assert_allclose(gl.fit(held, Y).coefficients, gl.fit(held.toarray(), Y).coefficients, rtol=1e-12)


def test_duplicates_are_summed_and_what_was_given_is_left_alone():
    rows, columns = np.array([0, 0, 1, 2, 3, 4]), np.array([1, 1, 0, 2, 0, 1])
    data = np.array([1.0, 2.0, 1.0, 3.0, -1.0, 2.0])
    coordinates = sparse.coo_array((data, (rows, columns)), shape=(5, 3))
    compressed = sparse.csr_array((data.copy(), columns.copy(), np.array([0, 2, 3, 4, 5, 6])), shape=(5, 3))
    dense = np.array([[0, 3, 0], [1, 0, 0], [0, 0, 3], [-1, 0, 0], [0, 2, 0]], dtype=float)
    for held in (coordinates, compressed):
        np.testing.assert_allclose(gl.fit(held, Y).coefficients, gl.fit(dense, Y).coefficients, rtol=1e-12)
        assert held.nnz == 6


def test_nothing_is_copied_of_compressed_rows():
    held = sparse.csr_matrix(DENSE)
    assert np.shares_memory(as_compressed_rows(held, "X").data, held.data)


class TestFrames:
    def test_sparse_columns_keep_their_names(self):
        frame = pd.DataFrame(DENSE, columns=["a", "b", "c"]).astype(pd.SparseDtype(float, 0.0))
        fit, plain = gl.fit(frame, Y), gl.fit(pd.DataFrame(DENSE, columns=["a", "b", "c"]), Y)
        assert fit.names == plain.names
        np.testing.assert_allclose(fit.coefficients, plain.coefficients, rtol=1e-12)
        np.testing.assert_allclose(fit.predict(frame[["c", "b", "a"]]), plain.predict(DENSE), rtol=1e-12)

    def test_beside_columns_that_are_not_sparse(self):
        frame = pd.DataFrame(DENSE, columns=["a", "b", "c"])
        frame["b"] = frame["b"].astype(pd.SparseDtype(float, 0.0))
        assert as_compressed_rows(frame, "X").nnz == 6
        np.testing.assert_allclose(gl.fit(frame, Y).coefficients, gl.fit(DENSE, Y).coefficients, rtol=1e-12)

    def test_filled_with_what_is_not_zero(self):
        frame = pd.DataFrame({"a": pd.arrays.SparseArray([np.nan, 1.0, np.nan, 2.0, 3.0])})
        with pytest.raises(gl.DataError, match=r"column 'a' of X is sparse with nan where nothing is held, and only zeros can be left out"):
            gl.fit(frame, Y)

    def test_text_beside_sparse_columns(self):
        frame = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0, 0.0, 2.0, 3.0], fill_value=0.0), "b": list("abcde")})
        with pytest.raises(gl.ArgumentTypeError, match="column 'b' of X holds"):
            gl.fit(frame, Y)


def broken(value):
    held = sparse.csr_array(DENSE)
    held.data[2] = value
    return held


@pytest.mark.parametrize(
    ("held", "error", "words"),
    [
        (broken(np.nan), gl.DataError, r"X holds NaN in row 2, column 'x3'; drop that row"),
        (broken(-np.inf), gl.DataError, r"X holds infinity in row 2, column 'x3'"),
        (sparse.csr_array(DENSE.astype(complex)), gl.DataError, "X is a sparse matrix of complex numbers"),
        (sparse.coo_array(DENSE[:, 0]), gl.DataError, r"X is a sparse array of 1 dimension, shape \(5,\); .* X\.reshape\(\(5, 1\)\)"),
        (sparse.csr_array(DENSE[:3]), gl.DataError, "y has 5 rows but X has 3"),
        (sparse.csr_array((0, 3)), gl.DataError, "X has no rows"),
        (sparse.csr_array((5, 0)), gl.DataError, "X has no columns"),
    ],
)
def test_what_is_refused(held, error, words):
    with pytest.raises(error, match=words):
        gl.fit(held, Y)


def test_objects_are_refused():
    held = sparse.csr_array(DENSE)
    held.data = held.data.astype(object)
    with pytest.raises(gl.ArgumentTypeError, match=r"sparse matrix of object values, not numbers; .* X\.astype\(float\)"):
        gl.fit(held, Y)


@pytest.mark.parametrize("name", ["y", "offset", "weights"])
def test_only_x_may_be_sparse(name):
    column = sparse.csr_array(Y[:, None])
    given = {"y": Y, name: column}
    with pytest.raises(
        gl.ArgumentTypeError, match=rf"{name} is a sparse matrix, and only X may be one; give {name}\.toarray\(\)\.ravel\(\)"
    ):
        gl.fit(sparse.csr_array(DENSE), given.pop("y"), **given)


def test_a_row_of_weight_zero_may_hold_anything():
    weights = np.array([1.0, 1.0, 0.0, 2.0, 1.0])
    found = gl.fit(broken(np.nan), Y, weights=weights, penalty=gl.penalties.ridge(0.1))
    kept = np.flatnonzero(weights)
    plain = gl.fit(DENSE[kept], Y[kept], weights=weights[kept], penalty=gl.penalties.ridge(0.1))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-12)


class TestPredictions:
    fit = gl.fit(sparse.csr_array(DENSE), Y)

    def test_a_missing_value_makes_a_missing_prediction(self):
        found = self.fit.predict(broken(np.nan))
        np.testing.assert_array_equal(np.isnan(found), [False, False, True, False, False])

    def test_what_is_refused(self):
        with pytest.raises(gl.DataError, match="data holds infinity in row 2, column 'x3'"):
            self.fit.predict(broken(np.inf))
        with pytest.raises(gl.InferenceError, match="data has 2 columns, but the model was fitted to 3"):
            self.fit.predict(sparse.csr_array(DENSE[:, :2]))

    def test_dense_and_sparse_rows_alike(self):
        np.testing.assert_allclose(self.fit.predict(DENSE), self.fit.predict(sparse.csr_array(DENSE)), rtol=1e-14)


def test_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(5)
    places = rng.integers(0, 40, 300_000 * 4)
    held = sparse.csr_array((rng.normal(size=len(places)), places, np.arange(0, len(places) + 1, 4)), shape=(300_000, 40))
    held.sum_duplicates()
    y = rng.normal(size=(300_000, 1))
    assert available_cores() >= 1
    found = []
    for threads in (1, 2, 5):
        problem = Problem(ArrayRows(held, y, threads=threads), gl.losses.huber(1.0))
        found.append(problem.evaluate(np.full(problem.shape, 0.1), 2))
    for other in found[1:]:
        assert other.value == found[0].value
        np.testing.assert_array_equal(other.gradient, found[0].gradient)
        np.testing.assert_array_equal(other.curvature, found[0].curvature)


@pytest.mark.parametrize("columns", [10, 1000, GRAM_COLUMNS, 100_000])
@pytest.mark.parametrize("row_numbers", [2, 30])
def test_blocks_that_are_written_out_are_small(columns, row_numbers):
    rows = sparse_block_rows(row_numbers, columns, 1, writes_columns=True)
    assert columns > GRAM_COLUMNS or rows * columns <= max(MOST_WRITTEN, columns)
    assert rows <= sparse_block_rows(row_numbers, columns, 1, writes_columns=False)
