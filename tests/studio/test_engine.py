"""The engine in the studio's page gives gradline's own numbers: losses, generators, descent, optima."""

from __future__ import annotations

import subprocess
import warnings
from typing import Any

import numpy as np
import pytest
from tests.studio.engine_in_node import STUDIO, ask, good, needs, numbers, points, settings

import gradline as gl

REAL = np.array([-41.0, -3.2, -1.0, -0.3, 0.0, 0.4, 1.0, 2.5, 60.0])
PLACES = np.array([-35.0, -6.1, -1.3, -0.02, 0.0, 0.3, 1.0, 4.4, 21.0])

LOSSES: dict[str, tuple[Any, Any, np.ndarray[Any, Any]]] = {
    "squared": ("squared", gl.losses.squared, REAL),
    "absolute": ("absolute", gl.losses.absolute, REAL),
    "huber": (("huber", 1.35), gl.losses.huber(1.35), REAL),
    "quantile": (("quantile", 0.3), gl.losses.quantile(0.3), REAL),
    "expectile": (("expectile", 0.7), gl.losses.expectile(0.7), REAL),
    "log_cosh": ("log_cosh", gl.losses.log_cosh, REAL),
    "epsilon_insensitive": (("epsilon_insensitive", 0.7), gl.losses.epsilon_insensitive(0.7), REAL),
    "tukey": (("tukey", 4.685), gl.losses.tukey(4.685), REAL),
    "student_t": (("student_t", 3.5), gl.losses.student_t(3.5), REAL),
    "cauchy": (("cauchy", 0.8), gl.losses.cauchy(0.8), REAL),
    "logistic": ("logistic", gl.losses.logistic, np.array([0.0, 1.0])),
    "probit": ("probit", gl.losses.probit, np.array([0.0, 1.0])),
    "cloglog": ("cloglog", gl.losses.cloglog, np.array([0.0, 1.0])),
    "loglog": ("loglog", gl.losses.loglog, np.array([0.0, 1.0])),
    "cauchit": ("cauchit", gl.losses.cauchit, np.array([0.0, 1.0])),
    "hinge": ("hinge", gl.losses.hinge, np.array([-1.0, 1.0])),
    "poisson": ("poisson", gl.losses.poisson, np.array([0.0, 1.0, 2.5, 7.0, 128.0, 900.0])),
    "negative_binomial": (("negative_binomial", 0.4), gl.losses.negative_binomial(0.4), np.array([0.0, 1.0, 2.5, 90.0, 3000.0])),
    "gamma": ("gamma", gl.losses.gamma, np.array([0.01, 1.0, 40.0])),
    "tweedie": (("tweedie", 1.4), gl.losses.tweedie(1.4), np.array([0.0, 1.0, 40.0])),
    "exponential": ("exponential", gl.losses.exponential, np.array([0.01, 1.0, 40.0])),
    "gaussian:log": ("gaussian:log", gl.losses.gaussian("log"), REAL),
}


