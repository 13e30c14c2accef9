"""The analysis of variance: each term of a formula tested as a whole, and each dropped in turn.

Types 1, 2 and 3 as SAS and R's car name them: a term after those before it; after all that do not contain it; after all others. For
squared loss all three follow from the coefficients and their covariance, since the drop of the sum of squares by a set of coefficients is
their Wald statistic times the variance (Seber and Lee 2003, Linear Regression Analysis, theorem 4.1); so do Wald's tests of any loss, of
any covariance. Likelihood ratios need the rows, for a fit without each term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc, fdtrc

from gradline.base.errors import InferenceError
from gradline.effects.refits import Refits, refuse_constraints, statistics_of
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.statistics import FitStatistics
from gradline.inference.tests import wald_statistic
from gradline.model.attach_data import attach_data
from gradline.model.terms import Term
from gradline.summary.result_table import ResultTable

if TYPE_CHECKING:
    from gradline.model.record import Model

TESTS = ("F", "likelihood ratio", "Wald")


def anova(model: Model, kind: Any, data: Any, target: Any, test: str | None, rows: dict[str, Any]) -> ResultTable:
    """See :meth:`gradline.Fit.anova`."""
    if kind not in (1, 2, 3):
        raise InferenceError(f"type must be 1, 2 or 3, not {kind!r}")
    if test not in (None, *TESTS):
        raise InferenceError(f'test must be "F", "likelihood ratio" or "Wald", not {test!r}')
    terms = _terms(model)
    if data is not None:
        refuse_constraints(model, "the likelihood ratio of a term")
    if model.penalty is not None and test == "likelihood ratio":
        raise InferenceError('a penalised fit has no likelihood-ratio test; test="Wald" takes the covariance at the penalised optimum')
    squared = model.loss_function.squared_scale() is not None
    if _by_refits(model, test, data, squared):
        if data is None:
            raise InferenceError(
                f'test={test!r} fits the model without each term, and a Fit holds no rows: give them, data=...; test="Wald" needs none'
            )
        return _ratios(model, kind, terms, Refits(model, attach_data(model, data, target, **rows).problem))
    if test == "likelihood ratio":
        raise InferenceError('squared loss has the F of the sums of squares in place of a likelihood ratio: test="F"')
    return _walds(model, kind, terms)


def _by_refits(model: Model, test: str | None, data: Any, squared: bool) -> bool:
    if squared or test == "Wald":
        return False
    loss = model.loss_function
    if test == "F" and not loss.has_free_dispersion:
        raise InferenceError(f'the loss {loss.name!r} leaves no dispersion free, so it has no F test: test="likelihood ratio" or "Wald"')
    if test is not None:
        if not loss.is_likelihood:
            raise InferenceError(f'the loss {loss.name!r} is no likelihood: test="Wald"')
        return True
    return data is not None and loss.is_likelihood and model.penalty is None


def _terms(model: Model) -> tuple[Term, ...]:
    if not model.terms:
        raise InferenceError("the model has no term but its intercept, so there is nothing to test")
    return model.terms


def smaller_and_larger(kind: int, term: Term, terms: Sequence[Term]) -> tuple[set[int], set[int]]:
    """The coefficients that are left out of the two fits that a term's test compares: without the term, and with it."""
    if kind == 1:
        later = terms[list(terms).index(term) + 1 :]
        aside = [other for other in later if other.predictor == term.predictor]
    elif kind == 2:
        aside = [other for other in terms if other.contains(term)]
    else:
        aside = []
    without = {place for other in aside for place in other.places} - set(term.places)
    return without | set(term.places), without


def _walds(model: Model, kind: int, terms: Sequence[Term]) -> ResultTable:
    covariance = model.covariance()
    coefficients, statistics = model.estimate, model.inference.statistics if model.inference else None
    squared = statistics is not None and statistics.squared and covariance.kind == "classical" and not statistics.penalised
    columns: dict[str, list[Any]] = {"term": [], "df": []}
    if model.curves:
        squared = False
    name = "F" if covariance.degrees_of_freedom is not None else "chi2"
    several = len(model.predictor_names) > 1
    named = ((curve.name.replace(": ", ":", 1) if several else curve.name, curve) for curve in model.curves)
    curves = {term: curve for term, curve in named if np.isfinite(curve.statistic)}
    for term in terms:
        statistic: float | None
        p_value: float | None
        count: float
        if term.name in curves:
            # A curve that is held back has fewer degrees of freedom than columns, and a test of its own.
            curve = curves[term.name]
            count, chi_squared, statistic, p_value = curve.reference, np.nan, curve.statistic, curve.p_value
        else:
            count, chi_squared = _chi_squared(kind, term, terms, coefficients, covariance)
            statistic, p_value = _law(chi_squared, int(count), covariance.degrees_of_freedom)
        row: dict[str, Any] = {"term": term.name, "df": count}
        if squared and statistics is not None and statistics.dispersion is not None and statistics.dispersion.size == 1:
            row["sum_of_squares"] = chi_squared * float(statistics.dispersion[0])
        for key, value in {**row, name: statistic, "p_value": p_value}.items():
            columns.setdefault(key, []).append(value)
    how, title = f"Wald, {covariance.kind} covariance", "Wald tests of the terms of"
    if squared and statistics is not None and "sum_of_squares" in columns and statistics.squares is not None:
        how, title = "F of the sums of squares", "Analysis of variance of"
        spare = statistics.degrees_of_freedom
        for key, value in {"term": "Residual", "df": int(spare) if float(spare).is_integer() else spare}.items():
            columns[key].append(value)
        columns["sum_of_squares"].append(float(statistics.squares[0]))
        columns[name].append(None)
        columns["p_value"].append(None)
    elif covariance.degrees_of_freedom is not None:
        how += f", F with {covariance.degrees_of_freedom:.6g} degrees of freedom below"
    if curves:
        how += "; of curves by their effective degrees of freedom"
    return ResultTable(columns, f"{title} {', '.join(model.target_names[:4])}", (f"type {kind}: {_TYPES[kind]}; {how}",))


