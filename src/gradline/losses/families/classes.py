"""Classes: logistic (two) and multinomial (any number). Values are -log of the probability of the class seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array, IntArray
from gradline.losses.defaults import BoolArray, Elementwise, PerTarget
from gradline.losses.distribution import Distribution, Tails
from gradline.losses.families.binary import Cauchit, CLogLog, LogLog, Probit, cauchit, cloglog, loglog, probit
from gradline.losses.families.numbered import NumberedClasses
from gradline.losses.links import named
from gradline.losses.operations import Operations


class LabelDistribution(Distribution):
    """Labels 0 and 1, the log odds of 1 being eta."""

    discrete = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        one, zero = logistic.predict(predictors), logistic.predict(-predictors)
        return Tails(np.where(targets == 1, zero, 0.0), np.where(targets == 1, 0.0, one), np.where(targets == 1, one, zero))


@dataclass(frozen=True)
class Logistic(PerTarget):
    """log(1 + exp(eta)) - y eta, y in {0, 1}: -log of the probability of the label seen.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y > y.mean(), loss=gl.losses.logistic).slopes.round(2)
    array([10.06])
    """

    name = "logistic"
    never_negative = True
    meaning = "a coefficient is the change of the log odds of y = 1 when its column rises by one: exp(coefficient) multiplies the odds"
    predictor = "log_odds"
    domain = "labels 0 or 1"
    target_kind = "label"
    aims_at = "mean"
    distribution = LabelDistribution()
    is_convex = True
    is_likelihood = True

    def __call__(self, link: str = "logit") -> Logistic | Probit | CLogLog | LogLog | Cauchit:
        """The same with another link: "logit", "probit", "cloglog", "loglog" or "cauchit"."""
        known: dict[str, Logistic | Probit | CLogLog | LogLog | Cauchit] = {
            "logit": self,
            "probit": probit,
            "cloglog": cloglog,
            "loglog": loglog,
            "cauchit": cauchit,
        }
        return known[named("logistic", link, tuple(known))]

    def in_domain(self, targets: Array) -> BoolArray:
        allowed: BoolArray = (targets == 0) | (targets == 1)
        return allowed

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        # softplus(z) with z = -eta for label 1 and eta for label 0: the sum softplus(eta) - y eta would cancel for a sure, right row.
        sign = np.multiply(targets, -2.0)
        sign += 1.0
        z = sign * predictors
        exponential = np.abs(z)
        np.negative(exponential, out=exponential)
        np.exp(exponential, out=exponential)
        value = np.log1p(exponential)
        value += np.maximum(z, 0.0)
        if order == 0:
            return value, None, None
        # P(wrong label) is 1 / (1 + e) or e / (1 + e), whichever side z is on; the curvature is their product.
        inverse = exponential + 1.0
        np.divide(1.0, inverse, out=inverse)
        # The larger of e and 1 where z is above zero, since e is never above 1: no branch, which waits wherever signs are in no order.
        np.maximum(exponential, z > 0, out=z)
        z *= inverse
        sign *= z
        if order == 1:
            return value, sign, None
        exponential *= inverse
        exponential *= inverse
        return value, sign, exponential

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        return operations.softplus(predictors) - targets * predictors

    def predict(self, predictors: Array) -> Array:
        """Probability of label 1."""
        with np.errstate(over="ignore", under="ignore"):
            probability: Array = 1.0 / (1.0 + np.exp(-predictors))
        return probability

    def variance(self, predictors: Array) -> Array:
        variance: Array = self.predict(predictors) * self.predict(-predictors)
        return variance

    def saturated_loss(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def start(self, targets: Array) -> Array:
        """Log odds of the mean label, one half-row added to each label so that a column of one label stays finite."""
        ones = targets.sum(axis=0) + 0.5
        log_odds: Array = np.log(ones) - np.log(len(targets) + 1.0 - ones)
        return log_odds


@dataclass(frozen=True)
class Multinomial(NumberedClasses):
    """Baseline-category logits: log(1 + sum_j exp(eta_j)) - eta_y, labels 0 .. K - 1 in one column, k = K - 1, eta_0 = 0.

    Predictor j is the log odds of class j against class 0. ``n_classes`` None means that it is learned: ``resolve`` takes it from
    the largest label. Agresti (2013), Categorical Data Analysis, section 8.1.
    """

    n_classes: int | None = None

    name = "multinomial"
    meaning = (
        "a coefficient is the change of the log odds of its class against class 0 when its column rises by one: "
        "exp(coefficient) multiplies those odds"
    )
    takes_labels = True

    def resolve(self, highest: Array) -> Multinomial:
        """With as many classes as the largest label says. Raises ValueError if that is fewer than two."""
        if self.n_classes is not None:
            return self
        self.require_one_target(highest.size)
        if not highest[0] >= 1:
            raise LossError("loss multinomial: the targets have one class only, 0: give rows of another class too, 0, 1, 2, ...")
        return multinomial(int(highest[0]) + 1)

    @property
    def domain(self) -> str:
        return "class labels 0, 1, 2, ..." if self.n_classes is None else f"class labels 0 to {self.n_classes - 1}"

    def n_predictors(self, n_targets: int) -> int:
        return self.known_classes(n_targets) - 1

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return tuple(f"class_{j + 1}" for j in range(self.n_predictors(n_targets)))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        rows = np.arange(m)
        label = targets[:, 0].astype(np.intp)
        scores = np.zeros((m, k + 1))
        scores[:, 1:] = predictors
        likeliest = scores.argmax(axis=1)
        scores -= scores[rows, likeliest][:, None]
        value = -scores[rows, label]
        with np.errstate(under="ignore"):
            np.exp(scores, out=scores)
        # The likeliest class has score 1 exactly; the others' sum by itself keeps what 1 + rest would round away.
        scores[rows, likeliest] = 0.0
        rest = scores.sum(axis=1)
        value += np.log1p(rest)
        if order == 0:
            return RowDerivatives(value)
        scores[rows, likeliest] = 1.0
        inverse = 1.0 / (1.0 + rest)
        probabilities = scores
        probabilities *= inverse[:, None]
        complement = 1.0 - probabilities[rows, label]
        sure = label == likeliest
        complement[sure] = (rest * inverse)[sure]
        gradient = probabilities[:, 1:].copy()
        seen = label > 0
        gradient[rows[seen], label[seen] - 1] = -complement[seen]
        if order == 1:
            return RowDerivatives(value, gradient)
        return RowDerivatives(value, gradient, _multinomial_curvature(probabilities, likeliest, rest * inverse))

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from labels (m,) and predictors (m, k), or (m,) for two classes."""
        columns = [predictors] if len(predictors.shape) == 1 else [predictors[..., j] for j in range(predictors.shape[-1])]
        total, seen = 0.0 * columns[0], 0.0 * columns[0]
        for j, column in enumerate(columns):
            total = total + operations.softplus(column - total)
            seen = operations.where(targets == j + 1.0, column, seen)
        return total - seen

    def predict(self, predictors: Array) -> Array:
        """Probabilities of all classes: (m, K)."""
        scores = np.concatenate([np.zeros((len(predictors), 1)), predictors], axis=1)
        scores -= scores.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores

    def variance(self, predictors: Array) -> Array:
        probabilities = self.predict(predictors)
        variance: Array = probabilities * (1.0 - probabilities)
        return variance

    def saturated_loss(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def start(self, targets: Array) -> Array:
        """Log odds of the class shares, half a row added to each class."""
        counts: IntArray = np.bincount(targets[:, 0].astype(np.intp), minlength=self.n_predictors(1) + 1)
        log_odds: Array = np.log(counts[1:] + 0.5) - np.log(counts[0] + 0.5)
        return log_odds


def _multinomial_curvature(probabilities: Array, likeliest: IntArray, rest: Array) -> Array:
    """diag(p) - p p' without the base class: (m, k, k). ``rest`` is 1 - p of the likeliest class, which alone would cancel."""
    m, k = len(probabilities), probabilities.shape[1] - 1
    p = probabilities[:, 1:]
    curvature = -p[:, :, None] * p[:, None, :]
    spread = p * (1.0 - p)
    inside = np.flatnonzero(likeliest > 0)
    column = likeliest[inside] - 1
    spread[inside, column] = p[inside, column] * rest[inside]
    curvature.reshape(m, k * k)[:, :: k + 1] = spread
    return curvature


logistic = Logistic()


def multinomial(n_classes: int | None = None) -> Multinomial:
    """Several classes: log odds of each against class 0.

    Agresti (2013), Categorical Data Analysis, section 8.1.

    Parameters
    ----------
    n_classes : int, optional
        Labels are 0 .. n_classes - 1. Unless given it is learned from the targets.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For fewer than two classes.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.multinomial(3).predictor_names(1)
    ('class_1', 'class_2')
    """
    if n_classes is not None:
        if isinstance(n_classes, bool) or int(n_classes) != n_classes or n_classes < 2:
            raise LossError(f"loss multinomial: n_classes must be a whole number, 2 or above, not {n_classes!r}")
        n_classes = int(n_classes)
    return Multinomial(n_classes)
