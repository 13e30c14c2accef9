"""The part of a model that speaks of uncertainty: standard errors, intervals, tests, fit measures."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.base.types import Array
from gradline.inference.absent import NoInference
from gradline.model.constrained import ModelConstraints

if TYPE_CHECKING:
    from gradline.formulas.encoder import Encoder
    from gradline.inference.asked import PendingInference
    from gradline.inference.conditional import Selective
    from gradline.inference.covariance.estimate import Covariance
    from gradline.inference.inference import Inference
    from gradline.inference.intervals import Interval
    from gradline.inference.statistics import FitStatistics
    from gradline.inference.tests import HypothesisResult
    from gradline.losses.protocol import Loss
    from gradline.model.absorbed import AbsorbedLevels
    from gradline.model.terms import Term
    from gradline.smoothing.terms import FittedCurve
    from gradline.solvers.protocol import Solution


class ModelUncertainty(ModelConstraints):
    """Reads ``uncertainty``, which ``gl.fit(..., covariance=...)`` leaves in a Fit."""

    uncertainty: Inference | PendingInference | NoInference
    names: tuple[str, ...]
    loss_function: Loss
    solution: Solution
    fingerprint: int | None
    named: bool
    encoder: Encoder | None
    curves: tuple[FittedCurve, ...]
    absorbed: AbsorbedLevels | None

    if TYPE_CHECKING:

        @property
        def predictor_names(self) -> tuple[str, ...]: ...

        @property
        def has_intercept(self) -> bool: ...

    @cached_property
    def inference(self) -> Inference | None:
        """The covariance, the curvature and the sums behind the fit measures; None where the fit has none of them."""
        return self.uncertainty.infer()

    @property
    def standard_errors(self) -> Array:
        """Of every coefficient, shaped like ``coefficients``; NaN where there is none.

        Raises
        ------
        ValueError
            Where the fit has none; the message says why.
        """
        return self._shaped(self.covariance().standard_errors)

    @property
    def statistics(self) -> Array:
        """t or z: coefficients over their standard errors, shaped like ``coefficients``.

        Raises
        ------
        ValueError
            Where the fit has no standard errors.
        """
        from gradline.inference.intervals import statistics

        return self._shaped(statistics(self.estimate, self.covariance()))

    @property
    def p_values(self) -> Array:
        """Two-sided, of the hypothesis that a coefficient is zero, shaped like ``coefficients``; NaN where selective intervals have none,
        since a penalty did not keep it.

        Raises
        ------
        ValueError
            Where the fit has no standard errors.
        """
        from gradline.inference.intervals import p_values

        if self._selective is not None:
            return self._shaped(self._selective.p_values)
        return self._shaped(p_values(self.estimate, self.covariance()))

    def interval(self, level: float = 0.95) -> Interval:
        """Confidence intervals of the coefficients.

        Parameters
        ----------
        level : float
            The share of intervals that hold the true coefficient, between 0 and 1.

        Returns
        -------
        Interval
            ``lower`` and ``upper``, each shaped like ``coefficients``. NaN where a coefficient has no standard error. Within constraints
            as ``inference=`` of ``gl.fit`` says, and NaN with a warning where nothing is left of an interval.

        Raises
        ------
        ValueError
            Unless 0 < level < 1, and where the fit has no standard errors.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> lower, upper = gl.fit(x, y).interval(0.99)
        >>> bool(lower[1] < 6 < upper[1])
        True
        """
        from gradline.inference.intervals import Interval, coefficient_interval

        if self._selective is not None:
            return Interval(*(self._shaped(end) for end in self._selective.interval(level)))
        if self.constraints is not None:
            from gradline.model.constrained import interval_within

            found = interval_within(self, level)
        else:
            found = coefficient_interval(self.solution.coefficients, self.covariance(), level)
        return Interval(*(self._shaped(end) for end in found))

    def test(self, hypothesis: Any) -> HypothesisResult:
        """Wald's test of linear hypotheses about the coefficients.

        Parameters
        ----------
        hypothesis : str or array
            Conditions on the names of the coefficients, such as "x1 = x2, x3 = 0" or "2*x1 + x2 = 1". With several linear predictors a
            coefficient is called "predictor:name". A term of the formula by its name, "C(firm)", stands for all its coefficients, in every
            linear predictor that has it unless "predictor:" names one. Or a matrix (c, k P), whose rows times the coefficients are to be
            zero.

        Returns
        -------
        HypothesisResult
            ``statistic``, ``p_value`` and the degrees of freedom. F where the covariance has degrees of freedom, else chi-squared.

        Raises
        ------
        ValueError
            For a hypothesis that cannot be read, names an unknown coefficient, repeats or contradicts itself, and where the fit has no
            standard errors.
        TypeError
            For what is neither text nor numbers.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("body_mass_g ~ bill_length_mm + bill_depth_mm", penguins)
        >>> fit.test("bill_length_mm = bill_depth_mm").p_value < 0.05
        True
        """
        from gradline.inference.tests import coefficient_labels, curve_test, linear_test
        from gradline.model.terms import terms_tested

        labels, covariance = coefficient_labels(self.names, self.predictor_names), self.covariance()
        words = ""
        if isinstance(hypothesis, str):
            curve = next((own for own in self.curves if own.name == hypothesis.strip() and own.p_value == own.p_value), None)
            if curve is not None:
                return curve_test(curve, covariance)
            whole = terms_tested(hypothesis, self.terms, labels, covariance.estimated)
            if whole is not None:
                hypothesis, words = whole
        found = linear_test(hypothesis, self.estimate, covariance, labels, tuple(term.name for term in self.terms))
        return replace(found, hypothesis=words) if words else found

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms of the formula with their coefficients, without the intercept; of a model of arrays its columns."""
        from gradline.model.terms import terms_of

        loss = self.loss_function
        # A curve has a test of its own in each linear predictor.
        together = loss.target_kind == "class" and not self.curves
        return terms_of(self.encoder, self.names, self.predictor_names, self.has_intercept, loss.intercept_only, together=together)

    @property
    def joint_test(self) -> HypothesisResult | None:
        """The test that every slope is zero, F or chi-squared, as a summary shows it; None without slopes.

        Raises
        ------
        ValueError
            Where the fit has no standard errors.
        """
        from gradline.inference.tests import joint_test

        return joint_test(self.estimate, self.covariance(), self.has_intercept)

    def compare(self, other: ModelUncertainty) -> HypothesisResult:
        """The test of two nested fits to the same rows: F for squared loss, else the likelihood ratio.

        Parameters
        ----------
        other : Fit
            Another fit with the same loss. Either may be the larger one.

        Returns
        -------
        HypothesisResult

        Raises
        ------
        TypeError
            For something that is no fit.
        ValueError
            Where the fits are not nested, where their losses differ, and where their rows differ in targets, weights or offsets.

        Examples
        --------
        >>> import gradline as gl
        >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
        >>> table = {"a": X[:, 0], "b": X[:, 1], "y": y}
        >>> gl.fit("y ~ a + b", table).compare(gl.fit("y ~ a", table)).numerator
        1
        """
        from gradline.inference.tests import compare

        if not isinstance(other, ModelUncertainty):
            raise ArgumentTypeError(f"compare takes another fit, not {type(other).__name__} {other!r}")
        mine, theirs = self._measures, other._measures
        if mine.count == theirs.count and None not in (self.fingerprint, other.fingerprint) and self.fingerprint != other.fingerprint:
            raise InferenceError(
                "the fits were made on different rows: as many, but with other targets, weights or offsets; fit both to the same"
            )
        self._check_loss(other)
        if not (self.named and other.named):
            # Names that were made up for columns of arrays tell nothing.
            return compare(mine, theirs)
        return compare(mine, theirs, self._parts(), other._parts())

    def covariance(self, kind: str | None = None) -> Covariance:
        """The covariance of the coefficients.

        Parameters
        ----------
        kind : str, optional
            The fit's own unless given. HC0 and HC1 need no rows where the fit was asked for standard errors.

        Returns
        -------
        Covariance
            ``matrix`` is (P, P); with k linear predictors (k P, k P), in the order of the columns of the coefficients stacked.

        Raises
        ------
        ValueError
            Where the fit has no standard errors, and for kinds that need the rows: ``with_covariance`` takes them.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> gl.fit(x, y).covariance().matrix.shape
        (2, 2)
        """
        from gradline.inference.inference import without_rows

        inference = self._asked
        if kind is not None:
            return without_rows(inference, kind)
        if inference.covariance is None:
            raise InferenceError(f"this fit has no standard errors: {inference.unavailable.removeprefix('no standard errors: ')}")
        return inference.covariance

    @property
    def r_squared(self) -> float | Array:
        """The share of the variance explained, (q,) for several targets; about the mean with an intercept, about zero without.

        Raises
        ------
        ValueError
            For losses other than squared, which have none.
        """
        return self._measure("r_squared", "R-squared")

    @property
    def adjusted_r_squared(self) -> float | Array:
        """R-squared with the degrees of freedom counted.

        Raises
        ------
        ValueError
            For losses other than squared, and where no degree of freedom is left.
        """
        return self._measure("adjusted_r_squared", "adjusted R-squared")

    @property
    def dispersion(self) -> float | Array:
        """The variance of the errors (squared loss), or the dispersion of the distribution.

        Raises
        ------
        ValueError
            For a loss that has none, and where no degree of freedom is left.
        """
        return self._measure("dispersion", "dispersion")

    @property
    def deviance(self) -> float | Array:
        """Twice the loss above the least it could be; for squared loss the residual sum of squares.

        Raises
        ------
        ValueError
            For a loss that has none.
        """
        return self._measure("deviance", "deviance")

    @property
    def log_likelihood(self) -> float | Array:
        """Of the rows, at the coefficients.

        Raises
        ------
        ValueError
            For a loss that is no likelihood.
        """
        return self._measure("log_likelihood", "likelihood")

    @property
    def aic(self) -> float | Array:
        """Akaike's information criterion.

        Raises
        ------
        ValueError
            For a loss that is no likelihood, and for a penalised fit.
        """
        return self._measure("aic", "likelihood")

    @property
    def bic(self) -> float | Array:
        """The Bayesian information criterion.

        Raises
        ------
        ValueError
            For a loss that is no likelihood, and for a penalised fit.
        """
        return self._measure("bic", "likelihood")

    def _check_loss(self, other: ModelUncertainty) -> None:
        """Raises ValueError for losses that differ in a parameter, which neither fit has estimated."""
        mine, theirs = self.loss_function, other.loss_function
        if mine.name == theirs.name and dict(mine.parameters) != dict(theirs.parameters):
            raise InferenceError(
                f"fits of the loss {mine.name!r} with other parameters, {dict(mine.parameters)} and {dict(theirs.parameters)}, cannot be"
                " compared by their losses"
            )

    @property
    def _selective(self) -> Selective | None:
        return None if self.inference is None else self.inference.selective

    @property
    def _asked(self) -> Inference:
        if self.inference is None:
            assert isinstance(self.uncertainty, NoInference)
            raise InferenceError(f"this fit holds no standard errors or fit measures: {self.uncertainty.reason}")
        return self.inference

    @property
    def _measures(self) -> FitStatistics:
        return self._asked.statistics

    def _parts(self) -> tuple[str, ...]:
        """What was estimated: coefficients, and categories that were absorbed."""
        from gradline.inference.tests import coefficient_labels

        absorbed = () if self.absorbed is None else self.absorbed.names
        return (*self._estimated(coefficient_labels(self.names, self.predictor_names)), *(f"| {name}" for name in absorbed))

    def _estimated(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The labels of coefficients that were estimated, where the fit knows which."""
        inference = self.inference
        if inference is None or inference.covariance is None:
            return labels
        return tuple(label for label, estimated in zip(labels, inference.covariance.estimated, strict=True) if estimated)

    def _measure(self, attribute: str, what: str) -> float | Array:
        from gradline.inference.overdispersion import checks_spread

        measures = self._measures
        found = getattr(measures, attribute)
        if found is None:
            if attribute in ("adjusted_r_squared", "dispersion") and measures.squared and not measures.degrees_of_freedom > 0:
                raise InferenceError(f"a fit whose rows leave no degree of freedom has no {what}: give more rows, or leave columns out")
            if attribute in ("aic", "bic") and measures.log_likelihood is not None:
                raise InferenceError(
                    f"a penalised fit has no {attribute.upper()}: the likelihood is not at its maximum; see leave_one_out_loss"
                )
            more = ""
            if attribute == "dispersion" and checks_spread(self.loss_function, len(measures.total_squares)):
                more = (
                    ": its variance follows from the mean. Whether the rows vary more is Pearson's chi-squared over its degrees of freedom,"
                    " fit.diagnose(data).overdispersion"
                )
            raise InferenceError(f"a fit of this loss has no {what}{more}")
        values = np.atleast_1d(np.asarray(found, dtype=np.float64))
        return float(values[0]) if values.size == 1 else values

    def _shaped(self, array: Array) -> Array:
        return array[:, 0].copy() if array.shape[1] == 1 else array.copy()
