"""Adam, epochs, rows held out and callbacks, against Keras, PyTorch and loops written by hand."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest

import gradline as gl

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

few_steps = pytest.mark.filterwarnings("ignore:.*has not converged")
LATE = {"beta_1": 0.875, "beta_2": 1 - 2**-10, "epsilon": 2**-23}
"""Numbers that float32 holds exactly: Keras passes its settings through it, whatever the variables are."""


def mean_square(y, prediction):
    return tf.reduce_mean(tf.square(y - prediction))


def asymmetric(y, prediction):
    error = y - prediction
    return tf.where(error > 0, 3 * tf.square(error), tf.square(error))


@pytest.fixture(scope="module")
def line():
    # Numbers that float32 holds exactly, since Keras passes data through it.
    return tuple(np.round(part * 1024) / 1024 for part in gl.datasets.line(200, seed=1))


def by_keras(x, y, optimizer, steps):
    """The coefficients (steps + 1, 2) of an eager loop with a tape and a Keras optimizer."""
    variables = [tf.Variable(0.0, dtype=tf.float64), tf.Variable(0.0, dtype=tf.float64)]
    path = [[0.0, 0.0]]
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = mean_square(y, x * variables[1] + variables[0])
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
        path.append([v.numpy() for v in variables])
    return np.array(path)


def by_hand(x, y, steps, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, decay=0.0):
    """Adam as Kingma and Ba write it, in NumPy."""
    design, b, m, v = np.column_stack([np.ones_like(x), x]), np.zeros(2), np.zeros(2), np.zeros(2)
    path = [b]
    for t in range(1, steps + 1):
        g = -2 * design.T @ (y - design @ b) / len(y)
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        alpha = rate(t - 1) * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        b = b - rate(t - 1) * decay * b - alpha * m / (np.sqrt(v) + epsilon)
        path.append(b)
    return np.array(path)


def path_of(x, y, solver, loss=mean_square):
    return gl.fit(x, y, loss=loss, solver=solver).history.coefficients[:, :, 0]


@few_steps
class TestRules:
    def test_adam_is_that_of_keras(self, line):
        theirs = by_keras(*line, keras.optimizers.Adam(2**-4, **LATE), 40)
        np.testing.assert_allclose(path_of(*line, gl.Adam(2**-4, steps=40, **LATE)), theirs, rtol=1e-12, atol=1e-15)

    def test_adamw_is_that_of_keras(self, line):
        theirs = by_keras(*line, keras.optimizers.AdamW(2**-4, weight_decay=2**-6, **LATE), 40)
        np.testing.assert_allclose(path_of(*line, gl.AdamW(2**-4, weight_decay=2**-6, steps=40, **LATE)), theirs, rtol=1e-12, atol=1e-15)

    def test_nesterov_is_that_of_keras(self, line):
        theirs = by_keras(*line, keras.optimizers.SGD(2**-6, momentum=0.875, nesterov=True), 80)
        for rate in (2**-6, lambda step: 2**-6):  # many steps at once, and one by one
            ours = path_of(*line, gl.GradientDescent(rate, momentum=0.875, nesterov=True, steps=80))
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)

    def test_the_defaults_are_those_of_keras(self):
        for ours, theirs in ((gl.Adam, keras.optimizers.Adam), (gl.AdamW, keras.optimizers.AdamW)):
            expected = inspect.signature(theirs).parameters
            for name in ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay"):
                if name in ours.__dataclass_fields__:
                    assert getattr(ours(), name) == expected[name].default

    @pytest.mark.parametrize("decay", [0.0, 0.004])
    def test_the_defaults_by_hand(self, line, decay):
        solver = gl.AdamW(weight_decay=decay, steps=80) if decay else gl.Adam(steps=80)
        np.testing.assert_allclose(path_of(*line, solver), by_hand(*line, 80, lambda t: 0.001, decay=decay), rtol=1e-12, atol=1e-15)

    @pytest.mark.parametrize("decay", [0.0, 0.01])
    def test_pytorch_with_its_epsilon_moved(self, line, decay):
        torch = pytest.importorskip("torch")
        x, y = (torch.as_tensor(part) for part in line)
        b = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        make = torch.optim.AdamW if decay else torch.optim.Adam
        optimizer, path = make([b], lr=0.05, weight_decay=decay), [[0.0, 0.0]]
        for t in range(1, 41):
            # PyTorch adds epsilon to the corrected root, Keras to the raw one.
            optimizer.param_groups[0]["eps"] = 1e-7 / np.sqrt(1 - 0.999**t)
            optimizer.zero_grad()
            torch.mean((y - (b[0] + b[1] * x)) ** 2).backward()
            optimizer.step()
            path.append(b.detach().numpy().copy())
        ours = gl.AdamW(0.05, weight_decay=decay, steps=40) if decay else gl.Adam(0.05, steps=40)
        np.testing.assert_allclose(path_of(*line, ours), path, rtol=1e-12, atol=1e-15)

    def test_every_way_of_holding_the_objective_walks_alike(self, line):
        jnp, torch = pytest.importorskip("jax.numpy"), pytest.importorskip("torch")
        expected = by_hand(*line, 60, lambda t: 0.05)
        for loss in (
            "squared",
            lambda y, prediction: tf.square(y - prediction),
            lambda y, prediction: jnp.mean(jnp.square(y - prediction)),
            lambda y, prediction: torch.mean(torch.square(y - prediction)),
        ):
            np.testing.assert_allclose(path_of(*line, gl.Adam(0.05, steps=60), loss), expected, rtol=1e-9, atol=1e-12)
        # A ridge goes into the gradient; Adam's steps have no unit, so a sum over the rows walks the same path but for epsilon.
        with_ridge = gl.fit(*line, penalty=gl.penalties.ridge(1e-9), solver=gl.Adam(0.05, steps=60)).history.coefficients[:, :, 0]
        np.testing.assert_allclose(with_ridge, expected, rtol=1e-6, atol=1e-9)
        added_up = path_of(*line, gl.Adam(0.05, steps=60), lambda y, prediction: tf.reduce_sum(tf.square(y - prediction)))
        np.testing.assert_allclose(added_up, expected, rtol=1e-5)

    def test_the_intercept_may_be_spared(self):
        x, y = np.zeros(10), np.full(10, 5.0)
        both = gl.AdamW(0.1, steps=2000, weight_decay=0.3)
        spared = dataclasses.replace(both, decay_intercept=False)
        assert gl.fit(x, y, solver=spared).intercept == pytest.approx(5.0, abs=1e-3)
        assert gl.fit(x, y, solver=both).intercept < 4.8

    def test_names(self, line):
        for name, solver in (
            ("adam", gl.Adam()),
            ("AdamW", gl.AdamW()),
            ("nesterov", gl.GradientDescent(momentum=0.9, nesterov=True)),
            ("gradient_descent", gl.GradientDescent()),
            ("sgd", gl.GradientDescent()),
        ):
            named, made = gl.fit(*line, solver=name), gl.fit(*line, solver=solver)
            np.testing.assert_array_equal(named.history.coefficients, made.history.coefficients)

    def test_several_outputs(self):
        X, Y = gl.datasets.plane(3, 2, 300, seed=0)
        fit = gl.fit(X, Y, solver=gl.Adam(gl.schedules.cosine(0.3, steps=2000), steps=2000))
        np.testing.assert_allclose(fit.coefficients, gl.fit(X, Y).coefficients, atol=1e-6)
        assert fit.certificate.converged


@few_steps
class TestSchedules:
    def test_a_schedule_goes_with_every_rule(self, line):
        rate = gl.schedules.cosine(0.1, steps=60, end=0.01)
        np.testing.assert_allclose(path_of(*line, gl.Adam(rate, steps=60)), by_hand(*line, 60, rate), rtol=1e-11, atol=1e-14)
        history = gl.fit(*line, solver=gl.GradientDescent(rate, steps=60)).history
        np.testing.assert_allclose(history.learning_rate[1:], [rate(t) for t in range(60)])
        assert history.learning_rate[0] == rate(0)
        b, (x, y) = np.zeros(2), line
        design = np.column_stack([np.ones_like(x), x])
        for t in range(60):
            b = b + rate(t) * 2 * design.T @ (y - design @ b) / len(y)
        np.testing.assert_allclose(history.coefficients[-1, :, 0], b, rtol=1e-12)

    def test_one_rate_walks_the_compiled_path(self, line):
        for loss in ("squared", mean_square, asymmetric):
            for extra in ({}, {"momentum": 0.5}, {"batch_size": 32, "seed": 3, "record_every": 1}):
                plain = path_of(*line, gl.GradientDescent(0.05, steps=40, **extra), loss)
                stepped = path_of(*line, gl.GradientDescent(gl.schedules.constant(0.05), steps=40, **extra), loss)
                np.testing.assert_allclose(stepped, plain, rtol=1e-10, atol=1e-13)

    def test_auto_is_halved_here_too(self, line):
        x, y = line
        watched = gl.GradientDescent(steps=1000, callbacks=[Hooks()])
        fit = gl.fit(x, 300 * y, loss=lambda y, p: tf.math.softplus(y - p) + tf.math.softplus(p - y), solver=watched)
        plain = gl.fit(
            x, 300 * y, loss=lambda y, p: tf.math.softplus(y - p) + tf.math.softplus(p - y), solver=gl.GradientDescent(steps=1000)
        )
        assert np.all(np.diff(fit.history.loss) <= 1e-9 * fit.history.loss[:-1])
        assert fit.loss <= 1.001 * plain.loss

    def test_a_rate_that_is_none(self, line):
        with pytest.raises(gl.SolverError, match="the learning rate of step 3 is -1; a schedule gives a finite number of at least 0"):
            gl.fit(*line, solver=gl.Adam(lambda step: 0.1 if step < 3 else -1))
        with pytest.raises(gl.SolverError, match="the learning rate of step 0 is None"):
            gl.fit(*line, solver=gl.GradientDescent(lambda step: None))

    def test_a_schedule_that_diverges_is_stopped(self, line):
        with pytest.warns(gl.GradlineWarning, match="gradient descent has not converged: stopped because the loss was"):
            fit = gl.fit(*line, solver=gl.GradientDescent(lambda step: 0.01 if step < 50 else 5.0))
        assert not fit.certificate.converged
        assert fit.loss == fit.history.loss.min()
        assert fit.history.step[-1] < 80


@pytest.fixture
def doubles():
    """Keras in float64: it works losses out in its default precision, whatever a layer's is."""
    usual = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(usual)


