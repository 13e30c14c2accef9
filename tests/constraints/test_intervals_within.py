"""Intervals and tests beside constraints, against closed forms and by simulation."""

import numpy as np
import pytest
from scipy import stats

import gradline as gl

RANDOM = np.random.default_rng(6)
N = 150
X = RANDOM.normal(size=(N, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
Y = X @ [0.05, 1.0, -0.3] + RANDOM.normal(size=N)
DESIGN = np.column_stack([np.ones(N), X])


def test_the_default_interval_is_the_unconstrained_one_cut():
    plain, held = gl.fit(X, Y), gl.fit(X, Y, constraints="x1 >= 0, x2 <= 10, x3 + x1 <= 0.5")
    lower, upper = held.interval()
    expected = plain.interval()
    assert lower == pytest.approx(np.maximum(expected.lower, [-np.inf, 0.0, -np.inf, -np.inf]))
    assert upper == pytest.approx(np.minimum(expected.upper, [np.inf, np.inf, 10.0, 0.5]))
    assert held.standard_errors == pytest.approx(plain.standard_errors)
    assert held.p_values == pytest.approx(plain.p_values)
    assert held.test("x2 = 1").statistic == pytest.approx(plain.test("x2 = 1").statistic)


def test_ranges_of_joint_constraints_cut_too():
    fit = gl.fit(X, Y, constraints=[gl.constraints.nonnegative(), gl.constraints.sum_to(0.4)])
    lower, upper = fit.interval(1.0 - 1e-9)
    assert (lower[1:] >= 0.0).all()
    assert (upper[1:] <= 0.4 + 1e-12).all()


def test_nothing_left_of_an_interval_is_said():
    fit = gl.fit(X, Y, constraints="x2 <= -1")
    with pytest.warns(gl.GradlineWarning, match="the data does not support them"):
        lower, upper = fit.interval()
    assert np.isnan([lower[2], upper[2]]).all()
    assert np.isfinite(lower[1])
    assert "The data does not support the constraints" in fit.report(X, Y).html
    assert "test that they hold: p" in str(fit.summary())


def test_the_face_is_the_fit_of_what_it_leaves():
    fit = gl.fit(X, Y, constraints="x3 >= 0, x1 + x2 = 1", inference="face")
    # On x3 = 0 and x2 = 1 - x1: y - x2 on x1 - x2.
    expected = gl.fit(X[:, 0] - X[:, 1], Y - X[:, 1])
    assert fit.standard_errors[0] == pytest.approx(expected.standard_errors[0])
    assert fit.standard_errors[1] == pytest.approx(expected.standard_errors[1])
    assert fit.standard_errors[2] == pytest.approx(expected.standard_errors[1])
    assert np.isnan(fit.standard_errors[3])
    assert fit.dispersion == pytest.approx(expected.dispersion)
    assert fit.interval().lower[3] == fit.interval().upper[3] == 0.0
    counts = RANDOM.poisson(np.exp(X @ [0.2, 0.1, -0.3])).astype(float)
    held = gl.fit(X, counts, loss="poisson", constraints="x3 >= 0", inference="face", covariance="HC1")
    smaller = gl.fit(X[:, :2], counts, loss="poisson", covariance="HC1")
    assert held.coefficients[:3] == pytest.approx(smaller.coefficients, rel=1e-9)
    assert held.standard_errors[:3] == pytest.approx(smaller.standard_errors, rel=1e-6)
    assert held.log_likelihood == pytest.approx(smaller.log_likelihood)


def test_draws_lie_in_the_set_and_agree_inside_it():
    fit = gl.fit(X, Y, constraints="x1 >= 0, x2 >= -5", inference="draws")
    lower, upper = fit.interval()
    assert lower[1] >= 0.0
    plain = gl.fit(X, Y).interval()
    assert lower[2] == pytest.approx(plain.lower[2], abs=0.06)
    assert upper[2] == pytest.approx(plain.upper[2], abs=0.06)
    assert np.array_equal(fit.interval(), fit.interval())  # a fixed seed


def test_equations_are_tested_as_wald_does():
    fit = gl.fit(X, Y, constraints="x1 = 0, x2 + x3 = 1")
    found, wald = fit.test_constraints(), gl.fit(X, Y).test("x1 = 0, x2 + x3 = 1")
    assert found.p_value == pytest.approx(wald.p_value, rel=1e-9)
    assert found.statistic / 2 == pytest.approx(wald.statistic, rel=1e-9)


def test_one_inequality_is_a_one_sided_test():
    fit = gl.fit(X, Y, constraints="x3 >= 0")
    t = gl.fit(X, Y).statistics[3]
    assert fit.test_constraints().p_value == pytest.approx(stats.t.cdf(t, N - 4), rel=1e-9)
    assert gl.fit(X, Y, constraints="x3 <= 0").test_constraints().p_value == 1.0


def test_weights_of_two_and_of_many():
    two = gl.fit(X, Y, constraints="x1 >= 1, x3 >= 1").test_constraints()
    matrix = gl.fit(X, Y).covariance().matrix
    correlation = matrix[1, 3] / np.sqrt(matrix[1, 1] * matrix[3, 3])
    assert two.weights == pytest.approx([0.25 + np.arcsin(correlation) / (2 * np.pi), 0.5, 0.25 - np.arcsin(correlation) / (2 * np.pi)])
    # Of independent coefficients the weights are those of coins.
    design = np.linalg.qr(np.column_stack([np.ones(64), RANDOM.normal(size=(64, 3))]))[0][:, 1:]
    many = gl.fit(design, RANDOM.normal(size=64), constraints=gl.constraints.bounds(lower=1.0)).test_constraints()
    assert many.weights == pytest.approx(stats.binom.pmf(np.arange(4), 3, 0.5), abs=0.05)


def test_the_test_keeps_its_level_at_the_worst_coefficients():
    random = np.random.default_rng(1)
    p_values = [gl.fit(X, random.normal(size=N), constraints="x1 >= 0, x2 >= 0").test_constraints().p_value for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.1


def test_multipliers_are_what_a_constraint_costs():
    ends = np.array([0.30, 0.31])
    fits = [gl.fit(X, Y, constraints=f"x1 >= {end}, x1 + x3 <= 0.1") for end in ends]
    slope = (fits[1].loss - fits[0].loss) / 0.01
    assert np.mean([fit.multipliers[f"x1 >= {end}"] for fit, end in zip(fits, ends, strict=True)]) == pytest.approx(slope, rel=1e-6)
    assert gl.fit(X, Y, constraints="x2 >= 0").multipliers == {"x2 >= 0": 0.0}
    assert gl.fit(X, Y).multipliers == {}


def test_errors_that_were_not_asked_for_and_a_test_without_constraints():
    with pytest.raises(gl.InferenceError, match="has no constraints to test"):
        gl.fit(X, Y).test_constraints()
    with pytest.raises(gl.InferenceError, match="taken for true"):
        gl.fit(X, Y, constraints="x1 >= 0", inference="face").test_constraints()
    with pytest.raises(gl.InferenceError, match="none were wanted"):
        gl.fit(X, Y, constraints="x1 >= 0", covariance=False).interval()


def test_rows_given_again_are_known_and_diagnosed_on_the_face():
    fit = gl.fit(X, Y, constraints="x3 >= 0, x1 + x2 = 1")
    found = fit.diagnose(X, Y)
    assert found.leverage.sum() == pytest.approx(2.0)
    smaller = gl.fit(X[:, 0] - X[:, 1], Y - X[:, 1])
    alone = smaller.diagnose(X[:, 0] - X[:, 1], Y - X[:, 1])
    assert found.leverage == pytest.approx(alone.leverage)
    assert Y - found.leave_one_out == pytest.approx(Y - X[:, 1] - alone.leave_one_out)
    with pytest.raises(gl.InferenceError, match="not the rows the model was fitted to"):
        fit.diagnose(X[:, ::-1].copy(), Y)
    again = fit.with_covariance("HC3", X, Y)
    assert again.standard_errors == pytest.approx(gl.fit(X, Y, covariance="HC3").standard_errors)


@pytest.mark.filterwarnings("ignore:nothing is left")
@pytest.mark.parametrize("inference", ["intersection", "draws", "face"])
def test_a_model_file_keeps_them(tmp_path, inference):
    fit = gl.fit(X, Y, names=["x1", "x2", "x3"], constraints="x3 >= 0, x1 + x2 = 1, x1 >= -9", inference=inference)
    fit.save(tmp_path / "model.json")
    loaded = gl.load(tmp_path / "model.json")
    assert loaded.multipliers == fit.multipliers
    assert loaded.active_constraints == fit.active_constraints == ("x3 >= 0", "x1 + x2 = 1")
    assert np.array_equal(loaded.interval(), fit.interval(), equal_nan=True)
    assert str(loaded.summary()).splitlines()[:20] == str(fit.summary()).splitlines()[:20]
    if inference != "face":
        assert loaded.test_constraints() == fit.test_constraints()


def test_intervals_of_predictions_reach_to_both_fits():
    plain, held = gl.fit(X, Y), gl.fit(X, Y, constraints="x3 >= 0")
    new = RANDOM.normal(size=(20, 3))
    expected, found = plain.predict(new, interval="confidence"), held.predict(new, interval="confidence")
    assert found.prediction == pytest.approx(held.predict(new))
    assert found.lower == pytest.approx(np.minimum(expected.lower, found.prediction))
    assert found.upper == pytest.approx(np.maximum(expected.upper, found.prediction))
    assert "without constraints" in found.guarantee
    face = gl.fit(X, Y, constraints="x3 >= 0", inference="face").predict(new, interval="confidence")
    assert face.lower == pytest.approx(gl.fit(X[:, :2], Y).predict(new[:, :2], interval="confidence").lower)
