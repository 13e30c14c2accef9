"""Predictions with intervals: for the mean, or for a new target, with what each promises in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.numbers import column, counted
from gradline.base.types import Array
from gradline.base.written_tables import WrittenTable
from gradline.design.dense import Design
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.intervals import Interval, check_level, linear_interval, mean_interval
from gradline.inference.leave_one_out import ResidualQuantiles
from gradline.inference.predictions import Calibration, CalibrationKernel, calibration_of, conformal_interval, prediction_interval
from gradline.linalg.level_columns import RowLevels
from gradline.losses.protocol import Loss
from gradline.model.outputs import OutputKind, predict_linear

if TYPE_CHECKING:
    from gradline.inference.inference import Inference
    from gradline.model.level_errors import LevelErrors
    from gradline.model.record import Model


_ROWS_SHOWN = 20
"""In a notebook."""


class IntervalPrediction(NamedTuple):
    """prediction, lower, upper: one entry a row, (n,), or (n, outputs) where there are several; NaN where an input is missing. level: how
    often the interval holds what it is for; guarantee: what has to be true for that, in words."""

    prediction: Array
    lower: Array
    upper: Array
    level: float
    guarantee: str

    def _repr_html_(self) -> str:
        return self._written().to_html()

    def _written(self) -> WrittenTable:
        """At most the first twenty rows."""
        ends = [np.asarray(values) for values in (self.prediction, self.lower, self.upper)]
        outputs = ends[0].shape[1] if ends[0].ndim == 2 else 1
        several = outputs > 1
        few = [np.reshape(values, (-1, outputs))[:_ROWS_SHOWN] for values in ends]
        texts = iter(column([float(value) for values in few for value in np.ravel(values)]))
        cells = [[next(texts) for _ in range(values.size)] for values in few]
        places = [(i, j) for i in range(len(few[0])) for j in range(outputs)]
        rows = tuple(
            (str(i), *([str(j)] if several else []), *("" if text == "nan" else text for text in found))
            for (i, j), found in zip(places, zip(*cells, strict=True), strict=True)
        )
        more = ends[0].size // outputs - len(few[0])
        notes = (*([f"... and {counted(more, 'row')} more"] if more else []), self.guarantee)
        heading = ("row", *(["output"] if several else []), "prediction", f"{100.0 * self.level:.4g}% from", "to")
        return WrittenTable(heading, rows, words=2 if several else 1, notes=notes)


@dataclass(frozen=True)
class IntervalOutputs:
    """Three times c numbers per row: predictions, lower ends, upper ends. weights: the precision of the new targets of squared loss."""

    loss: Loss
    kind: OutputKind
    interval: Literal["confidence", "prediction"]
    level: float
    covariance: Covariance | None
    dispersion: Array | None
    residuals: ResidualQuantiles | None
    calibration: Calibration | None
    n_predictors: int
    n_targets: int
    weight: float | None = None
    penalised: bool = False
    shift: Array | None = None
    """(P, k): what the optimum without constraints has more than the coefficients, of a fit whose errors belong to that; None elsewhere."""
    levels: LevelErrors | None = None
    """Of a fit with absorbed levels, whose covariance is then that of ``LevelErrors.with_levels``; None elsewhere."""

    @property
    def width(self) -> int:
        """3 c."""
        return 3 * int(predict_linear(self.loss, np.zeros((1, self.n_predictors)), self.kind).shape[1])

    @property
    def guarantee(self) -> str:
        """What has to be true for the level to hold."""
        if self.interval == "confidence":
            assert self.covariance is not None
            law = "the normal distribution" if self.covariance.degrees_of_freedom is None else "Student's t"
            within = "" if self.shift is None else "; around the fit without constraints, and as far as the prediction"
            return f"for the prediction itself, by the {self.covariance.kind} covariance and {law}{within}"
        return self._guarantee

    def __call__(self, design: Design, predictors: Array) -> Array:
        lower, upper = self.ends(design, predictors)
        return np.concatenate([predict_linear(self.loss, predictors, self.kind), lower, upper], axis=1)

    def beside_levels(self, design: Design, levels: RowLevels) -> Design:
        """With the levels of each row, of which the covariance knows."""
        return design if self.levels is None or self.covariance is None else self.levels.design(design, levels, self.covariance)

    def ends(self, design: Design, predictors: Array) -> Interval:
        """The interval at rows of a design, (m, c) each; predictors (m, k), offset included."""
        if self.interval == "confidence":
            centre = predictors if self.shift is None else predictors + design.predict(self.shift)
            found = self._confidence(design, centre)
            if self.shift is None:
                return found
            own = predict_linear(self.loss, predictors, self.kind)
            return Interval(np.minimum(found.lower, own), np.maximum(found.upper, own))
        ends = self._prediction(design, predictors)
        return Interval(ends.lower, ends.upper)

    def _confidence(self, design: Design, predictors: Array) -> Interval:
        assert self.covariance is not None
        if self.kind == "linear":
            return linear_interval(design, predictors, self.covariance, self.level)
        return mean_interval(design, predictors, self.covariance, self.loss, self.level)

    @property
    def _guarantee(self) -> str:
        from gradline.design.dense import DenseDesign

        # What is promised depends on the loss alone, so one row tells.
        size = 1 if self.covariance is None else self.covariance.shape[0]
        return str(self._prediction(DenseDesign(np.zeros((1, size)), False), np.zeros((1, self.n_predictors))).guarantee)

    def _prediction(self, design: Design, predictors: Array) -> Any:
        if self.calibration is not None:
            return conformal_interval(predictors, self.calibration, self.loss, self.level)
        weights = None if self.weight is None else np.full(len(predictors), self.weight)
        return prediction_interval(
            design,
            predictors,
            self.covariance,
            self.loss,
            level=self.level,
            dispersion=self.dispersion,
            residuals=self.residuals,
            weights=weights,
            penalised=self.penalised,
        )


def interval_outputs(fit: Model, kind: OutputKind, interval: Any, level: float, calibration: Any, weight: Any = None) -> IntervalOutputs:
    """What makes the intervals of a fit. Raises ValueError and TypeError for what cannot be had, saying what is missing and how to get it,
    before any row is read."""
    if interval not in ("confidence", "prediction"):
        raise InferenceError(
            f'interval must be "confidence" (for the prediction itself) or "prediction" (for a new target), not {interval!r}'
        )
    check_level(level)
    loss, shape = fit.loss_function, fit.solution.coefficients.shape
    if interval == "confidence":
        for keyword, value in (("calibration", calibration), ("weight", weight)):
            if value is not None:
                raise InferenceError(f'{keyword}= goes with interval="prediction"; a confidence interval has no use for it')
    elif kind != "mean":
        raise InferenceError('interval="prediction" is for new targets, so it goes with kind="mean"')
    if weight is not None and not (isinstance(weight, int | float | np.number) and np.isfinite(weight) and weight > 0):
        raise InferenceError(f"weight must be a number above zero, the precision of the new targets, not {weight!r}")
    held = fit.inference
    covariance = None if held is None else held.covariance
    _refuse_after_selection(held, calibration)
    if interval == "confidence" or (held is None and calibration is None):
        covariance = fit.covariance()
    found = None if calibration is None else _calibrated(fit, calibration)
    if found is not None and weight is not None:
        raise InferenceError("weight= and calibration= exclude each other: split conformal treats all rows alike")
    levels = None
    if fit.absorbed is not None and interval == "prediction" and loss.squared_scale() is None and loss.distribution is None:
        # Those by the quantiles of residuals need no covariance.
        covariance = None
    if fit.absorbed is not None and covariance is not None:
        levels = fit.absorbed.require_errors("no intervals of predictions")
        assert held is not None
        covariance = levels.with_levels(covariance, held.statistics)
    outputs = IntervalOutputs(
        loss,
        kind,
        interval,
        float(level),
        covariance,
        None if held is None else held.statistics.dispersion,
        None if held is None else held.residuals,
        found,
        shape[1],
        len(fit.target_names),
        None if weight is None else float(weight),
        fit.penalty is not None,
        None if fit.estimate is fit.solution.coefficients else fit.estimate - fit.solution.coefficients,
        levels,
    )
    _ = outputs.guarantee
    return outputs


def _refuse_after_selection(held: Inference | None, calibration: Any) -> None:
    """Raises ValueError for errors that are about other coefficients than those that predict."""
    covariance = None if held is None else held.covariance
    debiased = covariance is not None and covariance.estimates is not None
    if calibration is None and held is not None and (debiased or held.selective is not None):
        raise InferenceError(
            f"{'debiased' if debiased else 'selective'} intervals are about other coefficients than those that predict: fit without the"
            ' penalty for intervals of predictions, or give interval="prediction" with calibration=, rows that the fit has not seen'
        )


def _calibrated(fit: Model, calibration: Any) -> Calibration:
    from gradline.model.attach_data import attach_data
    from gradline.rows.fingerprint import fingerprint_of

    data, target = calibration if isinstance(calibration, tuple) and len(calibration) == 2 else (calibration, None)
    found = attach_data(fit, data, target, same=False, levels=True)
    rows = found.problem.rows
    if fit.fingerprint is not None and fingerprint_of(rows) == fit.fingerprint:
        raise InferenceError(
            "calibration= must be rows the fit has not seen, and these are those it was fitted to: hold some rows back first"
        )
    kernel = CalibrationKernel(fit.loss_function, fit.solution.coefficients)
    return calibration_of(np.concatenate(list(found.iterate(kernel))), fit.loss_function, fit.solution.coefficients.shape[1])


def as_result(values: Array, outputs: IntervalOutputs) -> IntervalPrediction:
    """(n, 3 c) taken apart."""
    parts = [part[:, 0] if part.shape[1] == 1 else part for part in np.split(values, 3, axis=1)]
    return IntervalPrediction(parts[0], parts[1], parts[2], outputs.level, outputs.guarantee)
