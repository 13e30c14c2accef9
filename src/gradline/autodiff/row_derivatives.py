"""What differentiating a loss gives for each row."""

from __future__ import annotations

from typing import NamedTuple

from gradline.base.types import Array


class RowDerivatives(NamedTuple):
    """The loss of each row and its derivatives with respect to that row's linear predictors.

    value (m,); gradient (m, k) or None below order 1; curvature (m, k, k) or None below order 2.
    """

    value: Array
    gradient: Array | None = None
    curvature: Array | None = None
