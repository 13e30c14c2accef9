"""Text files as people have them: which lines are rows, how they end, which delimiter parts them, and how decimals are written."""

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.tables.table import open_table

ROWS = 40
X = np.arange(ROWS)
Y = 2.0 * X + 1


def write(path, text):
    path.write_bytes(text.encode())
    return str(path)


def column(path, name):
    return np.concatenate([batch.column(0).to_numpy(zero_copy_only=False) for batch in open_table(path).batches([name])])


def lines(*made, header="id,y,x"):
    return header + "\n" + "".join(f"{i},{2 * i + 1},{i}\n" for i in X) + "".join(made)


# -------------------------------------------------------------------------------------------------------- rows that start with #


@pytest.mark.parametrize("row", ["#40,81,40\n", '"#40",81,40\n', "#,81,40\n", "# 40,81,40", " #40,81,40\n"])
@pytest.mark.parametrize("header", ["id,y,x", "#id,y,x"])
def test_a_row_that_starts_with_a_number_sign_is_a_row(tmp_path, row, header):
    path = write(tmp_path / "t.csv", lines(row, header=header))
    fit = gl.fit("y ~ x", path)
    assert fit.rows_used == ROWS + 1
    assert len(fit.predict(path)) == ROWS + 1
    assert fit.coefficients == pytest.approx([1, 2])


def test_a_comment_above_the_names_is_no_row_and_one_among_the_rows_is_refused(tmp_path):
    path = write(tmp_path / "above.csv", "# made by hand\n" + lines())
    assert gl.fit("y ~ x", path).rows_used == ROWS
    path = write(tmp_path / "below.csv", lines("# the end\n"))
    with pytest.raises(ValueError, match=r"line 42: 1 field where the first line has 3; no line below the first is taken for a comment"):
        gl.fit("y ~ x", path)


# ------------------------------------------------------------------------------------------------------------------ line ends

ENDS = {
    "one CR LF early": lambda i: "\r\n" if i == 1 else "\n",
    "one CR LF late": lambda i: "\r\n" if i == 29_999 else "\n",
    "one LF early": lambda i: "\n" if i == 0 else "\r\n",
    "one LF late": lambda i: "\n" if i == 29_999 else "\r\n",
    "one CR": lambda i: "\r" if i == 17 else "\n",
    "by turns": lambda i: ("\r\n", "\n", "\r")[i % 3],
    "CR": lambda i: "\r",
    "CR LF": lambda i: "\r\n",
}


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.bz2"])
def test_lines_may_end_in_any_way(tmp_path, ends, ending):
    import bz2

    rows = 30_000
    text = "x,g" + ENDS[ends](0) + "".join(f"{i},{'ab'[i % 2]}{ENDS[ends](i)}" for i in range(rows))
    path = tmp_path / f"t{ending}"
    path.write_bytes({".csv": bytes, ".csv.gz": gzip.compress, ".csv.bz2": bz2.compress}[ending](text.encode()))
    assert column(path, "x").sum() == rows * (rows - 1) / 2
    assert open_table(path).levels("g") == ["a", "b"]


def test_line_ends_within_quotes_are_text(tmp_path):
    text = "x,g\r\n" + "".join(f'{i},"a\n{i % 2}"\r\n' for i in range(6))
    assert open_table(write(tmp_path / "t.csv", text)).levels("g") == ["a\n0", "a\n1"]
    text = "x,g\n" + "".join(f'{i},"a\r\n{i % 2}"\n' for i in range(6)) + "7,b\r\n"
    assert open_table(write(tmp_path / "u.csv", text)).levels("g") == ["a\r\n0", "a\r\n1", "b"]


def test_files_of_one_table_may_end_their_lines_each_in_its_own_way(tmp_path):
    for name, end in (("a", "\n"), ("b", "\r\n"), ("c", "\r")):
        write(tmp_path / f"{name}.csv", f"x,y{end}1,2{end}3,4{end}")
    assert column(tmp_path, "x").tolist() == [1, 3, 1, 3, 1, 3]


# --------------------------------------------------------------------------------------------------------------- short lines


@pytest.mark.parametrize("short", ["7", "7,", "7,8", "7\n", "7,8\n", '"7"', "7;8"])
@pytest.mark.parametrize("before", [1, 3, 50, 30_000])
def test_a_short_last_line_is_named(tmp_path, short, before):
    path = write(tmp_path / "t.csv", "x,y,z\n" + "1,2,3\n" * before + short)
    count = len(next(csv.reader([short])))
    with pytest.raises(ValueError, match=rf"line {before + 2}: ({count} fields? where the first lines? ha(s|ve) 3|column 'x' holds '7;8')"):
        gl.fit("y ~ x", path)


