"""Convolution smoothing: against quadrature, its own difference quotients, and a user's loss known by its derivatives only."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from gradline import losses
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.losses.defaults import LossDefaults
from gradline.losses.smoothing import Smoothed, slopes

PIECES = [losses.absolute, losses.quantile(0.9), losses.quantile(0.02), losses.epsilon_insensitive(0.3), losses.epsilon_insensitive(0.0)]
WIDTHS = st.floats(1e-3, 50.0)


@dataclass(frozen=True)
class Hidden(LossDefaults):
    """Another loss with everything but its derivatives hidden: a user's."""

    loss: object

    def predictor_names(self, n_targets):
        return self.loss.predictor_names(n_targets)

    def derivatives(self, targets, predictors, order):
        return self.loss.derivatives(targets, predictors, order)


@dataclass(frozen=True)
class Capped(LossDefaults):
    """min(r^2, 1) of each target: kinks at 1 and -1, curved between, not convex."""

    def predictor_names(self, n_targets):
        return ("prediction",)

    def derivatives(self, targets, predictors, order):
        r = predictors - targets
        inside = np.abs(r) < 1
        gradient = np.where(inside, 2 * r, 0.0)
        return RowDerivatives(np.minimum(r * r, 1.0)[:, 0], gradient, np.where(inside, 2.0, 0.0)[:, :, None])


def name(loss):
    return f"{loss.name}-{'-'.join(map(str, loss.parameters.values()))}"


def average(loss, target, predictor, width):
    """The mean of the loss over [predictor - width, predictor + width], by quadrature split at the kinks."""
    value = lambda e: loss.derivatives(np.array([[target]]), np.array([[e]]), 0).value[0]  # noqa: E731
    low, high = predictor - width, predictor + width
    kinks = [target - kink for kink in (loss.kinks() or (-1.0, 1.0)) if low < target - kink < high]
    return quad(value, low, high, points=kinks or None, epsabs=1e-13, epsrel=1e-13)[0] / (2 * width)


