"""What is wrong with a source is said in one line: which file, column, line or value, and what to do."""

import datetime
import decimal
import errno
import importlib.util
import os
import pickle
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradline as gl
from gradline.formulas.errors import FormulaError
from gradline.rows.kernel import Kernel
from gradline.tables.rows import PlainEncoder, TableRows
from gradline.tables.sources import databases, spool
from gradline.tables.sources.databases import _address
from gradline.tables.table import open_table


class Count(Kernel):
    """How many rows there are, and the sum of the targets."""

    def map(self, block):
        return block.n_rows, float(block.targets.sum())

    def merge(self, first, second):
        return first[0] + second[0], first[1] + second[1]


def fit_columns(table, features=("x",), target="y", **options):
    return TableRows(table, PlainEncoder(features), target, **options).reduce(Count())


def refused(kind, *words):
    """The error's one line has all the words."""
    return pytest.raises(kind, match="(?s)^(?!.*\n)" + "".join(f"(?=.*{re.escape(word)})" for word in words))


def write(path, text):
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------------------------------------ which file


def test_a_missing_file_names_its_neighbour(tmp_path):
    write(tmp_path / "flights.csv", "x,y\n1,2\n")
    with refused(FileNotFoundError, "no such file", "flihgts.csv", "did you mean", "flights.csv"):
        open_table(tmp_path / "flihgts.csv")
    with refused(FileNotFoundError, "there is no folder", "nowhere"):
        open_table(tmp_path / "nowhere" / "a.csv")


def test_patterns_and_folders_without_files(tmp_path):
    with refused(FileNotFoundError, "no file matches", "*.parquet"):
        open_table(str(tmp_path / "*.parquet"))
    write(tmp_path / "notes.md", "hello")
    with refused(FileNotFoundError, "holds no Parquet, CSV, JSON lines or Arrow file"):
        open_table(tmp_path)
    with refused(ValueError, "list of files is empty"):
        from gradline.tables.sources.paths import find_files

        find_files([])


def test_mixed_formats(tmp_path):
    first, second = write(tmp_path / "a.csv", "x\n1\n"), write(tmp_path / "b.jsonl", '{"x": 1}\n')
    with refused(ValueError, "a.csv", "is csv", "b.jsonl", "is json"):
        open_table([first, second])
    with refused(ValueError, "files of several formats, CSV ('a.csv') and JSON ('b.jsonl')", "*.csv"):
        open_table(tmp_path)


def test_a_folder_of_parquet_files_with_a_note_among_them(tmp_path):
    for name in ("a", "b"):
        pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / f"{name}.parquet")
    write(tmp_path / "README.txt", "of 2026")
    with refused(ValueError, "CSV ('README.txt') and Parquet ('a.parquet' and 1 more)") as caught:
        open_table(tmp_path)
    pattern = str(caught.value).rpartition("such as ")[2].strip("'")
    assert open_table(pattern).n_rows == 2
    (tmp_path / "later").mkdir()
    (tmp_path / "b.parquet").rename(tmp_path / "later" / "b.parquet")
    with refused(ValueError, "README.txt") as caught:
        open_table(tmp_path)
    pattern = str(caught.value).rpartition("such as ")[2].strip("'")
    assert open_table(pattern).n_rows == 2


def test_parquet_files_of_numbers_and_of_text(tmp_path):
    pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"x": ["one"]}).to_parquet(tmp_path / "b.parquet")
    with refused(ValueError, "column 'x' holds numbers in", "a.parquet", "but text in", "b.parquet"):
        open_table(tmp_path)


@pytest.mark.parametrize(("name", "word"), [("t.xlsx", "spreadsheet"), ("t.zip", "unpack"), ("t.pkl", "pickle"), ("t.csv.zip", "unpack")])
def test_formats_that_are_refused(tmp_path, name, word):
    (tmp_path / name).write_bytes(pickle.dumps([1]))
    with refused(ValueError, name, word):
        open_table(tmp_path / name)


@pytest.mark.parametrize("item", [3, "not there", np.zeros((3, 2)), object(), [1, 2]])
def test_what_is_no_table(item):
    with pytest.raises((TypeError, FileNotFoundError), match=r"is no table|no such file"):
        open_table(item)
    with refused(ValueError, "nothing to read"):
        open_table(None)


# ------------------------------------------------------------------------------------------------------------------ damaged files


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_parquet_file(tmp_path, share):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.arange(10_000.0), "y": np.arange(10_000.0)}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with refused(ValueError, "t.parquet", "not a whole Parquet file", "write or copy it again"):
        open_table(path)


