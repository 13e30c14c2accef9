"""What the pictures of diagnostics share: a fit over rows given again, and which of them are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.model.attach_data import AttachedData, attach_data
from gradline.model.diagnose import Diagnosis
from gradline.model.same_rows import how_different
from gradline.plot import style
from gradline.plot.diagnostic_sample import DiagnosticSample, see_rows

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_PANELS = 4
"""Targets that are drawn side by side."""

NAMED = 3
"""Extreme rows whose numbers are written beside them."""


@dataclass(frozen=True)
class PlotSubject:
    """diagnosis: of the fit over the rows given; own: whether they are those it was fitted to, as far as their fingerprint tells."""

    diagnosis: Diagnosis
    own: bool

    @property
    def fit(self) -> Model:
        """The fit."""
        return self.diagnosis.fit

    @cached_property
    def seen(self) -> DiagnosticSample:
        """The rows to draw."""
        diagnosis = self.diagnosis
        dispersion = diagnosis.statistics.dispersion
        if not self.own:
            return see_rows(diagnosis.rows, self.fit.loss_function, self.fit.solution.coefficients, None, dispersion)
        kernel = diagnosis.kernel
        return see_rows(diagnosis.by_row_data, self.fit.loss_function, kernel.coefficients, kernel, dispersion)

    def require_own(self, what: str) -> None:
        """Raises ValueError where the rows are not the fit's."""
        if not self.own:
            raise ArgumentError(
                f"{what} is of the rows a model was fitted to, and these are others: give the same data again, with the same weights,"
                " frequencies and where="
            )


def diagnosed(fit: Model, data: Any, target: Any, rows: Mapping[str, Any]) -> PlotSubject:
    """The fit over data as ``Fit.diagnose`` takes it, or over rows diagnosed already. Raises as ``attach_data`` does."""
    if isinstance(data, PlotSubject):
        return data
    if isinstance(data, Diagnosis):
        if data.fit is not fit:
            raise ArgumentError("the diagnosis is of another fit; give fit.diagnose(data) of this one")
        return PlotSubject(data, True)
    found = attach_data(fit, data, target, same=False, levels=True, **rows)
    return PlotSubject(Diagnosis(fit, found), _is_own(fit, found))


def _is_own(fit: Model, rows: AttachedData) -> bool:
    """Whether rows are those of the fit: by targets, weights and gradient, or by number and gradient where the fit knows no more."""
    if fit.fingerprint is None and rows.problem.rows.n_rows != fit.rows_used + fit.rows_dropped.get("weight zero", 0):
        return False
    return not how_different(fit, rows.problem, rows.plain)


def panels(given: PlotSubject, ax: Any) -> Any:
    """(1, targets) Axes: one for each target, the first four of more."""
    count = min(len(given.fit.observed_names), MOST_PANELS)
    return style.panels(ax, 1, count, style.panel_size(count))


def finish(axes: Any, given: PlotSubject, seen: DiagnosticSample, *, extremes: bool = True) -> Any:
    """What the picture leaves out, above its last panel."""
    style.note(axes[0, -1], remark(given, seen, extremes=extremes))
    return style.result(axes)


def remark(given: PlotSubject, seen: DiagnosticSample, *, extremes: bool = True) -> str:
    """What a picture leaves out, in words. extremes: whether rows beside the sample are drawn."""
    q = len(given.fit.observed_names)
    parts = [f"first {MOST_PANELS} of {q} targets"] if q > MOST_PANELS else []
    if seen.drawn < seen.n:
        parts.append(f"{seen.drawn:,} of {seen.n:,} rows drawn" + (", and the extremes" if extremes else ""))
    if seen.left_out:
        parts.append(f"{seen.left_out:,} {'row' if seen.left_out == 1 else 'rows'} left out")
    return ", ".join(parts)


def fitted_values(fit: Model, seen: DiagnosticSample, j: int) -> tuple[Array, str]:
    """What goes across for a target, and its name: the prediction where it is the linear predictor, otherwise the linear predictor, on
    whose scale the model is a line."""
    q = seen.targets.shape[1]
    name = fit.observed_names[j]
    if seen.predictors.shape[1] == q and not np.array_equal(seen.predictors, seen.predictions):
        predictor = fit.loss_function.predictor_names(1)[0].replace("_", " ")
        return seen.predictors[:, j], f"predicted {predictor} of {name}"
    return seen.predictions[:, j], f"predicted {name}"


def is_drawn(fit: Model) -> bool:
    """Whether quantile residuals are drawn at random within a jump of the distribution, as those of counts and labels are."""
    distribution = fit.loss_function.distribution
    return distribution is not None and distribution.discrete


def residual_name(fit: Model, seen: DiagnosticSample, j: int) -> str:
    """What the deviates of a target are called, in units of their spread."""
    name = fit.observed_names[j]
    if seen.kind == "raw":
        return f"{'weighted ' if seen.weighted else ''}residual of {name}"
    if seen.kind == "quantile":
        return f"{'randomised ' if is_drawn(fit) else ''}quantile residual of {name}"
    return f"{seen.kind} residual of {name}"


def farthest(seen: DiagnosticSample, j: int, count: int = NAMED) -> IntArray:
    """Places of the rows whose deviates are farthest from zero."""
    ends = np.unique(np.concatenate([seen.top[:, j], seen.bottom[:, j]]))
    return np.asarray(ends[np.argsort(-np.abs(seen.deviates[ends, j]), kind="stable")[:count]])
