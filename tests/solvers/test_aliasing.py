"""Columns that earlier columns determine, and columns that nearly do, under the solvers that work from curvature."""

import numpy as np
import pytest

import gradline as gl
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.rows.arrays import ArrayRows
from gradline.solvers.columns import aliased_columns, nearly_dependent


def columns(n=300, p=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def aliased(X, intercept=True, **weights):
    return aliased_columns(ArrayRows(X, np.zeros((len(X), 1)), intercept=intercept, **weights))


class TestFound:
    def test_none(self):
        assert aliased(columns()) == ()

    def test_a_sum_a_copy_a_constant_and_zeros(self):
        X = columns()
        full = np.column_stack([X[:, 0], X[:, 1], X[:, 0] - 2 * X[:, 1], X[:, 0], np.full(300, 7.0), np.zeros(300), X[:, 2]])
        # Design columns, the intercept first: the later of two that say the same is left out.
        assert aliased(full) == (3, 4, 5, 6)
        assert aliased(full, intercept=False) == (2, 3, 5)

    def test_units_do_not_matter(self):
        X = columns()
        assert aliased(np.column_stack([X * [1e-150, 1.0, 1e150], X[:, 0]])) == (4,)
        assert aliased(X * [1e-150, 1.0, 1e150]) == ()

    def test_more_columns_than_rows(self):
        assert aliased(columns(n=4, p=6)) == (4, 5, 6)

    @pytest.mark.parametrize("kind", ["weights", "frequencies"])
    def test_rows_of_weight_zero_do_not_count(self, kind):
        X = columns()
        X[:, 2] = X[:, 0]
        X[5, 2] = 9.0
        weights = np.ones(300)
        assert aliased(X, **{kind: weights}) == ()
        weights[5] = 0.0
        assert aliased(X, **{kind: weights}) == (3,)

    def test_a_column_that_differs_in_rows_no_sample_holds_is_kept(self):
        X = columns(200_000, 2)
        almost = X[:, 0].copy()
        almost[123_457] += 1.0
        assert aliased(np.column_stack([X, almost])) == ()
        assert aliased(np.column_stack([X, X[:, 0]])) == (3,)


@pytest.mark.filterwarnings("ignore:left out of the model")
@pytest.mark.parametrize("loss", ["poisson", gl.losses.huber(1.35), "logistic"])
class TestFits:
    def data(self, loss):
        X = columns()
        eta = 0.3 + X @ [0.5, -0.4, 0.2]
        random = np.random.default_rng(1)
        if loss == "poisson":
            return X, random.poisson(np.exp(eta)).astype(float)
        if loss == "logistic":
            return X, (random.random(300) < 1 / (1 + np.exp(-eta))).astype(float)
        return X, eta + random.standard_t(3, size=300)

    def test_the_predictions_are_those_of_the_reduced_model(self, loss):
        X, y = self.data(loss)
        full = np.column_stack([X[:, :2], X[:, 0] + X[:, 1], X[:, 2]])
        whole, reduced = gl.fit(full, y, loss=loss), gl.fit(X, y, loss=loss)
        assert whole.solution.aliased == (3,)
        assert whole.certificate.converged
        np.testing.assert_allclose(whole.predict(full), reduced.predict(X), rtol=1e-10)
        np.testing.assert_allclose(whole.coefficients[[0, 1, 2, 4]], reduced.coefficients, rtol=1e-9)
        np.testing.assert_allclose(whole.loss, reduced.loss, rtol=1e-13)

    def test_a_ridge_decides_instead(self, loss):
        X, y = self.data(loss)
        fit = gl.fit(np.column_stack([X, X[:, 0]]), y, loss=loss, penalty=gl.penalties.ridge(0.1))
        assert fit.solution.aliased == ()
        np.testing.assert_allclose(fit.coefficients[4], fit.coefficients[1], rtol=1e-9)

    def test_a_ridge_of_zero_is_no_ridge(self, loss):
        X, y = self.data(loss)
        fit = gl.fit(np.column_stack([X, X[:, 0]]), y, loss=loss, penalty=gl.penalties.ridge(0.0))
        assert fit.solution.aliased == (4,)
        assert fit.certificate.converged

    @pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7])
    def test_nearly_dependent_columns(self, loss, distance):
        # The same model in well-conditioned columns: x and the difference, instead of x and almost x.
        X, y = self.data(loss)
        near = X[:, 0] + distance * np.random.default_rng(2).normal(size=300)
        difference = (near - X[:, 0]) / distance
        fit = gl.fit(np.column_stack([X, near]), y, loss=loss)
        good = gl.fit(np.column_stack([X, difference]), y, loss=loss)
        assert fit.certificate.converged
        # Coefficients of size 1 / distance, of either sign, leave rounding of eps / distance in the linear predictors.
        np.testing.assert_allclose(fit.loss, good.loss, rtol=max(1e-12, 1e-17 / distance))
        np.testing.assert_allclose(fit.predict(np.column_stack([X, near])), good.predict(np.column_stack([X, difference])), rtol=1e-6)
        np.testing.assert_allclose(fit.coefficients[4] * distance, good.coefficients[4], rtol=1e-5, atol=1e-7)

    def test_columns_too_near_are_named(self, loss):
        X, y = self.data(loss)
        near = X[:, 0] + 1e-9 * np.random.default_rng(2).normal(size=300)
        with pytest.warns(gl.GradlineWarning, match="columns 'a' and 'd' are dependent but for their last digits.*Leave one"):
            fit = gl.fit(np.column_stack([X, near]), y, loss=loss, names=["a", "b", "c", "d"])
        assert not fit.certificate.converged


class TestNearlyDependent:
    def curvature(self, distance):
        X = columns()
        X[:, 2] = X[:, 0] + distance * X[:, 2]
        return X.T @ X

    def test_the_columns_are_those_of_the_lost_direction(self):
        free = CoefficientMap.selecting(np.ones((3, 1), dtype=bool))
        assert nearly_dependent(self.curvature(1e-9), free) == (0, 2)
        assert nearly_dependent(self.curvature(1e-3), free) == ()

    def test_without_an_answer_there_is_none(self):
        free = CoefficientMap.selecting(np.ones((3, 1), dtype=bool))
        assert nearly_dependent(np.zeros((3, 3)), free) == ()
        assert nearly_dependent(np.full((3, 3), np.nan), free) == ()

    def test_two_linear_predictors_share_their_columns(self):
        free = CoefficientMap.selecting(np.ones((3, 2), dtype=bool))
        curvature = np.kron(np.diag([1.0, 2.0]), self.curvature(1e-9))
        assert nearly_dependent(curvature, free) == (0, 2)