def _chi_squared(kind: int, term: Term, terms: Sequence[Term], coefficients: Any, covariance: Covariance) -> tuple[int, float]:
    """(degrees of freedom, Wald's chi-squared): of the term and what is set aside with it, less that of the latter alone."""
    whole, aside = ([place for place in sorted(places) if covariance.estimated[place]] for places in smaller_and_larger(kind, term, terms))
    count = len(whole) - len(aside)
    if not count:
        return 0, float("nan")
    found = wald_statistic(whole, coefficients, covariance) - wald_statistic(aside, coefficients, covariance)
    return count, max(found, 0.0)


def _law(chi_squared: float, count: int, degrees: float | None) -> tuple[float | None, float | None]:
    if not count:
        return None, None
    if degrees is None:
        return chi_squared, float(chdtrc(count, chi_squared))
    return chi_squared / count, float(fdtrc(count, degrees, chi_squared / count))


_TYPES = {
    1: "each term after those before it",
    2: "each term after all that do not contain it",
    3: "each term after all others, by the coefficients as they are coded (sum contrasts make it SAS's)",
}


def _ratios(model: Model, kind: int, terms: Sequence[Term], refits: Refits) -> ResultTable:
    full = statistics_of(model, refits.problem)
    columns: dict[str, list[Any]] = {"term": [], "df": []}
    how = ""
    for term in terms:
        smaller, larger = (refits.without(places) for places in smaller_and_larger(kind, term, terms))
        count = larger.parameters - smaller.parameters
        name, statistic, p_value, how = ratio(smaller, larger, full, count)
        for key, value in {"term": term.name, "df": count, name: statistic, "p_value": p_value}.items():
            columns.setdefault(key, []).append(value)
    title = f"Analysis of deviance of {', '.join(model.target_names[:4])}"
    return ResultTable(columns, title, (f"type {kind}: {_TYPES[kind]}; {how}",))


def ratio(smaller: FitStatistics, larger: FitStatistics, full: FitStatistics, count: int) -> tuple[str, float | None, float | None, str]:
    """(name, statistic, p-value, in words) of two nested fits: the F of the deviances, over the dispersion of the full model, where that
    is estimated; the likelihood ratio otherwise."""
    if full.dispersion is not None and smaller.deviance is not None and larger.deviance is not None:
        how = "F of the sums of squares" if full.squared else "F of the deviances, Pearson's dispersion of the full model"
        drop = max(smaller.deviance - larger.deviance, 0.0) / float(full.dispersion[0])
        return ("F", *_law(drop, count, full.degrees_of_freedom), how)
    if smaller.log_likelihood is None or larger.log_likelihood is None:
        raise InferenceError(f'the loss {full.loss_name!r} has no likelihood: test="Wald"')
    drop = max(2.0 * (larger.log_likelihood - smaller.log_likelihood), 0.0)
    return ("chi2", *_law(drop, count, None), "likelihood ratio")


def drop_each(model: Model, data: Any, target: Any, rows: dict[str, Any]) -> ResultTable:
    """See :meth:`gradline.Fit.drop_each`."""
    if model.penalty is not None:
        raise InferenceError("terms of a penalised fit are not dropped one by one: its likelihood is not at its maximum; see gl.path")
    terms = _terms(model)
    refuse_constraints(model, "dropping a term")
    if data is None:
        raise InferenceError("each term is dropped and the rest fitted again, and a Fit holds no rows: give them, data=...")
    if not (model.loss_function.is_likelihood or model.loss_function.squared_scale() is not None):
        raise InferenceError(f"the loss {model.loss_name!r} has no likelihood, by which fits are compared; anova() has Wald's tests")
    refits = Refits(model, attach_data(model, data, target, **rows).problem)
    full = statistics_of(model, refits.problem)
    # What an interaction contains is no term that can be dropped and leave the rest as it is.
    free = [term for term in terms if not any(other.contains(term) for other in terms)]
    columns: dict[str, list[Any]] = {"term": ["(none)"], "df": [None], "deviance": [full.deviance], "aic": [full.aic]}
    how = ""
    for term in free:
        smaller = refits.without(term.places)
        count = full.parameters - smaller.parameters
        name, statistic, p_value, how = ratio(smaller, full, full, count)
        columns.setdefault(name, [None])
        columns.setdefault("p_value", [None])
        row = {"term": term.name, "df": count, "deviance": smaller.deviance, "aic": smaller.aic, name: statistic, "p_value": p_value}
        for key, value in row.items():
            columns[key].append(value)
    columns = {key: values for key, values in columns.items() if any(value is not None for value in values)}
    squares = {"deviance": "sum_of_squares"} if full.squared else {}
    named = {squares.get(key, key): values for key, values in columns.items()}
    said = tuple(term.name for term in terms if term not in free)
    notes: tuple[str, ...] = (f"each term dropped, the others fitted again; {how}",)
    if said:
        notes += (f"not dropped, since an interaction contains them: {', '.join(said)}",)
    return ResultTable(named, f"Terms of {', '.join(model.target_names[:4])} dropped one by one", notes)


__all__ = ["anova", "drop_each", "ratio", "smaller_and_larger"]
