"""Gradient descent against loops written by hand, closed forms, and its own promises."""

import dataclasses
import warnings

import numpy as np
import pytest

import gradline as gl
from gradline.solvers.first_order.training import GROWTH

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")


def tf_mean(y, prediction):
    return tf.reduce_mean(tf.square(y - prediction))


def tf_rows(y, prediction):
    return tf.square(y - prediction)


def tf_sum(y, prediction):
    return tf.reduce_sum(tf.square(y - prediction))


def jax_mean(y, prediction):
    return jnp.mean(jnp.square(y - prediction))


def jax_rows(y, prediction):
    return jnp.square(y - prediction)


def torch_losses():
    torch = pytest.importorskip("torch")
    return {
        "torch_mean": lambda y, prediction: torch.mean(torch.square(y - prediction)),
        "torch_rows": lambda y, prediction: torch.square(y - prediction),
    }


LOSSES = {"tf_mean": tf_mean, "tf_rows": tf_rows, "tf_sum": tf_sum, "jax_mean": jax_mean, "jax_rows": jax_rows}


def user_loss(name):
    return LOSSES[name] if name in LOSSES else torch_losses()[name]


def asymmetric(y, prediction):
    return tf.where(y > prediction, 3 * tf.ones_like(y), tf.ones_like(y)) * log_cosh(y - prediction)


def log_cosh(error):
    size = tf.abs(error)
    return size + tf.math.softplus(-2 * size) - np.log(2)


def line(n=1000, noise=1.0, seed=0, slope=6.0, intercept=-5.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, slope * x + intercept + noise * rng.normal(size=n)


class EagerLoop:
    """The tutorial's loop, in float64: GradientTape, assign_sub, step by step."""

    def __init__(self, x, y, steps=1000, rate=0.01):
        x, y = tf.constant(x), tf.constant(y)
        weight, bias = tf.Variable(0.0, dtype=tf.float64), tf.Variable(0.0, dtype=tf.float64)
        self.loss, self.norm, self.coefficients = [], [], []
        for step in range(steps + 1):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(y - (x * weight + bias)))
            dw, db = tape.gradient(loss, [weight, bias])
            self.loss.append(loss.numpy())
            self.norm.append(np.hypot(dw.numpy(), db.numpy()))
            self.coefficients.append((bias.numpy(), weight.numpy()))
            if step < steps:
                weight.assign_sub(rate * dw)
                bias.assign_sub(rate * db)


@pytest.fixture(scope="module")
def tutorial():
    x, y = line()
    return x, y, EagerLoop(x, y)


@pytest.fixture(scope="module")
def noiseless():
    x, y = line(noise=0.0)
    return x, y, EagerLoop(x, y)


few_steps = pytest.mark.filterwarnings("ignore:gradient descent has not converged")


