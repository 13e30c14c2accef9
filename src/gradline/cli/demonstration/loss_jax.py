"""The tutorial's prediction and loss in JAX: ``gradline demo`` prints these two functions as they stand, then trains them."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gradline.base.types import Array


def prediction(linear: jax.Array) -> jax.Array:
    """What is predicted, from linear = x * W + B: for a line, just that."""
    return linear


def loss(y: jax.Array, prediction: jax.Array) -> jax.Array:
    """How wrong the predictions are: the mean of the squared errors."""
    return jnp.mean(jnp.square(y - prediction))


def by_hand(y: Array, linear: Array) -> float:
    """The loss as a number, from plain arrays."""
    with jax.enable_x64(True):
        return float(loss(jnp.asarray(y), prediction(jnp.asarray(linear))))
