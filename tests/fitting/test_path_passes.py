"""Paths of many strengths at once: as many passes as promised, the same answers as one by one; and more columns than rows."""

import numpy as np
import pytest

import gradline as gl
from gradline.fitting import along
from gradline.objective.many import Asked, evaluate_many
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.folds import Folds, without_fold
from gradline.solvers.proximal import many

RNG = np.random.default_rng(21)
N, P = 900, 12
X = RNG.normal(size=(N, P)) + 0.5 * RNG.normal(size=(N, 1))
ETA = X[:, :4] @ np.array([1.0, -0.7, 0.5, 0.2])
TARGETS = {
    "logistic": (RNG.uniform(size=N) < 1 / (1 + np.exp(-ETA))) * 1.0,
    "poisson": RNG.poisson(np.exp(ETA / 2)) * 1.0,
    "gamma": np.exp(ETA / 2) * RNG.gamma(3.0, 1 / 3.0, N),
    "huber": ETA + RNG.standard_t(2, size=N),
    "log_cosh": ETA + RNG.standard_t(3, size=N),
}


def loss_of(name):
    return gl.losses.huber(0.7) if name == "huber" else name


@pytest.fixture
def readings(monkeypatch):
    """How often the rows were read."""
    count = []
    for name in ("reduce", "reduce_runs", "iterate", "map"):
        original = getattr(ArrayRows, name)
        monkeypatch.setattr(ArrayRows, name, lambda self, *a, original=original: (count.append(self.n_rows), original(self, *a))[1])
    return count


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
def test_a_hundred_strengths_take_few_readings(loss, readings):
    path = gl.path(X, TARGETS[loss], loss=loss_of(loss), strengths=100)
    # Those of intercepts alone, which multiply no column, are among them.
    assert sum(n == N for n in readings) <= 18
    assert path.passes <= 15
    assert path.converged.all()
    readings.clear()
    held = gl.path(X, TARGETS[loss], loss=loss_of(loss), strengths=100, choose="folds", folds=3)
    assert sum(n == N for n in readings) <= 25
    assert held.converged.all()


