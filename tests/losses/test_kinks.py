"""Kinks of losses nobody has described."""

import importlib.util
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from loss_cases import CASES, label

from gradline import losses
from gradline.losses.kinks import find_kinks

TARGETS = np.random.default_rng(0).normal(scale=3.0, size=(50, 1))


def absolute(y, prediction):
    return tf.abs(y - prediction)


def root_of_square(y, prediction):
    """The absolute error, whose gradient is NaN on the kink itself."""
    return jnp.sqrt(jnp.square(y - prediction))


def pinball(y, prediction):
    return jnp.maximum(0.9 * (y - prediction), -0.1 * (y - prediction))


if importlib.util.find_spec("torch"):
    import torch

    def tube(y, prediction):
        return torch.clamp(torch.abs(y - prediction) - 0.3, min=0.0)

    def poisson(y, prediction):
        return torch.exp(prediction) - y * prediction

else:  # the same losses, so that they are tested without PyTorch too

    def tube(y, prediction):
        return jnp.maximum(jnp.abs(y - prediction) - 0.3, 0.0)

    def poisson(y, prediction):
        return jnp.exp(prediction) - y * prediction


def three(y, prediction):
    r = y - prediction
    return tf.maximum(tf.maximum(-2.0 * r - 1.0, -0.5 * r), tf.maximum(0.25 * r, 3.0 * r - 4.0))


def close_together(y, prediction):
    r = y - prediction
    return tf.abs(r - 2.001) + tf.abs(r - 2.002) + tf.abs(r)


def capped(y, prediction):
    return jnp.minimum(jnp.abs(y - prediction), 2.5)


def mean_absolute(y, prediction):
    return tf.reduce_mean(tf.abs(y - prediction))


def huber_with_jump(y, prediction):
    r = tf.abs(y - prediction)
    return tf.where(r < 1.0, 0.5 * r * r, 2.0 * r - 1.5)


def absolute_plus_square(y, prediction):
    r = y - prediction
    return jnp.where(r > 0, 2.0 * r, -r) + r * r


def step(y, prediction):
    r = y - prediction
    return tf.where(r > 1.0, r + 1.0, tf.abs(r))


def relative(y, prediction):
    return tf.abs(y - prediction) / (1.0 + tf.abs(y))


def absolute_of_log(y, prediction):
    return jnp.abs(y - jnp.exp(prediction))


def square(y, prediction):
    return tf.square(y - prediction)


def huber(y, prediction):
    r = tf.abs(y - prediction)
    return tf.where(r < 1.0, 0.5 * r * r, r - 0.5)


def log_cosh(y, prediction):
    return jnp.logaddexp(y - prediction, prediction - y)


def found(function, targets=TARGETS, **options):
    bound = losses.custom(function, **options).bind(targets)
    return bound.kinks(), bound.piecewise_linear


@pytest.mark.parametrize(
    ("function", "kinks"),
    [
        (absolute, (0.0,)),
        (pinball, (0.0,)),
        (tube, (-0.3, 0.3)),
        (close_together, (0.0, 2.001, 2.002)),
        (capped, (-2.5, 0.0, 2.5)),
        (mean_absolute, (0.0,)),
        (root_of_square, (0.0,)),
    ],
)
def test_piecewise_linear_losses_are_found_to_the_digit(function, kinks):
    assert found(function) == (kinks, True)


def test_kinks_that_are_no_simple_numbers_are_found_to_the_last_doubles():
    kinks, piecewise_linear = found(three)
    assert piecewise_linear
    np.testing.assert_allclose(kinks, [-2.0 / 3.0, 0.0, 16.0 / 11.0], rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_kinks_in_the_units_of_the_target(scale):
    def scaled_tube(y, prediction):
        return tf.maximum(tf.abs(y - prediction) - 0.25 * scale, 0.0)

    kinks, piecewise_linear = found(scaled_tube, scale * TARGETS)
    assert piecewise_linear
    np.testing.assert_allclose(kinks, [-0.25 * scale, 0.25 * scale], rtol=1e-15)


def test_targets_far_from_zero():
    assert found(tube, 1e6 + TARGETS) == ((-0.3, 0.3), True)


@pytest.mark.parametrize(("function", "kinks"), [(huber_with_jump, (-1.0, 1.0)), (absolute_plus_square, (0.0,)), (step, (0.0,))])
def test_kinked_but_not_piecewise_linear(function, kinks):
    assert found(function) == (kinks, False)


@pytest.mark.parametrize("function", [relative, absolute_of_log])
def test_kinks_that_are_not_functions_of_the_residual_are_not_named(function):
    targets = np.abs(TARGETS) + 0.1
    assert found(function, targets) == ((), False)


@pytest.mark.parametrize("function", [square, huber, log_cosh])
def test_smooth_losses_have_no_kinks(function):
    assert found(function) == (None, False)


def test_smooth_losses_of_counts_have_no_kinks():
    assert found(poisson, np.round(np.abs(TARGETS))) == (None, False)


def test_a_sum_over_targets_is_named_and_a_weighted_sum_is_not():
    targets = np.random.default_rng(1).normal(size=(40, 2))

    def plain(y, prediction):
        return tf.reduce_sum(tf.abs(y - prediction), axis=1)

    def weighted(y, prediction):
        return tf.abs(y[:, 0] - prediction[:, 0]) + 2.0 * tf.abs(y[:, 1] - prediction[:, 1])

    assert found(plain, targets) == ((0.0,), True)
    assert found(weighted, targets) == ((), False)


def test_two_predictors_for_one_target():
    def laplace(y, prediction):
        return tf.exp(-prediction[:, 1]) * tf.abs(y[:] - prediction[:, 0]) + prediction[:, 1]

    def normal(y, prediction):
        return 0.5 * tf.exp(-2.0 * prediction[:, 1]) * tf.square(y - prediction[:, 0]) + prediction[:, 1]

    assert found(laplace, linear_predictors=("mean", "log_scale")) == ((), False)
    assert found(normal, linear_predictors=("mean", "log_scale")) == (None, False)


def test_a_joint_loss_is_not_searched():
    def joint(y, prediction):
        return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))

    assert found(joint) == (None, False)


@pytest.mark.parametrize("case", [case for case in CASES if case.loss.is_resolved], ids=label)
def test_agrees_with_what_built_in_losses_say(case):
    targets, predictors = case.draw(np.random.default_rng(2), 100)
    kinks = find_kinks(case.loss.derivatives, targets, predictors.shape[1])
    assert kinks.positions == case.loss.kinks()
    assert kinks.piecewise_linear == case.loss.piecewise_linear


def test_what_was_found_is_pickled_without_targets():
    bound = losses.custom(absolute).bind(TARGETS)
    assert bound.kinks() == (0.0,)
    restored = pickle.loads(pickle.dumps(bound))
    assert restored.examples is None
    assert "found_kinks" in restored.__dict__
    assert restored.kinks() == (0.0,)


@pytest.mark.parametrize("kink", [0.0, 1.0, -0.7, 0.1, 1.0 / 3.0, 2.5])
def test_a_kink_away_from_zero_whose_gradient_is_not_a_number_is_found(kink):
    def off_centre(y, prediction):
        return jnp.sqrt(jnp.square(y - prediction - kink))

    found = losses.custom(off_centre).bind(TARGETS).found_kinks
    assert found.positions == pytest.approx([kink], rel=1e-15, abs=1e-15)
    assert found.piecewise_linear
