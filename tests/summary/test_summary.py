"""What a fit says of itself: in a terminal, in a notebook, through a pipe, and as a table."""

import dataclasses
import io
import math
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import gradline as gl
from gradline.api.result import Fit
from gradline.base.numbers import column, duration, probability, visible
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.inference import Inference, infer
from gradline.inference.statistics import FitStatistics
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.protocol import Certificate, Solution
from gradline.summary.content import MOST_ROWS

WIDTH = 80
VOID = {"br", "hr", "img", "meta", "input", "col"}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def with_errors(fitted):
    """The fit as if to 100 rows, with standard errors of about a hundredth of its coefficients."""
    b = fitted.solution.coefficients
    errors = (np.abs(b) * 0.0123456 + 1e-4).T.ravel()
    found = Covariance("classical", "s^2 (X'X)^-1", np.diag(errors), b.shape, np.ones(errors.size, dtype=bool), 97.0)
    one = np.ones(1)
    totals = FitStatistics(100, 100.0, 100.0, 3, 3.0, 97.0, "squared", 2.0, True, True, False, 2 * one, 8 * one, one, -142.5, None)
    return dataclasses.replace(fitted, uncertainty=Inference(totals, found, None, notes=("a note on the errors",)))


class Balanced(HTMLParser):
    """Raises AssertionError for HTML whose elements do not nest, and gathers its text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.words, self.cells, self.row = [], [], [], 0
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert tag in {"div", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td"}, tag
        assert {name for name, _ in attributes} <= {"class", "style", "scope"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def made_fit(names, coefficients, loss="squared", **changes):
    """A Fit with the coefficients given, (P, k), whatever they are."""
    coefficients = np.asarray(coefficients, dtype=float)
    targets = changes.pop("target_names", tuple(f"y{j + 1}" for j in range(coefficients.shape[1])) if coefficients.shape[1] > 1 else ("y",))
    solution = Solution(coefficients, 1.5, "least_squares", Certificate(True, 1e-17, "normal equations solved"), 1)
    solution = dataclasses.replace(solution, **changes.pop("solution", {}))
    return Fit(tuple(names), targets, gl.losses.by_name(loss), solution, 100, {}, **changes)


def flat(summary):
    """The text on one line, however it was wrapped."""
    return " ".join(str(summary).split())


def columns_of_text(text):
    return max(cell_len(line) for line in text.splitlines())


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(5)
    X = random.normal(size=(300, 3))
    X = np.c_[X, X[:, 0] - X[:, 2]]
    weights = np.ones(300)
    weights[:7] = 0
    return X, 1.0 + X[:, :3] @ [2.0, -30.0, 0.04] + 0.1 * random.normal(size=300), weights


@pytest.fixture(scope="module")
def fit(rows):
    X, y, weights = rows
    with pytest.warns(gl.GradlineWarning, match="left out"):
        return gl.fit(X, y, names=["age", "pay", "hours", "age less hours"], weights=weights)


def test_the_text_holds_what_a_reader_asks_for(fit):
    text = str(fit.summary())
    for expected in (
        "Linear model of y",
        "y ~ age + pay + hours + age less hours",
        "squared",
        "change of the mean of y",
        "least squares: squared loss is solved exactly",
        "293 used, 7 left out (weight zero: 7)",
        "earlier columns determine it",
        "root mean squared residual",
        "converged yes",
        "passes over the rows",
    ):
        assert expected in flat(fit.summary())
    assert re.search(r"^pay +-(29\.9|30\.0)\d* +\d", text, re.MULTILINE)
    assert re.search(r"^age less hours +left out$", text, re.MULTILINE)
    assert columns_of_text(text) <= WIDTH
    assert not CONTROL.search(text)
    assert text.isascii()
    assert all(line == line.rstrip() for line in text.splitlines())


def test_without_errors_the_digits_have_a_column(rows):
    X, y, _ = rows
    text = str(gl.fit(X[:, :3], y, names=["age", "pay", "hours"], covariance=False).summary())
    assert re.search(r"^pay +-(29\.9|30\.0)\d* +1\d$", text, re.MULTILINE)
    assert "errors none: none were wanted (covariance=False): ask for them with gl.fit" in flat(text)


def test_the_slopes_together(rows):
    statsmodels = pytest.importorskip("statsmodels.api")
    X, y, _ = rows
    theirs = statsmodels.OLS(y, statsmodels.add_constant(X[:, :3])).fit()
    text = flat(gl.fit(X[:, :3], y).summary())
    assert f"slopes all zero? F(3, {len(y) - 4}) = {theirs.fvalue:.6g}, p " in text
    assert "slopes all zero? chi-squared(3) = " in flat(gl.fit(X[:, :3], y, loss="log_cosh").summary())


def test_printed_and_shown_through_a_pipe_is_the_text(fit, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")
    summary = fit.summary()
    print(summary)
    summary.show()
    assert capsys.readouterr().out == 2 * f"{summary}\n"
    assert repr(summary) == str(summary)


def test_numbers_that_are_shown_are_those_of_the_fit(fit):
    text = str(fit.summary())
    for name, value in zip(fit.names[:-1], fit.coefficients[:-1], strict=True):
        shown = re.search(rf"^{name} +(\S+)", text, re.MULTILINE)[1]
        assert float(shown) == pytest.approx(value, rel=1e-3)
    assert f"mean loss {fit.loss:.6g}" in text


def test_a_formula_takes_the_place_of_the_columns():
    pytest.importorskip("pyarrow")
    from gradline.formulas.formula import parse

    kinds = {"y": "number", "x": "number", "z": "number"}
    one = parse("log(y) ~ x + z", kinds).learn({})
    two = parse({"mean": "y ~ x + z", "log_scale": "~ z"}, kinds).learn({})
    assert "formula log(y) ~ x + z" in flat(made_fit(one.names, np.ones((3, 1)), encoder=one).summary())
    both = made_fit(two.names, np.ones((3, 2)), "normal", target_names=("y",), encoder=two)
    assert "formula mean: y ~ x + z; log_scale: ~ z" in flat(both.summary())
    assert both.table()["name"] == ["Intercept", "x", "z", "Intercept", "z"]
    assert str(both.summary()).count("\nx ") == 1


def test_models_of_other_shapes():
    assert "model y ~ x - 1" in flat(made_fit(["x"], [[1.0]]).summary())
    assert "model y ~ 1" in flat(made_fit(["Intercept"], [[1.0]]).summary())
    many = made_fit([f"x{j}" for j in range(1000)], np.ones((1000, 1)))
    text = str(many.summary())
    assert "... 989 more" in flat(many.summary())
    assert f"... and {1000 - MOST_ROWS} more" in text
    assert text.count("\n") < MOST_ROWS + 40
    assert len(many.table()) == 1000


def test_a_block_for_each_linear_predictor(rows):
    X, y, _ = rows
    text = str(gl.fit(X[:, :3], y, loss="normal").summary())
    assert text.index("\nmean\n") < text.index("\nlog_scale\n")
    assert text.count("\nIntercept ") == 2
    assert "root mean squared" not in text
    targets = str(gl.fit(X[:, :3], np.c_[y, -y]).summary())
    assert "y1, y2 ~ x1 + x2 + x3" in targets
    assert targets.count("\nx3 ") == 2


def test_a_predictor_that_is_one_number_has_one_coefficient(rows):
    X, y, _ = rows
    fitted = gl.fit(X[:, :3], y, loss=gl.losses.huber(1.35, scale="joint"))
    assert str(fitted.summary()).count("\nx3 ") == 1
    assert fitted.table()["predictor"] == ["location"] * 4 + ["scale"]


def test_what_does_not_exist_is_absent(rows):
    X, _, _ = rows
    y = np.random.default_rng(0).poisson(2.0, size=len(X))
    text = str(gl.fit(X[:, :3], y, loss="poisson").summary())
    for absent in ("R-squared", "residual", "digits", "penalty", "left out", "learning rate", "dispersion"):
        assert absent not in text
    text = str(gl.fit(X[:, :3], y, loss=gl.losses.huber(1.0)).summary())
    for absent in ("R-squared", "deviance", "likelihood", "AIC", "dispersion"):
        assert absent not in text


def test_a_penalty_is_told_apart_from_the_loss(rows):
    X, y, _ = rows
    fitted = gl.fit(X[:, :3], y, penalty=gl.penalties.ridge(0.25))
    text = flat(fitted.summary())
    mean = np.mean((y - fitted.predict(X[:, :3])) ** 2)
    assert "ridge(strength=0.25); the intercept is not penalised" in text
    assert f"mean loss {mean:.6g}; with the penalty {fitted.loss:.6g}" in text
    assert f"root mean squared residual {math.sqrt(mean):.6g}" in text


@pytest.mark.parametrize(
    ("arguments", "solver"),
    [
        ({}, "least squares: squared loss is solved exactly"),
        ({"loss": "log_cosh"}, "Newton: the loss is smooth"),
        ({"solver": gl.Newton()}, "Newton: your choice"),
        ({"loss": "absolute", "solver": gl.GradientDescent(steps=20)}, "gradient descent: your choice"),
    ],
)
def test_why_the_solver(rows, arguments, solver):
    X, y, _ = rows
    text = str(gl.fit(X[:, :1], y, **arguments).summary())
    assert solver in text
    assert ("learning rate" in text) == ("gradient descent" in solver)


def test_the_reason_for_a_solver_of_many_coefficients_or_none():
    many = made_fit(["x"], np.ones((1, 4000)), solution={"solver": "L-BFGS"})
    assert "4,000 coefficients are too many" in str(many.summary())
    other = made_fit(["x"], [[1.0]], solution={"solver": "somebody's"})
    assert re.search(r"solver +somebody's$", str(other.summary()), re.MULTILINE)


def test_not_converged_says_so_and_what_to_do():
    certificate = Certificate(False, 3.0, "the loss has no minimum", "add a penalty")
    summary = made_fit(["x"], [[1.0]], solution={"certificate": certificate, "notes": ("rank 1",)}).summary()
    assert "NO: the loss has no minimum. add a penalty" in str(summary)
    assert re.search(r"^note +rank 1$", str(summary), re.MULTILINE)
    assert "color: #d32f2f" in summary._repr_html_()


def test_a_loss_of_your_own(rows):
    tensorflow = pytest.importorskip("tensorflow")
    X, y, _ = rows

    def mine(y, prediction):
        return 3.0 * tensorflow.square(y - prediction)

    text = " ".join(str(gl.fit(X[:, :1], y, loss=mine).summary()).split())
    assert "mine, your own, differentiated by TensorFlow; it is 3 times squared loss" in text
    assert "meaning" not in text


def test_columns_for_standard_errors():
    coefficients = [[1234.5678], [-0.00012345], [2.5]]
    fitted = with_errors(made_fit(["Intercept", "a rather long name for a column: C(region)[T.north]", "x"], coefficients))
    text = str(fitted.summary())
    heading = next(line for line in text.splitlines() if "std error" in line)
    assert heading.split() == ["coefficient", "std", "error", "t", "p", "95%", "from", "to"]
    assert "classical: s^2 (X'X)^-1; t with 97 degrees of freedom" in text
    assert "R-squared 0.75; adjusted R-squared 0.744845; log likelihood -142.5; AIC 291; BIC" in flat(text)
    assert "deviance" not in text
    assert re.search(r"^note +a note on the errors$", text, re.MULTILINE)
    assert columns_of_text(text) <= WIDTH
    table = fitted.table().to_dict()
    assert table["standard_error"] == pytest.approx([15.2415802, 1.0152e-4, 0.0309640], rel=1e-3)
    assert table["statistic"][0] == pytest.approx(1234.5678 / 15.2415802, rel=1e-3)
    half_width = [(upper - lower) / 2 for lower, upper in zip(table["lower"], table["upper"], strict=True)]
    assert half_width == pytest.approx([1.984723 * error for error in table["standard_error"]], rel=1e-5)
    assert 0.2 < table["p_value"][1] < 0.25


def test_standard_errors_agree_with_statsmodels(rows):
    statsmodels = pytest.importorskip("statsmodels.api")
    X, y, _ = rows
    fitted = inferred(X, y)
    reference = statsmodels.OLS(y, statsmodels.add_constant(X[:, :3])).fit()
    table = fitted.table()
    for ours, theirs in (("standard_error", reference.bse), ("statistic", reference.tvalues), ("p_value", reference.pvalues)):
        np.testing.assert_allclose(table[ours][:4], theirs, rtol=1e-9)
    np.testing.assert_allclose(np.transpose([table["lower"], table["upper"]])[:4].astype(float), reference.conf_int(), rtol=1e-9)
    assert table["standard_error"][4] is None
    text = flat(fitted.summary())
    assert f"R-squared {reference.rsquared:.6g}; adjusted R-squared {reference.rsquared_adj:.6g}" in text
    assert f"AIC {reference.aic:.6g}; BIC {reference.bic:.6g}" in text
    assert re.search(r"^age less hours +left out$", str(fitted.summary()), re.MULTILINE)


def inferred(X, y):
    """A fit with the inference that gradline.inference finds for it."""
    problem = Problem(ArrayRows(X, y[:, None]), gl.losses.squared, None, ("Intercept", "age", "pay", "hours", "age less hours"))
    solution = gl.LeastSquares().solve(problem)
    found = infer(problem, solution)

    return Fit(problem.names, ("y",), gl.losses.squared, solution, len(y), {}, uncertainty=found)


def test_why_there_are_no_standard_errors():
    fitted = with_errors(made_fit(["x"], [[1.0]]))
    without = dataclasses.replace(fitted.inference, covariance=None, unavailable="the curvature is singular")
    text = str(dataclasses.replace(fitted, uncertainty=without).summary())
    assert re.search(r"^errors +none: the curvature is singular$", text, re.MULTILINE)
    assert "std error" not in text


def test_html_is_well_formed_and_takes_no_name_for_markup(rows):
    X, y, _ = rows
    names = ["<script>alert(1)</script>", 'a "b" & c', "[bold]x[/bold] :smile:"]
    fitted = gl.fit(X[:, :3], y, names=names)
    html = Balanced(fitted._repr_html_())
    for name in names:
        assert name in html.words
        assert any(name in line or name[:12] in line for line in str(fitted.summary()).splitlines())
    assert "<script" not in fitted._repr_html_()
    Balanced(gl.fit(X[:, :3], np.c_[y, y])._repr_html_())


def test_a_name_cannot_take_over_the_terminal():
    fitted = made_fit(["\x1b[31mred", "two\nlines", "right\u202eleft", "\ud800", "नमस्ते\u200d👩"], np.arange(5.0)[:, None])
    text = str(fitted.summary())
    assert not CONTROL.search(text)
    for shown in (r"\x1b[31mred", r"two\nlines", r"right\u202eleft", r"\ud800", "नमस्ते\u200d👩"):
        assert shown in text
    text.encode()
    fitted._repr_html_().encode()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def in_terminal(monkeypatch, columns):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    written = Terminal()
    monkeypatch.setattr(sys, "stdout", written)
    return written


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_gets_colour_and_its_own_width(fit, monkeypatch, columns):
    written = in_terminal(monkeypatch, columns)
    fit.summary().show()
    text = written.getvalue()
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert not CONTROL.search(plain)
    assert columns_of_text(plain) <= min(columns, 100)
    assert "age less hours" in plain
    assert "─" in plain
    # The interval stays, whatever has to go.
    assert re.search(r"95% from +to\n", plain)
    assert ("no room for: std error, t; Fit.table() has them" in plain) == (columns == 60)


def test_at_a_prompt_the_summary_shows_itself(fit, monkeypatch):
    in_terminal(monkeypatch, 80)
    plain = repr(fit.summary())
    assert "\x1b" not in plain  # a script in a terminal may be writing a log
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert "\x1b[" in repr(fit.summary())
    assert "\x1b" not in str(fit.summary())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in repr(fit.summary())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_real_pseudo_terminal():
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    code = "import gradline as gl; x, y = gl.datasets.line(); gl.fit(x, y).summary().show()"
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")} | {"TERM": "xterm-256color"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=slave, stdin=slave, env=environment)
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # how Linux reports that the other end is gone
        pass
    os.close(master)
    assert process.wait() == 0
    assert b"\x1b[1m" in shown
    assert b"converged" in shown


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=60), st.floats(allow_nan=True, allow_infinity=True)),
        min_size=1,
        max_size=6,
        unique_by=lambda pair: pair[0],
    )
)
def test_any_names_and_numbers_fit_into_80_columns(pairs):
    plain = made_fit([name for name, _ in pairs], [[value] for _, value in pairs])
    for dress in (lambda fitted: fitted, with_errors):
        with np.errstate(all="ignore"):
            fitted = dress(plain)
            text = str(fitted.summary())
            html = fitted._repr_html_()
        assert columns_of_text(text) <= WIDTH
        assert not CONTROL.search(text)
        Balanced(html)


def test_table_for_every_library(fit):
    pyarrow = pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    table = fit.table()
    errors = ["standard_error", "statistic", "p_value", "lower", "upper"]
    assert list(table.columns) == ["predictor", "name", "coefficient", "digits", "left_out", *errors]
    arrow = pyarrow.table(table)
    known = [pyarrow.string(), pyarrow.string(), pyarrow.float64(), pyarrow.float64(), pyarrow.bool_()]
    assert arrow.schema.types == known + 5 * [pyarrow.float64()]
    assert arrow.to_pydict() == table.to_dict()
    assert table["coefficient"][:-1] == fit.coefficients[:-1].tolist()
    assert table["coefficient"][-1] is None
    assert table["left_out"] == [False] * 4 + [True]
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    np.testing.assert_array_equal(frame["coefficient"], fit.coefficients)
    pandas.testing.assert_frame_equal(pandas.DataFrame(table), frame)
    assert [row.name for row in table] == list(fit.names)
    assert polars.DataFrame(table)["name"].to_list() == list(fit.names)


def test_a_table_without_digits_keeps_its_columns(rows):
    X, y, _ = rows
    table = gl.fit(X[:, :2], y, loss="log_cosh").table()
    assert table["digits"] == [None] * 3
    pandas = pytest.importorskip("pandas")
    pandas.testing.assert_frame_equal(pandas.DataFrame(table), table.to_pandas())
    assert table.to_pandas()["digits"].dtype == np.float64


def test_a_diverged_coefficient_is_not_a_missing_one():
    table = made_fit(["a", "b"], [[math.inf], [math.nan]]).table()
    assert table["coefficient"][0] == math.inf
    assert math.isnan(table["coefficient"][1])


def test_numbers():
    assert column([6.0134, -4.99]) == ["6.01340", "-4.99000"]
    assert column([1234.5, 0.0123]) == ["1234.50000", "0.01230"]
    assert column([1e-9, 1e9]) == ["1e-09", "1e+09"]
    assert column([0.0, -0.0]) == ["0", "0"]
    assert column([math.nan, 2.0]) == ["nan", "2.00000"]
    assert [probability(p) for p in (0.5, 1e-4, 3.2e-5, 0.0, math.nan)] == ["0.5000", "0.0001", "3e-05", "<1e-300", "nan"]
    assert [duration(s) for s in (0.01234, 12.3, 200.0, 7500.0)] == ["0.012 s", "12 s", "3 min 20 s", "2 h 5 min"]
    assert visible("a\tb") == r"a\tb"


def wide_lasso():
    generator = np.random.default_rng(3)
    X = generator.standard_normal((200, 300))
    return gl.fit(X, 3 * X[:, 277] - 2 * X[:, 221] + generator.standard_normal(200), penalty=gl.penalties.lasso(0.6))


def test_a_wide_lasso_shows_what_it_kept():
    fit = wide_lasso()
    kept = [name for name, value in zip(fit.names, fit.coefficients, strict=True) if value != 0]
    assert {"x222", "x278"} <= set(kept)
    assert len(kept) < 20
    text = str(fit.summary())
    rows = text.partition("------")[2].partition("... and")[0].splitlines()
    assert [row.split()[0] for row in rows[1:] if row.strip()] == kept
    assert f"... and {301 - len(kept)} more: Fit.table() has them all" in text
    assert repr(fit).endswith(f"... {301 - len(kept)} others zero")
    assert " x278" in repr(fit)


def test_numbers_are_whole_however_many_columns_there_are():
    generator = np.random.default_rng(4)
    X = generator.standard_normal((400, 2)) + 50
    fit = gl.fit(X, 1e7 * X[:, 0] + 1e8 * generator.standard_normal(400), penalty=gl.penalties.lasso(1e6), covariance="debiased")
    text = str(fit.summary())
    row = next(line for line in text.splitlines() if line.startswith("x1"))
    assert float(row.split()[-1]) == pytest.approx(fit.table()["upper"][1], abs=0.5)
    assert float(row.split()[-2]) == pytest.approx(fit.table()["lower"][1], abs=0.5)
    assert "no room for: t; Fit.table() has them" in text
    assert max(map(len, text.splitlines())) <= 80
