"""A penalty from a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradline import penalties
from gradline.base.errors import ModelFileError
from gradline.base.types import Array
from gradline.penalties.kinked import BoolArray

if TYPE_CHECKING:
    from gradline.files.schema import ModelRecord, PenaltyRecord
    from gradline.formulas.encoder import Encoder
    from gradline.penalties.protocol import Penalty
    from gradline.smoothing.terms import FittedCurve


_ONLY_ITS_VALUE = (
    "from a model file only the name, the numbers and the value of the penalty {!r} are known: fit anew with gl.fit for what asks more"
    " of it, such as other standard errors"
)


@dataclass(frozen=True)
class StoredPenalty:
    """A penalty of which the file holds the name, the numbers and the value at the coefficients: one of the user's own, or one that had met
    its columns."""

    record: PenaltyRecord
    curves_chosen_by: str = ""
    """How the strengths of curves in it were found; empty where there are none."""

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def parameters(self) -> Mapping[str, float]:
        """Its numbers."""
        return self.record.parameters

    @property
    def sets_to_zero(self) -> bool:
        """Whether it has kinks."""
        return self.record.sets_to_zero

    @property
    def chosen_by(self) -> str:
        """How the data chose its strength."""
        return self.record.chosen_by

    def support(self, slopes: Array) -> BoolArray:
        """The slopes (p, k) that it left."""
        return np.asarray(slopes != 0)

    def value(self, slopes: Array) -> float:
        """At the coefficients of the fit, whatever is asked for."""
        return self.record.value

    def gradient(self, slopes: Array) -> Array:
        raise ModelFileError(_ONLY_ITS_VALUE.format(self.name))

    def curvature(self, slopes: Array) -> Array:
        raise ModelFileError(_ONLY_ITS_VALUE.format(self.name))


def penalty_of_curves(encoder: Encoder, curves: Sequence[FittedCurve], model: ModelRecord) -> Penalty:
    """The penalty of the curves of a formula, made anew of their strengths. Raises ValueError for curves that the formula does not have."""
    from gradline.formulas.curves import curves_of
    from gradline.smoothing.blocks import Block, penalty_of

    learned = {curve.start: curve for curve in curves_of(encoder)}
    blocks = []
    for curve in curves:
        own = learned.get(curve.start)
        if own is None or own.stop != curve.stop or len(own.matrices) != len(curve.strengths):
            raise ModelFileError(f"the formula has no curve {curve.name!r} at these columns")
        blocks.append(Block(curve.name, curve.predictor, own))
    return penalty_of(blocks, [curve.strengths for curve in curves], model.intercept, model.smoothing)


def as_penalty(record: PenaltyRecord) -> Penalty:
    """The penalty of ``gl.penalties`` by that name, or what stands for one of the user's own. Raises ValueError for numbers it refuses."""
    if record.name == "ridge" and set(record.parameters) == {"strength", "leave_one_out"}:
        return penalties.ChosenRidge(**record.parameters)
    if record.name != "ridge":
        # What has to meet its columns first knows no value without them, and a refit has none of the rows.
        return StoredPenalty(record)
    try:
        penalty: Penalty = penalties.FACTORIES["ridge"](**record.parameters)
    except TypeError as error:
        raise ModelFileError(f"the penalty {record.name!r} cannot be made: {error}") from None
    return penalty
