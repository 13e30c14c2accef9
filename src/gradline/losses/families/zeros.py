"""Counts with more zeros than their distribution has, or with zeros of another kind: zero-inflated and hurdle models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, LossDefaults
from gradline.losses.distribution import Distribution, Tails, count_quantile, mixed
from gradline.losses.families import counts, overdispersed
from gradline.losses.families.overdispersed import EstimatedDispersion
from gradline.losses.links import LOGIT
from gradline.losses.operations import Operations
from gradline.losses.protocol import Parameter


class _CountLoss(Protocol):
    """Poisson or negative binomial, as a part of the model."""

    @property
    def distribution(self) -> Distribution | None: ...

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives: ...

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any: ...


_COUNTS: Mapping[str, _CountLoss] = {"poisson": counts.poisson, "negative_binomial": EstimatedDispersion()}


@dataclass(frozen=True)
class _TwoParts(LossDefaults):
    """Counts of one distribution, and a logit of being zero. The predictors are the counts' own first, then the logit's.

    dispersion: as for ``EstimatedDispersion``; only counts that are negative binomial have one.
    """

    counts: str = "poisson"
    dispersion: str | None = None

    domain = "counts: 0, 1, 2, ..."
    lowest_target = 0.0
    is_likelihood = True
    never_negative = True
    aims_at = "mean"

    @property
    def parameters(self) -> dict[str, Parameter]:
        own: dict[str, Parameter] = {} if self.dispersion is None else {"dispersion": self.dispersion}
        return {"counts": self.counts, **own}

    @property
    def limit_remedy(self) -> str:
        return "" if self.dispersion is None else overdispersed.LIMIT_REMEDY

    @property
    def count_loss(self) -> _CountLoss:
        return _COUNTS[self.counts]

    @property
    def zero_predictor(self) -> str:
        """The name of the logit's linear predictor."""
        raise NotImplementedError(f"{type(self).__name__} has no part for zeros")

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return (False, True, False) if self.dispersion == "estimated" else ()

    def with_own_formulas(self) -> _TwoParts:
        return self if self.dispersion is None else replace(self, dispersion="varying")

    def in_domain(self, targets: Array) -> BoolArray:
        return np.asarray((targets >= 0) & (np.floor(targets) == targets))

    def n_predictors(self, n_targets: int) -> int:
        self.require_one_target(n_targets)
        return 2 if self.dispersion is None else 3

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("log_mean", *(() if self.dispersion is None else ("log_dispersion",)), self.zero_predictor)

    def zero_loss(self, predictors: Array, order: int) -> RowDerivatives:
        """-log of the counts' own probability of zero, with its derivatives in the counts' own predictors."""
        return self.count_loss.derivatives(np.zeros((len(predictors), 1)), predictors, order)

    def count_mean(self, predictors: Array) -> Array:
        """(m,): of the counts' own distribution."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(predictors[:, 0])

    def count_variance(self, predictors: Array) -> Array:
        mean = self.count_mean(predictors)
        if self.dispersion is None:
            return mean
        with np.errstate(over="ignore", under="ignore"):
            return mean + np.exp(predictors[:, 1]) * mean * mean

    def start_of_counts(self, y: Array) -> Array:
        """From the counts above zero."""
        above = y[y > 0] if (y > 0).any() else y
        if self.dispersion is None:
            return np.array([np.log(max(float(above.mean()), 0.5 / len(y)))])
        return overdispersed.start(above)


@dataclass(frozen=True)
class ZeroInflated(_TwoParts):
    """-log(pi + (1 - pi) f(0)) for zeros and -log(1 - pi) - log f(y) for others: rows that are always zero among counts.

    pi = 1 / (1 + exp(-eta)), eta the last linear predictor. Not convex. Lambert (1992), "Zero-inflated Poisson
    regression", Technometrics 34; R's pscl::zeroinfl.
    """

    name = "zero_inflated"
    zero_predictor = "log_odds_of_zero"
    meaning = (
        "a coefficient of log_mean is the change of the log of the mean of the rows that count when its column rises by one; of"
        " log_odds_of_zero, the change of the log odds of being a row that is always zero"
    )

    @property
    def distribution(self) -> Distribution:
        return TwoPartDistribution(self, hurdle=False)

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        own, logit = predictors[:, :-1], predictors[:, -1]
        m, k = predictors.shape
        zero = targets[:, 0] == 0
        never, never_slope, never_bend = LOGIT.no(logit)
        value, gradient, curvature = _blank(m, k, order)
        rows = np.flatnonzero(~zero)
        _place(self.count_loss.derivatives(targets[rows], own[rows], order), rows, value, gradient, curvature)
        # -log(pi + (1 - pi) f0) = softplus(eta) - log(exp(eta) + f0), f0 = exp(-l0).
        rows = np.flatnonzero(zero)
        l0, l0_slope, l0_bend = self.zero_loss(own[rows], order)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            value[rows] = -np.logaddexp(logit[rows], -l0)
        value += never
        if order == 0:
            return RowDerivatives(value)
        assert gradient is not None
        assert l0_slope is not None
        share, rest = LOGIT.probability(logit[rows] + l0), LOGIT.probability(-logit[rows] - l0)
        gradient[:, -1] = never_slope
        gradient[rows, -1] -= share
        gradient[rows, :-1] = rest[:, None] * l0_slope
        if order == 1:
            return RowDerivatives(value, gradient)
        assert curvature is not None
        assert l0_bend is not None
        both = share * rest
        curvature[:, -1, -1] = never_bend
        curvature[rows, -1, -1] -= both
        curvature[rows, -1, :-1] = curvature[rows, :-1, -1] = -both[:, None] * l0_slope
        curvature[rows, :-1, :-1] = rest[:, None, None] * l0_bend - both[:, None, None] * l0_slope[:, :, None] * l0_slope[:, None, :]
        return RowDerivatives(value, gradient, curvature)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m,) and predictors (m, k)."""
        own, logit = _own(predictors), predictors[..., -1]
        count = self.count_loss.formula(operations, targets, own)
        l0 = self.count_loss.formula(operations, 0.0 * targets, own)
        # log(exp(a) + exp(b)) = a + softplus(b - a)
        zero = l0 - operations.softplus(logit + l0)
        return operations.softplus(logit) + operations.where(targets == 0.0, zero, count)

    def predict(self, predictors: Array) -> Array:
        """The mean of all rows, (1 - pi) mu: (m, 1)."""
        return (LOGIT.probability(-predictors[:, -1]) * self.count_mean(predictors))[:, None]

    def variance(self, predictors: Array) -> Array:
        inflated, mean = LOGIT.probability(predictors[:, -1]), self.count_mean(predictors)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return ((1.0 - inflated) * (self.count_variance(predictors) + inflated * mean * mean))[:, None]

    def start(self, targets: Array) -> Array:
        """Half of the zeros are taken for rows that are always zero."""
        y = targets[:, 0]
        zeros = 0.5 * float((y == 0).sum()) + 0.5
        return np.concatenate([self.start_of_counts(y), [np.log(zeros / (len(y) + 1.0 - zeros))]])


