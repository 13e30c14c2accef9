"""Where quantities are worked out: over the rows of a table, at their means, at each of them, or at chosen values without any rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.effects.asking import KINDS, Asked, Combination, gather_facts, grid, read_asked, rows_for, said_of_range
from gradline.effects.columns import ColumnFacts, ModelColumn, find_column, model_columns
from gradline.effects.evaluate import Values, averages, row_values
from gradline.effects.passes import ReadAgain, refuse_offset
from gradline.effects.quantities import Forecast, Quantity, forecast_of, is_identity, without_other_columns
from gradline.formulas.encoder import Encoder
from gradline.formulas.expressions import Column
from gradline.formulas.factors import CategoricalFactor, NumericFactor, factor_columns
from gradline.inference.constrained import drawn_within
from gradline.inference.covariance.estimate import Covariance
from gradline.model.outputs import OutputKind, points
from gradline.model.predict_table import encoder_of

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_ROWS = 2**20
"""Estimates of single rows that are handed over at once."""


@dataclass(frozen=True, eq=False)
class Frame:
    """model, columns: what is asked. kind: "average", "at means" or "each row". rows: data given again, or None. facts: what the data
    holds, where it was looked at."""

    model: Model
    encoder: Encoder
    columns: Mapping[str, ModelColumn]
    asked: Asked
    scale: OutputKind
    kind: str
    rows: ReadAgain | None
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    replications: Array | None = None
    within: str = ""
    """How intervals of a fit within constraints are found; empty where there are none."""

    @property
    def stretched(self) -> bool:
        """Whether the replications are one, of the coefficients within constraints, and intervals those of the fit without."""
        return self.within == "intersection"

    @cached_property
    def covariance(self) -> Covariance:
        """Of the coefficients; nothing where a bootstrap, or draws, stand in its place."""
        if self.replications is None or self.stretched:
            return self.model.covariance()
        size, k = self.model.solution.coefficients.shape
        return Covariance("bootstrap", "", np.zeros((size * k, 1)), (size, k), np.ones(size * k, dtype=np.bool_), None)

    @property
    def linear(self) -> bool:
        """Whether a prediction on this scale is the linear predictor."""
        return self.scale == "linear" or is_identity(self.model.loss_function, self.model.solution.coefficients.shape[1])

    @property
    def outputs(self) -> tuple[str, ...]:
        """A name for each number of a prediction; one, empty, where there is one."""
        count = points(self.model, self.scale).width
        if count == 1:
            return ("",)
        names = self.model.predictor_names if self.scale == "linear" else self.model.class_names or self.model.target_names
        return tuple(names) if len(names) == count else tuple(str(i) for i in range(count))

    def looked_at(self) -> Frame:
        """With what the rows hold: a pass, where there are rows and it was not made yet."""
        if self.rows is None or self.facts:
            return self
        return replace(self, facts=gather_facts(self.rows, self.columns))

    def extended(self, wanted: Mapping[str, Sequence[Any]]) -> Frame:
        """With values outside of what was seen said, in a warning and in the notes."""
        said = said_of_range(wanted, self.facts)
        for sentence in said:
            warn(sentence)
        return replace(self, notes=(*self.notes, *said))


@dataclass(frozen=True, eq=False)
class Found:
    """values: of the quantities, one for each combination of ``at`` and each basic one: (N, C, Q, c). labels: what tells the N apart."""

    values: Values
    labels: dict[str, list[Any]]


def open_frame(
    model: Model,
    data: Any,
    at: Any,
    by: Any,
    kind: str,
    scale: Any,
    replications: Array | None = None,
) -> Frame:
    """Reads what is asked for, with a pass over the data where its means or its range are needed.

    Raises ArgumentError and InferenceError for what does not go together.
    """
    if kind not in KINDS:
        raise InferenceError(f'kind must be "average", "at means" or "each row", not {kind!r}')
    if scale not in ("mean", "linear"):
        raise InferenceError(f'scale must be "mean" (of the prediction) or "linear" (of the linear predictor), not {scale!r}')
    if model.absorbed is not None:
        raise InferenceError(
            "effects are not worked out beside absorbed levels, whose values have no errors: the coefficients are effects on the linear"
            " predictor, and C(...) in place of | has the rest"
        )
    if replications is None:
        model.covariance()
    within, notes = "", tuple[str, ...]()
    if model.constraints is not None:
        model, within, replications, notes = _within(model)
    if scale == "mean":
        refuse_offset(model)
    encoder = encoder_of(model)
    columns = model_columns(encoder)
    asked = read_asked(encoder, columns, at, by)
    rows = None if data is None else rows_for(model, data, asked)
    if rows is None and kind == "each row":
        raise InferenceError('kind="each row" is of rows, and a Fit holds none: give them, data=...')
    if asked.by and (rows is None or kind == "at means"):
        # Where there are no rows to tell apart a column of levels is told apart by all of them.
        for name in asked.by:
            column = find_column(encoder, name, columns)
            if not column.levels:
                raise InferenceError(f"by={name!r} tells groups of rows apart, and here there are none: give data=..., or values in at=")
        asked = Asked(columns, {**asked.at, **{name: columns[name].levels for name in asked.by}}, ())
    frame = Frame(model, encoder, columns, asked, scale, kind, rows, replications=replications, within=within, notes=notes)
    if kind == "at means" or asked.at:
        frame = frame.looked_at()
    return frame.extended(asked.at)


WITHIN = {
    "intersection": "within constraints: errors, tests and intervals are those of the fit without them, each interval stretched to the"
    " estimate within them where it lies beyond",
    "draws": "within constraints: draws around the fit without them, each moved to the nearest coefficients allowed",
    "face": "within constraints: those that bind are taken for equations that were known beforehand",
}


def _within(model: Model) -> tuple[Model, str, Array | None, tuple[str, ...]]:
    """(the model at the coefficients that errors belong to, and without constraints; how its intervals are found; coefficients (R, P, k)
    at which quantities are worked out besides; what is to be said). By "intersection" the only ones are those within the constraints."""
    held = model.constraints
    assert held is not None
    there = model.solution.coefficients
    replications = None
    centre = there
    if held.inference == "draws":
        replications = drawn_within(model.estimate, model.covariance(), held.polyhedron)
    elif held.inference == "intersection":
        replications, centre = there[None], model.estimate
    freed = replace(model, solution=replace(model.solution, coefficients=centre, held=None))
    return freed, held.inference, replications, (WITHIN[held.inference],)


def work_out(frame: Frame, quantities: Sequence[Quantity], differing: set[str] | None) -> Iterator[tuple[Found, Forecast, Any]]:
    """The quantities where they are asked for; several parts for "each row" only, each with the forecast and the rows it was made of.

    differing: the columns in which the quantities differ, where only their differences or slopes count; None where they count themselves.
    """
    forecast = forecast_of(frame.model, frame.encoder, frame.scale)
    combinations = frame.asked.combinations
    if frame.rows is None or frame.kind == "at means":
        yield _on_grid(frame, forecast, quantities, differing, combinations)
        return
    altered = [_fixed(quantity, combination) for combination in combinations for quantity in quantities]
    shape = (len(combinations), len(quantities))
    if frame.kind == "average":
        found = averages(forecast, frame.rows, altered, frame.asked.by, frame.covariance, frame.replications)
        labels = {name: [key[i] for key in found.keys] for i, name in enumerate(frame.asked.by)}
        yield Found(_split(found, shape), labels), forecast, None
        return
    count = 0
    for complete in frame.rows.over(lambda found: found, len(altered)):
        if not complete.batch.num_rows:
            continue
        count += complete.batch.num_rows * len(altered)
        if count > MOST_ROWS:
            raise InferenceError(
                f'kind="each row" gives an estimate for each row, and these are more than {MOST_ROWS:,}: take some rows, or kind="average"'
            )
        found = row_values(forecast, complete.batch, altered, frame.covariance, frame.replications, int(complete.numbers[0]))
        labels = {"row": complete.numbers.tolist()}
        labels |= {name: complete.batch.column(name).to_pylist() for name in frame.asked.by}
        yield Found(_split(found, shape), labels), forecast, complete.batch
    if not count:
        raise InferenceError("no row of data has all the values that the model needs")


def _on_grid(
    frame: Frame, forecast: Forecast, quantities: Sequence[Quantity], differing: set[str] | None, combinations: list[Combination]
) -> tuple[Found, Forecast, Any]:
    others: dict[str, Any] = {}
    needed = set(frame.encoder.feature_columns)
    if frame.kind == "at means" and frame.rows is not None:
        others = {name: facts.commonest if facts.seen is not None else facts.mean for name, facts in frame.facts.items()}
    elif differing is not None and frame.linear:
        # Of a difference of linear predictors only the terms that differ are left.
        forecast = without_other_columns(forecast, differing)
        needed = set(forecast.encoder.feature_columns) - _own(forecast.encoder, differing)
    set_by_quantities = set.intersection(*({name for name, _ in quantity.fixed} for quantity in quantities))
    missing = [
        name for name in frame.encoder.feature_columns if name in needed and name not in {*others, *frame.asked.at, *set_by_quantities}
    ]
    if missing:
        what = "the average over rows" if frame.kind == "average" else "what is asked at the means of the rows"
        values = ", ".join(f"{name!r}: ..." for name in missing[:6]) + (", ..." if len(missing) > 6 else "")
        raise InferenceError(
            f"{what} depends on {', '.join(missing)}, and a Fit holds no rows: give data=..., or their values, at={{{values}}}"
        )
    # What nothing depends on may be anything; what the quantities set themselves, a level that is known.
    fillers = {name: column.levels[0] if column.levels else 1.0 for name, column in frame.columns.items()}
    for quantity in quantities[:1]:
        fillers |= dict(quantity.fixed)
    batch = grid(forecast.encoder, combinations, {**fillers, **others})
    found = row_values(forecast, batch, quantities, frame.covariance, frame.replications)
    arranged = Values(
        found.values[None],
        found.images[None],
        [()],
        np.ones(1),
        None if found.draws is None else found.draws[:, None],
    )
    return Found(arranged, {}), forecast, batch


def _own(encoder: Encoder, differing: set[str]) -> set[str]:
    """Those of the columns in which the quantities differ whose own value does not matter: a slope in them is the same everywhere."""
    bent = set()
    for factor in encoder.factors.values():
        plain = isinstance(factor, CategoricalFactor) or (isinstance(factor, NumericFactor) and isinstance(factor.node, Column))
        if not plain:
            bent |= set(factor_columns(factor))
    crossed = set()
    for group in encoder.groups:
        reads = [set(factor_columns(encoder.factors[name])) for name, _ in group.factors]
        for name in differing:
            if sum(name in read for read in reads) > 1:
                crossed.add(name)
    return differing - bent - crossed


def _fixed(quantity: Quantity, combination: Combination) -> Quantity:
    """The quantity with columns set besides; those that it sets itself stay."""
    own = {name for name, _ in quantity.fixed}
    return replace(quantity, fixed=(*(pair for pair in combination if pair[0] not in own), *quantity.fixed))


def _split(found: Values, shape: tuple[int, int]) -> Values:
    """Combinations and quantities as two axes."""
    n, _, c = found.values.shape
    draws = None if found.draws is None else found.draws.reshape(len(found.draws), n, *shape, c)
    return Values(found.values.reshape(n, *shape, c), found.images.reshape(n, *shape, c, -1), found.keys, found.counts, draws)
