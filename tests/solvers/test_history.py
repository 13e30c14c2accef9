"""The history of a training, as a notebook shows it."""

import re

import pytest

import gradline as gl


def rows_of(html):
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)]
    return cells[0], cells[1:]


def test_a_notebook_shows_records_spread_over_the_training():
    x, y = gl.datasets.line(seed=1)
    history = gl.fit(x, y, solver=gl.GradientDescent(0.01)).history
    heading, rows = rows_of(history._repr_html_())
    assert heading == ["step", "learning rate", "loss", "gradient norm"]
    steps = [int(row[0].replace(",", "")) for row in rows]
    assert steps[0] == 0
    assert steps[-1] == 1000
    assert steps == sorted(set(steps))
    assert len(steps) <= 13
    assert [float(row[2]) for row in rows] == [float(f"{history.loss[step]:.6g}") for step in steps]
    assert f"{1001 - len(steps)} more records between these." in history._repr_html_()


def test_epochs_and_rows_held_out_have_columns():
    x, y = gl.datasets.line(seed=1)
    history = gl.fit(x, y, solver=gl.Adam(0.5, epochs=60, batch_size=100, validation=0.2, seed=0, patience=3)).history
    heading, rows = rows_of(history._repr_html_())
    assert heading == ["step", "epoch", "learning rate", "loss", "loss held out", "gradient norm"]
    assert float(rows[-1][1]) == history.epoch[-1]
    assert float(rows[-1][4]) == float(f"{history.validation_loss[-1]:.6g}")


def test_a_short_history_is_whole():
    x, y = gl.datasets.line(seed=1)
    with pytest.warns(gl.GradlineWarning, match="has not converged"):
        html = gl.fit(x, y, solver=gl.GradientDescent("auto", steps=2)).history._repr_html_()
    assert [row[0] for row in rows_of(html)[1]] == ["0", "1", "2"]
    assert "between these" not in html
