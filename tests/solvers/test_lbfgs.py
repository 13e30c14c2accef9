"""L-BFGS against Newton, on losses that have no rows, and what it says when it cannot go on."""

import numpy as np
import pytest

import gradline as gl
from gradline.objective.objective import Problem
from gradline.solvers import registry
from gradline.tables.encoders import PlainEncoder
from gradline.tables.rows import TableRows
from gradline.tables.table import open_table

tf = pytest.importorskip("tensorflow")
jnp = pytest.importorskip("jax.numpy")


def data(kind, n=300, p=4, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    eta = 0.4 + X @ np.linspace(-0.6, 0.6, p)
    y = {
        "poisson": lambda: random.poisson(np.exp(eta)),
        "logistic": lambda: random.random(n) < 1 / (1 + np.exp(-eta)),
        "gamma": lambda: np.exp(eta) * random.gamma(2.0, size=n),
        "normal": lambda: eta + np.exp(0.3 * X[:, 0]) * random.normal(size=n),
        "multinomial": lambda: random.integers(0, 3, size=n),
    }.get(kind, lambda: eta + random.standard_t(3, size=n))()
    return X, y.astype(float)


@pytest.mark.parametrize("kind", ["poisson", "logistic", "gamma", "normal", "multinomial", "huber", "student_t", "log_cosh"])
@pytest.mark.parametrize("options", ["plain", "weighted", "ridge", "no intercept"])
def test_it_ends_where_newton_does(kind, options):
    X, y = data(kind)
    loss = {"huber": gl.losses.huber(1.35), "student_t": gl.losses.student_t(4)}.get(kind, kind)
    more = {
        "plain": {},
        "weighted": {"weights": np.random.default_rng(1).gamma(1.0, size=300), "offset": np.linspace(-0.2, 0.2, 300)},
        "ridge": {"penalty": gl.penalties.ridge(0.2), "frequencies": np.arange(300) % 3},
        "no intercept": {"intercept": False},
    }[options]
    newton, fit = (gl.fit(X, y, loss=loss, solver=solver, **more) for solver in (gl.Newton(), gl.LBFGS()))
    assert fit.certificate.converged
    assert fit.solver == "L-BFGS"
    np.testing.assert_allclose(fit.coefficients, newton.coefficients, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fit.loss, newton.loss, rtol=1e-12)


def test_the_units_of_columns_do_not_matter():
    X, y = data("poisson")
    units = np.array([1e-6, 1e-2, 1e3, 1e6])
    first, second = (gl.fit(Z, y, loss="poisson", solver=gl.LBFGS()) for Z in (X, X * units))
    assert second.certificate.converged
    np.testing.assert_allclose(second.slopes * units, first.slopes, rtol=1e-6)


def test_the_joint_huber_loss_keeps_one_scale():
    X, y = data("huber")
    loss = gl.losses.huber(1.35, scale="joint")
    newton, fit = (gl.fit(X, y, loss=loss, solver=solver) for solver in (gl.Newton(), gl.LBFGS()))
    np.testing.assert_allclose(fit.coefficients, newton.coefficients, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(fit.coefficients[1:, 1], 0.0)


def root_mean_square(y, prediction):
    return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))


def log_of_the_sum(y, prediction):
    return jnp.log(jnp.sum(jnp.square(y - prediction)))


class TestJoint:
    """A scalar of all rows together: where its optimum is that of least squares, it must be found."""

    @pytest.mark.parametrize("loss", [root_mean_square, log_of_the_sum])
    def test_auto_takes_it(self, loss):
        X, y = data("line")
        fit = gl.fit(X, y, loss=loss)
        assert fit.solver == "L-BFGS"
        assert fit.certificate.converged
        np.testing.assert_allclose(fit.coefficients, gl.fit(X, y).coefficients, rtol=1e-7)

    def test_with_a_ridge(self):
        X, y = data("line")
        strength = 0.3
        fit = gl.fit(X, y, loss=root_mean_square, penalty=gl.penalties.ridge(strength))
        root = np.sqrt(np.mean((y - fit.predict(X)) ** 2))
        # d/db: X'r / (n root) = s b, which is ridge regression of strength 2 root s.
        squares = gl.fit(X, y, penalty=gl.penalties.ridge(2.0 * root * strength))
        np.testing.assert_allclose(fit.coefficients, squares.coefficients, rtol=1e-7)

    @pytest.mark.parametrize("keyword", ["weights", "frequencies"])
    def test_weights_are_refused(self, keyword):
        X, y = data("line")
        with pytest.raises(
            ValueError, match="weights and frequencies need a loss of one row; the loss 'root_mean_square' returns one scalar"
        ):
            gl.fit(X, y, loss=root_mean_square, **{keyword: np.ones(300)})

    def test_rows_that_are_not_in_memory_are_refused(self):
        X, y = data("line")
        rows = TableRows(open_table({f"x{j}": X[:, j] for j in range(X.shape[1])} | {"y": y}), PlainEncoder(("x0",), True), "y")
        loss = gl.losses.custom(root_mean_square).bind(y[:, None])
        with pytest.raises(ValueError, match="only first-order solvers on data in memory apply"):
            registry.solve(gl.LBFGS(), Problem(rows, loss))

    def test_a_start_that_is_not_finite_is_said(self):
        X, y = data("line")

        def explosive(y, prediction):
            return tf.sqrt(tf.reduce_mean(tf.exp(prediction - y)))

        with pytest.raises(ValueError, match="'explosive' is not finite at the starting coefficients; give another start="):
            gl.fit(X, y, loss=explosive, start=np.array([1e4, 0.0, 0.0, 0.0, 0.0]))


class TestSaid:
    def test_not_converged(self):
        X, y = data("poisson")
        with pytest.warns(gl.GradlineWarning, match=r"L-BFGS has not converged: 2 steps; .*Allow more steps \(gl.LBFGS\(max_steps"):
            fit = gl.fit(X, y, loss="poisson", solver=gl.LBFGS(max_steps=2))
        assert not fit.certificate.converged
        assert "max_steps" in fit.certificate.remedy

    def test_a_kinked_loss_is_sent_to_who_can(self):
        X, y = data("line")
        with pytest.raises(ValueError, match=r"LBFGS needs a smooth loss, and 'absolute' has kinks; use gl.PiecewiseLinear"):
            gl.fit(X, y, loss="absolute", solver=gl.LBFGS())

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"tolerance": 1.0}, "tolerance must be between 0 and 1, not 1.0"),
            ({"max_steps": 0}, "max_steps must be a whole number of at least 1, not 0"),
            ({"memory": 2.5}, "memory must be a whole number of at least 1, not 2.5"),
        ],
    )
    def test_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            gl.LBFGS(**settings)
