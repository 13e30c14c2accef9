"""What the studio answers of a table: the numbers of gl.fit to the bit, problems that say where, older questions given up."""

import csv
import json
import shlex
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from talking import Talk, enter, model, serving, talking

import gradline as gl
from gradline.base import listening
from gradline.studio.answers import Studio
from gradline.studio.held import ColumnStore, HeldSource, hold
from gradline.studio.messages import Problem, Question, read
from gradline.studio.spec import DataPlace, FileLoss
from gradline.studio.work import Desk, Page
from gradline.tables.table import Table, open_table

PENGUINS = gl.datasets.penguins()


@pytest.fixture(scope="module")
def penguins_file(tmp_path_factory):
    place = tmp_path_factory.mktemp("studio") / "penguins.csv"
    pyarrow.csv.write_csv(pa.table(PENGUINS), place)
    return place


@pytest.fixture(scope="module")
def talk(penguins_file):
    with talking(Studio(open_table(str(penguins_file)), DataPlace(str(penguins_file)))) as found:
        yield found


def numbers(answer, what="estimate"):
    return np.array([np.nan if one[what] is None else one[what] for one in answer["coefficients"]])


def test_the_greeting_names_table_and_columns(talk, penguins_file):
    table = talk.hello["table"]
    assert table["name"] == str(penguins_file)
    assert {"name": "species", "kind": "text"} in table["columns"]
    assert talk.hello["losses"] == []
    assert talk.hello["given"] is None


def test_columns_are_described_as_numpy_sees_them(talk):
    mass, species = talk.ask("columns", names=["body_mass_g", "species"])["columns"]
    given = np.array([np.nan if value is None else value for value in PENGUINS["body_mass_g"]], dtype=float)
    present = given[~np.isnan(given)]
    assert (mass["rows"], mass["missing"], mass["sampled"]) == (len(given), len(given) - len(present), len(given))
    assert (mass["low"], mass["high"]) == (present.min(), present.max())
    assert mass["mean"] == pytest.approx(present.mean(), rel=1e-14)
    counts, edges = np.histogram(present, bins=24)
    assert mass["histogram"]["counts"] == counts.tolist()
    assert mass["histogram"]["edges"] == pytest.approx(edges.tolist())
    assert species["levels"][0] == {"value": "Adelie", "count": sum(name == "Adelie" for name in PENGUINS["species"])}


