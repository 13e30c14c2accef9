"""Types that a source may have and Arrow or DuckDB may not: read, categories, kept; the same whichever kind of table they come from."""

import decimal
import uuid

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.formulas.lengths_of_time import written
from gradline.tables.sources.addresses import check_address, hidden, passwords
from gradline.tables.sources.arrow import as_numbers
from gradline.tables.table import open_table

N = 60
Y = (np.arange(N) * 7 % 11) * 1.0
X = np.arange(N) % 20
IDS = [uuid.UUID(int=1000 + k % 3) for k in range(N)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_decimals_are_rounded_once(data):
    precision = data.draw(st.integers(1, 38))
    scale = data.draw(st.integers(0, precision))
    digits = data.draw(st.lists(st.one_of(st.none(), st.integers(-(10**precision) + 1, 10**precision - 1)), min_size=1, max_size=20))
    with decimal.localcontext(prec=60):
        values = [None if d is None else decimal.Decimal(d).scaleb(-scale) for d in digits]
    start = data.draw(st.integers(0, len(values) - 1))
    found = as_numbers(pa.array(values, pa.decimal128(precision, scale))[start:])
    np.testing.assert_array_equal(found, [np.nan if value is None else float(value) for value in values[start:]])


@pytest.mark.parametrize("kind", ["duckdb", "arrow"])
@pytest.mark.parametrize("formula", ["y ~ u", "y ~ C(u)", "y ~ x"])
def test_uuids(kind, formula):
    table = pa.table({"y": Y, "x": X, "u": pa.array([i.bytes for i in IDS], pa.uuid())})
    if kind == "duckdb":
        plain = pa.table({"y": Y, "x": X, "t": [str(i) for i in IDS]})
        table = duckdb.connect().from_arrow(plain).project("y, x, t::UUID AS u")
    fit = gl.fit(formula, table)
    expected = gl.fit(formula, {"y": Y, "x": X, "u": [str(i) for i in IDS]})
    assert fit.names == expected.names
    np.testing.assert_array_equal(np.ravel(fit.coefficients), np.ravel(expected.coefficients))


@pytest.mark.parametrize("dtype", ["Int128", "UInt128", "Float16"])
def test_numbers_that_arrow_or_duckdb_does_not_know(dtype):
    if not hasattr(pl, dtype):
        pytest.skip(f"this Polars has no {dtype}")
    frame = pl.DataFrame({"y": Y, "x": X}).with_columns(pl.col("x").cast(getattr(pl, dtype)).alias("z"))
    assert gl.fit("y ~ x", frame).rows_used == N
    for formula in ("y ~ {}", "y ~ C({})"):
        found, expected = gl.fit(formula.format("z"), frame, where="z >= 0"), gl.fit(formula.format("x"), frame)
        np.testing.assert_allclose(np.ravel(found.coefficients), np.ravel(expected.coefficients), rtol=1e-12)


def test_an_integer_of_128_bits_that_is_too_large_is_refused_only_where_it_is_used():
    frame = pl.DataFrame({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 3.0], "z": [1, 2, 2**127 - 1]}, schema_overrides={"z": pl.Int128})
    assert gl.fit("y ~ x", frame).rows_used == 3
    with pytest.raises(ValueError, match="the Polars frame"):
        gl.fit("y ~ z", frame)


BINS = {
    "cut": lambda: pd.cut(X, [-1, 5, 10, 20]),
    "quartiles": lambda: pd.qcut(X * 1.0, 4),
    "intervals": lambda: pd.cut(X, [-1, 5, 10, 20]).astype(pd.IntervalDtype("int64", "right")),
    "months": lambda: pd.period_range("2026-01-01", periods=N, freq="D").asfreq("M"),
    "lengths": lambda: pd.to_timedelta(X // 2, unit="h"),
    "days": lambda: pd.Timestamp("2026-01-01") + pd.to_timedelta(X // 5, unit="D"),
}


@pytest.mark.parametrize("name", BINS)
def test_bins_periods_and_lengths_of_time_are_categories_as_in_formulaic(name):
    import formulaic

    frame = pd.DataFrame({"y": Y, "x": X, "g": BINS[name]()})
    fit = gl.fit("y ~ C(g)", frame)
    matrix = np.asarray(formulaic.model_matrix("C(g)", frame), dtype=float)
    np.testing.assert_allclose(np.ravel(fit.coefficients), np.linalg.lstsq(matrix, Y, rcond=None)[0], atol=1e-9)
    np.testing.assert_allclose(fit.predict(frame.iloc[::-1]), fit.predict(frame)[::-1])
    assert gl.fit("y ~ x", frame).rows_used == N


def test_lengths_of_time_are_the_same_levels_in_every_unit():
    hours = X // 2
    fits = [
        gl.fit("y ~ C(g)", table)
        for table in (
            pd.DataFrame({"y": Y, "g": pd.to_timedelta(hours, unit="h")}),
            pl.DataFrame({"y": Y, "h": hours}).with_columns(pl.duration(hours="h", time_unit="ms").alias("g")),
            duckdb.connect().from_arrow(pa.table({"y": Y, "h": hours})).project("y, to_hours(h) AS g"),
        )
    ]
    assert fits[0].names[1:] == tuple(f"C(g)[T.PT{hour}H]" for hour in range(1, 10))
    assert fits[0].names == fits[1].names == fits[2].names


@pytest.mark.parametrize(
    ("months", "nanoseconds", "text"),
    [
        (0, 0, "PT0S"),
        (14, 0, "P14M"),
        (1, 86_400 * 10**9 * 2 + 3_600 * 10**9, "P1M2DT1H"),
        (0, 500_000_000, "PT0.5S"),
        (0, -(10**9), "P-1DT23H59M59S"),
    ],
)
def test_lengths_of_time_in_words(months, nanoseconds, text):
    assert written((months, nanoseconds)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:p@ss@h:5/db", "postgresql://me:***@h:5/db"),
        ("no such file: 'postgresql:/me:pw@h/db'", "no such file: 'postgresql:/me:***@h/db'"),
        ("postgresql://h/db?user=me&password=pw&x=1", "postgresql://h/db?user=me&password=***&x=1"),
        ("host=h password='p w' port=1", "host=h password=*** port=1"),
        ("https://h:80/x.csv", "https://h:80/x.csv"),
        ("grpc+tls://h:31337", "grpc+tls://h:31337"),
        ("C:/data/a.csv", "C:/data/a.csv"),
    ],
)
def test_passwords_are_hidden(text, shown):
    assert hidden(text) == shown


def test_a_password_is_known_as_written_and_as_meant():
    assert passwords("postgresql://me:a%40b@h/db") == ("a%40b", "a@b")
    for address in ("postgresql://me:a@b@h/db", "postgresql://me:a/b@h/db", "postgresql://me:100%@h/db"):
        with pytest.raises(ValueError, match="cannot be taken apart") as caught:
            check_address(address, "the database")
        assert "100" not in str(caught.value)
    check_address("postgresql://me:a%40b@h/db", "the database")
    assert open_table({"x": [1.0]}).columns == {"x": "number"}
