"""Several models side by side: their coefficients, and what each says of how well it fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, InferenceError
from gradline.base.numbers import short
from gradline.base.written_tables import WrittenTable
from gradline.inference.intervals import check_level, coefficient_interval, p_values
from gradline.inference.tests import coefficient_labels
from gradline.model.uncertainty import ModelUncertainty
from gradline.summary.content import shown_coefficients
from gradline.summary.wording import call

if TYPE_CHECKING:
    from gradline.model.record import Model

Below = Literal["standard_error", "interval", "p_value"] | None

_MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """What ``gl.compare_models`` returns. names: of the models. coefficients: a row for each coefficient of any model, by its name: for
    each model estimate, standard_error, p_value, lower, upper, or None where it does not have it. measures: by name, a number or text for
    each model. table: how it is written."""

    names: tuple[str, ...]
    coefficients: dict[str, list[dict[str, float] | None]]
    measures: dict[str, list[Any]]
    table: WrittenTable = field(repr=False)

    def to_text(self) -> str:
        """Columns that line up."""
        return self.table.to_text()

    def to_html(self) -> str:
        """As a notebook shows it."""
        return self.table.to_html()

    def to_markdown(self) -> str:
        """As Markdown."""
        return self.table.to_markdown()

    def to_latex(self) -> str:
        """As a LaTeX table, whose names are written so that none is a command."""
        return self.table.to_latex()

    def to_dict(self) -> dict[str, list[Any]]:
        """A row for each coefficient of each model: columns by name, as ``pandas.DataFrame`` and ``pyarrow.table`` take them."""
        columns: dict[str, list[Any]] = {key: [] for key in ("model", "name", "estimate", "standard_error", "p_value", "lower", "upper")}
        for i, model in enumerate(self.names):
            for name, found in self.coefficients.items():
                own = found[i]
                if own is None:
                    continue
                for key, value in {"model": model, "name": name, **own}.items():
                    columns[key].append(value)
        return columns

    def to_pandas(self) -> Any:
        """A pandas.DataFrame, a row for each coefficient of each model. Raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def compare_models(
    *models: Model,
    names: Sequence[str] | None = None,
    below: Below = "standard_error",
    exponentiate: bool = False,
    marks: bool = False,
    level: float = 0.95,
    digits: int = 4,
    same_rows: bool = True,
    title: str = "",
) -> ModelComparison:
    """Put several fits side by side: a column a model, a row a coefficient, and fit measures below.

    Parameters
    ----------
    *models : Fit
        Two or more.
    names : list of str, optional
        What to call them; (1), (2), ... unless given.
    below : {"standard_error", "interval", "p_value"} or None, default "standard_error"
        What stands below each coefficient.
    exponentiate : bool, default False
        Show exp of each coefficient and of its interval: odds ratios, rate ratios. Standard errors are then of the ratio.
    marks : bool, default False
        Stars beside coefficients: one below 0.05, two below 0.01, three below 0.001.
    level : float, default 0.95
        Of the intervals.
    digits : int, default 4
        Significant digits.
    same_rows : bool, default True
        Refuse models of other targets or rows, whose fit measures say nothing of each other. With False they are shown, without the
        measures that compare.
    title : str, optional
        Above the table.

    Returns
    -------
    ModelComparison
        Shows as text and in a notebook as HTML; ``to_markdown()``, ``to_latex()``, ``to_pandas()``.

    Raises
    ------
    ValueError
        For fewer than two models, names that are not as many, and models of other rows or targets.
    TypeError
        For what is no fit.

    Examples
    --------
    >>> import gradline as gl
    >>> penguins = gl.datasets.penguins()
    >>> small = gl.fit("body_mass_g ~ flipper_length_mm", penguins)
    >>> large = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", penguins)
    >>> print(gl.compare_models(small, large, names=["small", "large"]))
                               small    large
    -----------------------  -------  -------
    Intercept                  -5781    -4031
                             (305.8)  (584.2)
    flipper_length_mm          49.69    40.71
                             (1.518)  (3.071)
    C(species)[T.Chinstrap]            -206.5
                                      (57.73)
    C(species)[T.Gentoo]                266.8
                                      (95.26)
    -----------------------  -------  -------
    rows                         342      342
    R-squared                  0.759   0.7826
    adjusted R-squared        0.7583   0.7807
    log likelihood             -2528    -2511
    AIC                         5061     5030
    BIC                         5069     5045
    standard errors in brackets: classical
    """
    if len(models) < 2:
        raise ArgumentError(f"compare_models takes two fits or more, not {len(models)}")
    for model in models:
        if not isinstance(model, ModelUncertainty):
            raise ArgumentTypeError(f"compare_models takes fits, not {type(model).__name__} {model!r}")
    if below not in ("standard_error", "interval", "p_value", None):
        raise ArgumentError(f'below must be "standard_error", "interval", "p_value" or None, not {below!r}')
    check_level(level)
    called = tuple(f"({i + 1})" for i in range(len(models))) if names is None else tuple(map(str, names))
    if len(called) != len(models):
        raise ArgumentError(f"there are {len(called)} names for {len(models)} models")
    difference = _difference(models, called)
    if difference and same_rows:
        raise InferenceError(f"{difference}: fit them to the same, or show them all the same with same_rows=False")
    labels = _labels(models)
    coefficients = {name: [_numbers(model, name, level, exponentiate) for model in models] for name in labels}
    measures = _measures(models, not difference)
    table = _written(called, coefficients, measures, models, below, exponentiate, marks, level, digits, difference, title)
    return ModelComparison(called, coefficients, measures, table)


