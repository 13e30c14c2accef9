"""What ``penalty=`` stands for, and what to say to what stands for no penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradline.base.errors import ArgumentTypeError
from gradline.penalties import FACTORIES
from gradline.penalties.kinds import kind_of
from gradline.penalties.protocol import Penalty, ProximalPenalty, SmoothPenalty
from gradline.penalties.ridge import AutomaticRidge, Ridge


def as_penalty(penalty: Any) -> Penalty | AutomaticRidge | None:
    """The penalty, or what becomes one when the data is known. Raises TypeError for something that is no penalty."""
    if penalty is None or isinstance(penalty, AutomaticRidge):
        return penalty
    maker = next((name for name, made in FACTORIES.items() if made is penalty), None)
    if maker is not None:
        raise ArgumentTypeError(f"penalty={maker} is a function that makes a penalty: call it, as in penalty=gl.penalties.{maker}(0.1)")
    if isinstance(penalty, type):
        name = penalty.__name__
        raise ArgumentTypeError(f"penalty={name} is a class: make an object of it, as in penalty={name}(...), with brackets")
    if not isinstance(penalty, SmoothPenalty | ProximalPenalty):
        raise ArgumentTypeError(f"penalty must be a penalty such as gl.penalties.ridge(0.1), not {type(penalty).__name__} {penalty!r}")
    kind_of(penalty)
    # A ridge of strength zero decides nothing between columns that say the same, so it must not stand for a penalty.
    return None if isinstance(penalty, Ridge) and penalty.strength == 0 else penalty


def settled(penalty: Penalty | AutomaticRidge | None, choose: Callable[[], tuple[float, float]]) -> Penalty | None:
    """The penalty; where its strength is left to the data, with the strength and the leave-one-out loss that ``choose`` finds."""
    return penalty.chosen(*choose()) if isinstance(penalty, AutomaticRidge) else penalty
