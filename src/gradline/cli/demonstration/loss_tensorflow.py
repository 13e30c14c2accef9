"""The tutorial's prediction and loss in TensorFlow: ``gradline demo`` prints these two functions as they stand, then trains them."""

from __future__ import annotations

import tensorflow as tf

from gradline.base.types import Array


def prediction(linear: tf.Tensor) -> tf.Tensor:
    """What is predicted, from linear = x * W + B: for a line, just that."""
    return linear


def loss(y: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """How wrong the predictions are: the mean of the squared errors."""
    return tf.reduce_mean(tf.square(y - prediction))


def by_hand(y: Array, linear: Array) -> float:
    """The loss as a number, from plain arrays."""
    return float(loss(tf.constant(y), prediction(tf.constant(linear))))
