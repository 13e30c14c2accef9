"""The scikit-learn face: gradline in a Pipeline, a GridSearchCV or cross_val_score.

Duck-typed: nothing here imports scikit-learn unless scikit-learn is what asks, so that gradline neither needs it nor waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.constraints import nonnegative
from gradline.preparing.from_arrays import as_offset
from gradline.rows.array_checks import as_columns, check_finite, check_length
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.sklearn.estimator import available
from gradline.sklearn.incremental import add_rows, why_no_sums
from gradline.sklearn.linear import LinearModel, dimensions, row_weights, two_dimensional
from gradline.sklearn.routing import OF_ROWS, UNCHANGED, Request
from gradline.sklearn.scores import d_squared, r_squared

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradline.api.result import Fit
    from gradline.fitting.from_sums import RowSums
    from gradline.losses.arguments import LossArgument
    from gradline.penalties.kinked_penalty import UnboundPenalty
    from gradline.penalties.protocol import Penalty
    from gradline.penalties.ridge import AutomaticRidge
    from gradline.solvers.protocol import Solver


class LinearRegression(LinearModel):
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
        One that is the same number for all rows, such as a joint scale or the dispersion of counts, is left out: ``result_`` has it.
    intercept_ : float or array (q,)
    n_features_in_ : int
        p.
    feature_names_in_ : array (p,)
        Where the columns of X are all named by strings.
    n_iter_ : int
        Steps of gradient descent; of other solvers, passes over the rows.
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

    _ROUTED: ClassVar = {**LinearModel._ROUTED, "partial_fit": OF_ROWS}

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

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, frequencies: Any = None, offset: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array or data frame (n, p)
        y : array (n,) or (n, q)
        sample_weight : array (n,), optional
            Precision weights. A row of weight zero is left out.
        frequencies : array (n,), optional
            Repeat counts: 2 equals the row twice, in standard errors too.
        offset : array (n,) or (n, k), optional
            Added to the linear predictor. ``predict`` and ``score`` then ask for that of their rows.

        Returns
        -------
        LinearRegression
            Itself.

        Raises
        ------
        ValueError
            For a one-dimensional X, and whatever :func:`gradline.fit` refuses.

        Examples
        --------
        >>> import gradline as gl
        >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
        >>> model = gl.LinearRegression().fit(X, y)
        >>> model.coef_.shape, model.result_.certificate.converged
        ((3,), True)
        """
        self._require_targets(y)
        columns = two_dimensional(X)
        beside = row_weights(sample_weight, frequencies, columns.values.shape[0])
        check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight, frequencies=frequencies, offset=offset))
        result = self._fit_targets(X, columns, y, beside, offset, loss=self.loss, prediction=self.prediction, backend=self.backend)
        self._sums = None
        self._show(result, dimensions(y))
        return self

    @available(why_no_sums)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, frequencies: Any = None, offset: Any = None) -> Self:
        """Fit the rows given so far, in any order and any parts: the same as ``fit`` of all of them together.

        Squared loss needs nothing of the rows but sums of products, which add up, so this is no step of a descent but the fit itself,
        whatever the penalty. ``fit`` keeps no sums: after it the rows begin anew, with a warning. ``set_params`` may change the penalty and
        ``fit_intercept`` between calls. Sums hold about half the digits that ``fit`` does where columns are nearly dependent, and a warning
        says so. Until there are as many rows as coefficients, later columns are left out.

        Parameters
        ----------
        X, y, sample_weight, frequencies, offset
            As for ``fit``. A frame's columns are found by name.

        Returns
        -------
        LinearRegression
            Itself.

        Raises
        ------
        AttributeError
            For any other loss: only sums of products tell all that a loss needs of its rows.
        ValueError
            For other columns or targets than before, and for what needs the rows, such as a strength of "auto".

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
        >>> model = gl.LinearRegression().partial_fit(X[:400], y[:400]).partial_fit(X[400:], y[400:])
        >>> bool(np.allclose(model.coef_, gl.LinearRegression().fit(X, y).coef_))
        True
        """
        self._require_targets(y)
        sums = getattr(self, "_sums", None)
        if sums is None and hasattr(self, "result_"):
            warn(
                "partial_fit begins anew: fit(X, y) kept no sums of its rows, so that they do not count here. Give them to partial_fit"
                " instead"
            )
        result, self._sums = add_rows(self, sums, X, y, sample_weight, frequencies, offset)
        if sums is None:
            self._learn_columns(X, two_dimensional(X))
        self.n_iter_ = 1
        self.result_ = result
        self._show(result, dimensions(y))
        return self

    def _constraints(self) -> Any:
        """Those given, with ``positive=True`` among them."""
        if not isinstance(self.positive, bool | np.bool_):
            raise ArgumentTypeError(f"positive must be True or False, not {self.positive!r}")
        if not self.positive:
            return self.constraints
        return nonnegative() if self.constraints is None else [nonnegative(), self.constraints]

    def predict(self, X: Any, *, offset: Any = None) -> Array:
        """Predictions.

        Parameters
        ----------
        X : array or data frame (m, p)
            The columns of a data frame are matched by name where the model was fitted to one.
        offset : array (m,) or (m, k), or number
            For a model fitted with one.

        Returns
        -------
        array
            (m,), or (m, q) where y had two dimensions.

        Raises
        ------
        ValueError
            For the wrong columns, for NaN or infinity, and where an offset is forgotten.
        NotFittedError
            Before ``fit``.

        Examples
        --------
        >>> import gradline as gl
        >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
        >>> model = gl.LinearRegression().fit(X, y)
        >>> model.predict(X[:2]).shape
        (2,)
        """
        return self._predictions(self._linear("predict", X, offset))

    def _predictions(self, predictors: Array) -> Array:
        """Of linear predictors (m, k)."""
        predictions = np.asarray(self.result_.loss_function.predict(predictors), dtype=np.float64)
        if self._target_dimensions == 2:
            return predictions.reshape(len(predictions), -1)
        return predictions[:, 0] if predictions.ndim == 2 and predictions.shape[1] == 1 else predictions

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, frequencies: Any = None, offset: Any = None) -> float:
        """R^2 for squared loss, D^2 for any other: the share of the loss that a constant leaves which the model takes away.

        R^2 is averaged over targets: 1 - sum w (y - prediction)^2 / sum w (y - mean)^2. D^2 puts the model's own loss in place of squares,
        and the constant of least loss in place of the mean; for Poisson, gamma and logistic loss it is the share of deviance explained,
        as scikit-learn's ``d2_tweedie_score`` and ``d2_log_loss_score``. D^2 of different losses, or of one loss with different numbers, do
        not compare: a search over ``loss`` needs a ``scoring=`` that is the same for all. Targets that do not vary score 1 if predicted
        exactly and 0 otherwise. A loss of all rows together has R^2.

        Parameters
        ----------
        X : array or data frame (m, p)
        y : array (m,) or (m, q)
        sample_weight, frequencies : array (m,), optional
            A row counts by their product.
        offset : array (m,) or (m, k), or number
            For a model fitted with one.

        Returns
        -------
        float
            At most 1. NaN, with a warning, for a single row.

        Raises
        ------
        ValueError
            What ``predict`` raises, and for losses whose least value is not known, such as those with a density of their own.

        Examples
        --------
        >>> import gradline as gl
        >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
        >>> model = gl.LinearRegression().fit(X, y)
        >>> bool(model.score(X, y) > 0.9)
        True
        """
        self._fitted("score")
        targets = as_columns(y, "y", "y")
        n = len(targets.values)
        beside = row_weights(sample_weight, frequencies, n)
        idle, weights = beside.idle, beside.total
        predictors = self._linear("score", X, offset, idle)
        check_length(n, "y", len(predictors))
        check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight, frequencies=frequencies, offset=offset))
        check_finite(targets.values, "y", targets.names if targets.values.shape[1] > 1 else None, idle)
        observed = targets.values.astype(np.float64)
        q = len(self.result_.target_names)
        if observed.shape[1] != q:
            raise ArgumentError(f"y has {observed.shape[1]} targets, but the model was fitted to {q}")
        kept = slice(None) if idle is None else ~idle
        observed, predictors = observed[kept], predictors[kept]
        weights = None if weights is None else weights[kept]
        loss = self.result_.loss_function
        if loss.squared_scale() is not None or loss.joint:
            predictions = self._predictions(predictors).reshape(len(predictors), -1)
            return r_squared(observed, predictions, weights)
        whole = np.full(n, offset) if np.ndim(offset) == 0 else offset
        given = None if offset is None else as_offset(whole, n, predictors.shape[1], idle, loss.intercept_only)
        return d_squared(loss, observed, predictors, None if given is None else given[kept], weights)

    def set_partial_fit_request(
        self, *, sample_weight: Request = UNCHANGED, frequencies: Request = UNCHANGED, offset: Request = UNCHANGED
    ) -> Self:
        """For scikit-learn's metadata routing: whether, or under which names, ``partial_fit`` asks for what goes with the rows."""
        return self._request("partial_fit", sample_weight=sample_weight, frequencies=frequencies, offset=offset)

    def _require_targets(self, y: Any) -> None:
        if y is None:
            raise ArgumentError(f"{type(self).__name__} requires y to be passed, but the target y is None")

    def _show(self, result: Fit, target_dimensions: int) -> None:
        """What scikit-learn's users read: coefficients by their names there."""
        # Two-dimensional targets stay so in the coefficients and the predictions, even where there is but one column of them.
        self._target_dimensions = target_dimensions
        kept = _with_columns(result)
        several = len(kept) > 1 or target_dimensions == 2
        # A column left out as aliased has the coefficient 0 here, where code computes X @ coef_; result_ marks it with NaN.
        slopes = result.solution.coefficients[int(result.has_intercept) :, kept]
        intercepts = np.atleast_1d(np.asarray(result.intercept))[kept]
        self.coef_ = np.ascontiguousarray(slopes.T) if several else slopes[:, 0].copy()
        self.intercept_ = intercepts if several else float(intercepts[0])

    _sums: RowSums | None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        target = TargetTags(required=True, multi_output=True, single_output=True)
        inputs = InputTags(two_d_array=True, sparse=True, pairwise=False)
        return Tags(estimator_type="regressor", target_tags=target, regressor_tags=RegressorTags(), input_tags=inputs)


def _with_columns(result: Fit) -> list[int]:
    """The linear predictors that columns enter: those that are one number for all rows, such as a joint scale, are no rows of ``coef_``.
    All of them where a number stands for the intercept of another, as the thresholds of ordered classes do."""
    loss, k = result.loss_function, result.solution.coefficients.shape[1]
    only = loss.intercept_only
    if not any(only) or all(only) or any(loss.without_intercept):
        return list(range(k))
    return [j for j in range(k) if not only[j]]
