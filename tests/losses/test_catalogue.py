"""The catalogue: closed forms against three tapes, densities against scipy, and what else a loss owns."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES, SEVERAL, Case, label
from scipy import stats

from gradline import losses
from gradline.autodiff.tape import UserLoss
from gradline.losses.operations import operations

ROWS = 4096


def tape_of(framework, case, n_targets, n_predictors):
    pytest.importorskip(framework)
    known = operations(framework)
    loss = UserLoss(lambda y, eta: case.loss.formula(known, y, eta), None, "row", n_targets, n_predictors)
    if framework == "tensorflow":
        from gradline.autodiff.tensorflow import TensorFlowTape as Tape
    elif framework == "jax":
        from gradline.autodiff.jax import JaxTape as Tape
    else:
        from gradline.autodiff.torch import TorchTape as Tape
    return Tape(loss)


def rows_of(case, m=ROWS, seed=7):
    return case.draw(np.random.default_rng(seed), m)


def assert_close(found, expected, size=0.0, tolerance=1e-10):
    """Within the tolerance, relative to the larger of the expected number, ``size`` and 1."""
    assert np.isfinite(expected).all()
    bound = tolerance * np.maximum(np.maximum(np.abs(expected), size), 1.0)
    worst = np.max(np.abs(found - expected) / bound)
    assert worst <= 1.0, f"off by {worst:g} times the tolerance"


@pytest.mark.parametrize("framework", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize("case", CASES + SEVERAL, ids=label)
def test_closed_forms_equal_the_tapes(case, framework):
    targets, predictors = rows_of(case)
    taped = tape_of(framework, case, targets.shape[1], predictors.shape[1]).derivatives(targets, predictors, 2)
    closed = case.loss.derivatives(targets, predictors, 2)
    assert closed.value.shape == (ROWS,)
    assert closed.gradient.shape == predictors.shape
    assert closed.curvature.shape == (*predictors.shape, predictors.shape[1])
    assert_close(closed.value, taped.value)
    assert_close(closed.gradient, taped.gradient)
    tolerance = 1e-8 if case.gamma_of_predictors and framework == "torch" else 1e-10
    assert_close(closed.curvature, taped.curvature, tolerance=tolerance)


@pytest.mark.parametrize("case", CASES + SEVERAL, ids=label)
def test_orders_agree_and_arguments_are_left_alone(case):
    targets, predictors = rows_of(case, 512)
    before = targets.copy(), predictors.copy()
    for layout in (np.ascontiguousarray, np.asfortranarray):
        y, eta = layout(targets), layout(predictors)
        full = case.loss.derivatives(y, eta, 2)
        for order in (0, 1):
            part = case.loss.derivatives(y, eta, order)
            np.testing.assert_array_equal(part.value, full.value)
            assert part.curvature is None
            if order:
                np.testing.assert_array_equal(part.gradient, full.gradient)
            else:
                assert part.gradient is None
        np.testing.assert_array_equal(y, before[0])
        np.testing.assert_array_equal(eta, before[1])


@pytest.mark.parametrize("case", CASES, ids=label)
def test_the_numpy_formula_is_the_value(case):
    targets, predictors = rows_of(case)
    seen = targets[:, 0], predictors[:, 0] if predictors.shape[1] == 1 else predictors
    assert_close(case.loss.derivatives(targets, predictors, 0).value, case.loss.formula(operations("numpy"), *seen))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_no_warning_and_no_nan_at_the_extremes(case):
    targets, predictors = rows_of(case, 256)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in case.loss.derivatives(targets, predictors, 2):
            assert np.isfinite(part).all()
        far = case.loss.derivatives(targets, 2.0 * predictors, 2)
        case.loss.predict(predictors)
        case.loss.variance(predictors)
    assert not any(np.isnan(part).any() for part in far)


@pytest.mark.parametrize("case", [case for case in CASES if case.loss.is_convex], ids=label)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_convex_losses_lie_below_their_chords(case, seed, share):
    random = np.random.default_rng(seed)
    targets, first = case.draw(random, 64)
    second = case.draw(random, 64)[1]
    value = lambda eta: case.loss.derivatives(targets, eta, 0).value  # noqa: E731
    between = value(share * first + (1 - share) * second)
    chord = share * value(first) + (1 - share) * value(second)
    assert (between <= chord + 1e-9 * (1 + np.abs(chord))).all()
    curvature = case.loss.derivatives(targets, first, 2).curvature
    assert (np.linalg.eigvalsh(curvature) >= -1e-9 * (1 + np.abs(curvature).max(axis=(1, 2)))[:, None]).all()


@pytest.mark.parametrize("case", CASES + SEVERAL, ids=label)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_derivative_is_the_difference_quotient_of_the_one_below(case, seed):
    random = np.random.default_rng(seed)
    targets, predictors = (part[:40] for part in case.draw(random, 64))
    step = 1e-5
    centre = case.loss.derivatives(targets, predictors, 2)
    for column in range(predictors.shape[1]):
        shift = np.zeros(predictors.shape[1])
        shift[column] = step
        above, below = (case.loss.derivatives(targets, predictors + s, 2) for s in (shift, -shift))
        # A row whose curvature moves within the step straddles a bend: a quotient says nothing there.
        smooth = np.ones(len(targets), dtype=bool)
        for one, other in ((above, centre), (below, centre)):
            scale = 1e-3 * (1 + np.abs(centre.curvature).max(axis=(1, 2)) + np.abs(centre.gradient).max(axis=1))
            smooth &= np.abs(one.curvature - other.curvature).max(axis=(1, 2)) < scale
            if case.loss.kinks() is not None:
                smooth &= np.abs(one.gradient - other.gradient).max(axis=1) < 1e-9
        size = 1 + np.abs(centre.value) + np.abs(centre.gradient).max(axis=1) + np.abs(centre.curvature).max(axis=(1, 2))
        first = (above.value - below.value) / (2 * step)
        assert (np.abs(first - centre.gradient[:, column]) <= 1e-5 * size)[smooth].all()
        second = (above.gradient - below.gradient) / (2 * step)
        assert (np.abs(second - centre.curvature[:, column, :]) <= 1e-4 * size[:, None])[smooth].all()


DENSITIES = [
    (losses.logistic, lambda y, eta: stats.bernoulli.logpmf(y[:, 0], 1 / (1 + np.exp(-eta[:, 0])))),
    (losses.poisson, lambda y, eta: stats.poisson.logpmf(y[:, 0], np.exp(eta[:, 0]))),
    (losses.gamma, lambda y, eta: stats.expon.logpdf(y[:, 0], scale=np.exp(eta[:, 0]))),
    (losses.negative_binomial(0.4), lambda y, eta: stats.nbinom.logpmf(y[:, 0], 2.5, 1 / (1 + 0.4 * np.exp(eta[:, 0])))),
    (losses.student_t(3.5, scale=0.6), lambda y, eta: stats.t.logpdf(y[:, 0], 3.5, loc=eta[:, 0], scale=0.6)),
    (losses.cauchy(0.6), lambda y, eta: stats.cauchy.logpdf(y[:, 0], loc=eta[:, 0], scale=0.6)),
    (losses.normal, lambda y, eta: stats.norm.logpdf(y[:, 0], eta[:, 0], np.exp(eta[:, 1]))),
]


@pytest.mark.parametrize(("loss", "reference"), DENSITIES, ids=lambda part: getattr(part, "name", ""))
def test_log_densities_are_scipys(loss, reference):
    random = np.random.default_rng(3)
    case = next(case for case in CASES if case.loss.name == loss.name)
    targets, _ = case.draw(random, 2000)
    targets = np.floor(targets) if loss.name in ("poisson", "negative_binomial") else targets
    predictors = random.normal(size=(2000, loss.n_predictors(1)))
    expected = reference(targets, predictors)
    assert_close(-loss.derivatives(targets, predictors, 0).value, expected, tolerance=1e-11)


def test_multinomial_density_is_the_log_of_the_predicted_share():
    loss = losses.multinomial(5)
    random = np.random.default_rng(0)
    targets, predictors = random.integers(0, 5, (500, 1)).astype(float), random.normal(size=(500, 4))
    probabilities = loss.predict(predictors)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-14)
    expected = np.log(probabilities[np.arange(500), targets[:, 0].astype(int)])
    np.testing.assert_allclose(-loss.derivatives(targets, predictors, 0).value, expected, rtol=1e-12)


def test_multinomial_with_two_classes_is_logistic():
    random = np.random.default_rng(1)
    targets, predictors = (random.random((300, 1)) < 0.5).astype(float), 20 * random.normal(size=(300, 1))
    for first, second in zip(
        losses.multinomial(2).derivatives(targets, predictors, 2), losses.logistic.derivatives(targets, predictors, 2), strict=True
    ):
        np.testing.assert_allclose(first, second, rtol=1e-13)


BAD = [
    (losses.logistic, 2.0, "labels 0 or 1"),
    (losses.logistic, 0.5, "labels 0 or 1"),
    (losses.poisson, -1.0, "counts: 0 or above"),
    (losses.negative_binomial(1.0), -0.5, "counts: 0 or above"),
    (losses.gamma, 0.0, "above 0"),
    (losses.tweedie(1.5), -1.0, "0 or above"),
    (losses.tweedie(3.0), 0.0, "above 0"),
    (losses.multinomial(3), 3.0, "class labels 0 to 2"),
    (losses.multinomial(), -1.0, "class labels 0, 1, 2, ..."),
    (losses.multinomial(3), 1.5, "class labels 0 to 2"),
    (losses.squared, math.nan, "finite numbers"),
    (losses.poisson, math.inf, "counts: 0 or above"),
    (losses.normal, -math.inf, "finite numbers"),
]


@pytest.mark.parametrize(("loss", "value", "allowed"), BAD, ids=lambda part: getattr(part, "name", str(part)))
def test_targets_outside_the_domain_are_named(loss, value, allowed):
    targets = np.ones((6, 1))
    loss.check_targets(targets)
    targets[4:] = value
    with pytest.raises(ValueError, match="targets must be") as raised:
        loss.check_targets(targets, first_row=1000)
    message = str(raised.value)
    assert message == f"loss {loss.name}: row 1004 holds {value:.15g}; targets must be {allowed}"


def test_the_offending_target_of_several_is_named():
    targets = np.ones((4, 3))
    targets[2, 1] = -2
    with pytest.raises(ValueError, match=r"loss poisson: row 2, target 2, holds -2; targets must be counts: 0 or above"):
        losses.poisson.check_targets(targets)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_loss_says_what_it_is(case):
    loss = case.loss
    k = loss.n_predictors(1)
    assert len(loss.predictor_names(1)) == k
    assert loss.meaning.startswith("a coefficient")
    assert loss.intercept_only == () or len(loss.intercept_only) == k
    assert loss.is_resolved
    assert loss.resolve(np.array([1.0])) is loss
    # The hinge's kink is at no residual.
    assert (loss.kinks() is not None) == (loss.piecewise_linear or loss.name == "hinge")


@pytest.mark.parametrize("case", CASES, ids=label)
def test_predictions_and_variances(case):
    targets, predictors = rows_of(case, 64)
    prediction = case.loss.predict(predictors)
    assert len(prediction) == 64
    variance = case.loss.variance(predictors)
    if variance is not None:
        assert variance.shape == prediction.shape
        assert (variance >= 0).all()
    start = case.loss.start(targets)
    assert start.shape == (predictors.shape[1],)
    parts = case.loss.derivatives(targets, np.broadcast_to(start, predictors.shape), 2)
    assert all(np.isfinite(part).all() for part in parts)


@pytest.mark.parametrize(
    "loss", [losses.poisson, losses.negative_binomial(1.0), losses.tweedie(1.5), losses.logistic], ids=lambda x: x.name
)
def test_a_start_is_finite_where_the_optimum_is_not(loss):
    assert np.isfinite(loss.start(np.zeros((5, 1)))).all()


def test_the_variance_of_a_count():
    eta = np.log(np.array([[2.0]]))
    assert losses.poisson.variance(eta)[0, 0] == pytest.approx(2.0)
    assert losses.negative_binomial(0.5).variance(eta)[0, 0] == pytest.approx(4.0)
    assert losses.gamma.variance(eta)[0, 0] == pytest.approx(4.0)
    assert losses.tweedie(1.5).variance(eta)[0, 0] == pytest.approx(2.0**1.5)
    assert losses.student_t(2).variance(eta) is None
    assert losses.student_t(4, scale=3).variance(eta)[0, 0] == pytest.approx(18.0)


def test_kinks():
    assert losses.absolute.kinks() == (0.0,)
    assert losses.epsilon_insensitive(0.3).kinks() == (-0.3, 0.3)
    assert losses.epsilon_insensitive(0).kinks() == (0.0,)
    assert losses.huber(1).kinks() is None
    for loss, expected in ((losses.absolute, 0.0), (losses.quantile(0.9), -0.4), (losses.epsilon_insensitive(0), 0.0)):
        assert loss.derivatives(np.ones((1, 1)), np.ones((1, 1)), 1).gradient[0, 0] == pytest.approx(expected)
    at_edges = losses.epsilon_insensitive(0.5).derivatives(np.zeros((2, 1)), np.array([[0.5], [-0.5]]), 1)
    np.testing.assert_array_equal(at_edges.gradient[:, 0], [0.5, -0.5])


def test_what_is_squared_loss_says_so():
    assert losses.squared.squared_scale() == 1.0
    assert losses.expectile(0.5).squared_scale() == 0.5
    assert losses.expectile(0.6).squared_scale() is None
    assert losses.huber(1.0).squared_scale() is None


class TestJointHuber:
    loss = losses.huber(1.35, scale="joint")

    def test_equivariance(self):
        random = np.random.default_rng(5)
        targets, predictors = Case(self.loss, CASES[4].draw).draw(random, 300)
        small, large = (self.loss.derivatives(c * targets, c * predictors, 2) for c in (1.0, 1024.0))
        np.testing.assert_array_equal(large.value, 1024.0 * small.value)
        np.testing.assert_array_equal(large.gradient, small.gradient)
        np.testing.assert_array_equal(large.curvature, small.curvature / 1024.0)

    def test_it_is_half_of_scikit_learns_objective(self):
        huber = pytest.importorskip("sklearn.linear_model._huber")
        random = np.random.default_rng(6)
        columns, coefficients = random.normal(size=(200, 3)), random.normal(size=3)
        targets = columns @ coefficients + random.standard_t(2, size=200)
        theta = np.array([*coefficients + 0.1, 0.2, 1.7])
        value, gradient = huber._huber_loss_and_gradient(theta, columns, targets, 1.35, 0.0, np.ones(200))
        eta = np.column_stack([columns @ theta[:3] + theta[3], np.full(200, 1.7)])
        found = self.loss.derivatives(targets[:, None], eta, 1)
        assert 2 * found.value.sum() == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(2 * found.gradient[:, 1].sum(), gradient[-1], rtol=1e-10)
        np.testing.assert_allclose(2 * columns.T @ found.gradient[:, 0], gradient[:3], rtol=1e-10)

    def test_a_scale_that_is_not_positive_costs_infinitely_much(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value, gradient, _ = self.loss.derivatives(np.ones((3, 1)), np.array([[0.0, 1.0], [0.0, 0.0], [0.0, -1.0]]), 2)
        assert np.isfinite(value[0])
        assert np.isinf(value[1:]).all()
        assert np.isnan(gradient[1:, 0]).all()

    def test_the_scale_has_an_intercept_only(self):
        assert self.loss.intercept_only == (False, True)
        assert self.loss.predictor_names(1) == ("location", "scale")


def test_multinomial_learns_its_classes():
    loss = losses.multinomial()
    assert not loss.is_resolved
    with pytest.raises(ValueError, match="number of classes is not known"):
        loss.n_predictors(1)
    resolved = loss.resolve(np.array([3.0]))
    assert resolved == losses.multinomial(4)
    assert resolved.predictor_names(1) == ("class_1", "class_2", "class_3")
    with pytest.raises(ValueError, match="one class only"):
        loss.resolve(np.array([0.0]))


@pytest.mark.parametrize("loss", [losses.normal, losses.multinomial(3), losses.huber(2, scale="joint")], ids=lambda x: x.name)
def test_losses_of_one_target_refuse_two(loss):
    with pytest.raises(ValueError, match="takes one target column, but there are 2"):
        loss.n_predictors(2)


def test_unknown_framework():
    with pytest.raises(ValueError, match="no operations for framework 'mxnet'"):
        operations("mxnet")
