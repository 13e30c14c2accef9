"""What the terms of a formula know of their shape, for constraints that hold a curve monotone or convex."""

from __future__ import annotations

from collections.abc import Sequence

from gradline.constraints.shapes import TermShape
from gradline.formulas.encoder import Encoder


def shapes_of(encoder: Encoder, variable: str, order: Sequence[str] | None, within: tuple[float, float] | None) -> list[TermShape]:
    return []
