"""What a term knows of its shape: linear inequalities on its coefficients under which its curve rises, or bends upwards, everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array


@dataclass(frozen=True, eq=False)
class TermShape:
    """term: as the formula has it. columns (c,): places among the design's columns. rising, bending: rows (r, c) whose products with the
    term's coefficients are all at least zero only if the curve rises, or bends upwards; None where there is no such thing, and ``reason``
    then says why. steps: what each row of them stands for."""

    term: str
    columns: tuple[int, ...]
    rising: Array | None
    bending: Array | None
    rising_steps: tuple[str, ...] = ()
    bending_steps: tuple[str, ...] = ()
    reason: str = ""


def differences(count: int, order: int, gaps: Sequence[float] | None = None) -> Array:
    """(count - order, count): differences of neighbours, divided by their gaps where these are given; twice of order 2."""
    matrix = np.diff(np.eye(count), axis=0)
    if gaps is not None:
        matrix = matrix / np.asarray(gaps)[:, None]
    return matrix if order == 1 else np.diff(matrix, axis=0)
