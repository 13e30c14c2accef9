"""Newton against scipy.optimize on random problems, its invariances, large and streamed data, and losses that are not convex."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.special import betaln, gammaln

import gradline as gl
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")

LOG_TWO_PI = np.log(2.0 * np.pi)


# Losses written a second time, in NumPy and for complex predictors: the complex step then gives gradients free of any tape, any closed form
# and any cancellation. y is (n, q), eta (n, k); one number per row.


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


# Invariances.


def some(case_label, number):
    return draw_problem(next(case for case in CASES if case.label == case_label), number)


EVERY_KIND = ["huber", "huber-joint", "logistic", "poisson", "gamma", "student_t", "normal", "multinomial", "tf-asymmetric"]


def plain(problem):
    return Small(problem.case, problem.columns, problem.targets, problem.k)


def same(first, second, tolerance=1e-9):
    scale = np.abs(first.solution.coefficients).max()
    np.testing.assert_allclose(second.solution.coefficients, first.solution.coefficients, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("label", EVERY_KIND)
class TestWeights:
    def test_a_frequency_of_two_is_the_row_twice(self, label):
        problem = plain(some(label, 0))
        counts = np.random.default_rng(1).integers(0, 3, size=len(problem.columns))
        repeated = np.repeat(np.arange(len(counts)), counts)
        again = Small(problem.case, problem.columns[repeated], problem.targets[repeated], problem.k)
        counted = problem.fit(frequencies=counts)
        same(again.fit(), counted)
        np.testing.assert_allclose(counted.loss, again.fit().loss, rtol=1e-12)

    def test_a_weight_of_zero_is_the_row_left_out(self, label):
        problem = plain(some(label, 0))
        weights = np.random.default_rng(2).gamma(2.0, size=len(problem.columns))
        weights[::3] = 0.0
        kept = weights > 0
        # What such a row holds must not matter, even where its loss overflows.
        columns = problem.columns.copy()
        columns[::3] = 1e6
        left_out = Small(problem.case, problem.columns[kept], problem.targets[kept], problem.k)
        same(left_out.fit(weights=weights[kept]), Small(problem.case, columns, problem.targets, problem.k).fit(weights=weights))

    def test_their_size_changes_nothing(self, label):
        problem = plain(some(label, 0))
        weights = np.random.default_rng(3).gamma(2.0, size=len(problem.columns))
        first, second = problem.fit(weights=weights), problem.fit(weights=1e5 * weights)
        same(first, second)
        np.testing.assert_allclose(second.loss, first.loss, rtol=1e-12)

    def test_a_ridge_is_beside_the_mean_so_doubled_rows_change_nothing(self, label):
        problem = plain(some(label, 0))
        penalty = gl.penalties.ridge(0.1)
        same(problem.fit(penalty=penalty), problem.fit(penalty=penalty, frequencies=np.full(len(problem.columns), 2)))


@pytest.mark.parametrize("loss", [gl.losses.huber(1.35), gl.losses.log_cosh, gl.losses.student_t(4), gl.losses.expectile(0.8)])
def test_an_offset_is_a_shift_of_the_target(loss):
    random = np.random.default_rng(5)
    X, offset = random.normal(size=(100, 3)), random.normal(size=100)
    y = X @ [1.0, -2.0, 0.5] + random.standard_t(3, size=100)
    same(gl.fit(X, y - offset, loss=loss), gl.fit(X, y, loss=loss, offset=offset))


def test_the_joint_huber_loss_follows_the_unit_of_the_target():
    random = np.random.default_rng(6)
    X = random.normal(size=(200, 3))
    y = 2.0 + X @ [1.0, -2.0, 0.5] + random.standard_t(2, size=200)
    loss = gl.losses.huber(1.35, scale="joint")
    metres, millimetres = gl.fit(X, y, loss=loss), gl.fit(X, 1000.0 * y, loss=loss)
    np.testing.assert_allclose(millimetres.coefficients, 1000.0 * metres.coefficients, rtol=1e-9)
    assert metres.coefficients[0, 1] > 0
    np.testing.assert_array_equal(metres.coefficients[1:, 1], 0.0)


@pytest.mark.parametrize("loss", ["poisson", "logistic", gl.losses.huber(1.35)])
def test_the_units_of_columns_do_not_matter(loss):
    random = np.random.default_rng(7)
    X = random.normal(size=(300, 3))
    eta = 0.3 + X @ [0.5, -0.4, 0.2]
    y = {"poisson": lambda: random.poisson(np.exp(eta)), "logistic": lambda: random.random(300) < 1 / (1 + np.exp(-eta))}.get(
        loss if isinstance(loss, str) else "", lambda: eta + random.standard_t(3, size=300)
    )() * 1.0
    units = np.array([1e-6, 1.0, 1e6])
    first, second = gl.fit(X, y, loss=loss), gl.fit(X * units, y, loss=loss)
    np.testing.assert_allclose(second.slopes * units, first.slopes, rtol=1e-9)
    np.testing.assert_allclose(second.intercept, first.intercept, rtol=1e-9)


def test_a_mean_far_from_zero_costs_no_digits_that_matter():
    random = np.random.default_rng(8)
    x = random.normal(size=(500, 2))
    y = random.poisson(np.exp(0.5 + x @ [0.3, -0.2]))
    near_zero, far = gl.fit(x, y, loss="poisson"), gl.fit(x + 1e4, y, loss="poisson")
    np.testing.assert_allclose(far.slopes, near_zero.slopes, rtol=1e-7)


# Large data: a start from a sample, one curvature for several steps; and data that are not held in memory.


class Streamed:
    """Rows that are not in memory, and a count of the passes over them."""

    def __init__(self, rows):
        self.rows, self.passes = rows, 0

    def __getattr__(self, name):
        return getattr(self.rows, name)

    def reduce(self, kernel):
        self.passes += 1
        return self.rows.reduce(kernel)

    held = False

    def in_memory(self):
        return None


def large(loss):
    random = np.random.default_rng(9)
    X = random.normal(size=(400_000, 7))
    eta = 0.2 + X @ np.linspace(-0.5, 0.5, 7)
    if loss == "poisson":
        y = random.poisson(np.exp(eta)).astype(float)
    elif loss == "logistic":
        y = (random.random(len(X)) < 1 / (1 + np.exp(-eta))).astype(float)
    else:
        y = eta + random.standard_t(3, size=len(X))
    return X, y[:, None]


@pytest.fixture(scope="module", params=["poisson", "logistic", "huber", "student_t"])
def big(request):
    loss = {"huber": gl.losses.huber(1.35), "student_t": gl.losses.student_t(4)}.get(request.param)
    return loss or gl.losses.by_name(request.param), *large(request.param)


def exact_optimum(problem, near):
    """Full steps with fresh curvature, from nearby: the slow way."""
    found = near
    for _ in range(4):
        at = problem.evaluate(found, 2)
        found = found - np.linalg.solve(at.curvature, at.gradient.ravel())[:, None]
    return found


def in_standard_errors(problem, coefficients, reference):
    """The largest difference of coefficients (P, 1), in units of the standard errors of a likelihood."""
    errors = np.sqrt(np.diag(np.linalg.inv(problem.evaluate(reference, 2).curvature)) / problem.rows.n_rows)
    return float((np.abs(coefficients - reference)[:, 0] / errors).max())


class TestLarge:
    def test_the_fast_road_ends_at_the_same_optimum_streamed_or_not(self, big):
        loss, X, y = big
        problem = Problem(ArrayRows(X, y), loss)
        held = gl.Newton().solve(problem)
        assert held.certificate.converged
        reference = exact_optimum(problem, held.coefficients)
        assert in_standard_errors(problem, held.coefficients, reference) <= 1e-8
        rows = Streamed(ArrayRows(X, y))
        streamed = gl.Newton().solve(Problem(rows, loss))
        assert streamed.certificate.converged
        np.testing.assert_allclose(streamed.coefficients, reference, rtol=1e-9)
        # The descent's own passes; aliasing and the certificate of a loss that is not convex may add one each.
        assert streamed.passes <= 5
        assert rows.passes <= 7

    def test_the_sample_saves_passes_and_not_digits(self, big):
        loss, X, y = big
        problem = Problem(ArrayRows(X, y), loss)
        fast, plain_start = gl.Newton().solve(problem), gl.Newton().solve(problem, np.zeros((8, 1)))
        assert in_standard_errors(problem, fast.coefficients, plain_start.coefficients) <= 2e-8
        assert fast.passes < plain_start.passes

    def test_any_number_of_threads_gives_the_same_bits(self, big):
        loss, X, y = big
        one, three = (gl.Newton().solve(Problem(ArrayRows(X, y, threads=threads), loss)) for threads in (1, 3))
        np.testing.assert_array_equal(one.coefficients, three.coefficients)
        assert one.loss == three.loss


def test_a_rare_level_that_the_sample_misses_is_found_on_all_rows():
    X, y = large("logistic")
    rare = np.zeros((len(X), 1))
    rare[[17, 99_999, 200_001, 300_002, 399_999]] = 1.0
    y[[17, 99_999, 200_001, 300_002, 399_999]] = [[1], [0], [1], [1], [0]]
    fit = gl.fit(np.hstack([X, rare]), y[:, 0], loss="logistic")
    assert fit.certificate.converged
    p = fit.predict(np.hstack([X, rare]))
    np.testing.assert_allclose(p[rare[:, 0] == 1].sum(), 3.0, rtol=1e-8)


# Losses that are not convex.


class TestNotConvex:
    @pytest.mark.parametrize("loss", [gl.losses.student_t(3), gl.losses.cauchy(1.0), gl.losses.tukey(4.685)])
    @pytest.mark.parametrize("seed", range(5))
    def test_a_minimum_is_reached_and_more_starts_are_never_worse(self, loss, seed):
        random = np.random.default_rng(seed)
        X = random.normal(size=(150, 3))
        y = X @ [1.0, 2.0, -1.0] + random.standard_t(2, size=150)
        y[:40] += 15.0
        one = gl.fit(X, y, loss=loss)
        several = gl.fit(X, y, loss=loss, solver=gl.Newton(starts=5))
        for fit in (one, several):
            assert fit.certificate.converged
            assert "positive semidefinite" in fit.certificate.reason
            at = Problem(ArrayRows(X, y[:, None]), loss).evaluate(fit.solution.coefficients, 2)
            assert np.linalg.norm(at.gradient) < 1e-10
            assert np.linalg.eigvalsh(at.curvature)[0] > -1e-12
        assert several.loss <= one.loss * (1 + 1e-12)

    def test_more_starts_find_the_lower_of_two_minima(self):
        # Two lines through one cloud: the majority's is the lower minimum, the start is at the other.
        random = np.random.default_rng(3)
        y = np.where(np.arange(300) < 180, 10.0, -10.0) + 0.1 * random.normal(size=300)
        at_minority = Problem(ArrayRows(np.ones((300, 1)), y[:, None], intercept=False), gl.losses.cauchy(0.3))
        one = gl.Newton().solve(at_minority, np.array([-10.0]))
        assert one.certificate.converged
        assert one.coefficients[0, 0] == pytest.approx(-10.0, abs=0.1)
        five = gl.Newton(starts=5).solve(at_minority, np.array([-10.0]))
        assert five.coefficients[0, 0] == pytest.approx(10.0, abs=0.1)
        assert five.loss < one.loss

    @pytest.mark.parametrize("tilt", [0.0, 1e-9])
    def test_a_start_on_a_saddle_is_left(self, tilt):
        y = np.tile([5.0, -5.0], 50)
        fit = gl.fit(np.ones((100, 1)), y, loss=gl.losses.cauchy(0.3), intercept=False, start=np.array([tilt]))
        assert fit.certificate.converged
        assert abs(fit.coefficients[0]) == pytest.approx(5.0, abs=0.05)

    def test_a_saddle_in_several_dimensions_is_left(self):
        random = np.random.default_rng(4)
        X = random.normal(size=(200, 3))
        y = np.abs(X @ [2.0, -1.0, 0.5])

        def square_of_the_square(y, prediction):
            return tf.square(tf.square(prediction) - tf.square(y))

        fit = gl.fit(X, y, loss=square_of_the_square, intercept=False, start=np.zeros(3))
        assert fit.certificate.converged
        np.testing.assert_allclose(np.abs(fit.coefficients), [2.0, 1.0, 0.5], rtol=1e-6)

    def test_a_plateau_is_said(self):
        random = np.random.default_rng(5)
        X = random.normal(size=(50, 2))
        with pytest.warns(gl.GradlineWarning, match="the loss is flat.*Give a start= nearer the data"):
            fit = gl.fit(X, X @ [1.0, 2.0], loss=gl.losses.tukey(4.685), start=np.array([1e4, 0.0, 0.0]))
        assert not fit.certificate.converged


# What goes wrong, and is said.


class TestSaid:
    def columns(self):
        return np.random.default_rng(10).normal(size=(60, 2))

    def test_not_converged(self):
        X = self.columns()
        y = np.random.default_rng(11).poisson(np.exp(2.0 * X[:, 0]))
        with pytest.warns(gl.GradlineWarning, match=r"Newton's method has not converged: 2 steps done\. .*max_steps"):
            fit = gl.fit(X, y, loss="poisson", solver=gl.Newton(max_steps=2))
        assert not fit.certificate.converged
        assert fit.certificate.gradient_norm > 1e-6
        assert "max_steps" in fit.certificate.remedy
        assert "not converged" in repr(fit)
        assert np.isfinite(fit.predict(X)).all()

    def test_a_first_step_that_overflows_is_damped(self):
        def exponential(y, prediction):
            return tf.square(y - tf.exp(prediction))

        X = 30.0 * self.columns()
        y = np.exp(0.02 * X[:, 0])
        fit = gl.fit(X, y, loss=exponential)
        assert fit.certificate.converged
        np.testing.assert_allclose(fit.slopes, [0.02, 0.0], atol=1e-8)

    def test_an_overflow_at_the_start_names_the_row(self):
        def exponential(y, prediction):
            return tf.square(y - tf.exp(prediction))

        X = np.zeros((5, 1))
        X[3] = 800.0
        with pytest.raises(ValueError, match=r"'exponential' is not finite at the starting coefficients: it is inf in row 3, .*800"):
            gl.fit(X, np.arange(5.0), loss=exponential, start=np.array([0.0, 1.0]))

    def test_a_gradient_of_nan_is_named_with_its_row(self):
        def root(y, prediction):
            return jnp.log(jnp.cosh(y - prediction)) + jnp.sqrt(jnp.where(y == 3.0, 0.0 * prediction, 1.0))

        where = r"it is nan in row 21, where y = 3 and the linear predictor is 1\.5;"
        for solver in ("auto", gl.LBFGS(), gl.GradientDescent(steps=5, learning_rate=0.01)):
            with pytest.raises(ValueError, match=rf"gradient of the loss 'root' is not finite .*: {where} .* square root of zero"):
                gl.fit(np.zeros((60, 1)), np.arange(60) / 7, loss=root, solver=solver, start=np.array([1.5, 0.0]))

    def test_a_curvature_of_nan_is_named_with_its_row_and_a_solver_that_needs_none(self):
        def power(y, prediction):
            return jnp.power(jnp.abs(y - prediction), 1.5)

        X, y = self.columns(), np.arange(60.0)[::-1]
        where = "in row 59, where y = 0 and the linear predictor is 0;"
        with pytest.raises(ValueError, match=rf"curvature of the loss 'power' is not finite .* {where} .*solver=gl\.LBFGS\(\)"):
            gl.fit(X, y, loss=power, start=np.zeros(X.shape[1] + 1))
        found = gl.fit(X, y, loss=power, solver=gl.LBFGS())
        assert found.certificate.converged
        np.testing.assert_allclose(gl.fit(X, y, loss=power, start=found.coefficients + 1e-3).coefficients, found.coefficients, rtol=1e-6)

    def test_a_row_of_a_sample_is_named_as_in_the_data(self):
        def logarithm(y, prediction):
            return jnp.log(jnp.cosh(y - prediction)) + 0.0 * jnp.log(y)

        X = np.random.default_rng(0).normal(size=(40_000, 1))
        y = np.where(np.arange(40_000) >= 30_000, -1.0, 1.0 + np.abs(X[:, 0]))
        with pytest.raises(ValueError, match=r"'logarithm' is not finite .*: it is nan in row 30000, where y = -1"):
            gl.fit(X, y, loss=logarithm)

    @pytest.mark.parametrize("threshold", [0.1, 0.01])
    def test_levels_whose_rows_all_lie_where_the_loss_is_straight(self, threshold):
        # Such a level has no curvature, and must not have the steps of all others damped to nothing.
        random = np.random.default_rng(0)
        level, x = random.integers(0, 120, size=1000), random.normal(size=1000)
        X = np.column_stack([x, level[:, None] == np.arange(1, 120)])
        y = x + 0.3 * random.normal(size=120)[level] + random.standard_t(3, size=1000)
        fit = gl.fit(X, y, loss=gl.losses.huber(threshold), covariance=False)
        assert fit.certificate.converged
        outside_gradient = np.clip(y - fit.predict(X), -threshold, threshold)
        np.testing.assert_allclose(np.column_stack([np.ones(1000), X]).T @ outside_gradient, 0.0, atol=1e-10)

    def test_a_damped_step_is_no_sign_of_an_optimum(self):
        # Steps far too long are refused until damping is enormous, and a damped decrement is tiny however steep the objective is.
        def treacherous(y, prediction):
            r = prediction - y
            return jnp.where(jnp.abs(r + 1.0) < 1e-14, 2.0 + r + 0.5 * (r + 1.0) ** 2, 10.0 + jnp.square(r))

        with pytest.warns(gl.GradlineWarning, match="no step lowers the objective any more"):
            fit = gl.fit(np.ones((5, 1)), np.ones(5), loss=treacherous, solver=gl.Newton(), start=np.zeros(1), intercept=False)
        assert fit.certificate.gradient_norm == pytest.approx(1.0)
        assert not fit.certificate.converged

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"tolerance": 0.0}, "tolerance must be between 0 and 1, not 0.0"),
            ({"tolerance": "tight"}, "tolerance must be between 0 and 1, not 'tight'"),
            ({"max_steps": 0}, "max_steps must be a whole number of at least 1, not 0"),
            ({"starts": True}, "starts must be a whole number of at least 1, not True"),
            ({"starts": 1.5}, "starts must be a whole number of at least 1, not 1.5"),
        ],
    )
    def test_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            gl.Newton(**settings)

    def test_a_kinked_loss_is_sent_to_who_can(self):
        with pytest.raises(ValueError, match=r"Newton needs a smooth loss, and 'quantile' has kinks; use gl.PiecewiseLinear"):
            gl.fit(self.columns(), np.ones(60), loss=gl.losses.quantile(0.5), solver=gl.Newton())

    def test_a_joint_loss_is_sent_to_who_can(self):
        def spread(y, prediction):
            return tf.math.reduce_std(y - prediction)

        with pytest.raises(ValueError, match="Newton needs the curvature of single rows; the loss 'spread' returns one scalar"):
            gl.fit(self.columns(), self.columns()[:, 0], loss=spread, solver=gl.Newton())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", [gl.losses.student_t(1.5), gl.losses.tukey(3.0), gl.losses.huber(0.3)], ids=lambda loss: loss.name)
def test_the_curvature_it_leaves_is_that_at_its_answer(loss, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 3)), 5.0 * rng.standard_t(1.5, size=(60, 1))
    problem = Problem(ArrayRows(x, y), loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        solution = gl.Newton().solve(problem)
    if solution.certificate.converged:
        expected = problem.free.restrict_curvature(problem.evaluate(solution.coefficients, 2).curvature)
        np.testing.assert_array_equal(solution.curvature, expected)
