"""What a penalty owes the rest of gradline.

The objective is ``mean loss + penalty``: a penalty is in the unit of the loss of one row, whatever the number of rows. It sees the
slopes B (p, k), a row per column of the data and a column per linear predictor, in the units of the data. The intercept is never among
them.

A penalty is one of three kinds, and ``kind`` says which. A penalty that declares no kind is taken as smooth.

- quadratic: ``vec(B)' Q vec(B) / 2``, Q any symmetric matrix that is positive semidefinite. A ridge is one.
- smooth: any function with a gradient and a curvature.
- proximal: a function with kinks, such as a lasso, which is given by its proximal step.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from gradline.base.types import Array

PenaltyKind = Literal["quadratic", "smooth", "proximal"]


@runtime_checkable
class Penalty(Protocol):
    """What every penalty has, whatever its kind.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y, penalty=gl.penalties.lasso(0.1)).penalty.name
    'lasso'
    """

    @property
    def name(self) -> str: ...

    def value(self, slopes: Array) -> float:
        """At slopes (p, k), in the unit of the mean loss."""


@runtime_checkable
class SmoothPenalty(Penalty, Protocol):
    """A penalty with two derivatives. It is convex, or a solver may stop at a minimum that is not the lowest."""

    def gradient(self, slopes: Array) -> Array:
        """(p, k)."""

    def curvature(self, slopes: Array) -> Array:
        """The second derivatives: their diagonal (p, k) where no slope's derivative depends on another slope, else all of them (k p, k p),
        with the slopes of the first linear predictor before those of the second."""


@runtime_checkable
class QuadraticPenalty(SmoothPenalty, Protocol):
    """A smooth penalty whose curvature is the same at all slopes, and which is zero at zero, as is its gradient."""

    @property
    def ridge_strength(self) -> float | None:
        """s where the penalty is ``s / 2 * sum b^2``; None for any other quadratic."""


@runtime_checkable
class ProximalPenalty(Penalty, Protocol):
    """A penalty with kinks. A solver takes steps of the smooth rest, and lets the penalty end each step."""

    def prox(self, slopes: Array, step: Array) -> Array:
        """The B (p, k) that minimises ``penalty(B) + sum (B - slopes)^2 / (2 step)``; step (p, k) or one number, above zero."""

    def subgradient_distance(self, slopes: Array, gradient: Array) -> float:
        """How far slopes are from optimal: the Euclidean distance of ``-gradient`` from the subdifferential there. gradient (p, k): that of
        the objective without the penalty. Zero at the minimum of a convex objective."""