def test_a_parquet_file_damaged_inside(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(0).normal(size=100_000), "y": np.zeros(100_000)}), path)
    data = bytearray(path.read_bytes())
    data[2000:300_000] = os.urandom(298_000)
    path.write_bytes(data)
    with pytest.raises((ValueError, OSError), match=r"t\.parquet"):
        fit_columns(open_table(path))


def test_parquet_files_with_other_columns(tmp_path):
    pq.write_table(pa.table({"x": [1.0], "y": [1.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1.0], "z": [1.0]}), tmp_path / "b.parquet")
    with refused(ValueError, "column 'y' is in", "a.parquet", "not in", "b.parquet"):
        open_table(tmp_path)


def test_text_files_with_other_columns(tmp_path):
    write(tmp_path / "a.csv", "x,y\n1,2\n")
    write(tmp_path / "b.csv", "x,z\n1,2\n")
    with refused(ValueError, "a.csv", "'y' of the first file is not in every other"):
        fit_columns(open_table([tmp_path / "a.csv", tmp_path / "b.csv"]))


def test_files_whose_types_differ_are_read_as_numbers(tmp_path):
    pq.write_table(pa.table({"x": [1, 2], "y": [1.0, 2.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [0.5, None], "y": [1, 2]}), tmp_path / "b.parquet")
    rows = TableRows(open_table(tmp_path), PlainEncoder(["x"]), "y")
    assert rows.reduce(Count()) == (3, 4.0)
    assert rows.rows_dropped == {"x": 1}


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
def test_compressed_text_that_is_not(tmp_path, ending):
    path = tmp_path / f"t.csv{ending}"
    path.write_bytes(b"x,y\n1,2\n")
    with pytest.raises((ValueError, OSError), match=r"t\.csv"):
        open_table(path)


def test_an_arrow_file_that_is_not(tmp_path):
    (tmp_path / "t.arrow").write_bytes(b"ARROW1 and then nothing of the kind")
    with pytest.raises((ValueError, OSError), match=r"t\.arrow"):
        open_table(tmp_path / "t.arrow")


def test_json_that_is_not(tmp_path):
    with pytest.raises(ValueError, match=r"t\.jsonl.*"):
        fit_columns(open_table(write(tmp_path / "t.jsonl", '{"x": 1, "y": 2}\n{"x": 1, "y"\n')))


def test_a_file_that_changes_between_passes(tmp_path):
    path = write(tmp_path / "t.csv", "x,y\n1,2\n3,4\n")
    rows = TableRows(open_table(path), PlainEncoder(["x"]), "y")
    rows.reduce(Count())
    write(path, "x,y\n1,2\n3,4\n5,6\n")
    with refused(ValueError, "t.csv", "has changed since it was opened"):
        rows.reduce(Count())
    path.unlink()
    with refused(FileNotFoundError, "t.csv", "no longer there"):
        rows.reduce(Count())


def test_a_query_that_gives_other_rows_each_time():
    table = open_table(None, query="SELECT random() AS x, random() AS y FROM range(1000)")
    rows = TableRows(table, PlainEncoder(["x"]), "y")
    rows.reduce(Count())
    with refused(ValueError, "different rows in two passes", "random()", "save the rows first"):
        rows.reduce(Count())
    connection = duckdb.connect()
    connection.execute("CREATE TABLE written AS SELECT i AS x, i AS y FROM range(1000) t(i)")
    rows = TableRows(open_table("written", database=connection), PlainEncoder(["x"]), "y")
    rows.reduce(Count())
    connection.execute("DELETE FROM written WHERE x = 7")
    with refused(ValueError, "different rows in two passes", "1,000 rows, then 999"):
        rows.reduce(Count())


# ------------------------------------------------------------------------------------------------------------------ text files


def test_ragged_lines(tmp_path):
    with refused(ValueError, "t.csv", "line 3: 3 fields where the first line has 2"):
        open_table(write(tmp_path / "t.csv", "x,y\n1,2\n3,4,5\n6,7\n"))
    with refused(ValueError, "u.csv", "line 3: 2 fields where the first line has 3"):
        open_table(write(tmp_path / "u.csv", "x,y,z\n1,2,3\n4,5\n6,7,8\n"))
    late = write(tmp_path / "late.csv", "x,y\n" + "1,2\n" * 30_000 + "3,4,5\n6,7\n")
    with refused(ValueError, "late.csv", "line 30002: 3 fields where the first lines have 2"):
        fit_columns(open_table(late))


def test_the_wrong_delimiter(tmp_path):
    with refused(ValueError, "has no column 'y'", "one column, 'x^y'", "delim ="):
        fit_columns(open_table(write(tmp_path / "t.csv", "x^y\n1^2\n3^4\n")))
    with refused(ValueError, "has no column 'y'", "'y,z'", "delimiter may have been mistaken"):
        fit_columns(open_table(write(tmp_path / "u.csv", "x|y,z\n1|2,3\n4|5\n")))


def test_a_quoted_name_with_a_comma_is_no_wrong_delimiter(tmp_path):
    path = write(tmp_path / "t.csv", '"age, years","a,b",bmi,z1,z2,z3,z4\n1,2,3,4,5,6,7\n2,3,4,5,6,7,8\n')
    for name, advice in (("bmj", "did you mean 'bmi'?"), ("weight", "it has 'age, years', 'a,b', 'bmi', 'z1'")):
        with refused(ValueError, f"has no column '{name}'; {advice}") as caught:
            open_table(path).check_columns([name])
        assert "delimiter" not in str(caught.value)
    with pytest.raises(FormulaError, match=r"no column 'bmj'; did you mean 'bmi'\?\n"):
        gl.fit("z1 ~ bmj", path)
    cut = write(tmp_path / "u.csv", "x|y,z,a,b,c,d,e,f,g\n1|2,3,4,5,6,7,8,9,10\n1|2,3,4,5,6,7,8,9,11\n")
    with refused(ValueError, "'x|y', 'z', 'a', 'b', 'c', 'd', …, so the delimiter may have been mistaken"):
        open_table(cut).check_columns(["y"])


@pytest.mark.parametrize(("name", "meant"), [("zz.csv", None), ("flihts.csv", "flights.csv"), ("flights.cvs", "flights.csv")])
def test_a_file_that_is_not_there_is_near_by_its_name_and_not_by_its_ending(tmp_path, name, meant):
    write(tmp_path / "flights.csv", "x\n1\n")
    write(tmp_path / "m.csv", "x\n1\n")
    with pytest.raises(FileNotFoundError) as caught:
        open_table(tmp_path / name)
    assert ("did you mean" in str(caught.value)) == (meant is not None)
    assert (meant or "looked from") in str(caught.value)


@pytest.mark.parametrize(
    ("where", "said"),
    [("Q > 1", "there is no column 'Q'"), ("incme > 1", "there is no column 'incme'; did you mean 'income'?")],
)
def test_a_column_of_a_condition_that_is_not_there(where, said):
    with pytest.raises(ValueError, match=f": {re.escape(said)}$"):
        open_table({"a.b": [1.0], "income": [1.0]}, where=where)


@pytest.mark.parametrize("where", ["x = 1 and", "x = 1)", "(x = 1"])
def test_a_condition_that_ends_too_early(where):
    with pytest.raises(ValueError, match=re.escape(where)) as caught:
        open_table({"x": [1.0]}, where=where)
    assert 'near ")"' not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (dict, "np.asarray(data['bmi'], dtype=float)"),
        (pd.DataFrame, "data['bmi'].astype(float)"),
        (pl.DataFrame, "data['bmi'].cast(pl.Float64)"),
    ],
)
def test_predicting_from_numbers_written_as_text(make, advice):
    fit = gl.fit("y ~ bmi", {"y": [1.0, 2.0, 4.0], "bmi": [1.0, 3.0, 2.0]})
    data = make({"bmi": ["0.1", "0.2"]})
    with refused(TypeError, f"convert it, say with {advice}"):
        fit.predict(data)
    made = eval(advice, {"np": np, "pl": pl, "data": data})
    assert len(fit.predict({"bmi": np.asarray(made)})) == 2


