"""Standard errors and what goes with them, as the summary and the table show them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.numbers import probability, short
from gradline.base.types import Array
from gradline.summary.parts import Fact

if TYPE_CHECKING:
    from gradline.inference.inference import Inference
    from gradline.model.record import Model
LEVEL = 0.95
"""Of the intervals in a summary, unless another is asked for."""


@dataclass(frozen=True)
class Uncertainty:
    """All (P, k): standard_errors; statistics, the coefficients over them, called "t" or "z"; p_values; lower and upper, the ends of the
    interval. NaN for a coefficient that was not estimated; None where intervals are not by standard errors. estimates: what all of it is
    about, where that is not the coefficients, and estimate_name what to call them."""

    standard_errors: Array | None
    statistics: Array | None
    statistic_name: str
    p_values: Array
    lower: Array
    upper: Array
    estimates: Array | None = None
    estimate_name: str = ""


def inference_of(fit: Model) -> Inference | None:
    """What the fit holds for inference, where it holds any."""
    return fit.inference


def uncertainty_of(fit: Model, level: float = LEVEL) -> Uncertainty | None:
    """The uncertainty of a fit's coefficients; None where it holds no covariance of them. level: of the intervals."""
    inference = inference_of(fit)
    if inference is not None and inference.selective is not None:
        held = inference.selective
        ends = held.interval(level)
        return Uncertainty(None, None, "", held.p_values, ends.lower, ends.upper, held.estimates, "on kept")
    if inference is None or inference.covariance is None:
        return None
    from gradline.inference.intervals import coefficient_interval, p_values, statistics
    from gradline.model.constrained import interval_within

    coefficients, covariance = fit.estimate, inference.covariance
    lower, upper = coefficient_interval(coefficients, covariance, level)
    if fit.constraints is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the summary says so itself
            lower, upper = interval_within(fit, level)
    return Uncertainty(
        covariance.standard_errors,
        statistics(coefficients, covariance),
        "z" if covariance.degrees_of_freedom is None else "t",
        p_values(coefficients, covariance),
        lower,
        upper,
        covariance.estimates,
        covariance.kind,
    )


def slopes_line(fit: Model) -> Iterator[Fact]:
    """The test that every slope is zero, where the covariance allows it."""
    inference = fit.inference
    # Of curves each has a test of its own, and a joint one of all their coefficients would not know of the penalty.
    if inference is None or inference.covariance is None or fit.curves:
        return
    try:
        found = fit.joint_test
    except ValueError as error:
        yield Fact("slopes", f"no joint test: {error}")
        return
    if found is not None and np.isfinite(found.statistic):
        degrees = f"{found.numerator}" if found.denominator is None else f"{found.numerator}, {short(found.denominator)}"
        law = "F" if found.distribution == "F" else "chi-squared"
        yield Fact("slopes", f"all zero? {law}({degrees}) = {short(found.statistic)}, p {_equals(probability(found.p_value))}")


def _equals(text: str) -> str:
    return f"{text[0]} {text[1:]}" if text.startswith("<") else f"= {text}"


def errors_line(inference: Inference) -> str:
    """Which standard errors these are, or why there are none."""
    covariance = inference.covariance
    if inference.selective is not None:
        return inference.selective.description
    if covariance is None:
        return f"none: {inference.unavailable.removeprefix('no standard errors: ')}"
    degrees = covariance.degrees_of_freedom
    law = "z, from the normal distribution" if degrees is None else f"t with {short(degrees)} degrees of freedom"
    return f"{covariance.kind}: {covariance.description}; {law}"


def measures(inference: Inference) -> Iterator[str]:
    """R-squared and its like: those that the loss has."""
    totals = inference.statistics
    for label, value in (
        ("R-squared", totals.r_squared),
        ("adjusted R-squared", totals.adjusted_r_squared),
        ("dispersion", None if totals.squared else totals.dispersion),
        ("deviance", totals.deviance),
        ("log likelihood", totals.log_likelihood),
        ("AIC", totals.aic),
        ("BIC", totals.bic),
    ):
        if value is not None and np.isfinite(value).all():
            yield f"{label} {', '.join(short(float(number)) for number in np.atleast_1d(value))}"
    if totals.squared and not totals.total_squares.any():
        yield "no R-squared: the target does not vary"
