"""Losses with words for parameters, and targets of two columns, through the command."""

import json

import numpy as np
import pytest
from inside import call_inside

import gradline as gl


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    life, until = np.exp(1 + 0.5 * x) * rng.weibull(1.5, size=200), rng.exponential(6, size=200)
    wins = rng.binomial(9, 1 / (1 + np.exp(-x)))
    calls = rng.negative_binomial(2, 1 / (1 + np.exp(x) / 2))
    rows = ["x,time,event,wins,games,calls,rating"]
    names = np.array(["low", "mid", "high"])[np.digitize(x + rng.logistic(size=200), [-1, 1])]
    rows += [
        f"{a:.17g},{min(t, c):.17g},{int(t <= c)},{w},9,{n},{r}"
        for a, t, c, w, n, r in zip(x, life, until, wins, calls, names, strict=True)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("formula", "written", "loss"),
    [
        ("surv(time, event) ~ x", "weibull", gl.losses.weibull()),
        ("cbind(wins, games - wins) ~ x", "binomial:probit", gl.losses.binomial("probit")),
        ("calls ~ x", "negative_binomial", gl.losses.negative_binomial()),
        ("calls ~ x", "hurdle:negative_binomial", gl.losses.hurdle("negative_binomial")),
        ("event ~ x", "logistic:link=cloglog", gl.losses.cloglog),
        ("C(rating, levels=['low', 'mid', 'high']) ~ x", "ordinal:link=probit", gl.losses.ordinal(link="probit")),
    ],
)
def test_the_command_fits_what_python_does(folder, formula, written, loss):
    done = call_inside("fit", "rows.csv", formula, "--loss", written, "--out", "m.json", folder=folder)
    assert done.returncode == 0, done.stderr
    fit = gl.fit(formula, folder / "rows.csv", loss=loss)
    np.testing.assert_allclose(gl.load(folder / "m.json").solution.coefficients, fit.solution.coefficients, rtol=1e-10)
    assert json.loads((folder / "m.json").read_text())


def test_an_order_that_nobody_gave_is_asked_for(folder):
    done = call_inside("fit", "rows.csv", "rating ~ x", "--loss", "ordinal", folder=folder)
    assert done.returncode != 0
    assert "nothing says in which order" in done.stderr
    assert "levels=['high', 'low', 'mid']" in done.stderr
