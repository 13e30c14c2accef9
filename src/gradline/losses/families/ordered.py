"""Ordered classes: the cumulative logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array, IntArray
from gradline.losses.defaults import BoolArray, LossDefaults
from gradline.losses.operations import Operations


@dataclass(frozen=True)
class Ordinal(LossDefaults):
    """Cumulative logits with one slope for each column: log odds of a class above j are eta - cut_j, labels 0 .. K - 1 in one column.

    The linear predictors are eta, and cut_2 .. cut_{K-1}, numbers of all rows that rise from cut_1 = 0, which eta's intercept stands for:
    k = K - 1. With u = eta - cut_j and l = eta - cut_{j+1} about class j the loss is softplus(-u) + softplus(l) - log(1 - exp(l - u)),
    which is convex where the cuts rise, and infinite elsewhere. McCullagh (1980), "Regression models for ordinal data", J. Royal
    Statistical Society B 42; Pratt (1981), "Concavity of the log likelihood", J. American Statistical Association 76.

    ``n_classes`` None means that it is learned: ``resolve`` takes it from the largest label.
    """

    n_classes: int | None = None

    name = "ordinal"
    never_negative = True
    meaning = (
        "a coefficient is the change of the log odds of a higher class, wherever the line is drawn, when its column rises by one: "
        "exp(coefficient) multiplies those odds"
    )
    is_convex = True
    is_likelihood = True
    target_kind = "class"
    aims_at = "mean"

    @property
    def is_resolved(self) -> bool:
        return self.n_classes is not None

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return () if self.n_classes in (None, 2) else (False, *(True,) * (self.n_predictors(1) - 1))

    def resolve(self, highest: Array) -> Ordinal:
        """With as many classes as the largest label says. Raises ValueError if that is fewer than two."""
        if self.n_classes is not None:
            return self
        self.require_one_target(highest.size)
        return ordinal(int(highest[0]) + 1)

    @property
    def domain(self) -> str:
        return "class labels 0, 1, 2, ..." if self.n_classes is None else f"class labels 0 to {self.n_classes - 1}"

    def in_domain(self, targets: Array) -> BoolArray:
        allowed: BoolArray = (targets >= 0) & (np.floor(targets) == targets)
        if self.n_classes is not None:
            allowed &= targets < self.n_classes
        return allowed

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        self.require_one_target(targets.shape[1])
        super().check_targets(targets, first_row)

    def n_predictors(self, n_targets: int) -> int:
        self.require_one_target(n_targets)
        if self.n_classes is None:
            raise LossError("loss ordinal: the number of classes is not known before the targets are seen; give ordinal(n_classes)")
        return self.n_classes - 1

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("log_odds", *(f"cut_{j + 2}" for j in range(self.n_predictors(n_targets) - 1)))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        rows, label = np.arange(m), targets[:, 0].astype(np.intp)
        eta = predictors[:, 0]
        cuts = np.concatenate([np.zeros((m, 1)), predictors[:, 1:]], axis=1)
        above, below = label > 0, label < k
        lower, upper = np.maximum(label - 1, 0), np.minimum(label, k - 1)
        over, under = eta - cuts[rows, lower], eta - cuts[rows, upper]
        middle = above & below
        gap = np.where(middle, cuts[rows, upper] - cuts[rows, lower], 1.0)
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            value = np.where(above, np.logaddexp(0.0, -over), 0.0) + np.where(below, np.logaddexp(0.0, under), 0.0)
            value += np.where(middle, -np.log(-np.expm1(-gap)), 0.0)
            # Cuts out of order have no probabilities, in whichever class the row is.
            value[(np.diff(cuts, axis=1) <= 0).any(axis=1)] = np.inf
            if order == 0:
                return RowDerivatives(value)
            short, long = np.where(above, _sigmoid(-over), 0.0), np.where(below, _sigmoid(under), 0.0)
            slope = np.where(middle, -1.0 / np.expm1(gap), 0.0)
            gradient = np.zeros((m, k + 1))
            gradient[:, -1] = long - short
            # Column j holds cut_{j+1}; the first, which is zero, is dropped, and the last is eta's.
            np.add.at(gradient, (rows, lower), short - slope)
            np.add.at(gradient, (rows, upper), slope - long)
            gradient = np.concatenate([gradient[:, -1:], gradient[:, 1:-1]], axis=1)
            if order == 1:
                return RowDerivatives(value, gradient)
            bend_short, bend_long = short * _sigmoid(over), long * _sigmoid(-under)
            bend = np.where(middle, 1.0 / (np.expm1(gap) * -np.expm1(-gap)), 0.0)
            full = np.zeros((m, k + 1, k + 1))
            for place, own in ((lower, bend_short), (upper, bend_long)):
                np.add.at(full, (rows, place, place), own + bend)
                np.add.at(full, (rows, place, k), -own)
                np.add.at(full, (rows, k, place), -own)
                full[:, k, k] += own
            np.add.at(full, (rows, lower, upper), -bend)
            np.add.at(full, (rows, upper, lower), -bend)
        order_of = np.concatenate([[k], np.arange(1, k)])
        return RowDerivatives(value, gradient, full[:, order_of[:, None], order_of])

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from labels (m,) and predictors (m, k), or (m,) for two classes."""
        columns = [predictors] if len(predictors.shape) == 1 else [predictors[..., j] for j in range(predictors.shape[-1])]
        eta, nothing = columns[0], 0.0 * columns[0]
        cuts, total = [nothing, *columns[1:]], nothing
        for j, cut in enumerate(cuts):
            # About cut_{j+1}: it is the lower of class j + 1 and the upper of class j.
            total = total + operations.where(targets == j + 1.0, operations.softplus(cut - eta), nothing)
            total = total + operations.where(targets == j + 0.0, operations.softplus(eta - cut), nothing)
            if j:
                inside = targets == j + 0.0
                gap = operations.where(inside, cut - cuts[j - 1], 1.0 + nothing)
                total = total - operations.where(inside, operations.log(1.0 - operations.exp(-gap)), nothing)
        return total

    def predict(self, predictors: Array) -> Array:
        """Probabilities of all classes: (m, K)."""
        m, k = predictors.shape
        values = [self._probability(np.full((m, 1), float(j)), predictors) for j in range(k + 1)]
        return np.column_stack(values)

    def _probability(self, targets: Array, predictors: Array) -> Array:
        with np.errstate(under="ignore"):
            return np.asarray(np.exp(-self.derivatives(targets, predictors, 0).value))

    def variance(self, predictors: Array) -> Array:
        probabilities = self.predict(predictors)
        variance: Array = probabilities * (1.0 - probabilities)
        return variance

    def saturated_loss(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def start(self, targets: Array) -> Array:
        """Cumulative log odds of the class shares, half a row added to each class, so that the cuts rise."""
        k = self.n_predictors(1)
        counts: IntArray = np.bincount(targets[:, 0].astype(np.intp), minlength=k + 1)
        up_to = np.cumsum(counts + 0.5)
        log_odds = np.log(up_to[:-1]) - np.log(up_to[-1] - up_to[:-1])
        return np.asarray(np.concatenate([-log_odds[:1], log_odds[1:] - log_odds[0]]))


def _sigmoid(z: Array) -> Array:
    probability: Array = 1.0 / (1.0 + np.exp(-z))
    return probability


def ordinal(n_classes: int | None = None) -> Ordinal:
    """Ordered classes: one slope a column for the log odds of a higher class, wherever the line between low and high is drawn.

    McCullagh (1980), "Regression models for ordinal data", J. Royal Statistical Society B 42.

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
    >>> gl.losses.ordinal(4).predictor_names(1)
    ('log_odds', 'cut_2', 'cut_3')
    """
    if n_classes is not None:
        if isinstance(n_classes, bool) or int(n_classes) != n_classes or n_classes < 2:
            raise LossError(f"loss ordinal: n_classes must be a whole number, 2 or above, not {n_classes!r}")
        n_classes = int(n_classes)
    return Ordinal(n_classes)