@few_steps
class TestTrajectory:
    @pytest.mark.parametrize("name", [*LOSSES, "torch_mean", "torch_rows"])
    def test_a_user_loss_walks_the_eager_loop(self, tutorial, name):
        x, y, eager = tutorial
        # A sum over the rows walks the mean's path at an n-th of the rate.
        n = len(x) if name == "tf_sum" else 1
        fit = gl.fit(x, y, loss=user_loss(name), solver=gl.GradientDescent(0.01 / n))
        history = fit.history
        np.testing.assert_array_equal(history.step, np.arange(1001))
        np.testing.assert_allclose(history.loss / n, eager.loss, rtol=1e-10)
        np.testing.assert_allclose(history.coefficients[:, :, 0], eager.coefficients, rtol=1e-10)
        np.testing.assert_allclose(history.gradient_norm / n, eager.norm, rtol=1e-6, atol=1e-13)
        assert fit.loss == pytest.approx(eager.loss[-1], rel=1e-10)

    def test_built_in_squared_loss_walks_it_on_moments(self, tutorial):
        x, y, eager = tutorial
        history = gl.fit(x, y, solver=gl.GradientDescent(0.01)).history
        np.testing.assert_allclose(history.loss, eager.loss, rtol=1e-12)
        np.testing.assert_allclose(history.coefficients[:, :, 0], eager.coefficients, rtol=1e-12)

    @pytest.mark.parametrize(
        ("name", "closeness"), [("tf_mean", 1e-10), ("tf_rows", 1e-10), ("torch_mean", 1e-10), ("jax_rows", 1e-7), (None, 1e-6)]
    )
    def test_without_noise(self, noiseless, name, closeness):
        # The loss ends near 1e-16, the square of residuals of 1e-8 between numbers of size 6, so its last digits are the eager loop's own
        # rounding: TensorFlow and PyTorch round as it does, the others differ there and only there (see the test after this one).
        x, y, eager = noiseless
        loss = "squared" if name is None else user_loss(name)
        history = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(0.01)).history
        early = np.array(eager.loss) > 1e-9
        assert early.sum() > 500
        np.testing.assert_allclose(history.loss[early], np.array(eager.loss)[early], rtol=1e-9)
        np.testing.assert_allclose(history.loss, eager.loss, rtol=closeness)
        np.testing.assert_allclose(history.coefficients[:, :, 0], eager.coefficients, rtol=1e-10)

    @pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs more than double precision to tell")
    def test_moments_are_nearer_the_exact_trajectory_than_the_eager_loop(self, noiseless):
        x, y, eager = noiseless
        history = gl.fit(x, y, solver=gl.GradientDescent(0.01)).history
        x, y, b, exact = x.astype(np.longdouble), y.astype(np.longdouble), np.zeros(2, np.longdouble), []
        for _ in range(1001):
            residual = b[0] + b[1] * x - y
            exact.append(np.mean(residual**2))
            b = b - np.longdouble(0.01) * 2 * np.array([np.mean(residual), np.mean(residual * x)])
        ours, theirs = (np.abs(np.array(path) / np.array(exact) - 1).max() for path in (history.loss, eager.loss))
        assert ours < 1e-7
        assert ours < theirs

    @pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, False), (0.9, True)])
    @pytest.mark.parametrize("name", ["tf_mean", "jax_mean", "torch_rows", None])
    def test_momentum_is_that_of_keras(self, momentum, nesterov, name):
        x, y = line(200)
        loss = "squared" if name is None else user_loss(name)
        history = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(0.01, steps=60, momentum=momentum, nesterov=nesterov)).history
        variables = [tf.Variable(0.0, dtype=tf.float64), tf.Variable(0.0, dtype=tf.float64)]
        optimizer = tf.keras.optimizers.SGD(0.01, momentum=momentum, nesterov=nesterov)
        for _ in range(60):
            with tf.GradientTape() as tape:
                value = tf.reduce_mean(tf.square(y - (x * variables[1] + variables[0])))
            optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
        # Keras keeps its rate and momentum in float32.
        np.testing.assert_allclose(history.coefficients[-1, :, 0], [v.numpy() for v in variables], rtol=1e-6)

    def test_chunks_do_not_show(self, tutorial):
        x, y, _ = tutorial
        whole = gl.fit(x, y, loss=tf_mean, solver=gl.GradientDescent(0.01)).history
        seen = []
        x3, y3 = np.tile(x, 300), np.tile(y, 300)  # large enough to run in many chunks
        gl.fit(x3, y3, loss=tf_mean, solver=gl.GradientDescent(0.01, steps=40, callbacks=[seen.append]))
        np.testing.assert_allclose([record.loss for record in seen], whole.loss[:41], rtol=1e-10)
        assert [record.step for record in seen] == list(range(41))

    @pytest.mark.parametrize("name", ["tf_mean", "jax_rows", "torch_mean", None])
    def test_weights_frequencies_and_offset(self, name):
        x, y = line(60)
        rng = np.random.default_rng(3)
        weights, counts, offset = rng.uniform(size=60), rng.integers(0, 3, size=60), rng.normal(size=60)
        weights[5] = 0.0
        y_bad = y.copy()
        loss = "squared" if name is None else user_loss(name)
        settings = gl.GradientDescent(0.01, steps=50)
        history = gl.fit(x, y_bad, loss=loss, weights=weights, frequencies=counts, offset=offset, solver=settings).history
        b, total = np.zeros(2), weights * counts
        full = np.column_stack([np.ones(60), x])
        for step in range(51):
            residual = full @ b + offset - y
            assert history.loss[step] == pytest.approx(np.sum(total * residual**2) / total.sum(), rel=1e-11)
            np.testing.assert_allclose(history.coefficients[step, :, 0], b, rtol=1e-10, atol=1e-13)
            b = b - 0.01 * 2 * full.T @ (total * residual) / total.sum()

    def test_the_same_mini_batches_for_every_backend(self):
        x, y = line(500)
        settings = gl.GradientDescent(0.05, steps=100, batch_size=32, seed=4, momentum=0.5)
        first = gl.fit(x, y, solver=settings).history
        for name in ("tf_mean", "tf_sum", "jax_rows", "torch_mean"):
            # A sum over a batch of 32 rows walks the mean's path at a 32nd of the rate, and is 500 times the mean over all rows.
            rate, size = (0.05 / 32, 500) if name == "tf_sum" else (0.05, 1)
            other = gl.fit(x, y, loss=user_loss(name), solver=dataclasses.replace(settings, learning_rate=rate)).history
            np.testing.assert_allclose(other.coefficients, first.coefficients, rtol=1e-9)
            np.testing.assert_allclose(other.loss / size, first.loss, rtol=1e-9)

    def test_mini_batches_see_every_row_once_an_epoch(self):
        from gradline.solvers.first_order.batches import mini_batches

        batches = mini_batches(10, 4, seed=0)
        seen = np.concatenate([next(batches) for _ in range(5)])
        np.testing.assert_array_equal(np.sort(seen[:10]), np.arange(10))
        np.testing.assert_array_equal(np.sort(seen[10:]), np.arange(10))

    @pytest.mark.parametrize("loss", ["squared", tf_rows])
    def test_rare_records_are_of_the_whole_data(self, loss):
        x, y = line(5000)
        fit = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(0.01, steps=50, batch_size=4, seed=1, record_every=20))
        np.testing.assert_array_equal(fit.history.step, [0, 20, 40, 50])
        for record in fit.history:
            residual = y - record.coefficients[0, 0] - record.coefficients[1, 0] * x
            assert record.loss == pytest.approx(np.mean(residual**2), rel=1e-10)


