"""What the tutorial's page asks of losses of a file, in each framework: steps of gl.GradientDescent, optima of gl.fit."""

import importlib.util
import itertools

import numpy as np
import pytest
from talking import talking

import gradline as gl
from gradline.studio.answers import Studio
from gradline.studio.points import shrinking
from gradline.studio.spec import FileLoss


def tensorflow_huber(y, p):
    import tensorflow as tf

    r = tf.abs(y - p)
    return tf.where(r < 1.0, 0.5 * r * r, r - 0.5)


def jax_huber(y, p):
    import jax.numpy as jnp

    r = jnp.abs(y - p)
    return jnp.where(r < 1.0, 0.5 * r * r, r - 0.5)


def torch_huber(y, p):
    import torch

    r = torch.abs(y - p)
    return torch.where(r < 1.0, 0.5 * r * r, r - 0.5)


def square(y, p):
    import jax.numpy as jnp

    return jnp.square(y - p)


def broken(y, p):
    import jax.numpy as jnp

    raise RuntimeError("the loss broke " + jnp.__name__)


FRAMEWORKS = {"tensorflow": tensorflow_huber, "jax": jax_huber, "torch": torch_huber}
LOSSES = {"square": square, "broken": broken, **{f"{name}_huber": loss for name, loss in FRAMEWORKS.items()}}

RANDOM = np.random.default_rng(3)
ONE = RANDOM.normal(size=(40, 1))
TWO = RANDOM.normal(size=(40, 2)) * [1.0, 3.0] + [0.5, -1.0]
Y = 6 * ONE[:, 0] - 5 + RANDOM.normal(size=40)


@pytest.fixture(scope="module")
def talk():
    losses = [FileLoss("mine.py", name, lambda loss=loss: loss) for name, loss in LOSSES.items()]
    with talking(Studio(losses=losses)) as found:
        yield found


def points(X=ONE, y=Y, **more):
    return {"inputs": [f"x{j}" for j in range(X.shape[1])], "target": "y", "x": X.tolist(), "y": y.tolist(), **more}


def settings(name="square", **more):
    return {"loss": {"kind": "file", "name": name}, **more}


def coefficients(answer):
    return np.array([step["coefficients"] for step in answer["steps"]])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_a_walk_is_gradient_descents_own(talk, framework, momentum):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    answer = talk.ask(
        "walk", points=points(), settings=settings(f"{framework}_huber", rate=0.1, momentum=momentum, start=[1.0, -1.0]), steps=200
    )
    solver = gl.GradientDescent(learning_rate=0.1, momentum=momentum, steps=200, start=[1.0, -1.0])
    own = gl.fit(ONE, Y, loss=FRAMEWORKS[framework], solver=solver).history
    np.testing.assert_allclose(coefficients(answer), own.coefficients[:, :, 0], rtol=1e-12)
    np.testing.assert_allclose([step["loss"] for step in answer["steps"]], own.loss, rtol=1e-12)
    assert answer["rate"] == 0.1


def test_a_walk_in_standardised_inputs_is_reported_in_the_users_units(talk):
    answer = talk.ask("walk", points=points(TWO), settings=settings(rate=0.4, standardised=True, start=[1.0, 2.0, 3.0]), steps=400)
    found = coefficients(answer)
    np.testing.assert_allclose(found[0], [1.0, 2.0, 3.0], rtol=1e-12)
    np.testing.assert_allclose(found[-1], gl.fit(TWO, Y).coefficients, rtol=1e-9)


@pytest.mark.parametrize("method", ["descent", "newton"])
def test_walks_end_at_the_optimum(talk, method):
    answer = talk.ask("walk", points=points(), settings=settings("jax_huber", method=method), steps=2000)
    best = talk.ask("optimum", points=points(), settings=settings("jax_huber"))
    np.testing.assert_allclose(coefficients(answer)[-1], best["coefficients"], rtol=1e-6)
    assert answer["diverged"] is None
    losses = [step["loss"] for step in answer["steps"]]
    assert all(b <= a * (1 + 1e-14) for a, b in itertools.pairwise(losses))


def test_mini_batches_are_those_of_the_seed(talk):
    spec = settings(rate=0.05, batch=8, seed=7)
    answer = talk.ask("walk", points=points(), settings=spec, steps=100)
    solver = gl.GradientDescent(learning_rate=0.05, batch_size=8, seed=7, steps=100, record_every=1)
    with pytest.warns(gl.GradlineWarning, match="has not converged: 100 steps done"):
        own = gl.fit(ONE, Y, solver=solver).history
    np.testing.assert_allclose(coefficients(answer), own.coefficients[:, :, 0], rtol=1e-12)
    assert len(answer["steps"]) == 101