@dataclass(frozen=True)
class Hurdle(_TwoParts):
    """-log(1 - p) for zeros and -log p - log(f(y) / (1 - f(0))) for others: whether, then how many.

    p = 1 / (1 + exp(-eta)), eta the last linear predictor. Mullahy (1986), "Specification and testing of some modified count data models",
    J. Econometrics 33; R's pscl::hurdle. Convex where the counts are Poisson.
    """

    name = "hurdle"
    zero_predictor = "log_odds_above_zero"
    meaning = (
        "a coefficient of log_mean is the change of the log of the mean that counts would have without their hurdle when its column rises"
        " by one; of log_odds_above_zero, the change of the log odds of a count above zero"
    )

    @property
    def is_convex(self) -> bool:
        return self.counts == "poisson"

    @property
    def distribution(self) -> Distribution:
        return TwoPartDistribution(self, hurdle=True)

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        own, logit = predictors[:, :-1], predictors[:, -1]
        m, k = predictors.shape
        sign = np.where(targets[:, 0] > 0, 1.0, -1.0)
        value, gradient, curvature = _blank(m, k, order)
        rows = np.flatnonzero(sign > 0)
        _place(self.count_loss.derivatives(targets[rows], own[rows], order), rows, value, gradient, curvature)
        l0, l0_slope, l0_bend = self.zero_loss(own[rows], order)
        passed, passed_slope, passed_bend = LOGIT.yes(sign * logit)
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            value[rows] += np.log(-np.expm1(-l0))
            value += passed
            if order == 0:
                return RowDerivatives(value)
            assert gradient is not None
            assert l0_slope is not None
            # log(1 - exp(-l0)) has the slope t = 1 / (exp(l0) - 1) in l0, and the curvature -t (1 + t).
            t = 1.0 / np.expm1(l0)
            first = l0_slope * t[:, None]
            gradient[rows, :-1] += first
            gradient[:, -1] = sign * passed_slope
            if order == 1:
                return RowDerivatives(value, gradient)
            assert curvature is not None
            assert l0_bend is not None
            outer = first[:, :, None] * first[:, None, :] + first[:, :, None] * l0_slope[:, None, :]
            curvature[rows, :-1, :-1] += l0_bend * t[:, None, None] - outer
            curvature[:, -1, -1] = passed_bend
        return RowDerivatives(value, gradient, curvature)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m,) and predictors (m, k)."""
        own, logit = _own(predictors), predictors[..., -1]
        count = self.count_loss.formula(operations, targets, own)
        l0 = self.count_loss.formula(operations, 0.0 * targets, own)
        above = operations.softplus(-logit) + count + operations.log1p(-operations.exp(-l0))
        return operations.where(targets == 0.0, operations.softplus(logit), above)

    def _passed(self, predictors: Array) -> tuple[Array, Array]:
        """The probability of a count above zero, and the mean of such counts."""
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            l0 = self.zero_loss(predictors[:, :-1], 0).value
            mean = self.count_mean(predictors) / -np.expm1(-l0)
        return LOGIT.probability(predictors[:, -1]), np.where(np.isnan(mean), 1.0, mean)

    def predict(self, predictors: Array) -> Array:
        """The mean of all rows, p mu / (1 - f(0)): (m, 1)."""
        probability, mean = self._passed(predictors)
        return (probability * mean)[:, None]

    def variance(self, predictors: Array) -> Array:
        probability, mean = self._passed(predictors)
        own = self.count_mean(predictors)
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            # E y^2 above zero is (variance + mu^2) / (1 - f0), and mean = mu / (1 - f0).
            square = mean * (self.count_variance(predictors) / own + own)
            found = probability * (square - probability * mean * mean)
        return np.maximum(np.where(np.isnan(found), 0.0, found), 0.0)[:, None]

    def start(self, targets: Array) -> Array:
        y = targets[:, 0]
        above = float((y > 0).sum()) + 0.5
        return np.concatenate([self.start_of_counts(y), [np.log(above / (len(y) + 1.0 - above))]])


@dataclass(frozen=True)
class TwoPartDistribution(Distribution):
    """Of a count given all linear predictors."""

    loss: _TwoParts
    hurdle: bool

    discrete = True
    has_quantiles = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        own, logit = predictors[:, :-1], predictors[:, -1:]
        base = self.loss.count_loss.distribution
        assert base is not None
        # Of a distribution whose every row is a column for one that has a single predictor.
        below, above, _ = base.tails(targets, own, None)
        here = np.exp(-self.loss.derivatives(targets, predictors, 0).value)[:, None]
        counted = LOGIT.probability(logit) if self.hurdle else LOGIT.probability(-logit)
        zero = LOGIT.probability(-logit) if self.hurdle else LOGIT.probability(logit)
        if self.hurdle:
            f0 = np.exp(-self.loss.zero_loss(own, 0).value)[:, None]
            below, above = (below - f0) / (1.0 - f0), np.where(targets > 0, above / (1.0 - f0), 1.0)
        return Tails(np.where(targets > 0, zero + counted * below, 0.0), counted * above, here)

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array:
        """The uncertainty of the log mean is mixed over; those of the zeros and of the dispersion are left out."""
        mean = predictors[:, :1]

        def cumulative(y: Array, nodes: Array) -> Array:
            return 1.0 - self.tails(y, np.concatenate([nodes, predictors[:, 1:]], axis=1), None).above

        largest = np.concatenate([mean + 8.0 * errors[:, :1], predictors[:, 1:]], axis=1)
        spread = np.sqrt(self.loss.count_variance(largest))[:, None]
        wide = 1.0 if self.loss.dispersion is None else np.maximum(1.0, np.exp(0.5 * predictors[:, 1:2]))
        high = np.ceil(np.exp(largest[:, :1]) + 40.0 * spread * wide + 40.0)
        return count_quantile(mixed(cumulative, mean, errors[:, :1]), probability, high)


def _own(predictors: Any) -> Any:
    """The counts' own predictors as their formula sees them: (m,) where it is one."""
    return predictors[..., 0] if predictors.shape[-1] == 2 else predictors[..., :-1]


