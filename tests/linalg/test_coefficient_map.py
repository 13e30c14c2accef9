"""vec(B) = b0 + C theta: there and back, and what becomes of gradients and curvatures."""

import numpy as np
import pytest
import scipy.sparse as sparse

from gradline.linalg.coefficient_map import CoefficientMap

FREE = np.array([[True, True], [True, False], [False, True]])


@pytest.fixture
def some():
    return CoefficientMap.selecting(FREE, base=np.arange(6.0).reshape(3, 2) + 10.0)


def constrained():
    """b1 + b2 = 1 and b3 = 2 b0: a map that is no selection."""
    matrix = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [2.0, 0.0]]))
    return CoefficientMap(np.array([[0.0], [0.0], [1.0], [0.0]]), matrix)


class TestSelecting:
    def test_theta_is_the_free_entries_one_linear_predictor_after_the_other(self, some):
        assert some.size == 4
        np.testing.assert_array_equal(some.expand(np.array([1.0, 2.0, 3.0, 4.0])), [[1.0, 3.0], [2.0, 13.0], [14.0, 4.0]])

    def test_held_coefficients_are_zero_unless_given(self):
        np.testing.assert_array_equal(CoefficientMap.selecting(FREE).expand(np.ones(4)), FREE.astype(float))

    def test_there_and_back(self, some):
        theta = np.random.default_rng(0).normal(size=4)
        np.testing.assert_allclose(some.contract(some.expand(theta)), theta, rtol=1e-14)

    def test_nothing_free(self):
        none = CoefficientMap.selecting(np.zeros((2, 1), dtype=bool))
        assert none.size == 0
        np.testing.assert_array_equal(none.expand(np.zeros(0)), np.zeros((2, 1)))


class TestConstraints:
    def test_they_hold_at_every_theta(self):
        b = constrained().expand(np.array([0.7, -3.0])).ravel()
        assert b[1] + b[2] == pytest.approx(1.0)
        assert b[3] == pytest.approx(2 * b[0])

    def test_contract_takes_the_nearest_point(self):
        point = np.array([[1.0], [0.2], [0.9], [1.5]])
        mapped = constrained()
        theta = mapped.contract(point)
        # The way left is at right angles to every way the map can go.
        np.testing.assert_allclose(mapped.matrix.T @ (point - mapped.expand(theta)).ravel(), 0.0, atol=1e-14)

    def test_gradient_and_curvature_are_those_of_the_composition(self):
        random = np.random.default_rng(1)
        root = random.normal(size=(4, 4))
        H, g, mapped = root @ root.T, random.normal(size=(4, 1)), constrained()

        def value(theta):
            b = mapped.expand(theta).ravel()
            return 0.5 * b @ H @ b + g.ravel() @ b

        theta = np.array([0.3, -0.4])
        gradient = mapped.restrict_gradient((H @ mapped.expand(theta).ravel())[:, None] + g)
        differenced = [(value(theta + e) - value(theta - e)) / 2e-5 for e in 1e-5 * np.eye(2)]
        np.testing.assert_allclose(gradient, differenced, rtol=1e-8)
        C = mapped.matrix.toarray()
        np.testing.assert_allclose(mapped.restrict_curvature(H), C.T @ H @ C, rtol=1e-13)


class TestWithout:
    def test_a_column_is_held_in_every_linear_predictor(self, some):
        fewer = some.without((0,))
        assert fewer.size == 2
        np.testing.assert_array_equal(fewer.expand(np.array([7.0, 8.0])), [[0.0, 0.0], [7.0, 13.0], [14.0, 8.0]])

    def test_of_no_columns_is_the_same(self, some):
        assert some.without(()).size == some.size

    def test_a_theta_that_moves_the_column_and_others_goes_whole(self):
        # Holding b1 under b1 + b2 = 1 holds b2 too.
        fewer = constrained().without((1,))
        assert fewer.size == 1
        np.testing.assert_array_equal(fewer.expand(np.array([1.0])).ravel(), [1.0, 0.0, 1.0, 2.0])


class TestAllFree:
    def test_gradients_and_curvatures_are_as_the_matrix_makes_them(self):
        every = CoefficientMap.selecting(np.ones((2, 3), dtype=bool))
        gradient = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(every.restrict_gradient(gradient), every.matrix.T @ gradient.T.ravel())
        curvature = np.random.default_rng(0).normal(size=(6, 6))
        np.testing.assert_array_equal(every.restrict_curvature(curvature), curvature)

    def test_what_is_restricted_may_be_written_to(self):
        every = CoefficientMap.selecting(np.ones((2, 1), dtype=bool))
        gradient, curvature = np.ones((2, 1)), np.eye(2)
        every.restrict_gradient(gradient)[:] = 7.0
        every.restrict_curvature(curvature)[:] = 7.0
        np.testing.assert_array_equal(gradient, np.ones((2, 1)))
        np.testing.assert_array_equal(curvature, np.eye(2))

    def test_coefficients_in_another_order_are_not_taken_for_the_identity(self):
        swapped = CoefficientMap(np.zeros((2, 1)), sparse.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]])))
        np.testing.assert_array_equal(swapped.restrict_gradient(np.array([[1.0], [2.0]])), [2.0, 1.0])
