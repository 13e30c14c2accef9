"""SCAD and MCP: penalties that leave large slopes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.penalties.kinked import Folded
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, factors
from gradline.penalties.lasso import Weights
from gradline.penalties.numbers import checked_strength
from gradline.penalties.sums import PenaltySpec, scales_of


def _checked_shape(value: float, name: str, least: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.integer | np.floating)
        or not (np.isfinite(value) and value > least)
    ):
        raise ArgumentError(f"{name} must be a number above {least:g}, not {value!r}")
    return float(value)


@dataclass(frozen=True, eq=False)
class Scad(PenaltySpec):
    """See :func:`scad`."""

    strength: float | str
    a: float = 3.7
    weights: Weights = None
    scaled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", checked_strength(self.strength, "SCAD"))
        object.__setattr__(self, "a", _checked_shape(self.a, "a of SCAD", 2.0))

    @property
    def name(self) -> str:
        return "scad"

    def bind(self, columns: PenaltyColumns) -> KinkedPenalty:
        """The penalty of these columns."""
        each = float(self.strength) * np.tile(factors(self.weights, columns, "SCAD"), len(columns.predictors))
        return KinkedPenalty(self.name, Folded(each, self.a, scad=True), scales_of(self.scaled, columns, "SCAD"), None, self)


@dataclass(frozen=True, eq=False)
class Mcp(PenaltySpec):
    """See :func:`mcp`."""

    strength: float | str
    gamma: float = 3.0
    weights: Weights = None
    scaled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", checked_strength(self.strength, "MCP"))
        object.__setattr__(self, "gamma", _checked_shape(self.gamma, "gamma of MCP", 1.0))

    @property
    def name(self) -> str:
        return "mcp"

    def bind(self, columns: PenaltyColumns) -> KinkedPenalty:
        """The penalty of these columns."""
        each = float(self.strength) * np.tile(factors(self.weights, columns, "MCP"), len(columns.predictors))
        return KinkedPenalty(self.name, Folded(each, self.gamma, scad=False), scales_of(self.scaled, columns, "MCP"), None, self)


def scad(strength: float | Literal["auto"] = "auto", a: float = 3.7, *, weights: Weights = None, scaled: bool = False) -> Scad:
    """The smoothly clipped absolute deviation of each slope: a lasso near zero, and no pull at all beyond ``a * strength``.

    Fan and Li (2001), J. Am. Statist. Ass. 96. With t = |b| its slope is strength up to t = strength, falls in a line to zero at
    t = a * strength, and stays there. It is not convex: the fit is a minimum near the lasso's, and its certificate says no more.

    Parameters
    ----------
    strength : float
        At least 0.
    a : float
        Above 2; the authors' 3.7 unless given.
    weights : dict, or array-like (p,), optional
        A factor of the strength for each column or term, as for ``lasso``.
    scaled : bool
        Penalise each slope times its column's standard deviation.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        For a strength or a that is out of range.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> fit = gl.fit(X, 3 * X[:, 0], penalty=gl.penalties.scad(0.5))
    >>> bool(abs(fit.slopes[0] - 3) < 1e-9)
    True
    """
    return Scad(strength, a, weights, scaled)


def mcp(strength: float | Literal["auto"] = "auto", gamma: float = 3.0, *, weights: Weights = None, scaled: bool = False) -> Mcp:
    """The minimax concave penalty of each slope: a pull that falls in a line from strength at zero to nothing at ``gamma * strength``.

    Zhang (2010), Annals of Statistics 38. It is not convex: the fit is a minimum near the lasso's, and its certificate says no more.

    Parameters
    ----------
    strength : float
        At least 0.
    gamma : float
        Above 1. The larger, the nearer to a lasso.
    weights : dict, or array-like (p,), optional
        A factor of the strength for each column or term, as for ``lasso``.
    scaled : bool
        Penalise each slope times its column's standard deviation.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        For a strength or gamma that is out of range.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> fit = gl.fit(X, 3 * X[:, 0], penalty=gl.penalties.mcp(0.5))
    >>> bool(abs(fit.slopes[0] - 3) < 1e-9)
    True
    """
    return Mcp(strength, gamma, weights, scaled)
