"""SQLite as PostgreSQL is tested: its types, its SQL in advice, batches that do not grow with the rows."""

import re
import sqlite3

import numpy as np
import pytest

import gradline as gl
from gradline.tables.sources import adbc
from gradline.tables.table import open_table


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "t.sqlite"
    with sqlite3.connect(found) as connection:
        connection.execute("CREATE TABLE flats (price DECIMAL(9,2), area REAL, rooms INTEGER, day DATE, t TEXT, pad TEXT)")
        rows = [(k * 7 % 61 / 100, k * k % 17 + 0.5, k % 4, f"2026-01-{k % 10 + 1:02}", str(k % 3), None) for k in range(200)]
        connection.executemany("INSERT INTO flats VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.close()
    return found


def test_types(path):
    table = open_table("flats", database=path)
    assert table.columns | {"pad": ""} == {"price": "number", "area": "number", "rooms": "number", "day": "text", "t": "text", "pad": ""}
    k = np.arange(200)
    expected = np.polyfit(k * k % 17 + 0.5, k * 7 % 61 / 100, 1)[::-1]
    np.testing.assert_allclose(np.ravel(gl.fit("price ~ area", "flats", database=path).coefficients), expected, rtol=1e-10)


def test_advice_is_sqlite_and_works_when_pasted(path):
    with pytest.raises(TypeError, match="numbers written as text") as caught:
        gl.fit("price ~ area", "flats", database=path, weights="t")
    assert "REPLACE" not in str(caught.value)
    query = re.search(r'query="([^"]*)"', str(caught.value))[1]
    fit = gl.fit("price ~ area", database=path, query=query, weights="t_number")
    k = np.arange(200)
    np.testing.assert_allclose(
        np.ravel(fit.coefficients), np.polyfit(k * k % 17 + 0.5, k * 7 % 61 / 100, 1, w=np.sqrt(k % 3))[::-1], rtol=1e-9
    )


def test_infinity_is_refused_with_advice_that_works(path):
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO flats (price, area) VALUES (9e999, 1.0)")
    connection.close()
    with pytest.raises(ValueError, match="holds infinity in row 200") as caught:
        gl.fit("price ~ area", "flats", database=path)
    where = re.search(r'where="([^"]*)"', str(caught.value))[1]
    assert gl.fit("price ~ area", "flats", database=path, where=where).rows_used == 200


def test_rows_come_in_batches(path, monkeypatch):
    sizes, convert = [], adbc._converted
    monkeypatch.setattr(adbc, "_converted", lambda batch, chosen: sizes.append(batch.num_rows) or convert(batch, chosen))
    many = "WITH RECURSIVE n(x) AS (SELECT 1.0 UNION ALL SELECT x + 1 FROM n WHERE x < 150000) SELECT x, 2 * x + 1 AS y FROM n"
    np.testing.assert_allclose(np.ravel(gl.fit("y ~ x", database=path, query=many).coefficients), [1, 2], rtol=1e-9)
    assert sum(sizes) == 150_000
    assert max(sizes) <= adbc.SQLITE_BATCH_ROWS
