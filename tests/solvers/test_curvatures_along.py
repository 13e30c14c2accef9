"""Curvatures between the strengths of a path: what the sample adds, and where it is not believed."""

import numpy as np

from gradline.solvers.proximal.curvatures import Curvatures, between, with_secants

ALONG = np.array([0.0, 1.0, 3.0, 4.0])


def matrix(seed, size=1.0):
    root = np.random.default_rng(seed).normal(size=(9, 4))
    return size * root.T @ root / 9


def test_between_two_it_is_their_mean_by_distance():
    a, b = matrix(0), matrix(1)
    np.testing.assert_allclose(between({0: a, 3: b}, 1, ALONG), 0.75 * a + 0.25 * b)
    np.testing.assert_array_equal(between({1: a, 2: b}, 0, ALONG), a)
    np.testing.assert_array_equal(between({1: a, 2: b}, 3, ALONG), b)


def test_the_sample_says_how_curvatures_change_and_not_how_large_they_are():
    whole, then = matrix(2), matrix(3)
    curvatures = Curvatures(now={0: then, 3: then})
    curvatures.keep(0, whole, 1, ALONG)
    np.testing.assert_allclose(curvatures.at(3, ALONG), whole)
    np.testing.assert_allclose(curvatures.excess(2, ALONG), whole - then)
    curvatures.now = {0: then, 3: then + 0.1 * whole}
    np.testing.assert_allclose(curvatures.at(3, ALONG), 1.1 * whole)
    np.testing.assert_allclose(curvatures.at(1, ALONG), 1.025 * whole)


def test_a_sample_that_turns_a_curvature_downwards_is_not_believed():
    whole = matrix(4)
    curvatures = Curvatures(now={0: matrix(5, 30.0)})
    curvatures.keep(0, whole, 1, ALONG)
    curvatures.now = {0: matrix(5, 1.0)}
    np.testing.assert_array_equal(curvatures.at(2, ALONG), whole)


def test_secants_are_met():
    wanted, found = matrix(6), np.eye(4)
    step = np.random.default_rng(7).normal(size=4)
    np.testing.assert_allclose(with_secants(found, [(step, wanted @ step)]) @ step, wanted @ step)
    np.testing.assert_array_equal(with_secants(found, [(step, -step)]), found)