@pytest.mark.parametrize("line", [1, 2, 5, 40])
@pytest.mark.parametrize("odd", ["1,2", "1,2,3,4"])
def test_the_line_with_another_number_of_fields_is_named_wherever_it_is(tmp_path, line, odd):
    rows = ["1,2,3"] * 40
    rows[line - 1] = odd
    path = write(tmp_path / "t.csv", "x,y,z\n" + "\n".join(rows) + "\n")
    with pytest.raises(ValueError, match=f"line {line + 1}: {len(odd.split(','))} fields where the first line has 3"):
        open_table(path)


def test_the_first_field_in_quotes_may_come_late(tmp_path):
    path = write(tmp_path / "t.csv", "x,g\n" + "1,a\n" * 30_000 + '"2","a"\n3,"b, ""c"""\n')
    assert open_table(path).levels("g") == ["a", 'b, "c"']
    assert column(path, "x").sum() == 30_005


# ------------------------------------------------------------------------------------------------------------ decimal commas


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("others", ["", "a b", "12", "01.02.2024", "2024-02-01"])
def test_decimal_commas_in_a_file_of_numbers(tmp_path, mark, others):
    header, cell = ("", "") if not others else (f"{mark}z", f"{mark}{others}")
    text = f"y{mark}x{header}\n" + "".join(f"{2 * i + 1},5{mark}{i},25{cell}\n" for i in X)
    path = write(tmp_path / "t.csv", text)
    assert column(path, "y") == pytest.approx(Y + 0.5, abs=0)
    assert gl.fit("y ~ x", path).coefficients == pytest.approx([1, 2])


def german(value, digits):
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-1e7, 1e7), min_size=3, max_size=30), st.integers(1, 4), st.booleans())
def test_numbers_as_germans_write_them_are_read_or_refused_and_never_something_else(tmp_path, values, digits, with_text):
    cells = [german(value, digits) for value in values]
    path = write(tmp_path / "t.csv", "x;y" + ";g" * with_text + "\n" + "".join(f"{cell};0,5{';a' * with_text}\n" for cell in cells))
    assert column(path, "x") == pytest.approx([round(value, digits) for value in values], rel=1e-15, abs=0)


def test_points_that_part_thousands(tmp_path):
    text = "y;x\n" + "".join(f"1.{2 * i + 1:03},5;12.345.{i:03}\n" for i in X)
    path = write(tmp_path / "t.csv", text)
    assert column(path, "y").tolist() == (1000.5 + Y).tolist()
    assert column(path, "x").tolist() == (12_345_000 + X).tolist()
    assert open_table(path).columns == {"y": "number", "x": "number"}
    fit = gl.fit("y ~ x", path)
    assert fit.predict(path) == pytest.approx(1000.5 + Y)


def test_a_point_that_may_mean_either_is_refused_where_it_is_read(tmp_path):
    path = write(tmp_path / "t.csv", "y;x;z\n" + "".join(f"{2 * i + 1},5;{i};1.{i:03}\n" for i in X))
    assert gl.fit("y ~ x", path).rows_used == ROWS
    with pytest.raises(ValueError, match=r"column 'z' holds '1\.000': .* its point may part thousands or be a decimal one"):
        gl.fit("y ~ z", path)


def test_a_later_value_that_is_no_number_is_shown(tmp_path):
    path = write(tmp_path / "t.csv", "y;x\n" + "".join(f"1.{i % 1000:03},5;{i}\n" for i in range(30_000)) + "3.4,5;1\n")
    with pytest.raises(ValueError, match=r"column 'y' holds '3\.4,5', where its first rows hold numbers such as 1\.234,5"):
        gl.fit("y ~ x", path)


def by_python(value, digits, group, point):
    return f"{value:,.{digits}f}".translate(str.maketrans({",": group, ".": point}))


MARKS = [",.", ".,", "\u00a0,", "\u202f,", "\u2019.", "'.", " ,", " ."]
WRITINGS = [("", ","), ("", "."), *map(tuple, MARKS)]
"""(what parts thousands, decimal mark)"""


