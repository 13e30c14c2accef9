"""A convex piecewise-linear loss of one residual r = y - eta, as the vertex solver works with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray

if TYPE_CHECKING:
    from gradline.losses.protocol import Loss

PieceArray = np.ndarray[Any, np.dtype[np.int16]]
"""A row's piece: how many kinks its residual has passed, 0 to m."""


class Smooth(NamedTuple):
    """Value, slope and curvature in r of the smoothed loss, each (n,)."""

    value: Array
    slope: Array
    curvature: Array


@dataclass(frozen=True)
class Pieces:
    """kinks (m,) rising; slopes (m + 1,) rising: before the first kink, between kinks, after the last. Values are relative to piece 0."""

    kinks: Array
    slopes: Array

    @cached_property
    def jumps(self) -> Array:
        """How much the slope rises at each kink, (m,)."""
        return np.diff(self.slopes)

    @property
    def steepest(self) -> float:
        return float(np.abs(self.slopes).max())

    def piece(self, residuals: Array) -> PieceArray:
        """Kinks passed; a residual at a kink has not passed it."""
        found: PieceArray = (residuals > self.kinks[0]).astype(np.int16)
        for kink in self.kinks[1:]:
            found += residuals > kink
        return found

    def distance(self, residuals: Array) -> Array:
        """To the nearest kink, (n,)."""
        found: Array = np.abs(residuals - self.kinks[0])
        for kink in self.kinks[1:]:
            np.minimum(found, np.abs(residuals - kink), out=found)
        return found

    def nearest(self, residuals: Array) -> IntArray:
        """The number of the nearest kink, (n,)."""
        return np.asarray(np.abs(residuals[:, None] - self.kinks).argmin(axis=1), dtype=np.int64)

    def smooth(self, residuals: Array, width: float) -> Smooth:
        """The loss averaged over [r - width, r + width]."""
        value, slope = self.slopes[0] * residuals, np.full(residuals.shape, self.slopes[0])
        curvature = np.zeros(residuals.shape)
        for kink, jump in zip(self.kinks, self.jumps, strict=True):
            held = residuals - kink
            size = np.abs(held)
            curvature += (size < width) * (jump / (2.0 * width))
            # jump max(x, 0) smoothed is jump (x + h)^2 / 4h inside the window.
            value += jump * np.where(size < width, np.square(held + width) / (4.0 * width), np.maximum(held, 0.0))
            slope += jump * np.clip((held + width) / (2.0 * width), 0.0, 1.0)
        return Smooth(value, slope, curvature)

    def smooth_slope(self, residuals: Array, width: float) -> Array:
        """The slope of :meth:`smooth` alone."""
        slope = np.full(residuals.shape, self.slopes[0])
        for kink, jump in zip(self.kinks, self.jumps, strict=True):
            slope += jump * np.clip((residuals - (kink - width)) / (2.0 * width), 0.0, 1.0)
        return slope

    def value(self, residuals: Array) -> Array:
        """The loss relative to that of piece 0 at r = 0, (n,)."""
        found: Array = self.slopes[0] * residuals
        for kink, jump in zip(self.kinks, self.jumps, strict=True):
            found += jump * np.maximum(residuals - kink, 0.0)
        return found

    def excess(self, residuals: Array, piece: PieceArray, slack: Array | float = 0.0) -> Array:
        """How far the loss lies above the line of a piece, (n,), never negative: 0 where the residual is on that piece.

        slack: distance past a kink that counts for nothing, for rounding.
        """
        found = np.zeros(residuals.shape)
        for index, (kink, jump) in enumerate(zip(self.kinks, self.jumps, strict=True)):
            past = np.where(piece > index, kink - residuals, residuals - kink)
            found += jump * np.where(past > slack, past, 0.0)
        return found


class NotConvexError(ValueError):
    """A piecewise-linear loss whose slope falls somewhere."""


def pieces_of(loss: Loss, n_targets: int) -> Pieces:
    """The pieces of a loss that is a sum over targets of one function of r.

    Raises ValueError, naming what can solve it, where the loss does not say that it is piecewise linear with kinks it can name, where
    it is not convex, and where it has no lowest point.
    """
    kinks = loss.kinks()
    if not (loss.piecewise_linear and kinks):
        raise SolverError(
            f"PiecewiseLinear solves losses that are piecewise linear in y - eta, and {loss.name!r} is not known to be one:"
            " use gl.Newton or gl.LBFGS for a smooth loss, gl.ActiveSetNewton for one with kinks"
        )
    points = [kinks[0] - 1.0 - abs(kinks[0]), *(0.5 * (low + high) for low, high in pairwise(kinks)), kinks[-1] + 1.0 + abs(kinks[-1])]
    targets = np.zeros((len(points), n_targets))
    targets[:, 0] = points
    gradient = loss.derivatives(targets, np.zeros(targets.shape), 1).gradient
    assert gradient is not None
    slopes = -gradient[:, 0]
    falls = np.flatnonzero(np.diff(slopes) <= 0)
    if falls.size:
        raise NotConvexError(
            f"the loss {loss.name!r} is piecewise linear but not convex (its slope falls at y - eta = {kinks[int(falls[0])]:.6g}),"
            " so no vertex can be certified as its optimum: use gl.ActiveSetNewton, which finds a local one"
        )
    if slopes[0] > 0 or slopes[-1] < 0:
        side = "rises" if slopes[0] > 0 else "falls"
        raise SolverError(f"the loss {loss.name!r} {side} with y - eta everywhere, so it has no lowest point; check its sign")
    return Pieces(np.array(kinks), slopes)
