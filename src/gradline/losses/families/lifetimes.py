"""Times until an event, some of which are censored: Weibull, exponential, log-normal and log-logistic.

log t = eta_1 + exp(eta_2) e, e with a standard distribution. A row whose event was not seen by time t counts by the probability of a longer
time. Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, chapter 3; R's survival::survreg.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.defaults import LossDefaults
from gradline.losses.distribution import Distribution, Tails, bisect, mixed
from gradline.losses.links import LOG_ROOT_TWO_PI, LOGIT, PROBIT, Derived
from gradline.losses.links import log_normal as log_normal_cdf
from gradline.losses.operations import Operations


class Errors:
    """The standard distribution of the error e: -log of its density and of its upper tail, with two derivatives."""

    median = 0.0

    def density(self, z: Array) -> Derived:
        raise NotImplementedError

    def tail(self, z: Array) -> Derived:
        raise NotImplementedError

    def formula_density(self, operations: Operations, z: Any) -> Any:
        raise NotImplementedError

    def formula_tail(self, operations: Operations, z: Any) -> Any:
        raise NotImplementedError


class LowestOfMany(Errors):
    """Gumbel's distribution of the least: log of a Weibull time."""

    median = math.log(math.log(2.0))

    def density(self, z: Array) -> Derived:
        u, _, _ = self.tail(z)
        return u - z, u - 1.0, u

    def tail(self, z: Array) -> Derived:
        with np.errstate(over="ignore", under="ignore"):
            u = np.exp(z)
        return u, u, u

    def formula_density(self, operations: Operations, z: Any) -> Any:
        return operations.exp(z) - z

    def formula_tail(self, operations: Operations, z: Any) -> Any:
        return operations.exp(z)


class NormalErrors(Errors):
    """The normal distribution: log of a log-normal time."""

    def density(self, z: Array) -> Derived:
        return 0.5 * z * z + LOG_ROOT_TWO_PI, z, np.ones(z.shape)

    def tail(self, z: Array) -> Derived:
        return PROBIT.no(z)

    def formula_density(self, operations: Operations, z: Any) -> Any:
        return 0.5 * z * z + LOG_ROOT_TWO_PI

    def formula_tail(self, operations: Operations, z: Any) -> Any:
        return -log_normal_cdf(operations, -z)


class LogisticErrors(Errors):
    """The logistic distribution: log of a log-logistic time."""

    def density(self, z: Array) -> Derived:
        value, slope, bend = LOGIT.no(z)
        return 2.0 * value - z, 2.0 * slope - 1.0, 2.0 * bend

    def tail(self, z: Array) -> Derived:
        return LOGIT.no(z)

    def formula_density(self, operations: Operations, z: Any) -> Any:
        return 2.0 * operations.softplus(z) - z

    def formula_tail(self, operations: Operations, z: Any) -> Any:
        return operations.softplus(z)


_ERRORS: Mapping[str, Errors] = {
    "weibull": LowestOfMany(),
    "exponential": LowestOfMany(),
    "log_normal": NormalErrors(),
    "log_logistic": LogisticErrors(),
}


@dataclass(frozen=True)
class LifetimeDistribution(Distribution):
    """Of a time; of a censored one all that is longer."""

    loss: str

    discrete = True
    """A censored time leaves open where in its tail the event fell: the point is drawn."""
    in_whole_numbers = False
    has_quantiles = True

    def quantile(self, predictors: Array, errors: Array, probability: float, dispersion: Array | None) -> Array:
        """Of a time that is seen. The uncertainty of the location is mixed over; the scale's is left out."""
        location = predictors[:, :1]
        scale = np.exp(predictors[:, 1:]) if predictors.shape[1] == 2 else np.ones(location.shape)
        law = _ERRORS[self.loss]

        def cumulative(y: Array, nodes: Array) -> Array:
            return np.asarray(-np.expm1(-law.tail((y - nodes) / scale)[0]))

        width = 8.0 * errors[:, :1] + 40.0 * scale
        return np.exp(bisect(mixed(cumulative, location, errors[:, :1]), probability, location - width, location + width))

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        time, event = _time_and_event(targets)
        scale = np.exp(predictors[:, 1]) if predictors.shape[1] == 2 else 1.0
        z = (np.log(time) - predictors[:, 0]) / scale
        longer = _ERRORS[self.loss].tail(z)[0]
        above, below = np.exp(-longer)[:, None], -np.expm1(-longer)[:, None]
        seen = event[:, None] == 1
        return Tails(below, np.where(seen, above, 0.0), np.where(seen, 0.0, above))