def test_rows_as_dicts():
    rows = [{"y": 1.0, "x": 2.0}, {"y": 2.0, "x": 3.0}]
    with refused(TypeError, "a list of dicts, one a row, is no table; give pd.DataFrame(rows)"):
        gl.fit("y ~ x", rows)


def test_a_formula_without_data():
    with pytest.raises(gl.ArgumentTypeError, match=r"^give the data: gl\.fit\('y ~ x', data\)$"):
        gl.fit("y ~ x")


def test_a_first_line_with_another_delimiter(tmp_path):
    with refused(ValueError, "has no column 'y'", "its first line, 'x;y', does not part into as many fields", "one delimiter"):
        fit_columns(open_table(write(tmp_path / "t.csv", "x;y\n1,2\n3,4\n5,6\n")))


def test_no_header(tmp_path):
    with refused(ValueError, "has no column 'y'", "first line seems to hold data", "column0"):
        fit_columns(open_table(write(tmp_path / "t.csv", "1,2\n3,4\n")))


def test_header_only_and_empty(tmp_path):
    with refused(ValueError, "t.csv", "has no rows"):
        fit_columns(open_table(write(tmp_path / "t.csv", "x,y\n")))
    for text in ("", " \n\n"):
        with refused(ValueError, "u.csv", "is empty"):
            open_table(write(tmp_path / "u.csv", text))


