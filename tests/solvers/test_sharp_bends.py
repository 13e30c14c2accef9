"""Losses that bend thousands of times more sharply than the noise: reached through wider bends, whoever wrote them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog

import gradline as gl
from gradline.preparing import from_table

torch = pytest.importorskip("torch")


def own_huber(y, p):
    r = torch.abs(y - p)
    return torch.where(r < 1, 0.5 * r * r, r - 0.5)


def own_log_cosh(y, p):
    r = y - p
    return torch.nn.functional.softplus(2 * r) - r - float(np.log(2.0))


def smooth_pinball(y, p):
    r = y - p
    return 0.7 * r + torch.nn.functional.softplus(-r)


def data(scale, n=400):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, 2))
    return x, scale * (1.0 + x @ [1.0, -0.5] + generator.normal(size=n))


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", gl.GradlineWarning)
        yield


@pytest.mark.parametrize("scale", [1e4, 1e6])
@pytest.mark.parametrize(("own", "built_in"), [(own_huber, gl.losses.huber(1.0)), (own_log_cosh, gl.losses.log_cosh)])
def test_ones_own_loss_converges_where_the_built_in_does(scale, own, built_in):
    x, y = data(scale)
    found, right = gl.fit(x, y, loss=own, covariance=False), gl.fit(x, y, loss=built_in, covariance=False)
    assert found.certificate.converged
    assert right.certificate.converged
    assert found.loss == pytest.approx(right.loss, rel=1e-12)
    np.testing.assert_allclose(found.coefficients, right.coefficients, rtol=1e-6)
    # With a bend so sharp it is all but the median's linear program.
    assert found.loss == pytest.approx(median_loss(x, y), rel=1e-3)


def median_loss(x, y, share=0.5):
    """The least mean of |y - x b|, weighted 2 share above and 2 (1 - share) below: a linear program."""
    n, design = len(y), np.column_stack([np.ones(len(y)), x])
    equal = np.hstack([design, np.eye(n), -np.eye(n)])
    cost = np.concatenate([np.zeros(3), np.full(n, 2 * share / n), np.full(n, 2 * (1 - share) / n)])
    return linprog(cost, A_eq=equal, b_eq=y, bounds=[(None, None)] * 3 + [(0, None)] * (2 * n)).fun


def test_a_smooth_pinball():
    x, y = data(1e6)
    found = gl.fit(x, y, loss=smooth_pinball, covariance=False)
    assert found.certificate.converged
    assert 2 * found.loss == pytest.approx(median_loss(x, y, 0.7), rel=1e-3)


def test_columns_that_are_independent_are_not_blamed():
    x, y = data(1e9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gl.fit(x, y, loss=gl.losses.log_cosh, covariance=False)
    assert not any("dependent" in str(warning.message) for warning in caught)


def test_a_sharp_bend_beside_levels_kept_as_codes(monkeypatch):
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    generator = np.random.default_rng(1)
    levels, n = 300, 1500
    code = np.concatenate([np.arange(levels), generator.integers(0, levels, size=n - levels)])
    x = generator.normal(size=n)
    y = x + generator.normal(size=levels)[code] + generator.normal(size=n)
    table = {"y": y, "x": x, "g": np.char.add("g", code.astype(str))}
    loss = gl.losses.huber(1e-2)
    found = gl.fit("y ~ x + C(g)", table, loss=loss, covariance=False)
    assert found.certificate.converged
    assert found.solution.passes > 50  # not without wider bends
    # Stationary by Huber's own derivative, level by level.
    residual = y - found.predict(table)
    slope = np.clip(residual / 1e-2, -1.0, 1.0)
    np.testing.assert_allclose(np.bincount(code, slope), 0.0, atol=1e-6)
    assert abs(slope @ x) < 1e-5