@dataclass(frozen=True)
class _Lifetime(LossDefaults):
    """-log density of an event seen at time t, -log P(T > t) of a row censored then.

    Targets: the time and whether the event was seen (1 or 0), two columns; or the time alone, all events seen. Not convex in location and
    log scale together.
    """

    is_likelihood = True
    lowest_target = 0.0
    takes_pairs = True

    @property
    def errors(self) -> Errors:
        return _ERRORS[self.name]

    @property
    def has_scale(self) -> bool:
        """Whether the second linear predictor is there, log of the errors' scale."""
        return True

    @property
    def distribution(self) -> LifetimeDistribution:
        return LifetimeDistribution(self.name)

    def n_predictors(self, n_targets: int) -> int:
        if n_targets > 2:
            raise LossError(f"loss {self.name} takes a time and whether its event was seen, two columns, but there are {n_targets}")
        return 2 if self.has_scale else 1

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("location", "log_scale") if self.has_scale else ("location",)

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        self.n_predictors(targets.shape[1])
        time, event = _time_and_event(targets)
        bad = ~((time > 0) & np.isfinite(time))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            more = "; a row censored at time 0 tells nothing: leave it out" if event[row] == 0 and time[row] == 0 else ""
            raise LossError(f"loss {self.name}: row {first_row + row} holds the time {time[row]:.15g}; times must be above 0{more}")
        bad = (event != 0) & (event != 1)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise LossError(
                f"loss {self.name}: row {first_row + row} holds {event[row]:.15g} for whether its event was seen; that is 1 where it was"
                " and 0 where the time is censored"
            )

    def bind(self, targets: Array, offset: Array | None = None) -> _Lifetime:
        found = super().bind(targets, offset)
        if len(targets) > 1 and not _time_and_event(targets)[1].any():
            raise LossError(
                f"loss {self.name}: every time is censored (the second target column is 0 in all rows), so that longer times fit ever"
                " better; if 1 marks the censored rows, give 1 minus that column"
            )
        return found

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        time, event = _time_and_event(targets)
        m, k = predictors.shape
        log_time = np.log(time)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            log_scale = predictors[:, 1] if k == 2 else np.zeros(m)
            precision = np.exp(-log_scale)
            z = (log_time - predictors[:, 0]) * precision
            value, slope, bend = np.empty(m), np.empty(m), np.empty(m)
            for rows, part in ((np.flatnonzero(event == 1), self.errors.density), (np.flatnonzero(event != 1), self.errors.tail)):
                value[rows], slope[rows], bend[rows] = part(z[rows])
            value += event * (log_scale + log_time)
            if order == 0:
                return RowDerivatives(value)
            gradient = np.empty((m, k))
            gradient[:, 0] = -slope * precision
            if k == 2:
                gradient[:, 1] = event - z * slope
            if order == 1:
                return RowDerivatives(value, gradient)
            curvature = np.empty((m, k, k))
            curvature[:, 0, 0] = bend * precision * precision
            if k == 2:
                curvature[:, 0, 1] = curvature[:, 1, 0] = (slope + z * bend) * precision
                curvature[:, 1, 1] = z * slope + z * z * bend
        return RowDerivatives(value, gradient, curvature)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m, 2), or times (m,), and predictors (m, 2), or (m,) without a scale."""
        time, event = (targets, 0.0 * targets + 1.0) if len(targets.shape) == 1 else (targets[..., 0], targets[..., 1])
        location, log_scale = (predictors[..., 0], predictors[..., 1]) if self.has_scale else (predictors, 0.0 * predictors)
        log_time = operations.log(time)
        z = (log_time - location) * operations.exp(-log_scale)
        seen = self.errors.formula_density(operations, z) + log_scale + log_time
        return operations.where(event == 1.0, seen, self.errors.formula_tail(operations, z))

    def predict(self, predictors: Array) -> Array:
        """The median time: (m, 1)."""
        with np.errstate(over="ignore", under="ignore"):
            scale = np.exp(predictors[:, 1:2]) if self.has_scale else 1.0
            return np.exp(predictors[:, :1] + scale * self.errors.median)

    def observed(self, targets: Array) -> Array:
        """The time."""
        return targets[:, :1]

    def observed_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        return (target_names[0],)

    def start(self, targets: Array) -> Array:
        """Of the log times as if all were events, moved up by the share that are not; the scale is that of their spread."""
        time, event = _time_and_event(targets)
        log_time = np.log(time)
        location = float(log_time.mean()) - math.log(max(float(event.mean()), 1e-3))
        if not self.has_scale:
            return np.array([location])
        spread = float(log_time.std())
        return np.array([location, math.log(spread) if spread > 0 else 0.0])


@dataclass(frozen=True)
class _ScaledLifetime(_Lifetime):
    """scale "estimated": log_scale is one number for all rows; "varying": it may depend on the columns."""

    scale: str = "estimated"

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return (False, True) if self.scale == "estimated" else ()

    def with_own_formulas(self) -> _ScaledLifetime:
        return replace(self, scale="varying")


_TIMES = (
    "a coefficient is the change of the log of time when its column rises by one: exp(coefficient) multiplies every quantile of the time"
)


@dataclass(frozen=True)
class Weibull(_ScaledLifetime):
    """Weibull times: the hazard rises as t^(1 / scale - 1)."""

    name = "weibull"
    meaning = _TIMES + "; exp(-coefficient / scale) multiplies the hazard, scale = exp(log_scale)"


@dataclass(frozen=True)
class LogNormal(_ScaledLifetime):
    """Normal log times."""

    name = "log_normal"
    meaning = _TIMES


@dataclass(frozen=True)
class LogLogistic(_ScaledLifetime):
    """Logistic log times: the odds of a longer time are multiplied."""

    name = "log_logistic"
    meaning = _TIMES + "; exp(coefficient / scale) multiplies the odds of a longer time, scale = exp(log_scale)"


@dataclass(frozen=True)
class Exponential(_Lifetime):
    """Weibull times of scale 1: a constant hazard exp(-eta).

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=500)
    >>> years = rng.exponential(np.exp(1 + 0.5 * x))
    >>> gl.fit(x, years, loss=gl.losses.exponential).coefficients.round(1)
    array([1. , 0.5])
    """

    name = "exponential"
    meaning = _TIMES + ", and exp(-coefficient) the hazard"
    has_scale = False
    is_convex = True


exponential = Exponential()


def _time_and_event(targets: Array) -> tuple[Array, Array]:
    return targets[:, 0], np.ones(len(targets)) if targets.shape[1] == 1 else targets[:, 1]


def _scale(loss: str, scale: str) -> str:
    if scale not in ("estimated", "varying"):
        raise LossError(f"loss {loss}: scale must be 'estimated' or 'varying', not {scale!r}")
    return scale


def weibull(scale: str = "estimated") -> Weibull:
    """Weibull times until an event, right-censored or not.

    log t = location + exp(log_scale) e. Kalbfleisch and Prentice (2002), chapter 3; the parameters are those of R's survival::survreg.

    Parameters
    ----------
    scale : {"estimated", "varying"}, default "estimated"
        One number for all rows, unless "varying", or where each linear predictor has its own formula.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another word.

    Examples
    --------
    Two columns of targets: the time, and 1 where the event was seen or 0 where the time is censored.

    >>> import gradline as gl
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    >>> fit = gl.fit(x, np.array([[1.2, 1], [1.9, 1], [2.5, 0], [6.0, 1], [9.0, 1]]), loss=gl.losses.weibull())
    >>> fit.predict(np.array([[2.0]])).round(1).tolist()
    [3.4]
    """
    return Weibull(_scale("weibull", scale))


def log_normal(scale: str = "estimated") -> LogNormal:
    """Log-normal times until an event, right-censored or not.

    Parameters
    ----------
    scale : {"estimated", "varying"}, default "estimated"
        One number for all rows, unless "varying", or where each linear predictor has its own formula.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another word.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.log_normal().predictor_names(2)
    ('location', 'log_scale')
    """
    return LogNormal(_scale("log_normal", scale))


def log_logistic(scale: str = "estimated") -> LogLogistic:
    """Log-logistic times until an event, right-censored or not.

    Parameters
    ----------
    scale : {"estimated", "varying"}, default "estimated"
        One number for all rows, unless "varying", or where each linear predictor has its own formula.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another word.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.log_logistic().is_convex
    False
    """
    return LogLogistic(_scale("log_logistic", scale))
