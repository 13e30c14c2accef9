"""A user's own loss: which framework it is in, what it returns, and when it is traced again."""

from __future__ import annotations

import copy
import functools
import gc
import math
import re
import types
import warnings

import numpy as np
import pytest

import gradline as gl
from gradline.autodiff import tapes
from gradline.autodiff.framework import infer_framework
from gradline.losses import custom

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")
keras = pytest.importorskip("keras")

import jax  # noqa: E402

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
FRAMEWORKS = ["tensorflow", "jax", pytest.param("torch", marks=needs_torch)]
SQUARE = {"tensorflow": tf.square, "jax": jnp.square, "torch": torch and torch.square}
MEAN = {"tensorflow": tf.reduce_mean, "jax": jnp.mean, "torch": torch and torch.mean}
SUM = {"tensorflow": tf.reduce_sum, "jax": jnp.sum, "torch": torch and torch.sum}
EXP = {"tensorflow": tf.exp, "jax": jnp.exp, "torch": torch and torch.exp}
LOG = {"tensorflow": tf.math.log, "jax": jnp.log, "torch": torch and torch.log}

delta = 1.0


def rows(n=40, p=2, q=None, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, p))
    y = x @ generator.normal(size=(p, q or 1)) + 1.0 + 0.5 * generator.normal(size=(n, q or 1))
    return x, y if q else y[:, 0]


def bind(function, q=1, **options):
    return custom(function, **options).bind(np.random.default_rng(1).normal(size=(30, q)))


def few_steps(x, y, loss, rate=0.05, **options):
    """The coefficients after a few small steps, which need not converge."""
    steps = gl.GradientDescent(learning_rate=rate, steps=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gl.GradlineWarning)
        return gl.fit(x, y, loss=loss, solver=steps, **options).coefficients


# What the function returns


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_form_of_what_is_returned(framework):
    square, mean, total = SQUARE[framework], MEAN[framework], SUM[framework]
    found = {
        "row": bind(lambda y, p: square(y - p), backend=framework),
        "mean": bind(lambda y, p: mean(square(y - p)), backend=framework),
        "sum": bind(lambda y, p: total(square(y - p)), backend=framework),
        "joint": bind(lambda y, p: mean(square(y - p)) ** 0.5, backend=framework),
    }
    assert {form: loss.loss.form for form, loss in found.items()} == {form: form for form in found}
    assert [found[form].squared_scale() for form in ("row", "mean", "sum", "joint")] == [1.0, 1.0, 1.0, None]
    assert [loss.joint for loss in found.values()] == [False, False, False, True]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_multiples_of_squared_loss_are_recognised_and_others_are_not(framework):
    square, mean = SQUARE[framework], MEAN[framework]
    assert bind(lambda y, p: 0.5 * square(p - y), backend=framework).squared_scale() == pytest.approx(0.5, rel=1e-9)
    assert bind(lambda y, p: mean(square(y - p)), 3, backend=framework).squared_scale() == pytest.approx(1 / 3, rel=1e-9)
    assert bind(lambda y, p: square(y - p) + 1e-6 * square(y - p) ** 2, backend=framework).squared_scale() is None
    assert bind(lambda y, p: square(y - p), prediction=lambda eta: 2.0 * eta, backend=framework).squared_scale() is None


def wide_huber(y, prediction):
    size = tf.abs(y - prediction)
    return tf.where(size < 100.0, 0.5 * size**2, 100.0 * (size - 50.0))


def test_a_loss_is_not_taken_for_squared_by_its_first_few_rows(built):
    """Huber's loss is squared until a residual is large: none may be among the rows probed, or in the data fitted before."""
    x, y = rows(200, 1)
    outliers = y.copy()
    outliers[100:130] = 5000.0
    for target in (y, outliers):
        assert custom(wide_huber).bind(target[:, None]).squared_scale() is None
    ours, theirs = gl.fit(x, outliers, loss=wide_huber), gl.fit(x, outliers, loss=gl.losses.huber(100.0))
    np.testing.assert_allclose(ours.coefficients, theirs.coefficients, rtol=1e-6)