class TestRecovery:
    def test_the_tutorial_finds_the_line(self):
        for seed in range(20):
            x, y = line(seed=seed)
            fit = gl.fit(x, y, loss=tf_mean, solver=gl.GradientDescent(0.01, steps=1000))
            full = np.column_stack([np.ones_like(x), x])
            best, (sum_of_squares,), _, _ = np.linalg.lstsq(full, y)
            assert fit.loss <= 1.01 * sum_of_squares / 1000
            errors = np.sqrt(sum_of_squares / 998 * np.diag(np.linalg.inv(full.T @ full)))
            assert np.all(np.abs(fit.coefficients - [-5, 6]) < 4 * errors)
            np.testing.assert_allclose(fit.coefficients, best, atol=1e-5)

    def test_many_outputs_equal_separate_fits(self):
        rng = np.random.default_rng(5)
        x, truth = rng.normal(size=(1000, 3)), rng.normal(size=(3, 2)) * 4
        y = x @ truth + [1.0, -2.0] + 0.1 * rng.normal(size=(1000, 2))
        settings = gl.GradientDescent(0.1, steps=200)

        def row_sums(y, prediction):
            return tf.reduce_sum(tf.square(y - prediction), axis=-1)

        for loss in ("squared", row_sums):
            both = gl.fit(x, y, loss=loss, solver=settings)
            assert both.coefficients.shape == (4, 2)
            np.testing.assert_allclose(both.slopes, truth, atol=0.02)
            np.testing.assert_allclose(both.intercept, [1, -2], atol=0.02)
            for j in range(2):
                alone = gl.fit(x, y[:, j], solver=settings)
                np.testing.assert_allclose(both.coefficients[:, j], alone.coefficients, rtol=1e-9)
                np.testing.assert_allclose(both.history.coefficients[:, :, j], alone.history.coefficients[:, :, 0], rtol=1e-9, atol=1e-12)

    @few_steps
    def test_a_start_is_where_it_starts(self):
        x, y = line()
        fit = gl.fit(x, y, loss=tf_mean, solver=gl.GradientDescent(0.01, steps=5, start=[1.0, 2.0]), start=None)
        np.testing.assert_array_equal(fit.history[0].coefficients[:, 0], [1.0, 2.0])
        other = gl.fit(x, y, loss=tf_mean, solver=gl.GradientDescent(0.01, steps=5), start=[1.0, 2.0])
        np.testing.assert_array_equal(fit.coefficients, other.coefficients)


