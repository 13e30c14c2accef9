"""A real PostgreSQL: its types, its SQL in advice, more rows than memory, a connection that drops, a password that is never shown."""

import datetime
import decimal
import os
import re
import sys
import tempfile
import traceback
import uuid

import numpy as np
import pandas as pd
import pytest
import server as own

import gradline as gl
from gradline.base.warnings import GradlineWarning
from gradline.tables.sources import adbc
from gradline.tables.table import open_table

pytest.importorskip("adbc_driver_postgresql")

UTC = datetime.UTC
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"

TYPES = {
    # column: (type, values as SQL, what the table holds, its kind)
    "small": ("smallint", ["1", "-2"], [1, -2], "number"),
    "whole": ("integer", ["1", "-2"], [1, -2], "number"),
    "big": ("bigint", ["9007199254740993", "-2"], [9007199254740993, -2], "number"),
    "single": ("real", ["0.5", "'NaN'"], [0.5, float("nan")], "number"),
    "double": ("double precision", ["0.1", "'Infinity'"], [0.1, float("inf")], "number"),
    "price": ("numeric(12,2)", ["0.29", "-1234567890.05"], [decimal.Decimal("0.29"), decimal.Decimal("-1234567890.05")], "number"),
    "gap": ("numeric(12,2)", ["0.29", "'NaN'"], [decimal.Decimal("0.29"), None], "number"),
    "count": ("numeric(20,0)", ["18446744073709551616", "2"], [decimal.Decimal(2**64), decimal.Decimal(2)], "number"),
    "free": ("numeric", ["0.1", "1e300"], [0.1, 1e300], "number"),
    "odd": ("numeric", ["'NaN'", "'-Infinity'"], [float("nan"), float("-inf")], "number"),
    "wide": ("numeric(60,30)", ["0.1", "2"], [0.1, 2.0], "number"),
    "paid": ("money", ["12.34", "-92233720368547758.08"], [decimal.Decimal("12.34"), decimal.Decimal("-92233720368547758.08")], "number"),
    "place": ("oid", ["4294967295", "1"], [4294967295, 1], "number"),
    "yes": ("boolean", ["true", "false"], [True, False], "boolean"),
    "words": ("text", ["'a b'", "'ä'"], ["a b", "ä"], "text"),
    "short": ("varchar(5)", ["'a '", "'b'"], ["a ", "b"], "text"),
    "padded": ("char(3)", ["'a'", "'b'"], ["a", "b"], "text"),
    "mood": ("mood", ["'sad'", "'happy'"], ["sad", "happy"], "text"),
    "id": ("uuid", [f"'{ID}'", f"'{uuid.UUID(int=1)}'"], [ID, str(uuid.UUID(int=1))], "text"),
    "note": ("jsonb", ["""'{"a": [1]}'""", "'2'"], ['{"a": [1]}', "2"], "text"),
    "plain": ("json", ["""'{"a":1}'""", "'2'"], ['{"a":1}', "2"], "text"),
    "host": ("inet", ["'10.0.0.1'", "'::1'"], ["10.0.0.1/32", "::1/128"], "text"),
    "span": ("int4range", ["'[1,5)'", "'empty'"], ["[1,5)", "empty"], "text"),
    "spot": ("point", ["'(1,2)'", "'(0,0.5)'"], ["(1,2)", "(0,0.5)"], "text"),
    "prices": ("numeric(5,1)[]", ["'{1.5,2}'", "'{}'"], ["{1.5,2.0}", "{}"], "text"),
    "numbers": ("integer[]", ["'{1,2}'", "'{}'"], [[1, 2], []], "other"),
    "bytes": ("bytea", ["'\\x01'", "'\\x'"], [b"\x01", b""], "other"),
    "day": ("date", ["'2026-03-01'", "'1999-12-31'"], [datetime.date(2026, 3, 1), datetime.date(1999, 12, 31)], "date"),
    "moment": (
        "timestamp",
        ["'2026-03-01 12:30'",  "'2000-01-01'"],
        [datetime.datetime(2026, 3, 1, 12, 30), datetime.datetime(2000, 1, 1)],
        "date",
    ),
    "instant": (
        "timestamptz",
        ["'2026-03-01 12:30+02'", "'2000-01-01+00'"],
        [datetime.datetime(2026, 3, 1, 10, 30, tzinfo=UTC), datetime.datetime(2000, 1, 1, tzinfo=UTC)],
        "date",
    ),
    "clock": ("time", ["'12:30'", "'00:00:01'"], [datetime.time(12, 30), datetime.time(0, 0, 1)], "date"),
    "lasting": ("interval", ["'1 month 2 days 03:00'", "'-1 hour'"], [(1, 2, 10800 * 10**9), (0, 0, -3600 * 10**9)], "date"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server():
    folder = own.programs()
    if folder is None:
        pytest.skip(own.NOT_INSTALLED)
    with own.running(folder) as found:
        found.run(
            "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
            f"CREATE TABLE types ({', '.join(f'{name} {kind}' for name, (kind, *_) in TYPES.items())})",
            *(f"INSERT INTO types VALUES ({', '.join(values[row] for _, values, *_ in TYPES.values())})" for row in (0, 1)),
            "INSERT INTO types (whole) VALUES (3)",
            """
            CREATE TABLE flats AS
            SELECT gen_random_uuid() AS id, (g * 7 % 61 / 100.0)::numeric(9,2) AS price, (g * 7 % 61)::numeric AS cents,
              ((g * 7 % 61) / 100.0)::numeric::money AS paid, g * g % 17 + 0.5 AS area,
              (ARRAY['sad', 'ok', 'happy'])[1 + g % 3]::mood AS mood,
              (ARRAY['a', 'bb'])[1 + g % 2]::char(4) AS kind, date '2026-01-01' + g % 10 AS day,
              timestamp '2026-01-01 06:00' + g * interval '1 hour' AS moment,
              timestamptz '2026-01-01 06:00+00' + g * interval '1 day' AS "Sold At",
              time '00:00' + g * interval '1 minute' AS clock,
              g % 5 * interval '1 day 1 hour' AS lasting, (g % 4)::text AS "user", ARRAY[g, g] AS numbers
            FROM generate_series(0, 199) g
            """,
        )
        yield found


@pytest.fixture(scope="module")
def flats(server):
    """The rows as Python makes them."""
    g = np.arange(200)
    price = [float(decimal.Decimal(int(cents)).scaleb(-2)) for cents in g * 7 % 61]
    frame = pd.DataFrame({"price": price, "area": g * g % 17 + 0.5, "mood": np.array(["sad", "ok", "happy"])[g % 3]})
    return frame.assign(kind=np.array(["a", "bb"])[g % 2], day=g % 10, hours=g + 6, minutes=g, days=g % 5)


def command(capfd, monkeypatch, *arguments):
    """(exit code, standard output, errors) of the command, run here."""
    from gradline.cli import main

    monkeypatch.setattr(sys, "argv", ["gradline", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return (ended.value.code or 0, *capfd.readouterr())


def coefficients(fit):
    return np.ravel(fit.coefficients)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_as_what_it_means(server, name):
    _, _, expected, kind = TYPES[name]
    table = open_table("types", database=server.address())
    assert table.columns[name] == kind
    found = table.take(np.array([0, 1, 2]), [name]).column(name).to_pylist()
    for value, wanted in zip(found[:2], expected, strict=True):
        assert value == wanted or (wanted != wanted and value != value)
    assert found[2] is None or name == "whole"


def test_an_open_connection_gives_the_same_types(server):
    with server.connect() as connection:
        assert open_table("types", database=connection).schema == open_table("types", database=server.address()).schema


def test_numeric_and_money_are_the_numbers_they_show(server, flats):
    """Decimals of two digits are rounded once: the price of 0.29 is the float64 next to it, as Python reads it."""
    fit = gl.fit("price ~ area + mood + kind", "flats", database=server.address())
    expected = gl.fit("price ~ area + mood + kind", flats)
    assert fit.names == expected.names
    np.testing.assert_array_equal(coefficients(fit), coefficients(expected))
    # (X'X)^-1 X'y by NumPy, of the same columns.
    x = np.column_stack([np.ones(200), flats.area, flats.mood == "ok", flats.mood == "sad", flats.kind == "bb"]).astype(float)
    np.testing.assert_allclose(coefficients(fit), np.linalg.lstsq(x, flats.price, rcond=None)[0], rtol=1e-10)
    for other, expected in (("paid ~ area + mood + kind", coefficients(fit)), ("cents ~ paid", [0, 100])):
        found = gl.fit(other, "flats", database=server.address())
        np.testing.assert_allclose(coefficients(found), expected, rtol=1e-13, atol=1e-12)


def test_levels_of_numeric_whose_digits_are_whole_are_whole(server):
    assert gl.fit("area ~ C(cents)", "flats", database=server.address(), where="cents < 3").names[1:] == ("C(cents)[T.1]", "C(cents)[T.2]")


def test_whole_numbers_that_lose_digits_are_told_of(server):
    rows = "SELECT * FROM (VALUES (1.0, 9007199254740993::numeric), (2.0, 3), (4.0, 5)) AS v (y, x)"
    with pytest.warns(GradlineWarning, match=r"'x' .* beyond 2\^53"):
        gl.fit("y ~ x", database=server.address(), query=rows)


def test_nan_is_missing_and_infinity_refused_with_advice_that_works(server):
    rows = "SELECT * FROM (VALUES (1.0, 1::numeric), (2.0, 'NaN'), (5.0, 'Infinity'), (4.0, 2), (9.0, 5)) AS v (y, x)"
    given = {"database": server.address(), "query": rows}
    with pytest.raises(ValueError, match="holds infinity in row 2") as caught:
        gl.fit("y ~ x", **given)
    assert gl.fit("y ~ x", **given, where="x <> 'Infinity'::DOUBLE").rows_dropped == {"x missing": 1}
    fit = gl.fit("y ~ x", **given, **pasted(caught.value, "where"))
    assert fit.rows_used == 3
    np.testing.assert_allclose(coefficients(fit), np.polyfit([1, 2, 5], [1, 4, 9], 1)[::-1])


def pasted(error, keyword):
    """What a message advises, as Python reads it."""
    found = re.search(rf"{keyword}=(\"[^\"]*\"|'(?:[^'\\]|\\.)*')", str(error))
    assert found, str(error)
    return {keyword: eval(found[1])}


@pytest.mark.parametrize(
    ("column", "made", "expected"),
    [
        ("day", "days", lambda f: 9497 + f.day),  # from 2000-01-01 to 2026-01-01
        ("moment", "days", lambda f: 9497 + f.hours // 24),
        ("`Sold At`", "days", lambda f: 9497 + np.arange(200)),
        ("clock", "seconds", lambda f: 60 * f.minutes),
        ("lasting", "seconds", lambda f: 90000 * f.days),
    ],
)
@pytest.mark.parametrize("from_query", [False, True])
def test_advice_is_postgresql_and_works_when_pasted(server, flats, column, made, expected, from_query):
    given = {"query": 'SELECT * FROM flats ORDER BY "Sold At"'} if from_query else {}
    with pytest.raises(ValueError, match=f"count {made}, say with") as caught:
        gl.fit(f"area ~ {column}", None if from_query else "flats", database=server.address(), **given)
    if from_query:
        addition = re.search(r"say with (.*) in the query", str(caught.value))[1]
        given = {"query": f"SELECT *, {addition} FROM flats"}
    else:
        given = pasted(caught.value, "query")
    fit = gl.fit(f"area ~ {made}", database=server.address(), **given)
    slope = np.polyfit(expected(flats).astype(float), flats.area, 1)[0]
    np.testing.assert_allclose(coefficients(fit)[1], slope, rtol=1e-7)


def test_a_name_that_is_a_word_of_sql_is_quoted(server):
    """Without quotes ``user`` is no column but whoever asks."""
    with pytest.raises(TypeError, match="numbers written as text") as caught:
        gl.fit("price ~ area", "flats", database=server.address(), weights="user")
    table = open_table(None, database=server.address(), **pasted(caught.value, "query"))
    assert table.columns["user_number"] == "number"
    assert table.take(np.arange(4), ["user_number"]).column(0).to_pylist() == [0, 1, 2, 3]


def test_lengths_of_time_are_categories_in_their_order(server):
    fit = gl.fit("area ~ C(lasting)", "flats", database=server.address())
    assert fit.names[1:] == tuple(f"C(lasting)[T.{length}]" for length in ("P1DT1H", "P2DT2H", "P3DT3H", "P4DT4H"))


def test_a_table_that_is_not_there(server):
    with pytest.raises(ValueError, match="the postgresql database has no table 'flat'; it has 'flats', 'types'"):
        open_table("flat", database=server.address())
    with pytest.raises(ValueError, match='relation "flat" does not exist'):
        open_table(None, database=server.address(), query="SELECT * FROM flat")
    assert open_table("public.flats", database=server.address()).columns["area"] == "number"


def test_a_query_may_end_with_a_comment(server):
    assert gl.fit("price ~ area", database=server.address(), query="SELECT * FROM flats -- all of them").rows_used == 200


# ------------------------------------------------------------------------------------------------------- many rows, lost lines

MANY = "SELECT g::float8 AS x, 2 * g + 1::float8 AS y, repeat('x', 300) AS pad FROM generate_series(1, 200000) AS g"
"""60 MB of rows."""


def test_rows_come_in_batches_that_do_not_grow_with_them(server, monkeypatch):
    sizes = []
    convert = adbc._converted

    def watched(batch, chosen):
        sizes.append(batch.nbytes)
        return convert(batch, chosen)

    monkeypatch.setattr(adbc, "_converted", watched)
    fit = gl.fit("y ~ x", database=server.address(), query=MANY, where="pad <> ''")
    np.testing.assert_allclose(coefficients(fit), [1, 2])
    assert sum(sizes) > 60e6
    assert max(sizes) < 20e6


@pytest.mark.parametrize("whose", ["ours", "the caller's"])
def test_a_connection_that_drops_halfway(server, monkeypatch, tmp_path, whose):
    convert, seen = adbc._converted, []

    def breaking(batch, chosen):
        if not seen:
            server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND pid <> pg_backend_pid()")
        seen.append(batch.num_rows)
        return convert(batch, chosen)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(adbc, "_converted", breaking)
    connection = server.address() if whose == "ours" else server.connect()
    table = open_table(None, database=connection, query=MANY)
    with pytest.raises(OSError, match=r"^the query in the .*database: .*(terminat|closed the connection)") as caught:
        gl.fit("y ~ x", table, where="pad <> ''")
    assert "\n" not in str(caught.value)
    assert 0 < sum(seen) < 200_000
    assert os.listdir(tmp_path) == []
    if whose == "ours":
        assert gl.fit("y ~ x", table, where="pad <> ''").rows_used == 200_000
    else:
        connection.close()


def test_no_connection_is_left_behind(server):
    table = open_table("flats", database=server.address())
    gl.fit("price ~ area", table)
    others = "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    assert open_table(None, database=server.address(), query=others).take(np.array([0]), ["n"]).column(0).to_pylist() == [0]


# ---------------------------------------------------------------------------------------------------------------- passwords

WRONG = {
    "wrong password": lambda s: s.address(password="hunter2"),
    "no such user": lambda s: s.address(user="nobody_here", password="hunter2"),
    "no such database": lambda s: s.address(database="nothere"),
    "nobody listens": lambda s: s.address(port=1),
    "a slash in it": lambda s: s.address(password="hunter2/t0ps"),
    "an @ in it": lambda s: s.address(password="hunter2@t0ps"),
    "a percent sign in it": lambda s: s.address(password="hunter2%zz"),
    "a number sign in it": lambda s: s.address(password="hunter2#t0ps"),
    "unescaped": lambda s: s.address(password=own.PASSWORD),
    "in the options": lambda s: f"postgresql://127.0.0.1:{s.port}/postgres?user=x&password=hunter2&nothing=1",
    "no such table": lambda s: s.address(),
    "settings": lambda s: f"host=127.0.0.1 port={s.port} user=x password=hunter2",
    "a scheme misspelt": lambda s: s.address(password="hunter2").replace("postgresql:", "postgressql:"),
    "a slash too few": lambda s: s.address(password="hunter2").replace("//", "/"),
}
SECRETS = ("hunter2", own.PASSWORD, "s3cr", "%2Fet", "t0ps")


@pytest.mark.parametrize("case", WRONG)
def test_no_error_shows_the_password(server, case):
    with pytest.raises((OSError, ValueError, ImportError)) as caught:
        gl.fit("y ~ x", "nothere", database=WRONG[case](server))
    shown = "".join(traceback.format_exception(caught.value, chain=True)).replace(__file__, "")
    message = str(caught.value)
    assert message
    for secret in SECRETS:
        assert secret not in message
        assert not any(secret in line for line in shown.splitlines() if not line.startswith("    "))


def test_an_address_given_as_the_data_does_not_show_the_password(server):
    with pytest.raises(ValueError, match=r"gradline:\*\*\*@127\.0\.0\.1.* is a database; say what to read") as caught:
        gl.fit("y ~ x", server.address())
    assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.parametrize("case", ["wrong password", "a slash in it", "a percent sign in it", "a slash too few"])
def test_the_command_does_not_show_the_password(server, case, capfd, monkeypatch):
    address = WRONG[case](server)
    code, said, wrong = command(capfd, monkeypatch, "--debug", "fit", "flats", "price ~ area", "--database", address)
    assert code == 1
    assert wrong.startswith("Traceback")
    assert not any(secret in said + wrong for secret in SECRETS)


def test_model_file_summary_and_report_do_not_hold_the_password(server, tmp_path, capfd, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    given = ["flats", "--database", server.address()]
    steps = [
        ["fit", *given, "price ~ area + mood", "--out", "model.json"],
        ["report", "model.json", *given, "--out", "report.html"],
        ["predict", "model.json", *given, "--keep", "id,price,cents,paid,lasting", "--out", "predicted.csv"],
    ]
    said = ""
    for step in steps:
        code, *printed = command(capfd, monkeypatch, *step)
        assert code == 0, printed
        said += "".join(printed)
    for name in ("model.json", "report.html", "predicted.csv"):
        said += (tmp_path / name).read_text()
    assert not any(secret in said for secret in SECRETS)
    kept = pd.read_csv(tmp_path / "predicted.csv", dtype=str)
    assert [str(uuid.UUID(text)) for text in kept.id] == kept.id.tolist()
    assert kept.price.tolist()[:3] == ["0.00", "0.07", "0.14"]
    assert kept.paid.equals(kept.price)
    assert kept.lasting.tolist()[:2] == ["PT0S", "P1DT1H"]


def predicted(server, tmp_path, capfd, monkeypatch, *arguments):
    model = tmp_path / "model.json"
    gl.fit("price ~ area", "flats", database=server.address()).save(model)
    return command(capfd, monkeypatch, "predict", model, "--database", server.address(), *arguments)


def test_what_a_file_cannot_hold_is_refused_before_it_begins(server, tmp_path, capfd, monkeypatch):
    code, said, wrong = predicted(server, tmp_path, capfd, monkeypatch, "flats", "--keep", "numbers")
    assert (code, said) == (1, "")
    advised = re.search(r'--query "(.*)" in place', wrong)[1]
    _, said, _ = predicted(server, tmp_path, capfd, monkeypatch, "--query", advised, "--keep", "numbers_text")
    assert said.splitlines()[1].startswith('"{0,0}",')


def test_numeric_without_a_precision_is_copied_digit_by_digit(server, tmp_path, capfd, monkeypatch):
    rows = "SELECT 1.5::float8 AS area, 12345678901234567890.123456789::numeric AS id"
    _, said, _ = predicted(server, tmp_path, capfd, monkeypatch, "--query", rows, "--keep", "id")
    assert said.splitlines()[1].startswith('"12345678901234567890.123456789",')
