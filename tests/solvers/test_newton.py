"""Newton against scipy.optimize on random problems, its invariances, large and streamed data, and losses that are not convex."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.special import betaln, gammaln

import gradline as gl
from gradline.problem import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.newton import Newton

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")

LOG_TWO_PI = np.log(2.0 * np.pi)


# Losses written a second time, in NumPy and for complex predictors: the complex step then gives gradients free of any tape, any closed form
# and any cancellation. y is (n, q), eta (n, k); one number a row.


def magnitude(z):
    return np.where(z.real < 0, -z, z)


def softplus(z):
    return np.where(z.real > 0, z, 0.0) + np.log1p(np.exp(-magnitude(z)))


def by_target(formula):
    return lambda y, eta: formula(y, eta).sum(axis=1)


def plain_log_cosh(y, eta):
    size = magnitude(y - eta)
    return size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0)


def plain_huber(threshold, scale):
    def formula(y, eta):
        size = magnitude((y - eta) / scale)
        return np.where(size.real <= threshold, 0.5 * size**2, threshold * (size - threshold / 2.0))

    return formula


def plain_joint_huber(y, eta):
    size = magnitude((y[:, 0] - eta[:, 0]) / eta[:, 1])
    value = eta[:, 1] * (0.5 + np.where(size.real <= 1.35, 0.5 * size**2, 1.35 * (size - 0.675)))
    return np.where(eta[:, 1].real > 0, value, np.inf)


def plain_expectile(level):
    return lambda y, eta: np.where(eta.real < y, level, 1.0 - level) * (y - eta) ** 2


def plain_student_t(degrees, scale):
    constant = 0.5 * np.log(degrees * np.pi) + gammaln(degrees / 2) - gammaln(degrees / 2 + 0.5) + np.log(scale)
    return lambda y, eta: constant + 0.5 * (degrees + 1) * np.log1p(((y - eta) / scale) ** 2 / degrees)


def plain_tukey(threshold):
    def formula(y, eta):
        u = ((y - eta) / threshold) ** 2
        return threshold**2 / 6.0 * np.where(u.real < 1, 1.0 - (1.0 - u) ** 3, 1.0)

    return formula


def plain_negative_binomial(dispersion):
    theta = 1.0 / dispersion

    def formula(y, eta):
        z = eta + np.log(dispersion)
        return betaln(y + 1, theta) + np.log(y + theta) + theta * softplus(z) + y * softplus(-z)

    return formula


def plain_tweedie(power):
    return lambda y, eta: y * np.exp((1 - power) * eta) / (power - 1) + np.exp((2 - power) * eta) / (2 - power)


def plain_normal(y, eta):
    return 0.5 * ((y[:, 0] - eta[:, 0]) * np.exp(-eta[:, 1])) ** 2 + eta[:, 1] + 0.5 * LOG_TWO_PI


def plain_multinomial(y, eta):
    scores = np.concatenate([np.zeros((len(eta), 1)), eta], axis=1)
    top = scores.real.max(axis=1, keepdims=True)
    total = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return total - scores[np.arange(len(y)), y[:, 0].astype(int)]


def plain_asymmetric(y, eta):
    return (np.where(eta.real < y, 3.0, 1.0) * plain_log_cosh(y, eta)).sum(axis=1)


def plain_correlated(y, eta):
    u, v = y[:, 0] - eta[:, 0], y[:, 1] - eta[:, 1]
    return 0.5 * (2.0 * u**2 - 1.6 * u * v + v**2)


# The same again as a user writes them.


def tf_asymmetric(y, prediction):
    size = tf.abs(y - prediction)
    cost = size + tf.math.softplus(-2.0 * size) - np.log(2.0)
    return tf.where(prediction < y, 3.0 * cost, cost)


def tf_correlated_mean(y, prediction):
    error = y - prediction
    u, v = error[:, 0], error[:, 1]
    return tf.reduce_mean(0.5 * (2.0 * u**2 - 1.6 * u * v + v**2))


def tf_normal(y, prediction):
    mean, log_scale = prediction[:, 0], prediction[:, 1]
    return 0.5 * tf.square((y - mean) * tf.exp(-log_scale)) + log_scale + 0.5 * LOG_TWO_PI


def tf_rate(y, prediction):
    return prediction - y * tf.math.log(prediction) + tf.math.lgamma(y + 1.0)


def jax_student_t(y, prediction):
    constant = 0.5 * np.log(4 * np.pi) + gammaln(2.0) - gammaln(2.5) + np.log(0.5)
    return constant + 2.5 * jnp.log1p(((y - prediction) / 0.5) ** 2 / 4)


def jax_logistic_sum(y, prediction):
    return jnp.sum(jnp.logaddexp(0.0, prediction) - y * prediction)


def jax_three_log_cosh(y, prediction):
    return jnp.sum(jnp.logaddexp(y - prediction, prediction - y) - jnp.log(2.0), axis=1)


# Draws of (targets (n, q)) around the linear predictors of a true model.


def near(noise=1.0):
    def draw(random, eta):
        return eta + noise * random.standard_t(4, size=eta.shape)

    return draw


def counts(random, eta):
    return random.poisson(np.exp(eta)).astype(float)


def amounts(random, eta):
    return np.exp(eta) * random.gamma(2.0, 0.5, size=eta.shape) + 1e-3


def amounts_and_zeros(random, eta):
    return amounts(random, eta) * (random.random(eta.shape) < 0.8)


def labels(random, eta):
    return (random.random(eta.shape) < 1.0 / (1.0 + np.exp(-eta))).astype(float)


def classes(random, eta):
    scores = np.concatenate([np.zeros((len(eta), 1)), eta], axis=1)
    return (scores + random.gumbel(size=scores.shape)).argmax(axis=1)[:, None].astype(float)


def with_spread(random, eta):
    return eta[:, :1] + np.exp(0.5 * eta[:, 1:]) * random.normal(size=(len(eta), 1))


def first_with_outliers(random, eta):
    return eta[:, :1] + random.standard_t(3, size=(len(eta), 1))


@dataclass(frozen=True)
class Case:
    """A loss, the same loss written again, a draw of targets, the k it is tried with, and how often it is drawn."""

    label: str
    loss: Any
    again: Any
    draw: Any
    predictors: tuple[int, ...] = (1, 2, 3)
    times: int = 8


CASES = [
    Case("squared", gl.losses.squared, by_target(lambda y, eta: (y - eta) ** 2), near()),
    Case("huber", gl.losses.huber(1.35), by_target(plain_huber(1.35, 1.0)), near()),
    Case("huber-scaled", gl.losses.huber(1.35, scale=0.3), by_target(plain_huber(1.35, 0.3)), near()),
    Case("huber-joint", gl.losses.huber(1.35, scale="joint"), plain_joint_huber, first_with_outliers, (2,)),
    Case("expectile", gl.losses.expectile(0.8), by_target(plain_expectile(0.8)), near()),
    Case("log_cosh", gl.losses.log_cosh, by_target(plain_log_cosh), near()),
    Case("student_t", gl.losses.student_t(4), by_target(plain_student_t(4, 1.0)), near()),
    Case("cauchy", gl.losses.cauchy(1.5), by_target(plain_student_t(1, 1.5)), near()),
    Case("tukey", gl.losses.tukey(8.0), by_target(plain_tukey(8.0)), near()),
    Case("logistic", gl.losses.logistic, by_target(lambda y, eta: softplus(eta) - y * eta), labels),
    Case("poisson", gl.losses.poisson, by_target(lambda y, eta: np.exp(eta) - y * eta + gammaln(y + 1)), counts),
    Case("gamma", gl.losses.gamma, by_target(lambda y, eta: eta + y * np.exp(-eta)), amounts),
    Case("negative_binomial", gl.losses.negative_binomial(0.7), by_target(plain_negative_binomial(0.7)), counts),
    Case("tweedie-1.5", gl.losses.tweedie(1.5), by_target(plain_tweedie(1.5)), amounts_and_zeros),
    Case("tweedie-3", gl.losses.tweedie(3.0), by_target(plain_tweedie(3.0)), amounts),
    Case("normal", gl.losses.normal, plain_normal, with_spread, (2,), 12),
    Case("multinomial", "multinomial", plain_multinomial, classes, (1, 2, 3), 12),
    Case("tf-asymmetric", tf_asymmetric, plain_asymmetric, near(), (1,)),
    Case("tf-correlated", tf_correlated_mean, plain_correlated, near(), (2,)),
    Case("tf-normal", gl.losses.custom(tf_normal, linear_predictors=("mean", "log_scale")), plain_normal, with_spread, (2,)),
    Case("tf-rate", gl.losses.custom(tf_rate, tf.exp), by_target(lambda y, eta: np.exp(eta) - y * eta + gammaln(y + 1)), counts, (1,)),
    Case("jax-student_t", jax_student_t, by_target(plain_student_t(4, 0.5)), near(), (1,)),
    Case("jax-logistic", jax_logistic_sum, by_target(lambda y, eta: softplus(eta) - y * eta), labels, (1,)),
    Case("jax-three", jax_three_log_cosh, by_target(plain_log_cosh), near(), (3,)),
]

PROBLEMS = [pytest.param(case, number, id=f"{case.label}-{number}") for case in CASES for number in range(case.times)]


@dataclass(frozen=True)
class Small:
    """A small problem: columns (n, p), targets (n, q), and any of weights, frequencies, offset, ridge."""

    case: Case
    columns: Any
    targets: Any
    k: int
    weights: Any = None
    frequencies: Any = None
    offset: Any = None
    strength: float = 0.0
    intercept: bool = True

    def fit(self, **changes):
        options = {
            "loss": self.case.loss,
            "weights": self.weights,
            "frequencies": self.frequencies,
            "offset": self.offset,
            "penalty": gl.penalties.ridge(self.strength) if self.strength else None,
            "intercept": self.intercept,
            "solver": gl.Newton(),
        }
        return gl.fit(self.columns, self.targets, **(options | changes))

    @property
    def design(self):
        return np.column_stack([np.ones(len(self.columns)), self.columns]) if self.intercept else self.columns

    @property
    def shape(self):
        return self.design.shape[1], self.k

    @property
    def free(self):
        """Whether a coefficient may move: the scale of the joint Huber loss is one number for all rows."""
        free = np.ones(self.shape, dtype=bool)
        if self.case.label == "huber-joint":
            free[1:, 1] = False
        return free

    def row_weights(self):
        w = np.ones(len(self.columns)) if self.weights is None else self.weights
        return w if self.frequencies is None else w * self.frequencies

    def predictors(self, coefficients):
        eta = self.design @ coefficients
        if self.offset is None:
            return eta
        return eta + (self.offset[:, None] if self.offset.ndim == 1 else self.offset)

    def value(self, coefficients):
        w = self.row_weights()
        counted = w > 0
        rows = self.case.again(self.targets, self.predictors(coefficients) + 0j).real
        slopes = coefficients[int(self.intercept) :]
        return (w[counted] @ rows[counted]) / w.sum() + 0.5 * self.strength * np.square(slopes).sum()

    def gradient(self, coefficients):
        w = self.row_weights()
        eta = self.predictors(coefficients).astype(complex)
        rows = np.empty(eta.shape)
        for j in range(self.k):
            moved = eta.copy()
            moved[:, j] += 1e-30j
            rows[:, j] = self.case.again(self.targets, moved).imag * 1e30
        gradient = self.design.T @ (w[:, None] * rows) / w.sum()
        gradient[int(self.intercept) :] += self.strength * coefficients[int(self.intercept) :]
        return gradient

    def reference(self, start):
        """The optimum near a start, by BFGS and then Newton's method on the gradient with a differenced curvature."""
        free = self.free

        def whole(theta):
            coefficients = np.zeros(self.shape)
            coefficients[free] = theta
            return coefficients

        def gradient(theta):
            return self.gradient(whole(theta))[free]

        with np.errstate(all="ignore"):
            found = scipy.optimize.minimize(
                lambda t: self.value(whole(t)), start[free], jac=gradient, method="BFGS", options={"gtol": 1e-9}
            )
            theta = found.x
            for _ in range(10):
                h = 1e-6 * np.maximum(np.abs(theta), 1e-2)
                curvature = np.array([(gradient(theta + d) - gradient(theta - d)) / (2 * s) for d, s in zip(np.diag(h), h, strict=True)])
                step = np.linalg.solve(0.5 * (curvature + curvature.T), gradient(theta))
                theta = theta - step
                if np.abs(step).max() < 1e-14 * np.abs(theta).max():
                    break
        return whole(theta)


