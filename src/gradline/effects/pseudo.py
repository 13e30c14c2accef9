"""Pseudo R-squared: measures of how much better a likelihood is than that of the intercept alone, by the names they go by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.effects.refits import Refits, statistics_of
from gradline.losses.protocol import Loss
from gradline.model.attach_data import attach_data
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.summary.result_table import ResultTable

if TYPE_CHECKING:
    from gradline.model.record import Model

_MEANINGS = {
    "McFadden": "1 - l / l0",
    "McFadden, adjusted": "1 - (l - p) / l0, p the coefficients less the intercepts",
    "Cox and Snell": "1 - exp(2 (l0 - l) / n)",
    "Nagelkerke": "Cox and Snell's over the most it can be",
    "deviance": "1 - D / D0",
    "Tjur": "the mean probability of rows of 1 less that of rows of 0",
}


def pseudo_r_squared(model: Model, data: Any, target: Any, rows: dict[str, Any]) -> ResultTable:
    """See :meth:`gradline.Fit.pseudo_r_squared`."""
    loss = model.loss_function
    if loss.squared_scale() is not None:
        raise InferenceError("squared loss has an R-squared of its own: fit.r_squared")
    if not loss.is_likelihood or loss.has_free_dispersion:
        raise InferenceError(f"the loss {loss.name!r} has no likelihood without a dispersion that is estimated, so no pseudo R-squared")
    if not model.has_intercept:
        raise InferenceError("a pseudo R-squared compares with the intercept alone, and this model has none")
    if model.penalty is not None:
        raise InferenceError("a penalised fit has no pseudo R-squared: its likelihood is not at its maximum")
    problem = attach_data(model, data, target, **rows).problem
    size, k = problem.shape
    slopes = [j * size + i for j in range(k) for i in range(1, size)]
    full, null = statistics_of(model, problem), Refits(model, problem).without(slopes)
    assert full.log_likelihood is not None
    assert null.log_likelihood is not None
    best, least, n = full.log_likelihood, null.log_likelihood, full.count
    found = {"McFadden": 1.0 - best / least, "McFadden, adjusted": 1.0 - (best - (full.parameters - null.parameters)) / least}
    if loss.target_kind in ("label", "class") or least < 0:
        found["Cox and Snell"] = -math.expm1(2.0 * (least - best) / n)
        found["Nagelkerke"] = found["Cox and Snell"] / -math.expm1(2.0 * least / n)
    if full.deviance is not None and null.deviance:
        found["deviance"] = 1.0 - full.deviance / null.deviance
    if loss.target_kind == "label" and len(model.target_names) == 1:
        sums = problem.rows.reduce(_TjurKernel(loss, model.solution.coefficients))
        found["Tjur"] = float(sums[1, 1] / sums[1, 0] - sums[0, 1] / sums[0, 0])
    columns: dict[str, list[Any]] = {"name": list(found), "value": list(found.values()), "definition": [_MEANINGS[name] for name in found]}
    note = f"l = {best:.6g} the log likelihood, l0 = {least:.6g} that of the intercept alone, n = {n:,.6g}"
    return ResultTable(columns, f"Pseudo R-squared of {', '.join(model.target_names[:4])}", (note,))


@dataclass(frozen=True)
class _TjurKernel(Kernel[Array]):
    """(2, 2): of rows of either label how many, and their probabilities' sum."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Array:
        probability = np.asarray(self.loss.predict(block.linear_predictors(self.coefficients)), dtype=np.float64).ravel()
        counts, ones = block.row_counts, block.targets[:, 0] == 1
        return np.array([[counts[own].sum(), counts[own] @ probability[own]] for own in (~ones, ones)])

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first