class TestLearningRate:
    def test_twenty_times_x_is_refused_before_the_first_step(self):
        x, y = line()
        for loss in ("squared", tf_mean, jax_rows):
            seen = []
            with pytest.raises(gl.DivergenceError, match=r"learning_rate=0\.01 is above 0\.0026\d+, the largest stable rate") as error:
                gl.fit(20 * x, y, loss=loss, solver=gl.GradientDescent(0.01, callbacks=[seen.append]))
            assert not seen
            assert 'learning_rate="auto"' in str(error.value)

    @pytest.mark.parametrize("loss", ["squared", tf_mean, jax_rows])
    def test_auto_just_works(self, loss):
        x, y = line()
        fit = gl.fit(20 * x, y, loss=loss, solver=gl.GradientDescent(steps=8000))
        np.testing.assert_allclose(fit.slopes, np.polyfit(20 * x, y, 1)[:1], rtol=1e-6)
        assert fit.certificate.converged

    @few_steps
    @pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)])
    @pytest.mark.parametrize("loss", ["squared", tf_mean])
    def test_the_largest_stable_rate_is_exactly_that(self, momentum, nesterov, loss):
        # Just below it 3,000 steps shrink the loss; just above it, were they allowed, the loss grows.
        x, y = line(noise=0.0)
        full = np.column_stack([np.ones_like(x), x])
        largest = np.linalg.eigvalsh(2 * full.T @ full / len(x))[-1]
        stable = 2 * (1 + momentum) / largest / (1 + 2 * momentum if nesterov else 1)
        settings = {"momentum": momentum, "nesterov": nesterov, "steps": 3000}
        below = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(stable * 0.995, **settings))
        assert below.loss < 1e-3 * below.history.loss[0]
        with pytest.raises(gl.DivergenceError):
            gl.fit(x, y, loss=loss, solver=gl.GradientDescent(stable * 1.005, **settings))
        with pytest.warns(gl.GradlineWarning, match="above"):
            above = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(stable * 1.005, allow_divergence=True, **settings))
        assert above.history.loss[-1] > 100 * above.history.loss[0]

    def test_a_diverging_path_stops_and_says_so(self):
        x, y = line()
        with pytest.warns(gl.GradlineWarning) as caught:
            fit = gl.fit(20 * x, y, loss=tf_mean, solver=gl.GradientDescent(0.01, allow_divergence=True))
        assert len(fit.history) < 20
        assert fit.history.loss[-1] > GROWTH * fit.history.loss[0]
        assert not fit.certificate.converged
        assert "step" in fit.certificate.reason
        assert any("has not converged" in str(w.message) for w in caught)
        assert np.isfinite(fit.coefficients).all()

    def test_divergence_of_another_loss_is_found_on_the_way(self):
        def quartic(y, prediction):
            return (y - prediction) ** 4 + 0.0 * tf.abs(y)

        x, y = line(200)
        with pytest.warns(gl.GradlineWarning, match="has not converged: stopped because the loss was"):
            fit = gl.fit(x, y, loss=quartic, solver=gl.GradientDescent(0.05))
        assert np.isfinite(fit.coefficients).all()
        assert fit.loss == np.nanmin(fit.history.loss)

    @pytest.mark.parametrize("momentum", [0.0, 0.95])
    def test_momentum_and_mini_batches_are_not_divergence(self, momentum):
        x, y = line()
        solver = gl.GradientDescent(0.02, momentum=momentum, batch_size=10, seed=0, steps=2000)
        with pytest.warns(gl.GradlineWarning, match=r"has not converged: 2,000 steps done; .* Use more steps, larger batches"):
            fit = gl.fit(x, y, loss=tf_mean, solver=solver)
        np.testing.assert_allclose(fit.coefficients, [-5, 6], atol=0.7)

    @pytest.mark.parametrize(("n", "steps"), [(100_000, 220), (100_000, 300), (1000, 220), (200, 250)])
    def test_an_optimum_that_rows_tell_from_the_coefficients_is_not_reached(self, n, steps):
        x, y = gl.datasets.line(n, seed=5)
        with pytest.warns(gl.GradlineWarning, match="has not converged"):
            fit = gl.fit(x, y, solver=gl.GradientDescent(0.01, steps=steps))
        exact = gl.fit(x, y)
        assert np.abs((fit.coefficients - exact.coefficients) / exact.standard_errors).max() > 0.1
        assert not fit.certificate.converged

    def test_an_optimum_that_no_row_tells_from_the_coefficients_is_reached(self):
        x, y = gl.datasets.line(100_000, seed=5)
        fit, exact = gl.fit(x, y, solver=gl.GradientDescent(0.01, steps=600)), gl.fit(x, y)
        assert 1e-6 < np.abs((fit.coefficients - exact.coefficients) / exact.standard_errors).max() < 0.1
        assert fit.certificate.converged

    def test_starting_at_the_optimum_is_not_divergence(self):
        x, y = line(noise=0.0)
        for loss in ("squared", tf_mean):
            fit = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(0.5, start=[-5.0, 6.0], batch_size=7, seed=0))
            np.testing.assert_allclose(fit.coefficients, [-5, 6], rtol=1e-12)
            assert fit.certificate.converged

    def test_too_few_steps_are_said(self):
        x, y = line()
        with pytest.warns(gl.GradlineWarning, match="has not converged: 100 steps done; the gradient norm fell from"):
            fit = gl.fit(x, y, loss=tf_mean, solver=gl.GradientDescent(1e-5, steps=100))
        assert not fit.certificate.converged
        assert 'learning_rate="auto"' in fit.certificate.remedy

    def test_a_gradient_that_has_grown_is_said_to_have_risen(self):
        x, _ = gl.datasets.line(seed=1)
        with pytest.warns(gl.GradlineWarning, match="the gradient norm rose from 0.774 to 1"):
            fit = gl.fit(x, 2 * x + 1, loss="absolute", solver=gl.GradientDescent(0.1, steps=1000))
        # At the start the gradient is the mean sign of 2x + 1, along the intercept and along x.
        side = -np.sign(2 * x + 1)
        np.testing.assert_allclose(fit.history.gradient_norm[0], np.hypot(side.mean(), (side * x).mean()), rtol=1e-12)
        assert not fit.certificate.converged

    def test_auto_for_a_loss_that_is_not_squared(self):
        x, y = line(400)
        fit = gl.fit(x, y, loss=asymmetric, solver=gl.GradientDescent(steps=3000))
        assert fit.certificate.converged
        assert fit.certificate.gradient_norm < 1e-3

    @few_steps
    @pytest.mark.parametrize("size", [1, 8])
    def test_auto_with_mini_batches_is_stable(self, size):
        rng = np.random.default_rng(0)
        x = rng.standard_t(3, size=(400, 3)) * [1, 10, 0.1]
        y = x @ [1.0, 2.0, 3.0] + rng.normal(size=400)
        settings = gl.GradientDescent(batch_size=size, seed=0, steps=300)
        fit = gl.fit(x, y, solver=settings)
        assert fit.history.loss[-1] <= fit.history.loss[0]