def _difference(models: Sequence[Model], names: Sequence[str]) -> str:
    """In words what two of the models do not share; empty where nothing is known to differ."""
    first = models[0]
    for model, name in zip(models[1:], names[1:], strict=True):
        if model.target_names != first.target_names:
            mine, theirs = (", ".join(one.target_names[:4]) for one in (first, model))
            return f"the models predict other targets, {names[0]} {mine} and {name} {theirs}"
        counts = [one.rows_used for one in (first, model)]
        if counts[0] != counts[1]:
            return f"the models were fitted to other rows, {names[0]} to {counts[0]:,} and {name} to {counts[1]:,}"
        if None not in (first.fingerprint, model.fingerprint) and first.fingerprint != model.fingerprint:
            return f"{names[0]} and {name} were fitted to other rows: as many, but with other targets, weights or offsets"
    return ""


def _labels(models: Sequence[Model]) -> list[str]:
    found: dict[str, None] = {}
    for model in models:
        labels, size = coefficient_labels(model.names, model.predictor_names), len(model.names)
        found.update(dict.fromkeys(labels[j * size + i] for j in range(len(model.predictor_names)) for i in shown_coefficients(model, j)))
    return list(found)


def _numbers(model: Model, name: str, level: float, exponentiate: bool) -> dict[str, float] | None:
    labels = coefficient_labels(model.names, model.predictor_names)
    if name not in labels:
        return None
    place = labels.index(name)
    size = len(model.names)
    at = (place % size, place // size)
    if at[0] in model.solution.aliased or at[0] not in shown_coefficients(model, at[1]):
        return None
    found = {"estimate": float(model.solution.coefficients[at])}
    inference = model.inference
    if inference is not None and inference.covariance is not None:
        covariance = inference.covariance
        lower, upper = coefficient_interval(model.solution.coefficients, covariance, level)
        found |= {
            "standard_error": float(covariance.standard_errors[at]),
            "p_value": float(p_values(model.solution.coefficients, covariance)[at]),
            "lower": float(lower[at]),
            "upper": float(upper[at]),
        }
    else:
        found |= dict.fromkeys(("standard_error", "p_value", "lower", "upper"), math.nan)
    if exponentiate:
        with np.errstate(over="ignore"):
            ratio = float(np.exp(found["estimate"]))
            found["standard_error"] *= ratio
            found |= {key: float(np.exp(found[key])) for key in ("estimate", "lower", "upper")}
    return found


_COMPARE = {"log likelihood", "AIC", "BIC", "deviance"}


def _measures(models: Sequence[Model], comparable: bool) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    targets = [", ".join(model.target_names[:4]) for model in models]
    if len(set(targets)) > 1:
        found["target"] = targets
    losses = [call(model.loss_name, model.loss_function.parameters) for model in models]
    if len(set(losses)) > 1:
        found["loss"] = losses
    found["rows"] = [model.rows_used for model in models]
    squared = all(model.loss_function.squared_scale() is not None for model in models)
    for name, attribute in (
        ("R-squared", "r_squared"),
        ("adjusted R-squared", "adjusted_r_squared"),
        *(() if squared else (("deviance", "deviance"),)),
        ("log likelihood", "log_likelihood"),
        ("AIC", "aic"),
        ("BIC", "bic"),
    ):
        if name in _COMPARE and not comparable:
            continue
        values = [_measure(model, attribute) for model in models]
        if any(value is not None for value in values):
            found[name] = values
    return found


def _measure(model: Model, attribute: str) -> float | None:
    if model.inference is None:
        return None
    value = getattr(model.inference.statistics, attribute)
    if value is None or np.size(value) != 1:
        return None
    return float(np.ravel(value)[0])


def _written(
    names: tuple[str, ...],
    coefficients: dict[str, list[dict[str, float] | None]],
    measures: dict[str, list[Any]],
    models: Sequence[Model],
    below: Below,
    exponentiate: bool,
    marks: bool,
    level: float,
    digits: int,
    difference: str,
    title: str,
) -> WrittenTable:
    rows: list[tuple[str, ...] | None] = []
    for name, found in coefficients.items():
        rows.append((name, *(_cell(own, marks, digits) for own in found)))
        if below is not None:
            rows.append(("", *(_below(own, below, digits) for own in found)))
    rows.append(None)
    for name, values in measures.items():
        rows.append(
            (
                name,
                *("" if v is None else v if isinstance(v, str) else f"{v:,}" if isinstance(v, int) else short(v, digits) for v in values),
            )
        )
    kinds = [
        "none" if model.inference is None or model.inference.covariance is None else model.inference.covariance.kind for model in models
    ]
    said = kinds[0] if len(set(kinds)) == 1 else ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    what = {"standard_error": "standard errors", "interval": f"{100 * level:.4g}% intervals", "p_value": "p-values"}
    notes = [] if below is None else [f"{what[below]} in brackets: {said}"]
    if exponentiate:
        notes.append("exp of the coefficients, and of the ends of their intervals")
    if marks:
        notes.append("* p < 0.05, ** p < 0.01, *** p < 0.001")
    if difference:
        notes.append(f"{difference}, so that measures of fit are not comparable")
    return WrittenTable(("", *names), tuple(rows), 1, title, tuple(notes))


def _cell(found: dict[str, float] | None, marks: bool, digits: int) -> str:
    if found is None:
        return ""
    star = next((mark for bound, mark in _MARKS if found["p_value"] < bound), "") if marks else ""
    return short(found["estimate"], digits) + star


def _below(found: dict[str, float] | None, below: str, digits: int) -> str:
    if found is None or math.isnan(found["standard_error"]):
        return ""
    if below == "interval":
        return f"({short(found['lower'], digits)}, {short(found['upper'], digits)})"
    return f"({short(found[below], digits)})"
