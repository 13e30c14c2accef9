"""A fit's curves drawn out: values, standard errors and bands on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtrit

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import nearest
from gradline.formulas.curves import Curve, curves_of
from gradline.formulas.shapes import shapes_of, without_options
from gradline.smoothing.terms import FittedCurve

if TYPE_CHECKING:
    from gradline.model.record import Model

DRAWS = 10_000
"""Of the curve, for a simultaneous band: its level is then off by half a percent at most."""


@dataclass(frozen=True, eq=False)
class CurveBand:
    """One curve on a grid, as its part of the linear predictor.

    name: of the curve. variables: what it is a curve of, d of them. values (m, d): the grid. estimate, standard_errors (m,). lower, upper
    (m,): the pointwise band, which holds each value of the curve with the probability ``level``, averaged over the grid.
    simultaneous_lower, simultaneous_upper (m,): the band that holds the whole curve with that probability.

    Of a curve within constraints the bands are those of the fit without them, and the simultaneous one is cut to what a curve that is held
    increasing or decreasing can reach: it holds the whole curve as often as before where the curve is so. NaN where nothing is left.
    """

    name: str
    variables: tuple[str, ...]
    values: Array
    estimate: Array
    standard_errors: Array
    lower: Array
    upper: Array
    simultaneous_lower: Array
    simultaneous_upper: Array
    level: float


def fitted_curve(fit: Model, name: str | None) -> FittedCurve:
    """The curve of that name; options after the columns may be left out where no two differ by them alone."""
    if not fit.curves:
        raise ArgumentError("the model has no curves: write one as s(x) in its formula")
    if name is None:
        if len(fit.curves) > 1:
            raise ArgumentError(f"the model has {len(fit.curves)} curves; name one of {', '.join(own.name for own in fit.curves)}")
        return fit.curves[0]
    found = [own for own in fit.curves if own.name == name] or [own for own in fit.curves if without_options(own.name) == name]
    if len(found) == 1:
        return found[0]
    names = [own.name for own in fit.curves]
    near = nearest(name, names)
    hint = f"did you mean {near[0]!r}?" if near and not found else f"it has {', '.join(names[:8])}"
    raise ArgumentError(f"the model has {'several curves' if found else 'no curve'} {name!r}; {hint}")


def learned_curve(fit: Model, own: FittedCurve) -> Curve:
    """What the formula learned for a curve."""
    assert fit.encoder is not None
    return next(curve for curve in curves_of(fit.encoder) if curve.start == own.start)


def curve_band(fit: Model, name: str | None = None, at: Any = None, points: int = 100, level: float = 0.95) -> CurveBand:
    """See :meth:`gradline.Fit.curve`."""
    if not 0.0 < level < 1.0:
        raise ArgumentError(f"level must be between 0 and 1, not {level!r}")
    own = fitted_curve(fit, name)
    curve = learned_curve(fit, own)
    values = _grid(curve, points) if at is None else _given(at, curve)
    basis = curve.basis(values)
    estimate = basis @ fit.solution.coefficients[own.start : own.stop, own.predictor]
    errors, half, wide = np.full(len(values), np.nan), np.nan, np.nan
    covariance = None if fit.inference is None else fit.inference.covariance
    about = fit.estimate if covariance is None or covariance.estimates is None else covariance.estimates
    centre = basis @ about[own.start : own.stop, own.predictor]
    if covariance is not None:
        size = fit.solution.coefficients.shape[0]
        factor = covariance.factor[own.predictor * size + own.start : own.predictor * size + own.stop]
        if covariance.signs is not None:
            raise InferenceError("a covariance of two ways of clusters gives no bands; ask for another kind")
        spread = np.asarray(np.linalg.qr(factor.T, mode="r")).T
        images = basis @ spread
        errors = np.sqrt(np.einsum("ij,ij->i", images, images))
        degrees = covariance.degrees_of_freedom
        chance = 0.5 + 0.5 * level
        half = float(ndtri(chance) if degrees is None else stdtrit(degrees, chance))
        wide = _simultaneous(images, errors, degrees, level)
    whole = _cut(centre - wide * errors, centre + wide * errors, values[:, 0], _direction(fit, own, curve))
    if (np.isnan(whole[0]) & ~np.isnan(errors)).any():
        warn(f"nothing is left of the band of {own.name} within the constraints: the data does not support them; see test_constraints()")
    return CurveBand(
        own.name,
        curve.variables,
        values,
        estimate,
        errors,
        centre - half * errors,
        centre + half * errors,
        *whole,
        level,
    )


def _simultaneous(images: Array, errors: Array, degrees: float | None, level: float) -> float:
    """How many standard errors hold the whole curve: a quantile of the largest standardised deviation of draws (Ruppert, Wand and Carroll
    2003, Semiparametric Regression, section 6.5)."""
    there = errors > 0
    if not there.any():
        return 0.0
    generator = np.random.default_rng(0)
    scaled = images[there] / errors[there, None]
    largest = np.empty(0)
    for _ in range(DRAWS // 1000):
        draws = generator.standard_normal((scaled.shape[1], 1000))
        if degrees is not None:
            draws /= np.sqrt(generator.chisquare(degrees, 1000) / degrees)
        largest = np.concatenate([largest, np.abs(scaled @ draws).max(axis=0)])
    return float(np.quantile(largest, level))


def _direction(fit: Model, own: FittedCurve, curve: Curve) -> int:
    """1 where the fit holds the curve increasing at every point, -1 where decreasing, 0 elsewhere."""
    held = fit.constraints
    if held is None or held.inference == "face" or len(curve.variables) > 1:
        return 0
    assert fit.encoder is not None
    rows = next(shape.rising for shape in shapes_of(fit.encoder, curve.node.key, None, None) if shape.columns[0] == own.start)
    if rows is None:
        return 0
    size = fit.solution.coefficients.shape[0]
    asked = held.polyhedron.matrix[held.polyhedron.right == 0.0]
    for sign in (1, -1):
        wanted = np.zeros((len(rows), asked.shape[1]))
        wanted[:, own.predictor * size + own.start : own.predictor * size + own.stop] = sign * rows
        if all((np.abs(asked - row).max(axis=1) <= 1e-12).any() for row in wanted):
            return sign
    return 0


def _cut(lower: Array, upper: Array, x: Array, direction: int) -> tuple[Array, Array]:
    """A band for a whole curve, cut to what a monotone one within it reaches: it has been as high as its highest lower end so far."""
    if not direction:
        return lower, upper
    order = np.argsort(direction * x, kind="stable")
    low, high = np.empty_like(lower), np.empty_like(upper)
    low[order] = np.fmax.accumulate(lower[order])
    high[order] = np.fmin.accumulate(upper[order][::-1])[::-1]
    empty = low > high
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _grid(curve: Curve, points: int) -> Array:
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise ArgumentError(f"points must be a whole number from 2 up, not {points!r}")
    axes = [np.linspace(low, high, points) for low, high in zip(curve.low, curve.high, strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def _given(at: Any, curve: Curve) -> Array:
    values = np.asarray(at, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != len(curve.variables):
        raise ArgumentError(f"at= of {curve.name} holds a column for each of {', '.join(curve.variables)}, and its shape is {values.shape}")
    return values
