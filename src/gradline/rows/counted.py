"""How many rows there are, where one may stand for several."""

from __future__ import annotations

from dataclasses import dataclass

from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows


@dataclass(frozen=True)
class _Counts(Kernel[float]):
    def map(self, block: Block) -> float:
        return float(block.row_counts.sum())

    def merge(self, first: float, second: float) -> float:
        return first + second


def counted(rows: Rows) -> float:
    """The sum of the rows' frequencies, without rows of weight zero: a pass."""
    return rows.reduce(_Counts())
