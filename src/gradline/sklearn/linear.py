"""What regressors and classifiers share: the fit of coded targets, the columns of X, linear predictors of new rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from gradline.api.fitting import fit
from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.rows.array_checks import Columns, Rows, as_columns, as_weights, check_finite, check_length, select_columns
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.sklearn.estimator import Estimator
from gradline.sklearn.routing import RoutesMetadata

if TYPE_CHECKING:
    from gradline.api.result import Fit


class RowWeights(NamedTuple):
    """What came beside the rows, each (n,) or None; idle: rows of weight zero, which may hold anything."""

    weights: Array | None
    frequencies: Array | None

    @property
    def idle(self) -> Rows | None:
        """(n,), None where every row counts."""
        given = [held == 0 for held in self if held is not None]
        idle = np.logical_or.reduce(given) if given else None
        return idle if idle is not None and idle.any() else None

    @property
    def total(self) -> Array | None:
        """Weights times frequencies."""
        if self.weights is None or self.frequencies is None:
            return self.frequencies if self.weights is None else self.weights
        return np.asarray(self.weights * self.frequencies)


def row_weights(sample_weight: Any, frequencies: Any, n: int) -> RowWeights:
    """Checked, and called by the names that users know. Raises ValueError as ``as_weights`` does."""
    found = RowWeights(
        None if sample_weight is None else as_weights(sample_weight, "sample_weight", n, whole=False),
        None if frequencies is None else as_weights(frequencies, "frequencies", n, whole=True),
    )
    total = found.total
    if total is not None and not total.any():
        raise ArgumentError("sample_weight times frequencies is zero in every row; at least one row must count")
    return found


class LinearModel(RoutesMetadata, Estimator):
    """An estimator whose ``result_`` is a Fit of the columns of X."""

    result_: Fit
    n_features_in_: int
    feature_names_in_: np.ndarray[Any, Any]
    n_iter_: int

    def __sklearn_clone__(self) -> Self:
        return super().__sklearn_clone__()._with_requests_of(self)

    def _fit_targets(
        self, X: Any, columns: Columns, targets: Any, beside: RowWeights, offset: Any, class_labels: tuple[str, ...] = (), **loss: Any
    ) -> Fit:
        """The fit, with all that was learned of the columns of X set. class_labels: what the targets 0, 1, ... stand for. loss: of
        ``gl.fit``, with its ``prediction`` and ``backend``."""
        settings = vars(self)
        result = fit(
            columns.values,
            targets,
            **loss,
            weights=beside.weights,
            frequencies=beside.frequencies,
            offset=offset,
            constraints=self._constraints(),
            intercept=settings["fit_intercept"],
            names=columns.names if columns.named else None,
            **{name: settings[name] for name in self._PASSED_ON},
        )
        if class_labels:
            result = replace(result, class_labels=class_labels)
        self._learn_columns(X, columns)
        history = result.history
        self.n_iter_ = int(history.step[-1]) if history is not None and len(history) else result.solution.passes
        self.result_ = result
        return result

    def _constraints(self) -> Any:
        """What ``gl.fit`` is given as ``constraints=``."""
        return vars(self)["constraints"]

    _PASSED_ON = ("penalty", "solver", "start", "accuracy", "tolerance", "covariance", "progress")
    """Parameters that ``gl.fit`` takes under the same names."""

    def _learn_columns(self, X: Any, columns: Columns) -> None:
        self.n_features_in_ = columns.values.shape[1]
        names = _string_names(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _own_columns(self, result: Fit, X: Any, idle: Rows | None = None) -> tuple[Any, Columns]:
        """The fit's columns of X, found by name where both have names, as they are and as an array. idle: rows that may hold anything."""
        data = select_columns(X, result.names[int(result.has_intercept) :]) if result.named else X
        columns = two_dimensional(data)
        if columns.values.shape[1] != self.n_features_in_:
            raise ArgumentError(
                f"X has {columns.values.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features as input"
            )
        check_finite(columns.values, "X", columns.names, idle)
        return (data if columns.named else columns.values), columns

    def _linear(self, method: str, X: Any, offset: Any, idle: Rows | None = None) -> Array:
        """The linear predictors of new rows, (m, k). Raises as ``Fit.predict`` does where an offset is forgotten."""
        result = self._fitted(method)
        data, _ = self._own_columns(result, X, idle)
        check_same_labels(of_arguments(X=X, offset=offset))
        if idle is not None and offset is not None and np.ndim(offset) > 0:
            offset = np.array(offset, dtype=np.float64)
            check_length(len(offset), "offset", len(idle))
            offset[idle] = 0.0
        predictors = np.asarray(result.predict(data, kind="linear", offset=offset))
        return predictors.reshape(len(predictors), -1)


def two_dimensional(data: Any) -> Columns:
    """X as columns. One dimension is refused: scikit-learn could not tell one row from one column."""
    columns = as_columns(data, sparse=True)
    if dimensions(data) == 1:
        raise ArgumentError(
            "X has one dimension, but an estimator takes one row per example and one column per variable. Reshape your data:"
            " X.reshape(-1, 1) if it is one column, X.reshape(1, -1) if it is one row"
        )
    return columns


def dimensions(data: Any) -> int:
    """How many dimensions data has; unlike np.ndim, for anything that turns into an array."""
    known = getattr(data, "ndim", None)
    return known if isinstance(known, int) else np.asarray(data).ndim


def _string_names(data: Any) -> np.ndarray[Any, Any] | None:
    """Column names for ``feature_names_in_``: an object array, or None unless every name is a string."""
    names = list(getattr(data, "columns", ()))
    return np.array(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None