class TestJointLoss:
    """A scalar that is neither the mean nor the sum of its one-row values."""

    @staticmethod
    def root(y, prediction):
        return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))

    def test_it_stays_with_gradient_descent(self):
        x, y = line()
        fit = gl.fit(x, y, loss=self.root, solver=gl.GradientDescent(0.1, steps=2000))
        np.testing.assert_allclose(fit.coefficients, np.polyfit(x, y, 1)[::-1], atol=1e-3)

    def test_auto_rate_by_power_iteration(self):
        x, y = line()
        fit = gl.fit(x, y, loss=self.root, solver=gl.GradientDescent(steps=500))
        np.testing.assert_allclose(fit.coefficients, np.polyfit(x, y, 1)[::-1], atol=1e-4)
        assert np.all(np.diff(fit.history.loss) <= 1e-9)

    def test_weights_and_batches_are_refused(self):
        x, y = line(50)
        with pytest.raises(ValueError, match="neither the mean nor the sum"):
            gl.fit(x, y, loss=self.root, weights=np.ones(50), solver=gl.GradientDescent(0.1))
        with pytest.raises(ValueError, match="mini-batches need a loss of one row"):
            gl.fit(x, y, loss=self.root, solver=gl.GradientDescent(0.1, batch_size=10))


@few_steps
@pytest.mark.parametrize("far", [1.0, 300.0])
def test_auto_copes_with_curvature_that_changes_on_the_way(far):
    # log cosh is flat far away (its curvature underflows there), absolute loss has no curvature at all.
    x, y = line(300)
    for loss in (asymmetric, lambda y, prediction: tf.abs(y - prediction)):
        fit = gl.fit(x, far * y, loss=loss, solver=gl.GradientDescent(steps=3000))
        better = gl.fit(x, far * y, loss=loss, start=fit.coefficients, solver=gl.GradientDescent(1e-3, steps=500))
        assert fit.loss <= better.history.loss.min() * 1.02


