"""Ordered classes: cumulative logit and probit, thresholds beside one location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.distribution import Distribution, Tails
from gradline.losses.families.numbered import NumberedClasses
from gradline.losses.links import ORDERED, named
from gradline.losses.operations import Operations


@dataclass(frozen=True)
class OrderedDistribution(Distribution):
    """P(y <= j) = F(threshold_j+1 - location)."""

    link: str
    discrete = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        link = ORDERED[self.link]
        lower, upper = _ends(targets[:, 0].astype(np.intp), predictors)
        return Tails(link.probability(lower)[:, None], link.complement(upper)[:, None], link.between(lower, upper)[:, None])


@dataclass(frozen=True)
class Ordinal(NumberedClasses):
    """-log(F(threshold_j+1 - eta) - F(threshold_j - eta)) of classes j = 0 .. K - 1, threshold_0 and threshold_K infinite.

    The location eta has slopes and no intercept, which the K - 1 thresholds are. The loss is convex in all of them (Burridge 1981, JRSS B
    43; Pratt 1981, JASA 76), and infinite where the thresholds of a row's class are out of order. McCullagh (1980), "Regression models
    for ordinal data", JRSS B 42. ``n_classes`` None means that it is learned: ``resolve`` takes it from the largest label.
    """

    n_classes: int | None = None
    link: str = "logit"

    name = "ordinal"
    takes_order = True

    @property
    def meaning(self) -> str:
        if self.link == "logit":
            return (
                "a coefficient is the change of the log odds of a class above any threshold when its column rises by one: "
                "exp(coefficient) multiplies those odds"
            )
        return "a coefficient is the change of the normal quantile of being above any threshold when its column rises by one"

    @property
    def distribution(self) -> OrderedDistribution:
        return OrderedDistribution(self.link)

    def resolve(self, highest: Array) -> Ordinal:
        """With as many classes as the largest label says. Raises ValueError if that is fewer than two."""
        if self.n_classes is not None:
            return self
        self.require_one_target(highest.size)
        if not highest[0] >= 1:
            raise LossError("loss ordinal: the targets have one class, 0, and an order takes two or more: 0, 1, 2, ...")
        return ordinal(int(highest[0]) + 1, self.link)

    def bind(self, targets: Array, offset: Array | None = None) -> Ordinal:
        found = super().bind(targets, offset)
        assert found.n_classes is not None
        if len(targets) > 1:
            missing = np.flatnonzero(np.bincount(targets[:, 0].astype(np.intp), minlength=found.n_classes) == 0)
            if missing.size:
                raise LossError(
                    f"loss ordinal: no row is of class {missing[0]}, so that its thresholds cannot be told apart; number the classes"
                    " 0, 1, 2, ... without a gap (np.unique(y, return_inverse=True)[1] does)"
                )
        return found

    @property
    def domain(self) -> str:
        return "numbers of ordered classes 0, 1, 2, ..." if self.n_classes is None else f"ordered classes 0 to {self.n_classes - 1}"

    def n_predictors(self, n_targets: int) -> int:
        return self.known_classes(n_targets)

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return () if self.n_classes is None else (False, *(True for _ in range(self.n_classes - 1)))

    @property
    def without_intercept(self) -> tuple[bool, ...]:
        return () if self.n_classes is None else (True, *(False for _ in range(self.n_classes - 1)))

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("location", *(f"threshold_{j + 1}" for j in range(self.n_predictors(n_targets) - 1)))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        label = targets[:, 0].astype(np.intp)
        link = ORDERED[self.link]
        value = np.empty(m)
        gradient, curvature = np.zeros((m, k)), np.zeros((m, k, k) if order == 2 else (0, k, k))
        lower, upper = _ends(label, predictors)
        first, last = np.flatnonzero(label == 0), np.flatnonzero(label == k - 1)
        for rows, part, ends, column in ((first, link.yes, upper, 1), (last, link.no, lower, k - 1)):
            value[rows], slope, bend = part(ends[rows])
            if order:
                gradient[rows, column], gradient[rows, 0] = slope, -slope
            if order == 2:
                curvature[rows, column, column] = curvature[rows, 0, 0] = bend
                curvature[rows, 0, column] = curvature[rows, column, 0] = -bend
        rows = np.flatnonzero((label > 0) & (label < k - 1))
        if rows.size:
            a, b = lower[rows], upper[rows]
            ordered = b > a
            found = link.interval(np.where(ordered, a, b - 1.0), b)
            value[rows] = np.where(ordered, found.value, np.inf)
            low, up = label[rows], label[rows] + 1
            if order:
                gradient[rows, low], gradient[rows, up], gradient[rows, 0] = found.lower, found.upper, -found.both
            if order == 2:
                curvature[rows, low, low], curvature[rows, up, up] = found.lower_lower, found.upper_upper
                curvature[rows, low, up] = curvature[rows, up, low] = found.lower_upper
                curvature[rows, 0, 0] = found.both_both
                curvature[rows, 0, low] = curvature[rows, low, 0] = -(found.lower_lower + found.lower_upper)
                curvature[rows, 0, up] = curvature[rows, up, 0] = -(found.upper_upper + found.lower_upper)
        if order == 0:
            return RowDerivatives(value)
        return RowDerivatives(value, gradient, curvature if order == 2 else None)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from labels (m,) and predictors (m, K)."""
        link = ORDERED[self.link]
        location, k = predictors[..., 0], int(predictors.shape[-1])
        # The first class and the last have one end: F is symmetric. One formula serves each kind, since a framework compiles every one.
        edge = operations.where(targets == 0.0, predictors[..., 1] - location, location - predictors[..., k - 1])
        value = link.formula_yes(operations, edge)
        if k == 2:
            return value
        # Rows of other classes may hold thresholds out of order, whose logarithm would spoil the derivatives of theirs.
        lower, upper = 0.0 * location - 1.0, 0.0 * location + 1.0
        for j in range(1, k - 1):
            inside = targets == j + 0.0
            lower = operations.where(inside, predictors[..., j] - location, lower)
            upper = operations.where(inside, predictors[..., j + 1] - location, upper)
        ends = operations.abs(targets - 0.5 * (k - 1)) > 0.5 * (k - 2)
        return operations.where(ends, value, link.formula_between(operations, lower, upper))

    def predict(self, predictors: Array) -> Array:
        """Probabilities of all classes: (m, K)."""
        m, k = predictors.shape
        link = ORDERED[self.link]
        found = np.empty((m, k))
        for j in range(k):
            found[:, j] = link.between(*_ends(np.full(m, j), predictors))
        return found

    def variance(self, predictors: Array) -> Array:
        probabilities = self.predict(predictors)
        return np.asarray(np.maximum(probabilities * (1.0 - probabilities), 0.0))

    def saturated_loss(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def start(self, targets: Array) -> Array:
        """A location of zero, and thresholds of the shares of the classes, half a row added to each."""
        counts = np.bincount(targets[:, 0].astype(np.intp), minlength=self.n_predictors(1)) + 0.5
        below = np.cumsum(counts)
        return np.concatenate([[0.0], ORDERED[self.link].inverse(below[:-1] / below[-1])])


def _ends(label: np.ndarray[Any, np.dtype[np.intp]], predictors: Array) -> tuple[Array, Array]:
    """Where the interval of each row's class begins and ends, less the location; infinite for the first and the last."""
    m, k = predictors.shape
    rows = np.arange(m)
    lower = np.where(label > 0, predictors[rows, np.maximum(label, 1)] - predictors[:, 0], -np.inf)
    upper = np.where(label < k - 1, predictors[rows, np.minimum(label + 1, k - 1)] - predictors[:, 0], np.inf)
    return lower, upper


def ordinal(n_classes: int | None = None, link: str = "logit") -> Ordinal:
    """Ordered classes: one location, and a threshold between each class and the next.

    P(y <= j) = F(threshold - location), so that a positive coefficient moves rows to higher classes. McCullagh (1980), "Regression models
    for ordinal data", JRSS B 42; the parameters are those of R's MASS::polr.

    Parameters
    ----------
    n_classes : int, optional
        Targets are 0 .. n_classes - 1 in their order. Unless given it is learned from the targets.
    link : {"logit", "probit"}, default "logit"
        F is the logistic or the normal distribution function.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For fewer than two classes and for another link.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.ordinal(4).predictor_names(1)
    ('location', 'threshold_1', 'threshold_2', 'threshold_3')
    """
    if n_classes is not None:
        if isinstance(n_classes, bool | str) or int(n_classes) != n_classes or n_classes < 2:
            raise LossError(f"loss ordinal: n_classes must be a whole number, 2 or above, not {n_classes!r}")
        n_classes = int(n_classes)
    return Ordinal(n_classes, named("ordinal", link, tuple(ORDERED)))