def keras_model(optimizer):
    layer = keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer="zeros", dtype="float64")
    model = keras.Sequential([keras.Input((1,), dtype="float64"), layer])
    model.compile(optimizer, loss=lambda y, p: tf.reduce_mean(tf.square(y - p), axis=-1))
    return model, lambda: [float(layer.bias.numpy()[0]), float(layer.kernel.numpy()[0, 0])]


class Hooks:
    """Notes what it is called with."""

    def __init__(self):
        self.calls = []

    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        self.params = params

    def on_train_begin(self, logs):
        self.calls.append("begin")

    def on_epoch_begin(self, epoch, logs):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs):
        self.calls.append(batch)
        self.batch_loss = logs["loss"]

    def on_epoch_end(self, epoch, logs):
        self.calls.append(f"end {epoch}")
        self.logs = logs

    def on_train_end(self, logs):
        self.calls.append("done")


@few_steps
class TestEpochs:
    @pytest.mark.parametrize("name", ["SGD", "Adam"])
    def test_they_are_those_of_keras(self, line, name, doubles):
        x, y = line
        options = LATE if name == "Adam" else {}
        model, coefficients = keras_model(getattr(keras.optimizers, name)(2**-5, **options))
        seen = [coefficients()]
        watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(coefficients()))
        # 160 rows in batches of 48: the last of an epoch has 16.
        held = model.fit(x[:160, None], y[:160, None], epochs=4, batch_size=48, shuffle=False, verbose=0, callbacks=[watch],
                         validation_data=(x[160:, None], y[160:, None])).history["val_loss"]  # fmt: skip
        solver = gl.GradientDescent if name == "SGD" else gl.Adam
        training = solver(2**-5, epochs=4, batch_size=48, shuffle=False, validation=np.arange(160, 200), **options)
        history = gl.fit(x, y, loss=mean_square, solver=training).history
        np.testing.assert_allclose(history.coefficients[:, :, 0], seen, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(history.step, [0, 4, 8, 12, 16])
        np.testing.assert_array_equal(history.epoch, [0, 1, 2, 3, 4])
        np.testing.assert_allclose(history.validation_loss[1:], held, rtol=1e-5)  # Keras adds them up in float32

    def test_a_sum_over_the_rows_is_walked_down_batch_by_batch(self, line):
        x, y = line
        b, design = np.zeros(2), np.column_stack([np.ones(200), x])
        for _ in range(3):
            for rows in (slice(0, 96), slice(96, 192), slice(192, 200)):
                b = b + 1e-3 * 2 * design[rows].T @ (y[rows] - design[rows] @ b)
        solver = gl.GradientDescent(1e-3, epochs=3, batch_size=96, shuffle=False)
        fit = gl.fit(x, y, loss=lambda y, p: tf.reduce_sum(tf.square(y - p)), solver=solver)
        np.testing.assert_allclose(fit.coefficients, b, rtol=1e-12)

    def test_each_epoch_is_shuffled_and_repeats_with_its_seed(self, line):
        first = gl.fit(*line, solver=gl.Adam(0.1, epochs=3, batch_size=32, seed=5))
        np.testing.assert_array_equal(first.coefficients, gl.fit(*line, solver=gl.Adam(0.1, epochs=3, batch_size=32, seed=5)).coefficients)
        assert not np.array_equal(first.coefficients, gl.fit(*line, solver=gl.Adam(0.1, epochs=3, batch_size=32, seed=6)).coefficients)
        assert first.history.step.tolist() == [0, 7, 14, 21]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"epochs": 5}, r"epochs=5 needs batch_size=: an epoch is one pass over the rows.*such as batch_size=32.*write steps=5"),
            ({"epochs": 5, "batch_size": 8, "steps": 10}, "give steps=10 or epochs=5, not both"),
            ({"epochs": 0, "batch_size": 8}, "epochs must be a whole number of at least 1, not 0"),
            ({"patience": 3}, "patience=3 needs rows that are held out to be judged on; give validation=0.2 too"),
            ({"validation": 0.2, "min_delta": 0.1}, "min_delta=0.1 is how far the loss must fall within patience="),
            ({"validation": 0.2, "patience": 2, "min_delta": -1}, "min_delta must be a number of at least 0, not -1"),
            ({"validation": 0.2, "patience": 0}, "patience must be a whole number of at least 1, not 0"),
            ({"validation": 1.5}, "validation must be a share of the rows above 0 and below 1, such as 0.2, not 1.5"),
            ({"validation": True}, "validation must be a share of the rows above 0 and below 1, such as 0.2, not True"),
            ({"callbacks": [3]}, "callbacks must be a list of functions of a Record, or of objects with one of on_train_begin"),
            ({"callbacks": [Hooks]}, r"the callback Hooks is a class; make one, as in callbacks=\[Hooks\(\)\]"),
            ({"callbacks": [gl.plot.live]}, r"the callback live takes no Record: .* as in callbacks=\[live\(\)\], with brackets"),
            ({"learning_rate": "fast"}, "learning_rate must be"),
        ],
    )
    @pytest.mark.parametrize("solver", [gl.Adam, gl.GradientDescent])
    def test_bad_options(self, solver, options, message):
        with pytest.raises(gl.GradlineError, match=message):
            solver(**options)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: gl.Adam("auto"), "Adam's steps do not grow with the gradient"),
            (lambda: gl.Adam(-1), "learning_rate must be a positive number, not -1; a schedule is"),
            (lambda: gl.Adam(beta_1=1.0), "beta_1 must be at least 0 and below 1, not 1.0"),
            (lambda: gl.Adam(epsilon=-1), "epsilon must be a number of at least 0, not -1"),
            (lambda: gl.AdamW(weight_decay=-1), "weight_decay must be a number of at least 0, not -1"),
            (lambda: gl.Adam(beta1=0.9), "Adam\\(\\) has no option 'beta1'; write beta_1=0.9"),
            (lambda: gl.Adam(validation_split=0.2), "write validation=0.2"),
            (lambda: gl.GradientDescent(nesterov=True, momentum=0.0), "nesterov=True needs momentum above 0"),
        ],
    )
    def test_bad_options_of_one(self, make, message):
        with pytest.raises(gl.GradlineError, match=message):
            make()

    def test_a_batch_larger_than_what_is_left(self, line):
        with pytest.raises(gl.SolverError, match="batch_size=190 is more than the 160 rows left to train on"):
            gl.fit(*line, solver=gl.Adam(epochs=2, batch_size=190, validation=0.2))