class TestCallbacks:
    def test_a_callback_ends_the_fit_exactly_there(self):
        x, y = line()
        seen = []

        def stop(record):
            seen.append(record.step)
            return record.loss < 10

        for loss in ("squared", tf_mean, jax_rows):
            seen.clear()
            fit = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(0.01, callbacks=[stop]))
            assert fit.history[-1].step == seen[-1] == len(fit.history) - 1
            assert fit.loss < 10 <= fit.history[-2].loss
            np.testing.assert_array_equal(fit.solution.coefficients, fit.history[-1].coefficients)
            assert "callback" in fit.certificate.reason

    def test_an_error_in_a_callback_is_the_users(self):
        x, y = line()

        def broken(record):
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            gl.fit(x, y, solver=gl.GradientDescent(0.01, callbacks=[broken]))


def test_history_reads_as_a_table():
    x, y = line(100)
    history = gl.fit(x, y, loss=tf_mean, solver=gl.GradientDescent(0.1, steps=100)).history
    assert len(history) == len(list(history)) == 101
    assert history[-1].step == 100
    assert "101 records, steps 0 to 100" in repr(history)


class TestASumOverTheRows:
    """A loss that adds up over the rows walks the loop written by hand: n times the mean's gradient, n times its loss."""

    @staticmethod
    def by_hand(x, y, loss, rate, steps, weights=1.0):
        bias, weight = tf.Variable(0.0, dtype=tf.float64), tf.Variable(0.0, dtype=tf.float64)
        losses, path = [], []
        for _ in range(steps + 1):
            with tf.GradientTape() as tape:
                value = loss(tf.constant(y), x * weight + bias, weights)
            losses.append(float(value))
            path.append((float(bias), float(weight)))
            for variable, slope in zip((bias, weight), tape.gradient(value, [bias, weight]), strict=True):
                variable.assign_sub(rate * slope)
        return np.array(losses), np.array(path)

    @few_steps
    @pytest.mark.parametrize("framework", ["tensorflow", "jax", "torch"])
    def test_is_the_loop_written_by_hand(self, framework):
        x, y = line(200)
        functions = {"tensorflow": tf_sum, "jax": lambda y, p: jnp.sum(jnp.square(y - p)), "torch": None}
        if framework == "torch":
            torch = pytest.importorskip("torch")
            functions["torch"] = lambda y, p: torch.sum(torch.square(y - p))
        losses, path = self.by_hand(x, y, lambda y, p, w: tf.reduce_sum(w * tf.square(y - p)), 1e-3, 40)
        fit = gl.fit(x, y, loss=functions[framework], solver=gl.GradientDescent(1e-3, steps=40))
        np.testing.assert_allclose(fit.history.loss, losses, rtol=1e-10)
        np.testing.assert_allclose(fit.history.coefficients[:, :, 0], path, rtol=1e-10)
        assert fit.loss == pytest.approx(losses[-1] / 200, rel=1e-10)

    @few_steps
    def test_with_weights(self):
        x, y = line(100)
        w = np.random.default_rng(5).uniform(0, 3, size=100)
        losses, path = self.by_hand(x, y, lambda y, p, w: tf.reduce_sum(w * tf.square(y - p)), 1e-3, 40, w)
        fit = gl.fit(x, y, loss=tf_sum, weights=w, solver=gl.GradientDescent(1e-3, steps=40))
        np.testing.assert_allclose(fit.history.loss, losses, rtol=1e-10)
        np.testing.assert_allclose(fit.history.coefficients[:, :, 0], path, rtol=1e-10)

    @few_steps
    def test_of_another_loss_and_beside_a_penalty(self):
        # With a penalty, which the loop has not, all of the objective is n times as large.
        x, y = line(100)
        kwargs = {"penalty": gl.penalties.ridge(0.1)}
        for added, mean in ((lambda y, p: tf.reduce_sum(log_cosh(y - p)), lambda y, p: tf.reduce_mean(log_cosh(y - p))), (tf_sum, tf_mean)):
            for options in ({}, kwargs):
                first = gl.fit(x, y, loss=added, solver=gl.GradientDescent(1e-3, steps=30), **options)
                other = gl.fit(x, y, loss=mean, solver=gl.GradientDescent(1e-1, steps=30), **options)
                np.testing.assert_allclose(first.history.coefficients, other.history.coefficients, rtol=1e-9)
                np.testing.assert_allclose(first.history.loss, 100 * other.history.loss, rtol=1e-9)
                assert first.loss == pytest.approx(other.loss, rel=1e-9)
                assert first.certificate.gradient_norm == pytest.approx(other.certificate.gradient_norm, rel=1e-6)

    def test_a_rate_that_explodes_in_the_loop_is_refused_before_the_first_step(self):
        x, y = line()
        losses, _ = self.by_hand(x, y, lambda y, p, w: tf.reduce_sum(tf.square(y - p)), 0.01, 20)
        assert losses[-1] > 1e6 * losses[0]
        with pytest.raises(gl.DivergenceError, match=r"0\.01 is above 0\.000\d+, .* as 'tf_sum' adds its rows up"):
            gl.fit(x, y, loss=tf_sum, solver=gl.GradientDescent(0.01))
        stable = 2 / np.linalg.eigvalsh(2 * np.array([[len(x), x.sum()], [x.sum(), x @ x]]))[-1]
        with pytest.raises(gl.DivergenceError, match=f"{stable:.6g}"):
            gl.fit(x, y, loss=tf_sum, solver=gl.GradientDescent(stable * 1.001))
        assert gl.fit(x, y, loss=tf_sum, solver=gl.GradientDescent(stable * 0.5)).certificate.converged

    @few_steps
    def test_the_rate_that_suits_it_is_found(self):
        x, y = line(300)
        added, mean = (gl.fit(x, y, loss=loss, solver=gl.GradientDescent(steps=20)) for loss in (tf_sum, tf_mean))
        assert added.solution.learning_rate == pytest.approx(mean.solution.learning_rate / 300)
        np.testing.assert_allclose(added.history.coefficients, mean.history.coefficients, rtol=1e-9)


