"""Intervals for new targets, and which guarantee each carries.

squared: eta -+ t (n - p) root(sigma^2 / w + x' V x), exact for normal errors. poisson, negative_binomial, gamma, normal: quantiles of the
distribution. Everything else: the prediction plus signed quantiles of leave-one-out residuals (the jackknife of Barber, Candes, Ramdas and
Tibshirani 2021, Ann. Statist. 49, whose cover is asymptotic), over the loss's own spread where it has one. With calibration rows, for any
loss: split conformal (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, JASA 113), which covers at least the level whatever the
distribution, for rows exchangeable with those of the calibration, on average over both. Residual quantiles know nothing of where targets
end, so both ends are brought up to the lowest target that the loss is defined for: no target lies below it, so that nothing is lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.design.dense import Design
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.intervals import check_level, critical_value, linear_standard_errors
from gradline.inference.leave_one_out import ResidualQuantiles, spread
from gradline.losses.protocol import Loss
from gradline.rows.block import Block

_BIAS = "; the bias of the penalty not included"


class PredictionInterval(NamedTuple):
    """Two ends (m, q), and in words what they promise."""

    lower: Array
    upper: Array
    guarantee: str


def prediction_interval(
    design: Design,
    predictors: Array,
    covariance: Covariance | None,
    loss: Loss,
    *,
    level: float = 0.95,
    dispersion: Array | None = None,
    residuals: ResidualQuantiles | None = None,
    weights: Array | None = None,
    penalised: bool = False,
) -> PredictionInterval:
    """The interval that holds a new target at each row with probability ``level``.

    design, predictors (m, k): the rows and their linear predictors, offset included. dispersion (q,): of the fit. residuals: quantiles of
    the fit's leave-one-out residuals. weights (m,): precision of the new targets (squared loss), ones unless given. penalised: whether the
    coefficients are drawn to zero, which no interval from the covariance knows of.

    Raises ValueError for classes, and where what the loss needs is missing, saying what and how to get it.
    """
    tail = 0.5 * (1.0 - check_level(level))
    refuse_classes(loss)
    if weights is not None and loss.squared_scale() is None:
        raise InferenceError(f"weights of new rows are the precision of targets under squared loss; the loss is {loss.name!r}")
    if loss.squared_scale() is not None:
        if covariance is None or dispersion is None or not np.isfinite(dispersion).all():
            raise InferenceError(
                "a prediction interval needs the errors' variance, and this fit has none (too few rows for a degree of freedom, or no"
                " standard errors): fit more rows, or give calibration=data"
            )
        errors = linear_standard_errors(design, covariance)
        noise = dispersion[None, :] / (1.0 if weights is None else weights[:, None])
        reach = critical_value(level, covariance.degrees_of_freedom) * np.sqrt(noise + np.square(errors))
        return PredictionInterval(predictors - reach, predictors + reach, _normal_guarantee(covariance, penalised))
    if covariance is not None and loss.distribution is not None:
        errors = linear_standard_errors(design, covariance)
        lower = loss.distribution.quantile(predictors, errors, tail, dispersion)
        upper = loss.distribution.quantile(predictors, errors, 1.0 - tail, dispersion)
        if lower is not None and upper is not None:
            return PredictionInterval(lower, upper, f"where targets have the {loss.name} distribution" + (_BIAS if penalised else ""))
    if loss.takes_pairs:
        raise InferenceError(
            f"a new target of the loss {loss.name!r} is a share whose spread depends on its trials, which rows to predict do not tell:"
            ' interval="confidence" gives the uncertainty of the probability'
        )
    if residuals is None:
        raise InferenceError(
            f"a prediction interval for the loss {loss.name!r} needs the quantiles of leave-one-out residuals, which this fit does not hold"
            " (its curvature is singular, a row has leverage 1, or its predictions are not of the targets): give calibration=data"
        )
    lower, upper = _around(loss, predictors, residuals.at(tail), residuals.at(1.0 - tail), residuals.scaled)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        raise InferenceError(
            f"a {level:.6g} prediction interval needs at least {math.ceil(1.0 / tail)} rows, and the fit has {residuals.count}: ask for a"
            " lower level=, or give calibration=data"
        )
    return PredictionInterval(lower, upper, "jackknife, asymptotic: where errors are alike in all rows")


def _normal_guarantee(covariance: Covariance, penalised: bool) -> str:
    """Student's t is exact only where the same variance of the errors gave the covariance, of coefficients without bias."""
    if covariance.kind == "classical":
        return "for normal errors of one variance" + _BIAS if penalised else "exact for normal errors of one variance"
    return f"for normal errors of one variance, the coefficients' by the {covariance.kind} covariance" + (_BIAS if penalised else "")


