"""What is refused, and with what words."""

import numpy as np
import pandas as pd
import pytest
from fitted import fitted

import gradline as gl
from gradline.constraints.linear_text import read_hypothesis
from gradline.design.dense import DenseDesign
from gradline.inference import intervals
from gradline.inference.diagnostics import breusch_pagan, diagnose_rows, durbin_watson, reset
from gradline.inference.inference import infer
from gradline.inference.kinked import row_loss
from gradline.inference.leave_one_out import leave_one_out
from gradline.inference.predictions import CalibrationKernel, prediction_interval
from gradline.inference.tests import compare, linear_test
from gradline.rows.block import Block

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 2)), RNG.normal(size=20)
NAMES = ("Intercept", "income", "rate")


@pytest.fixture(scope="module")
def plain():
    return fitted(X, Y)


@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5])
def test_level_outside(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        intervals.critical_value(level, None)


def test_level_in_per_cent():
    with pytest.raises(ValueError, match=r"did you mean 0\.95"):
        intervals.check_level(95)
    with pytest.raises(TypeError, match="number between 0 and 1"):
        intervals.check_level("95%")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("HC9", "did you mean 'HC3'"),
        ("robust", "did you mean 'HC3'"),
        ("usual", "it can be classical"),
        ("HAC", "did you mean 'newey-west'"),
        ("nonrobust", "did you mean 'classical'"),
        ("cluster", "clusters need their groups"),
        (("cluster", np.zeros(20)), "one cluster only"),
        (("cluster", np.zeros(19)), "there are 20 rows"),
        (("cluster", np.r_[np.nan, np.arange(19)]), "group of row 0 is missing"),
        (("cluster", np.array(["a", None] * 10, dtype=object)), "group of row 1 is missing"),
        (("cluster", pd.Series(["a", pd.NA] * 10)), "group of row 1 is missing"),
        (("cluster", np.zeros((20, 3))), "one-way or two-way"),
        (("newey-west", -1), "whole number from 0 up"),
        (("newey-west", 20), "needs more than 20 rows"),
        (("HC1", 3), "takes nothing besides its name"),
    ],
    ids=str,
)
def test_kinds(plain, kind, message):
    with pytest.raises(ValueError, match=message):
        plain.covariance(kind)


def test_labels_of_any_type_make_clusters(plain):
    groups = np.arange(20) // 4
    wanted = plain.errors(("cluster", groups))
    for labels in (groups.astype(str), pd.Series(groups).astype("category"), [("a", 1, None, 2.5, "b")[g] or "c" for g in groups]):
        np.testing.assert_allclose(plain.errors(("cluster", labels)), wanted)
    frame = pd.DataFrame({"a": groups, "b": (np.arange(20) % 3).astype(str)})
    assert plain.covariance(("cluster", frame)).clusters == (5, 3)


def test_newey_west_has_no_frequencies():
    ours = fitted(X, Y, frequencies=np.ones(20))
    with pytest.raises(ValueError, match="order of time"):
        ours.covariance("newey-west")
    with pytest.raises(ValueError, match="order of time"):
        durbin_watson(ours.problem, ours.b)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("incme = 0", "no coefficient 'incme'; did you mean 'income'"),
        ("`incme` = 0", "did you mean 'income'"),
        ("zzz = 0", "there are 'Intercept', 'income', 'rate'"),
        ("income: rate = 0", "no coefficient 'income: rate'; did you mean 'income' or 'rate'"),
        ("income * rate = 0", "not linear"),
        ("1 / income = 0", "divided by a number"),
        ("income = income", "holds no coefficient"),
        ("income = 0, 2*income = 0", "follows from those before it"),
        ("income = 0, income = 1", "contradicts"),
        ("(income = 0", r"expected \)"),
        ("`income = 0", "backquote is not closed"),
        ("income rate", "expected an operator"),
        ("", "is empty"),
        ("income = ", "expected the name"),
    ],
)
def test_hypotheses(plain, text, message):
    with pytest.raises(ValueError, match=message):
        linear_test(text, plain.b, plain.covariance(), NAMES)


def test_a_name_without_its_linear_predictor():
    names = ("mean:Intercept", "mean:x1", "log_scale:Intercept", "log_scale:x1")
    with pytest.raises(ValueError, match="no coefficient 'x1'; did you mean 'mean:x1' or 'log_scale:x1'"):
        read_hypothesis("x1 = 0", names)


def test_a_level_written_in_another_way():
    with pytest.raises(ValueError, match=r"no coefficient 'C\(g\)\[b\]'; did you mean 'C\(g\)\[T.b\]'"):
        read_hypothesis("C(g)[b] = 0", ("Intercept", "x", "C(g)[T.b]", "C(h)[T.c]"))


@pytest.mark.parametrize("hypothesis", [None, 3, ["income", "rate"], [[[1.0]]]])
def test_what_is_no_hypothesis(plain, hypothesis):
    with pytest.raises(TypeError, match=r'must be a text such as "x1 = x2, x3 = 0", or a matrix of numbers with 3 columns, not'):
        linear_test(hypothesis, plain.b, plain.covariance(), NAMES)