class TestWhatIsLeft:
    """A certificate is measured against what is left to gain, not against how slowly the fit moves."""

    @few_steps
    def test_rows_that_count_several_times_ask_for_a_nearer_optimum_as_so_many_rows_do(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(40, 2))
        y = x @ [6.0, -2.0] + 1.0 + rng.normal(size=40)

        def converged(steps, x, y, frequencies=None):
            return gl.fit(x, y, frequencies=frequencies, solver=gl.GradientDescent(0.05, steps=steps)).certificate.converged

        for steps, once, often in ((20, False, False), (100, True, False), (200, True, True)):
            assert converged(steps, x, y) == once
            assert converged(steps, x, y, np.full(40, 400.0)) == often
            assert converged(steps, np.repeat(x, 400, axis=0), np.repeat(y, 400)) == often

    @pytest.mark.parametrize(
        "loss",
        ["absolute", gl.losses.quantile(0.9), gl.losses.epsilon_insensitive(0.5), gl.losses.huber(1.0), gl.losses.log_cosh, "own"],
        ids=str,
    )
    @pytest.mark.parametrize("size", [10.0, 1e3, 1e6])
    def test_a_fit_that_has_hardly_moved_has_not_converged(self, loss, size):
        data = gl.datasets.line(seed=1)
        loss = (lambda y, p: tf.abs(y - p)) if loss == "own" else loss
        if size == 10.0 and loss in (gl.losses.huber(1.0), gl.losses.log_cosh):
            size = 100.0
        with pytest.warns(gl.GradlineWarning, match="gradient descent has not converged"):
            fit = gl.fit(data.x, size * data.y, loss=loss, solver=gl.GradientDescent(learning_rate=0.01, steps=100))
        assert not fit.certificate.converged
        assert fit.certificate.remedy

    @pytest.mark.parametrize("loss", ["absolute", gl.losses.quantile(0.7), gl.losses.huber(1.0), lambda y, p: tf.abs(y - p)])
    def test_one_that_has_arrived_has(self, loss):
        x, y = line(200)
        fit = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(learning_rate=0.05, steps=1500))
        best = gl.fit(x, y, loss=loss)
        assert fit.loss <= best.loss * 1.001
        assert fit.certificate.converged

    def test_each_says_what_is_true_on_the_way(self):
        # Whatever the steps, a fit that says it has converged is within a thousandth of the lowest loss.
        x, y = line(150)
        best = gl.fit(x, y, loss="absolute").loss
        for steps in (10, 100, 300, 600, 1000, 3000):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit = gl.fit(x, y, loss="absolute", solver=gl.GradientDescent(learning_rate=0.02, steps=steps))
            assert fit.certificate.converged == (fit.loss - best <= max(0.001 * best, 1e-9 * (fit.history.loss[0] - best)))
