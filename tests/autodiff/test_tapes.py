"""Each tape against closed forms, and the three against each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest

from gradline.autodiff.tape import Step, UserLoss
from gradline.autodiff.tapes import _build
from gradline.rows.arrays import ArrayRows

FRAMEWORKS = ("tensorflow", "jax", "torch")
FORMS = ("row", "mean", "sum")
ROW_COUNTS = (1, 2, 1000, 1001)


def operations(framework):
    """The few functions the losses below need, in one framework."""
    if framework == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        means = {"row_sum": lambda a: tf.reduce_sum(a, -1), "mean": tf.reduce_mean, "sum": tf.reduce_sum}
        return SimpleNamespace(exp=tf.exp, sqrt=tf.sqrt, log=tf.math.log, abs=tf.abs, **means)
    if framework == "jax":
        jnp = pytest.importorskip("jax.numpy")
        return SimpleNamespace(
            exp=jnp.exp, sqrt=jnp.sqrt, log=jnp.log, abs=jnp.abs, row_sum=lambda a: jnp.sum(a, -1), mean=jnp.mean, sum=jnp.sum
        )
    torch = pytest.importorskip("torch")
    return SimpleNamespace(
        exp=torch.exp, sqrt=torch.sqrt, log=torch.log, abs=torch.abs, row_sum=lambda a: a.sum(-1), mean=torch.mean, sum=torch.sum
    )


def rows_of(k):
    """The loss of each row with k linear predictors, given a framework's operations."""
    if k == 1:
        return lambda o, y, eta: o.sqrt(1.0 + (y - eta) ** 2) - 1.0
    if k == 2:
        return lambda o, y, eta: 0.5 * o.exp(-2.0 * eta[..., 1]) * (y - eta[..., 0]) ** 2 + eta[..., 1]
    return lambda o, y, eta: o.log(o.row_sum(o.exp(eta))) - o.row_sum(y * eta)


def user_loss(framework, k, form):
    o, row = operations(framework), rows_of(k)
    shapes = {
        "row": lambda values: values,
        "mean": o.mean,
        "sum": o.sum,
        "joint": lambda values: o.log(o.mean(values)),
    }
    return UserLoss(lambda y, eta: shapes[form](row(o, y, eta)), None, form, 3 if k == 3 else 1, k)


def tape(framework, k, form):
    return _build(user_loss(framework, k, form), framework)


def closed_form(k, y, eta):
    """Value (m,), gradient (m, k) and curvature (m, k, k), differentiated by hand."""
    if k == 1:
        r, root = eta[:, 0] - y[:, 0], np.sqrt(1.0 + (eta[:, 0] - y[:, 0]) ** 2)
        return root - 1.0, (r / root)[:, None], (root**-3)[:, None, None]
    if k == 2:
        r, precision = y[:, 0] - eta[:, 0], np.exp(-2.0 * eta[:, 1])
        value = 0.5 * precision * r**2 + eta[:, 1]
        gradient = np.stack([-r * precision, 1.0 - r**2 * precision], axis=1)
        curvature = np.empty((len(y), 2, 2))
        curvature[:, 0, 0], curvature[:, 1, 1] = precision, 2.0 * r**2 * precision
        curvature[:, 0, 1] = curvature[:, 1, 0] = 2.0 * r * precision
        return value, gradient, curvature
    powers = np.exp(eta)
    shares = powers / powers.sum(axis=1, keepdims=True)
    value = np.log(powers.sum(axis=1)) - (y * eta).sum(axis=1)
    return value, shares - y, shares[:, :, None] * np.eye(3) - shares[:, :, None] * shares[:, None, :]


