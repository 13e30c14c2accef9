"""The penalty of the curves of a formula: a quadratic form of each curve's own slopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from gradline.base.types import Array
from gradline.penalties.protocol import PenaltyKind

NAME = "curves"


@dataclass(frozen=True, eq=False)
class PenalisedBlock:
    """``sum of strength |root b|^2 / 2`` of the slopes from start to stop of one linear predictor; roots: one a strength, (r, c).

    Of strong penalties the product of slopes and matrix would be rounding, which a root leaves alone.
    """

    name: str
    predictor: int
    start: int
    stop: int
    strengths: tuple[float, ...]
    roots: tuple[Array, ...]

    def gradient(self, b: Array) -> Array:
        """(c,)."""
        return sum((strength * (root.T @ (root @ b)) for strength, root in zip(self.strengths, self.roots, strict=True)), np.zeros(len(b)))

    @property
    def matrix(self) -> Array:
        """(c, c)."""
        size = self.stop - self.start
        return sum((strength * (root.T @ root) for strength, root in zip(self.strengths, self.roots, strict=True)), np.zeros((size, size)))

    def value(self, b: Array) -> float:
        return 0.5 * sum(strength * float(np.square(root @ b).sum()) for strength, root in zip(self.strengths, self.roots, strict=True))


@dataclass(frozen=True, eq=False)
class CurvePenalty:
    """The sum over blocks. chosen_by: how their strengths were found; empty where the formula gave them all."""

    blocks: tuple[PenalisedBlock, ...]
    chosen_by: str = ""
    kind: ClassVar[PenaltyKind] = "quadratic"
    ridge_strength: ClassVar[None] = None
    name: ClassVar[str] = NAME

    @property
    def curves_chosen_by(self) -> str:
        """How their strengths were found."""
        return self.chosen_by

    @property
    def parameters(self) -> Mapping[str, float]:
        """Strengths by curve; of a surface a number for each of its columns."""
        found = dict[str, float]()
        for block in self.blocks:
            for j, strength in enumerate(block.strengths):
                found[block.name if len(block.strengths) == 1 else f"{block.name} {j + 1}"] = strength
        return found

    def value(self, slopes: Array) -> float:
        return sum(block.value(slopes[block.start : block.stop, block.predictor]) for block in self.blocks)

    def gradient(self, slopes: Array) -> Array:
        found = np.zeros_like(slopes, dtype=np.float64)
        for block in self.blocks:
            rows = slice(block.start, block.stop)
            found[rows, block.predictor] = block.gradient(slopes[rows, block.predictor])
        return found

    def curvature(self, slopes: Array) -> Array:
        p, k = slopes.shape
        found = np.zeros((k * p, k * p))
        for block in self.blocks:
            rows = slice(block.predictor * p + block.start, block.predictor * p + block.stop)
            found[rows, rows] += block.matrix
        return found

    def curvatures(self, slopes: Array) -> list[Array]:
        """That of each strength above zero."""
        p, k = slopes.shape
        parts = list[Array]()
        for block in self.blocks:
            rows = slice(block.predictor * p + block.start, block.predictor * p + block.stop)
            for strength, root in zip(block.strengths, block.roots, strict=True):
                if strength > 0:
                    parts.append(np.zeros((k * p, k * p)))
                    parts[-1][rows, rows] = strength * (root.T @ root)
        return parts


@runtime_checkable
class HoldsCurves(Protocol):
    """A penalty of which that of curves is a part, or what a file kept of one."""

    @property
    def curves_chosen_by(self) -> str:
        """How the strengths of curves were found; empty where the formula gave them all."""


def curves_chosen_by(penalty: object) -> str:
    """How the strengths of curves were found; empty where there are none, and where the formula gave them all."""
    return penalty.curves_chosen_by if isinstance(penalty, HoldsCurves) else ""
