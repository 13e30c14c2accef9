"""Columns of a sparse matrix that earlier ones determine: as QR of the rows written out finds them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import gradline as gl
from gradline.rows.arrays import ArrayRows
from gradline.solvers.columns import aliased_columns


def both(dense, intercept=True):
    y = np.zeros((len(dense), 1))
    return [aliased_columns(ArrayRows(held, y, intercept=intercept)) for held in (sparse.csr_array(dense), dense)]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 4), st.booleans(), st.integers(0, 2**16))
def test_as_by_qr(p, copies, intercept, seed):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((60, p)) < 0.4, rng.normal(size=(60, p)), 0.0)
    made = [dense]
    for _ in range(copies):
        kind, mix = rng.integers(0, 3), rng.integers(-2, 3, size=p).astype(float)
        made.append([dense @ mix, np.zeros(60), dense[:, rng.integers(p)] * 1e5][kind][:, None])
    whole = np.column_stack(made)[:, rng.permutation(p + copies)]
    found, expected = both(whole, intercept)
    assert found == expected


def test_a_column_that_is_nearly_another_is_kept():
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((500, 90)) < 0.2, rng.normal(size=(500, 90)), 0.0)
    dense[:, 70] = dense[:, 3] + 1e-6 * dense[:, 80]
    dense[:, 80] = 0.0
    dense[:, 85] = dense[:, 70] - dense[:, 3]
    dense[7, 85] += 1e-7
    found, expected = both(dense)
    assert found == expected == (81,)


def test_a_fit_leaves_them_out():
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((400, 6)) < 0.3, rng.normal(size=(400, 6)), 0.0)
    dense[:, 4] = dense[:, 1] - 2.0 * dense[:, 2]
    y = (rng.random(400) < 0.4) * 1.0
    for loss in ("logistic", "squared"):
        with pytest.warns(gl.GradlineWarning, match="left out of the model, since it is .* determined by earlier columns: 'x5'"):
            found = gl.fit(sparse.csr_array(dense), y, loss=loss)
        with pytest.warns(gl.GradlineWarning, match="'x5'"):
            plain = gl.fit(dense, y, loss=loss)
        np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.standard_errors, plain.standard_errors, rtol=1e-12)
