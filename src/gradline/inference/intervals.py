"""Standard errors turned into statistics, p-values and confidence intervals, for coefficients and for the mean at new rows.

Student's t with the covariance's degrees of freedom where it has them, the normal otherwise. Taken from scipy.special, since importing
scipy.stats takes longer than a small fit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.base.types import Array
from gradline.design.dense import Design
from gradline.inference.covariance.estimate import Covariance
from gradline.losses.protocol import Loss


class Interval(NamedTuple):
    """Two ends, shaped like what they belong to."""

    lower: Array
    upper: Array


def check_level(level: float) -> float:
    """The level of an interval. Raises ValueError unless it is a number between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.integer | np.floating):
        raise ArgumentTypeError(f"level must be a number between 0 and 1, not {type(level).__name__} {level!r}")
    if not 0.0 < level < 1.0:
        hint = f"; did you mean {level / 100:g}?" if 1.0 < level < 100.0 else ""
        raise InferenceError(f"level must lie between 0 and 1, not {level:g}{hint}")
    return float(level)


def critical_value(level: float, degrees: float | None) -> float:
    """The two-sided quantile: of Student's t, or of the normal where degrees is None."""
    tail = 0.5 * (1.0 - check_level(level))
    # The lower tail is accurate where 1 - tail would round.
    return -float(ndtri(tail) if degrees is None else stdtrit(degrees, tail))


def statistics(coefficients: Array, covariance: Covariance) -> Array:
    """t or z, (P, k): coefficients, or what the errors are about, over their standard errors; NaN where there is none, or one of zero."""
    errors = covariance.standard_errors
    coefficients = coefficients if covariance.estimates is None else covariance.estimates
    return np.asarray(coefficients / np.where(errors > 0, errors, np.nan))


def p_values(coefficients: Array, covariance: Covariance) -> Array:
    """Two-sided, of the hypothesis that a coefficient is zero, (P, k)."""
    size = -np.abs(statistics(coefficients, covariance))
    degrees = covariance.degrees_of_freedom
    return np.asarray(2.0 * (ndtr(size) if degrees is None else stdtr(degrees, size)))


def coefficient_interval(coefficients: Array, covariance: Covariance, level: float = 0.95) -> Interval:
    """The confidence interval of every coefficient, (P, k) each; NaN where there is no standard error."""
    reach = critical_value(level, covariance.degrees_of_freedom) * covariance.standard_errors
    coefficients = coefficients if covariance.estimates is None else covariance.estimates
    return Interval(coefficients - reach, coefficients + reach)


def linear_standard_errors(design: Design, covariance: Covariance) -> Array:
    """Standard errors of the linear predictors at rows, (m, k)."""
    errors = [covariance.root_of_squares(design.predict(part)) for part in covariance.factors]
    return np.stack(errors, axis=1)


def linear_interval(design: Design, predictors: Array, covariance: Covariance, level: float = 0.95) -> Interval:
    """The confidence interval of the linear predictors (m, k), offset included, at rows."""
    reach = critical_value(level, covariance.degrees_of_freedom) * linear_standard_errors(design, covariance)
    return Interval(predictors - reach, predictors + reach)


def mean_interval(design: Design, predictors: Array, covariance: Covariance, loss: Loss, level: float = 0.95) -> Interval:
    """The confidence interval of the prediction, (m, outputs).

    Where each output depends on one linear predictor the ends are those of the linear predictor put through the forward pass, so that they
    stay where predictions can be; otherwise (multinomial probabilities, a user's prediction of several predictors) the delta method.
    """
    sources = _sources(loss, predictors)
    if sources is not None:
        linear = linear_interval(design, predictors, covariance, level)
        ends = []
        for end in linear:
            ends.append(_outputs(loss, end))
        return Interval(np.minimum(*ends), np.maximum(*ends))
    centre = _outputs(loss, predictors)
    reach = critical_value(level, covariance.degrees_of_freedom) * _delta_errors(design, predictors, covariance, loss)
    lower, upper = centre - reach, centre + reach
    if loss.target_kind == "class":
        lower, upper = np.maximum(lower, 0.0), np.minimum(upper, 1.0)
    return Interval(lower, upper)


def _outputs(loss: Loss, predictors: Array) -> Array:
    outputs = np.asarray(loss.predict(predictors), dtype=np.float64)
    return outputs[:, None] if outputs.ndim == 1 else outputs


def _sources(loss: Loss, predictors: Array) -> list[int] | None:
    """The one linear predictor each output depends on, found by moving them one by one; None where an output depends on several."""
    rows = predictors[: min(len(predictors), 20)]
    here = _outputs(loss, rows)
    depends = np.zeros((here.shape[1], predictors.shape[1]), dtype=np.bool_)
    for a in range(predictors.shape[1]):
        moved = rows.copy()
        moved[:, a] += 0.5
        depends[:, a] = (_outputs(loss, moved) != here).any(axis=0)
    return depends.argmax(axis=1).tolist() if (depends.sum(axis=1) <= 1).all() else None


def _delta_errors(design: Design, predictors: Array, covariance: Covariance, loss: Loss) -> Array:
    """Standard errors of outputs by their derivatives in the linear predictors (central differences), (m, outputs)."""
    total: Array | None = None
    for a in range(predictors.shape[1]):
        step = 1e-5 * np.maximum(1.0, np.abs(predictors[:, a]))
        above, below = predictors.copy(), predictors.copy()
        above[:, a] += step
        below[:, a] -= step
        slope = (_outputs(loss, above) - _outputs(loss, below)) / (2.0 * step)[:, None]
        part = slope[:, :, None] * design.predict(covariance.factors[a])[:, None, :]
        total = part if total is None else total + part
    assert total is not None
    return covariance.root_of_squares(total)
