"""The penalised blocks of a model's coefficients: a curve in one linear predictor each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.formulas.curves import Curve
from gradline.penalties.curves import CurvePenalty, PenalisedBlock

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Block:
    """name: of the curve, with the linear predictor where there are several. predictor: its number. curve: what it is."""

    name: str
    predictor: int
    curve: Curve

    @property
    def rank(self) -> int:
        """Directions that the penalty holds."""
        return len(self.curve.spectrum)

    @property
    def count(self) -> int:
        """Strengths."""
        return len(self.curve.matrices)

    def places(self, size: int) -> IntArray:
        """Among the coefficients of P columns, a linear predictor after the other."""
        return np.arange(self.curve.start, self.curve.stop) + self.predictor * size


def blocks_of(
    curves: Sequence[Curve], mask: BoolArray | None, predictors: Sequence[str], constant: Sequence[bool] = ()
) -> tuple[Block, ...]:
    """A block for every linear predictor that has the curve. mask (P, k), None where each has all columns. constant: which linear
    predictors have an intercept only, as a dispersion or a threshold; none where empty."""
    found = []
    sloped = [j for j in range(len(predictors)) if not (constant and constant[j])]
    for j in sloped:
        for curve in curves:
            if mask is None or mask[curve.start, j]:
                found.append(Block(curve.name if len(sloped) == 1 else f"{predictors[j]}: {curve.name}", j, curve))
    return tuple(found)


def penalty_of(blocks: Sequence[Block], strengths: Sequence[Sequence[float]], intercept: bool, how: str = "") -> CurvePenalty:
    """The penalty of the blocks at their strengths, in the unit of the mean loss."""
    first = int(intercept)
    parts = []
    for block, own in zip(blocks, strengths, strict=True):
        roots = tuple(_root(matrix, int((block.curve.spectrum[:, j] > 0).sum())) for j, matrix in enumerate(block.curve.matrices))
        parts.append(
            PenalisedBlock(block.name, block.predictor, block.curve.start - first, block.curve.stop - first, tuple(map(float, own)), roots)
        )
    return CurvePenalty(tuple(parts), how)


def _root(matrix: Array, rank: int) -> Array:
    """F (rank, c) with F'F = matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.maximum(values[-rank:], 0.0))[:, None] * vectors[:, -rank:].T)
