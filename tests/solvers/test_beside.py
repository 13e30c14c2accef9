"""Points at which the gradient says nothing: rows on a kink, and flat losses. No minimum is certified there."""

import numpy as np
import pytest
import scipy.optimize

import gradline as gl
from gradline import losses
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.beside import lower_beside, on_falling_kinks, rises_beside

tf = pytest.importorskip("tensorflow")
LINE = gl.datasets.line(seed=1)


def squares(y, prediction):
    return tf.square(y - prediction)


def root_mean_square(y, prediction):
    return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))


def relu_loss(coefficients):
    return np.mean(np.square(LINE.y - np.maximum(coefficients[0] + coefficients[1] * LINE.x, 0.0)))


class TestARectifierAtItsStart:
    """Zero coefficients put every row on the kink of max(eta, 0), where frameworks call the derivative zero."""

    @pytest.mark.parametrize("solver", ["auto", gl.ActiveSetNewton()], ids=str)
    def test_another_start_is_found(self, solver):
        fit = gl.fit(LINE.x, LINE.y, loss=squares, prediction=tf.nn.relu, solver=solver)
        assert fit.certificate.converged
        # No better point is found by a search that knows no derivatives, from many starts.
        starts = [(-4.4, 5.7), (-3.0, 4.0), (-6.0, 8.0), (0.5, 0.5)]
        best = min(scipy.optimize.minimize(relu_loss, start, method="Nelder-Mead", options={"xatol": 1e-9}).fun for start in starts)
        assert fit.loss == pytest.approx(best, rel=1e-6)
        assert fit.loss == pytest.approx(relu_loss(fit.coefficients), rel=1e-12)
        assert fit.loss < 61.2453

    def test_gradient_descent_walks_as_written_and_does_not_call_it_a_minimum(self):
        with pytest.warns(gl.GradlineWarning, match=r"it is zero on a kink or where the loss is flat.*Give another start="):
            fit = gl.fit(LINE.x, LINE.y, loss=squares, prediction=tf.nn.relu, solver=gl.GradientDescent(0.01, steps=20))
        assert not fit.coefficients.any()
        assert not fit.certificate.converged

    @pytest.mark.parametrize("solver", ["auto", gl.LBFGS()], ids=str)
    def test_of_a_scalar_of_all_rows(self, solver):
        fit = gl.fit(LINE.x, LINE.y, loss=root_mean_square, prediction=tf.nn.relu, solver=solver)
        assert fit.certificate.converged
        assert fit.loss < np.sqrt(61.2453)

    def test_without_an_intercept(self):
        # Where every prediction is positive the rectifier is none: least squares through the origin.
        x, y = np.abs(LINE.x), 3 * np.abs(LINE.x) + np.sin(LINE.y)
        fit = gl.fit(x, y, loss=squares, prediction=tf.nn.relu, intercept=False)
        np.testing.assert_allclose(fit.coefficients, [x @ y / (x @ x)], rtol=1e-9)

    def test_where_the_rectifier_is_dead_all_around_the_start_it_is_said(self):
        with pytest.warns(gl.GradlineWarning, match="the loss is flat"):
            fit = gl.fit(LINE.x, LINE.y, loss=squares, prediction=tf.nn.relu, start=[-1e6, 0.0])
        assert not fit.certificate.converged

    def test_targets_below_zero_have_their_minimum_there(self):
        with pytest.warns(gl.GradlineWarning, match="not unique"):
            fit = gl.fit(LINE.x, -1.0 - np.abs(LINE.y), loss=squares, prediction=tf.nn.relu)
        assert fit.certificate.converged
        assert fit.loss == pytest.approx(np.mean(np.square(1.0 + np.abs(LINE.y))), rel=1e-12)


class TestBeside:
    def problem(self, loss, x, y, **options):
        rows = ArrayRows(x, y[:, None], **options)
        return Problem(rows, losses.custom(loss).bind(rows.targets) if callable(loss) else loss)

    def test_a_minimum_has_nothing_lower_beside_it(self):
        x, y = LINE.x[:, None], LINE.y
        problem = self.problem(losses.huber(1.0), x, y)
        best = gl.fit(x, y, loss=losses.huber(1.0)).coefficients
        assert lower_beside(problem, problem.free, best) is None
        assert rises_beside(problem, problem.free, best)
        assert lower_beside(problem, problem.free, best + 0.1) is not None

    @pytest.mark.parametrize(("y", "prediction", "falling"), [(2.0, 0.0, 4), (-2.0, 0.0, 0), (2.0, 1e-3, 0), (2.0, -1e-3, 0)])
    def test_falling_kinks_are_counted(self, y, prediction, falling):
        def rectified(targets, predictions):
            return tf.square(targets - tf.nn.relu(predictions))

        problem = self.problem(rectified, np.zeros((5, 1)), np.full(5, y), weights=np.array([1.0, 2.0, 0.0, 1.0, 1.0]))
        assert on_falling_kinks(problem, np.array([[prediction], [0.0]]), 1e-15) == falling