@few_steps
class TestRowsHeldOut:
    def test_no_step_sees_them(self, line):
        x, y = line
        spoiled = y.copy()
        spoiled[150:] = 1e6
        held = gl.fit(x, spoiled, solver=gl.GradientDescent(0.1, validation=np.arange(150, 200), steps=300))
        alone = gl.fit(x[:150], y[:150], solver=gl.GradientDescent(0.1, steps=300))
        np.testing.assert_allclose(held.history.coefficients, alone.history.coefficients, rtol=1e-10)
        np.testing.assert_allclose(held.history.loss, alone.history.loss, rtol=1e-10)
        b = held.history.coefficients[:, :, 0]
        residuals = spoiled[150:, None] - b[:, 0] - x[150:, None] * b[:, 1]
        np.testing.assert_allclose(held.history.validation_loss, np.mean(residuals**2, axis=0), rtol=1e-12)
        mask = np.arange(200) >= 150
        other = gl.fit(x, spoiled, solver=gl.GradientDescent(0.1, validation=mask, steps=300))
        np.testing.assert_array_equal(other.history.coefficients, held.history.coefficients)

    def test_the_fit_is_one_of_all_rows(self, line):
        x, y = line
        fit = gl.fit(x, y, penalty=gl.penalties.ridge(0.1), solver=gl.Adam(0.1, validation=0.25, seed=1, steps=50))
        b = fit.coefficients
        assert fit.loss == pytest.approx(np.mean((y - b[0] - b[1] * x) ** 2) + 0.05 * b[1] ** 2, rel=1e-12)
        assert fit.rows_used == 200
        assert fit.certificate.reason.endswith("; 50 of 200 rows were held out")
        with pytest.raises(gl.InferenceError, match="rows were held out"):
            fit.standard_errors
        near = gl.fit(x, y, solver=gl.GradientDescent(0.1, validation=0.25, seed=1))
        assert not near.certificate.converged
        assert "the minimum over the rows trained on" in near.certificate.remedy
        with pytest.raises(gl.InferenceError, match=r"rows were held out .*, so the coefficients are no minimum over all rows"):
            near.standard_errors
        # Without the penalty, which is no part of how well rows are predicted.
        step = fit.history[10]
        rows = np.sort(np.random.default_rng(1).permutation(200)[:50])
        expected = np.mean((y - step.coefficients[0, 0] - step.coefficients[1, 0] * x)[rows] ** 2)
        assert step.validation_loss == pytest.approx(expected, rel=1e-12)

    def test_weights_offsets_and_a_loss_of_ones_own(self, line):
        x, y = line
        rng = np.random.default_rng(0)
        weights, offset = rng.uniform(size=200), rng.normal(size=200)
        solver = gl.GradientDescent(0.05, validation=np.arange(50), steps=60)
        fit = gl.fit(x, y, loss=asymmetric, weights=weights, offset=offset, solver=solver)
        alone = gl.fit(x[50:], y[50:], loss=asymmetric, weights=weights[50:], offset=offset[50:], solver=gl.GradientDescent(0.05, steps=60))
        np.testing.assert_allclose(fit.coefficients, alone.coefficients, rtol=1e-10)
        error = (y - offset)[:50] - fit.coefficients[0] - fit.coefficients[1] * x[:50]
        expected = np.average(np.where(error > 0, 3 * error**2, error**2), weights=weights[:50])
        assert fit.history.validation_loss[-1] == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize(
        ("n", "validation", "message"),
        [
            (2, 0.9, r"validation=0\.9 of 2 rows leaves none to train on; give a smaller share, or more rows"),
            (3, [], "of 3 rows holds none out"),
            (3, [0, 1, 2], "of 3 rows leaves none to train on"),
            (3, [5], "validation names row 5, but the rows are 0 to 2"),
            (3, [True, False], "validation holds 2 truth values; give one for each of the 3 rows"),
            (3, [0.5], "validation must be a share such as 0.2, the numbers of the rows"),
        ],
    )
    def test_a_part_that_leaves_nothing(self, n, validation, message):
        with pytest.raises(gl.SolverError, match=message):
            gl.fit(np.arange(float(n)), np.arange(float(n)), solver=gl.Adam(validation=validation))

    def test_a_part_without_weight(self):
        x = np.arange(6.0)
        with pytest.raises(gl.SolverError, match="the rows that are held out have weight zero"):
            gl.fit(x, x, weights=[1, 1, 1, 1, 0, 0], solver=gl.Adam(validation=[4, 5]))

    def test_rows_that_are_read_anew_are_refused(self, tmp_path):
        pytest.importorskip("duckdb")
        from gradline.objective.objective import Problem
        from gradline.rows.arrays import ArrayRows

        class Far(ArrayRows):
            resident = False
            source_name = "far.csv"

        problem = Problem(Far(np.ones((5, 1)), np.ones((5, 1))), gl.losses.squared)
        assert "far.csv is too large to be held in memory" in gl.Adam(validation=0.2).refuses(problem)
        assert "mini-batches draw rows at random" in gl.Adam(batch_size=2).refuses(problem)
        assert gl.Adam().refuses(problem) is None


