"""Standard errors turned into statistics, p-values and confidence intervals, for coefficients and for the mean at new rows.

Student's t with the covariance's degrees of freedom where it has them, the normal otherwise. Taken from scipy.special, since importing
scipy.stats takes longer than a small fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri, stdtr, stdtrit

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
    stay where predictions can be. A probability made of several (multinomial, ordinal) has the delta method on the scale of its logit, so
    that it stays between 0 and 1; other predictions of several linear predictors have it on their own scale.
    """
    sources = _sources(loss, predictors)
    if sources is not None:
        linear = linear_interval(design, predictors, covariance, level)
        ends = []
        for end in linear:
            ends.append(_outputs(loss, end))
        return Interval(np.minimum(*ends), np.maximum(*ends))
    factor = critical_value(level, covariance.degrees_of_freedom)
    forward = _logits if loss.predicts_probabilities else _outputs
    centre = forward(loss, predictors)
    with np.errstate(invalid="ignore"):
        reach = factor * _delta_errors(design, predictors, covariance, loss, forward)
        lower, upper = centre - reach, centre + reach
    if not loss.predicts_probabilities:
        return Interval(lower, upper)
    # A probability of 0 or 1, to the last digit, has no logit.
    outputs = _outputs(loss, predictors)
    none = np.isinf(centre)
    return Interval(np.where(none, outputs, expit(lower)), np.where(none, outputs, expit(upper)))


def probability_interval(probabilities: Array, errors: Array, covariance: Covariance, level: float = 0.95) -> Interval:
    """The confidence interval of probabilities, or of averages of them, by the delta method on the scale of the logit: the standard error
    of log(p / (1 - p)) is that of p over p (1 - p). One of 0 or 1 has itself as both ends."""
    inside = (probabilities > 0.0) & (probabilities < 1.0)
    safe = np.where(inside, probabilities, 0.5)
    centre = logit(safe)
    reach = critical_value(level, covariance.degrees_of_freedom) * errors / (safe * (1.0 - safe))
    ends = (expit(centre - reach), expit(centre + reach))
    return Interval(*(np.where(inside, end, probabilities) for end in ends))


def _outputs(loss: Loss, predictors: Array) -> Array:
    outputs = np.asarray(loss.predict(predictors), dtype=np.float64)
    return outputs[:, None] if outputs.ndim == 1 else outputs


def _logits(loss: Loss, predictors: Array) -> Array:
    """Of probabilities of classes. What is left of one is the sum of the others, which keeps its digits where the one is near 1."""
    found = _outputs(loss, predictors)
    with np.errstate(divide="ignore", invalid="ignore"):
        if found.shape[1] == 1:
            return np.asarray(logit(found))
        others = found @ (1.0 - np.eye(found.shape[1]))
        return np.asarray(np.log(found) - np.log(others))


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


def _delta_errors(design: Design, predictors: Array, covariance: Covariance, loss: Loss, forward: Callable[[Loss, Array], Array]) -> Array:
    """Standard errors of what ``forward`` makes of linear predictors, by its derivatives in them (central differences), (m, outputs)."""
    total: Array | None = None
    for a in range(predictors.shape[1]):
        step = 1e-5 * np.maximum(1.0, np.abs(predictors[:, a]))
        above, below = predictors.copy(), predictors.copy()
        above[:, a] += step
        below[:, a] -= step
        slope = (forward(loss, above) - forward(loss, below)) / (2.0 * step)[:, None]
        part = slope[:, :, None] * design.predict(covariance.factors[a])[:, None, :]
        total = part if total is None else total + part
    assert total is not None
    return covariance.root_of_squares(total)
