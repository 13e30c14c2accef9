"""The scikit-learn face: gradline in a Pipeline, a GridSearchCV or cross_val_score.

Duck-typed: nothing here imports scikit-learn unless scikit-learn is what asks, so that gradline neither needs it nor waits for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from gradline.api.fitting import fit
from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.constraints import nonnegative
from gradline.rows.array_checks import Columns, Rows, as_columns, as_weights, check_finite, check_length, select_columns
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.sklearn.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradline.api.result import Fit
    from gradline.losses.arguments import LossArgument
    from gradline.penalties.kinked_penalty import UnboundPenalty
    from gradline.penalties.protocol import Penalty
    from gradline.penalties.ridge import AutomaticRidge
    from gradline.solvers.protocol import Solver


class LinearRegression(Estimator):
    """A linear model of any loss, as a scikit-learn regressor.

    Parameters
    ----------
    loss, prediction, penalty, constraints, solver, backend, start, accuracy, tolerance, covariance, progress
        As for :func:`gradline.fit`. The settings of a solver, a loss or a penalty are parameters too:
        ``set_params(solver__learning_rate=0.1)``, or a grid over ``penalty__strength``, replaces the solver or the penalty with one that
        differs in that setting only.
    positive : bool
        Whether slopes must be zero or above, as well as what ``constraints`` says.
    fit_intercept : bool
        Whether the model has an intercept.

    Attributes
    ----------
    coef_ : array
        (p,), or (q, p) where y is two-dimensional. With a loss of k linear predictors per row, such as a mean and a log scale, q is k.
    intercept_ : float or array (q,)
    n_features_in_ : int
        p.
    feature_names_in_ : array (p,)
        Where the columns of X are all named by strings.
    result_ : Fit
        The :class:`gradline.Fit`.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1, noise=0.1)
    >>> model = gl.LinearRegression(loss=gl.losses.huber(1.0)).fit(X, y)
    >>> model.score(X, y) > 0.99
    True
    """

    coef_: Array
    intercept_: float | Array
    n_features_in_: int
    feature_names_in_: np.ndarray[Any, Any]
    result_: Fit

    def __init__(
        self,
        *,
        loss: LossArgument = "squared",
        prediction: Callable[[Any], Any] | None = None,
        penalty: Penalty | UnboundPenalty | AutomaticRidge | None = None,
        constraints: Any = None,
        positive: bool = False,
        solver: str | Solver = "auto",
        fit_intercept: bool = True,
        backend: str | None = None,
        start: Any = None,
        accuracy: Literal["auto", "full"] = "auto",
        tolerance: float | None = None,
        covariance: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.loss = loss
        self.prediction = prediction
        self.penalty = penalty
        self.constraints = constraints
        self.positive = positive
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.backend = backend
        self.start = start
        self.accuracy = accuracy
        self.tolerance = tolerance
        self.covariance = covariance
        self.progress = progress

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array or data frame (n, p)
        y : array (n,) or (n, q)
        sample_weight : array (n,), optional
            Precision weights. A row of weight zero is left out.

        Returns
        -------
        LinearRegression
            Itself.

        Raises
        ------
        ValueError
            For a one-dimensional X, and whatever :func:`gradline.fit` refuses.
        """
        if y is None:
            raise ArgumentError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        columns = _two_dimensional(X)
        weights = None if sample_weight is None else as_weights(sample_weight, "sample_weight", columns.values.shape[0], whole=False)
        check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight))
        result = fit(
            columns.values,
            y,
            loss=self.loss,
            prediction=self.prediction,
            backend=self.backend,
            penalty=self.penalty,
            constraints=self._constraints(),
            solver=self.solver,
            weights=weights,
            start=self.start,
            accuracy=self.accuracy,
            tolerance=self.tolerance,
            covariance=self.covariance,
            intercept=self.fit_intercept,
            names=columns.names if columns.named else None,
            progress=self.progress,
        )
        # Two-dimensional targets stay so in the coefficients and the predictions, even where there is but one column of them.
        self._target_dimensions = _dimensions(y)
        several = result.slopes.ndim == 2 or self._target_dimensions == 2
        self.result_ = result
        # A column left out as aliased has the coefficient 0 here, where code computes X @ coef_; result_ marks it with NaN.
        slopes = result.solution.coefficients[int(result.has_intercept) :]
        self.coef_ = np.ascontiguousarray(slopes.T) if several else slopes[:, 0].copy()
        self.intercept_ = np.atleast_1d(np.asarray(result.intercept)) if several else result.intercept
        self.n_features_in_ = columns.values.shape[1]
        names = _string_names(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _constraints(self) -> Any:
        """Those given, with ``positive=True`` among them."""
        if not isinstance(self.positive, bool | np.bool_):
            raise ArgumentTypeError(f"positive must be True or False, not {self.positive!r}")
        if not self.positive:
            return self.constraints
        return nonnegative() if self.constraints is None else [nonnegative(), self.constraints]

    def predict(self, X: Any) -> Array:
        """Predictions.

        Parameters
        ----------
        X : array or data frame (m, p)
            The columns of a data frame are matched by name where the model was fitted to one.

        Returns
        -------
        array
            (m,), or (m, q) where y had two dimensions.

        Raises
        ------
        ValueError
            For the wrong columns, and for NaN or infinity.
        NotFittedError
            Before ``fit``.
        """
        return self._predictions(X, None)

    def _predictions(self, X: Any, idle: Rows | None) -> Array:
        """idle: rows of weight zero, (n,), which may hold anything."""
        result = self._fitted("predict")
        data = select_columns(X, result.names[int(result.has_intercept) :]) if result.named else X
        columns = _two_dimensional(data)
        if columns.values.shape[1] != self.n_features_in_:
            raise ArgumentError(
                f"X has {columns.values.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features as input"
            )
        check_finite(columns.values, "X", columns.names, idle)
        predictions = result.predict(data if columns.named else columns.values)
        return predictions[:, None] if predictions.ndim < self._target_dimensions else predictions

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2 of the predictions, averaged over targets: 1 - sum w (y - prediction)^2 / sum w (y - mean)^2.

        As in scikit-learn, targets that do not vary score 1 if predicted exactly and 0 otherwise.

        Parameters
        ----------
        X : array or data frame (m, p)
        y : array (m,) or (m, q)
        sample_weight : array (m,), optional

        Returns
        -------
        float
            At most 1. NaN, with a warning, for a single row.

        Raises
        ------
        ValueError
            What ``predict`` raises, and where there is not one prediction for each target.
        """
        targets = as_columns(y, "y", "y")
        weights = None if sample_weight is None else as_weights(sample_weight, "sample_weight", len(targets.values), whole=False)
        idle = None if weights is None else weights == 0
        predictions = self._predictions(X, idle)
        check_length(len(targets.values), "y", len(predictions))
        check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight))
        check_finite(targets.values, "y", targets.names if targets.values.shape[1] > 1 else None, idle)
        predictions = predictions.reshape(len(predictions), -1)
        if predictions.shape != targets.values.shape:
            raise ArgumentError(
                f"R^2 compares each target with its prediction, but there are {targets.values.shape[1]} targets and {predictions.shape[1]}"
                " predictions per row; score the predictions with a metric of your own"
            )
        observed = targets.values.astype(np.float64)
        if weights is None or idle is None or not idle.any():
            return _r_squared(observed, predictions, weights)
        return _r_squared(observed[~idle], predictions[~idle], weights[~idle])

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        target = TargetTags(required=True, multi_output=True, single_output=True)
        return Tags(estimator_type="regressor", target_tags=target, regressor_tags=RegressorTags(), input_tags=InputTags(sparse=True))


def _two_dimensional(data: Any) -> Columns:
    """X as columns. One dimension is refused: scikit-learn could not tell one row from one column."""
    columns = as_columns(data, sparse=True)
    if _dimensions(data) == 1:
        raise ArgumentError(
            "X has one dimension, but an estimator takes one row per example and one column per variable. Reshape your data:"
            " X.reshape(-1, 1) if it is one column, X.reshape(1, -1) if it is one row"
        )
    return columns


def _dimensions(data: Any) -> int:
    """How many dimensions data has; unlike np.ndim, for anything that turns into an array."""
    known = getattr(data, "ndim", None)
    return known if isinstance(known, int) else np.asarray(data).ndim


def _string_names(data: Any) -> np.ndarray[Any, Any] | None:
    """Column names for ``feature_names_in_``: an object array, or None unless every name is a string."""
    names = list(getattr(data, "columns", ()))
    return np.array(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def _r_squared(targets: Array, predictions: Array, weights: Array | None) -> float:
    """R^2 averaged over the columns of targets and predictions, each (n, q)."""
    if len(targets) < 2:
        warn("R^2 is not defined for a single row, whose target does not vary; the score is NaN")
        return math.nan
    left = np.average(np.square(targets - predictions), axis=0, weights=weights)
    total = np.average(np.square(targets - np.average(targets, axis=0, weights=weights)), axis=0, weights=weights)
    scores = np.where(left == 0, 1.0, 0.0)
    varies = total > 0
    scores[varies] = 1.0 - left[varies] / total[varies]
    return float(scores.mean())