def _blank(m: int, k: int, order: int) -> tuple[Array, Array | None, Array | None]:
    return np.zeros(m), np.zeros((m, k)) if order else None, np.zeros((m, k, k)) if order == 2 else None


def _place(found: RowDerivatives, rows: Any, value: Array, gradient: Array | None, curvature: Array | None) -> None:
    """Writes the counts' derivatives into their rows and predictors."""
    value[rows] = found.value
    if gradient is not None:
        gradient[rows, :-1] = found.gradient
    if curvature is not None:
        curvature[rows, :-1, :-1] = found.curvature


def _parts(loss: str, counts: str, dispersion: str | None) -> tuple[str, str | None]:
    if counts not in _COUNTS:
        raise LossError(f"loss {loss}: counts must be one of {', '.join(_COUNTS)}, not {counts!r}")
    if counts == "poisson":
        if dispersion is not None:
            raise LossError(f"loss {loss}: a Poisson count has no dispersion; for one write counts='negative_binomial'")
        return counts, None
    if dispersion not in (None, "estimated", "varying"):
        raise LossError(f"loss {loss}: dispersion must be 'estimated' or 'varying', not {dispersion!r}")
    return counts, dispersion or "estimated"


def zero_inflated(counts: str = "poisson", dispersion: str | None = None) -> ZeroInflated:
    """Counts among which some rows are always zero.

    The last linear predictor is the log odds of being such a row. Lambert (1992), Technometrics 34.

    Parameters
    ----------
    counts : {"poisson", "negative_binomial"}, default "poisson"
        The distribution of the rows that count.
    dispersion : {"estimated", "varying"}, optional
        Of negative binomial counts: one number for all rows, unless "varying", or where each linear predictor has its own formula.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another distribution, and for a dispersion of Poisson counts.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.zero_inflated("negative_binomial").predictor_names(1)
    ('log_mean', 'log_dispersion', 'log_odds_of_zero')
    """
    return ZeroInflated(*_parts("zero_inflated", counts, dispersion))


def hurdle(counts: str = "poisson", dispersion: str | None = None) -> Hurdle:
    """Counts in two steps: whether there are any, and how many there are then.

    The last linear predictor is the log odds of a count above zero; the others are of counts cut off at one. Mullahy (1986), J.
    Econometrics 33.

    Parameters
    ----------
    counts : {"poisson", "negative_binomial"}, default "poisson"
        The distribution that is cut off.
    dispersion : {"estimated", "varying"}, optional
        Of negative binomial counts: one number for all rows, unless "varying", or where each linear predictor has its own formula.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another distribution, and for a dispersion of Poisson counts.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.hurdle().predictor_names(1)
    ('log_mean', 'log_odds_above_zero')
    """
    return Hurdle(*_parts("hurdle", counts, dispersion))