def test_the_engines_own_tests_pass() -> None:
    if (reason := needs()) is not None:
        pytest.skip(reason)
    folder = STUDIO / "test"
    subprocess.run(["node", str(folder / "bundle.mjs")], check=True, cwd=STUDIO, capture_output=True, timeout=120)
    done = subprocess.run(
        ["node", "--test", str(folder / "engine.test.mjs")], check=False, cwd=STUDIO, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout


def test_every_loss_of_the_page_is_in_the_table_above() -> None:
    (found,) = good([{"kind": "call", "name": "offered", "given": []}])
    assert {one["name"] for one in found} == set(LOSSES)


def test_losses_have_gradlines_values_slopes_and_curvatures() -> None:
    grids = {name: [a.ravel() for a in np.meshgrid(targets, PLACES)] for name, (_, _, targets) in LOSSES.items()}
    questions = [
        {"kind": "loss", "loss": settings(spec)["loss"], "y": grids[name][0].tolist(), "p": grids[name][1].tolist()}
        for name, (spec, _, _) in LOSSES.items()
    ]
    for (name, (_, loss, _)), answer in zip(LOSSES.items(), good(questions), strict=True):
        y, p = (a[:, None] for a in grids[name])
        with np.errstate(all="ignore"):
            want = loss.derivatives(y, p, 2)
            expected = np.column_stack([want.value, want.gradient[:, 0], want.curvature[:, 0, 0], loss.predict(p)[:, 0]])
        np.testing.assert_allclose(numbers(answer["rows"]), expected, rtol=1e-12, atol=1e-14, err_msg=name)
        assert answer["convex"] == loss.is_convex, name
        assert answer["squaredScale"] == loss.squared_scale(), name


def test_numbers_drawn_are_numpys() -> None:
    seeds = [0, 1, 7, 2**32 + 5, 2**53 - 1]
    for seed, answer in zip(seeds, good([{"kind": "drawn", "seed": seed, "count": 2001, "size": 1000} for seed in seeds]), strict=True):
        generator = np.random.default_rng(seed)
        np.testing.assert_allclose(answer["normal"], generator.standard_normal(2001), rtol=1e-15)
        for order in answer["orders"]:
            assert order == generator.permutation(1000).tolist()


def _data(kind: str, n: int, inputs: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, inputs)) * [2.0, 0.7][:inputs] + [0.5, -1.0][:inputs]
    eta = 0.4 + x @ np.array([0.8, -0.5])[:inputs]
    targets = {
        "real": eta * 2 + rng.standard_t(3, n),
        "binary": (rng.random(n) < 1 / (1 + np.exp(-eta))) * 1.0,
        "signs": np.where(rng.random(n) < 1 / (1 + np.exp(-eta)), 1.0, -1.0),
        "count": rng.poisson(np.exp(0.3 * eta)) * 1.0,
        "positive": np.exp(0.3 * eta) * rng.gamma(2.0, 0.5, n),
    }
    return x, targets[kind]


TYPED = "y, p -> sqrt(1 + (y - p)^2) - 1"


def _typed(y: Any, p: Any) -> Any:
    import jax.numpy as jnp

    return jnp.sqrt(1 + (y - p) ** 2) - 1


WALKS: dict[str, tuple[Any, Any, str, int, dict[str, Any]]] = {
    "squared, auto": ("squared", gl.losses.squared, "real", 1, {}),
    "squared, a rate": ("squared", gl.losses.squared, "real", 2, {"rate": 0.05}),
    "squared, momentum": ("squared", gl.losses.squared, "real", 1, {"rate": 0.02, "momentum": 0.9}),
    "squared, Nesterov": ("squared", gl.losses.squared, "real", 2, {"rate": 0.02, "momentum": 0.8, "nesterov": True}),
    "squared, batches": ("squared", gl.losses.squared, "real", 1, {"rate": 0.01, "batch": 32, "seed": 3}),
    "squared, batches and momentum": ("squared", gl.losses.squared, "real", 2, {"rate": 0.003, "batch": 10, "seed": 8, "momentum": 0.9}),
    "squared, auto batches": ("squared", gl.losses.squared, "real", 2, {"batch": 7, "seed": 11}),
    "squared, a start": ("squared", gl.losses.squared, "real", 1, {"rate": 0.001, "start": [30.0, -20.0]}),
    "huber": (("huber", 1.35), gl.losses.huber(1.35), "real", 1, {"rate": 0.1}),
    "huber, auto": (("huber", 1.35), gl.losses.huber(1.35), "real", 2, {}),
    "log_cosh, Nesterov": ("log_cosh", gl.losses.log_cosh, "real", 2, {"rate": 0.1, "momentum": 0.5, "nesterov": True}),
    "tukey": (("tukey", 4.685), gl.losses.tukey(4.685), "real", 1, {"rate": 0.05}),
    "quantile": (("quantile", 0.8), gl.losses.quantile(0.8), "real", 1, {"rate": 0.01}),
    "absolute, auto": ("absolute", gl.losses.absolute, "real", 2, {}),
    "logistic, auto": ("logistic", gl.losses.logistic, "binary", 2, {}),
    "logistic, batches": ("logistic", gl.losses.logistic, "binary", 1, {"rate": 0.2, "batch": 16, "seed": 5}),
    "poisson, auto": ("poisson", gl.losses.poisson, "count", 1, {}),
    "poisson, auto with momentum": ("poisson", gl.losses.poisson, "count", 2, {"momentum": 0.9}),
    "gamma": ("gamma", gl.losses.gamma, "positive", 2, {"rate": 0.05}),
    "typed": (TYPED, _typed, "real", 1, {"rate": 0.1, "momentum": 0.5}),
}
STEPS = 10_000


