"""Fit: what the user holds. A model, with the conveniences that lead from it to predictions, diagnostics, pictures and files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from gradline.base.types import Array
from gradline.model.record import Model

if TYPE_CHECKING:
    import os

    from gradline.model.diagnose import Diagnosis
    from gradline.model.intervals import IntervalPrediction
    from gradline.report import Report
    from gradline.summary import CoefficientTable, Summary


@dataclass(frozen=True, repr=False)
class Fit(Model):
    """A fitted model, as :func:`gradline.fit` and :func:`gradline.load` return it. Immutable, and holds no rows.

    Coefficients, errors, tests and fit measures are read off it; what needs the rows again takes ``data``, and says so where it is
    missing. The fields are those of ``Model``.
    """

    @classmethod
    def of(cls, model: Model) -> Self:
        """The same model, with the conveniences of a Fit."""
        return cls(**{field.name: getattr(model, field.name) for field in fields(model)})

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
        from gradline.model.predict import predict

        return predict(self, data, kind, unseen, offset, interval, level, calibration, weight)

    def with_covariance(self, kind: Any, data: Any = None, target: Any = None, *, groups: Any = None, **rows: Any) -> Self:
        """The same fit with another kind of standard errors; the coefficients stay as they are.

        kind, groups: as ``covariance=`` and ``groups=`` of ``gl.fit``. data, target, rows: the rows of the fit, as for ``Fit.diagnose``;
        not needed for HC0 and HC1 where the fit was asked for standard errors. Raises ValueError for other rows, and for kinds that cannot
        be had.
        """
        from gradline.model.recompute_covariance import with_covariance

        found: Self = with_covariance(self, kind, data, target, groups, rows)
        return found

    def residuals(self, data: Any, target: Any = None, **rows: Any) -> Array:
        """y less the prediction, (n,), or (n, q) for several targets, of any rows: NaN where a value is missing.

        data: a table that holds the target too; or X, with the target as its own array. rows: weights, frequencies, offset, where, query,
        database, as for ``diagnose``. Raises ValueError where predictions are not of the targets one by one.
        """
        from gradline.model.diagnose import residuals

        return residuals(self, data, target, **rows)

    def diagnose(self, data: Any, target: Any = None, **rows: Any) -> Diagnosis:
        """What the rows of the fit, given again, say about it: leverage, Cook's distance, predictions without each row, tests.

        data: what the fit was made from: the table, or X with y as target. rows: where they went with the fit, weights=, frequencies= and
        offset= as arrays (the columns of a table are remembered), and where=, query= or database=. Nothing is computed before it is asked
        for. Raises ValueError for other rows than those of the fit, as far as targets and weights tell.
        """
        from gradline.model.attach_data import rows_of_fit
        from gradline.model.diagnose import Diagnosis

        return Diagnosis(self, rows_of_fit(self, data, target, **rows))

    def plot(self, data: Any, target: Any, *, true: Any = None, ax: Any = None) -> Any:
        """The data with the fitted line; see :func:`gradline.plot.fit`."""
        from gradline import plot

        return plot.fit(self, data, target, true=true, ax=ax)

    def report(self, data: Any, target: Any = None, path: str | os.PathLike[str] | None = None, **rows: Any) -> Report:
        """A page about the fit, warnings first: a notebook shows it, ``save(path)`` or ``path=`` writes it as one HTML file.

        data, target, rows: as for ``diagnose``; for rows the model was not fitted to the page says so, and leaves out what is of the fit's
        own. Raises ValueError for data that does not go with the fit, OSError where the file cannot be written, ImportError without
        Matplotlib.
        """
        from gradline.report import build

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
        from gradline.files import save

        save(self, path)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
