"""The legend of shares against probabilities covers neither the diagonal nor a share."""

import numpy as np
import pandas as pd
import pytest

import gradline as gl

RNG = np.random.default_rng(0)
COLUMNS = RNG.normal(size=(500, 5))
SCORE = COLUMNS @ [1, -1, 0.5, 0, 0.3]
TABLE = pd.DataFrame(COLUMNS, columns=list("abcde")).assign(
    y=(RNG.random(500) < 1 / (1 + np.exp(-SCORE))).astype(int),
    k=pd.Categorical.from_codes(np.digitize(SCORE + RNG.logistic(size=500), [-1, 1]), ["low", "mid", "high"]),
)


@pytest.mark.parametrize(("target", "loss"), [("y", "logistic"), ("k", "multinomial")])
def test_the_diagonal_and_the_shares_are_free(target, loss):
    drawn = gl.plot.fit(gl.fit(f"{target} ~ a + b + c + d + e", TABLE, loss=loss), TABLE)
    panel = np.ravel(np.asarray(drawn, dtype=object))[0]
    panel.figure.canvas.draw()
    box = panel.get_legend().get_window_extent()
    lines = [line for line in panel.get_lines() if len(line.get_xdata())]
    assert len(lines) > 1
    for line in lines:
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        if len(x) == 2:
            x, y = np.linspace(*x, 101), np.linspace(*y, 101)
        places = panel.transData.transform(np.column_stack([x, y]))
        assert not any(box.contains(*place) for place in places)
    rows = panel.transData.transform(panel.collections[0].get_offsets())
    assert not any(box.contains(*place) for place in rows)
