"""The penalty of the curves of a formula: a quadratic form of each curve's own slopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base.types import Array
from gradline.penalties.protocol import PenaltyKind

NAME = "curves"


@dataclass(frozen=True, eq=False)
class PenalisedBlock:
    """``b' matrix b / 2`` of the slopes from start to stop of one linear predictor; strengths: what the matrix was made with."""

    name: str
    predictor: int
    start: int
    stop: int
    strengths: tuple[float, ...]
    matrix: Array


@dataclass(frozen=True, eq=False)
class CurvePenalty:
    """The sum over blocks. chosen_by: how their strengths were found; empty where the formula gave them all."""

    blocks: tuple[PenalisedBlock, ...]
    chosen_by: str = ""
    kind: ClassVar[PenaltyKind] = "quadratic"
    ridge_strength: ClassVar[None] = None
    name: ClassVar[str] = NAME

    @property
    def parameters(self) -> Mapping[str, float]:
        """Strengths by curve; of a surface a number for each of its columns."""
        found = dict[str, float]()
        for block in self.blocks:
            for j, strength in enumerate(block.strengths):
                found[block.name if len(block.strengths) == 1 else f"{block.name} {j + 1}"] = strength
        return found

    def value(self, slopes: Array) -> float:
        return 0.5 * float(np.sum(slopes * self.gradient(slopes)))

    def gradient(self, slopes: Array) -> Array:
        found = np.zeros_like(slopes, dtype=np.float64)
        for block in self.blocks:
            rows = slice(block.start, block.stop)
            found[rows, block.predictor] = block.matrix @ slopes[rows, block.predictor]
        return found

    def curvature(self, slopes: Array) -> Array:
        p, k = slopes.shape
        found = np.zeros((k * p, k * p))
        for block in self.blocks:
            rows = slice(block.predictor * p + block.start, block.predictor * p + block.stop)
            found[rows, rows] += block.matrix
        return found
