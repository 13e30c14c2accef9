"""A penalty that was given beside curves: it is of the columns that are of none."""

from __future__ import annotations

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.fitting.column_scales import warn_of_scales
from gradline.formulas.curves import curves_of
from gradline.formulas.encoder import Encoder
from gradline.objective.objective import Problem
from gradline.penalties.arguments import settled, strength_is_given
from gradline.penalties.beside_curves import among_columns, columns_at
from gradline.penalties.kinked_penalty import PenaltyColumns, UnboundPenalty
from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import AutomaticRidge


def penalty_beside(
    problem: Problem,
    penalty: Penalty | UnboundPenalty | AutomaticRidge,
    encoder: Encoder,
    names: tuple[str, ...],
    columns: PenaltyColumns,
) -> Penalty:
    """The penalty over all slopes, of which those of curves cost nothing.

    Raises ArgumentError where every column is a curve's, for a strength that is left to the data, and for kinks that the penalty does not
    tell about.
    """
    first, size = int(problem.rows.intercept), len(columns.names)
    of_curves = {place - first for curve in curves_of(encoder) for place in range(curve.start, curve.stop)}
    places = np.array([place for place in range(size) if place not in of_curves], dtype=np.int64)
    if not len(places):
        raise ArgumentError(
            f"penalty={penalty.name} would not be used: beside curves a penalty is of the columns that are of none, and the formula has no"
            " others; a curve's own strength is given in the formula, as in s(x, strength=0.1)"
        )
    if not strength_is_given(penalty):
        raise ArgumentError(
            f"the strength of penalty={penalty.name} is left to the data, and beside curves only theirs are chosen: give it, as in"
            f" gl.penalties.{penalty.name}(0.1), and compare fits of several"
        )
    warn_of_scales(problem, names, penalty, places)
    bound = settled(penalty, lambda: columns_at(columns, places), _never)
    assert bound is not None
    found = among_columns(bound, places, size, len(columns.predictors))
    if found is None:
        raise ArgumentError(
            f"beside curves a penalty is smooth, or one of gl.penalties that sets slopes to zero, and {bound.name!r} is neither"
        )
    return found


def _never() -> tuple[float, float]:
    raise AssertionError("a strength that is given is not chosen")
