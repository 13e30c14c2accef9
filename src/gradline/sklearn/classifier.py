"""The scikit-learn face of losses of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from gradline.base.types import Array
from gradline.losses.arguments import as_loss
from gradline.losses.of_classes import has_probabilities, log_probabilities, loss_of_classes, needs_order, scores, takes_many_classes
from gradline.rows.array_checks import check_length
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.sklearn.class_labels import (
    Labels,
    as_labels,
    check_known,
    check_labels,
    declared_order,
    find_classes,
    in_order,
    weights_of_classes,
)
from gradline.sklearn.estimator import available
from gradline.sklearn.incremental import called, needs_its_rows
from gradline.sklearn.linear import LinearModel, row_weights, two_dimensional
from gradline.sklearn.routing import UNCHANGED, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradline.losses.arguments import LossArgument
    from gradline.penalties.kinked_penalty import UnboundPenalty
    from gradline.penalties.protocol import Penalty
    from gradline.penalties.ridge import AutomaticRidge
    from gradline.solvers.protocol import Solver


def _why_no_probabilities(model: LinearClassifier) -> str:
    """Why a loss gives none; empty where it does."""
    try:
        if has_probabilities(model.loss, model.prediction, model.backend):
            return ""
    except (TypeError, ValueError, ImportError) as error:
        return str(error)
    name = as_loss(model.loss, model.prediction, model.backend).name
    return (
        f"the loss {name!r} is no likelihood, and its scores are no probabilities. To learn these from rows held out, wrap it:"
        " sklearn.calibration.CalibratedClassifierCV(model). Of a function of yours that is minus the log of a probability say so:"
        " gl.losses.custom(function, likelihood=True)"
    )


class LinearClassifier(LinearModel):
    """A linear model of any loss of labels, as a scikit-learn classifier.

    Parameters
    ----------
    loss : str, loss of ``gl.losses``, or function
        "logistic" (of more than two classes the multinomial), "multinomial", "ordinal" (classes in the order of numbers or of an ordered
        categorical), "hinge", or your own. A function of a score for each class,
        ``loss(y, scores)``, has y = 0, 1, ... and scores (m, K). One of a single score takes two classes, and y is 0 and 1 where the loss
        of each falls towards its own side, as for a cross-entropy, and otherwise -1 and 1, as for a margin y times score.
    class_weight : dict or "balanced", optional
        A weight for each class, which multiplies those of its rows; "balanced" gives each class the same total. Standard errors take them
        for weights like any other.
    prediction, penalty, constraints, solver, backend, start, accuracy, tolerance, covariance, progress
        As for :func:`gradline.fit`, and as for :class:`gradline.LinearRegression`.
    fit_intercept : bool
        Whether the model has an intercept.

    Attributes
    ----------
    classes_ : array (K,)
        The labels, sorted; for "ordinal" in the order that the data declares.
    coef_ : array (1, p) or (K, p)
        A row for two classes, whose scores are positive for ``classes_[1]``; otherwise a row for each class. The multinomial's first is
        zero: the others are log odds against it. "ordinal" has one row for all.
    intercept_ : array (1,) or (K,)
        Of "ordinal" (K - 1,): of the log odds of a class above the first, the second, ...
    n_features_in_ : int
        p.
    feature_names_in_ : array (p,)
        Where the columns of X are all named by strings.
    n_iter_ : int
        Steps of gradient descent; of other solvers, passes over the rows.
    result_ : Fit
        The :class:`gradline.Fit`, with standard errors and tests. Its targets are the numbers that stand for the classes.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
    >>> model = gl.LinearClassifier().fit(X, ["high" if value > 3 else "low" for value in y])
    >>> model.classes_.tolist(), model.predict_proba(X).shape == (len(X), 2)
    (['high', 'low'], True)
    >>> bool((model.predict(X) == model.classes_[model.predict_proba(X).argmax(axis=1)]).all())
    True
    """

    classes_: Labels
    coef_: Array
    intercept_: Array

    _ROUTED: ClassVar = {
        **LinearModel._ROUTED,
        "decision_function": ("offset",),
        "predict_proba": ("offset",),
        "predict_log_proba": ("offset",),
    }

    def __init__(
        self,
        *,
        loss: LossArgument = "logistic",
        prediction: Callable[[Any], Any] | None = None,
        penalty: Penalty | UnboundPenalty | AutomaticRidge | None = None,
        constraints: Any = None,
        solver: str | Solver = "auto",
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
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
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.backend = backend
        self.start = start
        self.accuracy = accuracy
        self.tolerance = tolerance
        self.covariance = covariance
        self.progress = progress

    if not TYPE_CHECKING:  # Or else checkers of types would take any attribute for one that there is.

        def __getattr__(self, name: str) -> Any:
            if name == "partial_fit":
                raise AttributeError(f"this {type(self).__name__} has no partial_fit: {needs_its_rows(called(self.loss))}")
            # Where a property raised AttributeError that error is raised anew.
            return object.__getattribute__(self, name)

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, frequencies: Any = None, offset: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array or data frame (n, p)
        y : array (n,)
            Labels: text, whole numbers, truth values, dates, or anything else that can be sorted.
        sample_weight : array (n,), optional
            Precision weights. A row of weight zero is left out, whatever it holds.
        frequencies : array (n,), optional
            Repeat counts: 2 equals the row twice, in standard errors too.
        offset : array (n,) or (n, k), optional
            Added to the linear predictors. What predicts then asks for that of its rows.

        Returns
        -------
        LinearClassifier
            Itself.

        Raises
        ------
        ValueError
            For labels that are missing or have a fraction, for one class only, for a loss that cannot tell as many classes apart, and
            whatever :func:`gradline.fit` refuses.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> X = rng.normal(size=(200, 2))
        >>> labels = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
        >>> model = gl.LinearClassifier().fit(X, labels)
        >>> model.classes_, model.coef_.shape
        (array(['no', 'yes'], dtype='<U3'), (1, 2))
        """
        columns = two_dimensional(X)
        n = columns.values.shape[0]
        labels = as_labels(y, type(self).__name__)
        check_length(len(labels), "y", n)
        beside = row_weights(sample_weight, frequencies, n)
        check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight, frequencies=frequencies, offset=offset))
        counted = np.ones(n, dtype=np.bool_) if beside.idle is None else ~beside.idle
        check_labels(labels, counted)
        classes, found = find_classes(labels[counted])
        if needs_order(self.loss, self.prediction, self.backend):
            classes, found = in_order(classes, found, declared_order(y), "ordinal")
        codes = np.zeros(n, dtype=np.int64)
        codes[counted] = found
        of_class = weights_of_classes(self.class_weight, classes, found, None if beside.total is None else beside.total[counted])
        if of_class is not None:
            beside = beside._replace(weights=of_class[codes] * (1.0 if beside.weights is None else beside.weights))
        names = tuple(str(label) for label in classes.tolist())
        used = loss_of_classes(self.loss, self.prediction, self.backend, names)
        result = self._fit_targets(X, columns, used.values[codes], beside, offset, loss=used.loss, class_labels=names)
        self.classes_, self._values, self._against_first = classes, used.values, used.against_first
        slopes = np.ascontiguousarray(result.solution.coefficients[int(result.has_intercept) :].T)
        intercepts = np.atleast_1d(np.asarray(result.intercept, dtype=np.float64))
        if used.against_first:
            slopes = np.concatenate([np.zeros((1, slopes.shape[1])), slopes])
            intercepts = np.concatenate([[0.0], intercepts])
        elif used.ordered:
            slopes, intercepts = slopes[:1], -intercepts[1:]
        elif len(classes) == 2 and len(slopes) == 2:
            slopes, intercepts = slopes[1:] - slopes[:1], intercepts[1:] - intercepts[:1]
        self.coef_, self.intercept_ = slopes, intercepts
        return self

    def predict(self, X: Any, *, offset: Any = None) -> Labels:
        """The likeliest class of each row: that of the highest probability, or of the highest score where there are no probabilities.

        Parameters
        ----------
        X : array or data frame (m, p)
            The columns of a data frame are matched by name where the model was fitted to one.
        offset : array (m,) or (m, k), or number
            For a model fitted with one.

        Returns
        -------
        array (m,)
            Of ``classes_``. Of two that are alike, the first.

        Raises
        ------
        ValueError
            For the wrong columns, for NaN or infinity, and where an offset is forgotten.
        NotFittedError
            Before ``fit``.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> X = rng.normal(size=(200, 2))
        >>> labels = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
        >>> model = gl.LinearClassifier().fit(X, labels)
        >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
        array(['yes', 'no'], dtype='<U3')
        """
        return self._classes_at(self._linear("predict", X, offset))

    def _coding(self, predictors: Array) -> tuple[Array, Array, bool]:
        """What the loss needs to tell of classes."""
        return self._values, predictors, self._against_first

    def _classes_at(self, predictors: Array) -> Labels:
        """Of linear predictors (m, k)."""
        loss = self.result_.loss_function
        if loss.is_likelihood:
            found = np.exp(log_probabilities(loss, *self._coding(predictors))).argmax(axis=1)
        else:
            score = scores(loss, *self._coding(predictors))
            found = (score > 0).astype(np.int64) if score.ndim == 1 else score.argmax(axis=1)
        return np.asarray(self.classes_[found])

    @available(_why_no_probabilities)
    def predict_proba(self, X: Any, *, offset: Any = None) -> Array:
        """The probability of each class: exp(-loss), for a loss that is a likelihood.

        Parameters
        ----------
        X, offset
            As for ``predict``.

        Returns
        -------
        array (m, K)
            A column for each of ``classes_``; rows add up to one.

        Raises
        ------
        AttributeError
            For a loss that is no likelihood; ``sklearn.calibration.CalibratedClassifierCV(model)`` learns probabilities from its scores.
        ValueError
            What ``predict`` raises, and for a loss of your own that is said to be a likelihood of labels and is none.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> X = rng.normal(size=(200, 2))
        >>> labels = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
        >>> model = gl.LinearClassifier().fit(X, labels)
        >>> model.predict_proba([[2.0, 0.0]]).round(2)
        array([[0.04, 0.96]])
        """
        return np.asarray(np.exp(self.predict_log_proba(X, offset=offset)))

    @available(_why_no_probabilities)
    def predict_log_proba(self, X: Any, *, offset: Any = None) -> Array:
        """The logarithms of ``predict_proba``, which keep their digits where a probability is next to nothing.

        Parameters
        ----------
        X, offset
            As for ``predict``.

        Returns
        -------
        array (m, K)

        Raises
        ------
        AttributeError, ValueError
            As ``predict_proba`` does.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> X = rng.normal(size=(200, 2))
        >>> labels = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
        >>> model = gl.LinearClassifier().fit(X, labels)
        >>> bool(np.allclose(np.exp(model.predict_log_proba(X)).sum(axis=1), 1))
        True
        """
        predictors = self._linear("predict_proba", X, offset)
        return log_probabilities(self.result_.loss_function, *self._coding(predictors))

    def decision_function(self, X: Any, *, offset: Any = None) -> Array:
        """The scores: log odds against the first class for a likelihood, the linear predictors for any other loss.

        Parameters
        ----------
        X, offset
            As for ``predict``.

        Returns
        -------
        array (m,) or (m, K)
            For two classes one number, positive for ``classes_[1]``; for more a column for each class, of which ``predict`` takes the
            highest.

        Raises
        ------
        ValueError
            What ``predict`` raises.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> X = rng.normal(size=(200, 2))
        >>> labels = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
        >>> model = gl.LinearClassifier().fit(X, labels)
        >>> bool(model.decision_function([[2.0, 0.0]])[0] > 0)
        True
        """
        predictors = self._linear("decision_function", X, offset)
        return scores(self.result_.loss_function, *self._coding(predictors))

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, frequencies: Any = None, offset: Any = None) -> float:
        """The share of rows whose class is predicted rightly: scikit-learn's accuracy.

        Parameters
        ----------
        X : array or data frame (m, p)
        y : array (m,)
        sample_weight, frequencies : array (m,), optional
            A row counts by their product.
        offset : array (m,) or (m, k), or number
            For a model fitted with one.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        ValueError
            What ``predict`` raises, and for a label that is no class of the fit.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> X = rng.normal(size=(200, 2))
        >>> labels = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
        >>> model = gl.LinearClassifier().fit(X, labels)
        >>> round(model.score(X, labels), 2)
        0.74
        """
        self._fitted("score")
        labels = as_labels(y, type(self).__name__)
        beside = row_weights(sample_weight, frequencies, len(labels))
        predictors = self._linear("score", X, offset, beside.idle)
        check_length(len(labels), "y", len(predictors))
        check_same_labels(of_arguments(X=X, y=y, sample_weight=sample_weight, frequencies=frequencies, offset=offset))
        counted = np.ones(len(labels), dtype=np.bool_) if beside.idle is None else ~beside.idle
        check_labels(labels, counted)
        check_known(labels[counted], self.classes_, np.flatnonzero(counted))
        right = self._classes_at(predictors[counted]) == labels[counted]
        return float(np.average(right, weights=None if beside.total is None else beside.total[counted]))

    def set_decision_function_request(self, *, offset: Request = UNCHANGED) -> Self:
        """For scikit-learn's metadata routing: whether, or under which name, ``decision_function`` asks for an offset."""
        return self._request("decision_function", offset=offset)

    def set_predict_proba_request(self, *, offset: Request = UNCHANGED) -> Self:
        """For scikit-learn's metadata routing: whether, or under which name, ``predict_proba`` asks for an offset."""
        return self._request("predict_proba", offset=offset)

    def set_predict_log_proba_request(self, *, offset: Request = UNCHANGED) -> Self:
        """For scikit-learn's metadata routing: whether, or under which name, ``predict_log_proba`` asks for an offset."""
        return self._request("predict_log_proba", offset=offset)

    _values: Array
    _against_first: bool

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        target = TargetTags(required=True, one_d_labels=False, two_d_labels=False, single_output=True)
        inputs = InputTags(two_d_array=True, sparse=True, pairwise=False)
        tags = ClassifierTags(multi_class=self._takes_many_classes())
        return Tags(estimator_type="classifier", target_tags=target, classifier_tags=tags, input_tags=inputs)

    def _takes_many_classes(self) -> bool:
        """Whether the loss is one of more than two classes; True where it cannot be told."""
        try:
            return takes_many_classes(self.loss, self.prediction, self.backend)
        except (TypeError, ValueError, ImportError):
            return True