def test_names_that_appear_twice(tmp_path):
    with refused(ValueError, "'x' appears more than once"):
        open_table(write(tmp_path / "t.csv", "x,y,x\n1,2,3\n4,5,6\n"))
    with refused(ValueError, "'x' and 'X' differ by upper and lower case only"):
        open_table(write(tmp_path / "u.csv", "x,y,X\n1,2,3\n4,5,6\n"))
    with refused(ValueError, "the pandas frame", "'x' appears more than once"):
        open_table(pd.DataFrame([[1, 2]], columns=["x", "x"]))
    with refused(ValueError, "'x' appears more than once"):
        open_table(pa.table([[1], [2]], names=["x", "x"]))
    assert list(open_table(pd.DataFrame([[1, 2]], columns=["x", "X"])).columns) == ["x", "X"]


def test_a_column_that_is_not_there_names_the_nearest():
    table = open_table({"height": [1.0, 2.0], "y": [1.0, 2.0]})
    with refused(ValueError, "the dict of arrays has no column 'heigth'; did you mean 'height'?"):
        fit_columns(table, ["heigth"])
    with refused(ValueError, "has no column 'q'; it has 'height', 'y'"):
        fit_columns(table, ["q"])
    with refused(ValueError, "has no column 'w'"):
        fit_columns(table, ["height"], weights="w")


def test_text_where_numbers_are_needed(tmp_path):
    path = write(tmp_path / "t.csv", "x,y\n1,2\n2,3\noops,4\n?,5\n")
    with refused(TypeError, "column 'x' of", "t.csv", "holds text, 'oops' in row 2"):
        fit_columns(open_table(path))
    with refused(TypeError, "column 'x'", "'1,000 m' in row 0"):
        fit_columns(open_table(write(tmp_path / "u.csv", 'x,y\n"1,000 m",2\n"2,000 m",3\n')))
    with refused(ValueError, "column 'x' holds '1,000': its comma may part thousands"):
        fit_columns(open_table(write(tmp_path / "v.csv", 'x,y\n"1,000",2\n"2,000",3\n')))
    late = write(tmp_path / "late.csv", "x,y\n" + "1,2\n" * 30_000 + "oops,5\n6,7\n")
    with refused(ValueError, "late.csv", "line 30002: column 'x' holds 'oops', but its first rows hold numbers"):
        fit_columns(open_table(late))
    with refused(
        TypeError,
        "column 'x' of the dict of arrays holds numbers written as text, '1.5' in row 0",
        "say with np.asarray(data['x'], dtype=float)",
    ):
        fit_columns(open_table({"x": ["1.5", "2"], "y": [1.0, 2.0]}))


def test_text_that_is_not_utf8(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"name,y\n" + "Müller,1\nMeißner,2\n".encode("latin1"))
    with pytest.raises(ValueError, match=r"t\.csv.*UTF-8|t\.csv.*utf-8"):
        open_table(path).levels("name")
    for order in ("utf-16-le", "utf-16-be"):
        path.write_bytes("\ufeffx,y\n1,2\n".encode(order))
        with refused(ValueError, "t.csv", "is UTF-16 text", "iconv -f utf-16 -t utf-8"):
            open_table(path)


# ------------------------------------------------------------------------------------------------------------------ values


def test_dates():
    days = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]
    table = open_table({"x": days, "y": [1.0, 2.0]})
    assert table.columns["x"] == "date"
    with refused(TypeError, "column 'x'", "holds dates, '2020-01-01' in row 0", "date_diff"):
        fit_columns(table)
    sql = """SELECT *, date_diff('day', DATE '2000-01-01', "x"::DATE) AS days FROM data"""
    assert fit_columns(open_table(table, query=sql), ["days"]) == (2, 3.0)


def test_lists_are_no_numbers():
    with refused(TypeError, "column 'x'", "list<"):
        fit_columns(open_table(pa.table({"x": [[1.0], [2.0]], "y": [1.0, 2.0]})))


class Design:
    def map(self, block):
        return block.design.dense()


