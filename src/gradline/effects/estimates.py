"""Estimates with their errors: differences and ratios of quantities, intervals and p-values, adjusted for how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr, stdtr

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.intervals import check_level, critical_value

Measure = Literal["difference", "ratio"]
Adjust = Literal["holm", "bonferroni", "tukey"] | None

ROUNDING = 1e-9
"""Of a standard error: an estimate that is nothing beside it."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """values (..., ): the estimates. images (..., r): their derivatives times the factor of the covariance. draws (R, ...): at other
    coefficients, or None. null: what is tested, 0, or 1 for ratios, which are taken by their logarithm."""

    values: Array
    images: Array
    draws: Array | None
    null: float = 0.0

    def __getitem__(self, places: Any) -> Estimates:
        drawn = None if self.draws is None else self.draws[(slice(None), *(places if isinstance(places, tuple) else (places,)))]
        return Estimates(self.values[places], self.images[places], drawn, self.null)


def of_quantities(values: Array, images: Array, draws: Array | None) -> Estimates:
    """The quantities themselves."""
    return Estimates(values, images, draws)


def difference(first: Estimates, second: Estimates) -> Estimates:
    """first - second."""
    drawn = None if first.draws is None or second.draws is None else first.draws - second.draws
    return Estimates(first.values - second.values, first.images - second.images, drawn)


def ratio(first: Estimates, second: Estimates) -> Estimates:
    """first / second. Raises InferenceError unless both are above zero."""
    if not ((first.values > 0).all() and (second.values > 0).all()):
        raise InferenceError("a ratio is of predictions above zero, and some of these are not: ask for differences")
    found = first.values / second.values
    images = (first.images - found[..., None] * second.images) / second.values[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = None if first.draws is None or second.draws is None else first.draws / second.draws
    return Estimates(found, images, drawn, 1.0)


def weighted(weights: Array, of: Estimates, axis: int) -> Estimates:
    """Sums of the estimates along an axis, one for each row of the weights (s, n)."""
    values = np.moveaxis(np.tensordot(weights, of.values, (1, axis)), 0, axis)
    images = np.moveaxis(np.tensordot(weights, of.images, (1, axis)), 0, axis)
    drawn = None if of.draws is None else np.moveaxis(np.tensordot(weights, of.draws, (1, axis + 1)), 0, axis + 1)
    return Estimates(values, images, drawn)


def joined(parts: list[Estimates]) -> Estimates:
    """One after the other, each (n,)."""
    drawn = None if parts[0].draws is None else np.concatenate([np.asarray(part.draws) for part in parts], axis=1)
    return Estimates(np.concatenate([p.values for p in parts]), np.concatenate([p.images for p in parts]), drawn, parts[0].null)


def with_errors(
    of: Estimates,
    covariance: Covariance,
    level: float,
    adjust: Adjust = None,
    families: Array | None = None,
    size: int = 0,
    stretched: bool = False,
) -> dict[str, list[Any]]:
    """The columns of a table: estimate, standard_error, t or z, p_value, lower, upper; estimates (n,).

    adjust: for several tests at once. families (n,): which estimates count together. size: of how many levels Tukey's pairs are.
    stretched: whether the one draw is the estimate, and errors and intervals are about the values, stretched to it.
    """
    check_level(level)
    degrees = covariance.degrees_of_freedom
    if of.draws is not None and not stretched:
        return _by_draws(of, level, adjust, families)
    errors = covariance.root_of_squares(of.images)
    with np.errstate(divide="ignore", invalid="ignore"):
        if of.null == 1.0:
            centre, spread = np.log(of.values), errors / of.values
        else:
            centre, spread = of.values, errors
        statistic = np.where(spread > 0, centre / spread, np.nan)
    count = np.ones(len(statistic))
    if families is not None:
        names, owner = np.unique(families, return_inverse=True)
        count = np.bincount(owner, minlength=len(names))[owner].astype(np.float64)
    raw = 2.0 * (ndtr(-np.abs(statistic)) if degrees is None else stdtr(degrees, -np.abs(statistic)))
    if adjust == "tukey":
        p_values, reach = _tukey(statistic, degrees, level, size, raw)
    else:
        p_values = adjusted(raw, adjust, families)
        # Holm's steps give no interval of their own; Bonferroni's holds with it (as emmeans does).
        each = {number: critical_value(1.0 - (1.0 - level) / (number if adjust else 1.0), degrees) for number in np.unique(count)}
        reach = np.array([each[number] for number in count])
    lower, upper = centre - reach * spread, centre + reach * spread
    if of.null == 1.0:
        lower, upper = np.exp(lower), np.exp(upper)
    shown = of.values
    if stretched:
        assert of.draws is not None
        # A slope by differences of predictions keeps their rounding, and a coefficient that is held at zero has none.
        shown = np.where(np.abs(of.draws[0]) <= ROUNDING * errors, 0.0, of.draws[0])
        lower, upper = np.fmin(lower, shown), np.fmax(upper, shown)
    name = "z" if degrees is None else "t"
    return {
        "estimate": shown.tolist(),
        "standard_error": errors.tolist(),
        name: statistic.tolist(),
        "p_value": np.asarray(p_values).tolist(),
        "lower": lower.tolist(),
        "upper": upper.tolist(),
    }


def _by_draws(of: Estimates, level: float, adjust: Adjust, families: Array | None) -> dict[str, list[Any]]:
    """By the quantiles of a bootstrap."""
    assert of.draws is not None
    if adjust == "tukey":
        raise InferenceError('adjust="tukey" is of Student\'s studentized range; by a bootstrap take adjust="holm"')
    lower, upper = percentiles(of.draws, level)
    raw = share_beyond(of.draws, of.null)
    return {
        "estimate": of.values.tolist(),
        "standard_error": np.nanstd(of.draws, axis=0, ddof=1).tolist(),
        "p_value": adjusted(raw, adjust, families).tolist(),
        "lower": lower.tolist(),
        "upper": upper.tolist(),
    }


def percentiles(draws: Array, level: float) -> tuple[Array, Array]:
    """The two ends of the middle ``level`` of draws (R, ...): those of rank (R + 1) tail from either side, so that a further draw lies
    beyond with just that chance (Davison and Hinkley 1997, section 2.4)."""
    tail = 0.5 * (1.0 - check_level(level))
    ends = np.nanquantile(draws, [tail, 1.0 - tail], axis=0, method="weibull")
    return ends[0], ends[1]


def share_beyond(draws: Array, null: float | Array = 0.0) -> Array:
    """Two-sided: the least level at which the interval of the percentiles leaves ``null`` out, no less than 2 / (R + 1). Efron and
    Tibshirani (1993), section 15.4."""
    count = np.isfinite(draws).sum(axis=0)
    below, above = (draws <= null).sum(axis=0), (draws >= null).sum(axis=0)
    return np.asarray(np.minimum(1.0, 2.0 * (np.minimum(below, above) + 1.0) / (count + 1.0)))


def adjusted(p_values: Array, adjust: Adjust, families: Array | None = None) -> Array:
    """Holm (1979, Scandinavian J. Statistics 6) and Bonferroni, within each family of tests."""
    if adjust is None:
        return p_values
    if adjust not in ("holm", "bonferroni", "tukey"):
        raise InferenceError(f'adjust must be "holm", "bonferroni", "tukey" or None, not {adjust!r}')
    found = np.array(p_values)
    names = np.zeros(len(found)) if families is None else families
    for name in np.unique(names):
        places = np.flatnonzero(names == name)
        own = found[places]
        if adjust == "bonferroni":
            found[places] = np.minimum(1.0, own * len(own))
            continue
        order = np.argsort(own)
        stepped = np.maximum.accumulate(own[order] * (len(own) - np.arange(len(own))))
        found[places[order]] = np.minimum(1.0, stepped)
    return found


def _tukey(statistic: Array, degrees: float | None, level: float, size: int, raw: Array) -> tuple[Array, Array]:
    """Tukey's honest significant difference, by the studentized range of ``size`` means (Kramer 1956 for unequal counts)."""
    from scipy.stats import studentized_range

    free = np.inf if degrees is None else degrees
    p_values = studentized_range.sf(np.sqrt(2.0) * np.abs(statistic), size, free)
    # Far out it is one less a number that rounds to one; it lies between the p-value of one test and Bonferroni's.
    p_values = np.clip(p_values, raw, np.minimum(1.0, raw * size * (size - 1) / 2))
    reach = float(studentized_range.ppf(level, size, free)) / np.sqrt(2.0)
    return np.asarray(p_values), np.full(len(statistic), reach)
