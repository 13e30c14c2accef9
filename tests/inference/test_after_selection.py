"""Errors after selection: debiased, and given what was kept, against another implementation with 50 digits."""

import json
from pathlib import Path

import numpy as np
import pytest
import selection_study as study

import gradline as gl
from gradline.inference.truncated_normal import largest_mean, log_share_below, p_value, smallest_mean

PLACE = Path(__file__).parents[1] / "reference" / "selective.json"
KNOWN = json.loads(PLACE.read_text())
GROUPS = [["x1", "x2"], ["x3", "x4"]]


def data(seed, n=60, p=6):
    """The rows of tests/reference/selective.py."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, p)) @ (np.eye(p) + 0.3), 3)
    return X, np.round(X @ [2.0, -1.0, 0.3, 0, 0, 0][:p] + rng.normal(size=n) + 1.0, 3)


@pytest.mark.parametrize("known", KNOWN["fits"], ids=lambda known: f"seed {known['seed']}")
def test_selective_intervals_are_those_of_another_program_with_50_digits(known):
    X, y = data(known["seed"])
    penalty = gl.penalties.elastic_net(known["strength"], known["share"])
    fit = gl.fit(X, y, penalty=penalty, covariance="selective")
    assert np.flatnonzero(fit.slopes).tolist() == known["kept"]
    rows = np.array([[float(number) for number in row] for row in known["rows"]])
    places = 1 + np.array(known["kept"])
    held = fit.inference.selective
    np.testing.assert_allclose(held.estimates[places, 0], rows[:, 0], rtol=1e-12)
    np.testing.assert_allclose(held.spreads[places, 0], rows[:, 1], rtol=1e-12)
    for limit, column in ((held.below, 2), (held.above, 3)):
        found, there = (held.estimates + held.spreads * limit)[places, 0], rows[:, column]
        finite = np.abs(there) < 1e29
        np.testing.assert_allclose(found[finite], there[finite], rtol=1e-10)
        assert np.isinf(found[~finite]).all()
    lower, upper = fit.interval()
    np.testing.assert_allclose(lower[places], rows[:, 4], rtol=1e-9)
    np.testing.assert_allclose(upper[places], rows[:, 5], rtol=1e-9)
    np.testing.assert_allclose(fit.p_values[places], rows[:, 6], rtol=1e-8)
    gone = np.delete(np.arange(1, 7), known["kept"])
    assert np.isnan(lower[gone]).all()
    assert np.isnan(fit.p_values[gone]).all()


@pytest.mark.parametrize(("below", "above", "tail", "end"), KNOWN["ends"])
def test_ends_between_two_limits_keep_their_digits(below, above, tail, end):
    above = np.inf if above > 1e29 else above
    assert largest_mean(below, above, float(tail)) == pytest.approx(float(end), rel=1e-10, abs=1e-12)
    assert smallest_mean(-above, -below, float(tail)) == pytest.approx(-float(end), rel=1e-10, abs=1e-12)


def test_without_limits_it_is_the_normal_distribution():
    from scipy.stats import norm

    assert largest_mean(-np.inf, np.inf, 0.025) == pytest.approx(norm.isf(0.025), rel=1e-14)
    assert p_value(-np.inf, np.inf, -30.0) == pytest.approx(2 * norm.sf(30.0), rel=1e-12)
    # The share on both sides is all there is.
    for mean in (-50.0, 0.3, 1e4):
        assert np.exp(log_share_below(-1.0, 2.0, mean)) + np.exp(log_share_below(-2.0, 1.0, -mean)) == pytest.approx(1.0, rel=1e-12)


def test_weights_frequencies_and_scales_change_nothing_that_they_should_not():
    X, y = data(1)
    counts = np.random.default_rng(0).integers(1, 4, size=60)
    penalty = gl.penalties.lasso(0.5)
    counted = gl.fit(X, y, penalty=penalty, covariance="selective", frequencies=counts)
    repeated = gl.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts), penalty=penalty, covariance="selective")
    np.testing.assert_allclose(counted.interval(), repeated.interval(), rtol=1e-9)
    one = gl.fit(X, y, penalty=penalty, covariance="selective", weights=np.full(60, 4.0))
    np.testing.assert_allclose(one.interval(), gl.fit(X, y, penalty=penalty, covariance="selective").interval(), rtol=1e-9)
    far = gl.fit(X * [1, 1, 1, 1, 1, 1e-3] + 1e5, y, penalty=gl.penalties.lasso(0.5, scaled=True), covariance="selective")
    near = gl.fit(X * [1, 1, 1, 1, 1, 1e-3], y, penalty=gl.penalties.lasso(0.5, scaled=True), covariance="selective")
    np.testing.assert_allclose(np.array(far.interval())[:, 1:], np.array(near.interval())[:, 1:], rtol=1e-6)


def test_targets_side_by_side_are_each_by_themselves():
    X, y = data(1)
    other = data(2)[1]
    both = gl.fit(X, np.column_stack([y, other]), penalty=gl.penalties.lasso(0.5), covariance="selective")
    for j, target in enumerate((y, other)):
        alone = gl.fit(X, target, penalty=gl.penalties.lasso(0.5), covariance="selective")
        np.testing.assert_allclose(np.array(both.interval())[:, :, j], alone.interval(), rtol=1e-8)


def test_a_column_that_is_not_penalised_is_always_kept():
    X, y = data(3)
    fit = gl.fit(X, y, penalty=gl.penalties.lasso(50.0, weights={"x4": 0}), covariance="selective")
    plain = gl.fit(X[:, 3], y)
    # Nothing was chosen by it: the interval is the normal one, but for the estimate of the variance.
    lower, upper = np.array(fit.interval())[:, 4]
    assert 0.5 * (lower + upper) == pytest.approx(plain.slopes[0], rel=1e-6)


def test_debiased_squared_loss_is_least_squares():
    X, y = data(4)
    fit = gl.fit(X, y, penalty=gl.penalties.lasso(0.8), covariance="debiased")
    plain = gl.fit(X, y)
    assert (fit.slopes == 0).any()
    for mine, theirs in ((fit.interval(), plain.interval()), (fit.p_values, plain.p_values), (fit.statistics, plain.statistics)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    assert fit.test("x1 = 2 * x2").p_value == pytest.approx(plain.test("x1 = 2 * x2").p_value, rel=1e-9)
    assert fit.joint_test.statistic == pytest.approx(plain.joint_test.statistic, rel=1e-9)
    far = gl.fit(X + 1e6, y, penalty=gl.penalties.lasso(0.8), covariance="debiased")
    np.testing.assert_allclose(np.array(far.interval())[:, 1:], np.array(plain.interval())[:, 1:], rtol=1e-6)


@pytest.mark.parametrize(
    "penalty", [gl.penalties.lasso(0.01), gl.penalties.mcp(0.02), gl.penalties.group_lasso(0.01, GROUPS), gl.penalties.ridge(0.02)]
)
def test_debiased_logistic_is_one_newton_step_from_the_fit(penalty):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = (rng.random(400) < 1 / (1 + np.exp(-X @ [1.0, -0.5, 0, 0]))).astype(float)
    fit = gl.fit(X, y, loss="logistic", penalty=penalty, covariance="debiased")
    Z = np.column_stack([np.ones(400), X])
    at = 1 / (1 + np.exp(-Z @ fit.coefficients))
    stepped = fit.coefficients + np.linalg.solve((Z.T * (at * (1 - at))) @ Z, Z.T @ (y - at))
    np.testing.assert_allclose(fit.covariance().estimates[:, 0], stepped, rtol=1e-8)
    there = 1 / (1 + np.exp(-Z @ stepped))
    errors = np.sqrt(np.diag(np.linalg.inv((Z.T * (there * (1 - there))) @ Z)))
    np.testing.assert_allclose(fit.standard_errors, errors, rtol=1e-8)
    plain = gl.fit(X, y, loss="logistic", covariance="default")
    np.testing.assert_allclose(fit.interval(), plain.interval(), atol=0.01)


def test_what_cannot_be_had_is_refused_with_the_reason():
    X, y = data(1)
    wide = np.random.default_rng(0).normal(size=(20, 30))
    lasso = gl.penalties.lasso(0.3)
    both = ("debiased", "selective")
    for kind in both:
        with pytest.raises(ValueError, match=r"do not determine them|no degree of freedom"):
            gl.fit(wide, wide[:, 0] + np.arange(20), penalty=lasso, covariance=kind)
    with pytest.raises(ValueError, match="are for squared loss"):
        gl.fit(X, (y > 0).astype(float), loss="logistic", penalty=gl.penalties.lasso(0.05), covariance="selective")
    with pytest.raises(ValueError, match="'mcp' is neither"):
        gl.fit(X, y, penalty=gl.penalties.mcp(0.3), covariance="selective")
    with pytest.raises(ValueError, match="'group_lasso' is neither"):
        gl.fit(X, y, penalty=gl.penalties.group_lasso(0.3, [["x1", "x2"], ["x3", "x4"], ["x5", "x6"]]), covariance="selective")
    with pytest.raises(ValueError, match="nothing here sets slopes to zero"):
        gl.fit(X, y, covariance="selective")
    with pytest.raises(ValueError, match="there is none"):
        gl.fit(X, y, covariance="debiased")
    with pytest.raises(ValueError, match="has kinks"):
        gl.fit(X, y, loss="absolute", penalty=gl.penalties.ridge(0.1), covariance="debiased")
    with pytest.raises(ValueError, match="did you mean 'selective'"):
        gl.fit(X, y, penalty=lasso, covariance="polyhedral")
    with pytest.raises(ValueError, match="perfect"):
        gl.fit(X, X[:, 0], penalty=lasso, covariance="selective")
    # The kinds that know nothing of the choice say which do.
    with pytest.raises(ValueError, match=r'covariance="debiased".*covariance="selective"'):
        gl.fit(X, y, penalty=lasso, covariance="HC3")
    with pytest.raises(ValueError, match=r'covariance="debiased"'):
        _ = gl.fit(X, y, penalty=lasso).standard_errors


def test_faces_of_a_selective_fit(tmp_path):
    X, y = data(1)
    fit = gl.fit(X, y, penalty=gl.penalties.lasso(0.5), covariance="selective")
    text = " ".join(str(fit.summary()).split())
    assert "Lee, Sun, Sun and Taylor" in text
    assert "zero" in text
    assert "3 of 6 slopes" in text
    assert "std error" not in text
    table = fit.table()
    assert table["lower"][4] is None or np.isnan(table["lower"][4])
    assert table["estimate"][1] == pytest.approx(2.0544037747663713)
    with pytest.raises(ValueError, match="not about the estimate by a standard error"):
        _ = fit.standard_errors
    with pytest.raises(ValueError, match="other coefficients than those that predict"):
        fit.predict(X, interval="prediction")
    fit.save(tmp_path / "model.json")
    again = gl.load(tmp_path / "model.json")
    np.testing.assert_array_equal(again.interval(0.9), fit.interval(0.9))
    np.testing.assert_array_equal(again.p_values, fit.p_values)
    auto = gl.fit(X, y, penalty=gl.penalties.lasso("auto"), covariance="selective")
    assert "the strength was chosen from the same rows" in " ".join(str(auto.summary()).split())
    assert fit.plot(X, y) is not None


def test_faces_of_a_debiased_fit(tmp_path):
    X, y = data(1)
    fit = gl.fit(X, y, penalty=gl.penalties.lasso(0.5), covariance="debiased")
    text = " ".join(str(fit.summary()).split())
    assert "one Newton step" in text
    assert "debiased" in text
    fit.save(tmp_path / "model.json")
    again = gl.load(tmp_path / "model.json")
    np.testing.assert_array_equal(again.interval(0.9), fit.interval(0.9))
    with pytest.raises(ValueError, match="other coefficients than those that predict"):
        fit.predict(X, interval="confidence")
    later = gl.fit(X, y, penalty=gl.penalties.lasso(0.5)).with_covariance("debiased", X, y)
    np.testing.assert_allclose(later.interval(), fit.interval(), rtol=1e-12)
    path = gl.path(X, y, strengths=[0.5])
    chosen = path.fit(0.5).with_covariance("selective", X, y)
    np.testing.assert_allclose(
        chosen.interval(), gl.fit(X, y, penalty=gl.penalties.lasso(0.5), covariance="selective").interval(), rtol=1e-8
    )


def name_of(cell):
    return f"{cell.kind}-{cell.loss}-{cell.penalty.name}-{cell.penalty.strength}"


@pytest.mark.parametrize("cell", [cell for cell in study.cells() if cell.promised and cell.penalty.strength != "auto"], ids=name_of)
def test_intervals_hold_at_a_glance(cell):
    """40 replications: enough to see that what was selected is not forgotten."""
    share, count = study.coverage(cell, 40, 1)
    assert count >= 80
    assert 0.9 <= share <= 0.99


@pytest.mark.study
@pytest.mark.parametrize("cell", study.cells(), ids=name_of)
def test_intervals_hold_between_93_5_and_96_5(cell):
    share, count = study.coverage(cell)
    print(study.line(cell, share, count))
    if cell.promised:
        assert 0.935 <= share <= 0.965


def test_columns_that_say_nothing_or_the_same():
    X, y = data(1)
    fit = gl.fit(X, y, penalty=gl.penalties.lasso(0.3), covariance="selective")
    twice = gl.fit(np.column_stack([X, X[:, 0]]), y, penalty=gl.penalties.lasso(0.3), covariance="selective")
    ends = np.array(twice.interval())
    # Either of the two may be the one that is kept.
    ends[:, 1] = np.where(np.isnan(ends[:, 1]), ends[:, 7], ends[:, 1])
    np.testing.assert_allclose(ends[:, :7], fit.interval(), rtol=1e-6)
    constant = gl.fit(np.column_stack([X, np.ones(60)]), y, penalty=gl.penalties.lasso(0.3), covariance="selective")
    np.testing.assert_allclose(np.array(constant.interval())[:, :7], fit.interval(), rtol=1e-6)
    with pytest.raises(ValueError, match="singular here: a column is constant or determined by others"):
        gl.fit(np.column_stack([X, np.ones(60)]), y, penalty=gl.penalties.lasso(0.3), covariance="debiased")