def draw_problem(case, number):
    random = np.random.default_rng([number, *case.label.encode()])
    k = case.predictors[number % len(case.predictors)]
    p = int(random.integers(1, 5))
    n = int(random.integers(60, 160))
    intercept = case.label == "huber-joint" or number % 4 != 3
    columns = random.normal(size=(n, p)) * random.choice([0.3, 1.0, 2.0], size=p)
    truth = random.normal(size=(p + 1, k)) * 0.5
    if not intercept:
        truth[0] = 0.0
    eta = truth[0] + columns @ truth[1:] / np.maximum(columns.std(axis=0).mean(), 1.0)
    offset = None
    if number % 3 == 1:
        # Joint Huber: an offset of the scale would be added to a scale, so there it moves the location only.
        offset = 0.3 * random.normal(size=n) if number % 2 or k == 1 else 0.3 * random.normal(size=(n, k))
        if case.label == "huber-joint":
            offset = np.column_stack([0.3 * random.normal(size=n), np.zeros(n)])
        eta = eta + (offset[:, None] if offset.ndim == 1 else offset)
    targets = case.draw(random, eta)
    weights = random.gamma(1.5, size=n) * (random.random(n) < 0.9) if number % 2 else None
    frequencies = random.integers(0, 4, size=n).astype(float) if number % 5 in (1, 2) else None
    strength = [0.0, 0.0, 0.05, 1.0][int(random.integers(0, 4))]
    return Small(case, columns, targets, k, weights, frequencies, offset, strength, intercept)


def simple_start(problem):
    start = np.zeros(problem.shape)
    if problem.case.label == "huber-joint":
        start[0] = [np.median(problem.targets), problem.targets.std()]
    return start


@pytest.mark.parametrize(("case", "number"), PROBLEMS)
def test_agrees_with_scipy(case, number):
    problem = draw_problem(case, number)
    fit = problem.fit()
    assert fit.certificate.converged
    found = fit.solution.coefficients
    reference = problem.reference(simple_start(problem))
    best = problem.value(reference)
    assert problem.value(found) <= best + 1e-10 * abs(best)
    np.testing.assert_allclose(fit.loss, problem.value(found), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found, reference, rtol=1e-7, atol=1e-7 * np.abs(reference).max())


def test_there_are_two_hundred_problems():
    assert len(PROBLEMS) >= 200
