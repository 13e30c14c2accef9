"""The path of squared loss from sums that were kept, with no rows: ``gl.path("y ~ .", moments)``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.fitting.along import MomentsWay, record_of, strengths_of
from gradline.fitting.column_scales import words_of_spreads
from gradline.inference.absent import NoInference
from gradline.losses.families.robust import squared
from gradline.model.path import PathRecord
from gradline.model.record import Model
from gradline.moments.moments import DesignOfSums, Moments
from gradline.objective.objective import Problem
from gradline.penalties.arguments import left_to_data, words_of_no_strength_left
from gradline.penalties.kinked_penalty import PenaltyColumns
from gradline.penalties.sums import minds_units
from gradline.rows.arrays import ArrayRows
from gradline.rows.folds import Folds
from gradline.solvers.least_squares.second_moments import SecondMoments
from gradline.solvers.protocol import Certificate, Solution


def moments_given(*values: Any) -> list[Moments] | None:
    """The Moments among what ``gl.path`` was given, each of which is a fold where they come in a list; None where rows were given."""
    for value in values:
        if isinstance(value, Moments):
            return [value]
        if isinstance(value, list | tuple) and value and all(isinstance(each, Moments) for each in value):
            return list(value)
    return None


@dataclass
class _SumsWay(MomentsWay):
    """Of sums that are at hand."""

    sums: Sequence[SecondMoments] = field(default=())

    @cached_property
    def parts(self) -> list[SecondMoments]:
        """The sums of each fold."""
        return list(self.sums)

    @property
    def wide(self) -> bool:
        """Whether there are more columns than rows."""
        return sum(part.count for part in self.sums) <= self.problem.rows.n_columns


def run_path_of_sums(
    given: Sequence[Moments],
    formula: Any,
    target: Any,
    features: Any,
    intercept: Any,
    penalty: Any,
    strengths: Any,
    choose: str | None,
    refused: dict[str, Any],
    progress: bool | None,
) -> PathRecord:
    """The path from sums, each Moments a fold. refused: arguments by name that need rows, or another loss.

    Raises ValueError for these, and as ``gl.Moments.fit`` and ``gl.path`` do.
    """
    started = time.perf_counter()
    for name, value in refused.items():
        if value is not None:
            raise ArgumentError(f"{name}= needs the rows, and moments hold none: give it to gl.Moments, or the rows to gl.path")
    if choose not in (None, "folds"):
        raise ArgumentError(f'choose of a path from moments must be "folds" or None, not {choose!r}')
    if choose is not None and len(given) < 2:
        raise ArgumentError("one Moments cannot be parted into folds: give a list of them, of which each is a fold")
    if not isinstance(intercept, bool):
        raise ArgumentTypeError(f"intercept must be True or False, not {intercept!r}")
    spec = left_to_data(penalty)
    if spec is None:
        raise ArgumentError(words_of_no_strength_left(penalty))
    designs = [moments.design(formula, target=target, features=features, intercept=intercept) for moments in given]
    design, p = designs[0], len(designs[0].features)
    if any(other.features != design.features for other in designs):
        raise ArgumentError("the moments of the folds have not the same columns, in the same order")
    # No rows, of the right columns: what a penalty, a loss and a strength ask of them.
    rows = ArrayRows(np.zeros((1, p)), np.zeros((1, 1)), intercept=design.intercept)
    names = (("Intercept",) if design.intercept else ()) + design.features
    problem = Problem(rows, squared, None, names)
    spreads = _spreads(designs)
    said = words_of_spreads(spec, design.features, spreads) if minds_units(spec) else None
    if said is not None:
        warn(said)
    columns = PenaltyColumns(design.features, design.features, problem.loss.predictor_names(1), lambda: spreads)
    folds = None if choose is None else Folds(len(designs))
    way = _SumsWay(problem, columns, spec, folds, None, [each.sums for each in designs])
    unit = way.penalty(1.0)
    if not unit.rest_is_quadratic:
        raise ArgumentError(
            f"a path from moments takes beside a penalty with kinks one that is quadratic only, and {unit.name!r} has another: give the"
            " rows to gl.path"
        )
    asked = strengths_of(strengths, way)
    penalties = tuple(way.penalty(float(strength)) for strength in asked)
    with progress_bar.bar("Path", len(asked) * (1 if folds is None else folds.count + 1), progress, patience=1.0) as advance:
        found, held_out = way.run(penalties, lambda: advance(1, ""))
    solution = Solution(found.coefficients[-1], float(found.objectives[-1]), "ProximalNewton", Certificate(True, 0.0, "a path"), 0)
    total = way.total
    template = Model(
        names,
        (design.target,),
        problem.loss,
        solution,
        round(total.count),
        {},
        named=True,
        penalty=penalties[-1],
        uncertainty=NoInference("a path holds no standard errors"),
        seconds=time.perf_counter() - started,
    )
    return record_of(asked, found, penalties, held_out, template)


def _spreads(designs: Sequence[DesignOfSums]) -> Array:
    """The columns' standard deviations, (p,)."""
    total = designs[0].sums
    for each in designs[1:]:
        total = total + each.sums
    variances = np.maximum(total.centred().diagonal() / total.weight, 0.0)
    return np.asarray(np.ldexp(np.sqrt(variances), total.exponents))[: len(designs[0].features)]
