"""Penalties with kinks: value, minimum, violation and dual norm against brute force and definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import gradline as gl
from gradline.penalties.kinked import Folded, SparseGroups
from gradline.penalties.kinked_penalty import PenaltyColumns

NUMBERS = st.floats(-3.0, 3.0, allow_nan=False)


def columns(p=4, k=1, terms=None, deviations=None):
    names = tuple(f"x{i + 1}" for i in range(p))
    return PenaltyColumns(
        names, terms or names, tuple(f"y{j}" for j in range(k)), lambda: np.ones(p) if deviations is None else np.asarray(deviations)
    )


def scad_by_hand(t, s, a):
    if t <= s:
        return s * t
    return (2 * a * s * t - t**2 - s**2) / (2 * (a - 1)) if t <= a * s else s**2 * (a + 1) / 2


def mcp_by_hand(t, s, gamma):
    return s * t - t**2 / (2 * gamma) if t <= gamma * s else gamma * s**2 / 2


@pytest.mark.parametrize(("scad", "shape", "by_hand"), [(True, 3.7, scad_by_hand), (False, 3.0, mcp_by_hand)])
@settings(max_examples=60, deadline=None)
@given(x=NUMBERS, strength=st.floats(0.01, 2.0), curvature=st.floats(0.05, 5.0))
def test_folded_penalties_are_their_authors(scad, shape, by_hand, x, strength, curvature):
    part = Folded(np.array([strength]), shape, scad)
    assert part.value(np.array([x])) == pytest.approx(by_hand(abs(x), strength, shape), rel=1e-12, abs=1e-14)

    # The lowest point of the parabola with the penalty, on a fine grid and then by a search around its best.
    def objective(b):
        return 0.5 * curvature * (b - x) ** 2 + by_hand(abs(b), strength, shape)

    grid = np.linspace(-4.0, 4.0, 4001)
    best = grid[np.argmin([objective(b) for b in grid])]
    lowest = min(objective(best), minimize_scalar(objective, bounds=(best - 0.01, best + 0.01), method="bounded").fun, objective(0.0))
    found = part.minimum(np.array([0]), np.array([x]), curvature)
    assert objective(float(found[0])) <= lowest + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=6, max_size=6), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_no_point_of_a_block_is_lower_than_its_minimum(start, l1, weight):
    part = SparseGroups(np.full(6, l1), np.array([0, 0, 0, -1, 1, 1]), np.array([weight, weight]))
    start = np.array(start)
    for block in part.blocks:
        found = part.minimum(block, start[block], 2.0)

        def objective(values, block=block):
            x = np.zeros(6)
            x[block] = values
            return float(np.square(values - start[block]).sum()) + part.value(x)

        near = found + 1e-3 * np.random.default_rng(0).normal(size=(200, len(block)))
        assert min(map(objective, [*near, np.zeros(len(block)), start[block]])) >= objective(found) - 1e-12


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=5, max_size=5), st.floats(0.0, 1.0), st.floats(0.01, 1.0))
def test_the_dual_norm_is_where_zero_stops_being_optimal(gradient, l1, weight):
    gradient = np.array(gradient)
    part = SparseGroups(np.array([l1, l1, l1, 0.5, 0.5]), np.array([0, 0, 0, -1, -1]), np.array([weight]))
    dual = part.largest_dual(gradient)
    zero = np.zeros(5)
    assert np.abs(part.times(dual * (1 + 1e-9) + 1e-12).violation(zero, gradient)).max() <= 1e-12
    if dual > 1e-6:
        assert np.abs(part.times(dual * (1 - 1e-6)).violation(zero, gradient)).max() > 0


@pytest.mark.parametrize(
    "part",
    [
        SparseGroups(np.array([0.3, 0.2, 0.0, 0.1]), np.array([0, 0, 1, -1]), np.array([0.5, 0.7])),
        Folded(np.array([0.3, 0.5, 0.2, 0.0]), 3.7, scad=True),
        Folded(np.array([0.3, 0.5, 0.2, 0.0]), 3.0, scad=False),
    ],
)
def test_slope_and_bend_are_derivatives_where_the_penalty_is_smooth(part):
    x = np.array([0.4, -1.1, 0.25, 0.9])
    step = 1e-6
    slope = [(part.value(x + step * e) - part.value(x - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(part.slope(x), slope, atol=1e-8)
    bend = part.bend(x)
    differences = np.array([(part.slope(x + step * e) - part.slope(x - step * e)) / (2 * step) for e in np.eye(4)])
    np.testing.assert_allclose(np.diag(bend) if bend.ndim == 1 else bend, differences, atol=1e-6)


def test_a_group_lasso_takes_the_terms_of_the_formula_for_groups():
    bound = gl.penalties.group_lasso(0.2).bind(columns(4, terms=("a", "C(g)", "C(g)", "C(g)")))
    slopes = np.array([[1.0], [2.0], [0.0], [-2.0]])
    assert bound.value(slopes) == pytest.approx(0.2 * (1.0 + np.sqrt(3) * np.sqrt(8.0)))


def test_scaled_penalties_do_not_know_the_unit_of_a_column():
    slopes, unit = np.array([[1.0], [-2.0], [0.5], [0.0]]), np.array([1.0, 10.0, 0.1, 3.0])
    for penalty in (
        gl.penalties.lasso(0.3, scaled=True),
        gl.penalties.elastic_net(0.3, 0.4, scaled=True),
        gl.penalties.group_lasso(0.3, [[0, 1], [2, 3]], scaled=True),
        gl.penalties.mcp(0.3, scaled=True),
    ):
        plain = penalty.bind(columns(4)).value(slopes)
        assert penalty.bind(columns(4, deviations=unit)).value(slopes / unit[:, None]) == pytest.approx(plain, rel=1e-14)


def test_sums_add_up():
    slopes = np.array([[1.0], [-2.0], [0.5], [0.0]])
    parts = [gl.penalties.lasso(0.3), gl.penalties.ridge(0.2), gl.penalties.difference(["x1", "x2", "x3"], 0.7)]
    bound = (parts[0] + parts[1] + parts[2]).bind(columns(4))
    by_hand = 0.3 * 3.5 + 0.1 * 5.25 + 0.35 * (9.0 + 6.25)
    assert bound.value(slopes) == pytest.approx(by_hand)
    groups = gl.penalties.group_lasso(0.5, ["a", "a", "b", "b"])
    assert (gl.penalties.lasso(0.3) + groups).bind(columns(4)).value(slopes) == pytest.approx(
        0.3 * 3.5 + 0.5 * np.sqrt(2) * (np.sqrt(5.0) + 0.5)
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gl.penalties.lasso(-1), "zero or more"),
        (lambda: gl.penalties.lasso(float("nan")), "finite number"),
        (lambda: gl.penalties.lasso("strong"), "finite number"),
        (lambda: gl.penalties.lasso(True), "finite number"),
        (lambda: gl.penalties.elastic_net(0.1, 1.5), "between 0 and 1"),
        (lambda: gl.penalties.scad(0.1, a=2.0), "above 2"),
        (lambda: gl.penalties.mcp(0.1, gamma=0.5), "above 1"),
        (lambda: gl.penalties.group_lasso(0.1, across="rows"), "across="),
        (lambda: gl.penalties.difference(["x1", "x2"], 0.1, order=0), "at least 1"),
        (lambda: gl.penalties.lasso(0.1, weights={"x9": 1.0}).bind(columns()), "no column is named 'x9'"),
        (lambda: gl.penalties.lasso(0.1, weights={"x1": -1.0}).bind(columns()), "at least 0"),
        (lambda: gl.penalties.lasso(0.1, weights=[1.0, 2.0]).bind(columns()), "array of 4 factors"),
        (lambda: gl.penalties.group_lasso(0.1).bind(columns()), "has no groups"),
        (lambda: gl.penalties.group_lasso(0.1, [["x1", "x2"], ["x2", "x3", "x4"]]).bind(columns()), "a column is in one group"),
        (lambda: gl.penalties.group_lasso(0.1, [["x1", "x2"]]).bind(columns()), "leaves out column 'x3'"),
        (lambda: gl.penalties.group_lasso(0.1, [["x1", "z"], ["x3"]]).bind(columns()), "no column is named 'z'"),
        (lambda: gl.penalties.group_lasso(0.1, ["a", "b"]).bind(columns()), "2 labels for 4 columns"),
        (lambda: gl.penalties.difference(["x1"], 0.1).bind(columns()), "more than 1 columns"),
        (lambda: gl.penalties.difference(["x1", "x1"], 0.1).bind(columns()), "names a column twice"),
        (lambda: (gl.penalties.scad(0.1) + gl.penalties.lasso(0.1)).bind(columns()), "do not add up"),
        (lambda: (gl.penalties.lasso(0.1) + gl.penalties.lasso(0.1, scaled=True)).bind(columns(deviations=[1, 2, 3, 4])), "scaled=True"),
        (lambda: gl.penalties.lasso(0.1) + 3, "not with 3"),
    ],
)
def test_what_is_no_penalty_is_refused_with_words(make, words):
    with pytest.raises(gl.GradlineError, match=words):
        make()


def test_columns_that_there_are_not_are_refused_in_words():
    with pytest.raises(ValueError, match="no column is named 9"):
        gl.penalties.difference([0, 1, 9], 0.1).bind(columns(4))
    with pytest.raises(TypeError, match=r"group number 0 of the group lasso is a list of columns, .* not 0\.5"):
        gl.penalties.group_lasso(0.1, [0.5, 1.0, 2.0, 3.0]).bind(columns(4))
    # A column alone need not be in a list.
    alone = gl.penalties.group_lasso(0.1, [[0, 1], 2, 3]).bind(columns(4))
    listed = gl.penalties.group_lasso(0.1, [[0, 1], [2], [3]]).bind(columns(4))
    np.testing.assert_array_equal(alone.part.group, listed.part.group)


def test_strengths_that_are_no_array_are_refused_in_words():
    with pytest.raises(TypeError, match="strengths must be a count, or an array"):
        gl.path(np.eye(4), np.arange(4.0), strengths=[[1.0], [1.0, 2.0]])