def test_rare_targets_are_looked_at():
    y = np.random.default_rng(0).normal(size=(200, 1))
    y[100:130] = 5000.0

    def heavy(y, p):
        return (1.0 + 9.0 * tf.cast(y > 4000.0, tf.float64)) * tf.square(y - p)

    def masked(y, p):
        kept = tf.cast(y < 4000.0, tf.float64)
        return tf.reduce_sum(kept * tf.square(y - p)) / tf.reduce_sum(kept)

    assert custom(heavy).bind(y[:50]).squared_scale() == 1.0
    assert custom(heavy).bind(y).squared_scale() is None
    # The mean of the rows that count is no mean of all rows.
    assert custom(masked).bind(y[:50]).loss.form == "mean"
    assert custom(masked).bind(y).joint


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("q", [1, 3])
def test_the_shapes_a_loss_sees(framework, q):
    seen = set()
    square, total = SQUARE[framework], SUM[framework]

    def loss(y, prediction):
        seen.add((len(y.shape), len(prediction.shape)))
        values = square(y - prediction)
        return values if len(values.shape) == 1 else total(values, -1)

    bound = bind(loss, q, backend=framework)
    assert bound.loss.form == "row"
    assert seen == {(1, 1) if q == 1 else (2, 2)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_row_of_data_is_enough_to_probe(framework):
    square, mean = SQUARE[framework], MEAN[framework]
    for y in (np.array([[3.0]]), np.zeros((1, 1)), np.zeros((20, 1)), np.full((20, 1), 1e8)):
        assert custom(lambda y, p: square(y - p), backend=framework).bind(y).loss.form == "row"
        assert custom(lambda y, p: mean(square(y - p)), backend=framework).bind(y).loss.form in ("mean", "row")


BAD_RETURNS = {
    "a column": (lambda square, y, p: square(y - p)[:, None], r"returned shape \(5, 1\).*; drop the last axis"),
    "all pairs": (lambda square, y, p: square(y[:, None] - p), r"returned shape \(5, 5\).* were broadcast against each other"),
    "too few": (lambda square, y, p: square(y - p)[1:], r"returned shape \(4,\) for y of shape \(5,\).*return shape \(5,\), one number"),
    "text": (lambda square, y, p: "a loss", r"returned 'a loss'; return one number per row, or one scalar such as their mean"),
    "nothing": (lambda square, y, p: None, r"returned None; return one number per row"),
    "a pair": (lambda square, y, p: (square(y - p), p), r"returned shape \(2, 5\).*; return shape \(5,\)"),
    "true or false": (lambda square, y, p: y > p, r"returned an array of bool; return one number per row"),
    "rows that know the others": (
        lambda square, y, p: square(y - p) / square(y - p).sum() if hasattr(y, "sum") else square(y - p) / tf.reduce_sum(square(y - p)),
        r"mixes rows: the loss of a row changes when other rows are left out",
    ),
    "no prediction": (lambda square, y, p: square(y), r"does not depend on its prediction"),
    "an error": (lambda square, y, p: [][0], r"raised IndexError when called with y of shape \(5,\).*list index out of range"),
}


@pytest.mark.parametrize("case", BAD_RETURNS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_loss_may_not_return(framework, case):
    body, message = BAD_RETURNS[case]
    square = SQUARE[framework]

    def my_loss(y, prediction):
        return body(square, y, prediction)

    with pytest.raises(ValueError, match=f"the loss 'my_loss' {'returns one number per row but ' if 'mixes' in message else ''}{message}"):
        bind(my_loss, backend=framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_number_for_each_output_is_refused(framework):
    square = SQUARE[framework]
    with pytest.raises(ValueError, match=r"returned shape \(5, 2\).*; sum or average over the outputs, the last axis"):
        bind(lambda y, p: square(y - p), 2, backend=framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_loss_that_is_never_finite(framework):
    log = LOG[framework]
    with pytest.raises(ValueError, match=r"returned NaN, for example with y = .* and linear predictor = .*pass prediction=tf\.exp"):
        bind(lambda y, p: log(p - 1e9), backend=framework)
    with pytest.raises(ValueError, match="returned infinity, for example with y = "):
        bind(lambda y, p: (y - p) ** 2 * 1e308 * 10.0, backend=framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_loss_finite_in_places_only_is_probed_there(framework):
    log = LOG[framework]
    assert bind(lambda y, p: p - log(p), backend=framework).loss.form == "row"


@pytest.mark.filterwarnings("ignore:__array_wrap__")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_numpy_inside_a_loss_cannot_be_differentiated(framework):
    with pytest.raises(ValueError, match=r"no gradient flows.*NumPy|cannot be compiled or differentiated.*NumPy"):
        bind(lambda y, p: np.square(y - p), backend=framework)


def test_a_gradient_that_was_stopped_or_rounded_away():
    with pytest.raises(ValueError, match=r"no gradient flows .*rounding or a stopped gradient\?"):
        bind(lambda y, p: tf.square(y - tf.stop_gradient(p)))
    with pytest.raises(ValueError, match="its gradient is zero at every row tried"):
        bind(lambda y, p: jnp.square(y - jnp.round(p)))


def test_single_precision_is_refused():
    with pytest.raises(ValueError, match=r"returned float32 numbers.*computes in float64, so do not cast"):
        bind(lambda y, p: tf.square(tf.cast(y, tf.float32) - tf.cast(p, tf.float32)))
    with pytest.raises(ValueError, match=r"raised InvalidArgumentError.*tf\.constant\(1\.0, tf\.float64\)"):
        bind(lambda y, p: tf.square(y - p) * tf.constant(1.0))


def python_if_tensorflow(y, prediction):
    if tf.reduce_any(tf.math.is_nan(prediction)):
        return 0.0 * prediction
    return tf.square(y - prediction) ** 2


def python_if_jax(y, prediction):
    if jnp.isnan(prediction).any():
        return 0.0 * prediction
    return jnp.square(y - prediction) ** 2


@pytest.mark.parametrize("loss", [python_if_tensorflow, python_if_jax])
def test_a_loss_that_cannot_be_compiled_is_told_why(loss):
    x, y = rows()
    with pytest.raises(ValueError, match=rf"the loss '{loss.__name__}' cannot be compiled .*plain Python \(if.*such as tf\.where for if"):
        gl.fit(x, y, loss=loss, solver=gl.GradientDescent(learning_rate=0.01, steps=3))


def test_wrong_kinds_of_arguments():
    with pytest.raises(TypeError, match="prediction must be a function, not int 5"):
        custom(lambda y, p: tf.square(y - p), 5)
    with pytest.raises(TypeError, match="loss must be a function, not str 'huber'"):
        custom("huber")
    with pytest.raises(ValueError, match="linear_predictors must be a sequence of names"):
        custom(lambda y, p: tf.square(y - p), linear_predictors="mean")
    with pytest.raises(ValueError, match=r"backend='numpy' is not one of"):
        custom(lambda y, p: tf.square(y - p), backend="numpy")
    with pytest.raises(ValueError, match="prediction= goes with a loss function of your own"):
        gl.fit(*rows(), loss="squared", prediction=tf.exp)
    with pytest.raises(ValueError, match="backend= goes with a loss function of your own"):
        gl.fit(*rows(), loss=gl.losses.squared, backend="jax")


# Which framework


class Penalised:
    weight = 2.0

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, y, prediction):
        return self.scale * tf.square(y - prediction)

    def in_jax(self, y, prediction):
        return self.weight * jnp.square(y - prediction)

    def through_a_method(self, y, prediction):
        return self._square(y - prediction)

    @staticmethod
    def static(y, prediction):
        return tf.square(y - prediction)

    @classmethod
    def of_class(cls, y, prediction):
        return cls.weight * tf.square(y - prediction)

    def _square(self, residual):
        return jnp.square(residual)


def helper(residual):
    return tf.square(residual)


def through_a_helper(y, prediction):
    return helper(y - prediction)


def imported_inside(y, prediction):
    import tensorflow as framework

    return framework.square(y - prediction)


def imported_from_inside(y, prediction):
    from jax import numpy as framework

    return framework.square(y - prediction)


def closure(framework):
    def loss(y, prediction):
        return framework.square(y - prediction)

    return loss


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


def default_argument(y, prediction, square=jnp.square):
    return square(y - prediction)


def keyword_default(y, prediction, *, square=tf.square):
    return square(y - prediction)


table_of_functions = {"square": tf.square}


def through_a_table(y, prediction):
    return table_of_functions["square"](y - prediction)


my_losses = types.ModuleType("my_losses")
my_losses.square = lambda residual: delta * jnp.square(residual)


def through_a_module(y, prediction):
    return my_losses.square(y - prediction)


def with_a_numpy_constant(y, prediction):
    return tf.square(y - prediction) * np.float64(2.0)


@tf.function
def compiled_tensorflow(y, prediction):
    return tf.square(y - prediction)


@jax.jit
def compiled_jax(y, prediction):
    return jnp.square(y - prediction)


INFERRED = {
    "lambda": (lambda y, p: tf.square(y - p), "tensorflow"),
    "callable object": (Penalised(), "tensorflow"),
    "bound method": (Penalised().in_jax, "jax"),
    "bound method through another": (Penalised().through_a_method, "jax"),
    "static method": (Penalised.static, "tensorflow"),
    "class method": (Penalised.of_class, "tensorflow"),
    "helper": (through_a_helper, "tensorflow"),
    "import inside": (imported_inside, "tensorflow"),
    "from-import inside": (imported_from_inside, "jax"),
    "closure, tensorflow": (closure(tf), "tensorflow"),
    "closure, jax": (closure(jnp), "jax"),
    "decorated": (wrapped(through_a_helper), "tensorflow"),
    "default": (default_argument, "jax"),
    "keyword default": (keyword_default, "tensorflow"),
    "table": (through_a_table, "tensorflow"),
    "own module": (through_a_module, "jax"),
    "partial": (functools.partial(lambda weight, y, p: weight * tf.square(y - p), 2.0), "tensorflow"),
    "partial of methods": (functools.partial(Penalised().in_jax), "jax"),
    "numpy constant": (with_a_numpy_constant, "tensorflow"),
    "tf.function": (compiled_tensorflow, "tensorflow"),
    "jax.jit": (compiled_jax, "jax"),
    "jax.vmap": (jax.vmap(lambda y, p: (y - p) ** 2), "jax"),
    "keras function": (keras.losses.mean_squared_error, "tensorflow"),
    "keras object": (keras.losses.MeanSquaredError(dtype="float64"), "tensorflow"),
    "framework's own": (tf.math.squared_difference, "tensorflow"),
    "tf's numpy": (lambda y, p: tf.experimental.numpy.square(y - p), "tensorflow"),
}
if torch is not None:
    INFERRED |= {
        "closure, torch": (closure(torch), "torch"),
        "torch function": (torch.nn.functional.mse_loss, "torch"),
        "torch module": (torch.nn.MSELoss(reduction="sum"), "torch"),
        "torch partial": (functools.partial(torch.nn.functional.huber_loss, reduction="none"), "torch"),
    }


@pytest.mark.parametrize("case", INFERRED)
def test_the_framework_is_read_off_the_function(case):
    function, framework = INFERRED[case]
    assert infer_framework(function) == framework
    assert bind(function).loss.form in ("row", "mean", "sum")


def test_the_forward_pass_counts_too():
    assert infer_framework(lambda y, p: (y - p) ** 2, lambda eta: jnp.exp(eta)) == "jax"


def no_framework(y, prediction):
    return (y - prediction) ** 2 * math.pi


def only_numpy(y, prediction):
    return np.square(y - prediction)


def two_frameworks(y, prediction):
    return tf.square(y - prediction) + jnp.zeros(1)


def test_where_the_framework_is_unclear_the_user_is_asked():
    with pytest.raises(ValueError, match=r"'no_framework' refers to no framework .*say which differentiates it: backend=\"tensorflow\""):
        custom(no_framework)
    with pytest.raises(ValueError, match=r"'only_numpy' refers to NumPy, which cannot be differentiated; write it with tf\.\*.*backend="):
        custom(only_numpy)
    with pytest.raises(ValueError, match=r"'two_frameworks' refers to several frameworks \(jax and tensorflow\).*backend=\"jax\""):
        custom(two_frameworks)
    for framework in ("tensorflow", "jax"):
        assert bind(no_framework, backend=framework).squared_scale() == pytest.approx(math.pi)


# When a loss is traced


class Traces:
    """How often a loss ran, seen from inside it: a constant to gradline, since it is a class."""

    count = 0

    @staticmethod
    def add():
        Traces.count += 1


def counted_tensorflow(y, prediction):
    Traces.add()
    return tf.sqrt(delta + tf.square(y - prediction))


def counted_jax(y, prediction):
    Traces.add()
    return jnp.sqrt(delta + jnp.square(y - prediction))


@pytest.fixture
def built(monkeypatch):
    """The losses that tapes were built for; what was kept before is forgotten."""
    losses, build = [], tapes._build
    monkeypatch.setattr(tapes, "_tapes", type(tapes._tapes)())
    monkeypatch.setattr(tapes, "_build", lambda loss, framework: losses.append(loss) or build(loss, framework))
    return losses


def times_built(built, function, prediction=None):
    """Tapes built by binding a function once more."""
    built.clear()
    bind(function, prediction=prediction).tape.derivatives(np.ones((2, 1)), np.zeros((2, 1)), 0)
    return len(built)


def plain(y, prediction):
    return tf.sqrt(delta + tf.square(y - prediction))


def test_a_second_fit_does_not_trace_again(built):
    x, y = rows()
    first = few_steps(x, y, plain)
    assert built
    built.clear()
    np.testing.assert_array_equal(few_steps(x, y, plain), first)
    assert not built
    # Nor for other data, of any length.
    few_steps(*rows(57, seed=3), plain)
    assert not built


def test_a_changed_constant_is_noticed(built, monkeypatch):
    x, y = rows()
    first = few_steps(x, y, plain)
    monkeypatch.setitem(globals(), "delta", 2.0)
    second = few_steps(x, y, plain)
    assert not np.allclose(first, second)
    expected = few_steps(x, y, lambda y, prediction: tf.sqrt(2.0 + tf.square(y - prediction)))
    np.testing.assert_allclose(second, expected, rtol=1e-12)


def test_a_redefined_helper_is_noticed(built, monkeypatch):
    x, y = rows()

    def define(power):
        scope = {}
        exec(f"def helper(residual):\n    return residual ** {power}", scope)
        monkeypatch.setitem(globals(), "helper", scope["helper"])

    # Freed and defined again, a function easily takes the address of the one before it.
    found = []
    for power in (2, 4, 2):
        define(power)
        gc.collect()
        found.append(few_steps(x, y, functools.partial(through_a_helper), backend="tensorflow"))
    assert not np.allclose(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_notebook_cell_run_again_does_not_trace_again(built):
    def cell():
        scope = {"tf": tf, "delta": 1.0}
        exec("def loss(y, prediction):\n    return tf.sqrt(delta + tf.square(y - prediction))", scope)
        return scope["loss"]

    assert times_built(built, cell())
    assert not times_built(built, cell())


def test_attributes_of_modules_classes_and_objects_are_noticed(built, monkeypatch):
    settings = types.ModuleType("settings")
    settings.delta = 1.0

    def of_module(y, prediction):
        return tf.sqrt(settings.delta + tf.square(y - prediction))

    assert times_built(built, of_module)
    assert not times_built(built, of_module)
    settings.delta = 2.0
    assert times_built(built, of_module)

    model = Penalised()
    for change in (None, lambda: setattr(model, "scale", 3.0)):
        if change:
            change()
        assert times_built(built, model)
        assert not times_built(built, model)
        assert not times_built(built, copy.copy(model))
    assert times_built(built, model.in_jax)
    assert not times_built(built, model.in_jax)
    monkeypatch.setattr(Penalised, "weight", 5.0)
    assert times_built(built, model.in_jax)
    assert times_built(built, Penalised.of_class)
    assert not times_built(built, Penalised.of_class)


def test_arguments_bound_by_name_are_not_mixed_up(built):
    def loss(y, prediction, *, first, second):
        return first * tf.square(y - prediction) + second * tf.abs(y - prediction)

    x, y = rows()
    found = [few_steps(x, y, functools.partial(loss, **names)) for names in ({"first": 1.0, "second": 3.0}, {"second": 1.0, "first": 3.0})]
    assert not np.allclose(*found)
    swapped = [functools.partial(loss, **names) for names in ({"first": 1.0, "second": 3.0}, {"second": 3.0, "first": 1.0})]
    np.testing.assert_allclose(few_steps(x, y, swapped[0]), few_steps(x, y, swapped[1]), rtol=1e-14)


def test_what_cannot_be_compared_is_traced_anew(built):
    table = [1.0]

    def loss(y, prediction):
        return tf.sqrt(table[0] + tf.square(y - prediction))

    x, y = rows()
    first = few_steps(x, y, loss)
    table[0] = 9.0
    assert not np.allclose(few_steps(x, y, loss), first)


@pytest.mark.parametrize(("function", "most"), [(counted_tensorflow, 1), (counted_jax, 1)])
def test_derivatives_are_traced_once_for_any_number_of_rows(built, function, most):
    """TensorFlow leaves the row dimension open; JAX compiles for each power of two."""
    tape = bind(function).tape
    y = np.random.default_rng(0).normal(size=(1000, 1))
    tape.derivatives(y, 0.5 * y, 2)
    before = Traces.count
    sizes = (1, 2, 3, 17, 100, 999) if function is counted_tensorflow else (513, 700, 1000)
    for size in sizes:
        tape.derivatives(y[:size], 0.5 * y[:size], 2)
    assert Traces.count == before


def test_a_second_fit_with_other_rows_runs_the_loop_already_compiled(built):
    few_steps(*rows(), counted_tensorflow)
    before = Traces.count
    few_steps(*rows(), counted_tensorflow)
    probing = Traces.count - before  # a bind calls the function on a few rows, eagerly
    before = Traces.count
    few_steps(*rows(71, seed=5), counted_tensorflow)
    assert Traces.count - before == probing


# What follows from it


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_form_gives_the_same_path_with_and_without_weights(framework):
    square, mean, total = SQUARE[framework], MEAN[framework], SUM[framework]
    x, y = rows()

    def row(y, p):
        return square(y - p) / (1.0 + square(y - p))

    weights = np.random.default_rng(2).uniform(0, 3, len(y)).round()
    for options in ({}, {"weights": weights}, {"frequencies": weights}):
        # A sum has as many times the slope of the mean as the rows weigh, so that its path is that of a rate so many times smaller.
        size = weights.sum() if options else len(y)
        found = [
            few_steps(x, y, loss, rate, backend=framework, **options)
            for loss, rate in ((row, 0.05), (lambda y, p: mean(row(y, p)), 0.05), (lambda y, p: total(row(y, p)), 0.05 / size))
        ]
        np.testing.assert_allclose(found[1], found[0], rtol=1e-10)
        np.testing.assert_allclose(found[2], found[0], rtol=1e-10)
    repeated = np.repeat(np.arange(len(y)), weights.astype(int))
    np.testing.assert_allclose(found[0], few_steps(x[repeated], y[repeated], row, backend=framework), rtol=1e-10)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_joint_loss_takes_full_batches_without_weights(framework):
    square, mean = SQUARE[framework], MEAN[framework]
    x, y = rows()

    def root(y, p):
        return mean(square(y - p)) ** 0.5

    fit = gl.fit(x, y, loss=root, backend=framework, solver=gl.GradientDescent(learning_rate=0.5, steps=300))
    np.testing.assert_allclose(fit.coefficients, gl.fit(x, y).coefficients, atol=1e-4)
    for options in ({"weights": np.ones(len(y))}, {"frequencies": np.ones(len(y))}):
        with pytest.raises(ValueError, match="weights and frequencies need a loss of one row; the loss 'root' returns one scalar"):
            gl.fit(x, y, loss=root, backend=framework, **options)
    with pytest.raises(ValueError, match=r"mini-batches need a loss of one row; .*Return one number per row to unlock everything"):
        gl.fit(x, y, loss=root, backend=framework, solver=gl.GradientDescent(batch_size=5))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_forward_pass(framework):
    exp, log = EXP[framework], LOG[framework]
    generator = np.random.default_rng(4)
    x = generator.normal(size=(300, 1))
    y = generator.poisson(np.exp(0.5 + 0.8 * x[:, 0])).astype(float)
    steps = gl.GradientDescent(steps=1000)
    fit = gl.fit(x, y, loss=lambda y, mean: mean - y * log(mean), prediction=lambda eta: exp(eta), backend=framework, solver=steps)
    np.testing.assert_allclose(fit.coefficients, gl.fit(x, y, loss="poisson", solver=steps).coefficients, rtol=1e-4)
    np.testing.assert_allclose(fit.predict(x), np.exp(fit.predict(x, kind="linear")), rtol=1e-12)
    assert fit.predict(x).shape == (300,)
    assert np.isnan(fit.predict([[np.nan], [1.0]])).tolist() == [True, False]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_forward_pass_may_change_the_shape(framework):
    stack = {"tensorflow": tf.stack, "jax": jnp.stack, "torch": torch and torch.stack}[framework]
    exp = EXP[framework]

    def prediction(eta):
        return stack([eta, exp(eta)], -1)

    bound = bind(lambda y, p: (y - p[:, 0]) ** 2 + (y - p[:, 1]) ** 2, prediction=prediction, backend=framework)
    assert bound.loss.form == "row"
    assert bound.predict(np.zeros((7, 1))).tolist() == [[0.0, 1.0]] * 7
    y, eta = np.array([[1.0], [2.0]]), np.array([[0.5], [-0.5]])
    gradient = bound.derivatives(y, eta, 1).gradient
    np.testing.assert_allclose(gradient, 2 * (eta - y) + 2 * (np.exp(eta) - y) * np.exp(eta), rtol=1e-12)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_more_linear_predictors_than_targets(framework):
    exp = EXP[framework]

    def negative_log_density(y, eta):
        return 0.5 * exp(-2.0 * eta[:, 1]) * (y - eta[:, 0]) ** 2 + eta[:, 1]

    loss = custom(negative_log_density, linear_predictors=("mean", "log_scale"), likelihood=True, backend=framework)
    x, y = rows(400)
    fit = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(steps=600, momentum=0.9))
    assert fit.predictor_names == ("mean", "log_scale")
    assert fit.coefficients.shape == (3, 2)
    np.testing.assert_allclose(fit.coefficients[:, 0], gl.fit(x, y).coefficients, atol=0.1)
    assert fit.coefficients[0, 1] == pytest.approx(math.log(0.5), abs=0.15)
    assert fit.loss_function.is_likelihood
    assert fit.loss_function.squared_scale() is None


def test_a_loss_is_called_by_its_name():
    assert custom(plain).name == "plain"
    assert custom(functools.partial(plain)).name == "plain"
    assert custom(Penalised()).name == "Penalised"
    assert custom(Penalised().in_jax).name == "in_jax"
    assert custom(lambda y, p: tf.square(y - p)).name == "<lambda>"


def test_constants_in_single_precision_are_told_without_the_frameworks_own_notes():
    with pytest.raises(gl.LossError) as caught:
        bind(lambda y, p: tf.constant(2.0, tf.float32) * tf.square(y - p))
    assert re.search(
        r"double tensor\. gradline computes in float64: give constants as tf\.constant\(1\.0, tf\.float64\)", str(caught.value)
    )
    assert "[Op:" not in str(caught.value)
