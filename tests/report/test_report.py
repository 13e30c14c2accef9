"""What a report says: warnings first and only where they are due, every number from the fit, nothing a user wrote taken for markup."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

import gradline as gl
from gradline.report import Report, build

COMMAND = str(Path(sys.executable).with_name("gradline"))
VOID = {"meta", "img", "br", "wbr"}


class Page(HTMLParser):
    """The text of each element by its tag, the tree checked for balance."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.tags = [], [], set()
        self.feed(text.replace("<wbr>", ""))  # where a long name may break, not where it ends
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.found.append((tag, dict(attributes), []))
        if tag not in VOID:
            self.open.append(len(self.found) - 1)

    def handle_endtag(self, tag):
        assert self.found[self.open.pop()][0] == tag

    def handle_data(self, data):
        for place in self.open:
            self.found[place][2].append(data)

    def texts(self, tag, **attributes):
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [" ".join(" ".join(text).split()) for name, own, text in self.found if name == tag and wanted.items() <= own.items()]


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    return {"a": x[:, 0], "b": x[:, 1], "y": 3 + x @ [1, -2] + rng.normal(size=200)}


def concerns(formula, data, **more):
    report = gl.fit(formula, data, **{"covariance": "default", **more}).report(data)
    return {concern.title: concern for concern in report.concerns}


def test_a_sound_model_has_no_warning_and_says_so(sound):
    report = gl.fit("y ~ a + b", sound).report(sound)
    assert report.concerns == ()
    assert "No warning: nothing below stands out." in Page(report.html).texts("p")


def test_the_sections_come_in_the_order_a_reader_needs(sound):
    page = Page(gl.fit("y ~ a + b", sound).report(sound).html)
    assert page.texts("h1") == ["Linear model of y"]
    assert page.texts("h2") == [
        "Before you use this model",
        "What was fitted",
        "Coefficients",
        "How well it fits",
        "Diagnostics",
        "Tests and collinearity",
        "Rows that matter most",
    ]
    assert "script" not in page.tags
    assert [text.split(" ")[0] for text in page.texts("figcaption")] == [
        "The",
        "Intervals",
        "Residuals",
        "Quantiles",
        "Spread",
        "Influence",
        "Calibration",
        "Partial",
    ]
    assert all(
        attributes["alt"] and attributes["src"].startswith("data:image/svg+xml;base64,")
        for tag, attributes, _ in page.found
        if tag == "img"
    )


def test_the_numbers_are_those_of_statsmodels(sound):
    reference = sm.OLS(sound["y"], sm.add_constant(np.column_stack([sound["a"], sound["b"]]))).fit()
    page = Page(gl.fit("y ~ a + b", sound).report(sound).html)
    cells = page.texts("td")
    for number in (*reference.params, *reference.conf_int().ravel()):
        assert any(cell == f"{number:.5f}" or cell == f"{number:.4f}" for cell in cells), number
    measured = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    assert measured["R-squared"].startswith(f"{reference.rsquared:.4g},")
    assert measured["AIC"] == f"{reference.aic:.6g}"
    assert measured["residual standard error"] == f"{np.sqrt(reference.scale):.4g}"
    assert measured["all slopes zero?"].startswith(f"F = {reference.fvalue:.6g} on 2 and 197 degrees of freedom")
    from statsmodels.stats.stattools import durbin_watson

    assert measured["Durbin-Watson"].startswith(f"{durbin_watson(reference.resid):.4g}.")
    influence = reference.get_influence()
    worst = int(np.argmax(influence.cooks_distance[0]))
    row = next(text for text in page.texts("tr") if text.startswith(f"{worst} "))
    assert row.endswith(f"{influence.hat_matrix_diag[worst]:.3g} {influence.cooks_distance[0][worst]:.3g}")


def test_a_spread_that_changes_is_serious_until_the_errors_allow_for_it(sound):
    data = {**sound, "y": sound["a"] + np.exp(sound["b"]) * np.random.default_rng(1).normal(size=200)}
    found = concerns("y ~ a + b", data)["The spread changes (heteroscedasticity)"]
    assert found.level == "serious"
    assert found.code == ('covariance="HC3"',)
    assert concerns("y ~ a + b", data, covariance="HC3")["The spread changes"].level == "note"