@pytest.mark.parametrize("loss", PIECES, ids=name)
@pytest.mark.parametrize("width", [0.05, 0.3, 1.0, 4.0])
def test_the_value_is_the_average_over_the_window(loss, width):
    random = np.random.default_rng(0)
    targets, predictors = random.normal(size=(25, 1)), random.normal(size=(25, 1))
    found = Smoothed(loss, width).derivatives(targets, predictors, 0).value
    expected = [average(loss, y, e, width) for y, e in zip(targets[:, 0], predictors[:, 0], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", PIECES, ids=name)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=WIDTHS)
def test_the_closed_form_is_the_difference_of_the_loss(loss, seed, width):
    random = np.random.default_rng(seed)
    targets, predictors = random.normal(size=(200, 1)), random.normal(size=(200, 1))
    exact = Smoothed(loss, width).derivatives(targets, predictors, 2)
    differences = Smoothed(Hidden(loss), width).derivatives(targets, predictors, 2)
    np.testing.assert_allclose(exact.gradient, differences.gradient, atol=1e-11 / min(width, 1.0))
    np.testing.assert_allclose(exact.curvature, differences.curvature, rtol=1e-10, atol=1e-10)
    # The four-point rule across kinks: off by a few hundredths of the width.
    np.testing.assert_allclose(exact.value, differences.value, atol=0.06 * width)
    for order in (0, 1):
        part = Smoothed(loss, width).derivatives(targets, predictors, order)
        np.testing.assert_array_equal(part.value, exact.value)
        assert part.curvature is None
    assert (exact.curvature >= 0).all()
    plain = loss.derivatives(targets, predictors, 0).value
    assert (exact.value >= plain - 1e-12).all()
    assert (exact.value <= plain + width / 2 + 1e-12).all()


@pytest.mark.parametrize("loss", PIECES, ids=name)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.floats(0.1, 5.0))
def test_each_derivative_is_the_difference_quotient_of_the_one_below(loss, seed, width):
    random = np.random.default_rng(seed)
    smoothed = Smoothed(loss, width)
    targets, predictors = random.normal(size=(60, 1)), 2 * random.normal(size=(60, 1))
    step = 1e-5
    centre = smoothed.derivatives(targets, predictors, 2)
    above, below = (smoothed.derivatives(targets, predictors + s, 2) for s in (step, -step))
    np.testing.assert_allclose((above.value - below.value) / (2 * step), centre.gradient[:, 0], atol=2e-4 / width * step * 10 + 1e-8)
    same = (above.curvature == below.curvature)[:, 0, 0]
    np.testing.assert_allclose(((above.gradient - below.gradient) / (2 * step))[same, 0], centre.curvature[same, 0, 0], atol=1e-7)


def test_beyond_the_window_nothing_changes():
    loss = losses.quantile(0.9)
    targets = np.zeros((4, 1))
    predictors = np.array([[-3.0], [-0.5], [0.5], [700.0]])
    smoothed, plain = Smoothed(loss, 0.25).derivatives(targets, predictors, 2), loss.derivatives(targets, predictors, 2)
    np.testing.assert_allclose(smoothed.value, plain.value, rtol=1e-15)
    np.testing.assert_allclose(smoothed.gradient, plain.gradient, rtol=1e-14)
    np.testing.assert_array_equal(smoothed.curvature, plain.curvature)


def test_several_targets_are_smoothed_one_by_one():
    random = np.random.default_rng(2)
    targets, predictors = random.normal(size=(50, 3)), random.normal(size=(50, 3))
    loss = losses.quantile(0.7)
    parts = [Smoothed(loss, 0.4).derivatives(targets[:, [j]], predictors[:, [j]], 2) for j in range(3)]
    for candidate in (Smoothed(loss, 0.4), Smoothed(Hidden(loss), 0.4)):
        found = candidate.derivatives(targets, predictors, 2)
        assert found.curvature.shape == (50, 3, 3)
        for j, part in enumerate(parts):
            np.testing.assert_allclose(found.gradient[:, j], part.gradient[:, 0], atol=1e-14)
            np.testing.assert_allclose(found.curvature[:, j, j], part.curvature[:, 0, 0], atol=1e-13)
        off = found.curvature.copy()
        np.einsum("ijj->ij", off)[...] = 0
        np.testing.assert_allclose(off, 0, atol=1e-14)
    exact = Smoothed(loss, 0.4).derivatives(targets, predictors, 0).value
    np.testing.assert_allclose(exact, sum(part.value for part in parts), rtol=1e-13)


def test_a_users_kinked_loss_that_is_curved_between():
    random = np.random.default_rng(4)
    targets, predictors = random.normal(size=(40, 1)), 2 * random.normal(size=(40, 1))
    smoothed = Smoothed(Capped(), 0.2)
    found = smoothed.derivatives(targets, predictors, 2)
    expected = np.array([average(Capped(), y, e, 0.2) for y, e in zip(targets[:, 0], predictors[:, 0], strict=True)])
    np.testing.assert_allclose(found.value, expected, atol=0.03 * 2 * 0.2)
    step = 1e-6
    averages = [
        np.array([average(Capped(), y, e + s, 0.2) for y, e in zip(targets[:, 0], predictors[:, 0], strict=True)]) for s in (step, -step)
    ]
    np.testing.assert_allclose(found.gradient[:, 0], (averages[0] - averages[1]) / (2 * step), atol=1e-6)


def test_smoothing_a_smooth_loss_by_a_little_changes_little():
    random = np.random.default_rng(8)
    targets, predictors = random.normal(size=(100, 1)), random.normal(size=(100, 1))
    plain = losses.log_cosh.derivatives(targets, predictors, 2)
    smoothed = Smoothed(losses.log_cosh, 1e-3).derivatives(targets, predictors, 2)
    for first, second in zip(plain, smoothed, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_a_loss_of_two_predictors_has_symmetric_curvature():
    random = np.random.default_rng(9)
    targets, predictors = random.normal(size=(30, 1)), random.normal(size=(30, 2))
    smoothed = Smoothed(losses.normal, 1e-3).derivatives(targets, predictors, 2)
    plain = losses.normal.derivatives(targets, predictors, 2)
    np.testing.assert_array_equal(smoothed.curvature, smoothed.curvature.transpose(0, 2, 1))
    for first, second in zip(plain, smoothed, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4)


def test_what_smoothing_keeps_and_what_it_drops():
    loss = Smoothed(losses.quantile(0.9), 0.5)
    assert loss.name == "smoothed quantile"
    assert loss.parameters == {"level": 0.9, "width": 0.5}
    assert loss.is_convex
    assert loss.kinks() is None
    assert not loss.piecewise_linear
    assert loss.squared_scale() is None
    assert loss.predictor_names(1) == ("quantile",)
    assert loss.meaning == losses.quantile(0.9).meaning
    assert pickle.loads(pickle.dumps(loss)) == loss
    with pytest.raises(ValueError, match="row 0 holds nan"):
        loss.check_targets(np.array([[np.nan]]))
    assert not Smoothed(losses.student_t(4), 0.1).is_likelihood


def test_slopes():
    assert slopes(losses.absolute) == (-1.0, 1.0)
    assert slopes(losses.epsilon_insensitive(0.5)) == (-1.0, 0.0, 1.0)
    np.testing.assert_allclose(slopes(losses.quantile(0.9)), (-0.1, 0.9), rtol=1e-15)
    with pytest.raises(ValueError, match="does not name the kinks"):
        slopes(losses.huber(1.0))


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan, np.inf])
def test_bad_widths(width):
    with pytest.raises(ValueError, match="smoothing width must be a finite number above 0"):
        Smoothed(losses.absolute, width)