def test_the_largest_rate_is_where_divergence_begins(talk):
    found = talk.ask("stability", points=points(), settings=settings(rate=0.1))
    for share, diverges in ((0.99, False), (1.01, True)):
        answer = talk.ask("walk", points=points(), settings=settings(rate=share * found["largestRate"]), steps=20_000)
        assert (answer["diverged"] is not None) == diverges
        assert (answer["warning"] is not None) == diverges
    predicted = talk.ask("stability", points=points(), settings=settings(rate=0.3))["predictedRate"]
    steps = coefficients(talk.ask("walk", points=points(), settings=settings(rate=0.3), steps=60))
    distance = np.linalg.norm(steps - gl.fit(ONE, Y).coefficients, axis=1)
    assert distance[31] / distance[30] == pytest.approx(predicted, rel=1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("curvature", [0.1, 1.0, 1.7])
def test_the_predicted_rate_is_the_spectral_radius_of_a_step(momentum, nesterov, curvature):
    def step(b, v):
        v = momentum * v - curvature * (b + momentum * v if nesterov else b)
        return b + v, v

    matrix = np.column_stack([step(1.0, 0.0), step(0.0, 1.0)])
    assert shrinking(1.0, momentum, nesterov, curvature) == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max(), rel=1e-9)


@pytest.mark.parametrize("standardised", [False, True])
def test_the_surface_is_the_loss_on_its_grid(talk, standardised):
    weights = np.linspace(1, 2, 40)
    spec = settings("jax_huber", start=[0.0, 0.0, 2.0], standardised=standardised)
    asked = {"first": [-2.0, 3.0], "second": [0.0, 4.0], "size": 5}
    found = talk.ask("surface", points=points(TWO, weights=weights.tolist()), settings=spec, **asked)
    X = (TWO - TWO.mean(axis=0)) / TWO.std(axis=0) if standardised else TWO
    held = 2.0 * TWO[:, 1].std() if standardised else 2.0
    for j, slope in enumerate(found["second"]):
        for i, intercept in enumerate(found["first"]):
            r = np.abs(Y - intercept - X @ [slope, held])
            value = np.average(np.where(r < 1, 0.5 * r * r, r - 0.5), weights=weights)
            assert found["loss"][5 * j + i] == pytest.approx(value, rel=1e-12)


def test_losses_are_compared_by_their_optima_and_left_out_rows(talk):
    names = ["square", "jax_huber"]
    losses = [{"kind": "file", "name": name} for name in names]
    found = talk.ask("compare", points=points(), settings=settings(), losses=losses)["compared"]
    assert [one["loss"]["name"] for one in found] == names
    least = gl.fit(ONE, Y)
    np.testing.assert_allclose(found[0]["optimum"]["coefficients"], least.coefficients, rtol=1e-12)
    design = np.column_stack([np.ones(40), ONE])
    leverage = np.einsum("ij,jk,ik->i", design, np.linalg.inv(design.T @ design), design)
    left_out = np.mean(((Y - least.predict(ONE)) / (1 - leverage)) ** 2)
    assert found[0]["leaveOneOut"] == pytest.approx(left_out, rel=1e-10)
    residual, slope = (np.array(found[1]["influence"][name]) for name in ("residual", "slope"))
    np.testing.assert_allclose(slope, -np.clip(residual, -1, 1), atol=1e-12)


def test_the_optimum_has_its_certificate(talk):
    found = talk.ask("optimum", points=points(), settings=settings("jax_huber"))
    assert found["certificate"]["converged"]
    assert found["certificate"]["reason"].endswith(".")
    # A loss of one's own is not known to be convex, so that another point may be lower: nothing is proven.
    assert found["certificate"]["toOptimum"] is None
    assert talk.ask("optimum", points=points(), settings=settings("square"))["certificate"]["toOptimum"] == 0.0


WRONG = {
    "no points": ({"points": points(ONE[:0], Y[:0]), "settings": settings()}, "points", "no points"),
    "a point without its number": ({"points": {**points(), "x": [[]] * 40}, "settings": settings()}, "points", "number"),
    "a loss that is not there": ({"points": points(), "settings": settings("other")}, "loss", "other"),
    "a start that is too short": ({"points": points(), "settings": settings(start=[1.0])}, "settings, start", "2 numbers"),
    "a loss of the page": ({"points": points(), "settings": {"loss": {"kind": "typed", "name": "x"}}}, "settings, loss, kind", "file"),
    "a loss that raises": ({"points": points(), "settings": settings("broken")}, "", "the loss broke"),
    "a rate below zero": ({"points": points(), "settings": settings(rate=-1.0)}, "", "learning_rate"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_walked_is_a_problem(talk, case):
    content, path, words = WRONG[case]
    found = talk.problem("walk", steps=10, **content)
    assert found["path"] == path, found
    assert words in found["message"], found


@pytest.mark.parametrize(("x", "y"), [([1.0], [2.0]), ([1.0, 1.0], [2.0, 3.0])])
def test_one_point_and_identical_points_have_an_optimum(talk, x, y):
    found = talk.ask("optimum", points=points(np.array(x)[:, None], np.array(y)), settings=settings())
    assert found["coefficients"][0] + found["coefficients"][1] * x[0] == pytest.approx(np.mean(y))
