"""What differentiating a loss gives for each row."""

from __future__ import annotations

from typing import NamedTuple

from gradline.base.types import Array


class RowDerivatives(NamedTuple):
    """The loss of each row and its derivatives with respect to that row's linear predictors.

    value (m,); gradient (m, k) or None below order 1; curvature (m, k, k) or None below order 2.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> found = gl.losses.squared.derivatives(np.array([[1.0]]), np.array([[3.0]]), order=2)
    >>> found.value, found.gradient, found.curvature
    (array([4.]), array([[4.]]), array([[[2.]]]))
    """

    value: Array
    gradient: Array | None = None
    curvature: Array | None = None
