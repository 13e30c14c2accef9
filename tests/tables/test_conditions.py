"""where=: an expression over the columns of one row, and nothing that reads anything else."""

import datetime
import re
from pathlib import Path

import pyarrow as pa
import pytest

import gradline as gl
from gradline.tables.sources.conditions import checked
from gradline.tables.table import open_table

DATA = pa.table(
    {
        "x": [1.0, 2.0, 3.0, 4.0, None, 6.0],
        "y": [2.0, 4.0, 6.0, 9.0, 10.0, 12.0],
        "g": ["a", "b", "a'", "(c", "d--", "E;"],
        "a name": [1, 2, 3, 4, 5, 6],
        "day": [datetime.date(2024, 1, day) for day in range(1, 7)],
        "tags": [["u"], ["v"], [], ["u", "v"], ["w"], None],
        "s": [{"k": i} for i in range(6)],
    }
)

GOOD = {
    "x > 2": [3, 4, 6],
    "x BETWEEN 2 AND 4 AND y <> 9": [2, 3],
    'x IS NULL OR "a name" = 1': [1, None],
    "lower(g) IN ('a', 'e;')": [1, 6],
    "g LIKE '(%'": [4],
    "g ILIKE 'e_' -- a comment": [6],
    "g = 'd--' OR g = 'a'''": [3, None],
    "regexp_matches(g, '^[ab]')": [1, 2, 3],
    "day >= DATE '2024-01-05' AND day < current_date": [None, 6],
    "year(day) = 2024 AND day + INTERVAL 1 DAY > '2024-01-06'": [6],
    "CASE WHEN y > 9 THEN true ELSE x < 2 END": [1, None, 6],
    "x::INT % 2 = 0": [2, 4, 6],
    "list_contains(tags, 'u')": [1, 4],
    "len(list_filter(tags, lambda t: t = 'u')) = 1": [1, 4],
    "s.k = 2": [3],
    "coalesce(x, 0) = 0": [None],
    "split_part(g, '''', 1) = 'a'": [1, 3],
    "nullif(x, 1) = 2;": [2],
    "isfinite(x) and not (x > 3)": [1, 2, 3],
    "x > 3) OR (x < 2": [1, 4, 6],
    "COLUMNS(['x', 'y']) > 5": [6],
    "true": [1, 2, 3, 4, None, 6],
}


@pytest.mark.parametrize("where", GOOD)
def test_an_expression_over_the_row_chooses_rows(where):
    (batch,) = open_table(DATA, where=where).batches(["x"])
    assert batch.column(0).to_pylist() == GOOD[where]


BAD = {
    "x > (SELECT count(*) FROM glob('*'))": "holds a subquery",
    "EXISTS (SELECT 1 FROM read_text('secret.csv'))": "holds a subquery",
    "x IN (FROM 'secret.csv')": "holds a subquery",
    "x IN (SELECT x FROM read_csv('secret.csv'))": "holds a subquery",
    "x = ANY (SELECT 1)": "holds a subquery",
    "list_transform([1], lambda q: (SELECT count(*) FROM 'secret.csv')) = [1]": "holds a subquery",
    "CASE WHEN x > 1 THEN (SELECT true) END": "holds a subquery",
    "x > 1) UNION SELECT (true": "one expression",
    "x > 1) FROM read_csv('secret.csv') WHERE (true": "one expression",
    "x > 1) ORDER BY (x": "one expression",
    "x > 1) LIMIT (1": "one expression",
    "true); COPY (SELECT 1) TO 'made.csv'; SELECT (true": "",
    "true); SELECT (true": "one expression",
    "true), (true": "one expression",
    "read_text('secret.csv') IS NOT NULL": "calls read_text(), which gives rows",
    "read_csv('secret.csv') IS NOT NULL": "calls read_csv(), which gives rows",
    "glob('*') IS NOT NULL": "calls glob(), which gives rows",
    "random() < 0.5": "calls random(), which gives another value at each reading",
    "uuid() = g": "calls uuid(), which gives another value at each reading",
    "nextval('s') > 1": "calls nextval()",
    "current_setting('threads') > 1": "calls current_setting(), which tells of the session",
    "pg_catalog.current_setting('threads') > 1": "calls current_setting()",
    "getvariable('v') = 1": "calls getvariable()",
    "getenv('HOME') = '/root'": "calls getenv()",
    "json_serialize_plan('SELECT a FROM ''secret.csv''')->>'candidates' = 'x'": "calls json_serialize_plan(), which takes a query",
    "list_transform([g], lambda q: json_serialize_plan(q))[1] IS NOT NULL": "calls json_serialize_plan(), which takes a query",
    "json_serialize_sql('SELECT 1') IS NOT NULL": "calls json_serialize_sql(), which takes a query",
    "txid_current() > 1": "calls txid_current(), which tells of the session",
    "pg_get_viewdef(1) = 'a'": "calls pg_get_viewdef(), which holds a subquery",
    "row_number() OVER () = 1": "window expression",
    "x > $1": "parameter expression",
    "lowr(g) = 'a'": "calls lowr(), which is no function of DuckDB's (did you mean lower?)",
    "x >": "syntax error",
    "": "",
    "-- nothing": "",
    ";": "",
    ")": "syntax error",
}


@pytest.mark.parametrize("where", BAD)
def test_anything_else_is_refused_before_it_runs(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("secret.csv").write_text("x\n1\n")
    with pytest.raises(ValueError, match=re.escape(BAD[where]) or "where"):
        open_table(DATA, where=where)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]


def test_a_query_keeps_its_freedom(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n2,4\n3,6\n")
    assert gl.fit("y ~ x", str(path), query=f"SELECT * FROM data WHERE x < (SELECT max(x) FROM '{path}')").rows_used == 2
    with pytest.raises(ValueError, match=r"where x < \(SELECT .*holds a subquery; query= takes any SELECT"):
        gl.fit("y ~ x", str(path), where=f"x < (SELECT max(x) FROM '{path}')")


def test_most_of_duckdbs_functions_may_be_called():
    for name in ("lower", "abs", "ln", "strftime", "date_trunc", "date_diff", "list_sum", "json_extract", "hash", "fdiv", "array_append"):
        assert checked(f"{name}(x) = 1")
