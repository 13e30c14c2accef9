"""A fit of moments as a table of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradline.base.numbers import column, probability, short
from gradline.base.written_tables import WrittenTable

if TYPE_CHECKING:
    from gradline.moments.least_squares import MomentsFit

LEVEL = 0.95


def written(fit: MomentsFit) -> WrittenTable:
    """Coefficients with errors and intervals where there are any; below, what is known of the whole."""
    heading, columns = ["", "coefficient"], [list(fit.names), column(fit.coefficients.tolist())]
    if fit.held is None and np.isfinite(fit.standard_errors).any():
        low, high = fit.interval(LEVEL).T
        with np.errstate(invalid="ignore", divide="ignore"):
            t = fit.coefficients / fit.standard_errors
        numbers = {"std error": fit.standard_errors, "t": t, f"{LEVEL:.0%} from": low, "to": high}
        texts = {name: column(values.tolist(), 4 if name in ("std error", "t") else 6) for name, values in numbers.items()}
        heading += ["std error", "t", "p", f"{LEVEL:.0%} from", "to"]
        columns += [texts["std error"], texts["t"], list(map(probability, fit.p_values)), texts[f"{LEVEL:.0%} from"], texts["to"]]
    rows = [tuple(cells) for cells in zip(*columns, strict=True)]
    rows = [(row[0], "left out", *[""] * (len(row) - 2)) if row[0] in fit.aliased else row for row in rows]
    return WrittenTable(tuple(heading), tuple(rows), title=f"Least squares of {fit.target}, from moments", notes=_notes(fit))


def _notes(fit: MomentsFit) -> tuple[str, ...]:
    found = [f"{fit.n:,} rows; R-squared {short(fit.r_squared)}; residual variance {short(fit.dispersion)}"]
    if fit.f_statistic is not None:
        found.append(f"all slopes zero? F = {short(fit.f_statistic)}")
    if fit.aic is not None and fit.bic is not None and fit.log_likelihood is not None:
        found.append(f"log likelihood {short(fit.log_likelihood)}; AIC {short(fit.aic)}; BIC {short(fit.bic)}")
    if fit.aliased:
        found.append(f"left out, since columns before them say the same: {', '.join(fit.aliased)}")
    if fit.active_constraints:
        found.append(f"constraints that bind: {', '.join(fit.active_constraints)}; intervals that know of them come from gl.fit")
    if fit.gap is not None:
        found.append(f"the objective is at most {short(fit.gap)} above its least; a penalty with kinks leaves no standard errors here")
    return tuple(found)
