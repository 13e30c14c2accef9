"""Columns that no table can hold: they trouble nobody who does not ask for them, and say what is wrong with them to whoever does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from statsmodels.api import OLS

import gradline as gl
from gradline.tables.table import open_table

GENERATOR = np.random.default_rng(8)
X, Y = GENERATOR.normal(size=12), GENERATOR.normal(size=12)
RIGHT = OLS(Y, np.column_stack([np.ones(12), X])).fit().params
PLAIN = {"x": X, "y": Y}
ODD = {
    "mixed": (pd.Series([1, "a", None] * 4, dtype=object), "holds values of different types (1, then 'a' in row 1)"),
    "objects": (pd.Series([object() for _ in range(12)]), "holds values of type object"),
    "complex": (pd.Series(np.arange(12) * 1j), "holds values of type complex"),
    "sparse": (pd.Series(pd.arrays.SparseArray([0.0] * 11 + [1.0])), "is sparse; make it dense first"),
    "arrays": (pd.Series([np.eye(2)] * 12), "holds values of type ndarray"),
    "beyond 64 bits": (pd.Series([10**30] + 11 * [1], dtype=object), "holds an integer beyond 64 bits"),
    "missing first": (pd.Series([pd.NA, None, np.nan, 1, "b"] + [None] * 7, dtype=object), "(1, then 'b' in row 4)"),
}
IN_A_DICT = {
    "mixed": [1, "a", None] * 4,
    "complex": np.arange(12) * 1j,
    "two dimensions": np.ones((12, 2)),
    "no dimension": 5.0,
    "nothing at all": None,
    "beyond 64 bits": [10**30] + 11 * [1],
    "masked": np.ma.array(np.arange(12) * 1j, mask=np.arange(12) == 1),
}


def frame(odd):
    return pd.DataFrame(PLAIN).assign(odd=ODD[odd][0])


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_column_of_a_frame_troubles_only_who_reads_it(odd):
    data = frame(odd)
    fit = gl.fit("y ~ x", data)
    for found in (
        fit,
        gl.fit("y ~ x", data, where="x < 100"),
        gl.fit("y ~ x", data, query="SELECT x, y FROM data"),
        gl.fit(data, target="y", features=["x"]),
        gl.fit("y ~ x", (data.iloc[i : i + 6] for i in (0, 6))),
        gl.fit(data[["x"]], data["y"]),
    ):
        np.testing.assert_allclose(found.coefficients, RIGHT, rtol=1e-11)
    np.testing.assert_allclose(fit.predict(data), RIGHT[0] + RIGHT[1] * X)
    np.testing.assert_allclose(fit.residuals(data), Y - RIGHT[0] - RIGHT[1] * X)
    assert fit.diagnose(data).leverage.sum() == pytest.approx(2.0)
    np.testing.assert_allclose(gl.fit("y ~ 1", data).predict(data), Y.mean())
    assert set(open_table(data).summary()) == {"x", "y"}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_column_that_is_read_says_what_is_wrong(odd):
    data, why = frame(odd), ODD[odd][1]
    fit = gl.fit("y ~ z", pd.DataFrame({"z": X, "y": Y}))
    for read in (
        lambda: gl.fit("y ~ x + odd", data),
        lambda: gl.fit("odd ~ x", data),
        lambda: gl.fit("y ~ C(odd)", data),
        lambda: gl.fit("y ~ .", data),
        lambda: gl.fit("y ~ x + odd", data, where="x < 100"),
        lambda: gl.fit("y ~ x", data, where="odd > 1"),
        lambda: gl.fit(data, target="y", features=["odd"]),
        lambda: gl.fit("y ~ x", data, weights="odd"),
        lambda: gl.fit("y ~ x", data, offset="odd"),
        lambda: gl.fit("y ~ x", data, groups="odd", covariance="cluster"),
        lambda: fit.predict(data.rename(columns={"odd": "z"})),
    ):
        with pytest.raises(ValueError, match=r"the pandas frame.*: column '(odd|z)'") as caught:
            read()
        assert why in str(caught.value)


@pytest.mark.parametrize("odd", IN_A_DICT)
def test_an_odd_column_of_a_dict(odd):
    data = {"odd": IN_A_DICT[odd], **PLAIN}
    for options in ({}, {"where": "x < 100"}):
        np.testing.assert_allclose(gl.fit("y ~ x", data, **options).coefficients, RIGHT, rtol=1e-11)
        with pytest.raises(ValueError, match=r"the dict of arrays.*: column 'odd' "):
            gl.fit("y ~ x + odd", data, **options)


def test_an_odd_column_of_polars_and_of_arrow():
    data = pl.DataFrame(PLAIN).with_columns(odd=pl.Series(range(12), dtype=pl.Int128), o=pl.Series([object()] * 12, dtype=pl.Object))
    intervals = pa.array([pa.MonthDayNano([1, 2, 3])] * 12)
    table = pa.table(
        {
            **PLAIN,
            "odd": intervals,
            "union": pa.UnionArray.from_dense(pa.array([0] * 12, pa.int8()), pa.array(range(12), pa.int32()), [pa.array(X)]),
        }
    )
    for source in (data, table):
        for options in ({}, {"where": "x < 100"}, {"query": "SELECT * FROM data"}):
            np.testing.assert_allclose(gl.fit("y ~ x", source, **options).coefficients, RIGHT, rtol=1e-11)
    with pytest.raises(ValueError, match=r"column 'o' holds Object\b.*, which Arrow does not know; cast it first"):
        gl.fit("y ~ o", data)
    # Integers of 128 bits, which Arrow has not either, are read as decimals.
    np.testing.assert_allclose(gl.fit("y ~ odd", data).coefficients, gl.fit(np.arange(12.0), Y).coefficients, rtol=1e-11)


@pytest.mark.parametrize("term", ["odd", "log(odd)", "."])
def test_a_formula_that_reads_an_odd_column_says_what_is_wrong(term):
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0], "odd": [object(), object(), object()]})
    with pytest.raises(gl.GradlineError, match=r"column 'odd'.*holds"):
        gl.fit(f"y ~ {term}", frame)