def test_influential_rows_are_named(sound):
    data = {name: values.copy() for name, values in sound.items()}
    data["a"][17], data["y"][17] = 9.0, -20.0
    found = concerns("y ~ a + b", data)["1 influential row"]
    assert found.level == "serious"
    assert "row 17 (" in found.text
    # A row left out before it does not shift its number.
    data["b"][3] = np.nan
    assert "row 17 (" in concerns("y ~ a + b", data)["1 influential row"].text


def test_collinear_columns_are_named(sound):
    data = {**sound, "again": sound["a"] + 0.05 * np.random.default_rng(2).normal(size=200)}
    found = concerns("y ~ a + b + again", data)["Collinear columns"]
    assert "again (" in found.text
    assert " a (" in found.text
    assert " b (" not in found.text


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_redundant_columns_and_rows_left_out_are_named(sound):
    data = {**sound, "double": 2 * sound["a"], "y": np.where(np.arange(200) < 30, np.nan, sound["y"])}
    found = concerns("y ~ a + b + double", data)
    assert found["Columns left out as redundant"].text.startswith("double:")
    dropped = found["30 rows left out of the fit"]
    assert dropped.level == "serious"
    assert "15% of the rows: 30 (y missing)" in dropped.text


def test_a_bend_and_neighbours_that_are_alike_are_seen(sound):
    bent = {**sound, "y": sound["y"] + 0.3 * (sound["a"] - 2 * sound["b"]) ** 2}
    assert "A bend is left (misspecification)" in concerns("y ~ a + b", bent)
    drift = {**sound, "y": sound["y"] + 2 * np.sin(np.arange(200) / 10)}
    found = concerns("y ~ a + b", drift)["Neighbouring rows are alike"]
    assert any("newey-west" in code for code in found.code)


def test_counts_that_vary_too_much_are_seen(sound):
    rng = np.random.default_rng(3)
    data = {**sound, "y": rng.negative_binomial(1, 1 / (1 + np.exp(0.5 + 0.3 * sound["a"]))).astype(float)}
    assert concerns("y ~ a", data, loss="poisson")["More spread than a Poisson count has (overdispersion)"].level == "serious"
    plain = {**sound, "y": rng.poisson(np.exp(0.5 + 0.3 * sound["a"])).astype(float)}
    assert concerns("y ~ a", plain, loss="poisson") == {}


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_a_fit_without_a_minimum_is_serious(sound):
    separated = {**sound, "y": (sound["a"] > 0).astype(float)}
    report = gl.fit("y ~ a", separated, loss="logistic").report(separated)
    assert (report.concerns[0].level, report.concerns[0].title) == ("serious", "The fit did not converge")
    stopped = gl.fit("y ~ a + b", sound, solver=gl.GradientDescent(0.01, steps=5))
    assert stopped.report(sound).concerns[0].title == "The fit did not converge"


def test_a_row_with_a_coefficient_to_itself_is_named(sound):
    data = {**sound, "g": np.array(["usual"] * 199 + ["once"])}
    assert "row 199" in concerns("y ~ a + C(g)", data)["A row with a coefficient to itself"].text


def test_on_new_data_the_page_says_so_and_leaves_out_what_is_of_the_fit(sound):
    rng = np.random.default_rng(4)
    new = {"a": rng.normal(size=50), "b": rng.normal(size=50), "y": rng.normal(size=50)}
    report = gl.fit("y ~ a + b", sound).report(new)
    assert [(concern.level, concern.title) for concern in report.concerns] == [("note", "On new data")]
    page = Page(report.html)
    assert "looked at on the data given" in page.texts("p")
    assert "Rows that matter most" not in page.texts("h2")
    assert not any(text.startswith(("Influence", "Partial")) for text in page.texts("figcaption"))
    assert any(text.startswith("Calibration") for text in page.texts("figcaption"))