def test_decimals_booleans_and_small_types_are_numbers():
    table = pa.table(
        {
            "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3")], pa.decimal128(10, 2)),
            "boolean": pa.array([True, False, None]),
            "small": pa.array([1, 2, 3], pa.int8()),
            "single": pa.array([0.5, 1.5, 2.5], pa.float32()),
            "half": pa.array(np.array([0.5, 1.5, 2.5], np.float16)),
            "unsigned": pa.array([1, 2, 3], pa.uint64()),
            "y": [1.0, 2.0, 3.0],
        }
    )
    names = table.schema.names[:-1]
    rows = TableRows(open_table(table), PlainEncoder(names, intercept=False), "y", missing="keep")
    expected = np.full((3, 6), np.nan)
    expected[0] = [1.25, 1, 1, 0.5, 0.5, 1]
    np.testing.assert_array_equal(rows.map(Design()), expected)
    assert rows.rows_dropped == {"decimal": 1, "boolean": 1}


NONE = [
    ("pandas", lambda: pd.DataFrame({"x": [1.0, np.nan, 3.0, 4.0], "y": [1.0, 2.0, None, 4.0]})),
    ("pandas nullable", lambda: pd.DataFrame({"x": pd.array([1, None, 3, 4], "Int64"), "y": pd.array([1.0, 2.0, None, 4.0], "Float64")})),
    ("lists", lambda: {"x": [1.0, None, 3.0, 4.0], "y": [1.0, 2.0, float("nan"), 4.0]}),
    ("objects", lambda: {"x": np.array([1, None, 3, 4], dtype=object), "y": np.array([1.0, 2.0, np.nan, 4.0])}),
    ("arrow", lambda: pa.table({"x": pa.array([1, None, 3, 4]), "y": pa.array([1.0, 2.0, float("nan"), 4.0])})),
    ("sql", lambda: duckdb.sql("SELECT * FROM (VALUES (1, 1.0), (NULL, 2.0), (3, 'nan'::DOUBLE), (4, 4.0)) t(x, y)")),
]


@pytest.mark.parametrize("make", [make for _, make in NONE], ids=[name for name, _ in NONE])
def test_missing_values_of_every_kind(make):
    rows = TableRows(open_table(make()), PlainEncoder(["x"]), "y")
    assert rows.reduce(Count()) == (2, 5.0)
    assert rows.rows_dropped == {"x": 1, "y": 1}
    assert (rows.n_rows, rows.facts.tally.read) == (2, 4)
    with refused(ValueError, "column 'x' is missing in row 1", 'missing="drop"'):
        fit_columns(open_table(make()), missing="error")


def test_rows_that_miss_several_values_are_counted_once():
    table = open_table({"x": [np.nan, np.nan, 1.0, 2.0], "z": [np.nan, 1.0, np.nan, 2.0], "y": [np.nan, 1.0, 1.0, 1.0]})
    rows = TableRows(table, PlainEncoder(["x", "z"]), "y")
    assert rows.rows_dropped == {"y": 1, "x": 1, "z": 1}
    assert rows.facts.tally.missing == {"y": 1, "x": 2, "z": 2}


def test_infinity_names_column_and_row():
    x = np.zeros(100_000)
    x[77_777] = -np.inf
    with refused(ValueError, "column 'x' holds -infinity in row 77777", 'where="isfinite(x)"'):
        fit_columns(open_table({"x": x, "y": np.ones(100_000)}))
    x[77_777] = np.nan
    x[5] = np.inf
    y = np.zeros(100_000)
    y[5] = np.nan
    # A row that is left out anyway may hold anything.
    assert fit_columns(open_table({"x": x, "y": y}))[0] == 99_998
    assert fit_columns(open_table({"x": x, "y": np.ones(100_000)}, where="isfinite(x)"))[0] == 99_998


def test_values_so_large_that_their_sum_overflows_are_no_infinity():
    assert fit_columns(open_table({"x": [1.7e308, 1.7e308, 1.0], "y": [0.0, 0.0, 1.0]})) == (3, 1.0)


def test_integers_beyond_2_to_the_53(tmp_path):
    values = [1, 2**53 + 1, 2**53 + 2, 2**53 + 3]
    rows = TableRows(open_table({"x": values, "y": [1.0] * 4}), PlainEncoder(["x"]), "y")
    assert rows.notes == (
        "column 'x' of the dict of arrays holds integers beyond 2^53, which lose digits as float64 (2 of them, the first 9007199254740993"
        " in row 1); subtract a constant from it first, and if it is an identifier, leave it out",
    )
    assert TableRows(open_table({"x": [2**53, 2**60], "y": [1.0] * 2}), PlainEncoder(["x"]), "y").notes == ()
    path = write(tmp_path / "t.csv", "x,y\n1,1\n9007199254740993,1\n")
    assert "beyond 2^53" in TableRows(open_table(path), PlainEncoder(["x"]), "y").notes[0]
    path = write(tmp_path / "u.csv", "x,y\n1.5,1\n1e300,1\n")
    assert TableRows(open_table(path), PlainEncoder(["x"]), "y").notes == ()