def sample(k, rows, seed=0):
    generator = np.random.default_rng(seed)
    y = np.eye(3)[generator.integers(0, 3, rows)] if k == 3 else generator.normal(size=(rows, 1))
    return y, generator.normal(size=(rows, k))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_row_derivatives_are_those_of_the_closed_form(framework, k, form):
    built = tape(framework, k, form)
    for rows in ROW_COUNTS:
        y, eta = sample(k, rows)
        expected = closed_form(k, y, eta)
        for order in (0, 1, 2):
            found = built.derivatives(y, eta, order)
            assert [part is None for part in found] == [False, order < 1, order < 2]
            for part, exact in zip(found[: order + 1], expected, strict=False):
                assert part.dtype == np.float64
                assert part.shape == exact.shape
                np.testing.assert_allclose(part, exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_three_tapes_agree(k):
    pytest.importorskip("torch")
    y, eta = sample(k, 257, seed=1)
    found = [tape(framework, k, "row").derivatives(y, 3.0 * eta, 2) for framework in FRAMEWORKS]
    for other in found[1:]:
        for part, first in zip(other, found[0], strict=True):
            np.testing.assert_allclose(part, first, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_gradient_goes_through_the_users_forward_pass(framework):
    o = operations(framework)
    loss = UserLoss(lambda y, mean: mean - y * o.log(mean), lambda eta: o.exp(eta), "row", 1, 1)
    built = _build(loss, framework)
    y, eta = np.array([[0.0], [2.0], [5.0]]), np.array([[0.3], [-1.0], [2.0]])
    value, gradient, curvature = built.derivatives(y, eta, 2)
    np.testing.assert_allclose(value, (np.exp(eta) - y * eta)[:, 0], rtol=1e-12)
    np.testing.assert_allclose(gradient, np.exp(eta) - y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(curvature[:, :, 0], np.exp(eta), rtol=1e-12)
    predictions = built.predict(eta)
    assert predictions.dtype == np.float64
    np.testing.assert_allclose(predictions, np.exp(eta[:, 0]), rtol=1e-15)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_piecewise_linear_loss_has_no_curvature(framework):
    o = operations(framework)
    built = _build(UserLoss(lambda y, eta: o.abs(y - eta), None, "row", 1, 1), framework)
    y, eta = sample(1, 7)
    value, gradient, curvature = built.derivatives(y, eta, 2)
    np.testing.assert_array_equal(value, np.abs(y - eta)[:, 0])
    np.testing.assert_array_equal(gradient, np.sign(eta - y))
    np.testing.assert_array_equal(curvature, np.zeros((7, 1, 1)))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_linear_predictor_without_a_say_has_zero_derivatives(framework):
    pytest.importorskip(framework)
    built = _build(UserLoss(lambda y, eta: (y - eta[..., 0]) ** 2, None, "row", 1, 2), framework)
    y, eta = sample(2, 3)
    _, gradient, curvature = built.derivatives(y, eta, 2)
    np.testing.assert_allclose(gradient, np.stack([2 * (eta[:, 0] - y[:, 0]), np.zeros(3)], axis=1), rtol=1e-14)
    np.testing.assert_array_equal(curvature, np.broadcast_to([[2.0, 0.0], [0.0, 0.0]], (3, 2, 2)))


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_gradient_of_a_joint_scalar(framework, k):
    built = tape(framework, k, "joint")
    y, eta = sample(k, 50)
    value, gradient, _ = closed_form(k, y, eta)
    np.testing.assert_allclose(built.call(y, eta), np.log(value.mean()), rtol=1e-12)
    np.testing.assert_allclose(built.gradient(y, eta), gradient / (50 * value.mean()), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", [*FORMS, "joint"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_step_of_the_compiled_loop_moves_against_the_gradient(framework, weighted, form):
    if form == "joint" and weighted:
        pytest.skip("a joint loss takes no weights")
    built = tape(framework, 2, form)
    y, _ = sample(2, 61)
    generator = np.random.default_rng(3)
    x, offset, weights = generator.normal(size=(61, 3)), 0.1 * generator.normal(size=(61, 2)), generator.uniform(0.5, 2.0, 61)
    rows = ArrayRows(x, y, weights=weights if weighted else None, offset=offset)
    start, velocity = 0.1 * generator.normal(size=(4, 2)), generator.normal(size=(4, 2))
    design = np.column_stack([np.ones(61), x])
    value, gradient, _ = closed_form(2, y, design @ start + offset)
    share = weights / weights.sum() if weighted else np.full(61, 1 / 61)
    loss, slope = share @ value, design.T @ (share[:, None] * gradient)
    if form == "joint":
        loss, slope = np.log(loss), slope / loss
    if form == "sum":
        # A loss that adds up over the rows is walked down as it is written, as by a loop written by hand.
        total = weights.sum() if weighted else 61.0
        loss, slope = total * loss, total * slope
    for nesterov in (False, True):
        b, v, trace = built.descent(rows.in_memory()).run(start, velocity, 1, Step(0.05, 0.9, nesterov), None)
        speed = 0.9 * velocity - 0.05 * slope
        np.testing.assert_allclose(v, speed, rtol=1e-10)
        np.testing.assert_allclose(b, start + (0.9 * speed - 0.05 * slope if nesterov else speed), rtol=1e-10)
        np.testing.assert_allclose(trace.loss, [loss], rtol=1e-10)
        np.testing.assert_allclose(trace.gradient_norm, [np.linalg.norm(slope)], rtol=1e-10)
        np.testing.assert_allclose(trace.coefficients, start[None], rtol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_mini_batch_step_uses_its_rows_only(framework, form):
    built = tape(framework, 1, form)
    y, _ = sample(1, 20)
    x = np.random.default_rng(4).normal(size=(20, 1))
    rows = ArrayRows(x, y)
    ids = np.array([[3, 5, 7, 11], [0, 1, 2, 19]])
    b, expected = np.zeros((2, 1)), np.zeros((2, 1))
    design = np.column_stack([np.ones(20), x])
    # A loss that adds up over the rows is the sum, of the batch as of all rows.
    batch_share, share = (1.0, 1.0) if form == "sum" else (1 / 4, 1 / 20)
    for batch in ids:
        expected = expected - 0.1 * batch_share * design[batch].T @ closed_form(1, y[batch], design[batch] @ expected)[1]
    found, _, trace = built.descent(rows.in_memory()).run(b, np.zeros_like(b), 2, Step(0.1, 0.0, False), ids)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    # The loss on record is that of all rows, whichever rows the step used.
    np.testing.assert_allclose(trace.loss[0], share * closed_form(1, y, np.zeros((20, 1)))[0].sum(), rtol=1e-10)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_many_threads_at_once_get_the_right_answers(framework):
    """Each thread with its own rows, all starting together on a tape that nobody has traced yet."""
    built = tape(framework, 2, "mean")
    counts = [1, 2, 3, 17, 64, 65, 100, 129]
    barrier = Barrier(len(counts))

    def work(rows):
        y, eta = sample(2, rows, seed=rows)
        barrier.wait()
        return [(built.derivatives(y, eta, order), closed_form(2, y, eta)) for order in (2, 1, 0) for _ in range(3)]

    with ThreadPoolExecutor(len(counts)) as pool:
        for results in pool.map(work, counts):
            for found, expected in results:
                for part, exact in zip(found, expected, strict=True):
                    if part is not None:
                        np.testing.assert_allclose(part, exact, rtol=1e-10, atol=1e-10)


def test_jax_stays_in_the_precision_the_user_chose():
    jax = pytest.importorskip("jax")
    y, eta = sample(2, 8)
    before = jax.config.jax_enable_x64
    built = tape("jax", 2, "row")
    assert built.derivatives(y, eta, 2).curvature.dtype == np.float64
    built.descent(ArrayRows(eta, y).in_memory()).run(np.zeros((3, 2)), np.zeros((3, 2)), 2, Step(0.1, 0.0, False), None)
    assert not before
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1).dtype == np.float32


def test_a_users_own_float32_tensorflow_settings_do_not_matter():
    keras = pytest.importorskip("keras")
    assert keras.config.floatx() == "float32"
    y, eta = sample(1, 4)
    found = tape("tensorflow", 1, "row").derivatives(y, eta + 1e-12, 1)
    np.testing.assert_allclose(found.value - closed_form(1, y, eta)[0], 1e-12 * closed_form(1, y, eta)[1][:, 0], atol=5e-16)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_large_and_tiny_numbers_stay_exact(framework):
    y, eta = np.array([[1e6], [1e-9]]), np.array([[999_999.0, -3.0], [2e-9, 4.0]])
    for part, exact in zip(tape(framework, 2, "mean").derivatives(y, eta, 2), closed_form(2, y, eta), strict=True):
        np.testing.assert_allclose(part, exact, rtol=1e-12)