WALKED = {name: _data(kind, 120, inputs, seed) for seed, (name, (_, _, kind, inputs, _)) in enumerate(WALKS.items())}


@pytest.fixture(scope="module")
def walked() -> dict[str, Any]:
    assert len(WALKS) == 20
    questions = [
        {"kind": "walk", "points": points(*WALKED[name]), "settings": settings(spec, inputs, **changed), "steps": STEPS, "every": 50}
        for name, (spec, _, _, inputs, changed) in WALKS.items()
    ]
    return dict(zip(WALKS, good(questions), strict=True))


@pytest.mark.parametrize("name", WALKS)
def test_ten_thousand_steps_are_gradient_descents(walked: dict[str, Any], name: str) -> None:
    _, loss, _, _, changed = WALKS[name]
    answer = walked[name]
    renamed = {"rate": "learning_rate", "batch": "batch_size"}
    solver = gl.GradientDescent(steps=STEPS, record_every=1, **{renamed.get(key, key): value for key, value in changed.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = gl.fit(*WALKED[name], loss=loss, solver=solver, covariance=False)
    kept = [step["step"] for step in answer["steps"]]
    assert kept == list(range(0, STEPS + 1, 50))
    history = fit.history
    want = history.coefficients[kept][:, :, 0]
    found = numbers([step["coefficients"] for step in answer["steps"]])
    error = np.abs(found - want).max(axis=1) / np.abs(want).max(axis=1).clip(1e-300)
    assert error[1:].max() < 1e-12
    np.testing.assert_array_equal(found[0], want[0])
    np.testing.assert_allclose([step["loss"] for step in answer["steps"]], history.loss[kept], rtol=1e-12)
    norms = [step["gradientNorm"] for step in answer["steps"]]
    np.testing.assert_allclose(norms, history.gradient_norm[kept], rtol=1e-9, atol=1e-12 * history.gradient_norm[0])
    assert answer["rate"] == pytest.approx(fit.learning_rate, rel=1e-12)
    assert answer["diverged"] is None


OPTIMA: dict[str, tuple[Any, Any, str]] = {
    "squared": ("squared", gl.losses.squared, "real"),
    "absolute": ("absolute", gl.losses.absolute, "real"),
    "huber": (("huber", 1.35), gl.losses.huber(1.35), "real"),
    "quantile": (("quantile", 0.15), gl.losses.quantile(0.15), "real"),
    "expectile": (("expectile", 0.8), gl.losses.expectile(0.8), "real"),
    "log_cosh": ("log_cosh", gl.losses.log_cosh, "real"),
    "epsilon_insensitive": (("epsilon_insensitive", 0.5), gl.losses.epsilon_insensitive(0.5), "real"),
    "tukey": (("tukey", 4.685), gl.losses.tukey(4.685), "real"),
    "student_t": (("student_t", 3.0), gl.losses.student_t(3.0), "real"),
    "cauchy": (("cauchy", 1.0), gl.losses.cauchy(1.0), "real"),
    "logistic": ("logistic", gl.losses.logistic, "binary"),
    "probit": ("probit", gl.losses.probit, "binary"),
    "cloglog": ("cloglog", gl.losses.cloglog, "binary"),
    "loglog": ("loglog", gl.losses.loglog, "binary"),
    "cauchit": ("cauchit", gl.losses.cauchit, "binary"),
    "hinge": ("hinge", gl.losses.hinge, "signs"),
    "poisson": ("poisson", gl.losses.poisson, "count"),
    "negative_binomial": (("negative_binomial", 0.5), gl.losses.negative_binomial(0.5), "count"),
    "gamma": ("gamma", gl.losses.gamma, "positive"),
    "tweedie": (("tweedie", 1.5), gl.losses.tweedie(1.5), "positive"),
    "exponential": ("exponential", gl.losses.exponential, "positive"),
    "gaussian:log": ("gaussian:log", gl.losses.gaussian("log"), "positive"),
}


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_optima_are_those_of_fit(inputs: int, weighted: bool) -> None:
    rng = np.random.default_rng(4)
    weights = rng.uniform(0.5, 2.0, 81) if weighted else None
    data = {kind: _data(kind, 81, inputs, 17) for kind in ("real", "binary", "signs", "count", "positive")}
    questions = [
        {"kind": "optimum", "points": points(*data[kind], weights), "settings": settings(spec, inputs)} for spec, _, kind in OPTIMA.values()
    ]
    for (name, (_, loss, kind)), answer in zip(OPTIMA.items(), good(questions), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = gl.fit(*data[kind], loss=loss, weights=weights, covariance=False)
        assert answer["certificate"]["converged"], (name, answer["certificate"])
        np.testing.assert_allclose(answer["coefficients"], fit.coefficients.ravel(), rtol=1e-9, atol=1e-9, err_msg=name)
        assert answer["loss"] == pytest.approx(fit.loss, rel=1e-12), name


def _own(text: str) -> Any:
    """A loss of gradline from the text of a typed one, which Python reads alike but for names."""
    import jax.numpy as jnp

    names = {"abs": jnp.abs, "max": jnp.maximum, "exp": jnp.exp, "where": jnp.where, "sqrt": jnp.sqrt, "jnp": jnp}
    body = text.partition("->")[2].replace("^", "**")
    return eval(f"lambda y, p: jnp.asarray({body})", names)


KINKED = {
    "y, p -> abs(y - p) + 0.1 * (y - p)^2": "real",
    "y, p -> max(0.7 * (y - p), 0.3 * (p - y)) + 0.01 * exp(0.3 * (p - y))": "real",
    "y, p -> max(0, abs(y - p) - 0.5)^2 + 0.2 * abs(y - p)": "real",
    "y, p -> max(0, abs(y - p) - 0.5)": "real",
    "y, p -> abs(exp(0.2 * p) - y)": "positive",
    "y, p -> where(p > y, 2 * (p - y), sqrt(1 + (y - p)^2) - 1)": "real",
    "y, p -> max(0, 1 - y * p) + 0.05 * p^2": "signs",
}


@pytest.mark.parametrize("inputs", [1, 2])
def test_typed_losses_with_kinks_are_solved_exactly(inputs: int) -> None:
    data = {kind: _data(kind, 41, inputs, 23) for kind in set(KINKED.values())}
    questions = [{"kind": "optimum", "points": points(*data[kind]), "settings": settings(text, inputs)} for text, kind in KINKED.items()]
    for (text, kind), answer in zip(KINKED.items(), good(questions), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = gl.fit(*data[kind], loss=_own(text), covariance=False, backend="jax")
        assert answer["certificate"]["converged"], (text, answer["certificate"])
        assert answer["loss"] == pytest.approx(fit.loss, rel=1e-10), (text, answer, fit.coefficients.ravel())
        np.testing.assert_allclose(answer["coefficients"], fit.coefficients.ravel(), rtol=1e-7, atol=1e-7, err_msg=text)


def test_kinked_losses_of_tied_points_reach_the_lowest_loss() -> None:
    rng = np.random.default_rng(12)
    questions, want = [], []
    for trial in range(40):
        inputs = 1 + trial % 2
        x, y = rng.integers(0, 4, (3 + trial, inputs)) * 1.0, rng.integers(0, 5, 3 + trial) * 1.0
        weights = rng.integers(1, 4, 3 + trial) * 1.0
        for spec, loss in (("absolute", gl.losses.absolute), (("quantile", 0.25), gl.losses.quantile(0.25))):
            questions.append({"kind": "optimum", "points": points(x, y, weights), "settings": settings(spec, inputs)})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want.append(gl.fit(x, y, loss=loss, weights=weights, covariance=False).loss)
    for question, answer, loss in zip(questions, good(questions), want, strict=True):
        assert answer["certificate"]["converged"], question
        assert answer["loss"] == pytest.approx(loss, rel=1e-9, abs=1e-12), question


def test_the_marked_rate_is_the_last_that_converges() -> None:
    x, y = _data("real", 60, 1, 2)
    kinds = [{"momentum": 0.0}, {"momentum": 0.7}, {"momentum": 0.7, "nesterov": True}]
    marked = [
        answer["stability"]["largestRate"]
        for answer in good([{"kind": "optimum", "points": points(x, y), "settings": settings(**kind)} for kind in kinds])
    ]
    questions = [
        {"kind": "walk", "points": points(x, y), "settings": settings(**kind, rate=share * rate), "steps": 4000, "every": 4000}
        for kind, rate in zip(kinds, marked, strict=True)
        for share in (0.99, 1.01)
    ]
    answers = good(questions)
    best = gl.fit(x, y).loss
    for below, above in zip(answers[::2], answers[1::2], strict=True):
        assert below["diverged"] is None
        assert below["warning"] is None
        assert below["steps"][-1]["loss"] == pytest.approx(best, rel=1e-9)
        assert "1,000 times the start" in above["diverged"]
        assert "above" in above["warning"]


def test_leave_one_out_losses_are_gradlines() -> None:
    x, y = _data("real", 40, 2, 9)
    losses = ["squared", ("huber", 1.35), "log_cosh"]
    (answer,) = good(
        [{"kind": "compare", "points": points(x, y), "settings": settings(inputs=2), "losses": [settings(one)["loss"] for one in losses]}]
    )
    for loss, one in zip([gl.losses.squared, gl.losses.huber(1.35), gl.losses.log_cosh], answer, strict=True):
        assert one["leaveOneOut"] == pytest.approx(gl.fit(x, y, loss=loss).diagnose(x, y).leave_one_out_loss.left_out, rel=1e-9)


def test_points_left_out_of_a_kinked_loss_are_fitted_without() -> None:
    x, y = _data("real", 25, 2, 9)
    texts = {"absolute": gl.losses.absolute, ("quantile", 0.3): gl.losses.quantile(0.3)}
    question = {
        "kind": "compare",
        "points": points(x, y),
        "settings": settings(inputs=2),
        "losses": [settings(one)["loss"] for one in texts],
    }
    (answer,) = good([question])
    for loss, one in zip(texts.values(), answer, strict=True):
        left_out = []
        for i in range(25):
            rest = np.arange(25) != i
            p = gl.fit(x[rest], y[rest], loss=loss, covariance=False).predict(x[i : i + 1]).reshape(1, 1)
            left_out.append(loss.derivatives(y[i].reshape(1, 1), p, 0).value[0])
        assert one["leaveOneOut"] == pytest.approx(np.mean(left_out), rel=1e-9)


def test_what_cannot_be_fitted_is_refused_by_row_and_column() -> None:
    x, y = [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]
    refused = ask(
        [
            {"kind": "optimum", "points": points(x, y), "settings": settings("logistic")},
            {"kind": "optimum", "points": points(x, y), "settings": settings("y, p -> log(p - 10)")},
            {"kind": "walk", "points": points(x, y), "settings": settings("y, p -> log(p)"), "steps": 1, "every": 1},
            {"kind": "optimum", "points": points(x, y), "settings": settings("y, p -> (y - p")},
            {"kind": "optimum", "points": points([], []), "settings": settings()},
        ]
    )
    messages = [answer["refused"]["message"] for answer in refused]
    assert messages[0] == "loss logistic: row 3 of y is 2, and this loss wants 0 or 1"
    assert "row 1" in messages[1]
    assert "infinite in row 1, where y = 0 and p = 0" in messages[2]
    assert messages[3] == "character 15: expected ')', but the loss ends there"
    assert "no point yet" in messages[4]
