"""One door to tables: the same rows from every kind of source, pass after pass, with only the needed columns."""

import bz2
import gzip
import json
import lzma
import sqlite3
import threading
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradline.tables.table import open_table

N = 3000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "y": rng.normal(size=N),
            "g": rng.choice(list("abc"), N),
            "i": np.arange(N),
            "b": np.arange(N) % 2 == 0,
        }
    )
    frame.loc[5, "x"] = np.nan
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frame):
    folder = tmp_path_factory.mktemp("tables")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, folder / "t.parquet", row_group_size=700)
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    (folder / "t.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    text = (folder / "t.csv").read_bytes()
    for ending, opener in ((".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)):
        with opener(folder / f"t.csv{ending}", "wb") as file:
            file.write(text)
    with pa.CompressedOutputStream(str(folder / "t.csv.zst"), "zstd") as file:
        file.write(text)
    with pa.ipc.new_file(str(folder / "t.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    with duckdb.connect(str(folder / "t.duckdb")) as connection:
        connection.execute(f"CREATE TABLE flights AS SELECT * FROM '{folder}/t.parquet'")
    with sqlite3.connect(folder / "t.sqlite") as connection:
        frame.to_sql("flights", connection, index=False)
    connection.close()
    return folder


def adbc(path):
    import adbc_driver_sqlite.dbapi

    return adbc_driver_sqlite.dbapi.connect(str(path))


def temporary_table(folder):
    connection = duckdb.connect()
    connection.execute(f"CREATE TEMP TABLE flights AS SELECT * FROM '{folder}/t.parquet'")
    return connection


def in_batches(frame):
    for start in range(0, N, 700):
        yield frame.iloc[start : start + 700]


def arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


class Stream:
    """An object of some other library that offers its rows once, as an Arrow stream."""

    def __init__(self, table):
        self.reader = table.to_reader(100)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.reader.__arrow_c_stream__(requested_schema)


SOURCES = {
    "parquet": lambda d, f: open_table(d / "t.parquet"),
    "path as text": lambda d, f: open_table(str(d / "t.parquet")),
    "list": lambda d, f: open_table([d / "t.parquet"]),
    "glob": lambda d, f: open_table(f"{d}/*.parquet"),
    "csv": lambda d, f: open_table(d / "t.csv"),
    "tsv": lambda d, f: open_table(d / "t.tsv"),
    "csv.gz": lambda d, f: open_table(d / "t.csv.gz"),
    "csv.zst": lambda d, f: open_table(d / "t.csv.zst"),
    "csv.bz2": lambda d, f: open_table(d / "t.csv.bz2"),
    "csv.xz": lambda d, f: open_table(d / "t.csv.xz"),
    "json lines": lambda d, f: open_table(d / "t.jsonl"),
    "arrow file": lambda d, f: open_table(d / "t.arrow"),
    "duckdb table": lambda d, f: open_table("flights", database=d / "t.duckdb"),
    "duckdb query": lambda d, f: open_table(d / "t.duckdb", query="SELECT * FROM flights"),
    "duckdb connection": lambda d, f: open_table(temporary_table(d), query="SELECT * FROM flights"),
    "duckdb connection, table": lambda d, f: open_table("flights", database=temporary_table(d)),
    "duckdb relation": lambda d, f: open_table(temporary_table(d).table("flights")),
    "sqlite table": lambda d, f: open_table("flights", database=str(d / "t.sqlite")),
    "sqlite uri": lambda d, f: open_table(f"sqlite:///{d}/t.sqlite", query="SELECT * FROM flights;"),
    "adbc connection": lambda d, f: open_table("flights", database=adbc(d / "t.sqlite")),
    "pandas": lambda d, f: open_table(f),
    "polars": lambda d, f: open_table(pl.from_pandas(f)),
    "polars lazy": lambda d, f: open_table(pl.from_pandas(f).lazy()),
    "arrow table": lambda d, f: open_table(arrow(f)),
    "arrow batch": lambda d, f: open_table(arrow(f).to_batches()[0]),
    "arrow reader": lambda d, f: open_table(arrow(f).to_reader(100)),
    "arrow stream": lambda d, f: open_table(Stream(arrow(f))),
    "generator": lambda d, f: open_table(in_batches(f)),
    "dict of arrays": lambda d, f: open_table({name: f[name].to_numpy() for name in f}),
    "dict of lists": lambda d, f: open_table({name: f[name].tolist() for name in f}),
    "query over a frame": lambda d, f: open_table(f, query="SELECT * FROM data"),
    "query over a file": lambda d, f: open_table(d / "t.parquet", query="SELECT * FROM data"),
    "query alone": lambda d, f: open_table(None, query=f"FROM '{d}/t.csv'"),
}


def numbers(table, columns):
    rows = pa.Table.from_batches(list(table.batches(columns, 128))).to_pandas()
    return rows[columns].to_numpy(dtype=float)


@pytest.fixture(params=SOURCES)
def opened(request, folder, frame):
    return open_one(request.param, folder, frame)


def open_one(name, folder, frame):
    return SOURCES[name](folder, frame)


def test_every_source_gives_the_same_rows_pass_after_pass(opened, frame):
    first = numbers(opened, ["i", "x", "y"])
    np.testing.assert_allclose(first, frame[["i", "x", "y"]].to_numpy(), rtol=1e-14)
    np.testing.assert_array_equal(numbers(opened, ["i", "x", "y"]), first)
    np.testing.assert_array_equal(numbers(opened, ["y"]), first[:, 2:])


def test_every_source_knows_columns_levels_and_summaries(opened):
    kinds = opened.columns
    assert list(kinds) == ["x", "y", "g", "i", "b"]
    assert [kinds[name] for name in "xygi"] == ["number", "number", "text", "number"]
    assert opened.levels("g", 3) == ["a", "b", "c"]
    assert opened.levels("b") == [False, True]
    assert opened.levels("i", N) == list(range(N))
    assert all(type(level) is int for level in opened.levels("i", N))
    with pytest.raises(ValueError, match=r"column 'i' of .* has more than 100 levels; is it an identifier"):
        opened.levels("i", 100)
    found = opened.summary(["x", "i", "g"])
    assert (found["x"].count, found["x"].missing) == (N - 1, 1)
    assert (found["i"].minimum, found["i"].maximum, found["i"].mean) == (0, N - 1, (N - 1) / 2)
    assert (found["g"].minimum, found["g"].maximum, found["g"].mean) == ("a", "c", None)
    assert opened.n_rows in (None, N)


def test_every_source_gives_rows_by_number_and_samples(opened):
    np.testing.assert_array_equal(opened.take(np.array([2999, 3, 3, 0]), ["i"])["i"].to_numpy(), [2999, 3, 3, 0])
    sample = opened.sample(50, 1, ["i"])["i"].to_numpy()
    assert sample.shape == (50,)
    assert (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(opened.sample(50, 1, ["i"])["i"].to_numpy(), sample)
    assert opened.sample(5000, 1, ["i"]).num_rows == N
    with pytest.raises(IndexError, match="has no row 3000; it has 3,000 rows"):
        opened.take(np.array([3000]), ["i"])


@pytest.mark.parametrize("name", ["parquet", "csv", "pandas", "arrow file", "sqlite table", "generator", "duckdb relation"])
def test_where_keeps_rows_by_an_sql_condition(name, folder, frame):
    source = open_one(name, folder, frame)
    table = open_table(source, where="g = 'a' AND i >= 1000")
    expected = frame.query("g == 'a' and i >= 1000")
    np.testing.assert_allclose(numbers(table, ["i", "y"]), expected[["i", "y"]].to_numpy(), rtol=1e-14)
    assert table.levels("g") == ["a"]
    assert "where g = 'a'" in table.name


def test_a_sample_is_uniform():
    table = open_table({"i": np.arange(200)})
    counts = np.zeros(200)
    for seed in range(400):
        counts[table.sample(20, seed, ["i"])["i"].to_numpy()] += 1
    # 40 expected, standard deviation 6.
    assert counts.min() > 40 - 5 * 6
    assert counts.max() < 40 + 5 * 6


def test_files_together(folder):
    assert open_table([folder / "t.parquet", folder / "t.parquet"]).n_rows == 2 * N
    assert numbers(open_table([folder / "t.csv", folder / "t.csv"]), ["i"]).shape == (2 * N, 1)


def test_a_folder_of_files_in_order_of_their_names(tmp_path):
    for month in (10, 2):
        place = tmp_path / f"month={month:02d}"
        place.mkdir()
        pq.write_table(pa.table({"v": [month, month + 1]}), place / "rows.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    table = open_table(tmp_path)
    assert set(table.columns) == {"v", "month"}
    np.testing.assert_array_equal(numbers(table, ["v"])[:, 0], [2, 3, 10, 11])


def test_only_the_needed_columns_are_read(folder, frame):
    for name in ("parquet", "pandas", "arrow file", "csv"):
        assert all(batch.schema.names == ["y"] for batch in open_one(name, folder, frame).batches(["y"]))


def test_only_the_needed_columns_of_a_stream_are_copied(frame):
    table = open_table(in_batches(frame)).restricted(["y", "x", "y"])
    assert list(table.columns) == ["y", "x"]
    next(table.batches(["x"]))
    assert table.source.held[0].schema.names == ["y", "x"]


def test_parts_cover_the_rows_in_order(folder, frame):
    for name in ("parquet", "pandas", "polars", "arrow file", "generator"):
        parts = open_one(name, folder, frame).parts(1000)
        rows = np.concatenate([batch["i"].to_numpy() for part in parts for batch in part.batches(["i"], 64)])
        np.testing.assert_array_equal(rows, np.arange(N))
        assert sum(part.n_rows for part in parts) == N
        assert len(parts) > 1


def test_passes_may_overlap(folder, frame):
    for name in ("csv", "duckdb table", "query over a frame"):
        table = open_one(name, folder, frame)
        first, second = table.batches(["i"], 256), table.batches(["i"], 256)
        assert next(first)["i"].to_numpy()[0] == next(second)["i"].to_numpy()[0] == 0
        assert table.levels("g") == ["a", "b", "c"]
        assert sum(batch.num_rows for batch in first) == sum(batch.num_rows for batch in second)


def test_a_pass_may_stop_early(folder):
    table = open_table(folder / "t.csv")
    for _ in range(20):
        rows = table.batches(["i"], 64)
        next(rows)
        rows.close()
    assert threading.active_count() < 50


def test_names_that_need_quoting(tmp_path):
    names = ["my x", 'say "y"', "select", "größe", "a.b", "it's"]
    frame = pd.DataFrame({name: np.arange(4.0) + j for j, name in enumerate(names)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        frame.to_sql("my table", connection, index=False)
    connection.close()
    for table in (
        open_table(tmp_path / "t.csv"),
        open_table(tmp_path / "t.parquet"),
        open_table(frame),
        open_table(frame, where='"select" > -1'),
        open_table("my table", database=tmp_path / "t.sqlite"),
    ):
        assert list(table.columns) == names
        for j, name in enumerate(names):
            np.testing.assert_array_equal(numbers(table, [name])[:, 0], np.arange(4.0) + j)
            assert table.levels(name) == [j, j + 1, j + 2, j + 3]
            assert table.summary([name])[name].mean == j + 1.5


def test_a_path_with_a_quote(tmp_path):
    path = tmp_path / "it's.csv"
    path.write_text("x,y\n1,2\n")
    assert numbers(open_table(path), ["x", "y"]).tolist() == [[1, 2]]


def test_a_categorical_keeps_the_order_of_its_levels():
    column = pd.Categorical(["low", "high", "mid", "low"], categories=["low", "mid", "high", "never"])
    assert open_table(pd.DataFrame({"g": column})).levels("g") == ["low", "mid", "high"]
    assert open_table(pl.DataFrame({"g": ["low", "high"]}, schema={"g": pl.Enum(["low", "mid", "high"])})).levels("g") == ["low", "high"]


def test_levels_leave_out_what_is_missing():
    assert open_table({"v": np.array([2.5, np.nan, 1.0])}).levels("v") == [1.0, 2.5]
    assert open_table({"v": ["b", None, "a"]}).levels("v") == ["a", "b"]


def test_texts_that_stand_for_missing_values(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y,g\n1,NA,a\n,2,NA\nnan,null,b\nNULL,None,c\n5,6,\n")
    table = open_table(path)
    assert dict(table.columns) == {"x": "number", "y": "number", "g": "text"}
    np.testing.assert_array_equal(numbers(table, ["x"])[:, 0], [1, np.nan, np.nan, np.nan, 5])
    assert table.levels("g") == ["a", "b", "c"]


def test_rarer_texts_for_missing_values_that_come_late(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,g\n" + "1,a\n" * 30_000 + "N/A,None\n2,#N/A\nNA,b\n3,n/a\n")
    table = open_table(path)
    assert table.source.quick is not None
    for _ in range(2):
        np.testing.assert_array_equal(numbers(table, ["x"])[-5:, 0], [1, np.nan, 2, np.nan, 3])
        assert numbers(table, ["x"]).shape == (30_004, 1)
    assert table.levels("g") == ["a", "b"]
    assert table.summary(["x"])["x"].missing == 2
    assert open_table(path, where="x >= 1").summary(["x"])["x"].count == 30_002


def test_text_files_are_matched_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("y,x\n4,3\n")
    assert numbers(open_table(tmp_path), ["x", "y"]).tolist() == [[1, 2], [3, 4]]


def test_a_fraction_after_twenty_thousand_integers_is_not_rounded(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1,2\n" * 30_000 + "1.5,3\n")
    assert numbers(open_table(path), ["x"])[-1, 0] == 1.5


def test_commas_as_decimal_signs(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x;y;g\n1,5;2;a\n-0,25;4,5;b\n")
    assert numbers(open_table(path), ["x", "y"]).tolist() == [[1.5, 2], [-0.25, 4.5]]


def test_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffx,y\r\n1,2\r\n3,4\r\n".encode())
    assert numbers(open_table(path), ["x", "y"]).tolist() == [[1, 2], [3, 4]]


def test_duckdb_sees_none_of_the_callers_variables(tmp_path):
    secret = pd.DataFrame({"v": [1]})
    with pytest.raises(ValueError, match="secret"):
        open_table(None, query="SELECT * FROM secret")
    assert len(secret) == 1


def test_a_table_of_a_table(frame):
    table = open_table(open_table(frame), query="SELECT i * 2 AS twice FROM data WHERE i < 3")
    np.testing.assert_array_equal(numbers(table, ["twice"])[:, 0], [0, 2, 4])


def test_sqlite_is_read_once_and_then_left_alone(tmp_path, frame):
    path = tmp_path / "t.sqlite"
    with sqlite3.connect(path) as connection:
        frame.to_sql("flights", connection, index=False)
    connection.close()
    table = open_table("flights", database=path)
    first = numbers(table, ["y"])
    Path(path).unlink()
    np.testing.assert_array_equal(numbers(table, ["y"]), first)


def test_importing_the_door_is_light():
    import subprocess
    import sys

    code = (
        "import sys, gradline.tables.rows\n"
        "print([m for m in ('duckdb', 'pyarrow', 'narwhals', 'pandas', 'polars', 'formulaic') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("text", ["NaN", "nan", "-nan", "NULL", "None", "<NA>", "n/a", ""])
def test_every_text_for_a_missing_value_in_every_kind_of_column(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text("x,b,d,g\n" + "1.5,true,2020-01-01,a\n" * 3 + f"{text},{text},{text},{text}\n")
    table = open_table(path)
    assert list(table.columns.values()) == ["number", "boolean", "date", "text"]
    rows = pa.Table.from_batches(list(table.batches(["x", "b", "d", "g"]))).to_pandas()
    assert rows.isna().to_numpy()[3].all()
    assert not rows.isna().to_numpy()[:3].any()
    assert open_table(path, where="x IS NULL").summary(["x"])["x"].missing == 1


def test_a_database_tells_how_many_rows_a_table_has_and_not_what_a_view_would_have(tmp_path):
    path = tmp_path / "known.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT range AS x FROM range(1234)")
        connection.execute("DELETE FROM numbers WHERE x < 34")
        connection.execute("CREATE VIEW odd AS SELECT * FROM numbers WHERE x % 2 = 1")
    assert open_table("numbers", database=path).n_rows == 1200
    assert open_table("main.Numbers", database=path).n_rows == 1200
    assert open_table("odd", database=path).n_rows is None
    assert open_table("numbers", database=path, where="x > 1000").n_rows is None
