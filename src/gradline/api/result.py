"""Fit: what the user holds. A model, with the conveniences that lead from it to predictions, diagnostics, pictures and files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from gradline.api.further_tests import FitTests
from gradline.api.other_words import ELSEWHERE
from gradline.api.questions import FitQuestions
from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.words import called_here
from gradline.model.record import Model

if TYPE_CHECKING:
    import os

    from gradline.cluster.cluster import Cluster
    from gradline.model.absorbed import LevelValues
    from gradline.model.curves import CurveBand
    from gradline.model.diagnose import Diagnosis
    from gradline.model.intervals import IntervalPrediction
    from gradline.report import Report
    from gradline.summary import Summary
    from gradline.summary.result_table import ResultTable

_FIELDS = tuple(field.name for field in fields(Model))


@dataclass(frozen=True, eq=False, repr=False)
class Fit(FitQuestions, FitTests):
    """A fitted model, as :func:`gradline.fit` and :func:`gradline.load` return it. Immutable, and holds no rows.

    Coefficients, errors, tests and fit measures are read off it; what needs the rows again takes ``data``, and says so where it is
    missing. The fields are those of ``Model``.

    Examples
    --------
    >>> import gradline as gl
    >>> fit = gl.fit("body_mass_g ~ flipper_length_mm", gl.datasets.penguins())
    >>> fit.coefficients.round(1), fit.standard_errors.round(1)
    (array([-5780.8,    49.7]), array([305.8,   1.5]))
    >>> round(fit.r_squared, 3), fit.certificate.converged
    (0.759, True)
    >>> float(fit.predict({"flipper_length_mm": [200]})[0].round())
    4156.0
    """

    if not TYPE_CHECKING:  # Or else checkers of types would take any attribute for one that a Fit has.

        def __getattr__(self, name: str) -> Any:
            # Called for what there is not, and where a property raised AttributeError: that error is raised anew.
            if name in ELSEWHERE:
                raise AttributeError(called_here("a Fit", name, ELSEWHERE[name]), name=name, obj=self)
            return object.__getattribute__(self, name)

    @classmethod
    def of(cls, model: Model) -> Self:
        """The same model, with the conveniences of a Fit."""
        return cls(**{name: getattr(model, name) for name in _FIELDS})

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
        cluster: Cluster | None = None,
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
        cluster: Cluster | None = None,
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
        cluster: Cluster | None = None,
    ) -> Array | float | IntervalPrediction:
        """Predict for new rows, in their order.

        Parameters
        ----------
        data : array-like (n, p) or (n,), table, or number
            New rows: an array, one column (n,), or a data frame, whose columns are matched by name. For a model fitted with a formula also
            any other table that ``gl.fit`` takes: a path, a dict of arrays, a relation. A row with a missing value gets NaN.
        kind : {"mean", "linear"}, default "mean"
            "mean" applies the forward pass; "linear" gives the linear predictors themselves.
        unseen : {"error", "reference", "missing"}, default "error"
            What to do with a level of a categorical that was not there when the model was fitted: an error that names it, the reference
            level instead, or NaN as for a missing value.
        offset : array-like (n,) or (n, k), or number
            Of the new rows, for a model fitted to arrays with one. Of a table it is a part of the formula.
        interval : {"confidence", "prediction"}, optional
            "confidence" for the prediction itself, "prediction" for a new target.
        level : float, default 0.95
            The probability with which an interval holds what it is for.
        calibration : table, or (X, y)
            Rows the fit has not seen, for split conformal intervals.
        weight : float, default 1
            The precision of the new targets, for a prediction interval of squared loss.
        cluster : Cluster, optional
            The processes that read a table of Parquet files, for a model fitted with a formula.

        Returns
        -------
        array (n,), or (n, outputs) where there are several; a number for a number; or, with ``interval=``,
        IntervalPrediction (prediction, lower, upper, level, guarantee)

        Raises
        ------
        ValueError
            For the wrong columns, and for intervals that cannot be had, saying what is missing.

        Examples
        --------
        >>> import gradline as gl
        >>> fit = gl.fit(*gl.datasets.line(seed=1))
        >>> print(f"{fit.predict(2.0):.1f}")
        7.1
        >>> found = fit.predict([0.0, 1.0], interval="prediction", level=0.9)
        >>> found.lower.shape
        (2,)
        """
        from gradline.model.predict import predict

        return predict(self, data, kind, unseen, offset, interval, level, calibration, weight, cluster)

    def levels(self, name: str | None = None) -> LevelValues:
        """What each level after ``|`` in the formula adds to the linear predictor.

        Parameters
        ----------
        name : str, optional
            The category, such as "firm"; the only one unless given.

        Returns
        -------
        LevelValues
            ``labels``, ``values`` and, of ``firm[x]``, ``slopes``; ``as_dict()`` gives values by label. Of the second and further
            categories the first level of each connected set has the value zero. Values are comparable within a set (``sets``) only.

        Raises
        ------
        ValueError
            For a fit without absorbed levels, an unknown name, and where rows do not tell the levels apart.

        Examples
        --------
        >>> import gradline as gl
        >>> fit = gl.fit("body_mass_g ~ bill_length_mm | species", gl.datasets.penguins())
        >>> len(fit.levels("species"))
        3
        """
        if self.absorbed is None:
            raise InferenceError("this fit has absorbed no levels: they stand after |, as in y ~ x | firm")
        return self.absorbed.values(name)

    def curve(self, name: str | None = None, at: Any = None, *, points: int = 100, level: float = 0.95) -> CurveBand:
        """One of the formula's curves on a grid, as its part of the linear predictor, with bands.

        Parameters
        ----------
        name : str, optional
            Such as "s(x)" or "s(x, by=g)[a]", as in ``Fit.curves``; the only one unless given.
        at : array-like (m,) or (m, d), optional
            Where; a grid over the range of the data unless given. Beyond that range a curve goes on as a line.
        points : int, default 100
            Of the grid, along each column.
        level : float, default 0.95
            Of the bands.

        Returns
        -------
        CurveBand
            ``values``, ``estimate``, ``standard_errors``, ``lower`` and ``upper`` at each place, and ``simultaneous_lower`` and
            ``simultaneous_upper``, which hold the whole curve. NaN where the fit has no standard errors.

        Raises
        ------
        ValueError
            For a fit without curves and an unknown name.

        Examples
        --------
        >>> import gradline as gl
        >>> fit = gl.fit("body_mass_g ~ s(flipper_length_mm) + species", gl.datasets.penguins())
        >>> band = fit.curve("s(flipper_length_mm)")
        >>> bool((band.simultaneous_upper >= band.upper).all())
        True
        """
        from gradline.model.curves import curve_band

        return curve_band(self, name, at, points, level)

    def with_covariance(self, kind: Any, data: Any = None, target: Any = None, *, groups: Any = None, **rows: Any) -> Self:
        """The same fit with another kind of standard errors; the coefficients stay as they are.

        Parameters
        ----------
        kind, groups
            As ``covariance=`` and ``groups=`` of ``gl.fit``.
        data, target, **rows
            The rows of the fit, as for ``Fit.diagnose``. Not needed for HC0 and HC1 where the fit was asked for standard errors.

        Returns
        -------
        Fit

        Raises
        ------
        ValueError
            For other rows than those of the fit, and for kinds that cannot be had.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> gl.fit(x, y).with_covariance("HC3", x, y).covariance().kind
        'HC3'
        """
        from gradline.model.recompute_covariance import with_covariance

        found: Self = with_covariance(self, kind, data, target, groups, rows)
        return found

    def residuals(self, data: Any, target: Any = None, **rows: Any) -> Array:
        """The target less the prediction, for any rows.

        Parameters
        ----------
        data : table, or array-like (n, p)
            A table that holds the target too; or X.
        target : array-like (n,) or (n, q)
            y, where data is X.
        **rows
            ``weights``, ``frequencies``, ``offset``, ``where``, ``query``, ``database``, ``cluster``, as for ``diagnose``.

        Returns
        -------
        array (n,), or (n, q) for several targets
            NaN where a value is missing.

        Raises
        ------
        ValueError
            Where predictions are not of the targets one by one.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> bool(abs(gl.fit(x, y).residuals(x, y).mean()) < 1e-12)
        True
        """
        from gradline.model.diagnose import residuals

        return residuals(self, data, target, **rows)

    def diagnose(self, data: Any, target: Any = None, **rows: Any) -> Diagnosis:
        """What the rows of the fit, given again, say about it: leverage, Cook's distance, predictions without each row, tests.

        Parameters
        ----------
        data : table, or array-like (n, p)
            What the fit was made from: the table, or X.
        target : array-like (n,) or (n, q)
            y, where data is X.
        **rows
            What went with the fit: ``weights``, ``frequencies`` and ``offset`` as arrays (the columns of a table are remembered), and
            ``where``, ``query``, ``database`` or ``cluster``.

        Returns
        -------
        Diagnosis
            Nothing is computed before it is asked for but a pass that checks the rows.

        Raises
        ------
        ValueError
            For other rows than those of the fit, as far as targets, weights, offsets and the gradient of the loss at the coefficients tell.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> diagnosis = gl.fit(x, y).diagnose(x, y)
        >>> round(float(diagnosis.leverage.sum()), 6)
        2.0
        """
        from gradline.model.attach_data import attach_data
        from gradline.model.diagnose import Diagnosis

        return Diagnosis(self, attach_data(self, data, target, levels=True, **rows))

    def plot(self, data: Any, target: Any, *, true: Any = None, ax: Any = None) -> Any:
        """Draw the data with the fitted line.

        Parameters
        ----------
        data, target
            X and y.
        true : optional
            The true coefficients, drawn beside the fitted ones.
        ax : Matplotlib Axes, optional
            Where to draw; a new figure unless given.

        Returns
        -------
        Matplotlib Axes

        See Also
        --------
        gradline.plot.fit : the same, with all its options.

        Examples
        --------
        >>> import gradline as gl
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> x, y = gl.datasets.line(seed=1)
        >>> gl.fit(x, y).plot(x, y, true=(6, -5)).get_ylabel()
        'y'
        """
        from gradline import plot

        return plot.fit(self, data, target, true=true, ax=ax)

    def report(self, data: Any, target: Any = None, path: str | os.PathLike[str] | None = None, **rows: Any) -> Report:
        """A page about the fit, warnings first. A notebook shows it; ``save(path)`` or ``path=`` writes it as one HTML file.

        Parameters
        ----------
        data, target, **rows
            As for ``diagnose``. For rows the model was not fitted to the page says so, and leaves out what is of the fit's own.
        path : path, optional
            Where to write the page, a name that ends in .html or .htm.

        Returns
        -------
        Report

        Raises
        ------
        ValueError
            For data that does not go with the fit, and for a path that does not end in .html or .htm.
        OSError
            Where the file cannot be written.
        ImportError
            Without Matplotlib.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm", penguins)
        >>> page = fit.report(penguins)
        >>> "<html" in page.html
        True
        """
        from gradline.report import build, page_name

        if path is not None:
            page_name(path)
        report = build(self, data, target, **rows)
        if path is not None:
            report.save(path)
        return report

    def summary(self, exponentiate: bool = False, *, level: float = 0.95) -> Summary:
        """The model, its coefficients and how they were found: a table in a terminal, HTML in a notebook, plain text when printed.

        Parameters
        ----------
        exponentiate : bool, default False
            Show exp of each coefficient and of the ends of its interval: odds ratios, ratios of means. The standard error is then of the
            ratio; the test is the coefficient's. A dispersion or another number that is the same for all rows has none.
        level : float, default 0.95
            Of the intervals.

        Returns
        -------
        Summary

        Raises
        ------
        TypeError
            For ``exponentiate`` that is neither True nor False.
        ValueError
            For a level that does not lie between 0 and 1.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> print(str(gl.fit(x, y).summary()).splitlines()[0])
        Linear model of y
        """
        from gradline.summary import summarise

        return summarise(self, exponentiate, level)

    def table(self) -> ResultTable:
        """The coefficients with their names, errors and intervals, for pandas, Polars, Arrow and DuckDB.

        Returns
        -------
        ResultTable
            A row for each coefficient: predictor (the linear predictor), name (of the design column), coefficient, digits (significant
            ones claimed), left_out (whether the column was left out as aliased). With standard errors also standard_error, statistic,
            p_value, lower and upper, the ends of the 95% interval; before them estimate, what they are about, where that is not the
            coefficient (debiased and selective).

        Examples
        --------
        >>> import gradline as gl
        >>> table = gl.fit("body_mass_g ~ flipper_length_mm", gl.datasets.penguins()).table()
        >>> table["name"]
        ['Intercept', 'flipper_length_mm']
        >>> [round(error, 2) for error in table["standard_error"]]
        [305.81, 1.52]
        """
        from gradline.summary import coefficient_table

        return coefficient_table(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a JSON file, whole or not at all: no rows, no history, no code that runs.

        Parameters
        ----------
        path : path
            Where to write it, for ``gl.load``.

        Raises
        ------
        OSError
            Where the file cannot be written; the old file is then as it was.

        Examples
        --------
        >>> import gradline as gl
        >>> import pathlib, tempfile
        >>> x, y = gl.datasets.line(seed=1)
        >>> fit = gl.fit(x, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "model.json"
        ...     fit.save(path)
        ...     same = gl.load(path)
        >>> bool((same.coefficients == fit.coefficients).all())
        True
        """
        from gradline.files import save

        save(self, path)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
