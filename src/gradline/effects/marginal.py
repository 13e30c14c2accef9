"""Effects of columns on predictions, and predictions at chosen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.types import Array
from gradline.effects.asking import as_value, reference_of
from gradline.effects.columns import ModelColumn, find_column
from gradline.effects.estimates import Adjust, Estimates, difference, joined, of_quantities, ratio, weighted, with_errors
from gradline.effects.frames import Frame, open_frame, work_out
from gradline.effects.quantities import Forecast, Quantity, Slope, is_identity
from gradline.formulas.factors import factor_columns
from gradline.inference.intervals import Interval, linear_interval, mean_interval, probability_interval
from gradline.summary.result_table import ResultTable

if TYPE_CHECKING:
    from gradline.model.record import Model


_NUMBERS = ("estimate", "standard_error", "t", "z", "p_value", "lower", "upper")
"""The columns of a table of estimates that are no labels."""


class Comparison(NamedTuple):
    """A row of a table of effects: the column, what is compared, and the quantities it is made of. weights: of the quantities, whose sum is
    the estimate; divided: the first over the second, in place of a sum."""

    column: str
    label: str
    places: tuple[int, ...]
    weights: tuple[float, ...]
    divided: bool = False


@dataclass(frozen=True)
class Plan:
    """quantities: to be worked out. comparisons: to be made of them. changed: the columns in which quantities differ."""

    quantities: tuple[Quantity, ...]
    comparisons: tuple[Comparison, ...]
    changed: frozenset[str]


def effects(
    model: Model,
    variables: Any,
    *,
    by: Any,
    at: Any,
    kind: str,
    data: Any,
    scale: str,
    change: Any,
    compare: str,
    level: float,
    bootstrap: Any,
) -> ResultTable:
    """See :meth:`gradline.Fit.effects`."""
    if compare not in ("difference", "ratio"):
        raise InferenceError(f'compare must be "difference" or "ratio", not {compare!r}')
    frame = open_frame(model, data, at, by, kind, scale, replications_of(model, bootstrap))
    names = _variables(frame, variables)
    for name in names:
        if name in frame.asked.at and frame.columns[name].levels:
            raise ArgumentError(f"the effect of {name!r} compares its levels, so at= cannot set it: leave it out of at=")
    if any(frame.columns[name].is_number and (change is None or _is_pair(change)) for name in names):
        # A slope goes by the spread of its column, and by where its rows end.
        frame = frame.looked_at()
    tables = [_of_one(frame, name, change, compare, level) for name in names]
    return stacked(tables, frame, f"Effects on {what_of(frame)}", level, how_of(frame, compare, "effects"))


def _of_one(frame: Frame, name: str, change: Any, compare: str, level: float) -> dict[str, list[Any]]:
    plan = _plan(frame, frame.columns[name], change, compare)
    values = {name: [as_value(frame.columns[name], value) for value in change]} if _is_pair(change) else {}
    return comparison_columns(frame.extended(values), plan, level)


def replications_of(model: Model, bootstrap: Any) -> Array | None:
    """The coefficients of a bootstrap, (R, P, k). Raises InferenceError for what is none, or of another model."""
    if bootstrap is None:
        return None
    found = getattr(bootstrap, "coefficients", None)
    if not isinstance(found, np.ndarray) or found.ndim != 3:
        raise InferenceError(f"bootstrap= takes what fit.bootstrap(data) returns, not {bootstrap!r}")
    if found.shape[1:] != model.solution.coefficients.shape or not np.array_equal(bootstrap.estimate, model.solution.coefficients):
        raise InferenceError("the bootstrap is of another fit than this one")
    return found


def _variables(frame: Frame, variables: Any) -> list[str]:
    if variables is None:
        explaining = {name for factor in frame.encoder.factors.values() for name in factor_columns(factor)}
        found = [c.name for c in frame.columns.values() if c.name in explaining and (c.is_number or c.levels)]
        if not found:
            raise InferenceError("the model reads no column, so there is no effect of one")
        return [name for name in found if name not in frame.asked.by and name not in frame.asked.at]
    listed = [variables] if isinstance(variables, str) else list(variables)
    return [find_column(frame.encoder, name, frame.columns).name for name in listed]


def _is_pair(change: Any) -> bool:
    return isinstance(change, tuple | list) and len(change) == 2


def _plan(frame: Frame, column: ModelColumn, change: Any, compare: str) -> Plan:
    name, divided = column.name, compare == "ratio"
    if _is_pair(change):
        low, high = (as_value(column, value) for value in change)
        pair = (Quantity(((name, high),)), Quantity(((name, low),)))
        return Plan(pair, (_pair(name, _shown(high), _shown(low), 0, 1, divided),), frozenset({name}))
    if column.levels:
        if change is not None:
            raise ArgumentError(f"column {name!r} has levels: change= takes a pair of them, such as {column.levels[:2]!r}")
        reference = reference_of(frame.encoder, column)
        others = [value for value in column.levels if value != reference]
        if not others:
            raise InferenceError(f"column {name!r} has one level only, {reference!r}, so there is nothing to compare it with")
        quantities = tuple(Quantity(((name, value),)) for value in (reference, *others))
        rows = tuple(_pair(name, _shown(value), _shown(reference), i + 1, 0, divided) for i, value in enumerate(others))
        return Plan(quantities, rows, frozenset({name}))
    if not column.is_number:
        raise ArgumentError(f"column {name!r} is text inside an expression: say which values to compare, change=('a', 'b')")
    if change is not None:
        if isinstance(change, bool) or not isinstance(change, int | float | np.number) or not np.isfinite(change) or change == 0:
            raise ArgumentError(f"change= takes a number other than zero, or a pair (from, to), not {change!r}")
        quantities = (Quantity(moved=(name, float(change))), Quantity())
        return Plan(quantities, (_pair(name, f"{change:+g}", "", 0, 1, divided),), frozenset({name}))
    if divided:
        raise ArgumentError(f"a ratio compares two predictions: say how far {name!r} moves, change=1 or change=(from, to)")
    facts = frame.facts.get(name)
    slope = Slope(name) if facts is None else Slope(name, facts.spread, facts.low, facts.high)
    return Plan((Quantity(slope=slope),), (Comparison(name, "slope", (0,), (1.0,)),), frozenset({name}))


def _pair(name: str, first: str, second: str, i: int, j: int, divided: bool) -> Comparison:
    sign = " / " if divided else " - "
    return Comparison(name, f"{first}{sign}{second}" if second else f"{first}{' (ratio)' if divided else ''}", (i, j), (1.0, -1.0), divided)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def comparison_columns(
    frame: Frame, plan: Plan, level: float, adjust: Adjust = None, size: int = 0, named: str = "variable"
) -> dict[str, list[Any]]:
    """The columns of a table of comparisons: for each group or row, each combination of ``at`` and each output, each comparison."""
    parts, labels, families, family = list[Estimates](), dict[str, list[Any]](), list[int](), 0
    chosen = frame.asked.combinations
    # A linear predictor that has an intercept only, as a threshold or a dispersion, is the same whatever is compared.
    constant = frame.model.loss_function.intercept_only if frame.scale == "linear" else ()
    for found, _, _ in work_out(frame, plan.quantities, set(plan.changed)):
        n, combinations, _, outputs = found.values.values.shape
        kept = [c for c in range(outputs) if len(constant) != outputs or not constant[c]]
        for i in range(n):
            for j in range(combinations):
                for c in kept:
                    drawn = None if found.values.draws is None else found.values.draws[:, i, j, :, c]
                    held = of_quantities(found.values.values[i, j, :, c], found.values.images[i, j, :, c], drawn)
                    parts.append(_compared(held, plan.comparisons))
                    for comparison in plan.comparisons:
                        row = {named: comparison.column, "contrast": comparison.label}
                        row |= {name: own[i] for name, own in found.labels.items()}
                        row |= dict(chosen[j])
                        row |= {"output": frame.outputs[c]} if len(kept) > 1 else {}
                        _append(labels, row)
                        families.append(family)
                    family += 1
    return labels | with_errors(joined(parts), frame.covariance, level, adjust, np.array(families), size, frame.stretched)


def _compared(held: Estimates, comparisons: Sequence[Comparison]) -> Estimates:
    if comparisons[0].divided:
        first, second = np.array([c.places[0] for c in comparisons]), np.array([c.places[1] for c in comparisons])
        return ratio(held[first], held[second])
    weights = np.zeros((len(comparisons), len(held.values)))
    for i, comparison in enumerate(comparisons):
        weights[i, list(comparison.places)] = comparison.weights
    if all(len(c.places) == 2 for c in comparisons) and all(c.weights == (1.0, -1.0) for c in comparisons):
        # By subtraction alone, so that nothing of the quantities that are not compared enters by rounding.
        first, second = np.array([c.places[0] for c in comparisons]), np.array([c.places[1] for c in comparisons])
        return difference(held[first], held[second])
    return weighted(weights, held, 0)


def _append(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def predictions(model: Model, *, at: Any, by: Any, kind: str, data: Any, scale: str, level: float, bootstrap: Any) -> ResultTable:
    """See :meth:`gradline.Fit.predictions`."""
    frame = open_frame(model, data, at, by, kind, scale, replications_of(model, bootstrap))
    parts, labels, ends = list[Estimates](), dict[str, list[Any]](), list[Interval]()
    chosen = frame.asked.combinations
    for found, forecast, batch in work_out(frame, (Quantity(),), None):
        n, combinations, _, outputs = found.values.values.shape
        if batch is not None and (frame.replications is None or frame.stretched):
            ends.append(_ends(frame, forecast, batch, combinations, level))
        for i in range(n):
            for j in range(combinations):
                for c in range(outputs):
                    row = {name: own[i] for name, own in found.labels.items()} | dict(chosen[j])
                    row |= {"output": frame.outputs[c]} if len(frame.outputs) > 1 else {}
                    _append(labels, row or {"prediction": what_of(frame)})
        drawn = found.values.draws
        flat = None if drawn is None else drawn.reshape(len(drawn), -1)
        images = found.values.images
        parts.append(of_quantities(found.values.values.ravel(), images.reshape(-1, images.shape[-1]), flat))
    total = joined(parts)
    columns = with_errors(total, frame.covariance, level, stretched=frame.stretched)
    for name in ("t", "z", "p_value"):
        columns.pop(name, None)
    by_errors = total.draws is None or frame.stretched
    if not ends and by_errors and frame.scale == "mean" and model.loss_function.predicts_probabilities:
        # An average of probabilities is one itself.
        ends.append(probability_interval(total.values, np.array(columns["standard_error"]), frame.covariance, level))
    if ends:
        lower, upper = (np.concatenate([end.ravel() for end in side]) for side in zip(*ends, strict=True))
        if frame.stretched:
            lower, upper = np.fmin(lower, columns["estimate"]), np.fmax(upper, columns["estimate"])
        columns |= {"lower": lower.tolist(), "upper": upper.tolist()}
    return stacked([labels | columns], frame, f"Predictions of {what_of(frame)}", level, how_of(frame, "", "predictions"))


def _ends(frame: Frame, forecast: Forecast, batch: Any, combinations: int, level: float) -> Interval:
    """The ends of a prediction as ``Fit.predict`` has them: those of the linear predictor put through the forward pass, or of the logit of
    a probability made of several, so that they stay where predictions can be."""
    rows = [batch]
    if frame.kind == "each row":
        rows = [next(iter(Quantity(combination).parts(batch, forecast.encoder)))[1] for combination in frame.asked.combinations]
    found = []
    for part in rows:
        encoded = forecast.encoder.encode(part, 0, targets=False)
        predictors = encoded.design.predict(forecast.coefficients)
        if encoded.offset is not None:
            predictors = predictors + encoded.offset
        if frame.scale == "linear":
            found.append(linear_interval(encoded.design, predictors, frame.covariance, level))
        else:
            found.append(mean_interval(encoded.design, predictors, frame.covariance, frame.model.loss_function, level))
    if frame.kind != "each row":
        return found[0]
    return Interval(np.stack([one.lower for one in found], axis=1), np.stack([one.upper for one in found], axis=1))


def what_of(frame: Frame) -> str:
    """What is predicted, in words."""
    # Of a pair, such as successes and failures, what the two tell together.
    target = ", ".join(frame.model.observed_names[:4])
    if frame.scale == "linear" and not is_identity(frame.model.loss_function, frame.model.solution.coefficients.shape[1]):
        return f"the linear predictor of {target}"
    kind = frame.model.loss_function.target_kind
    if kind == "label":
        classes = frame.model.class_names
        return f"the probability of {target}" + (f" = {classes[1]}" if len(classes) == 2 else "")
    return f"the probabilities of {target}" if kind == "class" else target


def how_of(frame: Frame, compare: str, what: str) -> str:
    """A sentence on where and how the estimates were found."""
    if frame.rows is None:
        where = "at the values given" if frame.asked.at else "the same at all values of the other columns"
    else:
        where = {
            "average": "averaged over the rows of data",
            "at means": "at the means of numbers and the commonest levels",
            "each row": "of each row",
        }[frame.kind]
    covariance = frame.covariance
    if frame.within == "draws":
        assert frame.replications is not None
        return f"{where}; errors and percentile intervals of {len(frame.replications):,} draws"
    if frame.replications is not None and not frame.stretched:
        return f"{where}; errors and percentile intervals of {len(frame.replications):,} bootstrap replications"
    law = "z, normal" if covariance.degrees_of_freedom is None else f"t with {covariance.degrees_of_freedom:.6g} degrees of freedom"
    scale = "; ratios are tested against 1, on the scale of their logarithm" if compare == "ratio" else ""
    return f"{where}; delta method, {covariance.kind} covariance, {law}{scale}"


def stacked(tables: list[dict[str, list[Any]]], frame: Frame, title: str, level: float, how: str) -> ResultTable:
    """One table of several of the same frame, words before numbers."""
    names: dict[str, None] = {}
    for table in tables:
        names.update(dict.fromkeys(table))
    numbers = [name for name in names if name in _NUMBERS]
    ordered = [name for name in names if name not in _NUMBERS] + numbers
    columns = {name: [value for table in tables for value in table.get(name, [None] * len(table["estimate"]))] for name in ordered}
    return ResultTable(columns, title, (*frame.notes, how), level, words=len(ordered) - len(numbers))