CASES = {
    "a line": (model("body_mass_g", "flipper_length_mm"), "body_mass_g ~ flipper_length_mm", {}),
    "a factor and an interaction": (
        model("body_mass_g", "flipper_length_mm", ("species", "factor"), ["flipper_length_mm", ("species", "factor")], covariance="HC3"),
        "body_mass_g ~ flipper_length_mm + C(species) + flipper_length_mm:C(species)",
        {"covariance": "HC3"},
    ),
    "transforms": (
        model("body_mass_g", ("bill_length_mm", "log"), ("bill_depth_mm", "square"), ("year", "standardise"), targetTransform="log"),
        "log(body_mass_g) ~ log(bill_length_mm) + square(bill_depth_mm) + scale(year)",
        {},
    ),
    "a curve": (model("body_mass_g", ("flipper_length_mm", "spline")), "body_mass_g ~ s(flipper_length_mm)", {}),
    "a robust loss with weights": (
        model(
            "body_mass_g", "flipper_length_mm", loss={"kind": "catalogue", "name": "huber", "options": {"threshold": 200}}, weights="year"
        ),
        "body_mass_g ~ flipper_length_mm",
        {"loss": gl.losses.huber(200), "weights": "year"},
    ),
    "a penalty": (
        model("body_mass_g", "flipper_length_mm", "bill_length_mm", penalty={"name": "ridge", "strength": 0.5}),
        "body_mass_g ~ flipper_length_mm + bill_length_mm",
        {"penalty": gl.penalties.ridge(0.5)},
    ),
    "clusters": (
        model("body_mass_g", "flipper_length_mm", covariance="cluster", groups="island"),
        "body_mass_g ~ flipper_length_mm",
        {"covariance": "cluster", "groups": ["island"]},
    ),
    "no intercept": (model("body_mass_g", "flipper_length_mm", intercept=False), "body_mass_g ~ flipper_length_mm - 1", {}),
    "a formula typed by hand": ({"formula": "body_mass_g ~ poly(flipper_length_mm, 2)"}, "body_mass_g ~ poly(flipper_length_mm, 2)", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fit_has_the_bits_of_gl_fit(talk, penguins_file, case):
    spec, formula, arguments = CASES[case]
    answer = talk.ask("fit", model=spec)
    own = gl.fit(formula, str(penguins_file), **{"covariance": "default", **arguments})
    assert answer["formula"] == formula
    table = own.table()
    assert numbers(answer).tolist() == table["coefficient"]
    assert numbers(answer, "error").tolist() == table["standard_error"]
    assert numbers(answer, "low").tolist() == table["lower"]
    assert answer["certificate"]["reason"] == own.certificate.reason
    assert answer["rowsUsed"] == own.rows_used


@pytest.mark.parametrize(("chosen", "zero", "one"), [(None, "female", "male"), ("female", "male", "female")])
def test_a_text_target_of_two_classes_is_the_formula_written_by_hand(talk, penguins_file, tmp_path, chosen, zero, one):
    spec = model("sex", "body_mass_g", loss={"name": "logistic"}, targetClass=chosen)
    answer = talk.ask("fit", model=spec)
    formula = f"I(sex == '{one}') ~ body_mass_g"
    own = gl.fit(formula, str(penguins_file), loss="logistic")
    assert (answer["formula"], answer["classes"]) == (formula, [zero, one])
    assert numbers(answer).tolist() == own.table()["coefficient"]
    found: dict = {}
    exec(talk.ask("take", fit=answer["key"], what="python")["text"].replace("print(", "("), found)
    assert found["fit"].table()["coefficient"] == numbers(answer).tolist()
    assert formula in shlex.split(talk.ask("take", fit=answer["key"], what="command")["text"])
    saved = httpx.get(talk.page + talk.ask("take", fit=answer["key"], what="model")["address"])
    (tmp_path / "model.json").write_bytes(saved.content)
    data = gl.datasets.penguins()
    np.testing.assert_array_equal(gl.load(tmp_path / "model.json").predict(data), own.predict(data))  # a missing mass has none
    assert answer["rowsUsed"] == own.rows_used


def test_a_text_target_of_other_than_two_classes_is_for_the_multinomial_loss(talk, penguins_file):
    number = talk.send("fit", model=model("species", "body_mass_g", loss={"name": "logistic"}))
    problem = talk.receive(number)[number]["problem"]
    assert problem["path"] == "model, target"
    assert "3 classes" in problem["message"]
    answer = talk.ask("fit", model=model("species", "body_mass_g", loss={"name": "multinomial"}))
    own = gl.fit("species ~ body_mass_g", str(penguins_file), loss="multinomial")
    assert answer["classes"] is None
    assert numbers(answer).tolist() == own.table()["coefficient"]


def test_the_python_that_is_taken_away_gives_the_numbers_on_the_screen(talk, penguins_file, tmp_path):
    spec = CASES["a robust loss with weights"][0]
    answer = talk.ask("fit", model=spec)
    code = talk.ask("take", fit=answer["key"], what="python")["text"]
    found: dict = {}
    exec(code.replace("print(", "("), found)
    assert found["fit"].table()["coefficient"] == numbers(answer).tolist()
    assert found["fit"].table()["standard_error"] == numbers(answer, "error").tolist()


def test_the_command_that_is_taken_away_gives_the_numbers_on_the_screen(talk):
    answer = talk.ask("fit", model=CASES["a robust loss with weights"][0])
    command = talk.ask("take", fit=answer["key"], what="command")["text"]
    assert command.startswith("gradline fit ")
    program = [sys.executable, "-m", "gradline", "fit"]
    import shlex

    done = subprocess.run([*program, *shlex.split(command)[2:], "--json"], capture_output=True, text=True, check=True)
    assert [one["coefficient"] for one in json.loads(done.stdout)["coefficients"]] == numbers(answer).tolist()


def test_model_and_report_are_taken_away_as_files(talk, tmp_path):
    answer = talk.ask("fit", model=CASES["a line"][0])
    offered = talk.ask("take", fit=answer["key"], what="model")
    found = httpx.get(talk.page + offered["address"])
    assert found.headers["content-disposition"] == 'attachment; filename="model.json"'
    (tmp_path / "model.json").write_bytes(found.content)
    assert gl.load(tmp_path / "model.json").table()["coefficient"] == numbers(answer).tolist()
    report = httpx.get(talk.page + talk.ask("take", fit=answer["key"], what="report")["address"])
    assert "sandbox" in report.headers["content-security-policy"]
    assert "flipper_length_mm" in report.text


def test_effects_are_those_of_the_fit(talk, penguins_file):
    spec, formula, arguments = CASES["a factor and an interaction"]
    answer = talk.ask("fit", model=spec)
    assert answer["variables"] == ["flipper_length_mm", "species"]
    found = talk.ask("effects", fit=answer["key"], variables=["flipper_length_mm"], by="species")
    own = gl.fit(formula, str(penguins_file), **arguments).effects("flipper_length_mm", by="species", data=str(penguins_file))
    place = found["columns"].index("estimate")
    assert [row[place] for row in found["rows"]] == own["estimate"]


def test_predictions_have_intervals_or_the_reason_why_not(talk, penguins_file):
    spec, formula, _ = CASES["a line"]
    answer = talk.ask("fit", model=spec)
    found = talk.ask("predict", fit=answer["key"], rows=[{"flipper_length_mm": 200}, {"flipper_length_mm": None}], interval="prediction")
    own = gl.fit(formula, str(penguins_file)).predict({"flipper_length_mm": [200.0]}, interval="prediction")
    assert found["prediction"] == [own.prediction[0], None]
    assert found["low"][0] == own.lower[0]
    assert talk.problem("predict", fit=answer["key"], rows=[{"flipper_length_mm": "long"}])["path"] == "rows, flipper_length_mm"


def test_diagnostics_are_drawn_from_all_rows_and_say_so(talk):
    answer = talk.ask("fit", model=CASES["a line"][0])
    found = talk.ask("diagnostics", fit=answer["key"])
    titles = [picture["title"] for picture in found["pictures"]]
    assert titles == ["Residuals", "Quantiles", "Spread", "Influence", "Calibration"]
    residuals = found["pictures"][0]
    assert residuals["of"] == residuals["drawn"] == answer["rowsUsed"]
    assert len(residuals["far"]) == 3
    # A straight line through three species: the report's concerns come along.
    assert any("shape" in concern["title"].lower() or "straight" in concern["text"].lower() for concern in found["concerns"])


def test_a_path_is_that_of_gl_path(talk, penguins_file):
    spec = model("body_mass_g", "flipper_length_mm", "bill_length_mm", "bill_depth_mm", penalty={"name": "lasso", "strength": "auto"})
    found = talk.ask("path", model=spec)
    own = gl.path("body_mass_g ~ flipper_length_mm + bill_length_mm + bill_depth_mm", str(penguins_file), choose="folds")
    assert found["strengths"] == own.strengths.tolist()
    assert found["strengths"][found["best"]] == own.best
    assert found["heldOut"]["mean"] == own.held_out.mean.tolist()


WRONG = {
    "nothing to explain": (model(""), "model, target", "choose a target"),
    "a column that is not there": (model("body_mass_g", "flippers"), "model, formula", "'flippers'"),
    "a number that is text": (model("species", "flipper_length_mm"), "", "species"),
    "an unknown loss": (model("body_mass_g", loss={"kind": "catalogue", "name": "hubert"}), "model, loss", "did you mean huber"),
    "a threshold below zero": (
        model("body_mass_g", loss={"kind": "catalogue", "name": "huber", "options": {"threshold": -1}}),
        "model, loss",
        "threshold",
    ),
    "a loss that no file has": (model("body_mass_g", loss={"kind": "file", "name": "os"}), "loss", "--loss mine.py:os"),
    "a term twice": (model("body_mass_g", "year", "year"), "model, terms, 1", "twice"),
    "a curve in an interaction": (model("body_mass_g", ["year", ("bill_length_mm", "spline")]), "model, terms, 0", "curve"),
    "clusters of nothing": (model("body_mass_g", "year", covariance="cluster"), "model, groups", "column"),
    "a negative strength": (model("body_mass_g", "year", penalty={"name": "ridge", "strength": -1}), "model, penalty", "strength"),
    "a malformed formula": ({"formula": "body_mass_g ~ (year"}, "model, formula", "("),
    "code for a formula": ({"formula": "body_mass_g ~ __import__('os').system('true')"}, "model, formula", "body_mass_g"),
    "a field that there is not": ({"target": "body_mass_g", "where": "1 = 1"}, "model, where", "Extra inputs"),
    "a logarithm of zero": ({"formula": "body_mass_g ~ log(year - 2007)"}, "model, formula", "row 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_fitted_is_a_problem_that_says_where(talk, case):
    spec, path, words = WRONG[case]
    found = talk.problem("fit", model=spec)
    assert found["path"] == path, found
    assert words in found["message"], found
    assert "Traceback" not in found["message"]


@pytest.mark.parametrize(
    "message", ["", "[", "[]", "1", "{}", '{"id": 1}', '{"id": "a", "ask": "fit"}', '{"id": 2, "ask": "fit"}', "[" * 50_000]
)
def test_a_message_that_is_none_is_a_problem_and_the_socket_stays_open(talk, message):
    talk.socket.send(message)
    answer = json.loads(talk.socket.recv(timeout=20))
    assert answer["problem"]["message"]
    assert talk.ask("columns", names=[])["columns"] == []


def test_a_fit_that_is_not_known_is_a_problem_of_the_fit(talk):
    for ask, more in (("effects", {}), ("diagnostics", {}), ("take", {"what": "python"}), ("predict", {"rows": [{}]})):
        assert talk.problem(ask, fit="none", **more)["path"] == "fit"


def test_the_same_question_has_the_same_key_and_is_not_fitted_again(talk):
    first, second = (talk.ask("fit", model=CASES["a line"][0]) for _ in range(2))
    assert first == second


# Older questions.


class Until:
    """A listener that has enough after some calls."""

    def __init__(self, calls):
        self.left = calls

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise listening.Stopped

    def told(self, *said):
        self.check()


@pytest.mark.parametrize("loss", ["absolute", "logistic", "log_cosh"])
def test_a_fit_ends_between_two_passes_when_nobody_listens(loss):
    random = np.random.default_rng(0)
    X = random.normal(size=(500, 3))
    y = (X[:, 0] + random.normal(size=500) > 0).astype(float)
    with pytest.raises(listening.Stopped), listening.heard_by(Until(1)):
        gl.fit(X, y, loss=loss)
    assert gl.fit(X, y, loss=loss).certificate.converged  # and leaves everything as it was


def test_a_pass_over_a_table_ends_between_two_batches(tmp_path):
    random = np.random.default_rng(0)
    table = pa.table({"x": random.normal(size=400_000), "y": random.normal(size=400_000)})
    pyarrow.parquet.write_table(table, tmp_path / "long.parquet", row_group_size=10_000)
    heard = Until(3)
    with pytest.raises(listening.Stopped), listening.heard_by(heard):
        gl.fit("y ~ x", tmp_path / "long.parquet")
    assert gl.fit("y ~ x", tmp_path / "long.parquet").rows_used == 400_000


def test_a_new_question_takes_the_place_of_the_older_ones_of_its_lane(talk):
    slow = model("body_mass_g", "flipper_length_mm", "bill_length_mm", loss={"kind": "catalogue", "name": "poisson"})
    slow["penalty"] = {"name": "lasso", "strength": "auto"}
    first = talk.send("path", lane="fit", model=slow)
    second = talk.send("path", lane="fit", model=slow)
    third = talk.send("fit", lane="fit", model=CASES["a line"][0])
    found = talk.receive(first, second, third)
    assert found[first] == {"id": first, "cancelled": True}
    assert found[second] == {"id": second, "cancelled": True}
    assert "answer" in found[third]


def test_a_question_can_be_given_up(talk):
    slow = model(
        "body_mass_g", "flipper_length_mm", loss={"kind": "catalogue", "name": "poisson"}, penalty={"name": "lasso", "strength": "auto"}
    )
    number = talk.send("path", model=slow)
    talk.socket.send(json.dumps({"cancel": number}))
    assert talk.receive(number)[number].get("cancelled")


def working(answer):
    """A desk whose answers are given by a function, and what it has said."""
    said = []
    desk = Desk(answer)
    return desk, Page(desk, said.append), said


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_pages_that_leave_stop_their_work_and_nobody_elses():
    begun, stopped = threading.Event(), []

    def answer(question):
        begun.set()
        if question.id == 2:
            return "done"
        try:
            while True:
                listening.check()
                time.sleep(0.001)
        except listening.Stopped:
            stopped.append(question.id)
            raise

    desk, leaving, said = working(answer)
    staying = Page(desk, said.append)
    question = read({"id": 1, "ask": "fit", "with": {"model": {}}})
    leaving.ask(question)
    begun.wait(5)
    staying.ask(Question(2, "fit", None, question.content))
    leaving.leave()
    until(lambda: {"id": 2, "answer": "done"} in said)
    assert stopped == [1]
    desk.close()


def test_whatever_an_answer_raises_is_a_problem_and_the_desk_goes_on():
    errors = [Problem("here", "wrong"), ValueError("a value"), MemoryError(), ZeroDivisionError(), RecursionError("deep")]

    def answer(question):
        if question.id < len(errors):
            raise errors[question.id]
        return "fine"

    desk, page, said = working(answer)
    content = read({"id": 0, "ask": "fit", "with": {"model": {}}}).content
    for number in range(len(errors) + 1):
        page.ask(Question(number, "fit", None, content))
    until(lambda: len(said) == len(errors) + 1)
    assert said[0]["problem"] == {"path": "here", "message": "wrong"}
    assert "memory" in said[2]["problem"]["message"]
    assert said[-1] == {"id": len(errors), "answer": "fine"}
    desk.close()


def test_two_pages_at_once_have_each_their_own(penguins_file):
    with serving(Studio(open_table(str(penguins_file)))) as server, Talk(enter(server)) as one, Talk(enter(server)) as two:
        numbers_of = {}
        for talk, case in ((one, "a line"), (two, "a curve")):
            numbers_of[talk] = talk.send("fit", lane="fit", model=CASES[case][0])
        for talk, formula in ((one, "body_mass_g ~ flipper_length_mm"), (two, "body_mass_g ~ s(flipper_length_mm)")):
            number = numbers_of[talk]
            assert talk.receive(number)[number]["answer"]["formula"] == formula


# Tables of all kinds.


def test_html_in_a_csv_is_text(tmp_path):
    place = tmp_path / "<b>bold.csv"
    script = "<script>alert(1)</script>"
    with place.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["y", script])
        writer.writerows([[i, "<img src=x onerror=alert(2)>" if i % 2 else "plain"] for i in range(20)])
    with talking(Studio(open_table(str(place)))) as talk:
        assert {"name": script, "kind": "text"} in talk.hello["table"]["columns"]
        (column,) = talk.ask("columns", names=[script])["columns"]
        assert {level["value"] for level in column["levels"]} == {"<img src=x onerror=alert(2)>", "plain"}
        answer = talk.ask("fit", model=model("y", (script, "factor")))
        assert script in answer["coefficients"][1]["name"]


def test_a_table_without_numbers_is_described_and_says_what_it_cannot():
    with talking(Studio(open_table({"a": ["x", "y", "x"], "b": [None, "u", "u"]}), DataPlace(None, python="data"))) as talk:
        a, b = talk.ask("columns", names=["a", "b"])["columns"]
        assert (a["missing"], b["missing"]) == (0, 1)
        assert "a" in talk.problem("fit", model=model("a", "b"))["message"]
        assert talk.ask("fit", model=model("a", loss={"kind": "catalogue", "name": "multinomial"}))["rowsUsed"] == 3


def test_a_wide_table_is_listed_and_described_in_parts():
    random = np.random.default_rng(0)
    wide = {f"x{j}": random.normal(size=50) for j in range(2000)} | {"y": random.normal(size=50)}
    with talking(Studio(open_table(wide))) as talk:
        assert len(talk.hello["table"]["columns"]) == 2001
        assert len(talk.ask("columns", names=[f"x{j}" for j in range(100)])["columns"]) == 100
        assert talk.problem("columns", names=[f"x{j}" for j in range(300)])["path"] == "names"
        assert talk.ask("fit", model=model("y", "x3", "x1999"))["rowsUsed"] == 50


@pytest.mark.parametrize("odd", [[1.0], [1.0, 1.0, 1.0], [float("nan")] * 3, [float("inf"), 1.0, 2.0], [1e308, -1e308, 0.0]])
def test_odd_columns_are_described(odd):
    with talking(Studio(open_table({"x": np.array(odd)}))) as talk:
        (column,) = talk.ask("columns", names=["x"])["columns"]
        assert column["rows"] == len(odd)


def test_a_table_without_rows_is_described(tmp_path):
    (tmp_path / "none.csv").write_text("a,b\n")
    with talking(Studio(open_table(str(tmp_path / "none.csv")))) as talk:
        assert [column["rows"] for column in talk.ask("columns", names=["a", "b"])["columns"]] == [0, 0]
        assert talk.problem("fit", model=model("a", "b"))["message"]


def test_without_a_table_questions_about_one_are_problems():
    with talking(Studio()) as talk:
        assert "no table" in talk.problem("fit", model=model("y", "x"))["message"]
        assert "no table" in talk.problem("columns", names=["y"])["message"]


# Columns held in memory.


def long_table(tmp_path, kind):
    random = np.random.default_rng(1)
    n = 60_000
    table = pa.table(
        {
            "y": random.normal(size=n),
            "x": pa.array([None if value > 2.5 else value for value in random.normal(size=n)]),
            "g": pa.array(random.choice(["a", "b", "c"], size=n)).dictionary_encode(),
            "k": random.integers(0, 9, size=n),
        }
    )
    if kind == "parquet":
        pyarrow.parquet.write_table(table, tmp_path / "long.parquet", row_group_size=7_000)
        return str(tmp_path / "long.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "long.csv")
    return str(tmp_path / "long.csv")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("formula", ["y ~ x + C(g)", "y ~ C(k) + s(x)"])
def test_held_columns_give_the_same_bits(tmp_path, kind, formula):
    place = long_table(tmp_path, kind)
    table, store = open_table(place), ColumnStore()
    held = Table(HeldSource(table.source, store))
    hold(held, store, ["y", "x", "g", "k"])
    assert store.absent(["y", "x", "g", "k"]) == []
    assert held.columns == table.columns
    own, kept = (gl.fit(formula, source, loss=gl.losses.huber(1.0), covariance="default") for source in (place, held))
    assert kept.coefficients.tolist() == own.coefficients.tolist()
    assert kept.standard_errors.tolist() == own.standard_errors.tolist()
    assert kept.rows_dropped == own.rows_dropped


def test_columns_that_are_too_large_are_read_as_everywhere(tmp_path):
    place = long_table(tmp_path, "parquet")
    table, store = open_table(place), ColumnStore(most_bytes=500_000)
    held = Table(HeldSource(table.source, store))
    hold(held, store, ["y", "x"])
    assert store.absent(["y", "x"]) == ["y", "x"]
    assert gl.fit("y ~ x", held).coefficients.tolist() == gl.fit("y ~ x", place).coefficients.tolist()


def test_a_csv_is_read_once_whichever_columns_are_asked_for(tmp_path):
    table, store = open_table(long_table(tmp_path, "csv")), ColumnStore()
    hold(Table(HeldSource(table.source, store)), store, ["y", "x"])
    assert store.absent(table.schema.names) == []
    parquet = open_table(long_table(tmp_path, "parquet"))
    hold(Table(HeldSource(parquet.source, store := ColumnStore())), store, ["y", "x"])
    assert store.absent(parquet.schema.names) == [name for name in parquet.schema.names if name not in ("y", "x")]


def test_a_faulty_column_of_a_csv_stands_in_the_way_of_no_other(tmp_path):
    place = tmp_path / "faulty.csv"
    place.write_text("y,x,z\n" + "".join(f"{i % 7},{i % 11},{i % 5 if i < 60_000 else 'none of it'}\n" for i in range(60_010)))
    with talking(Studio(open_table(str(place)), DataPlace(str(place)))) as talk:
        assert numbers(talk.ask("fit", model=model("y", "x"))).tolist() == gl.fit("y ~ x", str(place)).coefficients.tolist()
        assert "none of it" in talk.problem("fit", model=model("y", "z"))["message"]
        assert (
            numbers(talk.ask("fit", model=model("y", "x", intercept=False))).tolist()
            == gl.fit("y ~ x - 1", str(place)).coefficients.tolist()
        )


def test_the_columns_least_recently_asked_for_are_let_go(tmp_path):
    table, store = open_table(long_table(tmp_path, "parquet")), ColumnStore(most_bytes=1_100_000)
    held = Table(HeldSource(table.source, store))
    for names in (["y", "x"], ["k"], ["y"]):
        hold(held, store, names)
    assert store.absent(["y", "k"]) == []
    assert store.absent(["x"]) == ["x"]


# Losses of a file.


def test_a_loss_of_a_file_is_fitted_and_read_anew_after_an_edit(tmp_path, penguins_file):
    from gradline.cli.options import read_own_loss

    place = tmp_path / "edited_loss.py"
    place.write_text("import jax.numpy as jnp\n\ndef loss(y, p):\n    return jnp.square(y - p)\n")
    own = FileLoss(str(place), "loss", lambda: read_own_loss(f"{place}:loss", "--loss"))
    spec = model("body_mass_g", "flipper_length_mm", loss={"kind": "file", "name": "loss"})
    with talking(Studio(open_table(str(penguins_file)), DataPlace(str(penguins_file)), [own])) as talk:
        assert talk.hello["losses"] == [{"file": str(place), "name": "loss"}]
        answer = talk.ask("fit", model=spec)
        least = gl.fit("body_mass_g ~ flipper_length_mm", str(penguins_file))
        np.testing.assert_allclose(numbers(answer), least.coefficients, rtol=1e-12)
        assert "from edited_loss import loss" in talk.ask("take", fit=answer["key"], what="python")["text"]
        assert f"--loss-from {place}:loss" in talk.ask("take", fit=answer["key"], what="command")["text"]
        place.write_text("import jax.numpy as jnp\n\ndef loss(y, p):\n    raise RuntimeError('the cat sat on ' + jnp.__name__)\n")
        assert "the cat sat on jax.numpy" in talk.problem("fit", model=spec)["message"]
        place.write_text("raise RuntimeError('at the door')\n")
        assert "at the door" in talk.problem("fit", model=spec)["message"]
        place.write_text("def other(y, p):\n    return (y - p) ** 2\n")
        assert "no function 'loss'" in talk.problem("fit", model=spec)["message"]
        place.write_text("import jax.numpy as jnp\n\ndef loss(y, p):\n    return 3.0 * jnp.square(y - p)\n")
        again = talk.ask("fit", model=spec)
        assert again["objective"] == pytest.approx(3.0 * answer["objective"], rel=1e-12)


# From Python.


def test_gl_studio_shows_a_fit_with_its_rows_and_without():
    fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS)
    with gl.studio(fit, port=0) as alone:
        page = httpx.get(alone.url).headers["location"]
        with Talk(f"http://127.0.0.1:{alone.port}{page}") as talk:
            given = talk.hello["given"]
            assert numbers(given).tolist() == fit.table()["coefficient"]
            assert talk.ask("effects", fit="given", variables=["flipper_length_mm"])["rows"]
            assert "data=" in talk.problem("diagnostics", fit="given")["message"]
            assert "Python" in talk.problem("take", fit="given", what="python")["message"]
    with gl.studio(fit, data=PENGUINS, port=0) as beside:
        page = httpx.get(beside.url).headers["location"]
        with Talk(f"http://127.0.0.1:{beside.port}{page}") as talk:
            assert len(talk.ask("diagnostics", fit="given")["pictures"]) == 5


def test_gl_studio_takes_tables_and_pairs_and_shows_itself_in_a_notebook():
    x, y = gl.datasets.line(seed=1)
    with gl.studio((x, y), port=0) as studio:
        assert studio._repr_html_().startswith("<iframe ")
        first, second = studio.url, studio.url
        assert first != second
        assert f"127.0.0.1:{studio.port}" in repr(studio)
        page = httpx.get(first)
        policy = httpx.get(f"http://127.0.0.1:{studio.port}{page.headers['location']}").headers["content-security-policy"]
        assert "frame-ancestors" not in policy
    studio.close()
    assert "closed" in repr(studio)
    with pytest.raises(ValueError, match="closed"):
        studio.url


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((np.zeros((3, 2)), np.zeros((3, 2))),), "a pair is"),
        ((3,), "no table"),
    ],
)
def test_gl_studio_refuses_what_is_no_table(arguments, words):
    with pytest.raises(TypeError, match=words):
        gl.studio(*arguments, port=0)