class Calibration(NamedTuple):
    """Sorted residuals (m, q) of rows the fit has not seen, over the loss's spread where scaled."""

    residuals: Array
    scaled: bool


@dataclass(frozen=True)
class CalibrationKernel:
    """Residuals over the loss's own spread beside the row's frequency, 0 where its weight is zero: (m, q + 1)."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Array:
        refuse_classes(self.loss)
        predictors, q = block.linear_predictors(self.coefficients), block.targets.shape[1]
        outputs = np.asarray(self.loss.predict(predictors), dtype=np.float64)
        outputs = outputs[:, None] if outputs.ndim == 1 else outputs
        if outputs.shape != block.targets.shape:
            raise InferenceError(f"the loss {self.loss.name!r} predicts {outputs.shape[1]} numbers for {q} targets per row")
        residuals = block.targets - outputs
        scale = spread(self.loss, predictors, q)
        if scale is not None:
            residuals = residuals / scale
        return np.concatenate([residuals, block.row_counts[:, None]], axis=1)


def calibration_of(found: Array, loss: Loss, n_predictors: int) -> Calibration:
    """What the kernel found, sorted; rows that are NaN, for want of a value, are left out. Raises ValueError where no row is left."""
    found = found[~np.isnan(found).any(axis=1)]
    residuals = np.repeat(found[:, :-1], found[:, -1].astype(np.int64), axis=0)
    if not len(residuals):
        raise InferenceError("the calibration has no row with all its values and a weight above zero")
    scaled = spread(loss, np.zeros((1, n_predictors)), residuals.shape[1]) is not None
    return Calibration(np.sort(residuals, axis=0), scaled)


def conformal_interval(predictors: Array, calibration: Calibration, loss: Loss, level: float = 0.95) -> PredictionInterval:
    """Split conformal with equal tails at linear predictors (m, k), offset included. Raises ValueError where the calibration rows are too
    few for the level, saying how many it takes."""
    tail = 0.5 * (1.0 - check_level(level))
    n = len(calibration.residuals)
    # A hair of slack, so that rounding of 1 - level does not cost a rank.
    rank = math.floor((n + 1) * tail + 1e-9)
    if rank < 1:
        needed = math.ceil(1.0 / tail - 1e-9) - 1
        raise InferenceError(
            f"a {level:.6g} interval by split conformal needs at least {needed} calibration rows, and there are {n}: give more, or ask"
            " for a lower level="
        )
    low, high = calibration.residuals[rank - 1], calibration.residuals[n - rank]
    lower, upper = _around(loss, predictors, low, high, calibration.scaled)
    return PredictionInterval(lower, upper, "split conformal: at least the level, for rows exchangeable with the calibration's")


def _around(loss: Loss, predictors: Array, low: Array, high: Array, scaled: bool) -> tuple[Array, Array]:
    centre = np.asarray(loss.predict(predictors), dtype=np.float64)
    centre = centre[:, None] if centre.ndim == 1 else centre
    scale = spread(loss, predictors, centre.shape[1]) if scaled else None
    if scale is not None:
        low, high = low * scale, high * scale
    # Not fmax: where an input is missing the ends are NaN, and stay so.
    return np.maximum(centre + low, loss.lowest_target), np.maximum(centre + high, loss.lowest_target)


def refuse_classes(loss: Loss) -> None:
    """Raises ValueError where a target is a class, which has no interval."""
    if loss.target_kind != "number":
        raise InferenceError(
            f"the loss {loss.name!r} predicts a class, and an interval holds no part of a class: predict gives its probability, and"
            ' interval="confidence" the uncertainty of that'
        )
