"""What a transform that learns from all rows owes the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gradline.base.types import Array

Options = Mapping[str, Any]
State = Mapping[str, Any]
"""What was learned: plain numbers and lists, so that a model file can hold it."""


class Learner(Protocol):
    """What turns passes over a column into a state."""

    def update(self, values: Array) -> None:
        """Some of the column's finite values, (m,)."""

    def finish(self) -> State | None:
        """The end of a pass: the state, or None to ask for another pass."""


@dataclass(frozen=True)
class Transform:
    """defaults: the options in the order they may be given without a name. learner: from options and the call's text; None where
    nothing is to be learned. apply: (m,) values, options, state and the call's text to (m,), or (m, c) for a basis. labels: of the
    basis' columns from options and state; None for a single column. spans_intercept: whether the basis sums to one."""

    defaults: Mapping[str, Any]
    learner: Callable[[Options, str], Learner | None]
    apply: Callable[[Array, Options, State, str], Array]
    labels: Callable[[Options, State], tuple[str, ...]] | None = None
    spans_intercept: Callable[[Options], bool] = lambda options: False