def test_gl_studio_refuses_what_does_not_go_together():
    with pytest.raises(TypeError, match="loss must be a function"):
        gl.studio(PENGUINS, loss="huber", port=0)
    with pytest.raises(TypeError, match="data= goes with a fit"):
        gl.studio(PENGUINS, data=PENGUINS, port=0)
    with pytest.raises(ValueError, match="port must be"):
        gl.studio(PENGUINS, port=-1)


# A file that changes.


def test_a_changed_file_is_said_and_read_anew_by_a_page_that_is_loaded_again(tmp_path):
    place = tmp_path / "rows.csv"

    def write(slope):
        place.write_text("x,y\n" + "".join(f"{i},{slope * i + i % 3}\n" for i in range(40 + slope)))
        return gl.fit("y ~ x", str(place)).coefficients.tolist()

    before = write(2)
    studio = Studio(open_table(str(place)), DataPlace(str(place)), reopen=lambda: open_table(str(place)))
    with serving(studio) as server:
        page = enter(server)
        with Talk(page) as talk:
            assert numbers(talk.ask("fit", model=model("y", "x"))).tolist() == before
            after = write(5)
            said = talk.problem("fit", model=model("y", "x", intercept=False))["message"]
            assert "has changed since it was read: load this page again" in said
        with Talk(page) as talk:
            assert talk.hello["table"]["name"] == str(place)
            assert numbers(talk.ask("fit", model=model("y", "x"))).tolist() == after


