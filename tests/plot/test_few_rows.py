"""Pictures and the report of fits that leave no spread, and of few rows: drawn, or refused in a sentence."""

import re

import numpy as np
import pytest

import gradline as gl

plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 2))
RISING = np.array([0.0, 0, 1, 1])[:, None]
CASES = {
    "perfect": (X, 1 + X @ [1.0, 2.0]),
    "constant": (X, np.full(12, 3.3)),
    "n = p": (X[:3], np.array([1.0, 2, 4])),
    "two groups": (RISING, np.array([1.0, 2, 3, 5])),
    "one row": (X[:1, :1], np.array([2.0])),
}
LOSSES = {"squared": "squared", "huber": gl.losses.huber(0.5), "absolute": "absolute", "gamma": "gamma"}
DRAWN = ("residuals", "scale_location", "quantiles", "leverage", "partial_regression")
REFUSED = "perfect|leverage 1|no standard errors|no column besides|curvature|same"


def fitted(case, loss):
    x, y = CASES[case]
    y = np.exp(y) if loss == "gamma" else y
    return gl.fit(x, y, loss=LOSSES[loss]), x, y


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("loss", LOSSES)
def test_pictures_are_drawn_or_refused_in_a_sentence(case, loss):
    fit, x, y = fitted(case, loss)
    for name in DRAWN:
        try:
            getattr(gl.plot, name)(fit, x, y)
        except ValueError as error:
            refused = str(error)
        else:
            refused = "perfect"
        assert re.search(REFUSED, refused)
        plt.close("all")
    if loss == "squared" and case != "one row":
        # What needs no spread is drawn whatever there is.
        for name in ("residuals", "quantiles", "scale_location"):
            getattr(gl.plot, name)(fit, x, y)
        plt.close("all")


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize(("case", "loss"), [(case, "squared") for case in CASES] + [("perfect", "huber"), ("constant", "gamma")])
def test_a_report_holds_no_number_that_is_none(case, loss):
    fit, x, y = fitted(case, loss)
    page = re.sub("<style.*?</style>|<img[^>]*>", "", fit.report(x, y).html, flags=re.S)
    text = re.sub("<[^>]+>", "|", page)
    assert not re.search(r"\b(nan|inf|NaN)\b", text)
    if case in ("perfect", "constant"):
        assert "the fit is perfect" in text
        assert "Durbin-Watson" not in text


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
def test_a_line_through_one_point_is_seen():
    fit = gl.fit([[3.0]], [2.0])
    for ax in (
        gl.plot.fit(fit, [[3.0]], [2.0], true=(1.0, 0.0)),
        gl.plot.fit(gl.fit("y ~ x", {"x": [3.0], "y": [2.0]}), {"x": [3.0], "y": [2.0]}),
    ):
        lines = [line for line in ax.lines if len(line.get_xdata()) > 10]
        assert lines
        for line in lines:
            x = np.asarray(line.get_xdata())
            assert x.min() < 3.0 < x.max()
    plt.close("all")
