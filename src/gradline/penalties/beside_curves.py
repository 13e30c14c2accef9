"""A penalty of the columns that are of no curve, and its sum with the penalty of the curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.base.types import IntArray
from gradline.penalties.curves import NAME, CurvePenalty
from gradline.penalties.kinds import AmongColumns, kind_of, parameters_of
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, as_kinked
from gradline.penalties.protocol import Penalty, SmoothPenalty
from gradline.penalties.sums import SmoothSum


def columns_at(columns: PenaltyColumns, places: IntArray) -> PenaltyColumns:
    """What a penalty is told of the columns at some places, (m,), among the p there are."""
    return PenaltyColumns(
        tuple(columns.names[place] for place in places),
        tuple(columns.terms[place] for place in places),
        columns.predictors,
        lambda: columns.standard_deviations()[places],
    )


def among_columns(penalty: Penalty, places: IntArray, size: int, predictors: int) -> Penalty | None:
    """A penalty of the slopes at some places (m,) as one of all ``size`` slopes of each linear predictor, of which the others cost nothing.

    None for a penalty with kinks that does not tell what it does at zero.
    """
    kinked = as_kinked(penalty)
    if kinked is None:
        return None if kind_of(penalty) == "proximal" or not isinstance(penalty, SmoothPenalty) else AmongColumns(penalty, places)
    own = np.full(size, -1)
    own[places] = np.arange(len(places))
    each = np.concatenate([np.where(own >= 0, own + j * len(places), -1) for j in range(predictors)])
    smooth: Any = None if kinked.smooth_part is None else AmongColumns(kinked.smooth_part, places)
    scales = np.where(each >= 0, kinked.scales[each], 1.0)
    return replace(kinked, part=kinked.part.restricted(each), scales=scales, smooth_part=smooth)


class CurvesBeside(SmoothSum):
    """A smooth penalty and that of curves."""

    def __init__(self, beside: SmoothPenalty, curves: CurvePenalty) -> None:
        super().__init__((beside, curves))

    @property
    def curves_chosen_by(self) -> str:
        """How the strengths of the curves were found."""
        return _chosen_by(self)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Those of the penalty, and the strengths of the curves by their names."""
        return {**parameters_of(self.parts[0]), **_strengths(self)}


@dataclass(frozen=True, eq=False)
class KinkedBesideCurves(KinkedPenalty):
    """A penalty with kinks beside that of curves, which is a part of its smooth part."""

    @property
    def curves_chosen_by(self) -> str:
        """How the strengths of the curves were found."""
        return _chosen_by(self)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Those of the penalty, and the strengths of the curves by their names."""
        return {**self.asked.parameters, **_strengths(self)}


def with_curves(beside: Penalty | None, curves: CurvePenalty) -> Penalty:
    """The sum of a penalty over all slopes, or none, and that of the curves."""
    if beside is None:
        return curves
    kinked = as_kinked(beside)
    if kinked is None:
        assert isinstance(beside, SmoothPenalty)
        return CurvesBeside(beside, curves)
    smooth: SmoothPenalty = curves if kinked.smooth_part is None else CurvesBeside(kinked.smooth_part, curves)
    return KinkedBesideCurves(f"{kinked.name} + {NAME}", kinked.part, kinked.scales, smooth, kinked.asked)


def curve_part(penalty: Penalty | None) -> CurvePenalty | None:
    """The penalty of curves in a penalty; None where there is none."""
    if isinstance(penalty, CurvePenalty):
        return penalty
    if isinstance(penalty, KinkedPenalty):
        return curve_part(penalty.smooth_part)
    if isinstance(penalty, SmoothSum):
        return next((found for part in penalty.parts if (found := curve_part(part)) is not None), None)
    return None


def _chosen_by(penalty: Penalty) -> str:
    found = curve_part(penalty)
    return "" if found is None else found.chosen_by


def _strengths(penalty: Penalty) -> Mapping[str, float]:
    found = curve_part(penalty)
    return {} if found is None else found.parameters
