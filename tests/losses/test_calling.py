"""How a user's loss is called: (y, prediction) or (prediction, y), in float64, and as an object rather than a class."""

from __future__ import annotations

import functools
import pickle
import re

import numpy as np
import pytest

import gradline as gl
from gradline.autodiff.calling import argument_order

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")
keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

F = torch.nn.functional


@pytest.fixture(scope="module")
def data():
    """Columns, a skewed target, counts, and labels."""
    rng = np.random.default_rng(15)
    x = rng.normal(size=(400, 2))
    y = x @ [1.0, 2.0] + rng.exponential(size=400)
    return x, {"amounts": y, "counts": rng.poisson(np.exp(0.3 * x[:, 0])).astype(float), "labels": (y > 1).astype(float)}


class Pinball(torch.nn.Module):
    """As PyTorch's own losses are written."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def forward(self, input, target):
        residual = target - input
        return torch.maximum(self.level * residual, (self.level - 1) * residual).mean()


def pinball_torch(pred, target, level=0.9):
    residual = target - pred
    return torch.maximum(level * residual, (level - 1) * residual)


def pinball_optax(predictions, targets):
    residual = targets - predictions
    return jnp.maximum(0.9 * residual, -0.1 * residual)


def pinball_keras(y_true, y_pred):
    residual = y_true - y_pred
    return tf.reduce_mean(tf.maximum(0.9 * residual, -0.1 * residual))


class PinballObject:
    def __call__(self, y_hat, y):
        return pinball_torch(y_hat, y)

    def method(self, logits, labels):
        return pinball_torch(logits, labels)


ASYMMETRIC = {
    "a module": ("amounts", Pinball(0.9), {}, gl.losses.quantile(0.9)),
    "a function": ("amounts", pinball_torch, {}, gl.losses.quantile(0.9)),
    "a partial": ("amounts", functools.partial(pinball_torch, level=0.2), {}, gl.losses.quantile(0.2)),
    "a lambda": ("amounts", lambda p, y: pinball_torch(p, y), {}, gl.losses.quantile(0.9)),
    "an object": ("amounts", PinballObject(), {}, gl.losses.quantile(0.9)),
    "a method": ("amounts", PinballObject().method, {}, gl.losses.quantile(0.9)),
    "JAX": ("amounts", pinball_optax, {}, gl.losses.quantile(0.9)),
    "TensorFlow": ("amounts", pinball_keras, {}, gl.losses.quantile(0.9)),
    "PoissonNLLLoss": ("counts", torch.nn.PoissonNLLLoss(), {}, gl.losses.poisson),
    "poisson_nll_loss": ("counts", F.poisson_nll_loss, {}, gl.losses.poisson),
    "BCEWithLogitsLoss": ("labels", torch.nn.BCEWithLogitsLoss(), {}, gl.losses.logistic),
    "BCELoss": ("labels", torch.nn.BCELoss(), {"prediction": torch.sigmoid}, gl.losses.logistic),
    "HuberLoss": ("amounts", torch.nn.HuberLoss(reduction="sum"), {}, gl.losses.huber(1.0)),
    "smooth_l1_loss": ("amounts", F.smooth_l1_loss, {}, gl.losses.huber(1.0)),
}


@pytest.mark.parametrize("case", ASYMMETRIC)
def test_a_loss_of_input_and_target_is_called_that_way_round(data, case):
    """A pinball called the wrong way round fits the other tail, without a word."""
    x, targets = data
    kind, loss, options, same = ASYMMETRIC[case]
    expected = gl.fit(x, targets[kind], loss=same)
    fit = gl.fit(x, targets[kind], loss=loss, **options)
    np.testing.assert_allclose(fit.coefficients, expected.coefficients, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("solver", [gl.GradientDescent(learning_rate=0.1, steps=300), gl.LBFGS()], ids=lambda s: type(s).__name__)
def test_first_order_solvers_call_it_that_way_too(data, solver):
    x, targets = data
    found = [gl.fit(x, targets["counts"], loss=loss, solver=solver).coefficients for loss in (torch.nn.PoissonNLLLoss(), gl.losses.poisson)]
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-7)


def test_a_loaded_or_pickled_fit_calls_it_that_way_too(data, tmp_path):
    x, targets = data
    fit = gl.fit(x, targets["amounts"], loss=pinball_torch)
    fit.save(tmp_path / "fit.json")
    y, eta = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    for again in (gl.load(tmp_path / "fit.json", loss=pinball_torch), pickle.loads(pickle.dumps(fit))):
        np.testing.assert_allclose(again.loss_function.derivatives(y, eta, 0).value, [0.9, 0.1])


def named(*names):
    """A function of two arguments with these names."""
    scope = {}
    exec(f"def loss({', '.join(names)}, *, level=0.9): pass", scope)
    return scope["loss"]


@pytest.mark.parametrize(
    ("names", "prediction_first", "known"),
    [
        (("y", "prediction"), False, True),
        (("y", "p"), False, True),
        (("y", "eta"), False, True),
        (("y_true", "y_pred"), False, True),
        (("y", "y_hat"), False, True),
        (("labels", "logits"), False, True),
        (("targets", "log_input"), False, True),
        (("observed", "z"), False, True),
        (("a", "predicted"), False, True),
        (("input", "target"), True, True),
        (("predictions", "targets"), True, True),
        (("y_pred", "y_true"), True, True),
        (("yhat", "y"), True, True),
        (("output", "y"), True, True),
        (("mu", "obs"), True, True),
        (("x", "y"), True, False),
        (("pred", "x"), True, False),
        (("a", "b"), False, False),
        (("y", "t"), False, False),
        (("input", "output"), False, False),
    ],
)
def test_names_tell_the_order(names, prediction_first, known):
    assert argument_order(named(*names)) == (prediction_first, known, names)


def test_losses_without_a_signature():
    assert argument_order(torch.poisson_nll_loss)[:2] == (True, True)
    assert argument_order(lambda *both: both)[:2] == (False, False)


def tilted(a, b):
    return jnp.maximum(0.9 * (a - b), -0.1 * (a - b))


def test_an_order_that_cannot_be_known_is_said_where_it_matters(data):
    x, targets = data
    with pytest.warns(gl.GradlineWarning, match=r"'tilted' is another one .*'a' and 'b', do not tell .*'a' was taken for y and 'b'"):
        fit = gl.fit(x, targets["amounts"], loss=tilted)
    np.testing.assert_allclose(fit.coefficients, gl.fit(x, targets["amounts"], loss=gl.losses.quantile(0.9)).coefficients, rtol=1e-6)
    with pytest.warns(gl.GradlineWarning, match=r"'x' was taken for prediction and 'y' for y"):
        gl.fit(x, targets["amounts"], loss=lambda x, y: jnp.maximum(0.9 * (y - x), 0.1 * (x - y)))
    with pytest.warns(gl.GradlineWarning, match=r"the signature of the loss does not tell .*: the first was taken for y"):
        gl.fit(x, targets["amounts"], loss=lambda *both: tilted(*both))
    # Warnings are errors here: a loss that is the same either way round says nothing.
    gl.fit(x, targets["amounts"], loss=lambda a, b: jnp.square(a - b))


KERAS = {
    "Huber": ("amounts", keras.losses.Huber(), {}, gl.losses.huber(1.0)),
    "Huber, a number per row": ("amounts", keras.losses.Huber(delta=2.0, reduction="sum"), {}, gl.losses.huber(2.0)),
    "LogCosh": ("amounts", keras.losses.LogCosh(), {}, gl.losses.log_cosh),
    "BinaryCrossentropy": ("labels", keras.losses.BinaryCrossentropy(from_logits=True), {}, gl.losses.logistic),
    "float64 already": ("amounts", keras.losses.Huber(dtype="float64"), {}, gl.losses.huber(1.0)),
}


@pytest.mark.parametrize("case", KERAS)
def test_keras_losses_compute_in_float64(data, case):
    """They cast to float32 unless told otherwise."""
    x, targets = data
    kind, loss, options, same = KERAS[case]
    fit = gl.fit(x, targets[kind], loss=loss, **options)
    np.testing.assert_allclose(fit.coefficients, gl.fit(x, targets[kind], loss=same).coefficients, rtol=1e-9, atol=1e-10)


def test_a_keras_loss_of_ones_own_keeps_its_numbers_and_its_precision(data):
    class Tilted(keras.losses.Loss):
        def __init__(self, level):
            super().__init__(reduction="mean")
            self.level = level

        def call(self, y_true, y_pred):
            residual = y_true - y_pred
            return tf.maximum(self.level * residual, (self.level - 1) * residual)

    x, targets = data
    loss = Tilted(0.8)
    fit = gl.fit(x, targets["amounts"], loss=loss)
    np.testing.assert_allclose(fit.coefficients, gl.fit(x, targets["amounts"], loss=gl.losses.quantile(0.8)).coefficients, rtol=1e-9)
    assert loss.dtype == "float32"


@pytest.mark.parametrize("loss", [keras.losses.Huber, torch.nn.HuberLoss, PinballObject], ids=lambda c: c.__name__)
def test_a_class_in_place_of_an_object(data, loss):
    x, targets = data
    with pytest.raises(TypeError, match=rf"loss={loss.__name__} is a class: make an object of it, as in loss={loss.__name__}\(\)"):
        gl.fit(x, targets["amounts"], loss=loss)
    with pytest.raises(TypeError, match="prediction=Sigmoid is a class"):
        gl.fit(x, targets["labels"], loss=torch.nn.BCELoss(), prediction=torch.nn.Sigmoid)


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize(
    "loss",
    [
        torch.nn.CrossEntropyLoss(),
        torch.nn.functional.cross_entropy,
        functools.partial(torch.nn.functional.cross_entropy, label_smoothing=0.1),
        lambda y, p: torch.nn.functional.cross_entropy(p, y),
        lambda y, p: tf.nn.softmax_cross_entropy_with_logits(y, p),
    ],
    ids=["object", "function", "partial", "called", "tensorflow"],
)
def test_a_loss_of_one_score_a_class_is_refused_for_one_linear_predictor(loss):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(80, 2)), generator.integers(0, 3, 80) * 1.0
    with pytest.raises(ValueError, match=r"takes a score for each class.* a softmax over the rows") as refused:
        gl.fit(x, y, loss=loss)
    # What is advised runs, and is the multinomial loss.
    advised = re.search(r"loss=(gl\.losses\.custom\(.*\])\)\. loss=", str(refused.value)).group(1) + ")"
    found = gl.fit(x, y, loss=eval(advised, {"gl": gl, "torch": torch, "tf": tf}))
    assert found.loss == pytest.approx(gl.fit(x, y, loss="multinomial").loss, rel=1e-10)