def test_a_column_missing_everywhere(tmp_path):
    for nothing in (np.full(3, np.nan), [None, None, None]):
        with refused(ValueError, "column 'x'", "missing in every one of 3 rows", "leave the column out"):
            fit_columns(open_table({"x": nothing, "y": np.ones(3)}))
    with refused(ValueError, "column 'x'", "missing in every one of 2 rows"):
        fit_columns(open_table(write(tmp_path / "t.csv", "x,y\n,1\nNA,2\n")))
    with refused(ValueError, "every one of the 2 rows", "misses a value in some column"):
        fit_columns(open_table({"x": [1.0, np.nan], "y": [np.nan, 1.0]}))


def test_no_rows(tmp_path):
    with refused(ValueError, "has no rows"):
        fit_columns(open_table(None, query="SELECT 1.0 AS x, 2.0 AS y WHERE false"))
    with refused(ValueError, "where x > 5", "has no rows"):
        fit_columns(open_table({"x": [1.0], "y": [1.0]}, where="x > 5"))
    with refused(ValueError, "has no rows"):
        fit_columns(open_table(pd.DataFrame({"x": [], "y": []}, dtype=float)))
    pq.write_table(pa.table({"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64())}), tmp_path / "t.parquet")
    with refused(ValueError, "t.parquet", "has no rows"):
        fit_columns(open_table(tmp_path / "t.parquet"))


def test_weights_that_cannot_be():
    table = open_table({"x": [1.0, 2.0, 3.0], "y": [np.nan, 2.0, 3.0], "w": [1.0, 1.0, -0.5]})
    with refused(ValueError, "weights 'w'", "is -0.5 in row 2", "zero or more"):
        fit_columns(table, weights="w")
    table = open_table({"x": [1.0, 2.0, 3.0], "y": [np.nan, 2.0, 3.0], "w": [1.0, 1.0, 1.5]})
    with refused(ValueError, "frequencies 'w'", "is 1.5 in row 2", "whole numbers"):
        fit_columns(table, frequencies="w")


def test_columns_of_several_types_and_lengths():
    with refused(ValueError, "column 'x'", "different types", "1", "'a' in row 1"):
        fit_columns(open_table(pd.DataFrame({"x": np.array([1, "a"], dtype=object), "y": 1.0})))
    with refused(ValueError, "column 'x' holds an integer beyond 64 bits", "in row 1"):
        fit_columns(open_table({"x": [1, 2**70], "y": [1.0, 2.0]}))
    with refused(ValueError, "column 'x' holds an integer beyond 64 bits", "in row 1"):
        fit_columns(open_table(pd.DataFrame({"x": np.array([1, 2**70], dtype=object), "y": 1.0})))
    with refused(ValueError, "column 'x'", "of type complex"):
        fit_columns(open_table(pd.DataFrame({"x": [1j, 2j], "y": 1.0})))
    with refused(ValueError, "column 'x' is sparse", "to_dense"):
        fit_columns(open_table(pd.DataFrame({"x": pd.arrays.SparseArray([1.0, 2.0]), "y": 1.0})))
    with refused(TypeError, "Series is no table"):
        open_table(pd.Series([1.0, 2.0], name="x"))
    with refused(ValueError, "column 'y' has 2 rows but column 'x' has 3"):
        open_table({"x": [1, 2, 3], "y": [1, 2]})
    with refused(ValueError, "column 'x'", "1-D array"):
        fit_columns(open_table({"x": np.zeros((3, 2)), "y": [1.0, 2.0, 3.0]}))
    with refused(ValueError, "dict of arrays is empty"):
        open_table({})


# ------------------------------------------------------------------------------------------------------------------ queries, databases


def test_sql_that_is_wrong(tmp_path):
    table = open_table({"x": [1.0], "y": [1.0]})
    with refused(ValueError, "where zz > 1: there is no column 'zz'"):
        open_table(table, where="zz > 1")
    with refused(ValueError, "there is no column 'xx'; did you mean 'x'?"):
        open_table(table, where="xx > 1")
    with refused(TypeError, "where= takes SQL as text, not bool True"):
        open_table(table, where=True)
    with refused(ValueError, "syntax"):
        open_table(table, query="SELEC x FROM data")
    with refused(ValueError, "nothere"):
        open_table(None, query="SELECT * FROM nothere")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE flights AS SELECT 1 AS x")
    with refused(ValueError, "t.duckdb", "has no table 'flight'", "'flights'"):
        open_table("flight", database=tmp_path / "t.duckdb")
    with refused(ValueError, "is a database", "query="):
        open_table(tmp_path / "t.duckdb")
    with refused(ValueError, "one of them"):
        open_table("flights", database=tmp_path / "t.duckdb", query="SELECT 1")
    with refused(FileNotFoundError, "no such file", "u.duckdb"):
        open_table("flights", database=tmp_path / "u.duckdb")


def test_a_file_that_is_no_database(tmp_path):
    path = write(tmp_path / "t.duckdb", "x,y\n1,2\n" * 100)
    with refused(OSError, "t.duckdb", "not a valid DuckDB database file"):
        open_table("flights", database=path)
    with refused(ValueError, "t.csv", "is no database but a file of rows", "without database="):
        open_table("flights", database=write(tmp_path / "t.csv", "x,y\n1,2\n"))


def test_databases_cut_short(tmp_path):
    frame = pd.DataFrame({"x": np.arange(20_000.0), "y": np.arange(20_000.0)})
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE flights AS SELECT * FROM frame")
    connection = sqlite3.connect(tmp_path / "t.sqlite")
    frame.to_sql("flights", connection, index=False)
    connection.close()
    for name in ("t.duckdb", "t.sqlite"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with refused(ValueError, name, "is damaged or truncated", "copy or make it again"):
            fit_columns(open_table("flights", database=tmp_path / name))


def test_sqlite_that_is_wrong(tmp_path):
    path = tmp_path / "t.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE flights (x REAL, y REAL)")
    connection.commit()
    connection.close()
    with pytest.raises((ValueError, OSError), match="has no table 'nothere'; it has 'flights'"):
        open_table("nothere", database=path)
    with refused(FileNotFoundError, "no such file", "u.sqlite"):
        open_table("flights", database=tmp_path / "u.sqlite")
    assert not (tmp_path / "u.sqlite").exists()
    with refused(ValueError, "has no rows"):
        fit_columns(open_table("flights", database=path))


def test_a_driver_that_is_not_installed():
    with refused(ImportError, "the snowflake database", "pip install adbc-driver-manager adbc-driver-snowflake"):
        open_table("flights", database="snowflake://host/name")


@pytest.mark.parametrize("address", ["oracle://user:secret@host/name", "oracle+cx_oracle://user:secret@host/name"])
def test_a_scheme_for_which_no_driver_exists(address):
    """PyPI has no adbc-driver-oracle: advising it would send the user to nothing."""
    known = "postgresql://, postgres://, snowflake://, bigquery://"
    with refused(ValueError, "the oracle database", known, "Parquet") as caught:
        open_table("flights", database=address)
    assert "pip install" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("postgresql+psycopg://me:a+b@host/name", "postgresql", "postgresql://me:a+b@host/name"),
        ("postgresql://me:a+b@host/name", "postgresql", "postgresql://me:a+b@host/name"),
        ("grpc+tls://host:31337", "grpc", "grpc+tls://host:31337"),
    ],
)
def test_what_is_connected_to(text, scheme, address):
    assert _address(text) == (scheme, address)


@pytest.mark.parametrize("keyword", ["offset", "weights", "frequencies"])
def test_a_text_column_for_a_number_of_each_row(keyword):
    table = {"y": [1.0, 2.0, 4.0], "x": [1.0, 3.0, 2.0], "t": ["1", "many", "2"]}
    with refused(
        TypeError, f"{keyword}= names column 't'", "holds text, 'many' in row 1", "correct the value, or leave such rows out"
    ) as caught:
        gl.fit("y ~ x", table, **{keyword: "t"})
    assert str(caught.value).count("correct the value") == 1
    with refused(TypeError, f"{keyword}= names column 't'", "numbers written as text, '1' in row 0", "np.asarray(data['t'], dtype=float)"):
        gl.fit("y ~ x", table | {"t": ["1", "3", "2"]}, **{keyword: "t"})


def test_json_of_mixed_types_shows_plain_values(tmp_path):
    rows = ['{"y": 1, "x": 1, "m": "abc"}', '{"y": 2, "x": 2, "m": 3}', '{"y": 2, "x": 4, "m": true}', '{"y": 5, "x": 3, "m": null}']
    path = write(tmp_path / "mixed.jsonl", "\n".join(rows * 4))
    with refused(TypeError, "column 'm'", "holds text, 'abc' in row 0"):
        gl.fit("m ~ x", path)
    fit = gl.fit("y ~ m", path)
    assert fit.rows_dropped == {"m missing": 4}
    assert fit.names == ("Intercept", "m[T.abc]", "m[T.true]")


class BrokenCursor:
    """A database that goes away after a batch."""

    adbc_statement = type("Statement", (), {"set_options": lambda self, **options: None})()

    def execute(self, query):
        self.head = "LIMIT" in query

    def fetch_record_batch(self):
        schema = pa.schema([("x", pa.float64()), ("y", pa.float64())])

        def batches():
            yield pa.RecordBatch.from_arrays([pa.array([1.0]), pa.array([2.0])], schema=schema)
            if not self.head:
                raise OSError("server closed the connection unexpectedly\n\tThis probably means the server terminated")

        return pa.RecordBatchReader.from_batches(schema, batches())

    def close(self):
        pass

    __enter__ = lambda self: self  # noqa: E731
    __exit__ = lambda self, *error: None  # noqa: E731


class BrokenDatabase:
    def cursor(self):
        return BrokenCursor()


def spools(folder):
    return [name for name in os.listdir(folder) if name.startswith("gradline-")]


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_database_that_goes_away(temporary_folder):
    table = open_table("flights", database=BrokenDatabase())
    with refused(OSError, "table 'flights' in the database: server closed the connection unexpectedly"):
        fit_columns(table)
    assert spools(temporary_folder) == []


def test_a_connection_of_another_library(tmp_path):
    connection = sqlite3.connect(tmp_path / "t.sqlite")
    with refused(TypeError, "ADBC", "DuckDB"):
        open_table("flights", database=connection)
    connection.close()
    assert databases.is_duckdb_connection(duckdb.connect())


# ------------------------------------------------------------------------------------------------------------------ spools


def batches_of(n):
    for start in range(n):
        yield pa.table({"x": np.full(10, float(start)), "y": np.ones(10)})


def test_a_spool_goes_with_its_table(temporary_folder):
    table = open_table(batches_of(5))
    assert fit_columns(table) == (50, 50.0)
    assert len(spools(temporary_folder)) == 1
    del table
    assert spools(temporary_folder) == []


def test_a_full_disk_while_spooling(temporary_folder, monkeypatch):
    written = []

    def write_batch(writer, batch):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(batch)

    monkeypatch.setattr(spool, "write_batch", write_batch)
    with refused(OSError, "no room left in", "after 30 rows of the generator", "TMPDIR"):
        fit_columns(open_table(batches_of(5)))
    assert spools(temporary_folder) == []


def test_a_generator_that_fails_or_yields_what_is_no_table(temporary_folder):
    def failing():
        yield pa.table({"x": [1.0], "y": [1.0]})
        raise RuntimeError("the user's own trouble")

    with pytest.raises(RuntimeError, match="the user's own trouble"):
        fit_columns(open_table(failing()))
    with refused(TypeError, "the generator yields int"):
        open_table(iter([1, 2]))
    with refused(ValueError, "yields nothing"):
        open_table(iter([]))
    with refused(ValueError, "a later batch of the generator has no column 'y'"):
        fit_columns(open_table(iter([{"x": [1.0], "y": [1.0]}, {"x": [1.0]}])))
    assert spools(temporary_folder) == []


def test_a_stream_with_columns_left_behind():
    table = open_table(batches_of(3))
    narrow = table.restricted(["x"])
    next(narrow.batches(["x"]))
    with refused(ValueError, "the generator was read already, without column 'y'"):
        next(table.batches(["y"]))


CTRL_C = """
import sys, time
import numpy as np, pyarrow as pa
from gradline.tables.table import open_table

def batches():
    for i in range(10_000):
        yield pa.table({"x": np.full(1000, float(i))})
        if i == 20:
            print("ready", flush=True)
        time.sleep(0.001)

for batch in open_table(batches()).batches(["x"]):
    pass
"""


def test_ctrl_c_leaves_no_spool(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CTRL_C],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout.readline().strip() == "ready"
    assert len(spools(tmp_path)) == 1
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert spools(tmp_path) == []


def test_missing_packages_are_named_with_the_command(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name in ("pyarrow", "duckdb") else find(name, *rest))
    with pytest.raises(ImportError, match=r'reading tables needs pyarrow and duckdb; run: pip install "gradline\[tables\]"'):
        open_table({"x": [1.0, 2.0]})
