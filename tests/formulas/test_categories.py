"""Categories of numbers: what the data calls a category is one, whatever its levels; 0 and -0.0 are one level."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.formulas.errors import FormulaError

GENERATOR = np.random.default_rng(12)
CODES = GENERATOR.choice([1, 2, 7], size=60)
FRAME = pd.DataFrame(
    {
        "y": GENERATOR.normal(size=60) + CODES**2,
        "x": GENERATOR.normal(size=60),
        "g": pd.Categorical(CODES),
        "h": pd.Categorical(CODES / 2),
        "b": pd.Categorical(GENERATOR.random(60) < 0.5),
    }
)


def as_arrow(series):
    array = pa.array(series)
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])))


def partitioned(folder):
    (folder / "part=1").mkdir()
    FRAME.to_parquet(folder / "part=1" / "t.parquet")
    return folder


def saved(folder, write):
    path = folder / "t.parquet"
    write(path)
    return path


SOURCES = {
    "pandas": lambda folder: FRAME,
    "Arrow": lambda folder: pa.Table.from_pandas(FRAME),
    "a dict of Series": lambda folder: {name: FRAME[name] for name in FRAME},
    "a dict of categoricals": lambda folder: {name: FRAME[name].array for name in FRAME},
    "a dict of Arrow's own in pandas": lambda folder: {name: as_arrow(FRAME[name]) for name in FRAME},
    "a generator": lambda folder: (FRAME.iloc[i : i + 20] for i in (0, 20, 40)),
    "Parquet of pandas": lambda folder: saved(folder, FRAME.to_parquet),
    "Parquet of Arrow": lambda folder: saved(folder, lambda path: pq.write_table(pa.Table.from_pandas(FRAME), path, row_group_size=20)),
    "a partitioned folder": partitioned,
}


@pytest.mark.parametrize("options", [{}, {"where": "x < 100"}, {"query": "SELECT * FROM data"}], ids=["plain", "where", "query"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_category_of_numbers_is_a_category_from_any_source(source, options, tmp_path):
    (tmp_path / "again").mkdir()
    right = smf.ols("y ~ x + g", FRAME).fit()  # patsy takes a pandas categorical for one
    fit = gl.fit("y ~ x + g", SOURCES[source](tmp_path), **options)
    assert fit.names == ("Intercept", "x", "g[T.2]", "g[T.7]")
    np.testing.assert_allclose(fit.coefficients, right.params[["Intercept", "x", "g[T.2]", "g[T.7]"]], rtol=1e-10)
    fit = gl.fit("y ~ h + b", SOURCES[source](tmp_path / "again"), **options)
    assert fit.names == ("Intercept", "h[T.1.0]", "h[T.3.5]", "b[T.True]")
    right = smf.ols("y ~ h + b", FRAME).fit()
    np.testing.assert_allclose(fit.coefficients, right.params[list(fit.names)], rtol=1e-10)


def test_by_name_and_saved_and_loaded(tmp_path):
    right = smf.ols("y ~ g", FRAME).fit()
    fit = gl.fit(FRAME, target="y", features=["g"])
    fit.save(tmp_path / "m.json")
    expected = right.predict(pd.DataFrame({"g": pd.Categorical([7, 2, 1])}))
    for model in (fit, gl.load(tmp_path / "m.json")):
        for new in (
            [7, 2, 1],
            [7.0, 2.0, 1.0],
            ["7", "2", "1"],
            pd.Categorical([7, 2, 1]),
            pd.Categorical([7, 2, 1], categories=[9, 2, 7, 1]),
        ):
            np.testing.assert_allclose(model.predict({"g": new}), expected, rtol=1e-10)
        with pytest.raises(FormulaError, match="column 'g' holds 5 in row 0, a level that was not there"):
            model.predict({"g": [5]})


def test_its_own_order_gives_the_reference_with_a_condition_too():
    data = FRAME.assign(g=pd.Categorical(CODES, categories=[7, 9, 1, 2]), t=pd.Categorical(CODES.astype(str), categories=["7", "1", "2"]))
    for options in ({}, {"where": "x < 100"}, {"query": "SELECT * FROM data WHERE x < 100"}):
        assert gl.fit("y ~ g + x", data, **options).names[1:3] == ("g[T.1]", "g[T.2]")
        assert gl.fit("y ~ t + x", data, **options).names[1:3] == ("t[T.1]", "t[T.2]")
    changed = gl.fit("y ~ t", data, query="SELECT y, 'k' || t AS t FROM data")
    assert changed.names == ("Intercept", "t[T.k2]", "t[T.k7]")


def test_what_a_query_makes_a_number_is_one():
    fit = gl.fit("y ~ g", FRAME, query="SELECT * REPLACE (g::DOUBLE AS g) FROM data")
    np.testing.assert_allclose(fit.coefficients, np.polyfit(CODES, FRAME["y"], 1)[::-1], rtol=1e-10)


def test_plain_integers_stay_numbers(tmp_path):
    plain = FRAME.assign(g=CODES)
    pq.write_table(pa.Table.from_pandas(plain), tmp_path / "t.parquet", use_dictionary=True)  # an encoding on disk, and no more
    for source in (plain, pl.DataFrame(plain[["y", "g"]]), tmp_path / "t.parquet"):
        assert gl.fit("y ~ g", source).names == ("Intercept", "g")


@pytest.mark.parametrize(
    ("term", "right"),
    [("I(g == 2)", "I(k == 2)"), ("I(g != 7)", "I(k != 7)"), ("g:x", "C(k):x"), ("I(g)", "C(k)"), ("C(g)", "C(k)"), ("g - 1", "C(k) - 1")],
)
def test_terms_of_a_category(term, right):
    fit = gl.fit(f"y ~ {term}", FRAME)
    np.testing.assert_allclose(fit.coefficients, smf.ols(f"y ~ {right}", FRAME.assign(k=CODES)).fit().params, rtol=1e-9)


@pytest.mark.parametrize("term", ["log(g)", "I(g + 1)", "poly(g, 2)", "center(g)", "I(g < 2)", "I(g == x)", "offset(g)", "bs(b, df=4)"])
def test_a_category_is_no_number_to_compute_with(term):
    with pytest.raises(FormulaError, match=r"holds categories|can be compared with one of its levels|an offset is one column of numbers"):
        gl.fit(f"y ~ x + {term}", FRAME)


def test_where_a_number_is_needed():
    with pytest.raises(FormulaError, match=r"the target 'g' holds categories, and a target is a number; .* I\(g == 1\)"):
        gl.fit("g ~ x", FRAME)
    for keyword in ("weights", "frequencies", "offset"):
        with pytest.raises(TypeError, match=rf"{keyword}= names column 'g' of the pandas frame, which is a categorical, '\d' in row 0"):
            gl.fit("y ~ x", FRAME, **{keyword: "g"})
    fit = gl.fit("y ~ x", FRAME)
    with pytest.raises(
        TypeError, match=r"column 'x' of the dict of arrays is a categorical.*say with np.asarray\(data\['x'\], dtype=float\)"
    ):
        fit.predict({"x": pd.Categorical([1, 2])})


def test_a_category_without_a_value():
    with pytest.raises(ValueError, match="g has no levels, since its column is missing in every row"):
        gl.fit("y ~ g", {"y": [1.0, 2.0, 3.0], "g": pd.Categorical([None] * 3)})


ZEROS = {
    "floats": lambda x: {"x": x},
    "an Arrow dictionary": lambda x: pa.table({"x": pa.array(x).dictionary_encode()}),
    "float32": lambda x: {"x": x.astype(np.float32)},
    "Polars": lambda x: pl.DataFrame({"x": x}),
}


@pytest.mark.parametrize("source", ZEROS)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, 1.5]), min_size=4, max_size=12), st.sampled_from(["C(x)", "C(x, levels=[-0.0, 1, 1.5])"]))
def test_zero_and_minus_zero_are_one_level(source, values, term):
    x = np.array([0.0, -0.0, 1.0, 1.5, *values])
    y = np.arange(len(x)) ** 1.5
    table = ZEROS[source](x)
    data = (
        table | {"y": y}
        if isinstance(table, dict)
        else table.append_column("y", pa.array(y))
        if isinstance(table, pa.Table)
        else table.with_columns(y=y)
    )
    fit = gl.fit(f"y ~ 0 + {term}", data)
    np.testing.assert_allclose(fit.coefficients, [y[x == level].mean() for level in (0, 1, 1.5)], rtol=1e-12)
    assert "-0" not in fit.names[0].replace("levels=[-0.0", "")
    np.testing.assert_allclose(fit.predict({"x": [-0.0, 0.0]}), fit.coefficients[[0, 0]], rtol=1e-12)


def test_zeros_of_an_expression_and_of_integers():
    y = np.array([1.0, 2.0, 3.0, 5.0])
    fit = gl.fit("y ~ 0 + C(x * 2)", {"x": [0.0, -0.0, 1.0, 1.0], "y": y})
    np.testing.assert_allclose(fit.coefficients, [1.5, 4.0])
    fit = gl.fit("y ~ 0 + C(x)", {"x": [0, 0, 1, 1], "y": y})
    np.testing.assert_allclose(fit.predict({"x": [-0.0, 1.0]}), [1.5, 4.0])
    clustered = [
        gl.fit("y ~ z", {"z": y**2, "y": y, "x": zeros}, covariance="cluster", groups="x").standard_errors
        for zeros in ([0.0, -0.0, 1.0, 2.0], [0.0, 0.0, 1.0, 2.0])
    ]
    np.testing.assert_array_equal(*clustered)


@pytest.mark.parametrize(("blank", "said"), [("", "empty text"), (" ", "text of spaces only, ' ',")])
def test_empty_text_that_becomes_a_level_is_told(blank, said):
    frame = pd.DataFrame({"y": np.arange(30.0) ** 2, "x": ["a", "b", "c"] * 10, "firm": [0, 1, 2, 3, 4] * 6, "z": np.arange(30.0)})
    frame.loc[[4, 8], "x"] = blank
    with pytest.warns(gl.GradlineWarning, match=rf"column 'x' holds {said} in 2 rows, which is a level of its own; make it None"):
        assert gl.fit("y ~ x", frame).names == ("Intercept", "x[T.a]", "x[T.b]", "x[T.c]")
    with pytest.warns(gl.GradlineWarning, match=rf"column 'x' holds {said} in 2 rows"):
        gl.fit("y ~ x + z | firm", frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(gl.fit("y ~ C(x)", frame).names) == 4


def test_a_frame_and_its_text_file_give_one_model_once_empty_text_is_missing(tmp_path):
    frame = pd.DataFrame({"y": np.arange(30.0) ** 2, "x": ["a", "b", "c"] * 10})
    frame.loc[[4, 8], "x"] = ""
    frame.to_csv(tmp_path / "t.csv", index=False)
    of_file = gl.fit("y ~ x", tmp_path / "t.csv")
    of_frame = gl.fit("y ~ x", frame.replace({"x": {"": None}}))
    assert of_file.names == of_frame.names == ("Intercept", "x[T.b]", "x[T.c]")
    assert of_file.rows_dropped == of_frame.rows_dropped == {"x missing": 2}
    np.testing.assert_allclose(of_file.coefficients, of_frame.coefficients, rtol=1e-12)
