"""Losses whose linear predictors the data cannot tell apart: fitted all the same, with the direction named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gradline as gl
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.losses.identification import flat_directions, in_words

torch = pytest.importorskip("torch")


def classes(seed=0, n=400):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    eta = np.column_stack([np.zeros(n), x @ [1.0, -0.5], 0.3 - x[:, 0]])
    labels = (eta + generator.gumbel(size=eta.shape)).argmax(axis=1)
    return x, labels


def cross_entropy(y, p):
    return torch.logsumexp(p, 1) - (y * p).sum(1)


def of_sum(y, p):
    return torch.square(y - p[:, 0] - p[:, 1])


def quietly(*arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gl.GradlineWarning)
        return gl.fit(*arguments, **keywords)


def test_a_softmax_over_every_class_is_the_multinomial_logit():
    # The multinomial holds the first class at zero: Agresti (2013), Categorical Data Analysis, section 8.1.
    x, labels = classes()
    with pytest.warns(gl.GradlineWarning, match="moving y1 by 1 and y2 by 1 and y3 by 1 changes no row's loss; .* y1 - y2 are estimable"):
        found = gl.fit(x, np.eye(3)[labels], loss=gl.losses.custom(cross_entropy, likelihood=True), covariance="classical")
    right = gl.fit(x, labels, loss="multinomial", covariance="classical")
    assert found.certificate.converged
    assert "not identified" in found.certificate.reason
    assert found.loss == pytest.approx(right.loss, rel=1e-13)
    coefficients = np.asarray(found.coefficients)
    np.testing.assert_allclose(coefficients[:, 1:] - coefficients[:, :1], right.coefficients, rtol=1e-9)
    np.testing.assert_allclose(coefficients.sum(axis=1), 0.0, atol=1e-12)
    # A contrast is estimable, with the standard error of the other form; what is the same for all classes is not.
    contrast = np.zeros(9)
    contrast[[1, 4]] = -1.0, 1.0
    slope = right.coefficients[1, 0] / right.standard_errors[1, 0]
    assert found.test(contrast).statistic == pytest.approx(slope**2, rel=1e-7)
    with pytest.raises(ValueError, match="not estimable"):
        found.test("y1:x1 + y2:x1 + y3:x1 = 0")
    assert found.summary() is not None


def test_least_squares_of_a_sum_of_predictors():
    x, _ = classes(1)
    y = x @ [1.0, 2.0] + np.random.default_rng(2).normal(size=len(x))
    with pytest.warns(gl.GradlineWarning, match="moving a by 1 and b by -1 changes no row's loss; such combinations as a . b"):
        found = gl.fit(x, y, loss=gl.losses.custom(of_sum, linear_predictors=("a", "b")))
    right = gl.fit(x, y)
    np.testing.assert_allclose(found.coefficients, 0.5 * np.column_stack([right.coefficients] * 2), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.standard_errors.sum(axis=1), right.with_covariance("HC3", x, y).standard_errors, rtol=1e-7)


@pytest.mark.parametrize("solver", ["auto", gl.LBFGS(), gl.GradientDescent(steps=3000)], ids=["newton", "lbfgs", "descent"])
@pytest.mark.parametrize("ridge", [False, True])
def test_every_solver_finds_the_same(solver, ridge):
    x, labels = classes(3)
    penalty = gl.penalties.ridge(0.05) if ridge else None
    found = quietly(x, np.eye(3)[labels], loss=cross_entropy, solver=solver, penalty=penalty)
    assert found.certificate.converged
    assert "not identified" in found.certificate.reason
    values = np.asarray(found.coefficients)
    np.testing.assert_allclose(values.sum(axis=1), 0.0, atol=1e-8)
    p = np.exp(values[0] + x @ values[1:])
    residual = p / p.sum(axis=1, keepdims=True) - np.eye(3)[labels]
    gradient = np.column_stack([np.ones(len(x)), x]).T @ residual / len(x)
    if ridge:
        gradient[1:] += 0.05 * values[1:]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-7)


def test_a_kinked_loss_and_coded_levels_too():
    x, _ = classes(4)
    y = x @ [1.0, 2.0] + np.random.default_rng(2).normal(size=len(x))

    def kinked(y, p):
        return torch.abs(y - p[:, 0] - p[:, 1])

    found = quietly(x, y, loss=gl.losses.custom(kinked, linear_predictors=("a", "b")))
    assert found.certificate.converged
    np.testing.assert_allclose(np.asarray(found.coefficients).sum(axis=1), gl.fit(x, y, loss="absolute").coefficients, atol=1e-9)
    np.testing.assert_allclose(found.coefficients[:, 0], found.coefficients[:, 1], atol=1e-12)


def test_a_start_does_not_choose_among_those_that_fit_alike():
    x, labels = classes(5)
    start = np.arange(9.0).reshape(3, 3)
    found = quietly(x, np.eye(3)[labels], loss=cross_entropy, start=start)
    np.testing.assert_allclose(np.asarray(found.coefficients).sum(axis=1), 0.0, atol=1e-12)
    walked = quietly(x, np.eye(3)[labels], loss=cross_entropy, start=start, solver=gl.GradientDescent(steps=50))
    assert "those met first" in walked.certificate.reason


def test_formulas_that_part_the_predictors_identify_them():
    generator = np.random.default_rng(6)
    data = {name: generator.normal(size=300) for name in "uv"}
    data["y"] = data["u"] - 2 * data["v"] + generator.normal(size=300)
    found = quietly({"a": "y ~ u", "b": "~ v"}, data, loss=gl.losses.custom(of_sum, linear_predictors=("a", "b")))
    right = gl.fit("y ~ u + v", data).coefficients
    # Only the intercept is in both.
    np.testing.assert_allclose(found.coefficients[:, 0], [right[0] / 2, right[1], 0.0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.coefficients[:, 1], [right[0] / 2, 0.0, right[2]], rtol=1e-9, atol=1e-12)


def test_a_rare_row_that_does_tell_is_heard():
    x, _ = classes(7, n=5000)
    y = np.abs(x @ [1.0, 2.0]) + 1.0
    y[1234] = 0.5  # hidden from a look at a few rows, which takes the smallest and the largest
    y[17] = 0.4

    def mostly_flat(y, p):
        return torch.square(y - p[:, 0]) + torch.where(y == 0.5, torch.square(p[:, 1] - 3.0), 0.0 * p[:, 1])

    found = quietly(x, y, loss=gl.losses.custom(mostly_flat, linear_predictors=("a", "b")))
    values = np.asarray(found.coefficients)
    assert values[0, 1] + x[1234] @ values[1:, 1] == pytest.approx(3.0, abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_directions_of_linear_gauges(k):
    generator = np.random.default_rng(k)
    across = generator.normal(size=(k, k - 1))

    def derivatives(y, eta, order):
        residual = eta @ across - y
        return RowDerivatives(0.5 * np.square(residual).sum(axis=1), residual @ across.T)

    found = flat_directions(derivatives, generator.normal(size=(50, 1)), k)
    assert found.shape == (k, 1)
    np.testing.assert_allclose(across.T @ found, 0.0, atol=1e-12)
    assert "changes no row's loss" in in_words(found, [f"p{j}" for j in range(k)])


@pytest.mark.parametrize("loss", [gl.losses.normal, gl.losses.multinomial(3), gl.losses.squared, gl.losses.huber(1.35)])
def test_built_in_losses_are_identified(loss):
    assert loss.flat_directions is None
    if loss.n_predictors(1) > 1:
        assert flat_directions(loss.derivatives, np.array([[0.0], [1.0], [2.0]]), loss.n_predictors(1)) is None


def test_a_separated_softmax_is_solved_and_said_once():
    x = np.random.default_rng(0).normal(size=(40, 1))

    def softmax(y, scores):
        shares = torch.log_softmax(scores, dim=1)
        return -torch.where(y == 1, shares[:, 1], shares[:, 0])

    loss = gl.losses.custom(softmax, linear_predictors=["a", "b"])
    with pytest.warns(gl.GradlineWarning) as said:
        fit = gl.fit(x, (x[:, 0] > 0) * 1.0, loss=loss)
    assert sum("separation" in str(warning.message) for warning in said) == 1
    assert sum("does not identify" in str(warning.message) for warning in said) == 1
    assert not fit.certificate.converged


def product(y, p):
    return torch.square(y - p[:, 0] * p[:, 1])


def scaled_exponential(y, p):
    return torch.square(y - p[:, 0] * torch.exp(p[:, 1]))


def spread(y, p):
    return p[:, 1] + 0.5 * torch.square(y - p[:, 0]) * torch.exp(-2 * p[:, 1])


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("seed", [0, 3, 4])
@pytest.mark.parametrize(("function", "open_"), [(product, True), (scaled_exponential, True), (spread, False)])
def test_factors_that_make_up_for_each_other_are_not_identified_and_have_no_standard_errors(function, open_, seed):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(300, 2))
    y = (1 + 0.5 * x[:, 0]) * (2 + x[:, 1]) + generator.normal(size=300)
    loss = gl.losses.custom(function, linear_predictors=["a", "b"])
    fit = gl.fit(x, y, loss=loss, start=generator.normal(size=(3, 2)) * (0.1 if function is spread else 1.0))
    assert fit.certificate.converged
    assert ("not identified" in fit.certificate.reason) == open_
    if not open_:
        assert (fit.standard_errors > 0).all()
        return
    with pytest.raises(ValueError, match="not identified: other coefficients of a and b give every row the same loss"):
        _ = fit.standard_errors
    with pytest.raises(ValueError, match=r"not identified: other coefficients|not positive definite"):
        fit.with_covariance("HC1", x, y)
    # By hand: one factor doubled and the other halved.
    moved = fit.coefficients * [2.0, 0.5] if function is product else fit.coefficients * [2.0, 1.0] - [[0, np.log(2)], [0, 0], [0, 0]]
    parts = np.column_stack([np.ones(300), x]) @ moved
    fitted = parts[:, 0] * (parts[:, 1] if function is product else np.exp(parts[:, 1]))
    assert np.mean((y - fitted) ** 2) == pytest.approx(fit.loss, rel=1e-12)
