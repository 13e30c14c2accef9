"""What a fit of moments found, as numbers and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from gradline.base.errors import InferenceError
from gradline.base.numbers import column, probability, short
from gradline.base.types import Array
from gradline.base.written_tables import WrittenTable
from gradline.constraints.held import HeldConstraints
from gradline.inference.intervals import critical_value

LEVEL = 0.95
"""Of the intervals in the table."""


@dataclass(frozen=True, repr=False)
class MomentsFit:
    """A least-squares fit from moments.

    names (P), the intercept first where there is one; coefficients and standard_errors (P,), 0 and NaN where aliased. covariance (P, P).
    dispersion: weighted sum of squared residuals over n less the (effective) number of coefficients. r_squared: about the mean with an
    intercept, about zero without. f_statistic: that all slopes are zero, None with a penalty or no slopes. log_likelihood: of normal
    errors with variance dispersion / w; aic, bic count the coefficients and not the variance, as statsmodels does; None with a penalty.
    degrees_of_freedom: what dispersion is divided by. digits (P,): significant digits claimed, NaN where aliased; dispersion_digits
    the same for the dispersion. aliased: columns left out because earlier ones determine them. total_squares: those of the target, about
    its mean with an intercept. held: the constraints, None where there are none; with them standard errors are those of the fit without,
    likelihood and F are None, and digits NaN. gap: with a convex penalty that has kinks, how far the objective can be above its least; then
    there are no standard errors, dispersion is over n less the coefficients that are not zero, and digits are NaN.
    """

    target: str
    names: tuple[str, ...]
    coefficients: Array
    standard_errors: Array
    covariance: Array
    dispersion: float
    r_squared: float
    f_statistic: float | None
    log_likelihood: float | None
    aic: float | None
    bic: float | None
    n: int
    degrees_of_freedom: float
    digits: Array
    dispersion_digits: float
    aliased: tuple[str, ...]
    total_squares: float = float("nan")
    held: HeldConstraints | None = None
    gap: float | None = None

    @property
    def t_values(self) -> Array:
        """Coefficients over their standard errors, (P,); NaN where there is none. Raises as ``interval`` does."""
        self._require_no_constraints()
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.coefficients / self.standard_errors)

    @property
    def p_values(self) -> Array:
        """Of the test that each coefficient is zero, by Student's t: (P,); NaN where there is no standard error. Raises as ``interval``
        does."""
        return np.asarray(2.0 * stdtr(self.degrees_of_freedom, -np.abs(self.t_values)))

    def interval(self, level: float = 0.95) -> Array:
        """Confidence intervals of the coefficients by Student's t: (P, 2), lower and upper; NaN where there is no standard error.

        Raises ValueError for a level that is not between 0 and 1, and within constraints, of which such an interval knows nothing.
        """
        self._require_no_constraints()
        half = critical_value(level, self.degrees_of_freedom) * self.standard_errors
        return np.column_stack([self.coefficients - half, self.coefficients + half])

    def _require_no_constraints(self) -> None:
        if self.held is not None:
            raise InferenceError("these errors know nothing of the constraints; gl.fit gives intervals that do, from the rows")

    def __str__(self) -> str:
        return _written(self).to_text()

    def __repr__(self) -> str:
        return f"MomentsFit({self.target} by {', '.join(self.names)}; {self.n:,} rows, R-squared {short(self.r_squared)})"

    def _repr_html_(self) -> str:
        return _written(self).to_html()

    @property
    def active_constraints(self) -> tuple[str, ...]:
        """The constraints that hold as equations at the coefficients, in words."""
        return (
            ()
            if self.held is None
            else tuple(text for text, holds in zip(self.held.polyhedron.texts, self.held.held, strict=True) if holds)
        )

    @property
    def multipliers(self) -> Mapping[str, float]:
        """How fast the lowest mean loss rises with the end of each constraint, by its words."""
        return {} if self.held is None else dict(zip(self.held.polyhedron.texts, self.held.multipliers.tolist(), strict=True))


def _written(fit: MomentsFit) -> WrittenTable:
    """Coefficients with errors and intervals where there are any; below, what is known of the whole."""
    heading, columns = ["", "coefficient"], [list(fit.names), column(fit.coefficients.tolist())]
    if fit.held is None and np.isfinite(fit.standard_errors).any():
        low, high = fit.interval(LEVEL).T
        numbers = {"std error": fit.standard_errors, "t": fit.t_values, f"{LEVEL:.0%} from": low, "to": high}
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
