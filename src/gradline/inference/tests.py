"""Tests of linear hypotheses about the coefficients, and of one fit against another that it contains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import chdtrc, fdtrc

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.base.types import Array, IntArray
from gradline.constraints.linear_text import read_hypothesis, short_names
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.perfect import PERFECT
from gradline.inference.statistics import FitStatistics


@dataclass(frozen=True)
class HypothesisResult:
    """A test. hypothesis: what was tested, in words. statistic: F, or chi-squared. numerator: conditions tested; denominator: degrees of
    freedom of F, None for chi-squared. method: how, and what it takes for granted."""

    hypothesis: str
    statistic: float
    distribution: Literal["F", "chi2"]
    numerator: int | float
    denominator: float | None
    p_value: float
    method: str

    def __repr__(self) -> str:
        above = f"{self.numerator:.6g}"
        degrees = above if self.denominator is None else f"{above}, {self.denominator:.6g}"
        p_value = "< 1e-300" if self.p_value == 0 else f"= {self.p_value:.4g}"
        return f"{self.hypothesis}: {self.distribution}({degrees}) = {self.statistic:.6g}, p {p_value} ({self.method})"


def coefficient_labels(names: Sequence[str], predictors: Sequence[str]) -> tuple[str, ...]:
    """What hypotheses call the coefficients: the column's name, or ``predictor:name`` where there are several linear predictors; in the
    order of the columns of B stacked."""
    return tuple(names) if len(predictors) == 1 else tuple(f"{predictor}:{name}" for predictor in predictors for name in names)


def linear_test(
    hypothesis: Any, coefficients: Array, covariance: Covariance, labels: Sequence[str], terms: Sequence[str] = ()
) -> HypothesisResult:
    """Wald's test: F with the covariance's degrees of freedom where it has them, chi-squared otherwise.

    hypothesis: text such as ``"x1 = x2, x3 = 0"`` or ``"2*x1 + x2 = 1"`` (see ``constraints.linear_text``), or a matrix (c, k P) whose rows
    times the coefficients are to be zero. coefficients (P, k). labels: ``coefficient_labels``. terms: what else a name may have been meant
    for, in messages.

    Raises ValueError for unknown names, for coefficients that were not estimated, and for conditions that repeat or contradict others;
    TypeError for what is neither text nor numbers.
    """
    if isinstance(hypothesis, str):
        matrix, values, texts = read_hypothesis(hypothesis, labels, terms, short_names(labels, covariance.shape[0], covariance.estimated))
    else:
        try:
            matrix = np.atleast_2d(np.asarray(hypothesis, dtype=np.float64))
        except (TypeError, ValueError):
            matrix = np.zeros((0, 0, 0))
        if matrix.ndim != 2 or np.ndim(hypothesis) == 0:
            what = f'a text such as "x1 = x2, x3 = 0", or a matrix of numbers with {len(labels)} columns'
            raise ArgumentTypeError(f"the hypothesis must be {what}, not {type(hypothesis).__name__} {hypothesis!r}")
        values = np.zeros(len(matrix))
        texts = tuple(f"row {i + 1}" for i in range(len(matrix)))
        if matrix.shape[1] != len(labels):
            raise InferenceError(
                f"the hypothesis has {matrix.shape[1]} columns, but there are {len(labels)} coefficients: {', '.join(labels)}"
            )
    tested = np.flatnonzero(matrix.any(axis=0))
    for place in tested:
        if not covariance.estimated[place]:
            raise InferenceError(
                f"the coefficient {labels[int(place)]!r} was left out of the model, or is of a target that is fitted perfectly,"
                " so nothing can be said about it"
            )
    theta = (coefficients if covariance.estimates is None else covariance.estimates).T.ravel()
    # In units of standard errors: columns of very different scales must not decide about rank.
    errors = np.where(covariance.estimated, covariance.standard_errors.T.ravel(), 0.0)
    _check_rank(matrix * np.where(errors > 0, errors, 1.0), texts)
    factor = np.where(covariance.estimated[:, None], covariance.factor, 0.0)
    root = (matrix @ factor).T
    _check_estimable(root, matrix, factor, texts)
    return _wald_test(", ".join(texts), root, matrix[:, tested] @ theta[tested] - values, covariance)


def _wald_test(hypothesis: str, root: Array, difference: Array, covariance: Covariance) -> HypothesisResult:
    """root (r, c): of the covariance of the c combinations whose ``difference`` from their hypothesis is tested."""
    statistic = _wald(root, difference, covariance.signs)
    count = len(difference)
    degrees, words = covariance.degrees_of_freedom, f"Wald, {covariance.kind} covariance"
    if degrees is not None:
        statistic /= count
        return HypothesisResult(hypothesis, statistic, "F", count, degrees, float(fdtrc(count, degrees, statistic)), words)
    return HypothesisResult(hypothesis, statistic, "chi2", count, None, float(chdtrc(count, statistic)), words)


class TestedCurve(Protocol):
    """What a test of a curve found."""

    @property
    def name(self) -> str: ...
    @property
    def statistic(self) -> float: ...
    @property
    def statistic_name(self) -> str: ...
    @property
    def reference(self) -> float: ...
    @property
    def p_value(self) -> float: ...


def curve_test(curve: TestedCurve, covariance: Covariance) -> HypothesisResult:
    """The test that a curve is zero, as the fit has made it: of fewer degrees of freedom than the curve has columns."""
    of_f = curve.statistic_name == "F"
    denominator = covariance.degrees_of_freedom if of_f else None
    words = f"{curve.name}: the curve is zero"
    law: Literal["F", "chi2"] = "F" if of_f else "chi2"
    return HypothesisResult(words, curve.statistic, law, curve.reference, denominator, curve.p_value, "by its effective degrees of freedom")


def wald_statistic(places: Sequence[int] | IntArray, coefficients: Array, covariance: Covariance) -> float:
    """Chi-squared of the hypothesis that the coefficients at these places of B stacked are zero; 0 without places."""
    chosen = np.asarray(places, dtype=np.int64)
    if not chosen.size:
        return 0.0
    return _wald(covariance.factor[chosen].T, coefficients.T.ravel()[chosen], covariance.signs)


def joint_test(coefficients: Array, covariance: Covariance, intercept: bool) -> HypothesisResult | None:
    """That every slope is zero (the F of a summary); None without slopes. With the classical covariance of squared loss it equals the F
    of the sums of squares."""
    size = coefficients.shape[0]
    coefficients = coefficients if covariance.estimates is None else covariance.estimates
    places = [i for i in np.flatnonzero(covariance.estimated) if not (intercept and i % size == 0)]
    if not places:
        return None
    if covariance.dependent:
        places = [places[int(i)] for i in _independent(covariance.factor[places])]
    # Coefficients by themselves: a matrix of ones and zeros would cost P^3 to multiply by, and its rank need not be asked.
    return _wald_test("every slope is zero", covariance.factor[places].T, coefficients.T.ravel()[places], covariance)


def compare(
    smaller: FitStatistics, larger: FitStatistics, smaller_labels: Sequence[str] = (), larger_labels: Sequence[str] = ()
) -> HypothesisResult:
    """The larger of two nested fits against the smaller: F of the sums of squares for squared loss, F of the deviances where a dispersion
    is estimated (McCullagh and Nelder 1989, section 2.3), likelihood ratio for other likelihoods. Either order of the two will do.

    labels: the estimated coefficients of each, by which nesting is checked where given. Both must have been fitted to the same rows,
    which the caller knows by their fingerprint. Raises ValueError for fits that are not nested, of different losses or rows, penalised, or
    without a likelihood.
    """
    if smaller.parameters > larger.parameters:
        smaller, larger, smaller_labels, larger_labels = larger, smaller, larger_labels, smaller_labels
    _check_comparable(smaller, larger, smaller_labels, larger_labels)
    count = larger.parameters - smaller.parameters
    extra = [label for label in larger_labels if label not in set(smaller_labels)]
    hypothesis = ", ".join(f"{label} = 0" for label in extra) if 0 < len(extra) <= 6 else f"{count} coefficients are zero"
    spare = larger.degrees_of_freedom
    if larger.dispersion is not None and larger.deviance is not None and smaller.deviance is not None:
        if larger.dispersion.size > 1:
            raise InferenceError("fits of several targets are compared target by target: fit each by itself")
        if not spare > 0:
            raise InferenceError("the larger fit leaves no degree of freedom, so there is nothing to compare the difference with")
        if not larger.dispersion[0] > 0:
            raise InferenceError(f"the fits cannot be compared: of the larger, {PERFECT}")
        # Of fits that are equally good rounding may leave the larger the worse.
        statistic = max(smaller.deviance - larger.deviance, 0.0) / count / float(larger.dispersion[0])
        words = "sums of squares" if larger.squared else "deviances, Pearson's dispersion of the larger fit"
        return HypothesisResult(hypothesis, statistic, "F", count, spare, float(fdtrc(count, spare, statistic)), words)
    if smaller.log_likelihood is None or larger.log_likelihood is None:
        raise InferenceError(
            f"the loss {larger.loss_name!r} has no likelihood, so two fits cannot be compared by it: test the coefficients that differ with"
            ' test("x1 = 0, x2 = 0") on the larger fit'
        )
    statistic = max(2.0 * (larger.log_likelihood - smaller.log_likelihood), 0.0)
    return HypothesisResult(hypothesis, statistic, "chi2", count, None, float(chdtrc(count, statistic)), "likelihood ratio")


def _check_comparable(smaller: FitStatistics, larger: FitStatistics, smaller_labels: Sequence[str], larger_labels: Sequence[str]) -> None:
    if smaller.loss_name != larger.loss_name:
        raise InferenceError(
            f"fits of different losses, {smaller.loss_name!r} and {larger.loss_name!r}, cannot be compared by their losses"
        )
    if smaller.count != larger.count or smaller.rows != larger.rows:
        raise InferenceError(f"the fits were made on different rows ({smaller.count:,.6g} and {larger.count:,.6g}); fit both to the same")
    if smaller.penalised or larger.penalised:
        raise InferenceError("penalised fits have no likelihood-ratio or F test: compare their leave-one-out losses")
    missing = [label for label in smaller_labels if label not in set(larger_labels)] if larger_labels else []
    if missing:
        raise InferenceError(f"the fits are not nested: the larger has no {missing[0]!r}; compare them by AIC or leave-one-out loss")
    if larger.loss_sum > smaller.loss_sum * (1.0 + 1e-9) + 1e-300 and larger.loss_sum - smaller.loss_sum > 1e-9 * larger.count:
        raise InferenceError(
            "the fits are not nested: the one with more coefficients fits worse; compare them by AIC or leave-one-out loss"
        )
    if smaller.parameters == larger.parameters:
        raise InferenceError("the fits have equally many coefficients, so neither is a special case of the other; compare them by AIC")


def _check_estimable(root: Array, matrix: Array, factor: Array, texts: Sequence[str]) -> None:
    """Raises ValueError for a condition whose terms vary although it does not: the loss says nothing about it."""
    size = np.abs(matrix) @ np.linalg.norm(factor, axis=1)
    for i in np.flatnonzero((size > 0) & (np.linalg.norm(root, axis=0) <= 1e-10 * size)):
        raise InferenceError(
            f"the condition {texts[int(i)]!r} is not estimable: the loss is the same whatever this combination of the coefficients is (see"
            " the fit's certificate), so nothing can be said about it"
        )


def _independent(factor: Array) -> IntArray:
    """The rows of a factor (c, r) that those before them do not determine, (d,)."""
    from scipy.linalg import qr

    length = np.linalg.norm(factor, axis=1)
    scaled = factor / np.where(length > 0, length, 1.0)[:, None]
    triangle, order = qr(scaled.T, mode="r", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(triangle))
    return np.sort(order[: int((diagonal > 1e-10 * diagonal[0]).sum())])


def _check_rank(matrix: Array, texts: Sequence[str]) -> None:
    """Raises ValueError naming the first condition that depends on those before it."""
    sizes = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    scaled = matrix / np.where(sizes > 0, sizes, 1.0)[:, None]
    # The diagonal of R holds each row's distance from the span of those before it.
    distances = np.abs(np.diag(np.linalg.qr(scaled.T, mode="r")))
    # Beyond as many rows as columns every row depends on the others.
    dependent = np.flatnonzero(np.append(distances, np.zeros(len(matrix) - len(distances))) <= 1e-10)
    if dependent.size:
        raise InferenceError(f"the condition {texts[int(dependent[0])]!r} follows from those before it, or contradicts them: leave it out")


def _wald(root: Array, difference: Array, signs: Array | None) -> float:
    """difference' (root' diag(signs) root)^-1 difference; by QR of the root where signs is None."""
    if signs is not None:
        matrix = (root.T * signs) @ root
        if not np.linalg.eigvalsh(matrix)[0] > 0:
            raise InferenceError(
                "the two-way covariance of these conditions is not positive definite: test fewer at once, or cluster one way"
            )
        return float(difference @ np.linalg.solve(matrix, difference))
    scale = np.sqrt(np.einsum("ij,ij->j", root, root))
    if not (scale > 0).all():
        raise InferenceError(
            "a standard error among these is zero, as of a target that is fitted perfectly: nothing can be tested against it"
        )
    if _is_triangular(root):
        square = root[len(root) - len(difference) :]
        if (np.abs(np.diag(square)) > 1e-13 * scale).all():
            solved = solve_triangular(square, difference, trans="T", lower=True, check_finite=False)
            return float(solved @ solved)
    triangle = _triangle(root / scale)
    if triangle.shape[0] < len(difference) or np.abs(np.diag(triangle)).min() < 1e-13:
        raise InferenceError("the covariance is singular for these conditions (fewer clusters than conditions?): test fewer at once")
    solved = solve_triangular(triangle, difference / scale, trans="T", check_finite=False)
    return float(solved @ solved)


def _is_triangular(root: Array) -> bool:
    """Whether a root is a lower triangle below rows of zeros, as that of all slopes of least squares: nothing is to be factored."""
    rest = len(root) - root.shape[1]
    if rest < 0 or root.shape[1] <= FEW_CONDITIONS or root[:rest].any():
        return False
    return not any(root[rest + i, i + 1 :].any() for i in range(root.shape[1]))


FEW_CONDITIONS = 64
"""Up to which a QR decomposition costs nothing."""

WELL_APART = 3e-3
"""A Cholesky pivot of columns of unit length: rounding enters divided by its square, so that 11 digits are left."""


def _triangle(columns: Array) -> Array:
    """R of columns (r, c) of unit length, R'R = columns'columns.

    Of many columns by Cholesky's factor, twice where the first has lost digits (CholeskyQR2, Yamamoto and others 2015, ETNA 44): as
    exact as Householder's QR, which takes ten times as long.
    """
    if columns.shape[1] > FEW_CONDITIONS and columns.shape[0] >= columns.shape[1]:
        try:
            first = np.linalg.cholesky(columns.T @ columns)
            pivot = float(np.diag(first).min())
            if pivot > WELL_APART:
                return np.asarray(first.T)
            if pivot > 1e-6:
                whitened = solve_triangular(first, columns.T, lower=True, check_finite=False)
                return np.asarray((first @ np.linalg.cholesky(whitened @ whitened.T)).T)
        except np.linalg.LinAlgError:
            pass
    return np.asarray(np.linalg.qr(columns, mode="r"))
