"""The loss of the rows of each fold, by fits of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.model.path import HeldOut
from gradline.rows.block import Block
from gradline.rows.folds import Folds, picked
from gradline.rows.kernel import Kernel


def held_out_of(sums: Array, weights: Array, folds: Folds) -> HeldOut:
    """Mean and standard error over the folds of weighted sums (K, m): the folds count by their weights (K,)."""
    if not (weights > 0).all():
        raise ArgumentError(f"fold {int(np.argmin(weights)) + 1} of {folds.count} has no rows that count; ask for fewer folds")
    of_fold = sums / weights[:, None]
    share = weights / weights.sum()
    mean = share @ of_fold
    error = np.sqrt(share @ np.square(of_fold - mean) / (folds.count - 1))
    return HeldOut(mean, error, of_fold, weights, folds.words)


@dataclass(frozen=True)
class HeldOutKernel(Kernel[tuple[Array, Array]]):
    """Weighted sums of the loss of each fold's rows, (K, m), at coefficients (K, m, P, k) found without them, and their weights, (K,)."""

    loss: Any
    coefficients: Array
    folds: Folds

    def map(self, block: Block) -> tuple[Array, Array]:
        count, m = self.coefficients.shape[:2]
        sums, weights = np.zeros((count, m)), np.zeros(count)
        owner: IntArray = self.folds.of(block)
        for fold in range(count):
            rows = np.flatnonzero(owner == fold)
            if not rows.size:
                continue
            part = picked(block, rows).without_zero_weights()
            weight = part.weight_of_each_row
            weights[fold] = weight.sum()
            for place in range(m):
                predictors = part.linear_predictors(np.ascontiguousarray(self.coefficients[fold, place]))
                sums[fold, place] = weight @ self.loss.derivatives(part.targets, predictors, 0).value
        return sums, weights

    def merge(self, first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return first[0] + second[0], first[1] + second[1]