def hard(seed=0):
    """Few rows of many columns: what is learned of the rows soon makes others worse."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 30))
    return np.round(X * 1024) / 1024, np.round((X[:, 0] + rng.normal(size=60)) * 1024) / 1024


class TestEarlyStopping:
    def test_it_is_that_of_keras(self, doubles):
        X, y = hard()
        layer = keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer="zeros", dtype="float64")
        model = keras.Sequential([keras.Input((30,), dtype="float64"), layer])
        model.compile(keras.optimizers.Adam(2**-6, **LATE), loss=lambda y, p: tf.reduce_mean(tf.square(y - p), axis=-1))
        stop = keras.callbacks.EarlyStopping("val_loss", patience=3, min_delta=1e-4, restore_best_weights=True)
        ran = model.fit(X[:40], y[:40, None], epochs=200, batch_size=16, shuffle=False, verbose=0, callbacks=[stop],
                        validation_data=(X[40:], y[40:, None]))  # fmt: skip
        solver = gl.Adam(2**-6, epochs=200, batch_size=16, shuffle=False, validation=np.arange(40, 60), patience=3, min_delta=1e-4, **LATE)
        fit = gl.fit(X, y, loss=mean_square, solver=solver)
        assert len(fit.history) - 1 == len(ran.epoch) < 200
        np.testing.assert_allclose(fit.intercept, layer.bias.numpy()[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(fit.slopes, layer.kernel.numpy()[:, 0], rtol=1e-9, atol=1e-12)
        assert fit.certificate.reason == (
            "the loss of the rows held out had not fallen for 3 epochs;"
            f" the coefficients are those of epoch {len(ran.epoch) - 3}, where it was lowest; 20 of 60 rows were held out"
        )

    def test_it_is_called_no_minimum_and_warns_of_nothing(self):
        X, y = hard()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit = gl.fit(X, y, solver=gl.GradientDescent(validation=0.3, patience=5, seed=0))
        history = fit.history
        best = int(np.argmin(history.validation_loss))
        assert best == len(history) - 6
        np.testing.assert_array_equal(fit.solution.coefficients, history.coefficients[best])
        assert fit.certificate.reason.startswith("the loss of the rows held out had not fallen for 5 steps; the coefficients are")
        assert not fit.certificate.converged
        assert fit.loss > 1.01 * gl.fit(X, y).loss

    def test_without_patience_the_loss_is_only_watched(self):
        X, y = hard()
        fit = gl.fit(X, y, solver=gl.GradientDescent(validation=0.3, seed=0, steps=1500))
        assert fit.history.step[-1] == 1500
        np.testing.assert_array_equal(fit.solution.coefficients, fit.history.coefficients[-1])
        assert fit.history.validation_loss[-1] > fit.history.validation_loss.min()
        # It is the minimum over the rows trained on, which is not that over all: said, and no reason to warn.
        assert not fit.certificate.converged
        assert fit.certificate.remedy == "It is the minimum over the rows trained on; for that over all rows, fit without validation=."

    def test_the_best_is_kept_where_the_steps_end_first(self):
        X, y = hard()
        fit = gl.fit(X, y, solver=gl.GradientDescent(validation=0.3, seed=0, steps=60, patience=59))
        best = int(np.argmin(fit.history.validation_loss))
        assert 0 < best < 60
        np.testing.assert_array_equal(fit.solution.coefficients, fit.history.coefficients[best])
        assert f"the coefficients are those of step {best}, where it was lowest" in fit.certificate.reason


@few_steps
class TestCallbacks:
    def test_they_are_called_as_keras_calls_them(self, line):
        x, y = line
        theirs, ours = Hooks(), Hooks()

        class Theirs(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                theirs.on_train_begin(logs)

            def on_epoch_begin(self, epoch, logs=None):
                theirs.on_epoch_begin(epoch, logs)

            def on_train_batch_end(self, batch, logs=None):
                theirs.on_train_batch_end(batch, logs)

            def on_epoch_end(self, epoch, logs=None):
                theirs.on_epoch_end(epoch, logs)

            def on_train_end(self, logs=None):
                theirs.on_train_end(logs)

        model, _ = keras_model(keras.optimizers.SGD(0.01))
        model.fit(x[:, None], y[:, None], epochs=3, batch_size=64, verbose=0, callbacks=[Theirs()])
        fit = gl.fit(x, y, loss=mean_square, solver=gl.GradientDescent(0.01, epochs=3, batch_size=64, callbacks=[ours], validation=[0]))
        assert ours.calls == theirs.calls
        assert ours.params == {"epochs": 3, "steps": 4, "verbose": 0}
        last = fit.history[-1]
        assert ours.logs == {
            "loss": last.loss,
            "gradient_norm": last.gradient_norm,
            "learning_rate": 0.01,
            "val_loss": last.validation_loss,
        }
        np.testing.assert_array_equal(ours.model.coefficients, fit.solution.coefficients)

    def test_without_batches_a_step_is_an_epoch(self, line):
        watch = Hooks()
        gl.fit(*line, solver=gl.GradientDescent(0.01, steps=2, callbacks=[watch]))
        assert watch.calls == ["begin", "epoch 0", 0, "end 0", "epoch 1", 0, "end 1", "done"]

    def test_steps_of_mini_batches_have_epochs_too(self, line):
        watch = Hooks()
        gl.fit(*line, solver=gl.Adam(0.01, steps=5, batch_size=100, callbacks=[watch]))
        assert watch.calls == ["begin", "epoch 0", 0, 1, "end 0", "epoch 1", 0, 1, "end 1", "epoch 2", 0, "end 2", "done"]

    @pytest.mark.parametrize("how", ["return", "set", "batch"])
    def test_one_ends_the_fit(self, line, how):
        class Stop(Hooks):
            def on_epoch_end(self, epoch, logs):
                if how == "return":
                    return epoch == 4
                self.model.stop_training = how == "set" and epoch == 4
                return None

            def on_train_batch_end(self, batch, logs):
                return how == "batch" and self.model.step == 5

        fit = gl.fit(*line, solver=gl.GradientDescent(0.01, callbacks=[Stop()]))
        assert fit.history.step[-1] == 5
        assert fit.certificate.reason == "a callback ended the fit at step 5"
        assert not fit.certificate.converged

    def test_a_callback_is_no_proof_of_a_minimum(self, line):
        for stop, proven in ((20, False), (900, True)):
            fit = gl.fit(*line, solver=gl.GradientDescent(0.01, callbacks=[lambda record, stop=stop: record.step == stop]))
            assert fit.history.step[-1] == stop
            assert fit.certificate.converged == proven

    def test_functions_see_records_of_this_engine_too(self, line):
        seen = []
        fit = gl.fit(*line, solver=gl.Adam(0.05, epochs=3, batch_size=50, validation=0.2, callbacks=[seen.append]))
        assert [record.step for record in seen] == fit.history.step.tolist()
        assert [record.validation_loss for record in seen] == fit.history.validation_loss.tolist()

    def test_callbacks_of_keras_work(self):
        rates = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 if epoch < 3 else 0.05)
        stop = keras.callbacks.EarlyStopping("val_loss", patience=6, restore_best_weights=True)
        noted = []
        watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: noted.append(logs["learning_rate"]))
        solver = gl.Adam(0.5, epochs=60, batch_size=16, validation=0.3, seed=0, callbacks=[rates, stop, watch])
        fit = gl.fit(*hard(), solver=solver)
        np.testing.assert_allclose(noted[:5], [0.1, 0.1, 0.1, 0.05, 0.05])
        best = int(np.argmin(fit.history.validation_loss[1:])) + 1
        np.testing.assert_array_equal(fit.solution.coefficients, fit.history.coefficients[best])
        assert len(fit.history) == best + 7

    def test_coefficients_of_the_wrong_shape_are_refused(self, line):
        class Wrong(Hooks):
            def on_epoch_end(self, epoch, logs):
                self.model.coefficients = [1.0, 2.0, 3.0]

        with pytest.raises(gl.SolverError, match=r"a callback set coefficients of shape \(3, 1\); they must be"):
            gl.fit(*line, solver=gl.Adam(callbacks=[Wrong()]))

    def test_an_error_in_one_is_the_users(self, line):
        class Broken:
            def on_epoch_end(self, epoch, logs):
                raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            gl.fit(*line, solver=gl.Adam(callbacks=[Broken()]))


class TestCertificate:
    def test_a_constant_rate_of_adam_is_called_a_minimum_only_where_it_is_near(self):
        x, y = gl.datasets.line(seed=1)
        best = gl.fit(x, y).loss
        for rate, steps in ((0.001, 1000), (0.05, 100), (0.1, 1000), (0.5, 300)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                fit = gl.fit(x, y, solver=gl.Adam(rate, steps=steps))
            assert fit.certificate.converged == (fit.loss <= 1.01 * best)
            assert any("Adam has not converged" in str(each.message) for each in caught) == (not fit.certificate.converged)

    def test_other_losses_and_files(self, tmp_path):
        rng = np.random.default_rng(2)
        x = rng.normal(size=400)
        y = (rng.uniform(size=400) < 1 / (1 + np.exp(-x))).astype(float)
        rate = gl.schedules.warm_up(gl.schedules.cosine(0.1, steps=900), steps=100)
        fit = gl.fit(x, y, loss="logistic", solver=gl.Adam(rate))
        np.testing.assert_allclose(fit.coefficients, gl.fit(x, y, loss="logistic").coefficients, atol=1e-5)
        assert fit.certificate.converged
        assert fit.solver == "Adam"
        assert fit.learning_rate is None
        fit.save(tmp_path / "model.json")
        assert gl.load(tmp_path / "model.json").solver == "Adam"
        assert gl.fit(x, y, loss="logistic", solver=gl.Adam(0.1, steps=900)).learning_rate == 0.1
