"""Schedules against Keras's, and by hand."""

import dataclasses
import pickle

import numpy as np
import pytest

import gradline as gl


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("keras").optimizers.schedules


def both(ours, keras_schedule, steps=range(0, 260, 7)):
    # Keras works its rates out in float32.
    np.testing.assert_allclose([ours(t) for t in steps], [float(keras_schedule(t)) for t in steps], rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("staircase", [False, True])
def test_exponential_decay_is_that_of_keras(theirs, staircase):
    both(
        gl.schedules.exponential(0.1, factor=0.5, every=50, staircase=staircase),
        theirs.ExponentialDecay(0.1, decay_steps=50, decay_rate=0.5, staircase=staircase),
    )


def test_cosine_decay_is_that_of_keras(theirs):
    both(gl.schedules.cosine(0.1, steps=200, end=0.01), theirs.CosineDecay(0.1, 200, alpha=0.1))


def test_warm_up_and_cosine_are_those_of_keras(theirs):
    ours = gl.schedules.warm_up(gl.schedules.cosine(0.1, steps=150), steps=50, start=0.02)
    both(ours, theirs.CosineDecay(0.02, 150, warmup_target=0.1, warmup_steps=50))


def test_steps_are_a_piecewise_constant(theirs):
    ours = gl.schedules.step(0.4, every=100, factor=0.25)
    # Keras's boundary belongs to the piece before it.
    both(ours, theirs.PiecewiseConstantDecay([99, 199], [0.4, 0.1, 0.025]))


def test_a_constant_and_a_warm_up_to_one():
    assert gl.schedules.constant(0.3)(10**9) == 0.3
    rate = gl.schedules.warm_up(0.1, steps=4)
    np.testing.assert_allclose([rate(t) for t in range(6)], [0, 0.025, 0.05, 0.075, 0.1, 0.1])
    halves = gl.schedules.warm_up(lambda step: 1 / (1 + step), steps=2)
    assert [halves(t) for t in range(4)] == [0, 0.5, 1, 0.5]


def test_they_compare_print_and_travel():
    rate = gl.schedules.cosine(0.1, steps=10)
    assert rate == gl.schedules.cosine(0.1, steps=10) != gl.schedules.cosine(0.1, steps=11)
    assert repr(rate) == "Cosine(rate=0.1, steps=10, end=0.0)"
    assert pickle.loads(pickle.dumps(rate)) == rate
    assert dataclasses.replace(gl.Adam(rate), steps=5).learning_rate == rate


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gl.schedules.constant(0), "rate must be a number above 0, not 0"),
        (lambda: gl.schedules.constant("fast"), "rate must be a number above 0, not 'fast'"),
        (lambda: gl.schedules.exponential(0.1, factor=1.5), "factor must be at most 1, so that the rate falls, not 1.5"),
        (lambda: gl.schedules.exponential(0.1, factor=0.5, every=0), "every must be a whole number of at least 1, not 0"),
        (lambda: gl.schedules.cosine(0.1, steps=10, end=0.2), "end must be a rate from 0 to rate=0.1, not 0.2"),
        (lambda: gl.schedules.cosine(float("nan"), steps=10), "rate must be a number above 0, not nan"),
        (lambda: gl.schedules.warm_up("cosine", steps=10), "then must be a rate or a function of the step, not 'cosine'"),
        (lambda: gl.schedules.warm_up(0.1, steps=10, start=-1), "start must be a rate of at least 0, not -1"),
    ],
)
def test_what_is_no_schedule(make, message):
    with pytest.raises(gl.GradlineError, match=message):
        make()
