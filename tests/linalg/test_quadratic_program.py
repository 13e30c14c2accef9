"""Quadratic programs against Clarabel, and against their own conditions of optimality."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import by_clarabel, program

from gradline.base.errors import SolverError
from gradline.linalg.quadratic_program import independent_rows, solve_program

FIRST = 40
"""Of five hundred, on every run; the rest is a study."""


def check(seed):
    curvature, linear, matrix, lower, upper = program(seed)
    found = solve_program(curvature, linear, matrix, lower, upper)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lowest = by_clarabel(curvature, linear, matrix, lower, upper)
    if lowest is None:
        return  # Clarabel gave up
    if found is None:
        assert lowest == np.inf
        return
    x = found.x
    size = max(1.0, float(np.abs(x).max()))
    assert found.exact
    assert max((lower - matrix @ x).max(), (matrix @ x - upper).max()) <= 1e-12 * size
    signed = np.where(found.held < 0, found.multipliers, -found.multipliers)
    assert signed[lower < upper].min(initial=0.0) >= -1e-10
    assert np.abs(curvature @ x + linear - found.multipliers @ matrix).max() <= 1e-10 * max(1.0, np.abs(linear).max())
    value = 0.5 * x @ curvature @ x + linear @ x
    assert abs(value - lowest) <= 1e-9 * max(1.0, abs(lowest))


@pytest.mark.parametrize("seed", range(FIRST))
def test_against_clarabel(seed):
    check(seed)


@pytest.mark.study
@pytest.mark.parametrize("seed", range(FIRST, 500))
def test_five_hundred_against_clarabel(seed):
    check(seed)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), power=st.integers(-20, 20))
def test_rows_of_one_coefficient_are_met_to_the_bit_whatever_their_unit(seed, power):
    random = np.random.default_rng(seed)
    d = 6
    factor = random.normal(size=(9, d)) * 10.0 ** random.integers(-8, 9, size=d)
    ends = random.normal(size=d) * 10.0**power
    found = solve_program(factor.T @ factor, factor.T @ random.normal(size=9), np.eye(d), ends, np.full(d, np.inf))
    assert found.exact
    assert (found.x >= ends).all()
    assert (found.x[found.held != 0] == ends[found.held != 0]).all()


def test_a_program_that_falls_without_end_says_so():
    with pytest.raises(SolverError, match="falls without end"):
        solve_program(np.diag([1.0, 0.0]), np.array([0.0, -1.0]), np.array([[1.0, 0.0]]), np.zeros(1), np.full(1, np.inf))


def test_a_straight_direction_that_rows_close_has_its_end():
    found = solve_program(np.diag([1.0, 0.0]), np.array([0.0, -1.0]), np.array([[0.0, -1.0]]), np.array([-3.0]), np.full(1, np.inf))
    assert found.x == pytest.approx([0.0, 3.0], abs=1e-14)
    assert found.multipliers == pytest.approx([1.0])


def test_a_guess_that_is_right_is_kept_and_a_wrong_one_does_no_harm():
    curvature, linear, matrix, lower, upper = program(3)
    found = solve_program(curvature, linear, matrix, lower, upper)
    for guess in (found.held, np.zeros_like(found.held), -np.ones_like(found.held)):
        again = solve_program(curvature, linear, matrix, lower, upper, guess)
        assert again.x == pytest.approx(found.x, abs=1e-12)


def test_independent_rows_are_the_first_ones():
    rows = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert independent_rows(rows).tolist() == [0, 2, 4]