@pytest.mark.parametrize("penalty", [gl.penalties.lasso(), gl.penalties.elastic_net(l1_share=0.5), gl.penalties.scad()], ids=str)
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_strength_left_to_the_fit_begins_where_the_path_chose_it(penalty, loss, readings):
    y = ETA + RNG.normal(size=N) if loss == "squared" else TARGETS[loss]
    path = gl.path(X, y, loss=loss, penalty=penalty, choose="folds")
    on_the_way = sum(n == N for n in readings)
    readings.clear()
    fit = gl.fit(X, y, loss=loss, penalty=penalty, covariance="none")
    # Of the optimum itself no more than its curvature and a step that finds nothing left.
    assert sum(n == N for n in readings) <= on_the_way + 4
    np.testing.assert_allclose(fit.coefficients, path.fit(path.best).coefficients, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", list(TARGETS))
@pytest.mark.parametrize("kind", ["lasso", "elastic", "groups", "weighted"])
def test_all_at_once_is_one_after_the_other(loss, kind, monkeypatch):
    penalty = {
        "lasso": gl.penalties.lasso(),
        "elastic": gl.penalties.elastic_net(l1_share=0.5),
        "groups": gl.penalties.group_lasso(groups=list(np.arange(P) // 3), l1_share=0.3),
        "weighted": gl.penalties.lasso(weights={"x1": 0.0, "x2": 2.0}, scaled=True),
    }[kind]
    options = {"loss": loss_of(loss), "penalty": penalty, "strengths": 9, "choose": "folds", "folds": 3}
    weights = RNG.uniform(0.2, 3.0, N)
    weights[5] = 0.0
    together = gl.path(X, TARGETS[loss], weights=weights, **options)
    monkeypatch.setattr(along, "takes_many", lambda *_: False)
    alone = gl.path(X, TARGETS[loss], weights=weights, **options)
    np.testing.assert_allclose(together.coefficients, alone.coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(together.objectives, alone.objectives, rtol=1e-13)
    np.testing.assert_allclose(together.held_out.of_fold, alone.held_out.of_fold, rtol=1e-8)
    assert together.converged.all()
    assert together.passes < alone.passes


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
@pytest.mark.parametrize("options", [{}, {"choose": "folds", "folds": 3}], ids=["plain", "folds"])
def test_a_sample_carries_all_strengths_near_their_ends(loss, options, monkeypatch, readings):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20_000, P))
    eta = x[:, :4] @ np.array([1.0, -0.7, 0.5, 0.2])
    y = (rng.uniform(size=20_000) < 1 / (1 + np.exp(-eta))) * 1.0 if loss == "logistic" else rng.poisson(np.exp(eta / 2)) * 1.0
    whole = gl.path(x, y, loss=loss, strengths=30, **options)
    assert min(readings) == 20_000
    readings.clear()
    monkeypatch.setattr(many, "SAMPLED", 1000)
    begun = gl.path(x, y, loss=loss, strengths=30, **options)
    assert min(readings) == 1000
    # One of them is of a few strengths only, and takes a small part of the time.
    assert begun.passes < whole.passes
    np.testing.assert_allclose(begun.coefficients, whole.coefficients, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(begun.objectives, whole.objectives, rtol=1e-13)
    assert begun.converged.all()
    assert begun.gaps.max() <= 5e-8


def test_a_sample_that_misses_outlying_rows_does_no_harm(monkeypatch):
    rng = np.random.default_rng(17)
    x = rng.standard_t(2, size=(3000, 8))
    x[:, 0] = rng.uniform(size=3000) < 0.002
    eta = np.clip(x @ np.linspace(0.5, -0.5, 8), -4, 4)
    y = np.exp(eta / 2) * rng.gamma(3.0, 1 / 3.0, 3000)
    monkeypatch.setattr(many, "SAMPLED", 300)
    begun = gl.path(x, y, loss="gamma", penalty=gl.penalties.lasso(scaled=True), strengths=12)
    monkeypatch.setattr(along, "takes_many", lambda *_: False)
    alone = gl.path(x, y, loss="gamma", penalty=gl.penalties.lasso(scaled=True), strengths=12)
    np.testing.assert_allclose(begun.objectives, alone.objectives, rtol=1e-12)
    assert begun.converged.all()


def test_strengths_that_are_stuck_are_solved_alone(monkeypatch):
    monkeypatch.setattr(many, "MOST_PASSES", 3)
    few = gl.path(X, TARGETS["gamma"], loss="gamma", strengths=8)
    monkeypatch.undo()
    path = gl.path(X, TARGETS["gamma"], loss="gamma", strengths=8)
    np.testing.assert_allclose(few.coefficients, path.coefficients, rtol=1e-8, atol=1e-11)
    assert few.converged.all()


def test_one_pass_gives_what_many_would():
    y, folds = TARGETS["logistic"][:, None], Folds(4)
    weights = RNG.uniform(0.0, 2.0, N)
    rows = ArrayRows(X, y, weights=weights, offset=RNG.normal(size=(N, 1)))
    problem = Problem(rows, gl.losses.logistic)
    points = RNG.normal(size=(3, P + 1, 1))
    plain, without = evaluate_many(problem, [Asked(points, None, (1,)), Asked(points[:2], 2, (0, 1))], folds)
    rest = Problem(without_fold(rows, folds, 2), gl.losses.logistic)
    for answer, asked in ((plain, problem), (without, rest)):
        for place, value in enumerate(answer.values):
            known = asked.evaluate(points[place], 2)
            assert value == pytest.approx(known.value, rel=1e-13)
            np.testing.assert_allclose(answer.gradients[place], known.gradient, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(plain.curvatures[0], problem.evaluate(points[1], 2).curvature, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(without.curvatures[1], rest.evaluate(points[1], 2).curvature, rtol=1e-10, atol=1e-13)
    inside = folds.of(rows.in_memory()) == 2
    eta = X[inside] @ points[0, 1:, 0] + points[0, 0, 0] + rows.offset[inside, 0]
    loss = weights[inside] @ (np.logaddexp(0.0, eta) - y[inside, 0] * eta)
    assert without.held_out[0] == pytest.approx(loss, rel=1e-12)
    assert without.held_weight == pytest.approx(weights[inside].sum())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weights": np.r_[0.0, RNG.uniform(0.5, 2.0, 79)]},
        {"intercept": False, "offset": RNG.normal(size=80)},
        {"penalty": gl.penalties.lasso(scaled=True)},
        {"penalty": gl.penalties.lasso(weights=list(RNG.uniform(0.5, 2.0, 600)))},
        {"choose": "folds", "folds": 4},
    ],
    ids=["plain", "weights", "no intercept", "scaled", "factors", "folds"],
)
def test_many_columns_take_working_sets(options, monkeypatch):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(80, 600)) + 1.0
    y = 2 * x[:, 0] - x[:, 5] + rng.normal(size=80)
    wide = gl.path(x, y, strengths=25, **options)
    monkeypatch.setattr(along, "WIDE", 10**6)
    of_sums = gl.path(x, y, strengths=25, **options)
    np.testing.assert_allclose(wide.strengths, of_sums.strengths, rtol=1e-11)
    np.testing.assert_allclose(wide.coefficients, of_sums.coefficients, atol=1e-9)
    np.testing.assert_array_equal(wide.coefficients == 0, of_sums.coefficients == 0)
    np.testing.assert_allclose(wide.breakpoints, of_sums.breakpoints, rtol=1e-8)
    assert wide.converged.all()
    assert wide.gaps.max() <= 1e-6
    if "choose" in options:
        np.testing.assert_allclose(wide.held_out.of_fold, of_sums.held_out.of_fold, rtol=1e-10)


def test_columns_that_are_the_same_do_not_stop_a_wide_path():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(40, 520))
    x[:, 1], x[:, 2], x[:, 3] = x[:, 0], -x[:, 0], 1.0
    y = x[:, 0] + rng.normal(size=40)
    path = gl.path(x, y, strengths=40)
    assert path.converged.all()
    assert path.gaps.max() <= 1e-6
