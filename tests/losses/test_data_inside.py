"""Losses that read a column from outside, or choose with an if: what is said, and that what is said to be written is right."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import gradline as gl

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")

RNG = np.random.default_rng(48)
X = RNG.normal(size=(60, 2))
Y = X @ [1.0, 2.0] + RNG.normal(size=60)
Z = RNG.uniform(0.5, 2.0, size=60)


def weighted(y, p, z):
    return jnp.log(jnp.cosh(y - p)) * z


def of_a_global(y, prediction):
    return jnp.square(y - prediction) * Z


READING = {
    "a global": of_a_global,
    "a closure": (lambda z: lambda y, prediction: weighted(y, prediction, z))(Z),
    "a partial": functools.partial(weighted, z=Z),
    "a mean": lambda y, prediction: jnp.mean(jnp.square(y - prediction) * Z),
    "an array of JAX": (lambda z: lambda y, prediction: jnp.square(y - prediction) * z)(jnp.asarray(Z)),
    "TensorFlow": (lambda z: lambda y, prediction: tf.square(y - prediction) * z)(Z),
    "through a helper": lambda y, prediction: of_a_global(y, prediction),
    "another shape": (lambda z: lambda y, prediction: jnp.square(y - prediction) * z[:, None])(Z),
}


@pytest.mark.parametrize("case", READING)
def test_a_column_read_from_outside_is_named_with_what_to_write(case):
    with pytest.raises(ValueError, match=r"reads '[Zz]', an array of 60 entries.*weights=[Zz]\..*np\.column_stack\(\[y, [Zz]\]\)"):
        gl.fit(X, Y, loss=READING[case])


def test_as_many_rows_as_are_tried_are_no_way_round():
    z = Z[:5]
    with pytest.raises(ValueError, match=r"raised|mixes rows|returned shape"):
        gl.fit(X[:5], Y[:5], loss=lambda y, prediction: weighted(y, prediction, z))


def test_the_advice_is_right():
    """A second target that multiplies a row's loss is that row's weight."""

    def loss(both, prediction):
        return weighted(both[:, 0], prediction, both[:, 1])

    fit = gl.fit(X, np.column_stack([Y, Z]), loss=gl.losses.custom(loss, linear_predictors=["prediction"]))
    same = gl.fit(X, Y, loss="log_cosh", weights=Z)
    np.testing.assert_allclose(np.ravel(fit.coefficients), same.coefficients, rtol=1e-9)


def with_an_if(y, prediction):
    return jnp.square(y - prediction) if y > prediction else jnp.abs(y - prediction)


def with_a_max(y, prediction):
    return max(0.9 * jnp.abs(y - prediction), jnp.square(y - prediction))


def with_an_if_of_tensorflow(y, prediction):
    return tf.square(y - prediction) if y > prediction else tf.abs(y - prediction)


@pytest.mark.parametrize("loss", [with_an_if, with_a_max, with_an_if_of_tensorflow], ids=lambda f: f.__name__)
def test_an_if_over_rows_is_told_what_to_write(loss):
    with pytest.raises(ValueError, match=r"an if or max\(\) of them has no answer.*tf\.where\(y > prediction, a, b\), jnp\.where"):
        gl.fit(X, Y, loss=loss)
