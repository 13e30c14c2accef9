"""What ``penalty=`` stands for."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from gradline.base.errors import ArgumentTypeError
from gradline.base.words import nearest
from gradline.penalties.kinds import kind_of
from gradline.penalties.kinked_penalty import PenaltyColumns, UnboundPenalty
from gradline.penalties.protocol import Penalty, ProximalPenalty, SmoothPenalty
from gradline.penalties.ridge import AutomaticRidge, Ridge
from gradline.penalties.sums import PenaltySpec


def as_penalty(penalty: Any) -> Penalty | UnboundPenalty | AutomaticRidge | None:
    """The penalty, or what becomes one when the data is known. Raises TypeError for something that is no penalty."""
    if isinstance(penalty, FunctionType):
        name = penalty.__name__
        if penalty.__module__.partition(".")[0] != "gradline":
            function = "lambda b: ..." if name == "<lambda>" else name
            raise ArgumentTypeError(
                f"penalty={name} is a plain function: a penalty is made of one by penalty=gl.penalties.custom({function}, strength=0.1)"
            )
        raise ArgumentTypeError(f"penalty={name} is a function that makes a penalty: call it, as in penalty=gl.penalties.{name}(0.1)")
    if isinstance(penalty, type):
        name = penalty.__name__
        raise ArgumentTypeError(f"penalty={name} is a class: make an object of it, as in penalty={name}(...), with brackets")
    if penalty is None or isinstance(penalty, AutomaticRidge | UnboundPenalty):
        return penalty
    if not isinstance(penalty, SmoothPenalty | ProximalPenalty):
        raise ArgumentTypeError(f"penalty must be a penalty such as {_meant(penalty)}, not {type(penalty).__name__} {penalty!r}")
    kind_of(penalty)
    # A ridge of strength zero decides nothing between columns that say the same, so it must not stand for a penalty.
    return None if isinstance(penalty, Ridge) and penalty.strength == 0 else penalty


def _meant(penalty: Any) -> str:
    """What somebody may have meant by a name or a number in place of a penalty."""
    if isinstance(penalty, str):
        words = {"l1": "lasso", "l2": "ridge", "elasticnet": "elastic_net", "elastic-net": "elastic_net", "enet": "elastic_net"}
        known = {"ridge": "0.1", "lasso": "0.1", "elastic_net": "0.1, 0.5", "group_lasso": "0.1", "scad": "0.1", "mcp": "0.1"}
        near = [words[penalty.lower()]] if penalty.lower() in words else nearest(penalty, known)
        name = near[0] if near else "ridge"
        return f"gl.penalties.{name}({known[name]})"
    if isinstance(penalty, int | float) and not isinstance(penalty, bool) and penalty >= 0:
        return f"gl.penalties.ridge({penalty:g}) or gl.penalties.lasso({penalty:g})"
    return "gl.penalties.ridge(0.1)"


def meets_columns_later(penalty: Any) -> UnboundPenalty | None:
    """The penalty where it has not met its columns yet; None for anything else."""
    return penalty if isinstance(penalty, UnboundPenalty) else None


def has_strengths(penalty: Any) -> bool:
    """Whether it is a penalty of which a path could be made: one of a strength, with kinks as a rule."""
    return isinstance(penalty, PenaltySpec)


def left_to_data(penalty: Any) -> PenaltySpec | None:
    """The penalty where its strength is to be found along a path; None for any other."""
    return penalty if isinstance(penalty, PenaltySpec) and penalty.undecided else None


def words_of_no_strength_left(penalty: Any) -> str:
    """What to say of a penalty that no path can be made of: it has its strength, or is a ridge."""
    if isinstance(penalty, AutomaticRidge | Ridge):
        return (
            "a path is of a penalty without a strength that sets slopes to zero, and a ridge sets none:"
            ' gl.fit chooses its strength with penalty=gl.penalties.ridge("auto")'
        )
    return (
        "a path tries many strengths, so that its penalty is given without a strength: gl.penalties.lasso(), or of a sum one such"
        ' penalty; a penalty of your own takes strength="auto". One strength is a fit: gl.fit'
    )


def strength_is_given(penalty: Penalty | UnboundPenalty | AutomaticRidge) -> bool:
    """Whether nothing of it is left to the data."""
    return not isinstance(penalty, AutomaticRidge) and left_to_data(penalty) is None


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