def test_text_of_conditions():
    names = ("Intercept", "x1", "x1:x2", "C(g)[b]", "x12", "odd name", "a-b")
    matrix, values, texts = read_hypothesis("x1:x2 = 2*(x1 - 3), -C(g)[b] + 1/2 == x12; `a-b`", names)
    np.testing.assert_allclose(matrix, [[0, -2, 1, 0, 0, 0, 0], [0, 0, 0, -1, -1, 0, 0], [0, 0, 0, 0, 0, 0, 1]])
    np.testing.assert_allclose(values, [-6, -0.5, 0])
    assert texts[2] == "`a-b` = 0"
    assert len(read_hypothesis("x1 = x12 = 0", names)[0]) == 2
    np.testing.assert_allclose(read_hypothesis("1e-1*odd name = .5", names)[1], [0.5])


def test_too_few_rows():
    held = infer(*fitted(X[:3], Y[:3])[:2])
    assert held.covariance is None
    assert "leave no degree of freedom" in held.unavailable
    with pytest.raises(ValueError, match="leave no degree of freedom"):
        fitted(X[:3], Y[:3]).covariance("HC1")
    with pytest.warns(gl.GradlineWarning, match="fewer rows"):
        few = fitted(X[:2], Y[:2])
    with pytest.raises(ValueError, match="2 rows cannot determine 3 coefficients"):
        few.covariance("HC0")
    assert infer(few.problem, few.solution).covariance is None


def test_leverage_of_one():
    x = X.copy()
    x[:, 1] = 0
    x[7, 1] = 1
    ours = fitted(x, Y)
    for kind in ("HC2", "HC3"):
        with pytest.raises(ValueError, match="row 7 has leverage 1"):
            ours.covariance(kind)
    assert np.isfinite(ours.errors("HC1")).all()
    with pytest.raises(ValueError, match="row 7 has leverage 1"):
        leave_one_out(ours.problem, ours.b, ours.problem.free)
    rows = diagnose_rows(ours.problem, ours.b, ours.bread, ours.statistics, None, row_loss(ours.problem, ours.b))
    assert rows.leverage[7, 0] == pytest.approx(1)
    assert np.flatnonzero(np.isnan(rows.cooks_distance)).tolist() == [7]
    robust = fitted(x, Y, gl.losses.huber(1.0))
    held = infer(robust.problem, robust.solution)
    assert held.covariance.kind == "HC1"
    assert "row 7 has leverage 1" in held.notes[0]
    with pytest.raises(ValueError, match="row 7"):
        infer(robust.problem, robust.solution, "HC3")


def test_comparisons(plain):
    smaller = fitted(X[:, :1], Y)
    for first, second, labels, message in [
        (plain, fitted(X[:19], Y[:19]), (), "different rows"),
        (plain, fitted(X, Y), (), "equally many"),
        (plain, fitted(X[:, :1], Y, gl.losses.huber(1.0)), (), "different losses"),
        (plain, fitted(X[:, :1], Y, penalty=gl.penalties.ridge(1.0)), (), "penalised"),
        (smaller, plain, (("Intercept", "z"), NAMES), "larger has no 'z'"),
    ]:
        with pytest.raises(ValueError, match=message):
            compare(first.statistics, second.statistics, *labels)
    robust = [fitted(X[:, :j], Y, gl.losses.huber(1.0)).statistics for j in (1, 2)]
    with pytest.raises(ValueError, match="has no likelihood"):
        compare(*robust)


def test_classical_needs_a_reason():
    with pytest.raises(ValueError, match="likelihood or a loss of y - eta alone"):
        fitted(X, Y, gl.losses.huber(1.35, scale="joint")).covariance("classical")
    with pytest.raises(ValueError, match="penalised"):
        fitted(X, Y, gl.losses.huber(1.0), penalty=gl.penalties.ridge(0.1)).covariance("classical")
    with pytest.raises(ValueError, match="losses with kinks"):
        fitted(X, Y).covariance("constant-density")


def test_prediction_intervals_say_what_is_missing(plain):
    design = DenseDesign(X, True)
    for loss, y in [("logistic", (Y > 0).astype(float)), ("multinomial", np.arange(20) % 3)]:
        ours = fitted(X, y, loss)
        with pytest.raises(ValueError, match="predicts a class"):
            prediction_interval(design, design.predict(ours.b), ours.covariance(), ours.problem.loss)
        with pytest.raises(ValueError, match="predicts a class"):
            CalibrationKernel(ours.problem.loss, ours.b).map(Block(design, np.zeros((20, 1))))
    robust = fitted(X, Y, gl.losses.huber(1.0))
    with pytest.raises(ValueError, match="give calibration=data"):
        prediction_interval(design, design.predict(robust.b), robust.covariance(), robust.problem.loss)
    held = infer(robust.problem, robust.solution)
    with pytest.raises(ValueError, match="needs at least 40 rows, and the fit has 20: ask for a lower level=, or give calibration=data"):
        prediction_interval(design, design.predict(robust.b), held.covariance, robust.problem.loss, residuals=held.residuals)
    with pytest.raises(ValueError, match="needs the errors' variance"):
        prediction_interval(design, design.predict(plain.b), None, plain.problem.loss)


def test_specification_tests_are_for_squared_loss(plain):
    robust = fitted(X, Y, gl.losses.huber(1.0))
    for function in (breusch_pagan, reset, durbin_watson):
        with pytest.raises(ValueError, match="defined for squared loss"):
            function(robust.problem, robust.b)
    with pytest.raises(ValueError, match="whole number from 2"):
        reset(plain.problem, plain.b, 1)
    with pytest.raises(ValueError, match="needs an intercept"):
        breusch_pagan(fitted(X, Y, intercept=False).problem, plain.b[1:])
