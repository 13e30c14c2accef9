"""What a summary is asked for, and what it names: levels of intervals, ratios, references; what a fit prints of itself."""

import numpy as np
import pytest

import gradline as gl

RNG = np.random.default_rng(0)
X = RNG.normal(size=300)
TABLE = {"x": X, "g": RNG.choice(list("abc"), 300), "h": RNG.choice(["u", "v"], 300), "y": RNG.negative_binomial(2, 0.3, 300)}


def test_the_level_is_that_of_fit_interval():
    fit = gl.fit("y ~ x", TABLE)
    text = str(fit.summary(level=0.9))
    assert "90% from" in text
    lower, upper = fit.interval(0.9)
    cells = next(line for line in text.splitlines() if line.startswith("x ")).split()
    np.testing.assert_allclose([float(cells[-2]), float(cells[-1])], [lower[1], upper[1]], atol=1e-3)
    assert str(fit.summary(level=0.95)).split("fit  ")[0] == str(fit.summary()).split("fit  ")[0]


def test_a_level_is_not_taken_for_exponentiate():
    fit = gl.fit("y ~ x", TABLE)
    with pytest.raises(TypeError, match=r"exponentiate must be True or False, not 0.9; .* level=0.9"):
        fit.summary(0.9)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        fit.summary(level=95)
    assert "exp(coef)" in str(fit.summary(np.bool_(True)))


def test_a_dispersion_is_shown_without_a_test_of_being_one():
    fit = gl.fit("y ~ x", TABLE, loss="negative_binomial")
    shown = str(fit.summary(exponentiate=True)).split("log_dispersion\n")[1].splitlines()
    assert "dispersion" in shown[0]
    assert len(shown[2].split()) == 5  # Intercept, dispersion, error and two ends
    assert len(str(fit.summary(exponentiate=True)).split("log_mean\n")[1].splitlines()[2].split()) == 7
    assert len(str(fit.summary()).split("log_dispersion\n")[1].splitlines()[2].split()) == 7


def test_reference_levels_are_named():
    def named(formula):
        return [
            line.removeprefix("reference").strip() for line in str(gl.fit(formula, TABLE).summary()).splitlines() if "reference " in line
        ]

    assert named("y ~ x + C(g) + h") == ["g: a", "h: u"]
    assert named("y ~ x + C(g, reference='b'):h") == ["h: u", "g: b"]
    assert named("y ~ C(g, reference='c')") == ["g: c"]
    assert named("y ~ 0 + g + x") == []
    assert named("y ~ C(g, contr.sum)") == []
    wide = {f"c{i}": RNG.choice(["no", "yes"], 100) for i in range(8)} | {"y": RNG.normal(size=100)}
    text = str(gl.fit("y ~ " + " + ".join(f"c{i}" for i in range(8)), wide).summary())
    assert "c5: no" in text
    assert "c6: no" not in text
    assert "... and 2 more" in text


def test_what_a_fit_prints_leaves_out_what_is_zero_by_construction():
    table = {**TABLE, "k": np.digitize(X + RNG.logistic(size=300), [-1, 1])}
    lines = str(gl.fit("y ~ x + g", table, loss="negative_binomial")).splitlines()
    assert "x" in lines[1].split()
    assert len(lines[2].split("=")[1].split()) == 2
    ordered = str(gl.fit("k ~ x", table, loss="ordinal")).splitlines()
    assert ordered[1].split("=")[1].split()[-1] == "x"
    assert len(ordered[1].split("=")[1].split()) == 2
    assert "x" not in ordered[2].split("=")[1]
    varying = str(gl.fit({"log_mean": "y ~ g", "log_dispersion": "~ x"}, table, loss="negative_binomial")).splitlines()
    assert varying[2].endswith(" x")
