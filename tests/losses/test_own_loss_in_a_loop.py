"""A loop that writes its loss anew, with another number in it each time."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize

import gradline as gl
from gradline.losses.own_loss import BoundLoss

torch = pytest.importorskip("torch")


def pseudo_huber(root, k):
    return lambda y, prediction: k * k * (root(1 + ((y - prediction) / k) ** 2) - 1)


@pytest.fixture
def calls(monkeypatch):
    """How often a fit asked the framework for derivatives."""
    seen = []
    own = BoundLoss.derivatives
    monkeypatch.setattr(BoundLoss, "derivatives", lambda self, *arguments: seen.append(1) or own(self, *arguments))
    return seen


@pytest.mark.parametrize("root", [tf.sqrt, jnp.sqrt, torch.sqrt], ids=["tensorflow", "jax", "torch"])
def test_a_loss_of_residuals_begins_at_least_squares_and_needs_few_calls(root, calls):
    x, y = gl.datasets.line(seed=1)
    for k in (0.5, 3.0):
        calls.clear()
        fit = gl.fit(x, y, loss=pseudo_huber(root, k))
        assert len(calls) <= 12  # 26 from a start at zero, with a search for kinks in eight calls

        def mean(b, k=k):
            return np.mean(k * k * (np.sqrt(1 + ((y - b[0] - b[1] * x) / k) ** 2) - 1))

        found = minimize(mean, [-5.0, 6.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 4000})
        np.testing.assert_allclose(fit.coefficients, found.x, atol=1e-6)


def test_wild_targets_do_not_take_the_beginning_along():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 1))
    y = 2.0 + 3.0 * x[:, 0] + 0.1 * generator.normal(size=300)
    y[:20] = 1e9
    fit = gl.fit(x, y, loss=pseudo_huber(torch.sqrt, 1.0))
    assert fit.certificate.converged
    np.testing.assert_allclose(fit.coefficients, [2.0, 3.0], atol=0.2)


def test_least_squares_as_a_beginning_keeps_masks_offsets_and_columns_that_say_the_same():
    generator = np.random.default_rng(1)
    x = generator.normal(size=(200, 2))
    offset = generator.normal(size=200)
    y = offset + 1.0 + x[:, 0] + 0.3 * generator.normal(size=200)
    with pytest.warns(UserWarning, match="left out"):
        fit = gl.fit(np.column_stack([x, x[:, 0]]), y, loss=pseudo_huber(torch.sqrt, 1.0), offset=offset)
    same = gl.fit(x, y - offset, loss=pseudo_huber(torch.sqrt, 1.0))
    np.testing.assert_allclose(fit.coefficients[:3], same.coefficients, atol=1e-9)


@pytest.mark.parametrize("absolute", [tf.abs, jnp.abs, torch.abs], ids=["tensorflow", "jax", "torch"])
def test_a_kink_that_comes_with_another_number_is_found(absolute):
    x, y = gl.datasets.line(seed=1)
    for k in (2.0, 1.0, 2.0):
        fit = gl.fit(x, y, loss=lambda y, p, k=k: absolute(y - p) ** k)
        kinks = gl.losses.custom(lambda y, p, k=k: absolute(y - p) ** k).bind(y[:, None]).kinks()
        assert kinks == ((0.0,) if k == 1.0 else None)
        exact = gl.fit(x, y, loss={1.0: "absolute", 2.0: "squared"}[k])
        np.testing.assert_allclose(fit.coefficients, exact.coefficients, atol=1e-9)
