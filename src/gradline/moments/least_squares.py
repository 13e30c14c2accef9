"""Least squares from moments alone, with standard errors and the usual statistics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.names import INTERCEPT
from gradline.base.types import Array, IntArray
from gradline.base.words import nearest
from gradline.moments.moments_fit import MomentsFit
from gradline.solvers.least_squares.normal_equations import NormalEquations, solve_normal_equations
from gradline.solvers.least_squares.refinement import MOST_DIGITS
from gradline.solvers.least_squares.second_moments import SecondMoments
from gradline.solvers.squared_sums import without_rounding


def parse_formula(formula: str, names: Sequence[str]) -> tuple[str, list[str], bool]:
    """(target, features, intercept) of a formula of plain column names."""
    left, tilde, right = formula.partition("~")
    if not tilde or "~" in right:
        raise ArgumentError(f'a formula has one ~, as in "y ~ x1 + x2"; got {formula!r}')
    target, sign, terms = _term(left, formula), "+", re.findall(r"`[^`]*`|[+-]|[^+\-`\s]+", right)
    features, intercept, expected = list[str](), True, True
    for token in terms:
        if token in "+-":
            if expected and token == "+" and features:
                raise ArgumentError(f"two signs in a row in {formula!r}")
            sign, expected = token, True
            continue
        if not expected:
            raise ArgumentError(f"moments take plain column names joined by +, and {formula!r} has {token!r} after a name")
        expected = False
        if token in ("0", "1"):
            intercept = (token == "1") == (sign == "+")
        elif sign == "-":
            name = _term(token, formula)
            if name not in names:
                near = nearest(name, names)
                hint = f"did you mean {near[0]!r}?" if near else f"they have {', '.join(names)}"
                raise ArgumentError(f"the moments have no column {name!r} to take away; {hint}")
            features = [feature for feature in features if feature != name]
        elif token == ".":
            others = [name for name in names if name != target]
            if not others:
                raise ArgumentError(f"'.' in {formula!r} stands for all other columns, and the moments have none beside {target!r}")
            features += [name for name in others if name not in features]
        else:
            name = _term(token, formula)
            features += [] if name in features else [name]
    if expected:
        raise ArgumentError(f"the formula {formula!r} ends where a column name should follow")
    return target, features, intercept


def _term(text: str, formula: str) -> str:
    text = text.strip()
    if re.fullmatch(r"`[^`]+`", text):
        return text[1:-1]
    if not re.fullmatch(r"[^\W\d]\w*(\.\w+)*", text):
        raise ArgumentError(f"moments take plain column names joined by +, and {formula!r} has {text!r}: make a column of it first")
    return text


def places_of(names: tuple[str, ...], target: str, features: Sequence[str]) -> list[int]:
    """Where features and then the target are among the names. Raises ValueError for those that are not there, or twice."""
    places = {name: j for j, name in enumerate(names)}
    for name in (target, *features):
        if name not in places:
            close = nearest(name, names)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ArgumentError(f"no column {name!r} in the moments, which have {', '.join(names)}.{hint}")
    if target in features:
        raise ArgumentError(f"{target!r} is the target and cannot be a feature too")
    if INTERCEPT in features:
        raise ArgumentError(
            f"a column is called {INTERCEPT!r}, as the intercept is; leave it out if it holds ones, which the intercept stands for, else"
            " rename it"
        )
    if len(set(features)) != len(features):
        raise ArgumentError("a feature is named twice")
    return [places[name] for name in (*features, target)]


def fit_moments(
    sums: SecondMoments, names: tuple[str, ...], target: str, features: list[str], intercept: bool, strength: float
) -> MomentsFit:
    """Least squares of one column on others; strength: of a ridge on the mean loss."""
    *placed, last = places_of(names, target, features)
    columns = np.array(placed, dtype=np.int64)
    ridge = sums.weight * strength / 2.0
    fit = solve_normal_equations(sums, columns, np.array([last]), intercept=intercept, ridge=ridge)
    labels = ((INTERCEPT,) if intercept else ()) + tuple(features)
    kept = np.array([j for j in range(len(labels)) if j not in fit.aliased], dtype=np.int64)
    # What is rounding of the target is nothing: no spread can be told from it.
    squares = float(without_rounding(fit.squares, fit.target_squares)[0])
    total = float(without_rounding(fit.total_squares, fit.target_squares)[0])
    n, rank = round(sums.count), len(kept)
    shape, effective = _covariance_shape(fit, kept, ridge, intercept)
    spare = n - effective
    dispersion = squares / spare if spare > 1e-9 else float("nan")
    # A perfect fit has no spread from which errors could be told.
    spread = dispersion if dispersion > 0 else float("nan")
    covariance, standard_errors = np.full((len(labels), len(labels)), np.nan), np.full(len(labels), np.nan)
    powers = fit.exponents[kept]
    with np.errstate(over="ignore", under="ignore"):
        covariance[np.ix_(kept, kept)] = np.ldexp(shape * spread, -(powers[:, None] + powers[None, :]))
    standard_errors[kept] = np.ldexp(np.sqrt(np.diag(shape) * spread), -powers)
    slopes = rank - int(intercept)
    plain = strength == 0
    likelihood = 0.5 * (sums.log_weight - n * (np.log(2.0 * np.pi * squares / n) + 1.0)) if plain and squares > 0 else None
    f_statistic = (total - squares) / slopes / dispersion if plain and slopes > 0 and spare > 0 and squares > 0 else None
    error = float(fit.squares_error[0])
    digits = MOST_DIGITS if error == 0 else float(np.clip(-np.log10(error / squares), 0.0, MOST_DIGITS)) if squares > 0 else 0.0
    return MomentsFit(
        target=target,
        names=labels,
        coefficients=fit.coefficients[:, 0],
        standard_errors=standard_errors,
        covariance=covariance,
        dispersion=dispersion,
        r_squared=1.0 - squares / total if total > 0 else float("nan"),
        f_statistic=None if f_statistic is None else float(f_statistic),
        log_likelihood=None if likelihood is None else float(likelihood),
        aic=None if likelihood is None else float(2.0 * rank - 2.0 * likelihood),
        bic=None if likelihood is None else float(np.log(n) * rank - 2.0 * likelihood),
        n=n,
        degrees_of_freedom=float(spare),
        digits=fit.digits[:, 0],
        dispersion_digits=digits,
        aliased=tuple(labels[j] for j in fit.aliased),
        total_squares=total,
    )


def _covariance_shape(fit: NormalEquations, kept: IntArray, ridge: float, intercept: bool) -> tuple[Array, float]:
    """(covariance of the kept coefficients over the dispersion, effective number of coefficients).

    With a ridge L the estimate is A^-1 X'W y, A = X'WX + L, whose covariance is A^-1 (A - L) A^-1 and whose hat matrix has trace
    P - tr(A^-1 L) (Hoerl and Kennard 1970).
    """
    inverse = fit.inverse[np.ix_(kept, kept)]
    if ridge == 0:
        return inverse, float(len(kept))
    penalised = ridge * np.ldexp(1.0, np.clip(-2 * fit.exponents[kept], -1000, 1000))
    if intercept:
        penalised[0] = 0.0
    return inverse - (inverse * penalised) @ inverse, float(len(kept) - np.diag(inverse) @ penalised)


def measured_at(plain: MomentsFit, coefficients: Array, squares: float, spare: float) -> MomentsFit:
    """A fit of the same sums at other coefficients (P,), with the measures that still hold there. squares: the weighted sum of squared
    residuals; spare: degrees of freedom left."""
    total = plain.total_squares
    return replace(
        plain,
        coefficients=coefficients,
        dispersion=squares / spare if spare > 0 else float("nan"),
        r_squared=1.0 - squares / total if total > 0 else float("nan"),
        f_statistic=None,
        log_likelihood=None,
        aic=None,
        bic=None,
        degrees_of_freedom=float(spare),
        digits=np.full(len(plain.names), np.nan),
        dispersion_digits=float("nan"),
    )