@pytest.mark.parametrize(
    ("loss", "pictures"),
    [
        ("logistic", ["The", "Intervals", "Residuals", "Quantiles", "Spread", "Influence", "Calibration", "ROC"]),
        ("gamma", ["The", "Intervals", "Residuals", "Quantiles", "Spread", "Influence", "Calibration"]),
        (gl.losses.quantile(0.8), ["The", "Intervals", "Residuals", "Quantiles", "Spread", "Influence", "Calibration"]),
        (gl.losses.huber(1.0), ["The", "Intervals", "Residuals", "Quantiles", "Spread", "Influence"]),
        ("multinomial", ["The", "Intervals", "Calibration", "ROC"]),
    ],
)
def test_each_loss_gets_the_pictures_that_mean_something_for_it(sound, loss, pictures):
    y = {"logistic": sound["y"] > 3, "gamma": np.exp(0.2 * sound["y"]), "multinomial": np.digitize(sound["y"], [2, 4])}
    x = np.column_stack([sound["a"], sound["b"]])
    target = y.get(loss, sound["y"]).astype(float) if isinstance(loss, str) else sound["y"]
    page = Page(gl.fit(x, target, loss=loss).report(x, target).html)
    assert [text.split(" ")[0] for text in page.texts("figcaption")] == pictures


def test_what_users_call_their_columns_is_text(sound):
    names = ["<script>alert(1)</script>", '" onload="x', "&amp;", "cost in $ or $\\frac{"]
    rng = np.random.default_rng(5)
    data = {name: rng.normal(size=200) for name in names} | {"<b>y</b>": sound["y"]}
    report = gl.fit(data, target="<b>y</b>", features=names).report(data, name="<i>data</i>")
    page = Page(report.html)
    assert not {"script", "b", "i"} & page.tags
    assert page.texts("h1") == ["Linear model of <b>y</b>"]
    assert all(any(name in text for text in page.texts("th")) for name in names)


def test_the_same_fit_gives_the_same_page(sound):
    fit = gl.fit("y ~ a + b", sound)
    # Midnight may come between the two.
    first, second = (re.sub(r"\d{4}-\d\d-\d\d", "a day", fit.report(sound).html) for _ in range(2))
    assert first == second


def test_a_notebook_shows_it_in_a_frame_and_no_figure_is_left_open(sound, tmp_path):
    import matplotlib.pyplot as plt

    report = gl.fit("y ~ a + b", sound).report(sound, path=tmp_path / "report.html")
    assert report._repr_html_().startswith('<iframe title="Report of a gradline fit" sandbox srcdoc="&lt;!doctype html&gt;')
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.html
    assert plt.get_fignums() == []  # none was open before: tests/conftest.py closes what a test leaves


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.html.txt"])
def test_a_report_is_written_under_the_name_of_a_page_only(sound, tmp_path, name):
    fit = gl.fit("y ~ a + b", sound)
    for write in (lambda: fit.report(sound, path=tmp_path / name), lambda: Report((), "<p>").save(str(tmp_path / name))):
        with pytest.raises(ValueError, match=r"a report is written as HTML, which '.*' is not the name of; write '.*\.html'"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_rows_beyond_memory_give_the_same_warnings_and_numbers(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    import gradline.preparing.from_table

    rng = np.random.default_rng(6)
    x = rng.normal(size=20_000)
    data = {"x": x, "y": x + rng.normal(size=20_000) * np.exp(0.3 * x)}
    data["x"][11], data["y"][11] = 60.0, -200.0
    pq.write_table(pa.table(data), tmp_path / "rows.parquet")
    held = gl.fit("y ~ x", data).report(data, name="rows")
    monkeypatch.setattr(gradline.preparing.from_table, "MOST_HELD", 1000)
    fit = gl.fit("y ~ x", tmp_path / "rows.parquet", covariance="classical")
    streamed = fit.report(tmp_path / "rows.parquet", name="rows")
    assert [concern.title for concern in streamed.concerns] == [concern.title for concern in held.concerns]
    assert "1 influential row" in [concern.title for concern in streamed.concerns]
    assert [row for row in Page(streamed.html).texts("tr") if row.startswith("11 ")] == [
        row for row in Page(held.html).texts("tr") if row.startswith("11 ")
    ]
    assert any("5,000 of 20,000 rows" in attributes.get("alt", "") for _, attributes, _ in Page(streamed.html).found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1.0], "y": [1.0]}, "no column 'b'"),
        ({"a": [1.0], "b": [1.0]}, "no column 'y'"),
        ({"a": [np.nan], "b": [1.0], "y": [1.0]}, "row"),
    ],
)
def test_data_that_does_not_go_with_the_model_is_refused(sound, data, message):
    fit = gl.fit("y ~ a + b", sound)
    with pytest.raises(ValueError, match=message):
        build(fit, {name: np.array(values) for name, values in data.items()})


