"""Fit: what the user holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from gradline.inference.absent import NOT_ASKED, NoInference
from gradline.losses.protocol import Loss
from gradline.penalties import Penalty
from gradline.result_inference import FitInference
from gradline.rows.design import DenseDesign
from gradline.rows.inputs import as_columns, check_finite, select_columns
from gradline.solvers.solution import Certificate, History, Solution
from gradline.types import Array

if TYPE_CHECKING:
    import os

    from gradline.diagnosis import Diagnosis
    from gradline.formulas.encoding import Encoder
    from gradline.inference.default import PendingInference
    from gradline.inference.inference import Inference
    from gradline.predicting_intervals import IntervalPrediction
    from gradline.prediction_outputs import Outputs
    from gradline.report import Report
    from gradline.summary import CoefficientTable, Summary

INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Fit(FitInference):
    """A fitted model. Immutable, and holds no rows.

    names: the design columns, the intercept first where there is one. target_names: the q targets. solution: what the solver returned.
    rows_used: rows with a weight above zero. rows_dropped: how many were left out, by reason.
    """

    names: tuple[str, ...]
    target_names: tuple[str, ...]
    loss_function: Loss
    solution: Solution
    rows_used: int
    rows_dropped: dict[str, int]
    named: bool = False
    """Whether the columns were named by the data, so that predict can match them by name."""
    penalty: Penalty | None = None
    """What was added to the mean loss."""
    solver_asked: bool = False
    """Whether the user chose the solver, rather than ``solver="auto"``."""
    uncertainty: Inference | PendingInference | NoInference = NOT_ASKED
    """What was found of the coefficients' uncertainty, or the sums from which it follows, or why there is nothing; see ``inference``."""
    seconds: float | None = None
    """What the fit took, by the clock on the wall; None where nobody measured."""
    encoder: Encoder | None = None
    """The formula with what it learned from the rows; None where the columns were taken as they are."""
    beside: Mapping[str, str | None] = field(default_factory=dict)
    """What came beside columns and targets: "weights", "frequencies", "offset", each with its column's name, None for an array."""
    fingerprint: int | None = None
    """Of the targets and weights of the rows, whatever their order (``rows/fingerprint.py``)."""

    @property
    def coefficients(self) -> Array:
        """One number per name, (P,); with several linear predictors (P, k). NaN for a column left out as aliased."""
        return self._squeeze(self._marked(self.solution.coefficients))

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns left out of the model because earlier columns determine them."""
        return tuple(self.names[i] for i in self.solution.aliased)

    @property
    def digits(self) -> Array | None:
        """Significant decimal digits vouched for, shaped like ``coefficients``; None where the solver makes no such claim."""
        return None if self.solution.digits is None else self._squeeze(self._marked(self.solution.digits))

    @property
    def intercept(self) -> float | Array:
        """The intercept, one for each linear predictor where there are several; 0 if the model has none."""
        k = self.solution.coefficients.shape[1]
        row = self.solution.coefficients[0] if self.has_intercept else np.zeros(k)
        return float(row[0]) if k == 1 else row.copy()

    @property
    def slopes(self) -> Array:
        """The coefficients without the intercept: (p,), or (p, k)."""
        return self._squeeze(self._marked(self.solution.coefficients)[int(self.has_intercept) :])

    @property
    def has_intercept(self) -> bool:
        """Whether the model has an intercept."""
        return bool(self.names) and self.names[0] == INTERCEPT

    @property
    def predictor_names(self) -> tuple[str, ...]:
        """The linear predictors, such as ("mean", "log_scale"); for several targets, theirs."""
        names = self.loss_function.predictor_names(len(self.target_names))
        return self.target_names if len(names) == len(self.target_names) else names

    @property
    def loss(self) -> float:
        """The mean loss a row at the coefficients."""
        return self.solution.loss

    @property
    def loss_name(self) -> str:
        """The loss that was minimised."""
        return self.loss_function.name

    @property
    def solver(self) -> str:
        """What found the coefficients."""
        return self.solution.solver

    @property
    def certificate(self) -> Certificate:
        """Why the coefficients can be believed, or not."""
        return self.solution.certificate

    @property
    def history(self) -> History | None:
        """The path of the fit, for solvers that record one."""
        return self.solution.history

    @property
    def learning_rate(self) -> float | None:
        """The rate gradient descent used."""
        return self.solution.learning_rate

    @overload
    def predict(
        self, data: float, kind: Literal["mean", "linear"] = "mean", *, unseen: Literal["error", "reference", "missing"] = "error"
    ) -> float: ...
    @overload
    def predict(
        self,
        data: Any,
        kind: Literal["mean", "linear"] = "mean",
        *,
        unseen: Literal["error", "reference", "missing"] = "error",
        offset: Any = None,
    ) -> Array: ...
    @overload
    def predict(
        self,
        data: Any,
        kind: Literal["mean", "linear"] = "mean",
        *,
        unseen: Literal["error", "reference", "missing"] = "error",
        offset: Any = None,
        interval: Literal["confidence", "prediction"],
        level: float = 0.95,
        calibration: Any = None,
        weight: float | None = None,
    ) -> IntervalPrediction: ...
    def predict(
        self,
        data: Any,
        kind: Literal["mean", "linear"] = "mean",
        *,
        unseen: Literal["error", "reference", "missing"] = "error",
        offset: Any = None,
        interval: Literal["confidence", "prediction"] | None = None,
        level: float | None = None,
        calibration: Any = None,
        weight: float | None = None,
    ) -> Array | float | IntervalPrediction:
        """Predictions for new rows, in order: (n,), or (n, outputs) where there are several; one number for one number.

        data: an array (n, p), a 1-D array for one column, or a data frame, whose columns are matched by name; for a model fitted with a
        formula also any other table that ``gl.fit`` takes: a path, a dict of arrays, a relation. A row with a missing value gets NaN. kind:
        "mean" applies the forward pass, "linear" gives the linear predictors themselves. unseen: what to do with a level of a categorical
        that was not there when the model was fitted: an error that names it, the reference level instead, or NaN as for a missing value.
        offset: of the new rows, for a model fitted to arrays with one; of a table it is a part of the formula.

        interval: "confidence", for the prediction itself, or "prediction", for a new target; the answer is then an
        :class:`IntervalPrediction` (prediction, lower, upper, level, guarantee), at ``level`` 0.95 unless given. calibration: (X, y), or a
        table, of rows the fit has not seen, for split conformal intervals. weight: the precision of the new targets of squared loss, 1
        unless given. docs/inference.md says what each interval promises.

        Raises ValueError for the wrong columns, and for intervals that cannot be had, saying what is missing.
        """
        if np.ndim(data) == 0 and np.isscalar(data) and not isinstance(data, str):
            # Predicting for one new x is the most natural first question.
            given: dict[str, Any] = {"offset": offset, "interval": interval, "level": level, "calibration": calibration, "weight": weight}
            one: Any = self.predict(np.array([data]), kind, unseen=unseen, **given)
            answer: float | IntervalPrediction = (
                one[0] if interval is None else one._replace(prediction=one.prediction[0], lower=one.lower[0], upper=one.upper[0])
            )
            return answer
        if kind not in ("mean", "linear"):
            raise ValueError(f'kind must be "mean" or "linear", not {kind!r}')
        from gradline.prediction_outputs import points

        if interval is None:
            for keyword, value in (("level", level), ("calibration", calibration), ("weight", weight)):
                if value is not None:
                    raise ValueError(f'{keyword}= goes with interval="confidence" or interval="prediction"')
            return _squeezed(self._predictions(data, points(self, kind), unseen, offset))
        from gradline.predicting_intervals import as_result, interval_outputs

        outputs = interval_outputs(self, kind, interval, 0.95 if level is None else level, calibration, weight)
        return as_result(self._predictions(data, outputs, unseen, offset), outputs)

    def _predictions(self, data: Any, outputs: Outputs, unseen: Any, offset: Any) -> Array:
        """(n, width): one row for each row of the data, NaN where a value is missing."""
        if self.encoder is not None:
            from gradline.predicting import predict_table

            if offset is not None:
                raise TypeError("offset= goes with a model fitted to arrays; of a formula it is a part, and is read from the table")
            return predict_table(self, self.encoder, data, outputs, unseen)
        if unseen != "error":
            raise ValueError(f"unseen={unseen!r} goes with a model fitted with a formula; this one has no levels")
        # One layout in memory, whichever the solver left: the order of sums, and so the last bit, could depend on it.
        coefficients = np.ascontiguousarray(self.solution.coefficients)
        design = DenseDesign(self._columns(data), self.has_intercept)
        predictors = design.predict(coefficients)
        if offset is not None:
            from gradline.fitting_arrays import as_offset

            n, k = predictors.shape
            predictors += as_offset(np.full(n, offset) if np.ndim(offset) == 0 else offset, n, k)
        elif "offset" in self.beside:
            raise ValueError("the model was fitted with offset=, which is a part of it: give that of the new rows, offset=..., or offset=0")
        missing = np.asarray(np.isnan(predictors).any(axis=1))
        if not missing.any():
            return outputs(design, predictors)
        full = np.full((len(predictors), outputs.width), np.nan)
        kept = np.flatnonzero(~missing)
        if len(kept):
            full[kept] = outputs(design.take(kept), predictors[kept])
        return full

    def residuals(self, data: Any, target: Any = None, **rows: Any) -> Array:
        """y less the prediction, (n,), or (n, q) for several targets, of any rows: NaN where a value is missing.

        data: a table that holds the target too; or X, with the target as its own array. rows: weights, frequencies, offset, where, query,
        database, as for ``diagnose``. Raises ValueError where predictions are not of the targets one by one.
        """
        from gradline.diagnosis import residuals

        return residuals(self, data, target, **rows)

    def diagnose(self, data: Any, target: Any = None, **rows: Any) -> Diagnosis:
        """What the rows of the fit, given again, say about it: leverage, Cook's distance, predictions without each row, tests.

        data: what the fit was made from: the table, or X with y as target. rows: where they went with the fit, weights=, frequencies= and
        offset= as arrays (the columns of a table are remembered), and where=, query= or database=. Nothing is computed before it is asked
        for. Raises ValueError for other rows than those of the fit, as far as targets and weights tell.
        """
        from gradline.diagnosis import Diagnosis
        from gradline.fit_rows import rows_of_fit

        return Diagnosis(self, rows_of_fit(self, data, target, **rows))

    def plot(self, data: Any, target: Any, *, true: Any = None, ax: Any = None) -> Any:
        """The data with the fitted line; see :func:`gradline.plot.fit`."""
        from gradline import plot

        return plot.fit(self, data, target, true=true, ax=ax)

    def report(self, data: Any, target: Any = None, path: str | os.PathLike[str] | None = None, **rows: Any) -> Report:
        """A page about the fit, warnings first: a notebook shows it, ``save(path)`` or ``path=`` writes it as one HTML file.

        data, target, rows: as for ``diagnose``; for rows the model was not fitted to the page says so, and leaves out what is of the fit's
        own. Raises ValueError for data that does not go with the fit and for a path that does not end in .html or .htm, OSError where the
        file cannot be written, ImportError without Matplotlib.
        """
        from gradline.report import build, page_name

        if path is not None:
            page_name(path)
        report = build(self, data, target, **rows)
        if path is not None:
            report.save(path)
        return report

    def summary(self) -> Summary:
        """The model, its coefficients and how they were found: a table in a terminal, HTML in a notebook, plain text when printed."""
        from gradline.summary import summarise

        return summarise(self)

    def table(self) -> CoefficientTable:
        """The coefficients with their names, for pandas, Polars, Arrow and DuckDB."""
        from gradline.summary import coefficient_table

        return coefficient_table(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a JSON file, whole or not at all, for ``gl.load``: no rows, no history, no code that runs.

        Raises OSError where the file cannot be written; the old file is then as it was.
        """
        from gradline.model_file import save

        save(self, path)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def _columns(self, data: Any) -> Array:
        expected = self.names[int(self.has_intercept) :]
        # The columns of a frame are found by name, so that others, text among them, do not matter.
        values = as_columns(select_columns(data, expected) if self.named else data, "data").values
        if values.shape[1] != len(expected):
            raise ValueError(f"data has {values.shape[1]} columns, but the model was fitted to {len(expected)}: {', '.join(expected)}")
        finite = np.asarray(values, dtype=np.float64)
        infinite = np.isinf(finite)
        if infinite.any():
            check_finite(np.where(infinite, finite, 0.0), "data", expected)
        return finite

    def _marked(self, array: Array) -> Array:
        if not self.solution.aliased:
            return array
        marked = array.copy()
        marked[list(self.solution.aliased)] = np.nan
        return marked

    def _squeeze(self, array: Array) -> Array:
        return array[:, 0].copy() if array.shape[1] == 1 else array.copy()

    def __repr__(self) -> str:
        lines = [f"Fit of {self.loss_name} loss by {self.solver}: {self.rows_used:,} rows, loss {self.loss:.6g}"]
        if not self.certificate.converged:
            lines.append(f"not converged: {self.certificate.reason}")
        shown = self.names[:12]
        for j, predictor in enumerate(self.predictor_names):
            mask = None if self.encoder is None or len(self.encoder.predictors) == 1 else self.encoder.mask[:, j]
            kept = [i for i in range(len(shown)) if i not in self.solution.aliased and (mask is None or mask[i])]
            terms = [_term(self.solution.coefficients[i, j], shown[i]) for i in kept]
            terms += [f"... {len(self.names) - 12} more"] if len(self.names) > 12 else []
            lines.append(f"  {predictor} = " + " ".join(terms).removeprefix("+ "))
        if self.aliased:
            lines.append(f"  left out, constant or determined by earlier columns: {', '.join(self.aliased)}")
        return "\n".join(lines)


def _squeezed(array: Array) -> Array:
    return array[:, 0] if array.shape[1] == 1 else array


def _term(value: float, name: str) -> str:
    sign = "-" if value < 0 else "+"
    return f"{sign} {abs(value):.6g}" + ("" if name == INTERCEPT else f" {name}")
