"""The first row whose loss, or a derivative of it, is not finite: for a message that names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


class NotFinite(NamedTuple):
    """A row with a derivative that is not finite: which one (0 for the loss itself), and the first of its numbers that is not."""

    row: int
    order: int
    value: float
    target: Array
    predictor: Array


@dataclass(frozen=True)
class NotFiniteKernel(Kernel[NotFinite | None]):
    """The first row whose loss, or whose derivatives up to the order, are not finite."""

    loss: Loss
    coefficients: Array
    order: int

    def map(self, block: Block) -> NotFinite | None:
        predictors = block.linear_predictors(self.coefficients)
        found = self.loss.derivatives(block.targets, predictors, self.order)
        weights = block.row_weights
        counts = np.ones(block.n_rows, dtype=np.bool_) if weights is None else weights > 0
        numbers = [part.reshape(block.n_rows, -1) for part in found if part is not None]
        wrong = [~np.isfinite(part).all(axis=1) & counts for part in numbers]
        rows = np.flatnonzero(np.logical_or.reduce(wrong))
        if not rows.size:
            return None
        i = int(rows[0])
        order = next(order for order, part in enumerate(wrong) if part[i])
        value = numbers[order][i]
        return NotFinite(block.number(i), order, float(value[~np.isfinite(value)][0]), block.targets[i], predictors[i])

    def merge(self, first: NotFinite | None, second: NotFinite | None) -> NotFinite | None:
        return second if first is None else first
