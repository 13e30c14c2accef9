"""Histories side by side, and the picture that is drawn while a training runs."""

import base64
import io
import itertools
import os
import pty
import subprocess
import sys

import numpy as np
import pytest

import gradline as gl

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def fits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 20))
    y = X[:, 0] + rng.normal(size=80)
    options = {"epochs": 12, "batch_size": 16, "validation": 0.25, "seed": 0}
    return {
        "plain": gl.fit(X, y, solver=gl.GradientDescent(0.02, **options)),
        "Adam": gl.fit(X, y, solver=gl.Adam(gl.schedules.cosine(0.1, steps=48), **options)),
    }


few_steps = pytest.mark.filterwarnings("ignore:.*has not converged")
pytestmark = few_steps


class TestHistories:
    def test_losses_rates_and_the_best(self, fits):
        top, below = gl.plot.histories(fits).ravel()
        lines = top.get_lines()
        for index, fit in enumerate(fits.values()):
            history = fit.history
            trained, held, ring = lines[3 * index : 3 * index + 3]
            np.testing.assert_array_equal(trained.get_xydata(), np.column_stack([history.epoch, history.loss]))
            np.testing.assert_array_equal(held.get_ydata(), history.validation_loss)
            best = np.argmin(history.validation_loss)
            np.testing.assert_array_equal(ring.get_xydata(), [[best, history.validation_loss[best]]])
            assert trained.get_color() == held.get_color() != lines[3 * (1 - index)].get_color()
            np.testing.assert_array_equal(below.get_lines()[index].get_ydata(), history.learning_rate)
        words = [text.get_text() for text in top.get_legend().get_texts()]
        assert words == ["plain", "Adam", "rows trained on", "rows held out, lowest ringed"]
        assert (below.get_xlabel(), top.get_ylabel(), top.get_title(loc="left")) == ("epoch", "loss (log scale)", "Loss by epoch")

    def test_one_alone_and_steps(self, fits):
        ax = gl.plot.histories(fits["plain"], x="step", optimum=0.5)
        assert ax.get_xlabel() == "step"
        np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), fits["plain"].history.step)
        assert "optimum 0.5" in [text.get_text() for text in ax.get_legend().get_texts()]

    def test_a_training_without_epochs_is_drawn_by_step(self, fits):
        x, y = gl.datasets.line(50, seed=1)
        whole = gl.fit(x, y, solver=gl.GradientDescent(steps=20))
        ax = gl.plot.histories({"whole": whole, "plain": fits["plain"]})
        assert ax.get_xlabel() == "step"
        with pytest.raises(gl.ArgumentError, match="'whole' was trained without mini-batches, so that it has no epochs"):
            gl.plot.histories({"whole": whole}, x="epoch")

    def test_given_axes(self, fits):
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
        assert gl.plot.histories(fits, ax=ax) is ax
        _, two = plt.subplots(2, 1)
        assert gl.plot.histories(fits, ax=two).shape == (2, 1)

    def test_what_has_no_history(self):
        x, y = gl.datasets.line(50, seed=1)
        with pytest.raises(gl.ArgumentError, match=r"records no path, so there is no loss to draw; fit with solver=gl\.GradientDescent"):
            gl.plot.histories({"exact": gl.fit(x, y)})
        with pytest.raises(gl.ArgumentError, match="no fit was given"):
            gl.plot.histories({})
        with pytest.raises(gl.ArgumentError, match=r"x must be .* not 'day'"):
            gl.plot.histories(gl.fit(x, y, solver=gl.GradientDescent(steps=5)), x="day")


class TestCharacters:
    def test_a_falling_line(self):
        from gradline.plot.characters import chart

        lines = chart([np.geomspace(100, 1, 50)], width=60, height=12, title="loss")
        assert lines[0] == "loss"
        assert max(map(len, lines)) <= 60
        assert len(lines) == 12
        body = [line.partition("│")[2] for line in lines[1:-2]]
        # On a log scale it is a straight line: dots only near the diagonal, the first row at the left, the last at the right.
        lit = [[place for place, each in enumerate(row) if each not in " \u2800"] for row in body]
        assert lit[0][0] == 0
        assert lit[-1][-1] == max(map(max, lit))
        assert all(first[-1] >= last[0] - 1 for first, last in itertools.pairwise(lit))
        assert lines[1].startswith(" 100 ") or lines[1].startswith("100 ")

    def test_one_value_nothing_and_what_is_not_finite(self):
        from gradline.plot.characters import chart

        assert any("│" in line for line in chart([[2.0]], width=40, height=8))
        assert chart([[np.nan, np.inf]], width=40, height=8, title="t") == ["t", "(no finite loss yet)"]
        assert chart([[3.0, np.inf, 1.0], [-1.0, 0.0, 2.0]], width=40, height=8)


def train(**options):
    x, y = gl.datasets.line(60, seed=1)
    return gl.fit(x, y, solver=gl.Adam(0.1, epochs=4, batch_size=16, seed=0, callbacks=[gl.plot.live(every=0)], **options))


class TestLive:
    def test_nothing_where_nobody_watches(self, capfd):
        train()
        assert capfd.readouterr() == ("", "")

    def test_a_terminal_gets_a_chart(self):
        code = (
            "import gradline as gl; x, y = gl.datasets.line(60, seed=1)\n"
            "gl.fit(x, y, solver=gl.Adam(0.1, epochs=4, batch_size=16, validation=0.2, callbacks=[gl.plot.live(every=0)]))"
        )
        parent, child = pty.openpty()
        variables = {**os.environ, "TERM": "xterm", "COLUMNS": "70", "LINES": "30", "PYTHONWARNINGS": "ignore"}
        process = subprocess.Popen([sys.executable, "-c", code], stderr=child, stdout=subprocess.DEVNULL, env=variables)
        os.close(child)
        seen = b""
        try:
            while part := os.read(parent, 65536):
                seen += part
        except OSError:  # how a pseudo-terminal ends
            pass
        assert process.wait() == 0
        text = seen.decode()
        assert "epoch 4 of 4   loss " in text
        assert "held out" in text
        assert "└──" in text
        assert "gradient descent" not in text  # no bar is drawn over it

    def test_a_notebook_gets_one_picture_drawn_anew(self, monkeypatch):
        pytest.importorskip("IPython")
        from gradline.plot import live_picture

        shown = []

        class Handle:
            def update(self, data, raw):
                shown.append(data)

        def display(data, raw, display_id):
            shown.append(data)
            return Handle()

        monkeypatch.setattr(live_picture, "in_notebook", lambda: True)
        monkeypatch.setattr("IPython.display.display", display)
        train(validation=0.2)
        image = pytest.importorskip("PIL.Image")
        assert len(shown) == 5  # each epoch, and the end
        for data in shown:
            with image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
                assert picture.size == (560, 280)
        assert shown[-1]["text/plain"].startswith("epoch 4 of 4   loss ")
