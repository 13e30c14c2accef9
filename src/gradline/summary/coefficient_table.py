"""The coefficients as a table that any data-frame library takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array
from gradline.summary.content import shown_coefficients
from gradline.summary.result_table import ResultTable
from gradline.summary.uncertainty import LEVEL, uncertainty_of

if TYPE_CHECKING:
    from gradline.model.record import Model


def coefficient_table(fit: Model) -> ResultTable:
    """The table of a fit's coefficients, linear predictor by linear predictor: a row for each.

    predictor: the linear predictor. name: of the design column. coefficient. digits: significant ones claimed. left_out: whether the
    column was left out of the model as aliased. With standard errors also standard_error, statistic, p_value, lower and upper, the ends
    of the 95% interval; before them estimate, what they are about, where that is not the coefficient (debiased and selective).
    """
    shape = fit.solution.coefficients.shape
    places = [(i, j) for j in range(shape[1]) for i in shown_coefficients(fit, j)]

    def numbers(values: Array | None) -> list[float | None]:
        if values is None:
            return [None] * len(places)
        table = np.reshape(values, shape)
        return [None if math.isnan(table[place]) and place[0] in fit.solution.aliased else float(table[place]) for place in places]

    columns: dict[str, list[Any]] = {
        "predictor": [fit.predictor_names[j] for _, j in places],
        "name": [fit.names[i] for i, _ in places],
        "coefficient": numbers(fit.coefficients),
        "digits": numbers(fit.digits),
        "left_out": [i in fit.solution.aliased for i, _ in places],
    }
    uncertainty = uncertainty_of(fit)
    if uncertainty is not None:
        columns |= {} if uncertainty.estimates is None else {"estimate": numbers(uncertainty.estimates)}
        columns |= {
            "standard_error": numbers(uncertainty.standard_errors),
            "statistic": numbers(uncertainty.statistics),
            "p_value": numbers(uncertainty.p_values),
            "lower": numbers(uncertainty.lower),
            "upper": numbers(uncertainty.upper),
        }
    silent = {
        "predictor": shape[1] == 1,
        "digits": uncertainty is not None or fit.digits is None,
        "left_out": not fit.solution.aliased,
    }
    level = None if uncertainty is None else LEVEL
    return ResultTable(columns, level=level, words=1 if silent["predictor"] else 2, hidden=tuple(name for name in silent if silent[name]))
