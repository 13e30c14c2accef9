"""What ``penalty=`` stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradline.base.errors import ArgumentTypeError
from gradline.penalties.kinds import kind_of
from gradline.penalties.kinked_penalty import PenaltyColumns, UnboundPenalty
from gradline.penalties.protocol import Penalty, ProximalPenalty, SmoothPenalty
from gradline.penalties.ridge import AutomaticRidge, Ridge


def as_penalty(penalty: Any) -> Penalty | UnboundPenalty | AutomaticRidge | None:
    """The penalty, or what becomes one when the data is known. Raises TypeError for something that is no penalty."""
    if penalty is None or isinstance(penalty, AutomaticRidge | UnboundPenalty):
        return penalty
    if not isinstance(penalty, SmoothPenalty | ProximalPenalty):
        raise ArgumentTypeError(f"penalty must be a penalty such as gl.penalties.ridge(0.1), not {type(penalty).__name__} {penalty!r}")
    kind_of(penalty)
    # A ridge of strength zero decides nothing between columns that say the same, so it must not stand for a penalty.
    return None if isinstance(penalty, Ridge) and penalty.strength == 0 else penalty


def settled(
    penalty: Penalty | UnboundPenalty | AutomaticRidge | None,
    columns: Callable[[], PenaltyColumns],
    choose: Callable[[], tuple[float, float]],
) -> Penalty | None:
    """The penalty of the columns; where its strength is left to the data, with the strength and the leave-one-out loss that ``choose``
    finds."""
    if isinstance(penalty, AutomaticRidge):
        return penalty.chosen(*choose())
    return penalty.bind(columns()) if isinstance(penalty, UnboundPenalty) else penalty
