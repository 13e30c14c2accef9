"""Whether a target of classes has more than one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


class _Ends(NamedTuple):
    """The least and the largest of each target, (q,)."""

    low: Array
    high: Array


class _EndsKernel(Kernel[_Ends]):
    def map(self, block: Block) -> _Ends:
        targets = block.without_zero_weights().targets
        return _Ends(targets.min(axis=0, initial=np.inf), targets.max(axis=0, initial=-np.inf))

    def merge(self, first: _Ends, second: _Ends) -> _Ends:
        return _Ends(np.minimum(first.low, second.low), np.maximum(first.high, second.high))


def refuse_one_class(problem: Problem) -> None:
    """Raises ValueError where all rows are of one class: no slope tells them apart, and the intercept has no end."""
    if problem.loss.target_kind not in ("class", "label"):
        return
    ends = problem.rows.reduce(_EndsKernel())
    if (ends.low == ends.high).any():
        raise ArgumentError("the target has one class only, so that no slope tells it from another: give rows of another class too")
