"""One column through every door: the same levels, the same names and the same reference, whatever holds the rows."""

import datetime
import io
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import gradline as gl

ROWS = 24
Y = np.random.default_rng(1).normal(size=ROWS)


def day(text):
    return datetime.date.fromisoformat(text)


def arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def dictionary(frame):
    """Encoded by Arrow, whose levels are in the order in which they come."""
    table = arrow(frame)
    place = table.column_names.index("g")
    column = table["g"].combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return table.set_column(place, "g", coded)


def written(path, write):
    write(path)
    return path


def in_duckdb(frame, folder):
    connection = duckdb.connect()
    connection.register("held", arrow(frame))
    return connection.sql("SELECT * FROM held")


KEEPING = {
    "pandas": lambda frame, folder: frame,
    "dict of Series": lambda frame, folder: {name: frame[name] for name in frame},
    "Arrow": lambda frame, folder: arrow(frame),
    "Arrow dictionary": lambda frame, folder: dictionary(frame),
    "batches": lambda frame, folder: iter(arrow(frame).to_batches(max_chunksize=7)),
    "Feather": lambda frame, folder: written(folder / "t.arrow", lambda path: feather.write_feather(arrow(frame), path)),
}
PARQUET = {
    "Parquet by pandas": lambda frame, folder: written(folder / "pandas.parquet", frame.to_parquet),
    "Parquet of a dictionary": lambda frame, folder: written(
        folder / "coded.parquet", lambda path: pq.write_table(dictionary(frame), path)
    ),
    "Parquet in bytes": lambda frame, folder: io.BytesIO(frame.to_parquet()),
}
OTHERS = {
    "polars": lambda frame, folder: pl.from_pandas(frame),
    "polars Categorical": lambda frame, folder: (
        pl.from_pandas(frame).with_columns(pl.col("g").cast(pl.Categorical))
        if pl.from_pandas(frame)["g"].dtype == pl.String
        else pl.from_pandas(frame)
    ),
    "polars, lazy": lambda frame, folder: pl.from_pandas(frame).lazy(),
    "Parquet by polars": lambda frame, folder: written(folder / "polars.parquet", pl.from_pandas(frame).write_parquet),
    "DuckDB": in_duckdb,
    "CSV": lambda frame, folder: written(folder / "t.csv", lambda path: frame.to_csv(path, index=False)),
    "CSV as text": lambda frame, folder: io.StringIO(frame.to_csv(index=False)),
}
DOORS = KEEPING | PARQUET | OTHERS

COLUMNS = {
    # values in the order in which they come, how they are called in the order of the levels, those values
    "int": ([3, 1, 2], ["1", "2", "3"]),
    "int, two digits": ([10, 9, -1], ["-1", "9", "10"]),
    "float": ([2.5, 1.0, 2.0], ["1.0", "2.0", "2.5"]),
    "whole float": ([3.0, 1.0, 2.0], ["1", "2", "3"]),
    "bool": ([True, False], ["False", "True"]),
    "str": (["b", "a", "c"], ["a", "b", "c"]),
    "date": ([day("2024-03-01"), day("2024-01-01"), day("2024-02-01")], ["2024-01-01", "2024-02-01", "2024-03-01"]),
    "instant": ([pd.Timestamp("2024-03-01 12:30"), pd.Timestamp("2024-01-01")], ["2024-01-01", "2024-03-01 12:30:00"]),
    "decimal": ([Decimal("2.50"), Decimal("1.25")], ["1.25", "2.5"]),
}


def repeated(values):
    return [values[i % len(values)] for i in range(ROWS)]


def check(data, again, values, names):
    """The fit has these names, and each coefficient is a difference of means to the first level."""
    fit = gl.fit("y ~ C(g)", data)
    assert fit.names == ("Intercept", *(f"C(g)[T.{name}]" for name in names[1:]))
    held = np.array([sorted(values).index(value) for value in repeated(values)])
    means = np.array([Y[held == level].mean() for level in range(len(values))])
    np.testing.assert_allclose(fit.coefficients, [means[0], *(means[1:] - means[0])], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.predict(again), means[held], rtol=1e-9, atol=1e-12)
    return fit


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("column", COLUMNS)
def test_the_levels_of_a_column_do_not_depend_on_the_door(column, door, tmp_path):
    values, names = COLUMNS[column]
    frame = pd.DataFrame({"y": Y, "g": repeated(values)})
    fit = check(DOORS[door](frame, tmp_path), DOORS[door](frame, tmp_path), values, names)
    # What was fitted behind one door is predicted from behind another.
    np.testing.assert_array_equal(fit.predict(frame), fit.predict(DOORS["CSV"](frame, tmp_path)))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("column", ["int", "int, two digits", "float", "whole float", "bool", "str", "instant"])
def test_the_levels_of_a_categorical_are_called_what_its_values_are(column, door, tmp_path):
    values, names = COLUMNS[column]
    frame = pd.DataFrame({"y": Y, "g": pd.Categorical(repeated(values))})
    check(DOORS[door](frame, tmp_path), DOORS[door](frame, tmp_path), values, names)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("door", [*KEEPING, "Parquet by pandas", "Parquet of a dictionary", "Parquet in bytes"])
def test_a_categorical_of_text_keeps_its_order(door, ordered, tmp_path):
    column = pd.Categorical(repeated(["mid", "low", "high"]), categories=["low", "mid", "high", "never"], ordered=ordered)
    data = DOORS[door](pd.DataFrame({"y": Y, "g": column}), tmp_path)
    assert gl.fit("y ~ C(g)", data).names == ("Intercept", "C(g)[T.mid]", "C(g)[T.high]")


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("door", KEEPING)
def test_a_categorical_of_numbers_keeps_its_order(door, ordered, tmp_path):
    column = pd.Categorical(repeated([1.0, 3.0, 2.0]), categories=[3.0, 1.0, 2.0], ordered=ordered)
    data = DOORS[door](pd.DataFrame({"y": Y, "g": column}), tmp_path)
    assert gl.fit("y ~ C(g)", data).names == ("Intercept", "C(g)[T.1]", "C(g)[T.2]")


def test_an_enumeration_keeps_its_order(tmp_path):
    words = repeated(["mid", "low", "high"])
    names = ("Intercept", "C(g)[T.mid]", "C(g)[T.high]")
    frame = pl.DataFrame({"y": Y, "g": words}, schema_overrides={"g": pl.Enum(["low", "mid", "high"])})
    frame.write_parquet(tmp_path / "enum.parquet")
    ordered = pa.DictionaryArray.from_arrays(
        pa.array([["low", "mid", "high"].index(word) for word in words], pa.int8()), ["low", "mid", "high"], ordered=True
    )
    connection = duckdb.connect()
    connection.execute("CREATE TYPE size AS ENUM ('low', 'mid', 'high')")
    connection.register("held", pa.table({"y": Y, "g": words}))
    sources = (frame, tmp_path / "enum.parquet", pa.table({"y": Y, "g": ordered}), connection.sql("SELECT y, g::size AS g FROM held"))
    for source in sources:
        assert gl.fit("y ~ C(g)", source).names == names
    for source in sources[:3]:
        assert gl.fit("y ~ C(g)", source, where="y > -100").names == names