@pytest.fixture
def folder(tmp_path, sound):
    rows = np.column_stack([sound["a"], sound["b"], sound["y"]])
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,y", comments="")
    gl.fit("y ~ a + b", tmp_path / "rows.csv").save(tmp_path / "model.json")
    return tmp_path


def call(*arguments, folder):
    return subprocess.run([COMMAND, "report", *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=folder)


def test_the_command_writes_the_page_and_says_what_to_look_at(folder):
    result = call("model.json", "rows.csv", "--out", "page.html", folder=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "report written: page.html\n", "")
    page = Page((folder / "page.html").read_text(encoding="utf-8"))
    assert "fitted to rows.csv" in page.texts("p")
    result = call("model.json", "rows.csv", "--where", "a > 0", folder=folder)
    assert result.stdout == "report written: report.html\n  note: On new data\n"
    assert "looked at on rows.csv where a > 0" in Page((folder / "report.html").read_text(encoding="utf-8")).texts("p")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["model.json"], 2, "give the rows the model was fitted to"),
        (["model.json", "rows.csv", "--out", "model.json"], 2, "--out must end in .html or .htm"),
        (["model.json", "rows.csv", "--out", "folder.html"], 1, "is a folder"),
        (["model.json", "rows.csv", "--out", "nowhere/page.html"], 1, "there is no folder 'nowhere'"),
        (["model.json", "link.html", "--out", "link.html"], 2, "is what is read"),
        (["model.json", "nothing.csv"], 1, "nothing.csv"),
        (["model.json", "other.csv"], 1, "no column 'b'"),
        (["model.json", "rows.csv", "--weights", "w"], 1, "no column 'w'"),
        (["rows.csv", "rows.csv"], 1, "not a model file"),
        (["model.json", "rows.csv", "--loss-from", "own.py:late"], 1, "gradline's own 'squared'"),
    ],
)
def test_the_command_refuses_in_one_line(folder, arguments, code, words):
    (folder / "folder.html").mkdir()
    (folder / "link.html").symlink_to(folder / "rows.csv")
    (folder / "other.csv").write_text("a,y\n1,2\n")
    (folder / "own.py").write_text("def late(y, prediction):\n    return (y - prediction) ** 2\n")
    before = sorted(path.name for path in folder.iterdir())
    result = call(*arguments, folder=folder)
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert words in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_loss_of_one_s_own_is_given_again(folder):
    pytest.importorskip("jax")  # which is imported several times faster than the others, here by two processes
    lines = ["import jax.numpy as jnp", "", "def late(y, prediction):", "    r = y - prediction"]
    (folder / "own.py").write_text("\n".join([*lines, "    return jnp.where(r > 0, 3.0 * jnp.square(r), jnp.square(r))\n"]))
    fit = [COMMAND, "fit", "rows.csv", "y ~ a + b", "--loss-from", "own.py:late", "--out", "own.json"]
    assert subprocess.run(fit, capture_output=True, text=True, timeout=120, cwd=folder).returncode == 0
    refused = call("own.json", "rows.csv", folder=folder)
    assert refused.returncode == 2
    assert "--loss-from FILE.py:late" in refused.stderr
    result = call("own.json", "rows.csv", "--loss-from", "own.py:late", folder=folder)
    assert result.returncode == 0, result.stderr
    assert "report written" in result.stdout


@pytest.mark.parametrize("how", ["auto", "leave-one-out", "path"])
def test_a_strength_that_was_chosen_has_the_pictures_of_its_path(sound, how):
    if how == "path":
        path = gl.path("y ~ a + b", sound, strengths=10, choose="folds")
        fit = path.fit(path.within_one_error)
    else:
        fit = gl.fit("y ~ a + b", sound, penalty=gl.penalties.lasso(how))
    page = fit.report(sound).html
    assert "The path" in page
    assert "the strongest within one standard error of it" in page
    assert page.count("The mean loss of rows held out") == 1
    assert "The path" not in gl.fit("y ~ a + b", sound, penalty=gl.penalties.lasso(0.1)).report(sound).html


def test_intervals_after_selection_are_no_missing_standard_errors(sound):
    for kind in ("selective", "debiased"):
        report = gl.fit("y ~ a + b", sound, penalty=gl.penalties.lasso(0.3), covariance=kind).report(sound)
        assert "No standard errors" not in {concern.title for concern in report.concerns}
        assert {"selective": "Lee, Sun, Sun and Taylor", "debiased": "one Newton step"}[kind] in report.html
