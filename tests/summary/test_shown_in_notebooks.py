"""What is asked for most shows as a table: coefficients, certificates, predictions with intervals."""

import re
from html import escape

import numpy as np
import pytest

import gradline as gl

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def fit():
    generator = np.random.default_rng(3)
    X = generator.standard_normal((60, 2))
    return gl.fit(X, X @ [1.0, -2.0] + generator.standard_normal(60))


def cells(html):
    """The texts of a table, row by row, its heading first."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_the_table_of_coefficients_shows_what_it_holds(fit):
    heading, *rows = cells(fit.table()._repr_html_())
    assert [row[0] for row in rows] == list(fit.names) == fit.table()["name"]
    errors = heading.index("std error")
    np.testing.assert_allclose([float(row[errors]) for row in rows], fit.standard_errors, rtol=1e-3)
    assert heading[-2:] == ["95% from", "to"]
    assert "predictor" not in heading  # one linear predictor: nothing to tell apart


def test_the_table_is_a_frame_as_it_is(fit):
    frame = pandas.DataFrame(fit.table())
    np.testing.assert_array_equal(frame["coefficient"], fit.coefficients)
    np.testing.assert_array_equal(frame["upper"], fit.interval().upper)
    assert frame["left_out"].dtype == bool


def test_a_certificate_says_why(fit):
    html = fit.certificate._repr_html_()
    assert fit.certificate.reason in html
    assert ">yes<" in html
    with pytest.warns(gl.GradlineWarning):
        short = gl.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 5.0], solver=gl.GradientDescent(0.001, steps=2), progress=False)
    assert ">no<" in short.certificate._repr_html_()
    assert escape(short.certificate.remedy) in short.certificate._repr_html_()


@pytest.mark.parametrize("rows", [1, 5, 60])
def test_predictions_show_their_intervals(fit, rows):
    found = fit.predict(np.linspace(0, 1, 2 * rows).reshape(rows, 2), interval="prediction", level=0.9)
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + min(rows, 20)
    assert "90% from" in html
    assert (f"... and {rows - 20} rows more" in html) == (rows > 20)
    one = gl.fit([0.0, 1.0, 2.0], [0.0, 1.0, 3.0]).predict(0.5, interval="prediction")._repr_html_()
    assert one.count("<tr>") == 2


def test_names_are_text(fit):
    named = gl.fit("y ~ `<b>`", {"y": [1.0, 2.0, 4.0], "<b>": [0.0, 1.0, 2.0]})
    assert "&lt;b&gt;" in named.table()._repr_html_()
    assert "<b>" not in named.table()._repr_html_()
