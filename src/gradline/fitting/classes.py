"""Targets that hold one value only, of which no finite intercept is best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.losses.protocol import Loss
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


def refuse_one_value(problem: Problem) -> None:
    """Raises ValueError where all rows are of one class, or zero and every prediction is above it: no slope tells rows apart, and the
    intercept has no end."""
    loss, q = problem.loss, problem.rows.n_targets
    classes = loss.target_kind in ("class", "label")
    if not classes and not _above_zero(loss, problem.n_predictors, q):
        return
    ends = problem.rows.reduce(_EndsKernel())
    if not classes and ((ends.low == 0) & (ends.high == 0)).any():
        raise ArgumentError(
            f"the target is zero in every row, and the loss {loss.name!r} predicts what is above zero: no finite intercept is best. Give"
            " rows whose target is not zero"
        )
    if classes and (ends.low == ends.high).any():
        raise ArgumentError("the target has one class only, so that no slope tells it from another: give rows of another class too")


def _above_zero(loss: Loss, n_predictors: int, n_targets: int) -> bool:
    """Whether predictions are above zero, and come as near to it as one likes."""
    if n_predictors != n_targets:
        return False
    with np.errstate(all="ignore"):
        ends = loss.predict(np.array([[-40.0], [-5.0], [5.0]]) * np.ones((1, n_predictors)))
    return bool((ends > 0).all() and (ends[0] < 1e-12 * ends[1]).all())