@pytest.mark.parametrize(("group", "point"), WRITINGS)
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("more", [[], ["NA"], ["", "\u22127"]])
def test_numbers_are_read_however_they_are_written(tmp_path, group, point, mark, more):
    values = [1500.25, 2_345_678.5, 12.75, -999.0, 0.5, *X]
    cells = [by_python(value, 2, group, point) for value in values] + more
    path = tmp_path / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=mark).writerows([("y", "x", "g"), *((i, cell, "a b") for i, cell in enumerate(cells))])
    expected = values + [{"NA": np.nan, "": np.nan, "\u22127": -7.0}[text] for text in more]
    np.testing.assert_array_equal(column(str(path), "x"), expected)
    assert open_table(str(path)).columns == {"y": "number", "x": "number", "g": "text"}


@pytest.mark.parametrize("cells", [["1,500,000", "3"], ["12,34,567.5", "8"], ["1.5", "1,500"]])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_thousands_are_parted_as_pandas_parts_them(tmp_path, cells, mark):
    import pandas as pd

    path = write(tmp_path / "t.csv", f"y{mark}x\n" + "".join(f'1{mark}"{cell}"\n' for cell in cells))
    assert column(path, "x").tolist() == pd.read_csv(path, sep=mark, thousands=",")["x"].tolist()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("ending", [[], ["12"], ["999", "-1,250"]])
def test_a_comma_that_may_mean_either_is_refused_where_it_is_read(tmp_path, mark, ending):
    cells = ["1,500", "2,500", *ending]
    path = write(tmp_path / "t.csv", f"y{mark}x\n" + "".join(f'{i}{mark}"{cell}"\n' for i, cell in enumerate(cells)))
    assert column(path, "y").tolist() == list(range(len(cells)))
    with pytest.raises(ValueError, match=r"column 'x' holds '1,500': its comma may part thousands or be a decimal one; say which with"):
        gl.fit("y ~ x", path)
    # The advice works when it is pasted.
    read = gl.fit("y ~ x", query=f"SELECT * FROM read_csv('{path}', delim = '{mark}', thousands = ',')")
    assert read.names == ("Intercept", "x")


def test_other_columns_tell_that_a_comma_is_a_decimal_one(tmp_path):
    path = write(tmp_path / "t.csv", "y;x\n" + "0,5;1,500\n1,5;2,500\n")
    assert column(path, "x").tolist() == [1.5, 2.5]


@pytest.mark.parametrize("cells", [["1,5", "2.5"], ["2.5", "1,5"], ["1,500", "1.500"], ["1,500.0", "1.500,0"]])
@pytest.mark.parametrize("mark", [",", ";"])
def test_a_column_written_in_two_ways_is_refused_where_it_is_read(tmp_path, cells, mark):
    path = write(tmp_path / "t.csv", f"y{mark}x\n" + "".join(f'{i}{mark}"{cells[i % 2]}"\n' for i in X))
    assert column(path, "y").tolist() == X.tolist()
    with pytest.raises(ValueError, match=r"column 'x' holds '.*' and '.*', numbers written in two ways"):
        gl.fit("y ~ x", path)


@pytest.mark.parametrize("cells", [["1,2,3", "4,5,6"], ["1,500.0", "abc"], ["10-20", "20-30"], ["1.2.3", "1.2.4"], ["030 123", "040 123"]])
def test_text_with_numbers_in_it_stays_text(tmp_path, cells):
    path = write(tmp_path / "t.csv", "y;x\n" + "".join(f"{i};{cells[i % 2]}\n" for i in X))
    assert open_table(path).levels("x") == sorted(cells)


def test_a_later_value_among_thousands_that_is_no_number_is_shown(tmp_path):
    path = write(tmp_path / "t.csv", "y;x\n" + "".join(f"{i};1,{i % 1000:03}.5\n" for i in range(30_000)) + "1;1,2.5\n")
    with pytest.raises(ValueError, match=r"column 'x' holds '1,2\.5', where its first rows hold numbers such as 1,234\.5"):
        gl.fit("y ~ x", path)


# ---------------------------------------------------------------------------------------------------- against Python's own csv

FIELD = st.text(st.sampled_from("ab#;,|'\t 0.\n"), min_size=1, max_size=6).map(lambda text: "k" + text)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FIELD, st.integers(-99, 99), st.integers(0, 9)), min_size=2, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_what_the_csv_module_writes_is_read_row_by_row(tmp_path, rows, end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([("g", "y", "x"), *rows])
    path = write(tmp_path / "t.csv", text.getvalue())
    (batch,) = open_table(path).batches(["g", "y", "x"])
    assert list(zip(*(part.to_pylist() for part in batch.columns), strict=True)) == rows