def test_what_is_wrong_with_a_row_typed_in_is_said_in_words_of_a_form(talk):
    fit = talk.ask("fit", model=model("body_mass_g", "flipper_length_mm", ("species", "factor")))["key"]
    rows = [{"flipper_length_mm": "abc", "species": "Gentoo"}]
    assert "'flipper_length_mm' holds numbers, and 'abc' is none" in talk.problem("predict", fit=fit, rows=rows, interval=None)["message"]
    rows = [{"flipper_length_mm": 200, "species": "Emperor"}]
    for interval in (None, "prediction"):
        said = talk.problem("predict", fit=fit, rows=rows, interval=interval)["message"]
        assert "'Emperor', a level that was not there" in said
        assert "row" not in said
        assert "unseen" not in said


def test_a_backquote_in_a_name_is_refused_and_a_note_is_said_once():
    table = {"a`b": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 2.0], **{f"x{j}": np.random.default_rng(j).normal(size=3) for j in range(5)}}
    with talking(Studio(open_table(table))) as talk:
        assert "holds a backquote" in talk.problem("fit", model=model("y", "a`b"))["message"]
        answer = talk.ask("fit", model=model("y", *(f"x{j}" for j in range(5))))
        texts = [one["text"] for one in answer["warnings"]]
        assert sum("Fewer rows than coefficients" in text for text in texts) == 1
